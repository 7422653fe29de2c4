"""The lists of the directory that a query reads, as it last gave them: every process finds them here."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import bindparam, delete, select

from connector.domain.model.directory import Row
from connector.store.prepared import Prepared
from connector.store.schema import directory_list
from connector.store.transaction import Transaction

_LABEL = "directory_list.sealed"
_READ_AT = Prepared(select(directory_list.c.read_at).where(directory_list.c.name == bindparam("wanted")))
_SEALED = Prepared(select(directory_list.c.sealed).where(directory_list.c.name == bindparam("wanted")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One list: its columns, and its rows in the query's order."""

    columns: tuple[str, ...]
    rows: Sequence[Row] = field(repr=False)


def read_at(tx: Transaction, name: str) -> datetime | None:
    """When a list was last read; None before the first time."""
    at: datetime | None = tx.execute(_READ_AT, {"wanted": name}).scalar_one_or_none()
    return at


def get(tx: Transaction, name: str) -> Listed | None:
    """The list; None before it was read."""
    sealed = tx.execute(_SEALED, {"wanted": name}).scalar_one_or_none()
    if sealed is None:
        return None
    found = tx.unseal(_LABEL, bytes(sealed))
    assert isinstance(found, dict)
    columns, rows = found["columns"], found["rows"]
    assert isinstance(columns, list)
    assert isinstance(rows, list)
    names = tuple(map(str, columns))
    return Listed(
        columns=names,
        rows=[{name: str(value) for name, value in zip(names, row, strict=True) if value is not None} for row in rows],  # type: ignore[arg-type]  # lists of texts, as `put` made them
    )


def put(tx: Transaction, name: str, listed: Listed) -> None:
    """Keep what a query gave."""
    rows = [[row.get(column) for column in listed.columns] for row in listed.rows]
    sealed = tx.seal(_LABEL, {"columns": list(listed.columns), "rows": rows})  # type: ignore[dict-item]  # texts and nulls
    values = {"name": name, "read_at": tx.now, "sealed": sealed}
    tx.upsert(directory_list, values, keys=["name"], update=["read_at", "sealed"])


def keep_only(tx: Transaction, names: Collection[str]) -> None:
    """Forget the lists that are no longer asked for under one of these names."""
    tx.execute(delete(directory_list).where(directory_list.c.name.not_in(list(names))))
