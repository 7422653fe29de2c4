"""An account's intents as a queue: what is due, held or too old, found without reading what waits beside it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, literal_column, or_, select, text

from connector.domain.model.intent import IntentState, Priority, WriteKind
from connector.domain.model.transitions import UNSENT
from connector.store.columns import Instant
from connector.store.intents import STATE, IntentRow, where
from connector.store.schema import IS_HELD, IS_PLANNED, IS_UNSETTLED, intent
from connector.store.transaction import Transaction


def due(
    tx: Transaction,
    account: str,
    until: datetime,
    limit: int | None = None,
    *,
    but: Collection[WriteKind] = (),
    recoveries_of: Collection[WriteKind] = (),
) -> list[IntentRow]:
    """Planned intents of an account whose time comes before `until`; of no kind in `but`, and of those in
    `recoveries_of` only what belongs to recoveries.
    """
    # In the order in which they go, until there are enough: by their time all that are due would be read and sorted.
    by_now = intent.c.not_before.op("+", return_type=Instant())(literal_column("0")) <= until
    return where(tx, and_(text(IS_PLANNED), by_now, _of(account, but, recoveries_of)), limit)


def has_due(
    tx: Transaction,
    account: str,
    until: datetime,
    *,
    but: Collection[WriteKind] = (),
    recoveries_of: Collection[WriteKind] = (),
) -> bool:
    """Whether `due` has any."""
    by_now = and_(intent.c.state == IntentState.PLANNED.value, intent.c.not_before <= until)
    query = select(intent.c.id).where(by_now, _of(account, but, recoveries_of)).limit(1)
    return tx.execute(query).first() is not None


def next_due(tx: Transaction, account: str, *, after: datetime) -> datetime | None:
    """The next instant after `after` at which a planned intent of the account comes due."""
    query = select(func.min(intent.c.not_before)).where(
        intent.c.account == account,
        intent.c.state == IntentState.PLANNED.value,
        intent.c.not_before > after,
    )
    at: datetime | None = tx.execute(query).scalar_one()
    return at


def of_other_kinds(tx: Transaction, account: str, kinds: Iterable[WriteKind]) -> list[IntentRow]:
    """Planned intents of an account of none of these kinds."""
    known = [kind.value for kind in kinds]
    return where(tx, and_(text(IS_PLANNED), intent.c.account == account, intent.c.kind.not_in(known)))


def held_for(
    tx: Transaction, account: str, reason: str, limit: int | None = None, *, kind: WriteKind | None = None
) -> list[IntentRow]:
    """Intents of an account that are held for one reason; of one kind, or of any."""
    condition = and_(text(IS_HELD), intent.c.account == account, intent.c.reason == reason)
    return where(tx, condition if kind is None else and_(condition, intent.c.kind == kind.value), limit)


def too_old(tx: Transaction, account: str) -> list[IntentRow]:
    """Intents of an account that are past their age, whatever their state, unless final or being sent right now."""
    still = [state.value for state in (*UNSENT, IntentState.SUBMITTED, IntentState.IN_DOUBT)]
    past = and_(text(IS_UNSETTLED), intent.c.account == account, intent.c.give_up_at <= tx.now)
    return where(tx, and_(past, STATE.in_(still)))


def earliest_end(tx: Transaction, account: str, *, after: datetime) -> datetime | None:
    """The next instant after `after` at which an intent that is not final grows too old."""
    query = select(func.min(intent.c.give_up_at)).where(
        text(IS_UNSETTLED),
        intent.c.account == account,
        intent.c.give_up_at > after,
    )
    at: datetime | None = tx.execute(query).scalar_one()
    return at


def _of(account: str, but: Collection[WriteKind], recoveries_of: Collection[WriteKind]) -> ColumnElement[bool]:
    urgent = intent.c.priority == Priority.RECOVERY.rank
    return and_(
        intent.c.account == account,
        *([intent.c.kind.not_in([kind.value for kind in but])] if but else []),
        *([or_(urgent, intent.c.kind.not_in([kind.value for kind in recoveries_of]))] if recoveries_of else []),
    )
