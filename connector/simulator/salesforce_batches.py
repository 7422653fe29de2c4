"""Salesforce's sObject Collections: up to 200 records in one call, an outcome for each."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Protocol

from connector.simulator.parts import Answer, Call, FaultKind, Fields, Refused, Site
from connector.simulator.salesforce_fields import PREFIXES
from connector.simulator.salesforce_org import INTEGRATION_USER, Org
from connector.simulator.salesforce_refusals import REFUSALS

COLLECTION_LIMIT = 200
WRITABLE = frozenset({"Contact", "Task"})


def writable(name: str) -> str:
    """The object's name, if we may write it. Raises Refused."""
    if name not in WRITABLE:
        raise Refused("unknown-object", name)
    return name


def read_body(call: Call) -> Fields:
    """The JSON object in a request. Raises Refused."""
    if not call.headers.get("content-type", "").startswith("application/json"):
        raise Refused("media-type")
    try:
        data = json.loads(call.body)
    except ValueError as error:
        raise Refused("json", str(error)) from error
    if not isinstance(data, dict):
        raise Refused("json", "Unexpected character at [line:1, column:1]")
    return data


def insists(call: Call) -> bool:
    """True when the caller overrides duplicate rules."""
    return "allowsave=true" in call.headers.get("sforce-duplicate-rule-header", "").lower().replace(" ", "")


def failed(code: str, message: str, field: str) -> Fields:
    """One record that was not written, as collections report it."""
    return {
        "success": False,
        "errors": [{"statusCode": code, "message": message, "fields": [field] if field else []}],
    }


class Owner(Protocol):
    """The simulator these routes belong to."""

    site: Site
    org: Org


class Collections:
    """The routes of one org."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner

    @property
    def _org(self) -> Org:
        return self._owner.org

    @property
    def _site(self) -> Site:
        return self._owner.site

    def write(self, call: Call) -> Answer:
        """`POST` inserts, `PATCH` updates by id. Raises Refused."""
        records = self._records(call, None)

        def insert(name: str, values: Fields) -> Fields:
            return {"id": self._org.create(name, values, insist=insists(call)), "success": True, "errors": []}

        def update(name: str, values: Fields) -> Fields:
            if not values.get("Id"):
                raise Refused("no-id", "Id not specified in an update call", field="Id")
            return {"id": self._org.update(name, values["Id"], values), "success": True, "errors": []}

        return self._each(call, records, insert if call.method == "POST" else update, "Id")

    def upsert(self, call: Call) -> Answer:
        """`PATCH …/{object}/{field}`: update what carries the external id, insert the rest. Raises Refused."""
        name, field = call.params["object"], call.params["field"]
        writable(name)
        self._org.refuse_internal(name, field)

        def put(name: str, values: Fields) -> Fields:
            value = values.get(field)
            if value is None:
                raise Refused("no-id", f"{field} not specified", field=field)
            found = self._org.find(name, field, value)
            if len(found) > 1:
                raise Refused("several-records", f"{field}: more than one record found", field=field)
            if found:
                self._org.update(name, found[0], {n: v for n, v in values.items() if n != field})
                return {"id": found[0], "success": True, "errors": [], "created": False}
            key = self._org.create(name, values, insist=insists(call))
            return {"id": key, "success": True, "errors": [], "created": True}

        return self._each(call, self._records(call, name), put, field)

    def delete(self, call: Call) -> Answer:
        """`DELETE …?ids=`: up to 200 records into the recycle bin. Raises Refused."""
        ids = [text for text in call.query.get("ids", "").split(",") if text]
        if not ids:
            raise Refused("no-id", "ids not specified")
        if len(ids) > COLLECTION_LIMIT:
            raise Refused("too-many", str(len(ids)))
        results: list[Fields] = []
        for text in ids:
            name = next((name for name in sorted(WRITABLE) if text.startswith(PREFIXES[name])), "")
            try:
                if not name:
                    raise Refused("malformed-id", f"malformed id {text}")  # noqa: TRY301
                self._org.delete(name, text, by=INTEGRATION_USER)
            except Refused as refused:
                row = REFUSALS[refused.refusal]
                results.append(failed(row.code, row.text.format(refused.detail), refused.field))
            else:
                results.append({"id": text, "success": True, "errors": []})
        return Answer(data=results)

    def _records(self, call: Call, only: str | None) -> list[tuple[str, Fields]]:
        """The typed records of a collection. One that cannot be read fails the whole request, as at the vendor."""
        records = read_body(call).get("records")
        if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
            raise Refused("json", "records must be a list of objects")
        if len(records) > COLLECTION_LIMIT:
            raise Refused("too-many", str(len(records)))
        typed = []
        for record in records:
            attributes = record.get("attributes")
            name = attributes.get("type") if isinstance(attributes, dict) else None
            if not isinstance(name, str) or (only is not None and name != only):
                raise Refused("record-type", f"attributes.type must name the object: {name}")
            typed.append((writable(name), self._org.prepare(name, record)))
        return typed

    def _each(
        self, call: Call, records: list[tuple[str, Fields]], write: Callable[[str, Fields], Fields], key: str
    ) -> Answer:
        order = self._site.ordered(FaultKind.RECORD_ERRORS, call)
        together = read_body(call).get("allOrNone") is True
        seen: set[str] = set()
        results: list[Fields] = []
        self._org.begin()
        for index, (name, values) in enumerate(records):
            if order is not None and (not order.records or index in order.records):
                code = order.code or "UNABLE_TO_LOCK_ROW"
                results.append(failed(code, order.message or "unable to obtain exclusive access to this record", ""))
                continue
            try:
                mark = str(values.get(key)).casefold()
                if values.get(key) is not None and mark in seen:
                    raise Refused("twice", f"Duplicate {key} specified: {values[key]}", field=key)  # noqa: TRY301
                seen.add(mark)
                results.append(write(name, values))
            except Refused as refused:
                row = REFUSALS["bad-reference" if refused.refusal == "not-found" else refused.refusal]
                results.append(failed(row.code, row.text.format(refused.detail), refused.field))
        whole = not together or all(result["success"] for result in results)
        self._org.end(commit=whole)
        if not whole:
            lost = REFUSALS["rolled-back"]
            results = [failed(lost.code, lost.text, "") if result["success"] else result for result in results]
        return Answer(data=results)
