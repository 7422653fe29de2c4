"""What was erased and must not come back. Only blind digests are kept, so a tombstone names nobody."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select

from connector.store.schema import tombstone
from connector.store.transaction import Transaction


def add(tx: Transaction, blinds: Iterable[str]) -> None:
    """Put a tombstone on each digest; one that has its tombstone keeps the older date."""
    for blind in blinds:
        tx.insert_ignore(tombstone, {"blind": blind, "erased_at": tx.now})


def among(tx: Transaction, blinds: Iterable[str]) -> frozenset[str]:
    """Those of the digests that carry a tombstone."""
    query = select(tombstone.c.blind).where(tombstone.c.blind.in_(list(blinds)))
    return frozenset(row.blind for row in tx.execute(query))
