"""Requests to Salesforce and what its answers to them mean. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from connector.adapters.salesforce.names import (
    DATA,
    KEY_FIELD,
    OBJECTS,
    PERSON_FIELD,
    TASKS,
    marker,
    record_url,
    remote_key,
)
from connector.adapters.salesforce.replies import meaning
from connector.domain.model.intent import Item, Json, Receipt, Request, WriteKind
from connector.errors import InDoubt
from connector.ports import Failed, Outcome
from connector.transport.client import Reply
from connector.transport.shapes import expecting

COLLECTIONS = f"{DATA}/composite/sobjects"
UPSERT_CONTACTS = f"{COLLECTIONS}/Contact/{PERSON_FIELD}"
UPSERT_TASKS = f"{COLLECTIONS}/Task/{KEY_FIELD}"
DONE = "Completed"
"""The status every org has for a task that is done."""
SUBJECT = 255
# Fields of a record in a request that are addresses, not values.
_ADDRESSES = frozenset({"attributes", "id", PERSON_FIELD, KEY_FIELD})


def render(kind: WriteKind, items: Sequence[Item], *, keyed: bool) -> Request:
    """The sObject Collections call that writes `items`.

    `keyed`: tasks are upserted by our key, new and known ones alike. Otherwise there is one task a call, created with a
    marker or updated by id. A None value goes out as null, which clears the field.
    """
    if kind is WriteKind.CONTACT:
        return _request("PATCH", UPSERT_CONTACTS, [_keyed(kind, item, PERSON_FIELD) for item in items])
    if kind is WriteKind.CONTACT_FIELDS:
        return _request("PATCH", COLLECTIONS, [_record(kind, item, id=item.target) for item in items])
    if keyed:
        return _request("PATCH", UPSERT_TASKS, [_keyed(kind, item, KEY_FIELD) for item in items])
    (item,) = items
    return _request("POST" if item.target is None else "PATCH", COLLECTIONS, [_marked(kind, item)])


def retraction(kind: WriteKind, fields: Mapping[str, Json], why: str) -> dict[str, Json]:
    """What makes a task of ours one that nobody acts on; nothing for other kinds.

    Both kinds are tasks there. An answer on the timeline is completed from the beginning.
    """
    if kind not in TASKS:
        return {}
    changes: dict[str, Json] = {"Status": DONE} if kind is WriteKind.TASK else {}
    subject, text = fields.get("Subject"), fields.get("Description")
    changes["Subject"] = f"{why}: {subject}"[:SUBJECT] if subject else why[:SUBJECT]
    changes["Description"] = f"{why}.\n\n{text}" if text else f"{why}."
    return changes


def outcomes(kind: WriteKind, reply: Reply, request: Request, count: int, url: str, now: datetime) -> Sequence[Outcome]:
    """One outcome per record of `request`, in order. Raises InDoubt when the answer does not cover them."""
    rows = reply.json()
    if not isinstance(rows, list) or len(rows) != count:
        raise InDoubt(f"the answer does not cover the {count} records sent", **reply.context())
    return [_outcome(kind, row, record, url, reply, now) for row, record in zip(rows, records(request), strict=True)]


def records(request: Request) -> list[dict[str, Json]]:
    """The records in the body of `request`."""
    found: list[dict[str, Json]] = json.loads(request.body)["records"]
    return found


def contact_of(kind: WriteKind, record: dict[str, Json]) -> str:
    """The contact a record is, or a task hangs on; empty where it names none."""
    return str(record.get("WhoId" if kind in TASKS else "id") or "")


def _outcome(kind: WriteKind, row: Any, record: dict[str, Json], url: str, reply: Reply, now: datetime) -> Outcome:
    """What became of one record. A row that cannot be read leaves it in doubt, and the others as they are."""
    try:
        with expecting("what became of a record", InDoubt, **reply.context()):
            return _read(kind, row, record, url, reply, now)
    except InDoubt as error:
        return Failed(error=error)


def _read(kind: WriteKind, row: Any, record: dict[str, Json], url: str, reply: Reply, now: datetime) -> Outcome:
    if row["success"]:
        if not isinstance(row["id"], str):
            raise InDoubt("the answer does not name the record", **reply.context())
        return Receipt(
            remote_id=str(row["id"]),
            url=record_url(url, OBJECTS[kind], row["id"]),
            created=row.get("created"),
            request_id=reply.request_id,
            values={name: value for name, value in record.items() if name not in _ADDRESSES},
        )
    error = meaning((row.get("errors") or [{}])[0], now)
    error.connection = reply.connection
    error.operation = reply.operation
    error.status = reply.status
    error.request_id = reply.request_id
    return Failed(error=error)


def _keyed(kind: WriteKind, item: Item, field: str) -> dict[str, Json]:
    return _record(kind, item, **{field: remote_key(item.key, field)})


def _marked(kind: WriteKind, item: Item) -> dict[str, Json]:
    record = _record(kind, item) if item.target is None else _record(kind, item, id=item.target)
    if item.target is None or "Description" in item.fields:
        text = item.fields.get("Description")
        record["Description"] = f"{text}\n\n{marker(item.key)}" if text else marker(item.key)
    return record


def _record(kind: WriteKind, item: Item, **address: Json) -> dict[str, Json]:
    return {"attributes": {"type": OBJECTS[kind]}, **address, **item.fields}


def _request(method: str, path: str, rows: Sequence[dict[str, Json]]) -> Request:
    body = {"allOrNone": False, "records": list(rows)}
    return Request(method=method, path=path, body=json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())
