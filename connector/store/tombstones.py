"""What was erased and must not come back. Only blind digests are kept, so a tombstone names nobody."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import bindparam, select

from connector.store.prepared import Prepared
from connector.store.schema import tombstone
from connector.store.transaction import Transaction

_AT_ONCE = 500  # digests in one question; SQLite takes some thousands

_AMONG = Prepared(
    select(tombstone.c.blind).where(tombstone.c.blind.in_(bindparam("blinds", expanding=True))), lists=["blinds"]
)


def add(tx: Transaction, blinds: Iterable[str], *, word: str = "") -> None:
    """Put a tombstone on each digest; one that has its tombstone keeps the older date. `word`: see `Graveyard`.

    Once the transaction has committed they are written to the graveyard too, which no restored backup reverts.
    """
    for blind in blinds:
        if tx.insert_ignore(tombstone, {"blind": blind, "erased_at": tx.now}):
            tx.buried[blind] = word


def among(tx: Transaction, blinds: Iterable[str]) -> frozenset[str]:
    """Those of the digests that carry a tombstone."""
    wanted = list(blinds)
    found: set[str] = set()
    for start in range(0, len(wanted), _AT_ONCE):
        found |= {row.blind for row in tx.execute(_AMONG, {"blinds": wanted[start : start + _AT_ONCE]})}
    return frozenset(found)


def besides(tx: Transaction, digests: Collection[str]) -> list[tuple[str, datetime]]:
    """The tombstones of other digests than these, with when each was set."""
    rows = tx.execute(select(tombstone.c.blind, tombstone.c.erased_at))
    return [(row.blind, row.erased_at) for row in rows if row.blind not in digests]


def of_ticket(tx: Transaction, account: str, ticket_id: str) -> str:
    """The digest of a ticket that was erased there."""
    return tx.blind("ticket", f"{account}/{ticket_id}")


def of_response(tx: Transaction, key: str) -> str:
    """The digest of an answer's key."""
    return tx.blind("response", key)
