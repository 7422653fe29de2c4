"""Themes that make many people unhappy: their issue is opened, grows, is called off, opened again, and written anew."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from connector.domain import defects as rules
from connector.domain.defects import Mention, Move, Step
from connector.domain.model.intent import Intent, IntentState, Json, Priority, Receipt, WriteKind
from connector.domain.model.recovery import Severity
from connector.domain.model.response import Respondent
from connector.store import defects, history, intents, outbox, people, recoveries, responses, storms, tickets
from connector.store.defects import Defect, DefectState
from connector.store.intents import IntentRow
from connector.store.transaction import Transaction
from connector.sync import names
from connector.sync.context import Matter
from connector.sync.settings import DecideSettings, Tracking

PATIENCE: Final = timedelta(days=14)
_NEVER_SENT: Final = frozenset({IntentState.PLANNED, IntentState.BLOCKED, IntentState.HELD, IntentState.SUPERSEDED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One theme in one tracker, at one moment."""

    tracking: Tracking
    account: str
    theme: str
    linger: timedelta
    now: datetime


def act(tx: Transaction, matter: Matter, settings: DecideSettings) -> list[Intent]:
    """Count an answer that is acted on among what it speaks of, and plan what follows for the issues of its themes."""
    if not settings.defects:
        return []
    themes = matter.version.understanding.themes if matter.verdict.unhappy else ()
    changed = defects.mention(tx, matter.version.response_id, themes, matter.version.event_at)
    if storms.of(tx, matter.version.response.survey).since is not None:
        return []  # a scale may be read the wrong way round: what is counted now is told of by the next answer after it
    return weigh(tx, changed, settings, matter.version.response_id)


def weigh(
    tx: Transaction, themes: Collection[str], settings: DecideSettings, response_id: int | None = None
) -> list[Intent]:
    """What follows for the issues of themes, of which something new is known since this answer, or a ticket."""
    planned: list[Intent] = []
    for theme in sorted(themes):
        for trouble in _troubles(theme, settings, tx.now):
            planned += _about(tx, trouble, response_id)
    return planned


def tracking_of(settings: DecideSettings, account: str, theme: str) -> Tracking | None:
    """What a tracker wants to know of a theme: what is said of it by name wins."""
    mine = [one for one in settings.defects if settings.targets[one.connection].account == account]
    named = next((one for one in mine if one.theme == theme), None)
    return named or next((one for one in mine if one.theme is None), None)


def _troubles(theme: str, settings: DecideSettings, now: datetime) -> Iterator[Trouble]:
    targets = {settings.targets[one.connection].account: settings.targets[one.connection] for one in settings.defects}
    for account in sorted(targets):
        tracking = tracking_of(settings, account, theme)
        if tracking is not None:
            yield Trouble(tracking=tracking, account=account, theme=theme, linger=targets[account].linger, now=now)


def _about(tx: Transaction, trouble: Trouble, response_id: int | None) -> list[Intent]:
    policy, one = trouble.tracking.policy, defects.newest(tx, trouble.account, trouble.theme)
    known = None if one is None else one.known(is_sent=_was_sent(tx, one))
    oldest = trouble.now - policy.within
    since = oldest if known is None else min(oldest, known.since)
    step = rules.decide(policy, defects.mentions(tx, trouble.theme, since), known, trouble.now)
    if step.move is Move.NOTHING:
        return []
    if step.move is Move.OPEN:
        return _open(tx, trouble, step, response_id)
    assert one is not None
    if step.move is Move.CALL_OFF:
        outbox.cancel(tx, one.account, one.object, "too few are unhappy about it after all")
        defects.end(tx, one, DefectState.CALLED_OFF)
        _tell(tx, "defect_called_off", one, step, response_id)
        return []
    told = _reopen(tx, trouble, one, step) if step.move is Move.REOPEN else _grow(tx, trouble, one, step)
    defects.said(tx, one, severity=step.severity, told=step.answers)
    _tell(tx, "defect_returned" if step.move is Move.REOPEN else "defect_grew", one, step, response_id)
    return told


