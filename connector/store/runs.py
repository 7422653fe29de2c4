"""Runs: one activation of a configuration, or one import. What is planned under a run can be undone together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, select, update

from connector.errors import ConnectorError
from connector.store.prepared import Prepared
from connector.store.schema import run
from connector.store.transaction import Transaction


class RunKind(StrEnum):
    """What began a run."""

    START = "start"
    RELOAD = "reload"
    IMPORT = "import"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run. `config` is the digest of the configuration it worked with; `ended_at` None while it goes on."""

    id: int
    kind: RunKind
    began_at: datetime
    ended_at: datetime | None
    mode: str
    config: str
    undone_at: datetime | None


_ACTIVE = Prepared(
    select(run).where(run.c.kind != RunKind.IMPORT.value, run.c.ended_at.is_(None)).order_by(run.c.id.desc()).limit(1)
)


def begin(tx: Transaction, kind: RunKind, *, mode: str, config: str) -> int:
    """A run begins now; returns its number."""
    made = tx.execute(
        tx.insert_for(run).values(kind=kind.value, began_at=tx.now, mode=mode, config=config).returning(run.c.id)
    )
    return int(made.scalar_one())


def end(tx: Transaction, run_id: int) -> None:
    """A run is over; what it planned is still carried out."""
    tx.execute(update(run).where(run.c.id == run_id, run.c.ended_at.is_(None)).values(ended_at=tx.now))


def mark_undone(tx: Transaction, run_id: int) -> None:
    """Remember that `connector undo` took it back."""
    tx.execute(update(run).where(run.c.id == run_id).values(undone_at=tx.now))


def get(tx: Transaction, run_id: int) -> Run:
    """One run. Raises ConnectorError when there is none of that number."""
    row = tx.execute(select(run).where(run.c.id == run_id)).one_or_none()
    if row is None:
        raise ConnectorError(f"there is no run {run_id}: `connector undo --list` shows them")
    return _read(row)


def active(tx: Transaction) -> Run | None:
    """The run of the configuration that was activated last; None before the first. Imports do not count."""
    row = tx.execute(_ACTIVE).one_or_none()
    return None if row is None else _read(row)


def was_observing(tx: Transaction, run_id: int | None) -> bool:
    """Whether a run wrote nothing elsewhere; False for none."""
    mode = tx.execute(select(run.c.mode).where(run.c.id == run_id)).scalar_one_or_none()
    return mode == "observe"


def listed(tx: Transaction, limit: int = 20) -> list[Run]:
    """The newest runs, newest first."""
    rows = tx.execute(select(run).order_by(run.c.id.desc()).limit(limit))
    return [_read(row) for row in rows]


def _read(row: Row[Any]) -> Run:
    return Run(
        id=row.id,
        kind=RunKind(row.kind),
        began_at=row.began_at,
        ended_at=row.ended_at,
        mode=row.mode,
        config=row.config,
        undone_at=row.undone_at,
    )
