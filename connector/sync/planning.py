"""From decided values to intents: what one answer changes at the person's contacts, timeline, ticket and score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Final

from connector.domain.mapping.fields import FieldMapping
from connector.domain.model.intent import FINAL_STATES, Intent, IntentState, Json, Priority, WriteKind, refer
from connector.domain.model.person import LinkState
from connector.domain.model.response import Interaction
from connector.domain.recovery.text import fit
from connector.store import intents, outbox, tickets
from connector.store.transaction import Transaction
from connector.sync import names
from connector.sync.context import Context, Matter, for_crm
from connector.sync.identify import Identity, waits_for_contact
from connector.sync.settings import DecideSettings, Target

# After this long an effect surprises more than it helps; it is given up and the operators are told.
PATIENCE: Final = timedelta(days=3)
# An outage over a long weekend must not empty a CRM's timeline of what happened meanwhile.
RECORD_PATIENCE: Final = timedelta(days=14)
_FAILED: Final = frozenset({IntentState.REJECTED, IntentState.SUPERSEDED, IntentState.GIVEN_UP, IntentState.ERASED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How urgent an answer's effects are, and from when on they may leave."""

    priority: Priority
    now: datetime

    def not_before(self, *lingers: timedelta) -> datetime:
        """After the longest of the lingers."""
        return self.now + max([timedelta(0), *lingers])


def pace_of(matter: Matter, *, acts: bool) -> Pace:
    """A recovery never waits behind a backfill, nor behind an import that is acted on."""
    if not acts or matter.version.run_id is not None:
        return Pace(priority=Priority.BACKFILL, now=matter.now)
    return Pace(priority=Priority.RECOVERY if matter.verdict.unhappy else Priority.NORMAL, now=matter.now)


def may_write(identity: Identity, account: str) -> bool:
    """Whether anything is written to a CRM about this person: linked, asked about, or being created there."""
    choice = identity.links.get(account)
    if choice is None:
        return False
    return choice.create or identity.names_contact or choice.link.state is not LinkState.UNLINKED


def contact(tx: Transaction, matter: Matter, target: Target, context: Context, pace: Pace) -> list[Intent]:
    """Make sure of the person's contact, where the link says that there is none."""
    person_id, section = matter.person_id, target.sections.get("contact")
    choice = matter.identity.links.get(target.account)
    if person_id is None or section is None or choice is None or not choice.create:
        return []
    if waits_for_contact(tx, person_id, target.account):
        return []
    fields = section.evaluate(context)
    digest = names.person_key(tx, person_id)
    key = _contact_key(tx, target.account, digest)
    if key is None:
        return []
    return [
        Intent(
            key=key,
            record=names.contact_key(target.account, digest),
            account=target.account,
            kind=WriteKind.CONTACT,
            object=names.contact_object(person_id, target.account),
            fields={name: value for name, value in fields.items() if value is not None},
            cause_at=matter.version.event_at,
            not_before=pace.not_before(target.linger),
            give_up_at=pace.now + RECORD_PATIENCE,
            priority=pace.priority,
            person_id=person_id,
            response_key=matter.version.response.key,
            version=matter.version.number,
        )
    ]


def _contact_key(tx: Transaction, account: str, digest: str) -> str | None:
    """The first key nothing was planned under; None while somebody by the same keys is being made sure of.

    What was planned under earlier keys ended: in a failure, or in a contact that was deleted since.
    """
    for attempt in count(1):
        key = names.contact_key(account, digest, attempt)
        earlier = intents.by_key(tx, key)
        if earlier is None:
            return key
        if earlier.state not in FINAL_STATES:
            break
    return None


def activity(tx: Transaction, matter: Matter, target: Target, context: Context, pace: Pace) -> list[Intent]:
    """The answer on the contact's timeline; a newer version replaces what the older one said."""
    section = target.sections.get("activity")
    if matter.person_id is None or section is None or not may_write(matter.identity, target.account):
        return []
    response_key, number = matter.version.response.key, matter.version.number
    name = names.activity_object(response_key, target.account)
    return [
        Intent(
            key=names.answer_key(target.account, response_key, "activity", matter.version.mark),
            record=names.answer_key(target.account, response_key, "activity"),
            account=target.account,
            kind=WriteKind.ACTIVITY,
            object=name,
            target=name if was_planned(tx, matter, name) else None,
            after=(names.contact_object(matter.person_id, target.account),),
            fields=section.evaluate(for_crm(context, matter, target.account)),
            ours=section.ours,
            if_blank=section.if_blank,
            cause_at=matter.version.event_at,
            not_before=pace.not_before(target.linger),
            give_up_at=pace.now + RECORD_PATIENCE,
            # The timeline is for reading later: it never goes before a ticket or a task.
            priority=max(pace.priority, Priority.NORMAL, key=lambda priority: priority.rank),
            fold=True,
            person_id=matter.person_id,
            response_key=response_key,
            version=number,
        )
    ]