def _open(tx: Transaction, trouble: Trouble, step: Step, response_id: int | None) -> list[Intent]:
    one = defects.open_one(
        tx,
        trouble.account,
        trouble.theme,
        severity=step.severity,
        since=step.mentions[0].at,
        told=step.answers,
    )
    fields: dict[str, Json] = {
        "title": rules.title(trouble.theme, step.severity),
        "body": _body(tx, trouble, step),
        "labels": list(trouble.tracking.labels),
        "state": "open",
    }
    _tell(tx, "defect_opened", one, step, response_id)
    tx.wake(defects.lane_of_issues(trouble.account))
    return [_intent(tx, trouble, one, WriteKind.ISSUE, "", fields, cause_at=_began(trouble, step))]


def _grow(tx: Transaction, trouble: Trouble, one: Defect, step: Step) -> list[Intent]:
    text = rules.grown(step, _tickets(tx, step.mentions[one.told :]))
    what = f"grew/{step.answers}/{step.severity}"
    planned = [_intent(tx, trouble, one, WriteKind.ISSUE_NOTE, what, {"text": text}, cause_at=_began(trouble, step))]
    return [*planned, *_retitled(tx, trouble, one, step.severity)]


def _reopen(tx: Transaction, trouble: Trouble, one: Defect, step: Step) -> list[Intent]:
    defects.reopen(tx, one)
    text, what = rules.returned(step, _tickets(tx, step.new)), f"returned/{one.closings}"
    return [
        _intent(tx, trouble, one, WriteKind.ISSUE_STATE, f"reopened/{one.closings}", {"state": "open"}),
        _intent(tx, trouble, one, WriteKind.ISSUE_NOTE, what, {"text": text}, cause_at=_began(trouble, step)),
        *_retitled(tx, trouble, one, step.severity),
    ]


def _retitled(tx: Transaction, trouble: Trouble, one: Defect, severity: Severity) -> list[Intent]:
    if severity is one.severity:
        return []
    fields: dict[str, Json] = {"title": rules.title(trouble.theme, severity)}
    return [_intent(tx, trouble, one, WriteKind.ISSUE, f"severity/{severity}", fields)]


def _began(trouble: Trouble, step: Step) -> datetime:
    """What caused a text: all that it counts, so the oldest of it. The newest may be one an old copy of the store never
    heard of, whose text a life before may have written for another answer; a cause so old is looked for first.
    """
    return min(step.mentions[0].at, trouble.now)


def _intent(
    tx: Transaction,
    trouble: Trouble,
    one: Defect,
    kind: WriteKind,
    what: str,
    fields: dict[str, Json],
    *,
    cause_at: datetime | None = None,
) -> Intent:
    """One write about an issue; without `what` the one that opens it. It is about many people, so about nobody."""
    key = names.defect_key(tx, one.account, one.theme, one.episode)
    return Intent(
        key=f"{key}/{what}" if what else key,
        account=one.account,
        kind=kind,
        object=f"{one.object}/{what}" if kind is WriteKind.ISSUE_NOTE else one.object,
        target=one.object if what else None,
        after=(one.object,) if what else (),
        fields=fields,
        # Of an issue's state the newest word counts, and that is this decision, not the answer behind it.
        cause_at=cause_at or trouble.now,
        not_before=trouble.now + trouble.linger,
        give_up_at=trouble.now + PATIENCE,
        priority=Priority.NORMAL,
        fold=kind is WriteKind.ISSUE,
        ours=frozenset({"state", "body"}),
    )


def _body(tx: Transaction, trouble: Trouble, step: Step) -> str:
    policy = trouble.tracking.policy
    tickets = _tickets(tx, step.mentions)
    return rules.body(trouble.theme, step, _quotes(tx, step.mentions), tickets, within=policy.within)


def _quotes(tx: Transaction, mentions: Sequence[Mention]) -> list[str]:
    """What the newest of them wrote, each person once."""
    found: dict[object, str] = {}
    for mention in reversed(mentions):
        if mention.response_id is None:
            continue  # of a ticket only its address is told
        version = responses.get(tx, mention.response_id)
        author = mention.person or f"answer {mention.response_id}"
        if version is None or version.response.comment is None or author in found:
            continue
        who, about = version.response.respondent, version.response.interaction
        known = Respondent() if mention.person is None else people.details(tx, people.survivor(tx, mention.person))
        names_ = (who.name, who.company, who.email, known.name, known.company, known.email, about.staff)
        if line := rules.quote(version.response.comment, names_):
            found[author] = line
        if len(found) == rules.QUOTES:
            break
    return list(found.values())


