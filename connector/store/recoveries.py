"""Recoveries: opened once per person and playbook, joined by later answers, closed with a cause."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, case, func, literal, select, text, update

from connector.domain.model.recovery import Recovery, RecoveryState, Severity, Stage
from connector.store import steps
from connector.store.columns import Instant
from connector.store.prepared import Prepared
from connector.store.schema import recovery, recovery_response, response
from connector.store.transaction import Transaction
from connector.store.winning import IS_OPEN

MERGED = "merged into an older recovery of the same person"
_GET = Prepared(select(recovery).where(recovery.c.id == bindparam("wanted")))
_OPEN = Prepared(
    select(recovery).where(
        recovery.c.person_id == bindparam("person"),
        recovery.c.playbook == bindparam("book"),
        text(IS_OPEN),
    )
)

_INSERT = Prepared(recovery.insert().returning(recovery.c.id))
_EARLIER = Prepared(
    select(func.count())
    .select_from(recovery)
    .where(recovery.c.opened_by == bindparam("key"), recovery.c.id < bindparam("before"))
)
_ANSWERS = Prepared(
    select(func.count()).select_from(recovery_response).where(recovery_response.c.recovery_id == bindparam("wanted"))
)
_GENERATION = Prepared(select(recovery.c.generation).where(recovery.c.id == bindparam("wanted")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What `open_or_join` did: opened a recovery, joined a running one, or found the answer already in it."""

    recovery: Recovery
    opened: bool
    joined: bool
    raised: bool


def open_or_join(
    tx: Transaction,
    *,
    person_id: int,
    playbook: str,
    severity: Severity,
    response_id: int,
    response_key: str,
    at: datetime,
) -> Opening:
    """Open the person's recovery under `playbook`, or join the one that is open; severity only rises."""
    running = open_one(tx, person_id, playbook)
    if running is None:
        made = tx.execute(
            _INSERT,
            {
                "person_id": person_id,
                "playbook": playbook,
                "state": RecoveryState.OPEN.value,
                "severity": severity.value,
                "opened_by": response_key,
                "opened_at": at,
                "generation": 1,
                "stage": Stage.OPENED.value,
            },
        ).scalar_one()
        _add_answer(tx, made, response_id)
        opened = get(tx, made)
        assert opened is not None
        return Opening(recovery=opened, opened=True, joined=False, raised=False)
    raised = severity.rank > running.severity.rank
    if raised:
        tx.execute(update(recovery).where(recovery.c.id == running.id).values(severity=severity.value))
    joined = _add_answer(tx, running.id, response_id)
    after = get(tx, running.id)
    assert after is not None
    return Opening(recovery=after, opened=False, joined=joined, raised=raised)


def _add_answer(tx: Transaction, recovery_id: int, response_id: int) -> bool:
    return tx.insert_ignore(
        recovery_response, {"recovery_id": recovery_id, "response_id": response_id, "joined_at": tx.now}
    )


def open_one(tx: Transaction, person_id: int, playbook: str) -> Recovery | None:
    """The person's open recovery under this playbook; there is at most one."""
    row = tx.execute(_OPEN, {"person": person_id, "book": playbook}).first()
    return None if row is None else from_row(row)


def get(tx: Transaction, recovery_id: int) -> Recovery | None:
    """One recovery."""
    row = tx.execute(_GET, {"wanted": recovery_id}).first()
    return None if row is None else from_row(row)


def of_response(tx: Transaction, response_id: int) -> list[Recovery]:
    """The recoveries an answer opened or joined, oldest first."""
    rows = tx.execute(
        select(recovery)
        .join(recovery_response, recovery_response.c.recovery_id == recovery.c.id)
        .where(recovery_response.c.response_id == response_id)
        .order_by(recovery.c.id)
    ).all()
    return [from_row(row) for row in rows]


def ordinal(tx: Transaction, recovery_id: int) -> int:
    """The recovery's number, from 0, among those its answer opened: the same however often it is worked out."""
    mine = get(tx, recovery_id)
    assert mine is not None
    return int(tx.execute(_EARLIER, {"key": mine.opened_by, "before": recovery_id}).scalar_one())


