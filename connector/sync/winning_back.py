"""What an answer does to its person's recoveries: open, join, note, or call off before anybody saw it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from connector.domain.model.intent import FINAL_STATES, Intent, IntentState, WriteKind
from connector.domain.model.recovery import Recovery, Severity
from connector.domain.recovery.opening import Move, Standing, Step, on_happy, on_unhappy
from connector.store import history, outbox, recoveries
from connector.store.transaction import Transaction
from connector.sync import messages, names, playbook
from connector.sync.context import Matter
from connector.sync.planning import Pace
from connector.sync.settings import DecideSettings
from connector.sync.work import Work, ticket_of, work_on

ANSWER_CHANGED = "answer changed"
"""The cause of a recovery that was called off because its answer was edited before anybody saw it."""
_GONE = FINAL_STATES - {IntentState.CONFIRMED}
_NEVER_SENT = frozenset({IntentState.PLANNED, IntentState.BLOCKED, IntentState.HELD, IntentState.SUPERSEDED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Won:
    """What was planned; messages about the answer may speak of `recovery` and its `ticket` (an object name)."""

    intents: list[Intent] = field(default_factory=list)
    recovery: Recovery | None = None
    ticket: str | None = None


def running(tx: Transaction, matter: Matter, settings: DecideSettings) -> Recovery | None:
    """The person's open recovery, the worst of them where several playbooks have one."""
    if matter.person_id is None:
        return None
    found = [recoveries.open_one(tx, matter.person_id, name) for name in sorted(settings.playbooks)]
    known = [recovery for recovery in found if recovery is not None]
    return max(known, key=lambda recovery: (recovery.severity.rank, -recovery.id), default=None)


def begins_on(tx: Transaction, ticket: str) -> list[str]:
    """The tickets not ours on which a recovery begins: until it did, nothing says that its `ticket` is that one."""
    recovery_id = names.recovery_of(ticket)
    rows = [] if recovery_id is None else outbox.for_recovery(tx, recovery_id)
    wanted = [row.target for row in rows if row.kind is WriteKind.NOTE and row.state not in _GONE]
    return [target for target in wanted if target is not None and target.startswith("ticket/")]


def act(tx: Transaction, matter: Matter, settings: DecideSettings, wanted: Mapping[str, Severity], pace: Pace) -> Won:
    """Take each playbook's move for this answer. `wanted` are the playbooks the rules ask for."""
    if matter.person_id is None:
        if wanted:
            _tell(tx, matter, "no_recovery", None, why="anonymous: there is nobody to win back")
        return Won()
    planned: list[Intent] = []
    touched: list[Recovery] = []
    for name in sorted(settings.playbooks):
        standing = _standing(tx, matter.person_id, name)
        key = matter.version.response.key
        step = on_unhappy(key, wanted[name], standing) if name in wanted else on_happy(key, standing)
        recovery = _apply(tx, matter, name, step, standing)
        if recovery is None:
            continue
        touched.append(recovery)
        planned += _intents(tx, work_on(tx, matter, recovery, settings, pace), step)
    if not touched:
        return Won()
    worst = max(touched, key=lambda recovery: (recovery.severity.rank, -recovery.id))
    work = work_on(tx, matter, worst, settings, pace)
    return Won(intents=planned, recovery=worst, ticket=ticket_of(tx, work))


def _standing(tx: Transaction, person_id: int, name: str) -> Standing:
    recovery = recoveries.open_one(tx, person_id, name)
    if recovery is None:
        return Standing()
    return Standing(
        recovery=recovery,
        answers=frozenset(recoveries.answer_keys(tx, recovery.id)),
        ticket_sent=was_sent(tx, recovery.id),
    )


def was_sent(tx: Transaction, recovery_id: int) -> bool:
    """Whether anybody may have seen the recovery: a write of it was started, whatever became of it."""
    return any(row.state not in _NEVER_SENT or row.write_id is not None for row in outbox.for_recovery(tx, recovery_id))


def _apply(tx: Transaction, matter: Matter, name: str, step: Step, standing: Standing) -> Recovery | None:
    """Bring the recovery to where the step leads; None when this answer has nothing to do with one."""
    if step.move is Move.NOTHING:
        return None
    assert matter.person_id is not None
    if step.move is Move.CANCEL:
        assert standing.recovery is not None
        call_off(tx, standing.recovery.id, ANSWER_CHANGED)
        _tell(tx, matter, "recovery_closed", standing.recovery.id, why=step.why, cause=ANSWER_CHANGED)
        return None
    if step.move is Move.NOTE:
        recovery = standing.recovery
    else:
        recovery = recoveries.open_or_join(
            tx,
            person_id=matter.person_id,
            playbook=name,
            severity=step.severity,
            response_id=matter.version.response_id,
            response_key=matter.version.response.key,
            at=tx.now,
        ).recovery
    assert recovery is not None
    event = {Move.OPEN: "recovery_opened", Move.JOIN: "recovery_joined"}.get(step.move, "recovery_updated")
    _tell(tx, matter, event, recovery.id, why=step.why, severity=recovery.severity.value)
    return recovery


def _intents(tx: Transaction, work: Work, step: Step) -> list[Intent]:
    if step.move is Move.OPEN:
        return playbook.opened(tx, work)
    noted = playbook.added(tx, work, raised=step.raised)
    return [*noted, *messages.again(tx, work)] if step.raised else noted


def call_off(tx: Transaction, recovery_id: int, cause: str) -> None:
    """Close a recovery nobody has seen: nothing of it is sent any more."""
    for row in outbox.for_recovery(tx, recovery_id):
        if row.state not in FINAL_STATES:
            outbox.drop(tx, row.id, cause)
    recoveries.close(tx, recovery_id, cause, tx.now)


def _tell(tx: Transaction, matter: Matter, event: str, recovery_id: int | None, **detail: str) -> None:
    history.append(
        tx,
        event,
        response_id=matter.version.response_id,
        person_id=matter.person_id,
        recovery_id=recovery_id,
        detail=dict(detail),
    )