def _tickets(tx: Transaction, mentions: Sequence[Mention]) -> list[str]:
    """The tickets themselves, and those on which the recoveries of answers are worked on, as far as they are there."""
    objects = [
        names.ticket_object(recovery.id, recoveries.generation(tx, recovery.id))
        for mention in mentions
        if mention.response_id is not None
        for recovery in recoveries.of_response(tx, mention.response_id)
    ]
    there = outbox.receipts(tx, objects)
    urls = [there[name].url for name in dict.fromkeys(objects) if name in there]
    own = [tickets.get(tx, *mention.ticket) for mention in mentions if mention.response_id is None]
    urls += [ticket.url for ticket in own if ticket is not None]
    return list(dict.fromkeys(url for url in urls if url))


def write_anew(tx: Transaction, settings: DecideSettings, account: str) -> bool:
    """Issues that may quote an erased person get a text without them; False while some request has to end first."""
    is_done = True
    for one in defects.stale(tx, account):
        tracking = tracking_of(settings, account, one.theme)
        policy = rules.Policy() if tracking is None else tracking.policy
        mentions = tuple(defects.mentions(tx, one.theme, one.since))
        step = Step(move=Move.GROW, mentions=mentions, severity=one.severity)
        text = rules.body(one.theme, step, _quotes(tx, mentions), _tickets(tx, mentions), within=policy.within)
        is_sent = _was_sent(tx, one)
        if not defects.written_anew(tx, one, text):
            is_done = False
            continue
        if is_sent:
            trouble = Trouble(
                tracking=tracking or Tracking(connection="", theme=None, policy=policy),
                account=account,
                theme=one.theme,
                linger=timedelta(0),
                now=tx.now,
            )
            what = f"anew/{tx.blind('defect text', text)[:16]}"
            outbox.plan(tx, [_intent(tx, trouble, one, WriteKind.ISSUE, what, {"body": text})])
    return is_done


def settled(tx: Transaction, row: IntentRow, receipt: Receipt | None) -> None:
    """The issue that a row opens is there, or never will be: then the theme's next answers open another."""
    one = defects.of_object(tx, row.object)
    if one is None or row.kind is not WriteKind.ISSUE or row.target is not None:
        return
    if receipt is None and row.state in {IntentState.REJECTED, IntentState.GIVEN_UP} and one.state is DefectState.OPEN:
        defects.end(tx, one, DefectState.FAILED)
    elif receipt is not None:
        tx.wake(defects.lane_of_issues(one.account))
        newest = defects.newest(tx, one.account, one.theme)
        if one.state is DefectState.FAILED and newest == one:
            defects.reopen(tx, one)


def dropped(tx: Transaction, row: IntentRow) -> None:
    """An operator does not want the issue, and so nothing that was to be said on it."""
    one = defects.of_object(tx, row.object)
    if one is not None and row.kind is WriteKind.ISSUE and row.target is None and one.state is DefectState.OPEN:
        outbox.cancel(tx, one.account, one.object, "its issue was dropped")
        defects.end(tx, one, DefectState.CALLED_OFF)


def undone(tx: Transaction, row: IntentRow) -> None:
    """The run that opened an issue is taken back: the theme's next issue is another one."""
    one = defects.of_object(tx, row.object)
    if one is not None and row.kind is WriteKind.ISSUE and row.target is None:
        defects.end(tx, one, DefectState.UNDONE)


def _was_sent(tx: Transaction, one: Defect) -> bool:
    """Whether anybody may have seen it: a request that opens it was started, whatever became of it."""
    key = names.defect_key(tx, one.account, one.theme, one.episode)
    row = intents.by_key(tx, key)
    return row is None or row.state not in _NEVER_SENT or row.write_id is not None or row.revision > 0


def _tell(tx: Transaction, event: str, one: Defect, step: Step, response_id: int | None) -> None:
    """In the story of the answer that made the difference; it names nobody else."""
    detail: dict[str, Json] = {
        "account": one.account,
        "theme": one.theme,
        "answers": step.answers,
        "people": step.people,
        "severity": step.severity.value,
    }
    history.append(tx, event, response_id=response_id, detail=detail)
