"""Writes: the requests that were really sent, frozen before the socket opened, until each is settled."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, bindparam, func, literal, or_, select, update

from connector.domain.model.intent import IntentState, Item, Json, Request, WriteKind
from connector.domain.model.transitions import OPEN
from connector.store.prepared import Prepared
from connector.store.schema import intent, write
from connector.store.transaction import Transaction

_REQUEST, _ITEMS = "write.request", "write.items"
_INSERT = Prepared(write.insert().returning(write.c.id))
_STILL_OPEN = Prepared(
    select(func.count())
    .select_from(intent)
    .where(intent.c.write_id == bindparam("wanted"), intent.c.state.in_([state.value for state in OPEN]))
)
_CHANGE = Prepared(update(write).where(write.c.id == bindparam("wanted")))


class WriteState(StrEnum):
    """Where a request stands; closed once each of its records is settled."""

    SENDING = "sending"
    SUBMITTED = "submitted"
    IN_DOUBT = "in_doubt"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record of a write: what the adapter saw, and what a receipt for it will confirm.

    `about` is our name of the object whose fields it sets, `event_at` the event time behind each of them.
    """

    item: Item
    about: str
    event_at: Mapping[str, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteRow:
    """One request. Once it is closed nothing is kept of `request` and `records`."""

    id: int
    account: str
    kind: WriteKind
    state: WriteState
    key: str
    revision: int
    request: Request
    records: tuple[Record, ...]
    sent_at: datetime
    epoch: int
    ask_at: datetime | None
    asks: int
    job: str | None
    poll_at: datetime | None


def freeze(
    tx: Transaction, *, account: str, kind: WriteKind, request: Request, records: Sequence[Record], epoch: int
) -> int:
    """Write down a request that is about to be sent; its id."""
    made = tx.execute(
        _INSERT,
        {
            "account": account,
            "kind": kind.value,
            "state": WriteState.SENDING.value,
            "key": records[0].item.key,
            "revision": max(record.item.revision for record in records),
            "request": tx.seal(_REQUEST, _request_to_json(request)),
            "items": tx.seal(_ITEMS, [_record_to_json(record) for record in records]),
            "size": len(records),
            "sent_at": tx.now,
            "epoch": epoch,
            "asks": 0,
        },
    )
    return int(made.scalar_one())


def get(tx: Transaction, write_id: int) -> WriteRow:
    """One write that is not closed. Raises KeyError."""
    found = _where(tx, and_(write.c.id == write_id, write.c.state != WriteState.CLOSED.value))
    if not found:
        raise KeyError(write_id)
    return found[0]


def left_sending(tx: Transaction, account: str, epoch: int) -> list[WriteRow]:
    """Writes of which an earlier holder of the lane left something unanswered when it died.

    An answer is taken in some records at a time: a write may be in doubt already while others of its records are not.
    """
    unanswered = select(intent.c.write_id).where(
        intent.c.account == account, intent.c.state == IntentState.SENDING.value, intent.c.write_id.is_not(None)
    )
    is_left = or_(write.c.state == WriteState.SENDING.value, write.c.id.in_(unanswered))
    still_open = write.c.state.in_([state.value for state in WriteState if state is not WriteState.CLOSED])
    return _where(tx, and_(write.c.account == account, still_open, is_left, write.c.epoch != epoch))


def to_settle(tx: Transaction, account: str, limit: int) -> list[WriteRow]:
    """Writes in doubt whose time to ask has come, and jobs whose time to be polled has come."""
    waits = write.c.state.in_([WriteState.IN_DOUBT.value, WriteState.SUBMITTED.value])
    is_due = or_(
        and_(write.c.state == WriteState.IN_DOUBT.value, write.c.ask_at <= tx.now),
        and_(write.c.state == WriteState.SUBMITTED.value, write.c.poll_at <= tx.now),
    )
    return _where(tx, and_(write.c.account == account, waits, is_due), limit)


def doubt(tx: Transaction, write_id: int, ask_at: datetime) -> None:
    """No answer came: ask at `ask_at`."""
    _set(tx, write_id, state=WriteState.IN_DOUBT.value, ask_at=ask_at, job=None, poll_at=None)


def ask_later(tx: Transaction, row: WriteRow, ask_at: datetime) -> None:
    """The question was put (or is about to be) without a settling answer: again at `ask_at`."""
    _set(tx, row.id, asks=row.asks + 1, ask_at=ask_at)


def submit(tx: Transaction, write_id: int, job: str, poll_at: datetime) -> None:
    """The request was accepted as a job."""
    _set(tx, write_id, state=WriteState.SUBMITTED.value, job=job, poll_at=poll_at, ask_at=None)


def poll_later(tx: Transaction, row: WriteRow, poll_at: datetime) -> None:
    """The job still runs."""
    _set(tx, row.id, asks=row.asks + 1, poll_at=poll_at)


def close_if_settled(tx: Transaction, write_id: int) -> bool:
    """Close the write once none of its intents is open; what it carried is no longer needed and is dropped."""
    if tx.execute(_STILL_OPEN, {"wanted": write_id}).scalar_one():
        return False
    _set(
        tx,
        write_id,
        state=WriteState.CLOSED.value,
        closed_at=tx.now,
        request=b"",
        items=b"",
        ask_at=None,
        poll_at=None,
    )
    return True


def came_to_nothing(tx: Transaction, write_id: int, records: int = 1) -> None:
    """Records of a write are known not to have been committed: they do not count towards a ceiling."""
    tx.execute(update(write).where(write.c.id == write_id).values(size=write.c.size - records))


def oldest_since(tx: Transaction, account: str, kind: WriteKind, since: datetime) -> datetime | None:
    """When the oldest write of a kind made something at the latest, of those that did since then or may have."""
    at = func.coalesce(write.c.closed_at, literal(tx.now, write.c.closed_at.type))
    query = select(func.min(at)).where(_made_since(account, kind, since), write.c.size > 0)
    found: datetime | None = tx.execute(query).scalar_one()
    return found


def created_since(tx: Transaction, account: str, kind: WriteKind, since: datetime) -> int:
    """Records of a kind made in an account since then, but for those known not to have been committed."""
    query = select(func.coalesce(func.sum(write.c.size), 0)).where(_made_since(account, kind, since))
    return int(tx.execute(query).scalar_one())


def _made_since(account: str, kind: WriteKind, since: datetime) -> ColumnElement[bool]:
    """What nobody answered for is sent again later: until it is settled it may be made at any moment."""
    settled = or_(write.c.closed_at.is_(None), write.c.closed_at > since)
    return and_(write.c.account == account, write.c.kind == kind.value, settled)


def next_settling(tx: Transaction, account: str) -> datetime | None:
    """The next instant at which a write is to be asked about or polled."""
    query = select(func.min(func.coalesce(write.c.ask_at, write.c.poll_at))).where(
        write.c.account == account,
        write.c.state.in_([WriteState.IN_DOUBT.value, WriteState.SUBMITTED.value]),
    )
    at: datetime | None = tx.execute(query).scalar_one()
    return at


def _where(tx: Transaction, condition: ColumnElement[bool], limit: int | None = None) -> list[WriteRow]:
    return [_from_row(tx, row) for row in tx.execute(select(write).where(condition).order_by(write.c.id).limit(limit))]


def _set(tx: Transaction, write_id: int, **values: Any) -> None:
    tx.execute(_CHANGE, {"wanted": write_id, **values})


def _from_row(tx: Transaction, row: Row[Any]) -> WriteRow:
    request, records = tx.unseal(_REQUEST, row.request), tx.unseal(_ITEMS, row.items)
    assert isinstance(request, dict)
    assert isinstance(records, list)
    return WriteRow(
        id=row.id,
        account=row.account,
        kind=WriteKind(row.kind),
        state=WriteState(row.state),
        key=row.key,
        revision=row.revision,
        request=_request_from_json(request),
        records=tuple(_record_from_json(record) for record in records),
        sent_at=row.sent_at,
        epoch=row.epoch,
        ask_at=row.ask_at,
        asks=row.asks,
        job=row.job,
        poll_at=row.poll_at,
    )


def _request_to_json(request: Request) -> Json:
    return {
        "method": request.method,
        "path": request.path,
        "body": b64encode(request.body).decode(),
        "idempotency_key": request.idempotency_key,
    }


def _request_from_json(data: Mapping[str, Any]) -> Request:
    return Request(
        method=data["method"],
        path=data["path"],
        body=b64decode(data["body"]),
        idempotency_key=data["idempotency_key"],
    )


def _record_to_json(record: Record) -> Json:
    return {
        "key": record.item.key,
        "target": record.item.target,
        "fields": dict(record.item.fields),
        "cause_at": record.item.cause_at.isoformat(),
        "revision": record.item.revision,
        "also": list(record.item.also),
        "about": record.about,
        "event_at": {name: at.isoformat() for name, at in record.event_at.items()},
    }


def _record_from_json(data: Any) -> Record:
    return Record(
        item=Item(
            key=data["key"],
            target=data["target"],
            fields=data["fields"],
            cause_at=datetime.fromisoformat(data["cause_at"]),
            revision=data["revision"],
            also=tuple(data.get("also", ())),  # requests under way since before there were any have none
        ),
        about=data["about"],
        event_at={name: datetime.fromisoformat(at) for name, at in data["event_at"].items()},
    )
