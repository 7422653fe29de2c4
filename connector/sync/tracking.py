"""The steps people take: begun with deadlines, done when the ticket or task shows it, late rung by rung."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from connector.domain.model.intent import Intent, Json, WriteKind
from connector.domain.model.recovery import Recovery, RecoveryState, Severity, Stage, StepState
from connector.domain.recovery.calendar import after, open_time
from connector.domain.recovery.due import due_text, span_text
from connector.domain.recovery.proof import Sight, proven, stage_of
from connector.store import history, intents, outbox, recoveries, steps
from connector.store.steps import StepRow
from connector.store.transaction import Transaction
from connector.sync import messages, names
from connector.sync.context import Context, build, with_step, with_ticket
from connector.sync.quiet import loud_from
from connector.sync.settings import DecideSettings, ExpectStep, Message, NotifyStep, Rung, TaskStep
from connector.sync.work import Work, key_of, recalled, ticket_of

PUNCTUAL: Final = timedelta(seconds=5)
"""So late a rung may be climbed without being called late: later means that the connector was down."""
ASK: Final = "0/close/ask"
Timed = ExpectStep | TaskStep


def take_up(tx: Transaction, work: Work) -> Work:
    """A recovery begins: whose it is, and by which playbook and calendar it goes as long as it lives."""
    book, owners = work.book, work.book.owner
    context = build(tx, work.matter, work.settings, work.recovery) if book.calendar or owners else {}
    calendar = None if book.calendar is None else book.calendar.render(context).strip() or None
    owner = None
    if owners is not None and owners.by is not None:
        owner = owners.by.render(context).strip() or None
    elif owners is not None:
        turn = recoveries.opened_before(tx, work.recovery.playbook, work.recovery.id)
        owner = owners.turn[turn % len(owners.turn)]
    if book.content:
        steps.keep_book(tx, book.digest, book.content)
    recoveries.take_up(tx, work.recovery.id, owner=owner, book=book.digest, calendar=calendar)
    return replace(work, recovery=replace(work.recovery, owner=owner, calendar=calendar, book=book.digest))


def begun(tx: Transaction, work: Work, context: Context, made: Collection[str]) -> list[Intent]:
    """Begin every step that waits for no other; `made` are the objects the recovery's other steps make."""
    planned: list[Intent] = []
    for number, step in enumerate(work.steps):
        if isinstance(step, NotifyStep) and step.after is None:
            planned += _message(tx, work, step.message, context, tail=f"{number}/notify")
        elif isinstance(step, ExpectStep) or (
            isinstance(step, TaskStep) and names.task_object(work.recovery.id, number) in made
        ):
            _add(tx, work, number, step)
    return planned


def _add(tx: Transaction, work: Work, number: int, step: Timed) -> None:
    waits = isinstance(step, ExpectStep) and step.after is not None
    steps.add(tx, work.recovery.id, number, step.name, StepState.EXPECTED if waits else StepState.WAITING)
    if not waits:
        _begin(tx, work, _row(tx, work, number), step)


def _begin(tx: Transaction, work: Work, row: StepRow, step: Timed) -> None:
    steps.begin(tx, row, after(work.calendar(step), tx.now, _within(step)))


def _row(tx: Transaction, work: Work, number: int) -> StepRow:
    return next(row for row in steps.of(tx, work.recovery.id) if row.number == number)


def _within(step: Timed) -> timedelta:
    return step.due if isinstance(step, TaskStep) else step.within


def see_ticket(tx: Transaction, recovery: Recovery, seen: Sight, at: datetime, settings: DecideSettings) -> None:
    """An open recovery's ticket was seen so at `at`: deadlines stand still or run on, steps are done, it gets on."""
    rows = steps.of(tx, recovery.id)
    if not any(row.is_open for row in rows) and stage_of(recovery.stage, seen, steps_done=0) is recovery.stage:
        return
    work = recalled(tx, recovery, settings)
    if work is None:
        return
    waits = not {seen.status.casefold(), (seen.shown or "").casefold()}.isdisjoint(work.book.pause_while)
    for row in rows:
        step = _timed(work, row)
        if row.state is StepState.WAITING and row.due_at is not None and step is not None and waits:
            steps.pause(tx, row, open_time(work.calendar(step), min(at, tx.now), row.due_at))
        elif row.state is StepState.PAUSED and not waits:
            _resume(tx, work, row)
    planned: list[Intent] = []
    for row in steps.of(tx, recovery.id):
        step = _timed(work, row)
        if row.is_open and row.state is not StepState.EXPECTED and isinstance(step, ExpectStep):
            shown = proven(step.until, seen)
            if shown is not None:
                planned += finish(tx, work, row, shown, at)
    outbox.plan(tx, planned)
    _get_on(tx, recovery, seen, at)


