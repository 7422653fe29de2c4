"""Making what the org lacks: custom fields through the Tooling API, and a permission set that shows them to us.

A field made through the API is visible to nobody until a permission set names it; the set is then given to the run-as
user. Which user that is the org says itself: whoever changed the permission set last, which we just did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

from connector.adapters.salesforce.definitions import DEFINITIONS, HOMES, PERMISSION_SET, click_path
from connector.adapters.salesforce.names import API, DATA, KEY_FIELD, OBJECTS, PERSON_FIELD, TASKS
from connector.adapters.salesforce.readiness import Fields, is_key
from connector.domain.model.account import Change, Demand
from connector.domain.model.intent import Json, WriteKind
from connector.errors import InDoubt
from connector.transport.client import Api
from connector.transport.shapes import expecting

Query = Callable[[str], list[dict[str, Any]]]
ACCESS_BY_HAND = (
    "Setup › Permission Sets › New: CSAT Connector; Object Settings › Contacts and Tasks: edit access to the fields; "
    "Manage Assignments: the run-as user"
)


class Preparation:
    """What is missing in one org, and making it. `query` runs SOQL and returns every row."""

    def __init__(self, api: Api, query: Query) -> None:
        self._api = api
        self._query = query

    def wanted(self, demand: Demand, described: Mapping[str, Fields]) -> Sequence[Change]:
        """The changes, in the order to make them. Raises RemoteError."""
        needed = dict(_needed(demand))
        missing = {name: home for name, home in needed.items() if name not in described[HOMES[home]]}
        changes = list(_unfit(needed, described))
        if not missing:
            return changes
        made = self._made()
        absent = [name for name, home in missing.items() if (home, name) not in made]
        changes += [_field_change(name, missing[name]) for name in absent]
        hidden = [name for name in missing if name in DEFINITIONS or name not in absent]
        if hidden:
            changes.append(_access_change(missing, hidden))
        return changes

    def apply(self, change: Change) -> str:
        """Make one of them. Raises RemoteError."""
        details = cast("Mapping[str, Any]", change.details)
        if "name" in details:
            return self._make_field(details["name"])
        return self._give_access([str(each) for each in details["fields"]])

    def _made(self) -> set[tuple[str, str]]:
        """Every custom field there is, seen by us or not: the object it was made on, and its name."""
        homes = ", ".join(f"'{home}'" for home in HOMES)
        soql = f"SELECT DeveloperName, TableEnumOrId FROM CustomField WHERE TableEnumOrId IN ({homes})"  # noqa: S608
        path: str | None = f"{DATA}/tooling/query"
        params: dict[str, str | int] | None = {"q": soql}
        found: set[tuple[str, str]] = set()
        while path:
            reply = self._api.call("GET", path, params=params, endpoint_class=API, write=False)
            with expecting("which custom fields there are", **reply.context()):
                page = cast("dict[str, Any]", reply.json())
                found |= {(row["TableEnumOrId"], f"{row['DeveloperName']}__c") for row in page["records"]}
                path, params = page.get("nextRecordsUrl"), None
        return found

    def _make_field(self, name: str) -> str:
        known = DEFINITIONS[name]
        if (known.home, name) in self._made():
            return "was there already"
        metadata: dict[str, Json] = {"label": known.label, "required": False, **known.metadata}
        self._post("/tooling/sobjects/CustomField", {"FullName": f"{known.home}.{name}", "Metadata": metadata})
        return f"custom field, {known.words}"

    def _give_access(self, fields: Sequence[str]) -> str:
        parent = self._permission_set()
        rows = self._query(f"SELECT Field FROM FieldPermissions WHERE ParentId = '{parent}'")  # noqa: S608  # an id
        there = {row["Field"] for row in rows}
        for full in fields:
            if full not in there:
                permission: dict[str, Json] = {
                    "ParentId": parent,
                    "SobjectType": full.partition(".")[0],
                    "Field": full,
                    "PermissionsRead": True,
                    "PermissionsEdit": True,
                }
                self._post("/sobjects/FieldPermissions", permission)
        (row,) = self._query(f"SELECT LastModifiedById FROM PermissionSet WHERE Id = '{parent}'")  # noqa: S608
        user = row["LastModifiedById"]
        where = f"AssigneeId = '{user}' AND PermissionSetId = '{parent}'"
        if not self._query(f"SELECT Id FROM PermissionSetAssignment WHERE {where}"):  # noqa: S608  # ids
            self._post("/sobjects/PermissionSetAssignment", {"AssigneeId": user, "PermissionSetId": parent})
        return f"{len(fields)} fields shown to the run-as user by {PERMISSION_SET}"

    def _permission_set(self) -> str:
        """Its id; made, or changed, by us just now."""
        values: dict[str, Json] = {"Label": "CSAT Connector"}
        rows = self._query(f"SELECT Id FROM PermissionSet WHERE Name = '{PERMISSION_SET}'")  # noqa: S608
        if not rows:
            return self._post("/sobjects/PermissionSet", {"Name": PERMISSION_SET, **values})
        key = str(rows[0]["Id"])
        self._api.call("PATCH", f"{DATA}/sobjects/PermissionSet/{key}", json=values, endpoint_class=API, write=True)
        return key

    def _post(self, path: str, body: dict[str, Json]) -> str:
        reply = self._api.call("POST", f"{DATA}{path}", json=body, endpoint_class=API, write=True)
        with expecting("what was made", InDoubt, **reply.context()):
            return str(cast("dict[str, Any]", reply.json())["id"])


def _needed(demand: Demand) -> Iterator[tuple[str, str]]:
    """Every custom field we will use, and the object it is made on."""
    kinds = demand.names
    if WriteKind.CONTACT in kinds:
        yield PERSON_FIELD, "Contact"
    if TASKS & kinds.keys():
        yield KEY_FIELD, "Activity"
    for use in demand.fields:
        if use.name.endswith("__c") and use.kind in OBJECTS:
            yield use.name, "Activity" if use.kind in TASKS else "Contact"


def _unfit(needed: Mapping[str, str], described: Mapping[str, Fields]) -> Iterator[Change]:
    """Our keys, where they are there and do not make a write safe."""
    for name in (PERSON_FIELD, KEY_FIELD):
        home = needed.get(name)
        field = described[HOMES[home]].get(name) if home else None
        if field is not None and not is_key(field):
            yield Change(
                subject=f"{home}.{name}",
                message="is no External ID, or not Unique",
                by_hand=f"Setup › Object Manager › {home} › Fields & Relationships › {name} › Edit: both",
                only_by_hand=True,
            )


def _field_change(name: str, home: str) -> Change:
    known = DEFINITIONS.get(name)
    words = known.words if known else "of a type that takes what the mapping writes"
    return Change(
        subject=f"{home}.{name}",
        message=f"custom field, {words}",
        by_hand=click_path(home, name, words),
        only_by_hand=known is None,
        details={} if known is None else {"name": name},
    )


def _access_change(homes: Mapping[str, str], names: Sequence[str]) -> Change:
    fields = [f"{HOMES[homes[name]]}.{name}" for name in names]
    return Change(
        subject=f"permission set {PERMISSION_SET}",
        message=f"shows and opens to the run-as user: {', '.join(fields)}",
        by_hand=ACCESS_BY_HAND,
        details={"fields": list(fields)},
    )
