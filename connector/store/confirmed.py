"""Confirmed values: per object and field, what the other system last confirmed to hold.

`known` is false while a write of the field is open. An unknown value never suppresses a write, and only a receipt or a
read makes it known again. `theirs` marks a value a person set after our last confirmed one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, delete, select, update

from connector.domain.model.intent import Json
from connector.store import intents
from connector.store.columns import EPOCH
from connector.store.prepared import Prepared
from connector.store.schema import confirmed
from connector.store.transaction import Transaction

VALUE = "confirmed.value"
_OF = Prepared(
    select(confirmed).where(confirmed.c.account == bindparam("owner"), confirmed.c.object == bindparam("name"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """One field. `value` means something only while `known`; `event_at` is the event time of our last receipt."""

    value: Json
    known: bool
    event_at: datetime
    theirs: bool
    at: datetime


def of(tx: Transaction, account: str, object_name: str) -> dict[str, Confirmed]:
    """What is known about an object's fields, by field."""
    rows = tx.execute(_OF, {"owner": account, "name": object_name})
    return {
        row.field: Confirmed(
            value=None if row.value is None else tx.unseal(VALUE, row.value),
            known=row.known,
            event_at=row.event_at,
            theirs=row.theirs,
            at=row.at,
        )
        for row in rows
    }


def lose(tx: Transaction, account: str, object_name: str, fields: Mapping[str, Json]) -> None:
    """A write of `fields` is about to leave: from now on nobody knows what they hold."""
    # A field without a receipt has no event time: should this write be refused, an older fact must still pass.
    unknown = {"known": False, "event_at": EPOCH, "theirs": False, "at": tx.now}
    rows = [{**_key(account, object_name, name), **unknown} for name in fields]
    tx.upsert(confirmed, rows, keys=["account", "object", "field"], update=["known"])


def confirm(
    tx: Transaction, account: str, object_name: str, values: Mapping[str, Json], event_at: Mapping[str, datetime]
) -> None:
    """A receipt says that these fields hold these values; `event_at` has the event time of each."""
    rows = [
        {
            **_key(account, object_name, name),
            "known": True,
            "value": tx.seal(VALUE, value),
            "event_at": event_at[name],
            "theirs": False,
            "at": tx.now,
        }
        for name, value in values.items()
    ]
    tx.upsert(
        confirmed,
        rows,
        keys=["account", "object", "field"],
        update=["known", "value", "event_at", "theirs", "at"],
    )


def forget(tx: Transaction, account: str, object_name: str) -> None:
    """The name stands for another object from now on, or for none: what the old one held says nothing about that."""
    tx.execute(delete(confirmed).where(confirmed.c.account == account, confirmed.c.object == object_name))


def still_holds(tx: Transaction, account: str, object_name: str, event_at: Mapping[str, datetime]) -> None:
    """A newer fact wants the value a field already has: older facts must not overwrite it either."""
    for name, at in event_at.items():
        tx.execute(
            update(confirmed)
            .where(
                confirmed.c.account == account,
                confirmed.c.object == object_name,
                confirmed.c.field == name,
                confirmed.c.event_at < at,
            )
            .values(event_at=at)
        )


def observe(
    tx: Transaction, account: str, object_name: str, values: Mapping[str, Json], *, read_at: datetime
) -> frozenset[str]:
    """Take in what a read saw; returns the fields a person changed since our last confirmed value.

    An empty answer means the read saw our own writes coming back. Reads that began (`read_at`) before the last receipt
    of a field say nothing of it, nor do those of a field that an open write of the object may be changing: they may
    have seen the time before it.
    """
    known = of(tx, account, object_name)
    is_open = intents.has_open_write(tx, account, object_name)
    changed: set[str] = set()
    for name, value in values.items():
        before = known.get(name)
        if before is not None and before.at > read_at:
            continue
        if is_open and (before is None or not before.known):
            continue
        edited = before is not None and before.known and before.value != value
        if before is not None and before.known and not edited:
            continue
        if edited:
            changed.add(name)
        row = {
            **_key(account, object_name, name),
            "known": True,
            "value": tx.seal(VALUE, value),
            "event_at": EPOCH if before is None else before.event_at,
            "theirs": edited or (before is not None and before.theirs),
            "at": tx.now,
        }
        tx.upsert(confirmed, row, keys=["account", "object", "field"], update=["known", "value", "theirs", "at"])
    return frozenset(changed)


def _key(account: str, object_name: str, name: str) -> dict[str, object]:
    return {"account": account, "object": object_name, "field": name}
