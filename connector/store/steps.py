"""The steps recoveries wait for, with their deadlines; and the playbooks recoveries keep."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Text, bindparam, cast, func, literal, select, update

from connector.domain.model.recovery import RecoveryState, StepState
from connector.store.prepared import Prepared
from connector.store.schema import playbook_text, recovery, recovery_step, remote
from connector.store.transaction import Transaction

TIMERS = "timers"
"""The lane that looks at deadlines."""
_OPEN = (StepState.EXPECTED, StepState.WAITING, StepState.PAUSED)
_OF = Prepared(
    select(recovery_step).where(recovery_step.c.recovery_id == bindparam("wanted")).order_by(recovery_step.c.number)
)
_TIMED = (
    recovery_step.c.state == StepState.WAITING.value,
    recovery.c.id == recovery_step.c.recovery_id,
    recovery.c.state == RecoveryState.OPEN.value,
)
_DUE = Prepared(
    select(recovery_step)
    .where(*_TIMED, recovery_step.c.rung_at <= bindparam("now"))
    .order_by(recovery_step.c.rung_at, recovery_step.c.recovery_id, recovery_step.c.number)
    .limit(bindparam("most"))
)
_NEXT = Prepared(select(func.min(recovery_step.c.rung_at)).where(*_TIMED))


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """One step. `rung` counts the rungs climbed, `rung_at` is when its deadline or the next rung is due.

    `remaining` is the open time a paused step has left.
    """

    recovery_id: int
    number: int
    name: str
    state: StepState
    began_at: datetime
    due_at: datetime | None
    remaining: timedelta | None
    rung: int
    rung_at: datetime | None
    missed: bool
    done_at: datetime | None
    proof: str | None

    @property
    def is_open(self) -> bool:
        """Whether it is still to be done."""
        return self.state in _OPEN


def add(tx: Transaction, recovery_id: int, number: int, name: str, state: StepState) -> None:
    """A step to be done; one that is there already stays as it is."""
    values = {
        "recovery_id": recovery_id,
        "number": number,
        "name": name,
        "state": state.value,
        "began_at": tx.now,
        "rung": 0,
        "missed": False,
    }
    tx.insert_ignore(recovery_step, values)


def begin(tx: Transaction, row: StepRow, due_at: datetime) -> None:
    """Its time runs, from now until `due_at`."""
    _set(tx, row, state=StepState.WAITING.value, began_at=tx.now, due_at=due_at, rung=0, rung_at=due_at, missed=False)
    tx.wake(TIMERS, due_at)


def climb(tx: Transaction, row: StepRow, rung: int, rung_at: datetime | None) -> None:
    """Its deadline has passed: so many rungs are climbed, and the next is due then."""
    _set(tx, row, rung=rung, rung_at=rung_at, missed=True)


def pause(tx: Transaction, row: StepRow, remaining: timedelta) -> None:
    """Its time stands still."""
    left = remaining // timedelta(microseconds=1)
    _set(tx, row, state=StepState.PAUSED.value, remaining=left, due_at=None, rung_at=None)


def resume(tx: Transaction, row: StepRow, due_at: datetime, rung_at: datetime | None) -> None:
    """Its time runs on."""
    _set(tx, row, state=StepState.WAITING.value, remaining=None, due_at=due_at, rung_at=rung_at)
    if rung_at is not None:
        tx.wake(TIMERS, rung_at)


def finish(tx: Transaction, row: StepRow, proof: str, at: datetime) -> None:
    """It was done, at `at`, as `proof` shows; late when that is after its deadline."""
    late = row.missed or (row.due_at is not None and at > row.due_at)
    _set(tx, row, state=StepState.DONE.value, done_at=at, proof=proof, missed=late, rung_at=None, remaining=None)


def skip_all(tx: Transaction, recovery_id: int) -> None:
    """The recovery was closed: nothing more is waited for."""
    tx.execute(
        update(recovery_step)
        .where(recovery_step.c.recovery_id == recovery_id, recovery_step.c.state.in_([each.value for each in _OPEN]))
        .values(state=StepState.SKIPPED.value, rung_at=None, remaining=None)
    )


def expect_again(tx: Transaction, recovery_id: int) -> None:
    """The recovery goes on: what was skipped is to be done after all, and its time begins when the timers look."""
    done = tx.execute(
        update(recovery_step)
        .where(recovery_step.c.recovery_id == recovery_id, recovery_step.c.state == StepState.SKIPPED.value)
        .values(state=StepState.WAITING.value, due_at=None, rung_at=tx.now, rung=0)
    )
    if done.rowcount:
        tx.wake(TIMERS)


def of(tx: Transaction, recovery_id: int) -> list[StepRow]:
    """The steps of a recovery that are waited for, in the playbook's order."""
    return [_row(row) for row in tx.execute(_OF, {"wanted": recovery_id}).all()]


def due(tx: Transaction, *, limit: int) -> list[StepRow]:
    """Steps of open recoveries whose deadline, or next rung, is due by now; longest ago first."""
    return [_row(row) for row in tx.execute(_DUE, {"now": tx.now, "most": limit}).all()]


def next_due(tx: Transaction) -> datetime | None:
    """When the next deadline or rung is due, or was; None when none is waited for."""
    found: datetime | None = tx.execute(_NEXT, {}).scalar_one_or_none()
    return found


def open_tasks(tx: Transaction, account: str) -> list[tuple[str, int, int]]:
    """Tasks in an account that open recoveries wait for: their id there, the recovery and the number of the step."""
    name = (
        literal("recovery/") + cast(recovery_step.c.recovery_id, Text) + "/task/" + cast(recovery_step.c.number, Text)
    )
    rows = tx.execute(
        select(remote.c.remote_id, recovery_step.c.recovery_id, recovery_step.c.number)
        .join(remote, remote.c.object == name)
        .join(recovery, recovery.c.id == recovery_step.c.recovery_id)
        .where(
            remote.c.account == account,
            recovery.c.state == RecoveryState.OPEN.value,
            recovery_step.c.state.in_([each.value for each in _OPEN]),
        )
        .order_by(recovery_step.c.recovery_id, recovery_step.c.number)
    ).all()
    return [(str(row.remote_id), int(row.recovery_id), int(row.number)) for row in rows]


def keep_book(tx: Transaction, digest: str, content: str) -> None:
    """Keep a playbook as it is now."""
    tx.insert_ignore(playbook_text, {"digest": digest, "content": content, "first_used_at": tx.now})


def book(tx: Transaction, digest: str) -> str | None:
    """The content of a kept playbook."""
    return tx.execute(select(playbook_text.c.content).where(playbook_text.c.digest == digest)).scalar_one_or_none()


def _set(tx: Transaction, row: StepRow, **values: object) -> None:
    tx.execute(
        update(recovery_step)
        .where(recovery_step.c.recovery_id == row.recovery_id, recovery_step.c.number == row.number)
        .values(**values)
    )


def _row(row: Row[Any]) -> StepRow:
    return StepRow(
        recovery_id=row.recovery_id,
        number=row.number,
        name=row.name,
        state=StepState(row.state),
        began_at=row.began_at,
        due_at=row.due_at,
        remaining=None if row.remaining is None else timedelta(microseconds=row.remaining),
        rung=row.rung,
        rung_at=row.rung_at,
        missed=bool(row.missed),
        done_at=row.done_at,
        proof=row.proof,
    )
