"""HubSpot's batch endpoints: up to 100 records in one call, refused as one or answered record by record."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from connector.simulator.hubspot_portal import TYPE_IDS, Portal
from connector.simulator.hubspot_properties import stamp
from connector.simulator.hubspot_refusals import REFUSALS, entry
from connector.simulator.parts import Answer, Call, FaultKind, Fields, Refusal, Refused, Site

BATCH = 100
_INPUTS: Mapping[str, frozenset[str]] = {
    "create": frozenset({"properties", "associations", "objectWriteTraceId"}),
    "update": frozenset({"id", "idProperty", "properties", "objectWriteTraceId"}),
    "upsert": frozenset({"id", "idProperty", "properties", "objectWriteTraceId"}),
    "archive": frozenset({"id"}),
    "read": frozenset({"id"}),
}
_DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "contacts": ("createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname"),
}


def read_body(call: Call) -> Fields:
    """The JSON object in a request. Raises Refused."""
    if not call.headers.get("content-type", "").startswith("application/json"):
        raise Refused("media-type")
    try:
        data = json.loads(call.body)
    except ValueError as error:
        raise Refused("json", str(error)) from error
    if not isinstance(data, dict):
        raise Refused("json", "an object is needed")
    return data


def show(row: Fields, names: tuple[str, ...] | None, kind: str) -> Fields:
    """A record as replies show it; without `names` the properties that HubSpot shows unasked."""
    asked = names or _DEFAULTS.get(kind, ("hs_createdate", "hs_lastmodifieddate", "hs_object_id"))
    held = row["properties"]
    shown: Fields = {
        "id": row["id"],
        "properties": {name: held.get(name) for name in dict.fromkeys((*asked, "hs_object_id"))},
        "createdAt": row["createdAt"],
        "updatedAt": row["updatedAt"],
        "archived": row["archived"],
    }
    return {**shown, "archivedAt": row["archivedAt"]} if row["archived"] else shown


def written(row: Fields) -> Fields:
    """A record as replies to writes show it: with everything it holds."""
    return show(row, tuple(row["properties"]), "")


def read_associations(given: Any, kind: str) -> list[tuple[str, str]]:
    """Which records a new one belongs to, as (kind, id). Raises Refused."""
    targets: list[tuple[str, str]] = []
    for one in given or []:
        try:
            to, types = str(one["to"]["id"]), [int(each["associationTypeId"]) for each in one["types"]]
        except (KeyError, TypeError, ValueError) as error:
            raise Refused("json", f"associations: {error}") from error
        for number in types:
            other = next((end for (start, end), known in TYPE_IDS.items() if (start, known) == (kind, number)), None)
            if other is None:
                raise Refused("bad-association-type", f"{number} from {kind}")
            targets.append((other, to))
    return targets


class Owner(Protocol):
    """The simulator these routes belong to."""

    site: Site
    portal: Portal
    multi_status: frozenset[str]


class Batches:
    """The routes of one account."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner

    @property
    def _portal(self) -> Portal:
        return self._owner.portal

    def create(self, call: Call) -> Answer:
        """`POST …/batch/create`. Raises Refused."""
        kind = call.params["kind"]

        def put(one: Fields) -> Fields:
            values = self._portal.prepare(kind, one.get("properties", {}))
            key = self._portal.create(kind, values, read_associations(one.get("associations"), kind))
            return written(self._portal.rows(kind)[key])

        return self._write(call, "create", put, status=201)

    def update(self, call: Call) -> Answer:
        """`POST …/batch/update`: what does not exist is named, the others are written. Raises Refused."""
        kind = call.params["kind"]

        def put(one: Fields) -> Fields:
            key = self._known(kind, one)
            self._portal.update(kind, key, self._portal.prepare(kind, one.get("properties", {})))
            return written(self._portal.rows(kind)[key])

        return self._write(call, "update", put)

    def upsert(self, call: Call) -> Answer:
        """`POST …/batch/upsert` by a unique property. Raises Refused."""
        kind = call.params["kind"]

        def put(one: Fields) -> Fields:
            by = one.get("idProperty") or ""
            known = self._portal.id_property(kind, by)
            values = self._portal.prepare(kind, one.get("properties", {}))
            key = self._portal.find(kind, one["id"], by)
            if key is None:
                identity = self._portal.prepare(kind, {known.name: one["id"]})
                made = self._portal.create(kind, {**identity, **values})
                return {**written(self._portal.rows(kind)[made]), "new": True}
            if by == "email":
                self._refuse_partial(key, values)
            self._portal.update(kind, key, values)
            return {**written(self._portal.rows(kind)[key]), "new": False}

        return self._write(call, "upsert", put)

    def archive(self, call: Call) -> Answer:
        """`POST …/batch/archive`; what does not exist is passed over. Raises Refused."""
        kind = call.params["kind"]
        for one in self._inputs(call, "archive"):
            key = self._portal.find(kind, one["id"])
            if key is not None:
                self._portal.archive(kind, key)
        return Answer(status=204)

    def read(self, call: Call) -> Answer:
        """`POST …/batch/read` by id or a unique property. Raises Refused."""
        kind, body = call.params["kind"], read_body(call)
        if unknown := set(body) - {"inputs", "properties", "propertiesWithHistory", "idProperty"}:
            raise Refused("unknown-input", ", ".join(sorted(unknown)))
        names, by = tuple(body.get("properties") or ()) or None, str(body.get("idProperty") or "")
        results: dict[str, Fields] = {}
        lost = []
        for one in self._inputs(call, "read"):
            key = self._portal.find(kind, one["id"], by)
            if key is None:
                lost.append(one["id"])
            else:
                results[key] = show(self._portal.rows(kind)[key], names, kind)
        errors = [entry(REFUSALS["not-found"], Refused("not-found", ", ".join(lost)))] if lost else []
        for error in errors:
            error["context"] = {"ids": lost}
        return self._answer(call, list(results.values()), errors)

    def _write(self, call: Call, operation: str, put: Callable[[Fields], Fields], *, status: int = 200) -> Answer:
        inputs = self._inputs(call, operation)
        traced = all(isinstance(one.get("objectWriteTraceId"), str) for one in inputs)
        several = traced and operation in self._owner.multi_status
        order = self._owner.site.ordered(FaultKind.RECORD_ERRORS, call)
        results: list[Fields] = []
        errors: list[Fields] = []
        self._portal.begin()
        try:
            for index, one in enumerate(inputs):
                trace = {"objectWriteTraceId": one["objectWriteTraceId"]} if "objectWriteTraceId" in one else {}
                if order is not None and (not order.records or index in order.records):
                    row = Refusal(400, order.code or "VALIDATION_ERROR", order.message or "Refused on request")
                    errors.append(_named(entry(row, Refused("fault")), one))
                    continue
                try:
                    results.append({**put(one), **trace})
                except Refused as refused:
                    unknown = operation == "update" and refused.refusal == "not-found"
                    if not several and not unknown:
                        raise
                    errors.append(_named(entry(REFUSALS[refused.refusal], refused), one))
        except Refused:
            self._portal.end(commit=False)
            raise
        self._portal.end(commit=True)
        return self._answer(call, results, errors, status=status)

    def _answer(self, call: Call, results: list[Fields], errors: list[Fields], *, status: int = 200) -> Answer:
        """Results come in no promised order; here always in another than that of the inputs."""
        data: Fields = {
            "status": "COMPLETE",
            "results": results[::-1],
            "startedAt": stamp(call.at),
            "completedAt": stamp(self._owner.site.clock.now()),
        }
        if errors:
            return Answer(status=207, data={**data, "numErrors": len(errors), "errors": errors})
        return Answer(status=status, data=data)

    def _inputs(self, call: Call, operation: str) -> list[Fields]:
        kind, inputs = call.params["kind"], read_body(call).get("inputs")
        self._portal.rows(kind)
        if not isinstance(inputs, list) or not inputs or not all(isinstance(one, dict) for one in inputs):
            raise Refused("no-inputs")
        if len(inputs) > BATCH:
            raise Refused("too-many", str(BATCH))
        seen: set[tuple[str, str]] = set()
        for one in inputs:
            if unknown := set(one) - _INPUTS[operation]:
                raise Refused("unknown-input", ", ".join(sorted(unknown)))
            if operation == "create":
                continue
            if not isinstance(one.get("id"), str) or not one["id"]:
                raise Refused("no-id", "id")
            if operation in {"update", "upsert"}:
                self._refuse_twice(kind, one, seen)
        return inputs

    def _refuse_twice(self, kind: str, one: Fields, seen: set[tuple[str, str]]) -> None:
        by = str(one.get("idProperty") or "")
        key = self._portal.find(kind, one["id"], by)
        mark = ("", key) if key is not None else (by, one["id"].strip())
        if mark in seen:
            raise Refused("twice", one["id"])
        seen.add(mark)

    def _known(self, kind: str, one: Fields) -> str:
        key = self._portal.find(kind, one["id"], str(one.get("idProperty") or ""))
        if key is None:
            raise Refused("not-found", one["id"])
        return key

    def _refuse_partial(self, key: str, values: Mapping[str, str]) -> None:
        held = self._portal.rows("contacts")[key]["properties"]
        own = {name for name, known in self._portal.schemas["contacts"].items() if not known.read_only}
        if missing := sorted((own & held.keys()) - values.keys() - {"email"}):
            raise Refused("partial-by-email", ", ".join(missing))


def _named(error: Fields, one: Fields) -> Fields:
    """The error with what the client can tell its record by."""
    trace = one.get("objectWriteTraceId")
    named = {"objectWriteTraceId": [trace]} if trace else {"ids": [one.get("id", "")]}
    return {**error, "context": {**error.get("context", {}), **named}}