def was_planned(tx: Transaction, matter: Matter, object_name: str) -> bool:
    """Whether an earlier version of the answer made this object, or is about to."""
    return matter.version.number > 1 and any(
        row.object == object_name and row.target is None and row.state not in _FAILED
        for row in outbox.for_response(tx, matter.version.response_id)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AboutTicket:
    """The ticket a survey was about, in one helpdesk."""

    object: str
    remote_id: str
    url: str | None = None


def ticket_about(tx: Transaction, matter: Matter, target: Target) -> AboutTicket | None:
    """The helpdesk's ticket the answer is about, made known to the outbox; None when it is about something else."""
    about = about_ticket(tx, matter.version.response.interaction, target)
    if about is not None:
        outbox.adopt(tx, target.account, about.object, about.remote_id, about.url)
    return about


def about_ticket(tx: Transaction, about: Interaction, target: Target) -> AboutTicket | None:
    """The helpdesk's ticket an interaction is; None when it is something else."""
    if about.kind != "ticket" or about.id is None or "helpdesk" not in target.roles:
        return None
    known = tickets.get(tx, target.account, about.id)
    if known is None and not about.id.isdigit():
        return None
    name = names.foreign_ticket(target.account, about.id)
    return AboutTicket(object=name, remote_id=about.id, url=None if known is None else known.url)


def answer_note(tx: Transaction, matter: Matter, target: Target, context: Context, pace: Pace) -> list[Intent]:
    """The answer as a private note on the ticket it is about."""
    section = target.sections.get("answer")
    about = ticket_about(tx, matter, target)
    if section is None or about is None:
        return []
    return [
        note(
            matter,
            target,
            ticket=about.object,
            fields=texts(section, context),
            pace=pace,
            key=names.answer_key(target.account, matter.version.response.key, "answer", matter.version.mark),
            what="answer",
        )
    ]


def note(
    matter: Matter,
    target: Target,
    *,
    ticket: str,
    fields: Mapping[str, Json],
    pace: Pace,
    key: str,
    what: str,
    recovery_id: int | None = None,
) -> Intent:
    """One private note on a ticket; `what` tells apart the notes one version of an answer leads to."""
    response_key, number = matter.version.response.key, matter.version.number
    return Intent(
        key=key,
        account=target.account,
        kind=WriteKind.NOTE,
        object=names.note_object(response_key, matter.version.mark, target.account, what),
        target=ticket,
        after=(ticket,),
        fields=fields,
        cause_at=matter.version.event_at,
        not_before=pace.not_before(target.linger),
        give_up_at=pace.now + PATIENCE,
        priority=pace.priority,
        person_id=matter.person_id,
        recovery_id=recovery_id,
        response_key=response_key,
        version=number,
    )


def texts(section: FieldMapping, context: Context) -> dict[str, Json]:
    """A section's fields, every text short enough for an agent's screen."""
    fields = section.evaluate(context)
    return {name: fit(value) if isinstance(value, str) else value for name, value in fields.items()}


def score_fields(
    tx: Transaction,
    *,
    person_id: int,
    target: Target,
    context: Context,
    cause: str,
    pace: Pace,
    settings: DecideSettings,
    as_of: datetime,
    response_key: str | None = None,
    version: int | None = None,
) -> list[Intent]:
    """The health score as absolute values; unsent ones fold into the newest."""
    section = target.sections.get("contact_fields")
    if section is None or settings.score is None:
        return []
    name = names.contact_object(person_id, target.account)
    return [
        Intent(
            key=names.score_key(target.account, names.person_key(tx, person_id), cause),
            account=target.account,
            kind=WriteKind.CONTACT_FIELDS,
            object=name,
            target=name,
            after=(name,),
            fields=section.evaluate({**context, "contact": {"id": refer(name)}}),
            ours=section.ours,
            if_blank=section.if_blank,
            cause_at=as_of,
            not_before=pace.not_before(target.linger, settings.score.linger),
            give_up_at=pace.now + RECORD_PATIENCE,
            priority=max(pace.priority, Priority.NORMAL, key=lambda priority: priority.rank),
            fold=True,
            person_id=person_id,
            response_key=response_key,
            version=version,
        )
    ]
