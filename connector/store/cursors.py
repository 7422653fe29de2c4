"""How far each feed was read. A cursor moves in the transaction that stores what was read up to it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, select

from connector.store.prepared import Prepared
from connector.store.schema import cursor
from connector.store.transaction import Transaction

_GET = Prepared(select(cursor.c.value).where(cursor.c.name == bindparam("wanted")))


def get(tx: Transaction, name: str) -> str | None:
    """The cursor of a feed, for example `zendesk:acme/tickets`; None before the first page."""
    value: str | None = tx.execute(_GET, {"wanted": name}).scalar_one_or_none()
    return value


def moved_at(tx: Transaction, name: str) -> datetime | None:
    """When the feed was last read, whether or not there was anything new; None before the first page."""
    at: datetime | None = tx.execute(select(cursor.c.moved_at).where(cursor.c.name == name)).scalar_one_or_none()
    return at


def move(tx: Transaction, name: str, value: str) -> None:
    """Remember `value` as where to go on."""
    tx.upsert(cursor, {"name": name, "value": value, "moved_at": tx.now}, keys=["name"], update=["value", "moved_at"])


def forget(tx: Transaction, name: str) -> None:
    """Start the feed from its beginning next time."""
    tx.execute(cursor.delete().where(cursor.c.name == name))