def _resume(tx: Transaction, work: Work, row: StepRow) -> None:
    """What was left when it stood still is left now; a step that was late already stays as late as it was."""
    step, left = _timed(work, row), row.remaining or timedelta(0)
    if step is None:
        return
    due = after(work.calendar(step), tx.now, left)
    rungs = _rungs(step)
    following = due if not row.missed else _moment(work, step, due, rungs[row.rung]) if row.rung < len(rungs) else None
    steps.resume(tx, row, due, following)


def _get_on(tx: Transaction, recovery: Recovery, seen: Sight, at: datetime) -> None:
    done = sum(row.state is StepState.DONE for row in steps.of(tx, recovery.id))
    stage = stage_of(recovery.stage, seen, steps_done=done)
    if stage is not recovery.stage:
        _advance(tx, recovery, stage, at)


def _advance(tx: Transaction, recovery: Recovery, stage: Stage, at: datetime) -> None:
    recoveries.advance(tx, recovery.id, stage, at)
    detail: dict[str, Json] = {"stage": stage.value, "why": stage.value.replace("_", " ")}
    history.append(tx, "recovery_stage", person_id=recovery.person_id, recovery_id=recovery.id, detail=detail)


def finish(tx: Transaction, work: Work, row: StepRow, proof: str, at: datetime) -> list[Intent]:
    """A step was done at `at`, as `proof` shows: what waited for it begins."""
    steps.finish(tx, row, proof, at)
    recoveries.advance(tx, work.recovery.id, Stage.IN_PROGRESS, at)
    late = row.missed or (row.due_at is not None and at > row.due_at)
    why = f"{row.name}: done{', late' if late else ''}, {proof}"
    _tell(tx, work, "step_done", step=row.name, proof=proof, late=late, why=why)
    planned: list[Intent] = []
    for number, step in enumerate(work.steps):
        if isinstance(step, NotifyStep) and step.after == row.name:
            planned += _message(tx, work, step.message, _context(tx, work), tail=f"{number}/notify")
        elif isinstance(step, ExpectStep) and step.after == row.name:
            following = _row(tx, work, number)
            if following.state is StepState.EXPECTED:
                _begin(tx, work, following, step)
    return planned


def task_done(tx: Transaction, recovery_id: int, number: int, at: datetime, settings: DecideSettings) -> None:
    """The task of a step was completed in its CRM."""
    recovery = recoveries.get(tx, recovery_id)
    if recovery is None or recovery.state is not RecoveryState.OPEN:
        return
    row = next((row for row in steps.of(tx, recovery_id) if row.number == number and row.is_open), None)
    work = recalled(tx, recovery, settings)
    if row is not None and work is not None:
        outbox.plan(tx, finish(tx, work, row, "its task was completed", at))


def ask(tx: Transaction, work: Work, missing: Collection[str]) -> list[Intent]:
    """The message that asks for what a recovery lacks to be closed: the same one, so it is sent once."""
    message = work.book.close.ask
    if message is None:
        return []
    planned = _message(tx, work, message, _context(tx, work), tail=ASK)
    if any(intents.by_key(tx, intent.key) is not None for intent in planned):
        return []
    lacks = " and ".join(name.replace("_", " ") for name in missing)
    _tell(tx, work, "recovery_lacks", missing=", ".join(missing), why=f"solved, but nobody wrote down the {lacks}")
    return planned


def fire(tx: Transaction, row: StepRow, settings: DecideSettings) -> None:
    """A step's deadline has passed, or the next rung of its ladder is due: climb every rung that is due by now."""
    recovery = recoveries.get(tx, row.recovery_id)
    work = None if recovery is None else recalled(tx, recovery, settings)
    step = None if work is None else _timed(work, row)
    if work is None or step is None:
        steps.climb(tx, row, row.rung, None)  # nobody knows what it was any more
        return
    if row.due_at is None:  # the recovery was closed and goes on
        _begin(tx, work, row, step)
        return
    rungs, rung, planned = _rungs(step), row.rung, []
    if not row.missed:
        why = f"{row.name}: not done by {due_text(row.due_at, settings.time_zone)}"
        _tell(tx, work, "step_missed", step=row.name, due_at=row.due_at.isoformat(), why=why)
    while rung < len(rungs) and (moment := _moment(work, step, row.due_at, rungs[rung])) <= tx.now:
        planned += _climb(tx, work, row, step, rung, moment)
        rung += 1
    following = _moment(work, step, row.due_at, rungs[rung]) if rung < len(rungs) else None
    steps.climb(tx, row, rung, following)
    outbox.plan(tx, planned)


