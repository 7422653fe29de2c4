"""The story of one answer, in the words of the people who work with customers: what was said, who it is, what followed.

Everything is read from what was recorded when it was decided, so the story holds when rules and weights have changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

from connector.domain.matching.ladder import LABELS
from connector.domain.model.intent import IntentState, WriteKind
from connector.domain.model.person import KeyKind, Link, LinkState
from connector.domain.model.score import Score
from connector.domain.recovery.due import due_text
from connector.domain.recovery.text import excerpt, rating_text
from connector.domain.scoring.reason import reason
from connector.store import history, links, outbox, people, receipts, recoveries, responses, scores
from connector.store.history import Entry
from connector.store.intents import IntentRow
from connector.store.responses import Version, VersionState
from connector.store.transaction import Transaction
from connector.sync import follow_up, names
from connector.sync.about import about
from connector.sync.settings import DecideSettings

KINDS: Final[Mapping[WriteKind, str]] = {
    WriteKind.CONTACT: "contact",
    WriteKind.CONTACT_FIELDS: "health score on the contact",
    WriteKind.ACTIVITY: "line on the contact's timeline",
    WriteKind.TASK: "task",
    WriteKind.TICKET: "ticket",
    WriteKind.TICKET_UPDATE: "change of the ticket",
    WriteKind.NOTE: "private note on the ticket",
    WriteKind.ALERT: "message to the team",
    WriteKind.EVENT: "event for another program",
    WriteKind.MESSAGE: "message to the customer",
}
STATES: Final[Mapping[IntentState, str]] = {
    IntentState.PLANNED: "will be written",
    IntentState.BLOCKED: "waits for something else",
    IntentState.HELD: "held back",
    IntentState.SENDING: "is being written",
    IntentState.SUBMITTED: "accepted there, not finished yet",
    IntentState.IN_DOUBT: "sent, no answer yet; the connector is asking whether it arrived",
    IntentState.CONFIRMED: "done",
    IntentState.REJECTED: "refused",
    IntentState.SUPERSEDED: "not needed any more",
    IntentState.GIVEN_UP: "given up",
    IntentState.ERASED: "erased",
}
_OF_RECOVERY: Final = frozenset(
    {
        "alert_expired",
        "follow_up_answered",
        "follow_up_planned",
        "message_unsent",
        "message_withheld",
        "no_recovery",
        "recovery_closed",
        "recovery_joined",
        "recovery_lacks",
        "recovery_opened",
        "recovery_reopened",
        "recovery_stage",
        "recovery_updated",
        "recovery_won_back",
        "rung_climbed",
        "step_done",
        "step_missed",
    }
)
VERSIONS: Final[Mapping[VersionState, str]] = {
    VersionState.PENDING: "received, not decided yet",
    VersionState.DECIDED: "decided",
    VersionState.STALE: "overtaken by a newer version",
    VersionState.QUARANTINED: "could not be decided",
    VersionState.ERASED: "erased",
    VersionState.UNDONE: "decided, and taken back since",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One thing written, or to be written, elsewhere. `link` and `remote_id` are None until it exists there."""

    what: str
    where: str
    state: str
    remote_id: str | None
    link: str | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one component adds to the health score, in points."""

    component: str
    value: float | None
    weight: float
    points: float
    answers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Everything about one answer, in lines of text but for `writes` and `parts`; the latter sum to `points`."""

    key: str
    state: str
    answer: tuple[str, ...]
    identity: tuple[str, ...]
    score: tuple[str, ...]
    parts: tuple[Part, ...]
    points: float | None
    rules: tuple[str, ...]
    recovery: tuple[str, ...]
    writes: tuple[Written, ...]
    events: tuple[str, ...]


def story(tx: Transaction, key: str, settings: DecideSettings) -> Story | None:
    """The story of the answer with this key; None when there is none."""
    response_id = responses.find(tx, key)
    version = None if response_id is None else responses.get(tx, response_id)
    if response_id is None or version is None:
        return None
    entries = history.for_response(tx, response_id)
    decided = _decided(entries)
    person_id = None if version.person_id is None else people.survivor(tx, version.person_id)
    moment = version.decided_at
    score = None if person_id is None or moment is None else scores.as_of_then(tx, person_id, moment)
    latest = None if person_id is None else scores.latest(tx, person_id)
    return Story(
        key=key,
        state=VERSIONS[version.state] + (f": {version.reason}" if version.reason else ""),
        answer=(*_answer(version, decided, settings.time_zone), *_late(tx, version, decided, settings)),
        identity=_identity(tx, person_id, decided, version),
        score=_score(score, latest, settings),
        parts=() if score is None else _parts(score),
        points=None if score is None else score.points,
        rules=_rules(decided),
        recovery=_recovery(tx, response_id, entries, settings),
        writes=tuple(_written(tx, row) for row in _rows(tx, response_id)),
        events=tuple(f"{due_text(entry.at, settings.time_zone)}: {_event(entry)}" for entry in entries),
    )


