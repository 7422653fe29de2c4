"""Requests to HubSpot and what its answers to them mean. Pure."""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from connector.adapters.hubspot import bodies
from connector.adapters.hubspot.names import (
    BODY,
    CONTACT_ID,
    KEY,
    OBJECT,
    OBJECTS,
    PERSON,
    TO_CONTACT,
    marker,
    record_url,
    remote_key,
)
from connector.adapters.hubspot.replies import meaning, object_of
from connector.domain.model.intent import Item, Json, Receipt, Request, WriteKind
from connector.errors import Gone, InDoubt, RemoteError
from connector.ports import Failed, Outcome
from connector.transport.client import Reply
from connector.transport.shapes import expecting

_WHEN = "hs_timestamp"
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z")
Properties = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where people look at records: the address of HubSpot's pages, and the number of the account."""

    app_url: str
    portal: str

    def url(self, name: str, record: object) -> str:
        """The page of one record."""
        return record_url(self.app_url, self.portal, name, record)


def render(kind: WriteKind, items: Sequence[Item], *, keyed: bool) -> Request:
    """The batch call that writes `items`: creates or updates, never both.

    Contacts are created under our key and never upserted: of one that is there HubSpot refuses a second, by the key or
    by an e-mail address, where an upsert would write over what people changed in it. `keyed`: tasks and notes carry our
    key; otherwise a line in their text. None clears a property.
    """
    name = OBJECT[kind]
    if kind is WriteKind.CONTACT:
        rows = [("", _trace(item), {**_properties(item), PERSON: remote_key(item.key)}) for item in items]
        return _request(f"{name}/batch/create", bodies.creates(rows))
    if kind is WriteKind.CONTACT_FIELDS:
        return _request(f"{name}/batch/update", bodies.updates(_changes(items)))
    if items[0].target is None:
        made = [(_contact(item), _trace(item), _created(name, item, keyed=keyed)) for item in items]
        return _request(f"{name}/batch/create", bodies.creates(made, TO_CONTACT[name]))
    changed = [(target, trace, _engagement(name, item, keyed=keyed)) for (target, trace, _), item in _paired(items)]
    return _request(f"{name}/batch/update", bodies.updates(changed))


def outcomes(kind: WriteKind, reply: Reply, request: Request, count: int, place: Place) -> Sequence[Outcome]:
    """One outcome per record of `request`, in its order; the answer has them in any. Raises InDoubt when it has none.

    A record is known by its trace id, else by its record id or our key. One that the answer does not speak of is in
    doubt, unless it is the only one and the answer speaks of exactly one that it does not name.
    """
    sent = records(request)
    if len(sent) != count:
        raise InDoubt(f"the request does not hold the {count} records it should", **reply.context())
    with expecting("what became of the records", InDoubt, **reply.context()):
        body = object_of(reply.json())
        told = [*_listed(body["results"]), *_listed(body.get("errors") or [])]
    places = _places(sent)
    found: dict[int, Outcome] = {}
    nameless: list[Mapping[str, Any]] = []
    for row in told:
        if not isinstance(row, dict):
            continue
        positions = _positions(row, places)
        for position in positions:
            found.setdefault(position, _outcome(kind, row, sent[position], request, reply, place))
        if not positions:
            nameless.append(row)
    missing = [position for position in range(count) if position not in found]
    if len(missing) == 1 and len(nameless) == 1:
        found[missing[0]] = _outcome(kind, nameless[0], sent[missing[0]], request, reply, place)
    silent = InDoubt("the answer does not say what became of this record", **reply.context())
    return [found.get(position, Failed(error=silent)) for position in range(count)]


def records(request: Request) -> list[dict[str, Any]]:
    """The records in the body of `request`."""
    found: list[dict[str, Any]] = json.loads(request.body)["inputs"]
    return found


def carries_key(request: Request) -> bool:
    """Whether the tasks or notes in it carry our key, which not every account has a property for."""
    return any(KEY in record.get("properties", {}) for record in records(request))


def contact_of(kind: WriteKind, record: Mapping[str, Any]) -> str:
    """The contact a record is, or hangs on; empty where it names none."""
    if kind is WriteKind.CONTACT_FIELDS:
        return str(record["id"])
    associations = record.get("associations") or []
    return str(associations[0]["to"]["id"]) if associations else ""


