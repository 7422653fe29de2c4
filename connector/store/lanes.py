"""Lanes: who drains what, until when, and what wakes it.

A row counts wake-ups (`wake_seq`) and those a finished drain has seen (`done_seq`); a lane is due while they differ,
when `wake_at` has come, or when its holder's lease ran out before it finished. Taking one is a conditional update that
raises the epoch, so that two takers never both succeed and a late holder can be told apart from its successor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, bindparam, case, literal, or_, select, update

from connector.store.prepared import Prepared
from connector.store.schema import lane
from connector.store.transaction import Transaction, insert_of

_DUE = Prepared(select(lane).where(lane.c.name == bindparam("wanted")))
_HOLDS = Prepared(
    select(lane.c.name)
    .where(lane.c.name == bindparam("wanted"), lane.c.owner == bindparam("held_by"), lane.c.epoch == bindparam("since"))
    .where(lane.c.lease_until > bindparam("now"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A lane in somebody's hands: `epoch` counts how often it was taken, `wake_seq` its wake-ups until then."""

    name: str
    owner: str
    epoch: int
    wake_seq: int
    lease_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a lane stands: who holds it, how often it was taken, and when it can next be taken (None: when woken)."""

    name: str
    owner: str | None
    epoch: int
    due_at: datetime | None


def wake(tx: Transaction, wakes: Mapping[str, datetime | None]) -> None:
    """Write wake-ups down (None: now). `Transaction.wake` collects them; the database calls this before it commits."""
    for name, at in sorted(wakes.items()):  # one order everywhere, so that two transactions cannot lock crosswise
        values = {"name": name, "epoch": 0, "done_seq": 0, "wake_seq": int(at is None), "wake_at": at}
        tx.execute(_wake(tx.dialect, now=at is None), values)


@cache
def _wake(dialect: str, *, now: bool) -> Prepared:
    insert = insert_of(dialect, lane)
    changes = {"wake_seq": lane.c.wake_seq + 1} if now else {"wake_at": _earlier(insert.excluded.wake_at)}
    return Prepared(insert.on_conflict_do_update(index_elements=["name"], set_=changes))


def due_at(tx: Transaction, name: str) -> datetime | None:
    """When the lane can next be taken as far as is known; not after `tx.now` means at once, None means when woken."""
    row = tx.execute(_DUE, {"wanted": name}).one_or_none()
    return None if row is None else _due_at(tx, row)


def standing(tx: Transaction) -> list[Standing]:
    """Every lane there is, as `due_at` sees it."""
    rows = tx.execute(select(lane).order_by(lane.c.name))
    return [Standing(name=row.name, owner=row.owner, epoch=row.epoch, due_at=_due_at(tx, row)) for row in rows]


def _due_at(tx: Transaction, row: Row[Any]) -> datetime | None:
    if row.owner is not None:
        expiry: datetime = row.lease_until
        return expiry
    if row.wake_seq > row.done_seq:
        return tx.now
    wake_at: datetime | None = row.wake_at
    return wake_at


def take(tx: Transaction, name: str, owner: str, lease: timedelta) -> Hold | None:
    """Take the lane if it is due and nobody holds it; None otherwise.

    `wake_at` is cleared: the drain looks at everything that is due and says itself when to come back. A holder that
    dies meanwhile leaves an expired lease, which makes the lane due.
    """
    lease_until = tx.now + lease
    row = tx.execute(
        update(lane)
        .where(lane.c.name == name, or_(_resting_and_due(tx), _abandoned(tx)))
        .values(owner=owner, epoch=lane.c.epoch + 1, lease_until=lease_until, wake_at=None)
        .returning(lane.c.epoch, lane.c.wake_seq)
    ).one_or_none()
    if row is None:
        return None
    return Hold(name=name, owner=owner, epoch=row.epoch, wake_seq=row.wake_seq, lease_until=lease_until)


def renew(tx: Transaction, hold: Hold, lease: timedelta) -> Hold | None:
    """Prolong a lease that has not run out; None when it has, and the lane is to be considered lost."""
    lease_until = tx.now + lease
    held = tx.execute(
        update(lane).where(_is_held(hold), lane.c.lease_until > tx.now).values(lease_until=lease_until)
    ).rowcount
    return replace(hold, lease_until=lease_until) if held else None


def finish(tx: Transaction, hold: Hold, next_due: datetime | None) -> bool:
    """Give the lane back, due again at `next_due` (None: when woken); False when it belongs to somebody else by now.

    Wake-ups that came while it was held stay: those counted after the take leave it due at once, a `wake_at` set
    meanwhile wins when it is earlier.
    """
    wake_at = lane.c.wake_at if next_due is None else _earlier(literal(next_due, lane.c.wake_at.type))
    released = tx.execute(
        update(lane).where(_is_held(hold)).values(owner=None, lease_until=None, done_seq=hold.wake_seq, wake_at=wake_at)
    ).rowcount
    return released == 1


def holds(tx: Transaction, hold: Hold) -> bool:
    """True while the lane is still this holder's and the lease has not run out.

    Nobody takes the lane in between: that is a writing transaction, too, and there is one at a time. The row is not
    locked, or every wake-up of the lane and the renewal of its lease would wait for what its holder does.
    """
    held = {"wanted": hold.name, "held_by": hold.owner, "since": hold.epoch, "now": tx.now}
    return tx.execute(_HOLDS, held).first() is not None


def is_leased(at: datetime) -> ColumnElement[bool]:
    """Whether somebody holds a lane at that instant."""
    return and_(lane.c.owner.is_not(None), lane.c.lease_until > at)


def _is_held(hold: Hold) -> ColumnElement[bool]:
    return and_(lane.c.name == hold.name, lane.c.owner == hold.owner, lane.c.epoch == hold.epoch)


def _resting_and_due(tx: Transaction) -> ColumnElement[bool]:
    return and_(
        lane.c.owner.is_(None),
        or_(lane.c.wake_seq > lane.c.done_seq, lane.c.wake_at <= tx.now),
    )


def _abandoned(tx: Transaction) -> ColumnElement[bool]:
    return and_(lane.c.owner.is_not(None), lane.c.lease_until <= tx.now)


def _earlier(at: ColumnElement[datetime]) -> ColumnElement[datetime]:
    return case((lane.c.wake_at < at, lane.c.wake_at), else_=at)


def owners(tx: Transaction) -> dict[str, str]:
    """Who holds each lane that is held, by name."""
    rows = tx.execute(select(lane.c.name, lane.c.owner).where(lane.c.owner.is_not(None)).order_by(lane.c.name))
    return {row.name: row.owner for row in rows}


def due(tx: Transaction) -> list[str]:
    """The lanes that can be taken now."""
    rows = tx.execute(select(lane.c.name).where(or_(_resting_and_due(tx), _abandoned(tx))))
    return [str(row.name) for row in rows]


def abandon(tx: Transaction, name: str, owner: str) -> None:
    """End the lease of an owner that is known to be dead, so that nobody waits for it. Wakes the lane."""
    ended = tx.execute(update(lane).where(lane.c.name == name, lane.c.owner == owner).values(lease_until=tx.now))
    if ended.rowcount:
        tx.wake(name)