def _decided(entries: Sequence[Entry]) -> Mapping[str, Any]:
    """What the last decision rested on; empty before the first."""
    found = [entry.detail for entry in entries if entry.event == "decided"]
    return cast("Mapping[str, Any]", found[-1]) if found else {}


def _answer(version: Version, decided: Mapping[str, Any], zone: ZoneInfo) -> tuple[str, ...]:
    response = version.response
    lines = [f"{rating_text(rating)} ({rating.about})" for rating in response.ratings]
    lines.append(f"answered {due_text(response.event_at, zone)}, version {version.number}")
    if response.comment:
        lines += [f"said: {line}" for line in excerpt(response.comment).splitlines()]
    understood = version.understanding
    lines.append(
        f"language {understood.language}, sentiment {understood.sentiment.value}, "
        f"themes {', '.join(understood.themes) or 'none'}"
    )
    lines += [f"theme {theme}: because of “{words}”" for theme, words in sorted(understood.evidence.items())]
    lines += [str(line) for line in decided.get("about", ())]
    lines += [str(line) for line in decided.get("compared", ())]
    if decided:
        lines.append("unhappy" if decided["unhappy"] else "not unhappy")
    if decided.get("why"):
        lines.append(str(decided["why"]))
    return tuple(lines)


def _late(tx: Transaction, version: Version, decided: Mapping[str, Any], settings: DecideSettings) -> tuple[str, ...]:
    """That the shop's record came after the decision, which stands."""
    if not decided or decided.get("about"):
        return ()
    found = about(tx, version.response, settings)
    if found.record is None:
        return ()
    which = f"{found.record.kind} {found.record.id} of {found.record.account}"
    return (f"the record of {which} came after this was decided: figures go by it, the decision stands",)


def _identity(tx: Transaction, person_id: int | None, decided: Mapping[str, Any], version: Version) -> tuple[str, ...]:
    lines: list[str] = []
    evidence = decided.get("identity", {})
    lines += [str(line) for line in evidence.get("compared", ())]
    if evidence.get("losers"):
        lines.append(f"also known by weaker keys: person {', '.join(evidence['losers'])}")
    if person_id is None:
        if version.state is VersionState.DECIDED:
            lines.append("anonymous: no identity was offered, so nobody can be called back")
        return tuple(lines)
    lines.append(f"this is person {person_id}, {_by(evidence.get('decided_by'))}")
    for account, then in sorted(decided.get("links", {}).items()):
        lines += [f"{account}: {line}" for line in then["compared"]]
    for link in links.of_person(tx, person_id):
        lines.append(f"{link.account}: {_link(link)}")
        if link.evidence.losers:
            lines.append(f"{link.account}: found by weaker keys and not taken: {', '.join(link.evidence.losers)}")
    return tuple(lines)


def _by(decided_by: object) -> str:
    if decided_by in {kind.value for kind in KeyKind}:
        return f"recognised by {LABELS[KeyKind(str(decided_by))]}"
    if decided_by == follow_up.BY_REFERENCE:
        return f"recognised by {follow_up.BY_REFERENCE}"
    return "new here"


def _link(link: Link) -> str:
    how = link.evidence.decided_by
    words = f"by {LABELS[KeyKind(how)]}" if how in {kind.value for kind in KeyKind} else how
    if link.state is LinkState.LINKED:
        return f"linked to contact {link.remote_id}, {words}"
    if link.candidates:
        return f"held: {len(link.candidates)} contacts fit ({', '.join(link.candidates)}), somebody has to choose"
    return "held: somebody has to choose a contact" if link.state is LinkState.HELD else f"no contact ({words})"