def _climb(tx: Transaction, work: Work, row: StepRow, step: Timed, number: int, moment: datetime) -> list[Intent]:
    rung, planned = _rungs(step)[number], []
    if rung.severity is not None and recoveries.raise_severity(tx, work.recovery.id, rung.severity):
        planned += _more_urgent(tx, work, rung.severity, tail=f"{row.number}/late/{number}/priority")
    if rung.owner is not None and (owner := rung.owner.render(_late(tx, work, row, step, moment)).strip()):
        recoveries.hand_over(tx, work.recovery.id, owner)
    known = recoveries.get(tx, work.recovery.id)
    assert known is not None
    now = replace(work, recovery=known)
    if rung.severity is known.severity:
        planned += messages.again(tx, now)
    if rung.notify is not None:
        context = _late(tx, now, row, step, moment)
        planned += _message(tx, now, rung.notify, context, tail=f"{row.number}/late/{number}")
    late = tx.now - moment > PUNCTUAL
    _tell(tx, work, "rung_climbed", step=row.name, rung=number + 1, late=late, why=f"{row.name}: rung {number + 1}")
    return planned


def _late(tx: Transaction, work: Work, row: StepRow, step: Timed, moment: datetime) -> Context:
    """The context of a message about a late step; `step.late_by` only where the connector itself was late to see it."""
    context = with_step(_context(tx, work), row.name, row.due_at, work.settings.time_zone)
    known = context["step"]
    assert isinstance(known, dict)
    behind = tx.now - moment
    who = step.who.render(context).strip() if isinstance(step, ExpectStep) and step.who is not None else None
    late_by = span_text(behind) if behind > PUNCTUAL else None
    return {**context, "step": {**known, "who": who or work.recovery.owner, "late_by": late_by}}


def _context(tx: Transaction, work: Work) -> Context:
    return with_ticket(build(tx, work.matter, work.settings, work.recovery), ticket_of(tx, work))


def _more_urgent(tx: Transaction, work: Work, severity: Severity, *, tail: str) -> list[Intent]:
    """The ticket's priority follows the severity."""
    found, ticket = work.ticket_step(), ticket_of(tx, work)
    if found is None or ticket is None or severity not in found[1].priority:
        return []
    target = found[2]
    return [
        _intent(
            tx, work, target.account, WriteKind.TICKET_UPDATE, ticket, {"priority": found[1].priority[severity]}, tail
        )
    ]


def _message(tx: Transaction, work: Work, message: Message, context: Context, *, tail: str) -> list[Intent]:
    """One message to people; none when nobody knows the connection or where to."""
    target = work.settings.targets.get(message.connection)
    channel = message.channel.render(context).strip()
    if target is None or not channel:
        _tell(tx, work, "message_unsent", reason="there is no such connection" if target is None else "to nobody")
        return []
    fields: dict[str, Json] = {"channel": channel, "text": message.text.render(context).strip()}
    step = context.get("step")
    if isinstance(step, Mapping) and step.get("late_by"):
        due = step.get("due_at")
        shown = due_text(due, work.settings.time_zone) if isinstance(due, datetime) else ""
        fields["text"] = f"{fields['text']}\n(told {step['late_by']} late: it was due {shown})"
    name = f"recovery/{work.recovery.id}/message/{tail}"
    return [_intent(tx, work, target.account, WriteKind.ALERT, name, fields, tail)]


def _intent(
    tx: Transaction, work: Work, account: str, kind: WriteKind, name: str, fields: Mapping[str, Json], tail: str
) -> Intent:
    is_message = kind is WriteKind.ALERT
    critical = work.recovery.severity is Severity.CRITICAL
    not_before = loud_from(work.settings, tx.now, critical=critical) if is_message else tx.now
    response = work.matter.version.response
    return Intent(
        key=key_of(tx, work, int(tail.partition("/")[0]), account, tail.partition("/")[2]),
        account=account,
        kind=kind,
        object=name,
        target=None if is_message else name,
        after=() if is_message else (name,),
        fields=fields,
        # An old copy of the store may not know that a message was sent: as old as its answer, it is looked for.
        cause_at=response.event_at if is_message else tx.now,
        not_before=not_before,
        give_up_at=not_before + work.settings.notify_within,
        priority=work.pace.priority,
        person_id=work.matter.person_id,
        recovery_id=work.recovery.id,
        response_key=response.key,
        version=work.matter.version.number,
    )


def _timed(work: Work, row: StepRow) -> Timed | None:
    step = work.steps[row.number] if row.number < len(work.steps) else None
    return step if isinstance(step, ExpectStep | TaskStep) else None


def _rungs(step: Timed) -> tuple[Rung, ...]:
    return tuple(sorted(step.late, key=lambda rung: rung.after))


def _moment(work: Work, step: Timed, due: datetime, rung: Rung) -> datetime:
    return after(work.calendar(step), due, rung.after) if rung.after else due


def _tell(tx: Transaction, work: Work, event: str, **detail: Json) -> None:
    history.append(
        tx,
        event,
        response_id=work.matter.version.response_id,
        person_id=work.matter.person_id,
        recovery_id=work.recovery.id,
        detail=dict(detail),
    )
