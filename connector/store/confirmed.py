"""Confirmed values: per object and field, what the other system last confirmed to hold.

`known` is false while a write of the field is open. What is unknown suppresses no write. A receipt or a read makes it
known again, or word that the write came to nothing: for that, what was known before is kept.
`theirs` marks a value a person set after our last confirmed one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
_KEYS = ("account", "object", "field")
_OF = Prepared(
    select(confirmed).where(
        confirmed.c.account == bindparam("owner"), confirmed.c.object.in_(bindparam("names", expanding=True))
    ),
    lists=["names"],
)
_FORGET = Prepared(
    delete(confirmed).where(confirmed.c.account == bindparam("owner"), confirmed.c.object == bindparam("name"))
)
_NEWER = Prepared(
    update(confirmed)
    .where(
        confirmed.c.account == bindparam("owner"),
        confirmed.c.object == bindparam("name"),
        confirmed.c.field == bindparam("one"),
        confirmed.c.event_at < bindparam("since"),
    )
    .values(event_at=bindparam("since"))
)
_FIELD = (
    (confirmed.c.account == bindparam("owner"))
    & (confirmed.c.object == bindparam("name"))
    & (confirmed.c.field == bindparam("one"))
)
_FADE = Prepared(update(confirmed).where(_FIELD, confirmed.c.known.is_(False)).values(value=None))
_REGAIN = Prepared(update(confirmed).where(_FIELD, confirmed.c.value.is_not(None)).values(known=True))


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
    return of_several(tx, account, [object_name])[object_name]


def of_several(tx: Transaction, account: str, objects: Iterable[str]) -> dict[str, dict[str, Confirmed]]:
    """What is known about the fields of each of these objects, by object and field."""
    found: dict[str, dict[str, Confirmed]] = {name: {} for name in objects}
    for row in tx.execute(_OF, {"owner": account, "names": sorted(found)}):
        found[row.object][row.field] = Confirmed(
            value=None if row.value is None else tx.unseal(VALUE, row.value),
            known=row.known,
            event_at=row.event_at,
            theirs=row.theirs,
            at=row.at,
        )
    return found


def lose(tx: Transaction, account: str, object_name: str, fields: Mapping[str, Json]) -> None:
    """A write of `fields` is about to leave: from now on nobody knows what they hold.

    What was unknown already stays so whatever comes of this write: an earlier one may have been committed.
    """
    if not fields:
        return
    tx.execute(_FADE, [{"owner": account, "name": object_name, "one": name} for name in fields])
    # A field without a receipt has no event time: should this write be refused, an older fact must still pass.
    unknown = {"known": False, "event_at": EPOCH, "theirs": False, "at": tx.now}
    rows = [{**_key(account, object_name, name), **unknown} for name in fields]
    tx.upsert(confirmed, rows, keys=_KEYS, update=["known"])


def regain(tx: Transaction, account: str, object_name: str, fields: Iterable[str]) -> None:
    """The write that was to change these fields came to nothing, for certain: they hold what they held before it."""
    if names := [{"owner": account, "name": object_name, "one": name} for name in fields]:
        tx.execute(_REGAIN, names)


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
        keys=_KEYS,
        update=["known", "value", "event_at", "theirs", "at"],
    )


def forget(tx: Transaction, account: str, object_name: str) -> None:
    """The name stands for another object from now on, or for none: what the old one held says nothing about that."""
    tx.execute(_FORGET, {"owner": account, "name": object_name})


def take_over(tx: Transaction, account: str, object_name: str, other: str) -> None:
    """Both names stand for one object: what is known by the `other` is known by this one, where that is newer."""
    mine = of(tx, account, object_name)
    rows = [
        {
            **_key(account, object_name, name),
            "known": one.known,
            "value": tx.seal(VALUE, one.value) if one.known else None,  # no write under this name may bring it back
            "event_at": one.event_at,
            "theirs": one.theirs,
            "at": one.at,
        }
        for name, one in of(tx, account, other).items()
        if name not in mine or mine[name].at < one.at
    ]
    tx.upsert(confirmed, rows, keys=_KEYS, update=["known", "value", "event_at", "theirs", "at"])


def still_holds(tx: Transaction, account: str, object_name: str, event_at: Mapping[str, datetime]) -> None:
    """A newer fact wants the value a field already has: older facts must not overwrite it either."""
    for name, at in event_at.items():
        tx.execute(_NEWER, {"owner": account, "name": object_name, "one": name, "since": at})


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
        tx.upsert(confirmed, row, keys=_KEYS, update=["known", "value", "theirs", "at"])
    return frozenset(changed)


def _key(account: str, object_name: str, name: str) -> dict[str, object]:
    return {"account": account, "object": object_name, "field": name}
