"""HubSpot's associations: which records belong to which, one by one and in batches."""

from __future__ import annotations

from typing import Any

from connector.simulator.hubspot_batches import Owner, read_body
from connector.simulator.hubspot_portal import TYPE_IDS, Portal
from connector.simulator.hubspot_properties import stamp
from connector.simulator.hubspot_refusals import REFUSALS, entry
from connector.simulator.parts import Answer, Call, Fields, Refused

CREATE_BATCH, READ_BATCH = 2000, 1000
PAGE = 500
"""Associations of one record in one answer."""


class Associations:
    """The routes of one account."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner

    @property
    def _portal(self) -> Portal:
        return self._owner.portal

    def put(self, call: Call) -> Answer:
        """`PUT …/{kind}/{id}/associations/default/{to}/{target}`; harmless when it is there. Raises Refused."""
        kind, other = call.params["kind"], call.params["to"]
        type_id = _type(kind, other)
        key, target = self._portal.target(kind, call.params["id"]), self._portal.target(other, call.params["target"])
        self._portal.associate(kind, key, other, target)
        return self._done(call, [_made(kind, key, other, target, type_id)])

    def show(self, call: Call) -> Answer:
        """`GET …/{kind}/{id}/associations/{to}`. Raises Refused."""
        kind, other = call.params["kind"], call.params["to"]
        type_id = _type(kind, other)
        key = self._portal.find(kind, call.params["id"])
        if key is None:
            raise Refused("not-found", call.params["id"])
        start, ends = _start(call.query.get("after", "0")), self._ends(kind, key, other, type_id)
        more = {"paging": {"next": {"after": str(start + PAGE)}}} if len(ends) > start + PAGE else {}
        return Answer(data={"results": ends[start : start + PAGE], **more})

    def create(self, call: Call) -> Answer:
        """`POST …/batch/create` and `…/batch/associate/default`; one bad id refuses the batch. Raises Refused."""
        kind, other = call.params["kind"], call.params["to"]
        type_id = _type(kind, other)
        pairs = []
        for one in _inputs(call, CREATE_BATCH):
            if not call.path.endswith("/default"):
                _expect_type(one, type_id, kind)
            pairs.append((self._end(kind, one, "from"), self._end(other, one, "to")))
        for key, target in pairs:
            self._portal.associate(kind, key, other, target)
        return self._done(call, [_made(kind, key, other, target, type_id) for key, target in pairs])

    def read(self, call: Call) -> Answer:
        """`POST …/batch/read`: 207 with an error for each record that has none. Raises Refused."""
        kind, other = call.params["kind"], call.params["to"]
        type_id = _type(kind, other)
        results: list[Fields] = []
        errors: list[Fields] = []
        for one in _inputs(call, READ_BATCH):
            asked = one.get("id")
            if not isinstance(asked, str):
                raise Refused("no-id", "id")
            key = self._portal.find(kind, asked)
            ends = self._ends(kind, key, other, type_id) if key else []
            start = _start(str(one.get("after") or "0"))
            if ends:
                more = {"paging": {"next": {"after": str(start + PAGE)}}} if len(ends) > start + PAGE else {}
                results.append({"from": {"id": key}, "to": ends[start : start + PAGE], **more})
            else:
                error = entry(REFUSALS["no-associations"], Refused("no-associations", asked))
                errors.append({**error, "context": {"fromObjectId": [asked]}})
        return self._done(call, results, errors, status=200)

    def labels(self, call: Call) -> Answer:
        """`GET /crm/associations/V/{kind}/{to}/labels`. Raises Refused."""
        type_id = _type(call.params["kind"], call.params["to"])
        return Answer(data={"results": [{"category": "HUBSPOT_DEFINED", "typeId": type_id, "label": None}]})

    def _ends(self, kind: str, key: str, other: str, type_id: int) -> list[Fields]:
        types = [{"category": "HUBSPOT_DEFINED", "typeId": type_id, "label": None}]
        held = self._portal.rows(other)
        ends = self._portal.rows(kind)[key]["associations"].get(other, [])
        return [{"toObjectId": end, "associationTypes": types} for end in ends if not held[end]["archived"]]

    def _end(self, kind: str, one: Fields, name: str) -> str:
        end = one.get(name)
        if not isinstance(end, dict) or not isinstance(end.get("id"), str):
            raise Refused("no-id", name)
        return self._portal.target(kind, end["id"])

    def _done(
        self, call: Call, results: list[Fields], errors: list[Fields] | None = None, *, status: int = 201
    ) -> Answer:
        data: Fields = {
            "status": "COMPLETE",
            "results": results[::-1],
            "startedAt": stamp(call.at),
            "completedAt": stamp(call.at),
        }
        if errors:
            return Answer(status=207, data={**data, "numErrors": len(errors), "errors": errors})
        return Answer(status=status, data=data)


def _start(after: str) -> int:
    if not after.isdigit():
        raise Refused("cursor", after)
    return int(after)


def _type(kind: str, other: str) -> int:
    if (kind, other) not in TYPE_IDS:
        raise Refused("bad-association-type", f"from {kind} to {other}")
    return TYPE_IDS[kind, other]


def _expect_type(one: Fields, type_id: int, kind: str) -> None:
    types: Any = one.get("types")
    given = [each.get("associationTypeId") for each in types] if isinstance(types, list) else []
    if given != [type_id]:
        raise Refused("bad-association-type", f"{given} from {kind}")


def _inputs(call: Call, most: int) -> list[Fields]:
    inputs = read_body(call).get("inputs")
    if not isinstance(inputs, list) or not inputs or not all(isinstance(one, dict) for one in inputs):
        raise Refused("no-inputs")
    if len(inputs) > most:
        raise Refused("too-many", str(most))
    return inputs


def _made(kind: str, key: str, other: str, target: str, type_id: int) -> Fields:
    """One association as the batch endpoints confirm it."""
    return {
        "from": {"id": key},
        "to": {"id": target},
        "associationSpec": {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": type_id},
        "fromObjectTypeId": kind,
        "toObjectTypeId": other,
    }
