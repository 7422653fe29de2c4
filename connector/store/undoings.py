"""Runs an operator wants undone, and what the store knows of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, func, select, update

from connector.domain.model.intent import NOTES, IntentState
from connector.domain.model.recovery import Recovery
from connector.domain.model.transitions import OPEN, UNSENT
from connector.store import intents, recoveries, responses
from connector.store.inbox import LANE as UNDERSTANDING
from connector.store.inbox import DeliveryState
from connector.store.intents import IntentRow
from connector.store.prepared import Prepared
from connector.store.priors import UNDO
from connector.store.receipts import lane_of
from connector.store.responses import Version, VersionState
from connector.store.schema import inbox, intent, recovery, response, response_version, run, undoing
from connector.store.transaction import Transaction

LANE = "undo"
"""The lane that carries out what is asked for here."""
_FORWARD = ~intent.c.key.startswith(UNDO)
_WITHDRAWN = "its run was undone"
_PLANNING = Prepared(
    select(undoing.c.run_id).where(undoing.c.run_id == bindparam("wanted"), undoing.c.planned_at.is_(None))
)
_ADDS = intent.c.target.is_(None) | intent.c.kind.in_([kind.value for kind in NOTES])
_MAY_EXIST = (
    (intent.c.state == IntentState.PLANNED.value) & _ADDS & ((intent.c.revision > 0) | intent.c.ask_first.is_(True))
)
"""Planned again after a request without an answer, or by a store that was put back: to call it off would hide it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undoing:
    """One run on its way back. `planned_at` None: the daemon has not planned everything yet."""

    run_id: int
    asked_at: datetime
    planned_at: datetime | None


def ask(tx: Transaction, run_id: int) -> bool:
    """An operator wants a run undone; False when that was asked before. Wakes the lane either way."""
    is_new = tx.insert_ignore(undoing, {"run_id": run_id, "asked_at": tx.now})
    tx.execute(update(run).where(run.c.id == run_id, run.c.undone_at.is_(None)).values(undone_at=tx.now))
    tx.wake(LANE)
    return is_new


def open_ones(tx: Transaction) -> list[Undoing]:
    """What was asked for and is not planned yet, in the order of asking."""
    rows = tx.execute(select(undoing).where(undoing.c.planned_at.is_(None)).order_by(undoing.c.asked_at))
    return [Undoing(run_id=row.run_id, asked_at=row.asked_at, planned_at=None) for row in rows]


def asked_since(tx: Transaction) -> datetime | None:
    """When the oldest of them was asked for."""
    return next((one.asked_at for one in open_ones(tx)), None)


def planned(tx: Transaction, run_id: int) -> None:
    """Everything there is to restore and close for a run is in the outbox."""
    tx.execute(update(undoing).where(undoing.c.run_id == run_id).values(planned_at=tx.now))


def unsent(tx: Transaction, run_id: int, limit: int | None = None) -> list[IntentRow]:
    """Intents of a run that no request carries now, nor carried before without anybody knowing what came of it."""
    states = [state.value for state in UNSENT]
    return intents.where(tx, (intent.c.run_id == run_id) & intent.c.state.in_(states) & ~_MAY_EXIST & _FORWARD, limit)


def under_way(tx: Transaction, run_id: int) -> int:
    """How many intents of a run were sent and are not settled: what became of them has to be known first."""
    states = [state.value for state in OPEN]
    query = select(func.count()).where(intent.c.run_id == run_id, intent.c.state.in_(states) | _MAY_EXIST, _FORWARD)
    return int(tx.execute(query).scalar_one())


def ask_first(tx: Transaction, run_id: int) -> None:
    """Have what may exist looked for, once more: nothing of it is sent before that, and what is not found never is."""
    waiting = (intent.c.run_id == run_id) & _MAY_EXIST & ~intent.c.ask_first.is_(True) & _FORWARD
    for row in intents.where(tx, waiting):
        intents.set_aside(tx, row, ask_first=True)
        tx.wake(lane_of(row.account))


def is_under_way(tx: Transaction, run_id: int | None) -> bool:
    """Whether a run is being undone, and not everything that undoes it is planned yet."""
    return run_id is not None and tx.execute(_PLANNING, {"wanted": run_id}).first() is not None


def confirmed_after(tx: Transaction, run_id: int, intent_id: int, limit: int) -> list[IntentRow]:
    """What a run wrote, by number, above `intent_id`."""
    rows = tx.execute(
        select(intent)
        .where(intent.c.run_id == run_id, intent.c.id > intent_id, _FORWARD)
        .where(intent.c.state == IntentState.CONFIRMED.value)
        .order_by(intent.c.id)
        .limit(limit)
    )
    return [intents.from_row(tx, row) for row in rows]


