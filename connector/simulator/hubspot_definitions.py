"""HubSpot's properties API: definitions are read, made, changed and removed here."""

from __future__ import annotations

from dataclasses import replace

from connector.simulator.hubspot_batches import Owner, read_body
from connector.simulator.hubspot_portal import Portal
from connector.simulator.hubspot_properties import Property, read_definition, stamp
from connector.simulator.hubspot_refusals import REFUSALS, entry
from connector.simulator.parts import Answer, Call, Fields, Refused

UNIQUE_MOST = 10
GROUPS = frozenset({"csat", "contactinformation", "tasks", "notes"})
_FIXED = frozenset({"hasUniqueValue", "name", "hubspotDefined"})
_CHANGEABLE = frozenset({"label", "groupName", "description", "type", "fieldType", "options", "formField", "hidden"})


class Definitions:
    """The routes of one account."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner

    @property
    def _portal(self) -> Portal:
        return self._owner.portal

    def every(self, call: Call) -> Answer:
        """`GET /crm/properties/V/{kind}`. Raises Refused."""
        return Answer(data={"results": [known.describe() for known in self._schema(call).values()]})

    def show(self, call: Call) -> Answer:
        """`GET /crm/properties/V/{kind}/{name}`. Raises Refused."""
        return Answer(data=self._named(call).describe())

    def create(self, call: Call) -> Answer:
        """`POST /crm/properties/V/{kind}`. Raises Refused."""
        return Answer(status=201, data=self._add(call, read_body(call)).describe())

    def create_many(self, call: Call) -> Answer:
        """`POST /crm/properties/V/{kind}/batch/create`: what cannot be made is named. Raises Refused."""
        made: list[Fields] = []
        errors: list[Fields] = []
        for one in read_body(call).get("inputs") or []:
            try:
                made.append(self._add(call, one).describe())
            except Refused as refused:
                errors.append(
                    {**entry(REFUSALS[refused.refusal], refused), "context": {"name": [str(one.get("name"))]}}
                )
        return self._several(call, made, errors, 201)

    def read_many(self, call: Call) -> Answer:
        """`POST /crm/properties/V/{kind}/batch/read`. Raises Refused."""
        schema = self._schema(call)
        names = [str(one.get("name")) for one in read_body(call).get("inputs") or []]
        lost = [name for name in names if name not in schema]
        errors = [
            {**entry(REFUSALS["no-property"], Refused("no-property", name)), "context": {"name": [name]}}
            for name in lost
        ]
        return self._several(call, [schema[name].describe() for name in names if name in schema], errors, 200)

    def update(self, call: Call) -> Answer:
        """`PATCH /crm/properties/V/{kind}/{name}`; what makes it unique stays as it was made. Raises Refused."""
        known, body = self._named(call), read_body(call)
        if fixed := sorted(_FIXED & body.keys()):
            raise Refused("immutable", fixed[0])
        if unknown := set(body) - _CHANGEABLE:
            raise Refused("unknown-input", ", ".join(sorted(unknown)))
        if known.hubspot:
            raise Refused("hubspot-defined", known.name)
        changed = replace(
            known,
            label=str(body.get("label", known.label)),
            options=tuple(str(one["value"]) for one in body["options"]) if "options" in body else known.options,
        )
        self._schema(call)[known.name] = changed
        return Answer(data=changed.describe())

    def archive(self, call: Call) -> Answer:
        """`DELETE /crm/properties/V/{kind}/{name}`. Raises Refused."""
        known = self._named(call)
        if known.hubspot:
            raise Refused("hubspot-defined", known.name)
        del self._schema(call)[known.name]
        return Answer(status=204)

    def _add(self, call: Call, data: Fields) -> Property:
        kind, schema = call.params["kind"], self._schema(call)
        made = read_definition(data, GROUPS)
        if made.name in schema:
            raise Refused("property-exists", made.name)
        if made.unique and kind != "contacts" and not self._portal.task_key:
            raise Refused("unique-on-object", kind)
        if made.unique and sum(known.unique and not known.hubspot for known in schema.values()) >= UNIQUE_MOST:
            raise Refused("too-many-unique", kind)
        schema[made.name] = made
        return made

    def _schema(self, call: Call) -> dict[str, Property]:
        kind = call.params["kind"]
        self._portal.rows(kind)
        return self._portal.schemas[kind]

    def _named(self, call: Call) -> Property:
        known = self._schema(call).get(call.params["name"])
        if known is None:
            raise Refused("no-property", call.params["name"])
        return known

    def _several(self, call: Call, results: list[Fields], errors: list[Fields], status: int) -> Answer:
        data: Fields = {
            "status": "COMPLETE",
            "results": results,
            "startedAt": stamp(call.at),
            "completedAt": stamp(call.at),
        }
        if errors:
            return Answer(status=207, data={**data, "numErrors": len(errors), "errors": errors})
        return Answer(status=status, data=data)
