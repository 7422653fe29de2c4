"""Digests of settings that old results rest on, so that a change of them is noticed."""

from __future__ import annotations

from sqlalchemy import select

from connector.store.schema import meta
from connector.store.transaction import Transaction


def get(tx: Transaction, name: str) -> str | None:
    """The digest last seen under `name`; None before the first."""
    value: str | None = tx.execute(select(meta.c.value).where(meta.c.name == f"digest/{name}")).scalar()
    return value


def put(tx: Transaction, name: str, value: str) -> None:
    """Remember a digest."""
    tx.upsert(meta, {"name": f"digest/{name}", "value": value}, keys=["name"], update=["value"])
