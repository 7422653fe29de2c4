"""The values behind the names of `connector.domain.model.context`, built from what the store knows at one instant.

What other systems have yet to answer (the id of a contact being created, the URL of a ticket) is a reference that the
write lane fills in at sending.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from connector.domain.model.intent import refer
from connector.domain.model.person import Contact, LinkState, Suggestion
from connector.domain.model.recovery import Recovery
from connector.domain.model.response import Rating, Respondent
from connector.domain.model.score import Score
from connector.domain.recovery.due import due_text
from connector.domain.recovery.text import Answer, candidate_lines, excerpt, link_lines, rating_text, recent_lines
from connector.domain.recovery.thresholds import Verdict
from connector.domain.scoring.config import ScoringConfig
from connector.domain.scoring.reason import reason
from connector.store import contacts, people, recoveries, responses
from connector.store.responses import Version
from connector.store.transaction import Transaction
from connector.sync.identify import Identity
from connector.sync.names import contact_object
from connector.sync.settings import DecideSettings
from connector.sync.slices import slices

Context = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """Everything known about one answer while it is decided. `previous` is the version decided before this one.

    `candidates` are the contacts the person may be while nobody has said which: those of every held link.
    """

    version: Version
    verdict: Verdict
    identity: Identity
    score: Score | None
    previous: Version | None
    recent: Sequence[Version]
    respondent: Respondent
    contact: Contact | None
    now: datetime
    candidates: Sequence[Contact] = ()

    @property
    def person_id(self) -> int | None:
        """Who answered; None when nobody knows."""
        return self.identity.person_id


def gather(
    tx: Transaction,
    version: Version,
    verdict: Verdict,
    identity: Identity,
    previous: Version | None,
    score: Score | None,
) -> Matter:
    """Look up what texts and rules may speak of."""
    person_id = identity.person_id
    contact = _contact(tx, identity)
    return Matter(
        version=version,
        verdict=verdict,
        identity=identity,
        score=score,
        previous=previous,
        recent=[]
        if person_id is None
        else responses.recent(tx, person_id, before=version.event_at, but=version.response_id),
        respondent=completed(tx, version.response.respondent, person_id, contact),
        contact=contact,
        now=tx.now,
        candidates=_candidates(tx, identity),
    )


def completed(tx: Transaction, offered: Respondent, person_id: int | None, contact: Contact | None) -> Respondent:
    """What this answer leaves out of who answered, from earlier answers, then from the CRM."""
    if person_id is None:
        return offered
    known = people.details(tx, person_id)
    return Respondent(
        invitation=offered.invitation,
        crm_id=offered.crm_id or known.crm_id,
        email=offered.email or known.email or (None if contact is None else contact.email),
        phone=offered.phone or known.phone or (None if contact is None else contact.phone),
        name=offered.name or known.name or (None if contact is None else contact.name),
        company=offered.company or known.company or (None if contact is None else contact.company),
        postcode=offered.postcode or known.postcode or (None if contact is None else contact.postcode),
    )


def _contact(tx: Transaction, identity: Identity) -> Contact | None:
    for account, choice in identity.links.items():
        if choice.link.state is LinkState.LINKED and choice.link.remote_id is not None:
            return contacts.get(tx, account, choice.link.remote_id) or Contact(
                account=account, id=choice.link.remote_id
            )
    return None


def _candidates(tx: Transaction, identity: Identity) -> list[Contact]:
    """Those still there, as the mirror knows them; by their id alone where it does not know them yet."""
    found = [
        contacts.get(tx, account, one) or Contact(account=account, id=one)
        for account, choice in identity.links.items()
        if choice.link.state is LinkState.HELD
        for one in choice.link.candidates
    ]
    return [one for one in found if not one.deleted and one.merged_into is None]


def _likeness(identity: Identity) -> dict[str, Suggestion]:
    """What was compared of the candidates likeness found, by id."""
    return {
        one.contact_id: one
        for choice in identity.links.values()
        if choice.link.state is LinkState.HELD
        for one in choice.link.evidence.suggestions
    }


def build(
    tx: Transaction, matter: Matter, settings: DecideSettings, recovery: Recovery | None = None
) -> dict[str, object]:
    """The context of rules and texts about one answer; `recovery` is the open one it belongs to, if any."""
    known = {} if recovery is None else recovery_values(recovery, recoveries.answers(tx, recovery.id))
    return values(matter, settings, known)


def values(matter: Matter, settings: DecideSettings, recovery: Mapping[str, object]) -> dict[str, object]:
    """The context from what was gathered, and from the values of the open recovery; empty: there is none."""
    version, response = matter.version, matter.version.response
    leading = matter.verdict.leading
    about = slices(response)
    place, staff = settings.directory.where(about.get("location"), about.get("staff"))
    return {
        "unhappy": matter.verdict.unhappy,
        **_rating(leading),
        "ratings": [rating_text(rating) for rating in response.ratings],
        "comment": None if response.comment is None else excerpt(response.comment) or None,
        "language": matter.version.understanding.language,
        "sentiment": matter.version.understanding.sentiment.value,
        "themes": list(matter.version.understanding.themes),
        "critical": not settings.critical_themes.isdisjoint(matter.version.understanding.themes),
        "survey": response.survey,
        "form": response.form,
        "version": version.number,
        "edited": matter.previous is not None,
        "consent": response.consent,
        "submitted_at": response.event_at,
        "age_hours": (matter.now - response.event_at) / timedelta(hours=1),
        "key": response.key,
        "respondent": respondent_values(matter.respondent),
        "interaction": response.interaction,
        "segments": {name: response.segments.get(name) for name in settings.segments},
        "place": place,
        "staff": staff,
        "match": _match(matter.identity),
        "contact": contact_values(matter.contact),
        "score": _score(matter.score, settings),
        "recovery": recovery,
        "step": {},
        "ticket": {},
        "recent": _recent(matter.recent, settings.time_zone),
        "links": [
            *link_lines({"Contact": None if matter.contact is None else matter.contact.url}),
            *candidate_lines(matter.candidates, _likeness(matter.identity)),
        ],
    }


def for_crm(context: Context, matter: Matter, account: str) -> dict[str, object]:
    """The context of a text for one CRM: `contact.id` is there even while the contact is being made."""
    assert matter.person_id is not None
    known = contact_values(matter.contact if matter.contact is not None and matter.contact.account == account else None)
    return {**context, "contact": {**known, "id": refer(contact_object(matter.person_id, account))}}


def with_ticket(context: Context, name: str | None) -> dict[str, object]:
    """The context once it is known which ticket a text may point at."""
    ticket = {} if name is None else {"id": refer(name), "url": refer(name, "url")}
    return {**context, "ticket": ticket}


def with_step(context: Context, name: str, due: datetime | None, zone: ZoneInfo) -> dict[str, object]:
    """The context of one step of a playbook."""
    step = {"name": name, "due_at": due, "due_text": None if due is None else due_text(due, zone)}
    return {**context, "step": step}


def _rating(leading: Rating | None) -> dict[str, object]:
    if leading is None:
        return {"rating": None, "metric": None, "satisfaction": None, "scale": {}}
    return {
        "rating": leading.value,
        "metric": leading.metric.value,
        "satisfaction": round(leading.satisfaction, 2),
        "scale": {"min": leading.scale.min, "max": leading.scale.max, "best": leading.scale.best.value},
    }


def respondent_values(respondent: Respondent) -> dict[str, object]:
    """Who answered, by the names expressions use."""
    first, _, last = (respondent.name or "").strip().rpartition(" ")
    return {
        "name": respondent.name,
        "first_name": first or None,
        "last_name": last or None,
        "email": respondent.email,
        "phone": respondent.phone,
        "company": respondent.company,
        "postcode": respondent.postcode,
        "crm_id": respondent.crm_id,
        "invitation": respondent.invitation,
    }


def _match(identity: Identity) -> dict[str, object]:
    state = next((choice.link.state.value for choice in identity.links.values()), None)
    return {
        "state": "anonymous" if identity.person_id is None else state,
        "by": identity.choice.evidence.decided_by,
        "text": identity.text,
    }


def contact_values(contact: Contact | None) -> dict[str, object]:
    """A contact by the names expressions use; nothing without one."""
    if contact is None:
        return {}
    return {"id": contact.id, "name": contact.name, "owner": contact.owner, "url": contact.url}


def _score(score: Score | None, settings: DecideSettings) -> dict[str, object]:
    if score is None or settings.score is None:
        return {}
    return score_values(score, settings.score.config)


def score_values(score: Score, config: ScoringConfig) -> dict[str, object]:
    """A health score by the names expressions use."""
    return {
        "points": score.points,
        "band": score.band,
        "trend": None if score.trend is None else score.trend / 100,
        "reason": reason(score, config),
        "coverage": round(score.coverage, 4),
        "as_of": score.as_of,
        "answers": score.answers,
    }


def recovery_values(recovery: Recovery, answers: int) -> dict[str, object]:
    """An open recovery with so many answers, by the names expressions use."""
    return {
        "id": recovery.id,
        "severity": recovery.severity.value,
        "playbook": recovery.playbook,
        "opened_at": recovery.opened_at,
        "answers": answers,
        "owner": recovery.owner,
        "stage": recovery.stage.value,
    }


def _recent(versions: Sequence[Version], zone: ZoneInfo) -> list[str]:
    answers = [
        Answer(
            key=version.response.key,
            at=version.event_at,
            ratings=version.response.ratings,
            comment=version.response.comment,
        )
        for version in versions
    ]
    return recent_lines(answers, zone)