def as_text(value: Json) -> str:
    """A value as HubSpot takes it: everything is text, and the empty one clears a property."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return format(Decimal(repr(value)), "f")
    if isinstance(value, list):
        return ";".join(as_text(part) for part in value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def as_html(text: str) -> str:
    """Plain text, a customer's above all, so that it reads the same where HTML is shown."""
    return "<br>".join(html.escape(line, quote=False) for line in text.splitlines())


def _properties(item: Item) -> Properties:
    return {name: as_text(value) for name, value in item.fields.items()}


def _created(name: str, item: Item, *, keyed: bool) -> Properties:
    made = _engagement(name, item, keyed=keyed)
    made.setdefault(_WHEN, item.cause_at.strftime("%Y-%m-%dT%H:%M:%SZ"))  # without it HubSpot takes none
    return {**made, KEY: remote_key(item.key)} if keyed else made


def _engagement(name: str, item: Item, *, keyed: bool) -> Properties:
    """The properties of a task or note; where it carries no key, its text ends in the line we know it by."""
    found = {field: as_text(value) for field, value in item.fields.items() if field != CONTACT_ID}
    body = BODY[name]
    if body in found:
        found[body] = as_html(found[body])
    if not keyed and (item.target is None or body in found):
        line = as_html(marker(item.key))
        found[body] = f"{found[body]}<br><br>{line}" if found.get(body) else line
    return found


def _contact(item: Item) -> str:
    return as_text(item.fields.get(CONTACT_ID))


def _changes(items: Sequence[Item]) -> list[tuple[str, str, Properties]]:
    return [(str(item.target), _trace(item), _properties(item)) for item in items]


def _paired(items: Sequence[Item]) -> Iterator[tuple[tuple[str, str, Properties], Item]]:
    return zip(_changes(items), items, strict=True)


def _trace(item: Item) -> str:
    """Names the record in the answer; the same for the same request."""
    return hashlib.sha256(f"{item.key}\n{item.revision}".encode()).hexdigest()[:32]


def _request(path: str, body: bytes) -> Request:
    return Request(method="POST", path=f"{OBJECTS}/{path}", body=body)


def _places(sent: Sequence[Mapping[str, Any]]) -> Mapping[str, int]:
    """The position of each record by everything an answer may name it by."""
    places: dict[str, int] = {}
    for position, record in enumerate(sent):
        places[f"trace {record['objectWriteTraceId']}"] = position
        if "id" in record:
            places[f"id {record['id']}"] = position
        if key := record["properties"].get(KEY) or record["properties"].get(PERSON):
            places[f"key {key}"] = position
    return places


def _positions(row: Mapping[str, Any], places: Mapping[str, int]) -> list[int]:
    """The records a row of an answer is about: one for a result, perhaps several for an error."""
    context = row["context"] if isinstance(row.get("context"), dict) else {}
    properties = row["properties"] if isinstance(row.get("properties"), dict) else {}
    traces = [row.get("objectWriteTraceId"), *_texts(context.get("objectWriteTraceId"))]
    for names in (
        [f"trace {trace}" for trace in traces],
        [f"id {one}" for one in [row.get("id"), *_texts(context.get("ids"))]],
        [f"key {properties.get(name)}" for name in (PERSON, KEY)],
    ):
        found = sorted({places[name] for name in names if name in places})
        if found:
            return found
    return []


def _outcome(
    kind: WriteKind, row: Mapping[str, Any], record: Mapping[str, Any], request: Request, reply: Reply, place: Place
) -> Outcome:
    """What one row says of one record."""
    if "properties" not in row and ("category" in row or "message" in row):
        return Failed(error=_placed(meaning(row), reply))
    remote_id = row.get("id")
    if not isinstance(remote_id, str | int) or isinstance(remote_id, bool):
        return Failed(error=InDoubt("the answer does not name the record", **reply.context()))
    if kind is WriteKind.CONTACT_FIELDS and str(remote_id) != record["id"]:
        # It was written, to the survivor; under its own id it is written once more, and known by it from then on.
        gone = Gone("the contact was merged into another", moved_from=record["id"], moved_to=str(remote_id))
        return Failed(error=_placed(gone, reply))
    created = row.get("new") if isinstance(row.get("new"), bool) else request.path.endswith("/create")
    return Receipt(
        remote_id=str(remote_id),
        url=place.url(OBJECT[kind], remote_id),
        created=created,
        request_id=reply.request_id,
    )


def _placed(error: RemoteError, reply: Reply) -> RemoteError:
    error.connection = reply.connection
    error.operation = reply.operation
    error.status = reply.status
    error.request_id = reply.request_id
    return error


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