def made(tx: Transaction, run_id: int, objects: Sequence[str]) -> frozenset[str]:
    """Those of the objects that a run created."""
    query = select(intent.c.object).where(
        intent.c.run_id == run_id,
        intent.c.object.in_(objects),
        intent.c.target.is_(None),
        intent.c.state == IntentState.CONFIRMED.value,
        _FORWARD,
    )
    return frozenset(tx.execute(query).scalars())


def decided(tx: Transaction, run_id: int, limit: int) -> list[Version]:
    """Answers decided under a run that still count, oldest first."""
    rows = tx.execute(
        select(response_version, response.c.person_id)
        .join(response, response.c.id == response_version.c.response_id)
        .where(response_version.c.decided_run == run_id, response_version.c.state == VersionState.DECIDED.value)
        .where(response_version.c.sealed.is_not(None))
        .order_by(response_version.c.id)
        .limit(limit)
    )
    return [responses.from_row(tx, row) for row in rows.all()]


def how_many_decided(tx: Transaction, run_id: int) -> int:
    """How many answers were decided under a run and still count."""
    query = select(func.count()).where(
        response_version.c.decided_run == run_id, response_version.c.state == VersionState.DECIDED.value
    )
    return int(tx.execute(query).scalar_one())


def opened_by(tx: Transaction, version: Version) -> list[Recovery]:
    """The recoveries that deciding this version opened."""
    rows = tx.execute(
        select(recovery)
        .where(recovery.c.opened_by == version.response.key, recovery.c.opened_at == version.decided_at)
        .order_by(recovery.c.id)
    )
    return [recoveries.from_row(row) for row in rows.all()]


def withdraw(tx: Transaction, version: Version) -> None:
    """A version counts for nothing any more; the newest that still does is the answer's latest again."""
    _to_undone(tx, version.id)
    still = select(func.coalesce(func.max(response_version.c.version), version.number)).where(
        response_version.c.response_id == version.response_id,
        response_version.c.state == VersionState.DECIDED.value,
    )
    tx.execute(
        update(response)
        .where(response.c.id == version.response_id, response.c.latest_version == version.number)
        .values(latest_version=still.scalar_subquery())
    )


def stop_import(tx: Transaction, run_id: int) -> int:
    """What an import brought and nobody decided yet is left undecided; how many deliveries and answers that is."""
    waiting = update(inbox).where(inbox.c.run_id == run_id, inbox.c.state == DeliveryState.RECEIVED.value)
    deliveries = tx.execute(waiting.values(state=DeliveryState.IGNORED.value, reason=_WITHDRAWN)).rowcount
    undecided = (VersionState.PENDING.value, VersionState.QUARANTINED.value)
    of_run = response_version.c.run_id == run_id
    answers = update(response_version).where(of_run, response_version.c.state.in_(undecided))
    return int(deliveries) + int(
        tx.execute(answers.values(state=VersionState.UNDONE.value, reason=_WITHDRAWN, decided_run=run_id)).rowcount
    )


def read_again(tx: Transaction, run_id: int) -> tuple[int, int]:
    """Put the newest delivery of each answer an undone run decided back in line, to be read as the mapping is now.

    Returns how many, and how many answers cannot be: their delivery is not kept any more.
    """
    answers = (
        select(response_version.c.response_id)
        .where(response_version.c.decided_run == run_id, response_version.c.state == VersionState.UNDONE.value)
        .distinct()
    )
    newest = (
        select(func.max(inbox.c.id))
        .where(inbox.c.response_id.in_(answers), inbox.c.payload.is_not(None))
        .where(inbox.c.state == DeliveryState.MAPPED.value)
        .group_by(inbox.c.response_id)
    )
    wanted = int(tx.execute(select(func.count()).select_from(answers.subquery())).scalar_one())
    back = tx.execute(
        update(inbox)
        .where(inbox.c.id.in_(newest))
        .values(state=DeliveryState.RECEIVED.value, response_id=None, run_id=None)
    ).rowcount
    ignored = update(inbox).where(inbox.c.run_id == run_id, inbox.c.reason == _WITHDRAWN)
    back += tx.execute(ignored.values(state=DeliveryState.RECEIVED.value, reason=None, run_id=None)).rowcount
    if back:
        tx.wake(UNDERSTANDING)
    return int(back), max(0, wanted - int(back))


def _to_undone(tx: Transaction, version_id: int) -> None:
    tx.execute(
        update(response_version)
        .where(response_version.c.id == version_id, response_version.c.state == VersionState.DECIDED.value)
        .values(state=VersionState.UNDONE.value, reason=_WITHDRAWN)
    )