def answer_keys(tx: Transaction, recovery_id: int) -> list[str]:
    """The keys of the answers in a recovery."""
    rows = tx.execute(
        select(response.c.key)
        .join(recovery_response, recovery_response.c.response_id == response.c.id)
        .where(recovery_response.c.recovery_id == recovery_id)
        .order_by(response.c.key)
    ).all()
    return [str(row.key) for row in rows]


def answers(tx: Transaction, recovery_id: int) -> int:
    """How many answers a recovery rests on."""
    return int(tx.execute(_ANSWERS, {"wanted": recovery_id}).scalar_one())


def close(tx: Transaction, recovery_id: int, cause: str, at: datetime, stage: Stage = Stage.ENDED) -> bool:
    """Close an open recovery, ended as `stage` says; False when it was closed already, whose cause then stands."""
    done = tx.execute(
        update(recovery)
        .where(recovery.c.id == recovery_id, recovery.c.state == RecoveryState.OPEN.value)
        .values(state=RecoveryState.CLOSED.value, closed_at=at, cause=cause, stage=stage.value)
    )
    if done.rowcount:
        steps.skip_all(tx, recovery_id)
    return bool(done.rowcount)


def take_up(tx: Transaction, recovery_id: int, *, owner: str | None, book: str, calendar: str | None) -> None:
    """Write down whose it is and by which playbook and calendar it goes, for as long as it lives."""
    tx.execute(update(recovery).where(recovery.c.id == recovery_id).values(owner=owner, book=book, calendar=calendar))


def hand_over(tx: Transaction, recovery_id: int, owner: str) -> None:
    """It is somebody else's from now on."""
    tx.execute(update(recovery).where(recovery.c.id == recovery_id).values(owner=owner))


def raise_severity(tx: Transaction, recovery_id: int, severity: Severity) -> bool:
    """Severity only rises; whether it did."""
    mine = get(tx, recovery_id)
    if mine is None or mine.state is not RecoveryState.OPEN or severity.rank <= mine.severity.rank:
        return False
    tx.execute(update(recovery).where(recovery.c.id == recovery_id).values(severity=severity.value))
    return True


def advance(tx: Transaction, recovery_id: int, stage: Stage, at: datetime) -> None:
    """It is so far; the first time somebody did something is kept."""
    tx.execute(
        update(recovery)
        .where(recovery.c.id == recovery_id)
        .values(stage=stage.value, touched_at=func.coalesce(recovery.c.touched_at, literal(at, Instant)))
    )


def opened_before(tx: Transaction, playbook: str, recovery_id: int) -> int:
    """How many recoveries of a playbook were opened before this one."""
    which = (recovery.c.playbook == playbook, recovery.c.id < recovery_id)
    return int(tx.execute(select(func.count()).select_from(recovery).where(*which)).scalar_one())


def listed(tx: Transaction, *, closed: bool, limit: int) -> list[Recovery]:
    """Open recoveries, the most severe first, then the oldest; or those that were closed, newest first."""
    rank = case({each.value: -each.rank for each in Severity}, value=recovery.c.severity)
    state = RecoveryState.CLOSED if closed else RecoveryState.OPEN
    order = (recovery.c.closed_at.desc(),) if closed else (rank, recovery.c.opened_at)
    rows = tx.execute(
        select(recovery).where(recovery.c.state == state.value).order_by(*order, recovery.c.id).limit(limit)
    ).all()
    return [from_row(row) for row in rows]


def conclude(tx: Transaction, recovery_id: int, stage: Stage) -> None:
    """Say how a closed recovery ended."""
    which = (recovery.c.id == recovery_id, recovery.c.state == RecoveryState.CLOSED.value)
    tx.execute(update(recovery).where(*which).values(stage=stage.value))


def win(tx: Transaction, recovery_id: int) -> bool:
    """The customer of a closed recovery says that it is well; False when it is open, or was won before."""
    done = tx.execute(
        update(recovery)
        .where(
            recovery.c.id == recovery_id,
            recovery.c.state == RecoveryState.CLOSED.value,
            recovery.c.stage != Stage.WON_BACK.value,
        )
        .values(stage=Stage.WON_BACK.value)
    )
    return bool(done.rowcount)


def newest_answer(tx: Transaction, recovery_id: int) -> int | None:
    """The number of the answer that joined a recovery last."""
    found: int | None = tx.execute(
        select(recovery_response.c.response_id)
        .where(recovery_response.c.recovery_id == recovery_id)
        .order_by(recovery_response.c.joined_at.desc(), recovery_response.c.response_id.desc())
        .limit(1)
    ).scalar()
    return found


