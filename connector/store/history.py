"""The append-only story of a response: every decision, attempt and answer, with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select

from connector.domain.model.intent import Json
from connector.store.prepared import Prepared
from connector.store.schema import history
from connector.store.transaction import Transaction

_DETAIL = "history.detail"
_INSERT = Prepared(history.insert())


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that happened. `event` is a word (`mapped`, `sent`, `confirmed` …); `detail` may hold personal data."""

    id: int
    at: datetime
    event: str
    response_id: int | None
    person_id: int | None
    recovery_id: int | None
    intent_id: int | None
    detail: Json


def append(
    tx: Transaction,
    event: str,
    *,
    response_id: int | None = None,
    person_id: int | None = None,
    recovery_id: int | None = None,
    intent_id: int | None = None,
    detail: Json = None,
) -> None:
    """Tell what happened, at the instant of the transaction."""
    tx.execute(
        _INSERT,
        {
            "at": tx.now,
            "event": event,
            "response_id": response_id,
            "person_id": person_id,
            "recovery_id": recovery_id,
            "intent_id": intent_id,
            "detail": None if detail is None else tx.seal(_DETAIL, detail),
        },
    )


def for_response(tx: Transaction, response_id: int) -> list[Entry]:
    """The story of a response, oldest first."""
    return _entries(tx, history.c.response_id == response_id)


def for_recovery(tx: Transaction, recovery_id: int) -> list[Entry]:
    """The story of a recovery, oldest first."""
    return _entries(tx, history.c.recovery_id == recovery_id)


def of_event(tx: Transaction, event: str, since: datetime) -> list[Entry]:
    """Everything of one word that was told since then, oldest first."""
    return _entries(tx, (history.c.event == event) & (history.c.at >= since))


def _entries(tx: Transaction, which: ColumnElement[bool]) -> list[Entry]:
    return [
        Entry(
            id=row.id,
            at=row.at,
            event=row.event,
            response_id=row.response_id,
            person_id=row.person_id,
            recovery_id=row.recovery_id,
            intent_id=row.intent_id,
            detail=None if row.detail is None else tx.unseal(_DETAIL, row.detail),
        )
        for row in tx.execute(select(history).where(which).order_by(history.c.id))
    ]
