"""Salesforce's setup side: custom fields through the Tooling API, and who may see them.

A field made here is visible to nobody, its maker included, until a permission set that names it is assigned: as in a
real org. Custom fields of tasks belong to `Activity`; permissions name them on `Task`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Protocol

from connector.simulator.parts import Answer, Call, Fields, Refused, Route, Site
from connector.simulator.salesforce_batches import read_body
from connector.simulator.salesforce_fields import Field
from connector.simulator.salesforce_org import INTEGRATION_USER, Org
from connector.simulator.soql import parse

DATA = "/services/data/{version}"
HOMES = {"Contact": "Contact", "Activity": "Task"}
"""Where a custom field is made → the object it appears on (of those there are here)."""
_NAME = re.compile(r"(\w+)\.([A-Za-z]\w*)__c")
_TYPES = {"Text": "string", "Number": "double", "DateTime": "datetime", "Date": "date", "Checkbox": "boolean"}
_PROPERTIES = frozenset({"type", "label", "description", "inlineHelpText", "required", "defaultValue", "caseSensitive"})
_MEASURES = frozenset({"length", "precision", "scale", "unique", "externalId"})
_TOOLING = {"CustomField": {name: Field(name=name) for name in ("Id", "DeveloperName", "TableEnumOrId")}}


class Owner(Protocol):
    """The simulator these routes belong to."""

    site: Site
    org: Org


class Setup:
    """The routes of one org. `allowed`: the run-as user may customise the application and manage permission sets."""

    def __init__(self, owner: Owner, *, allowed: bool) -> None:
        self._owner = owner
        self.allowed = allowed
        self._made: dict[tuple[str, str], Field] = {}

    def routes(self) -> list[Route]:
        """To stand before the routes of any object."""

        def api(method: str, pattern: str, act: Any, *, write: bool = True) -> Route:
            return Route(method=method, pattern=f"{DATA}{pattern}", act=act, write=write, scope="api")

        return [
            api("POST", "/tooling/sobjects/CustomField", self._field),
            api("GET", "/tooling/query", self._query, write=False),
            api("POST", "/sobjects/PermissionSet", self._permission_set),
            api("PATCH", "/sobjects/PermissionSet/{id}", self._touch),
            api("POST", "/sobjects/FieldPermissions", self._permission),
            api("POST", "/sobjects/PermissionSetAssignment", self._assignment),
        ]

    @property
    def _org(self) -> Org:
        return self._owner.org

    def _admit(self) -> None:
        if not self.allowed:
            raise Refused("insufficient-access", "insufficient access rights on cross-reference id")

    def _field(self, call: Call) -> Answer:
        self._admit()
        data = read_body(call)
        named = _NAME.fullmatch(str(data.get("FullName", "")))
        metadata = data.get("Metadata")
        if set(data) != {"FullName", "Metadata"} or named is None or not isinstance(metadata, dict):
            raise Refused("json", "a CustomField has FullName and Metadata")
        home, name = named[1], f"{named[2]}__c"
        if home not in HOMES:
            raise Refused("full-name", f"{home}: custom fields cannot be created on this object", field="FullName")
        if (HOMES[home], name) in self._made or name in self._org.schemas[HOMES[home]]:
            raise Refused("duplicate-name", f"There is already a field named {named[2]} on {home}.", field="FullName")
        self._made[HOMES[home], name] = _read(name, metadata)
        key = f"00N5g{len(self._made):010d}AAA"
        self._owner.site.truth.kind("CustomField")[f"{home}.{name}"] = {"Id": key, **metadata}
        self._owner.site.truth.wrote("CustomField", f"{home}.{name}", "create", "api", dict(metadata), call.at)
        return Answer(status=201, data={"id": key, "success": True, "errors": [], "warnings": [], "infos": []})

    def _query(self, call: Call) -> Answer:
        query = parse(call.query.get("q", ""), _TOOLING)
        there = {(home, name) for home, on in HOMES.items() for name in self._org.schemas[on] if name.endswith("__c")}
        there |= {(home, name) for home, on in HOMES.items() for of, name in self._made if of == on}
        rows: list[Fields] = [
            {"Id": f"00N{number:015d}", "DeveloperName": name.removesuffix("__c"), "TableEnumOrId": home}
            for number, (home, name) in enumerate(sorted(there))
        ]
        shown = [{field: row[field] for field in query.fields} for row in rows if query.test(row)]
        return Answer(data={"totalSize": len(shown), "done": True, "records": shown})

    def _permission_set(self, call: Call) -> Answer:
        self._admit()
        values = self._org.prepare("PermissionSet", read_body(call))
        if self._rows("PermissionSet", Name=values.get("Name")):
            raise Refused("duplicate-name", f"The name {values.get('Name')} is taken", field="Name")
        return self._created("PermissionSet", values)

    def _touch(self, call: Call) -> Answer:
        self._admit()
        self._org.update("PermissionSet", call.params["id"], self._org.prepare("PermissionSet", read_body(call)))
        return Answer(status=204)

    def _permission(self, call: Call) -> Answer:
        self._admit()
        values = self._org.prepare("FieldPermissions", read_body(call))
        on, _, name = str(values.get("Field", "")).partition(".")
        if values.get("SobjectType") not in HOMES.values() or on != values.get("SobjectType"):
            raise Refused("picklist", f"Sobject Type Name: {values.get('SobjectType')}", field="SobjectType")
        if (on, name) not in self._made and name not in self._org.schemas[on]:
            raise Refused("picklist", f"Field Name: bad value for restricted picklist: {on}.{name}", field="Field")
        if not values.get("PermissionsRead"):
            raise Refused("integrity", "Permission to edit a field needs the permission to read it")
        if self._rows("FieldPermissions", ParentId=values.get("ParentId"), Field=values["Field"]):
            raise Refused("duplicate-value", "duplicate value found: the permission set names this field already")
        return self._created("FieldPermissions", values)

    def _assignment(self, call: Call) -> Answer:
        self._admit()
        values = self._org.prepare("PermissionSetAssignment", read_body(call))
        if self._rows("PermissionSetAssignment", **values):
            raise Refused("duplicate-value", "duplicate value found: the user has this permission set already")
        return self._created("PermissionSetAssignment", values)

    def _created(self, name: str, values: Fields) -> Answer:
        key = self._org.create(name, values)
        self._reveal()
        return Answer(status=201, data={"id": key, "success": True, "errors": []})

    def _rows(self, name: str, **wanted: Any) -> list[Fields]:
        return [row for row in self._org.rows(name).values() if all(row.get(n) == v for n, v in wanted.items())]

    def _reveal(self) -> None:
        """Show the run-as user the fields that its permission sets name."""
        mine = {row["PermissionSetId"] for row in self._rows("PermissionSetAssignment", AssigneeId=INTEGRATION_USER)}
        for row in self._org.rows("FieldPermissions").values():
            on, _, name = str(row["Field"]).partition(".")
            if row["ParentId"] in mine and (on, name) in self._made:
                field = self._made.pop((on, name))
                self._org.add_field(on, replace(field, writable=bool(row["PermissionsEdit"])))


def _read(name: str, metadata: Fields) -> Field:
    """The field a CustomField describes. Raises Refused."""
    if unknown := set(metadata) - _PROPERTIES - _MEASURES:
        raise Refused("json", f"unknown property {min(unknown)}")
    kind = metadata.get("type")
    if kind not in _TYPES:
        raise Refused("field-type", f"Field Type: bad value: {kind}", field="type")
    if not str(metadata.get("label") or "").strip() or len(str(metadata["label"])) > 40:
        raise Refused("required", "Required fields are missing: [label, at most 40 characters]", field="label")
    length, precision, scale = (metadata.get(part) for part in ("length", "precision", "scale"))
    if kind == "Text" and not (isinstance(length, int) and 1 <= length <= 255):
        raise Refused("field-type", "Must specify 'length' for a CustomField of type Text", field="length")
    if kind == "Number" and not (isinstance(precision, int) and isinstance(scale, int) and scale <= precision <= 18):
        raise Refused("field-type", "Must specify 'precision' and 'scale' for a CustomField of type Number")
    if kind not in {"Text", "Number"} and (metadata.get("unique") or metadata.get("externalId")):
        raise Refused("field-type", f"Can not specify 'unique' for a CustomField of type {kind}", field="unique")
    return Field(
        name=name,
        type=_TYPES[kind],
        length=length or 255,
        precision=precision or 18,
        scale=scale or 0,
        unique=bool(metadata.get("unique")),
        external_id=bool(metadata.get("externalId")),
    )