def account_for(tx: Transaction, recovery_id: int, *, root_cause: str | None, action_taken: str | None) -> None:
    """Write down why it happened and what was done; what is None stays as it was."""
    values: dict[str, object] = {} if root_cause is None else {"root_cause": root_cause}
    if action_taken is not None:
        values["action_taken"] = tx.seal("recovery.action_taken", action_taken)
    if values:
        tx.execute(update(recovery).where(recovery.c.id == recovery_id).values(**values))


def action_taken(tx: Transaction, recovery_id: int) -> str | None:
    """What was done, in the words of whoever did it."""
    sealed = tx.execute(select(recovery.c.action_taken).where(recovery.c.id == recovery_id)).scalar_one_or_none()
    return None if sealed is None else str(tx.unseal("recovery.action_taken", sealed))


def generation(tx: Transaction, recovery_id: int) -> int:
    """The number of the recovery's current ticket, from 1; each follow-up ticket raises it."""
    return int(tx.execute(_GENERATION, {"wanted": recovery_id}).scalar_one())


def follow_up(tx: Transaction, recovery_id: int, number: int) -> bool:
    """The recovery goes on in its ticket `number`; True when it was closed and is open again, as `reopen` allows it."""
    tx.execute(update(recovery).where(recovery.c.id == recovery_id).values(generation=number))
    return reopen(tx, recovery_id)


def reopen(tx: Transaction, recovery_id: int) -> bool:
    """Open a closed recovery again, unless the person has another open one under its playbook; whether it did."""
    mine = get(tx, recovery_id)
    if mine is None or mine.state is RecoveryState.OPEN or open_one(tx, mine.person_id, mine.playbook) is not None:
        return False
    tx.execute(
        update(recovery)
        .where(recovery.c.id == recovery_id)
        .values(state=RecoveryState.OPEN.value, closed_at=None, cause=None, stage=Stage.REOPENED.value)
    )
    steps.expect_again(tx, recovery_id)
    return True


def move(tx: Transaction, loser: int, winner: int) -> list[tuple[int, int]]:
    """Give one person's recoveries to another. Returns (older, younger) where both had one open under a playbook.

    The older survives and takes the higher severity and the younger one's answers; the younger is closed.
    """
    pairs = []
    rows = tx.execute(select(recovery).where(recovery.c.person_id == loser).order_by(recovery.c.id)).all()
    for mine in [from_row(row) for row in rows]:
        rival = open_one(tx, winner, mine.playbook)
        if mine.state is RecoveryState.OPEN and rival is not None:
            older, younger = sorted((mine, rival), key=lambda item: (item.opened_at, item.id))
            close(tx, younger.id, MERGED, tx.now)
            _absorb(tx, older, younger)
            pairs.append((older.id, younger.id))
        tx.execute(update(recovery).where(recovery.c.id == mine.id).values(person_id=winner))
    return pairs


def _absorb(tx: Transaction, older: Recovery, younger: Recovery) -> None:
    if younger.severity.rank > older.severity.rank:
        tx.execute(update(recovery).where(recovery.c.id == older.id).values(severity=younger.severity.value))
    rows = tx.execute(
        select(recovery_response.c.response_id).where(recovery_response.c.recovery_id == younger.id)
    ).all()
    for row in rows:
        _add_answer(tx, older.id, row.response_id)


def counts(tx: Transaction) -> dict[str, int]:
    """How many recoveries are open and closed."""
    rows = tx.execute(select(recovery.c.state, func.count()).group_by(recovery.c.state)).all()
    return {str(state): int(number) for state, number in rows}


def from_row(row: Row[Any]) -> Recovery:
    """A row of the table as a value."""
    return Recovery(
        id=row.id,
        person_id=row.person_id,
        playbook=row.playbook,
        state=RecoveryState(row.state),
        severity=Severity(row.severity),
        opened_by=row.opened_by,
        opened_at=row.opened_at,
        closed_at=row.closed_at,
        cause=row.cause,
        stage=Stage(row.stage),
        owner=row.owner,
        touched_at=row.touched_at,
        root_cause=row.root_cause,
        book=row.book,
        calendar=row.calendar,
    )
