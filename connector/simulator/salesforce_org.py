"""What a Salesforce org holds and the rules it keeps, apart from how it is spoken to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from connector.clock import Clock
from connector.simulator.parts import Fields, Refused, Truth
from connector.simulator.salesforce_fields import (
    PREFIXES,
    Field,
    account_fields,
    check,
    contact_fields,
    deserialize,
    long_id,
    permission_schemas,
    record_id,
    stamp,
    task_fields,
    user_fields,
)
from connector.simulator.soql import RELATED, Condition, Query

INTEGRATION_USER = record_id("User", 1)
HUMAN_USER = record_id("User", 2)


class Org:
    """Rows by object, with indexes for external ids and e-mail. Not locked: its site does that.

    Args:
        task_key: whether the administrator added `CSAT_Key__c` to Activity.
        duplicate_rule: whether a second contact with one e-mail is refused unless the caller insists.
        query_lag: how long a new row stays invisible to queries (zero at the vendor, which queries its database).
        bare: nobody made our custom fields yet.
    """

    def __init__(
        self,
        clock: Clock,
        truth: Truth,
        *,
        task_key: bool,
        duplicate_rule: bool,
        query_lag: timedelta,
        bare: bool = False,
    ) -> None:
        self._clock = clock
        self._truth = truth
        self.duplicate_rule = duplicate_rule
        self.query_lag = query_lag
        fields = {
            "Contact": contact_fields(bare=bare),
            "Task": task_fields(with_key=task_key and not bare),
            "User": user_fields(),
            "Account": account_fields(),
            **permission_schemas(),
        }
        self.schemas = {name: {field.name: field for field in known} for name, known in fields.items()}
        self._indexes: dict[tuple[str, str], dict[str, set[str]]] = {}
        self._numbers = dict.fromkeys(PREFIXES, 0)
        self._undo: list[Callable[[], None]] | None = None
        self.add_user("Integration User", "integration@acme.example")
        self.add_user("Robin Agent", "robin@acme.example")

    def add_field(self, object_name: str, field: Field) -> None:
        """Add or replace a custom field."""
        self.schemas[object_name][field.name] = field
        for key, row in self._truth.kind(object_name).items():
            self._index(object_name, field, key, row.get(field.name), present=True)

    def remove_field(self, object_name: str, name: str) -> None:
        """Take a field away, as a missing permission does."""
        del self.schemas[object_name][name]
        self._indexes.pop((object_name, name), None)

    def add_user(self, name: str, email: str) -> str:
        """A user who can own records; returns the id."""
        return self._insert("User", {"Name": name, "Email": email, "Username": email}, HUMAN_USER)

    def add_account(self, name: str) -> str:
        """A company contacts can belong to; returns the id."""
        return self._insert("Account", {"Name": name}, HUMAN_USER)

    def rows(self, object_name: str) -> dict[str, Fields]:
        """All rows of an object, deleted ones included. Raises Refused."""
        if object_name not in self.schemas:
            raise Refused("unknown-object", object_name)
        return self._truth.kind(object_name)

    def refuse_internal(self, object_name: str, name: str) -> None:
        """Make sure `name` is an external id of the object. Raises Refused."""
        self.rows(object_name)
        field = self.schemas[object_name].get(name)
        if field is None or not field.external_id:
            raise Refused("external-id", f"Provided external ID field does not exist or is not accessible: {name}")

    def prepare(self, object_name: str, data: Mapping[str, Any]) -> Fields:
        """Field values of one record as JSON gave them, typed. Raises Refused for the whole request."""
        self.rows(object_name)
        schema = self.schemas[object_name]
        values = {}
        for given, value in data.items():
            if given == "attributes":
                continue
            name = "Id" if given == "id" else given  # the collections guide writes it small, the object reference large
            if name not in schema:
                raise Refused("unknown-field", f"No such column '{name}' on sobject of type {object_name}", field=name)
            values[name] = deserialize(schema[name], value)
        return values

    def key_of(self, object_name: str, text: str) -> str:
        """The 18-character id of a live or deleted row. Raises Refused."""
        prefix = PREFIXES[object_name]
        if len(text) not in {15, 18} or not text.isalnum() or not text.startswith(prefix):
            raise Refused("malformed-id", f"{object_name} ID: id value of incorrect type: {text}", field="Id")
        return long_id(text) if len(text) == 15 else text

    def live(self, object_name: str, text: str) -> Fields:
        """The row with this id. Raises Refused when it never existed or is deleted."""
        rows = self.rows(object_name)
        row = rows.get(self.key_of(object_name, text))
        if row is None:
            raise Refused("not-found", text)
        if row["IsDeleted"]:
            raise Refused("deleted", "entity is deleted")
        return row

    def find(self, object_name: str, name: str, value: object) -> list[str]:
        """Ids of live rows holding `value` in an indexed field, compared without case."""
        found = self._indexes.get((object_name, name), {}).get(str(value).casefold(), set())
        return sorted(found)

    def create(self, object_name: str, values: Fields, *, by: str = INTEGRATION_USER, insist: bool = False) -> str:
        """Insert one record and return its id. Raises Refused."""
        if "Id" in values:
            raise Refused("id-in-insert", "cannot specify Id in an insert call", field="Id")
        for name, field in self.schemas[object_name].items():
            if field.required and values.get(name) is None:
                raise Refused("required", f"Required fields are missing: [{name}]", field=name)
        checked = self._checked(object_name, values, None)
        email = checked.get("Email")
        if self.duplicate_rule and object_name == "Contact" and email and not insist:
            self._refuse_duplicates(str(email))
        return self._insert(object_name, checked, by)

    def update(self, object_name: str, text: str, values: Fields, *, by: str = INTEGRATION_USER) -> str:
        """Change one record and return its id. Raises Refused."""
        row = self.live(object_name, text)
        key = str(row["Id"])
        changed = self._checked(object_name, {n: v for n, v in values.items() if n != "Id"}, key)
        self._remember(self._restoring(object_name, key))
        self._put(object_name, key, {**changed, "LastModifiedById": by})
        self._truth.wrote(object_name, key, "update", _who(by), changed, self._clock.now())
        return key

    def delete(self, object_name: str, text: str, *, into: str | None = None, by: str = HUMAN_USER) -> None:
        """Delete one record; `into` is the winner when it lost a merge. What it held lies in the recycle bin."""
        key = str(self.live(object_name, text)["Id"])
        row = self._truth.kind(object_name)[key]
        for name, field in self.schemas[object_name].items():
            self._index(object_name, field, key, row.get(name), present=False)
        row.update(IsDeleted=True, **self._stamps())
        if into is not None:
            row["MasterRecordId"] = into
        if by != HUMAN_USER:
            self._truth.forget(object_name, key)
        self._truth.wrote(object_name, key, "merge" if into else "delete", _who(by), {"into": into}, self._clock.now())

    def merge(self, winner: str, loser: str) -> None:
        """Merge two contacts: the loser is deleted and points at the winner, its tasks move over."""
        kept = str(self.live("Contact", winner)["Id"])
        lost = str(self.live("Contact", loser)["Id"])
        for task in self.find("Task", "WhoId", lost):
            self._put("Task", task, {"WhoId": kept})
        self.delete("Contact", lost, into=kept)
        self._put("Contact", kept, {})

    def select(self, query: Query, *, deleted_too: bool) -> list[Fields]:
        """Rows of a query, in order, cut to its limit."""
        rows = self._truth.kind(query.object)
        horizon = stamp(self._clock.now() - self.query_lag) if self.query_lag else None
        candidates = rows.values()
        for group in query.anchors:
            keys = self._serve(query.object, group, deleted_too=deleted_too)
            if keys is not None:
                candidates = {key: rows[key] for key in keys if key in rows}.values()
                break
        found = [
            row
            for row in candidates
            if (deleted_too or not row["IsDeleted"])
            and (horizon is None or row["CreatedDate"] <= horizon)
            and query.test(row)
        ]
        return query.sort(found)[: query.limit]

    def _serve(self, object_name: str, group: tuple[Condition, ...], *, deleted_too: bool) -> list[str] | None:
        """Ids that can satisfy one of these comparisons; None where an index is missing."""
        found: list[str] = []
        for one in group:
            if one.field == "Id":
                found += [long_id(str(value)) if len(str(value)) == 15 else str(value) for value in one.values]
            elif (object_name, one.field) in self._indexes and not deleted_too and None not in one.values:
                found += [key for value in one.values for key in self.find(object_name, one.field, value)]
            else:
                return None
        return found

    def shown(self, object_name: str, row: Fields, names: tuple[str, ...]) -> Fields:
        """The selected fields of a row, parent fields nested, as the API shows them."""
        shown: Fields = {name: row.get(name) for name in names if name not in RELATED}
        for name in names:
            if name in RELATED:
                parent, _, part = name.partition(".")
                kind = "User" if parent == "Owner" else parent
                related = self._truth.kind(kind).get(str(row.get(f"{parent}Id")))
                shown.setdefault(parent, related and {"attributes": {"type": kind}})
                if related is not None:
                    shown[parent][part] = related.get(part)
        return shown

    def begin(self) -> None:
        """From here on, remember how to undo."""
        self._undo = []

    def end(self, *, commit: bool) -> None:
        """Keep or undo what happened since `begin`."""
        undo, self._undo = self._undo or [], None
        if not commit:
            for step in reversed(undo):
                step()

    def _checked(self, object_name: str, values: Fields, key: str | None) -> Fields:
        schema = self.schemas[object_name]
        checked = {name: check(schema[name], value) for name, value in values.items()}
        for name, value in checked.items():
            field = schema[name]
            if value is None:
                continue
            if field.unique and (others := [k for k in self.find(object_name, name, value) if k != key]):
                raise Refused(
                    "duplicate-value",
                    f"duplicate value found: {name} duplicates value on record with id: {others[0]}",
                    field=name,
                )
            if field.type == "reference":
                checked[name] = self._referenced(field, str(value))
        return checked

    def _referenced(self, field: Field, text: str) -> str:
        target = next((name for name in field.to if text.startswith(PREFIXES[name])), None)
        if target is None:
            raise Refused("malformed-id", f"{field.name}: id value of incorrect type: {text}", field=field.name)
        try:
            return str(self.live(target, text)["Id"])
        except Refused as refused:
            if refused.refusal == "not-found":
                raise Refused("bad-reference", f"invalid cross reference id: {text}", field=field.name) from refused
            raise

    def _refuse_duplicates(self, email: str) -> None:
        if others := self.find("Contact", "Email", email):
            raise Refused("duplicates-detected", "Use one of these records? " + ",".join(others), field="Email")

    def _insert(self, object_name: str, values: Fields, by: str) -> str:
        self._numbers[object_name] += 1
        key = record_id(object_name, self._numbers[object_name])
        defaults: Fields = {"OwnerId": by}
        if object_name == "Task":
            defaults |= {"Status": "Not Started", "Priority": "Normal"}
        given = {name: value for name, value in values.items() if value is not None}
        row: Fields = dict.fromkeys(self.schemas[object_name])
        row |= {"Id": key, "IsDeleted": False, "CreatedById": by, "CreatedDate": self._stamps()["SystemModstamp"]}
        self._truth.kind(object_name)[key] = row
        self._remember(lambda: self._forget(object_name, key))
        self._put(object_name, key, {**defaults, **given, "LastModifiedById": by})
        if object_name not in {"User", "Account"}:  # furniture, not work
            self._truth.wrote(object_name, key, "create", _who(by), given, self._clock.now())
        return key

    def _put(self, object_name: str, key: str, changed: Fields) -> None:
        row = self._truth.kind(object_name)[key]
        for name, value in changed.items():
            field = self.schemas[object_name].get(name)
            if field is not None and row.get(name) != value:
                self._index(object_name, field, key, row.get(name), present=False)
                self._index(object_name, field, key, value, present=True)
        row.update(changed)
        row.update(self._stamps())
        if object_name == "Contact":
            row["Name"] = " ".join(part for part in (row.get("FirstName"), row.get("LastName")) if part)
        if object_name == "Task":
            row["IsClosed"] = row.get("Status") == "Completed"

    def _index(self, object_name: str, field: Field, key: str, value: object, *, present: bool) -> None:
        if not field.indexed:
            return
        index = self._indexes.setdefault((object_name, field.name), {})
        if value is None:
            return
        keys = index.setdefault(str(value).casefold(), set())
        if present:
            keys.add(key)
        else:
            keys.discard(key)

    def _stamps(self) -> Fields:
        now = stamp(self._clock.now())
        return {"LastModifiedDate": now, "SystemModstamp": now}

    def _remember(self, step: Callable[[], None]) -> None:
        if self._undo is not None:
            self._undo.append(step)

    def _restoring(self, object_name: str, key: str) -> Callable[[], None]:
        before = dict(self._truth.kind(object_name)[key])

        def restore() -> None:
            self._put(object_name, key, before)
            self._truth.kind(object_name)[key].update(before)
            self._truth.writes.pop()

        return restore

    def _forget(self, object_name: str, key: str) -> None:
        row = self._truth.kind(object_name).pop(key)
        for name, field in self.schemas[object_name].items():
            self._index(object_name, field, key, row.get(name), present=False)
        self._truth.writes.pop()


def _who(user: str) -> str:
    return "api" if user == INTEGRATION_USER else "human"