def _score(score: Score | None, latest: Score | None, settings: DecideSettings) -> tuple[str, ...]:
    if score is None:
        return ("no health score: nothing is known about this person",)
    lines = [
        f"{part.component}: {'no data' if part.value is None else f'{part.value / 100:.2f} of 100'}, "
        f"weight {part.weight:g}, adds {part.points / 100:.2f}"
        for part in score.contributions
    ]
    if score.hundredths is None:
        lines.append(f"no score is published: only {100 * score.coverage:.0f} % of its weight has data")
    else:
        lines.append(
            f"together {score.hundredths / 100:.2f}, band {score.band}, from {_count(score.answers, 'answer')}"
        )
    if settings.score is not None:
        lines.append(reason(score, settings.score.config))
    if latest is not None and latest.hundredths is not None and latest.hundredths != score.hundredths:
        lines.append(f"that was then; by now it is {latest.hundredths / 100:.2f}, band {latest.band}")
    return tuple(lines)


def _parts(score: Score) -> tuple[Part, ...]:
    return tuple(
        Part(
            component=part.component,
            value=None if part.value is None else part.value / 100,
            weight=part.weight,
            points=part.points / 100,
            answers=part.answers,
        )
        for part in score.contributions
    )


def _rules(decided: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(_rule(ruling) for ruling in decided.get("rules", ()))


def _rule(ruling: Mapping[str, Any]) -> str:
    name, part = ruling["rule"], ruling["decided_by"]
    if ruling["missing"]:
        return f"rule {name!r} did not act: {ruling['missing']}"
    if ruling["matched"]:
        return f"rule {name!r} acted, because of: {part}"
    return f"rule {name!r} did not act, because this does not hold: {part}"


def _recovery(tx: Transaction, response_id: int, entries: Sequence[Entry], settings: DecideSettings) -> tuple[str, ...]:
    lines: list[str] = []
    zone = settings.time_zone
    for recovery in recoveries.of_response(tx, response_id):
        ticket = names.ticket_object(recovery.id, recoveries.generation(tx, recovery.id))
        known = receipts.of_objects(tx, [ticket]).get(ticket)
        lines.append(
            f"recovery {recovery.id} ({recovery.playbook}), severity {recovery.severity.value}, "
            f"{recovery.state.value} since {due_text(recovery.closed_at or recovery.opened_at, zone)}"
        )
        if recovery.cause:
            lines.append(f"closed because: {recovery.cause}")
        lines.append(f"it is so far, or ended so: {recovery.stage.value.replace('_', ' ')}")
        if (asked := follow_up.state(tx, recovery, settings)) is not None:
            lines.append(asked)
        lines.append(f"it rests on {_count(recoveries.answers(tx, recovery.id), 'answer')}")
        if known is not None:
            lines.append(f"worked on in ticket {known.remote_id} {known.url or ''}".rstrip())
    details = [entry.detail for entry in entries if entry.event in _OF_RECOVERY and isinstance(entry.detail, dict)]
    return (*lines, *(str(one.get("why") or one.get("cause") or one.get("reason")) for one in details))


def _rows(tx: Transaction, response_id: int) -> list[IntentRow]:
    """What the answer led to, in the order it was planned."""
    return sorted(outbox.for_response(tx, response_id), key=lambda row: row.id)


def _written(tx: Transaction, row: IntentRow) -> Written:
    receipt = receipts.of_intent(tx, row.id)
    return Written(
        what=KINDS[row.kind],
        where=row.account,
        state=STATES[row.state],
        remote_id=None if receipt is None else receipt.remote_id,
        link=None if receipt is None else receipt.url,
        reason=waits(tx, row) if row.state is IntentState.BLOCKED else row.reason,
    )


def waits(tx: Transaction, row: IntentRow) -> str:
    """What a blocked intent still waits for, without the names objects have in our store."""
    unmet = set(row.after) - receipts.of_objects(tx, row.after).keys()
    awaited = {
        "the contact": any("/contact@" in name for name in unmet),
        "the ticket": any("/ticket/" in name for name in unmet),
    }
    return f"waits for {' and '.join(name for name, is_so in awaited.items() if is_so) or 'another write'}"


def _event(entry: Entry) -> str:
    detail = entry.detail if isinstance(entry.detail, dict) else {}
    said = [str(detail[name]) for name in ("kind", "account", "reason", "why", "cause") if detail.get(name)]
    return entry.event.replace("_", " ") + (f" ({', '.join(said)})" if said else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
