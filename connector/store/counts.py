"""Counts of what left no other row: forged, oversized and refused requests."""

from __future__ import annotations

from sqlalchemy import select

from connector.store.schema import count
from connector.store.transaction import Transaction


def add(tx: Transaction, name: str, times: int = 1) -> None:
    """Raise the count `name`."""
    insert = tx.insert_for(count).values(name=name, value=times)
    tx.execute(insert.on_conflict_do_update(index_elements=["name"], set_={"value": count.c.value + times}))


def refused(tx: Transaction) -> dict[str, int]:
    """The counts of requests that left nothing, by name; what retention took is counted as `retention/…`."""
    return {name: number for name, number in all_counts(tx).items() if "/" not in name}


def all_counts(tx: Transaction) -> dict[str, int]:
    """Every count by name, sorted."""
    return {row.name: row.value for row in tx.execute(select(count).order_by(count.c.name))}
