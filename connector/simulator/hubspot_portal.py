"""What a HubSpot account holds and the rules it keeps, apart from how it is spoken to."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any

from connector.clock import Clock
from connector.simulator.hubspot_properties import (
    KINDS,
    STAGES,
    Property,
    accept,
    custom,
    milliseconds,
    stamp,
    standard,
)
from connector.simulator.parts import Fields, Refused, Truth

FIRST_ID = 101
TYPE_IDS: Mapping[tuple[str, str], int] = {
    ("tasks", "contacts"): 204,
    ("contacts", "tasks"): 203,
    ("notes", "contacts"): 202,
    ("contacts", "notes"): 201,
    ("communications", "contacts"): 81,
    ("contacts", "communications"): 82,
}
"""HubSpot's unlabelled association types, by direction."""


class Portal:
    """Records by kind, with indexes of unique values. Not locked: its site does that.

    Args:
        task_key: whether tasks, notes and communications can have a unique property, and have `csat_key`.
        merge_mints: whether the survivor of a merge gets a new id, as amp-labs/connectors#3487 saw.
        search_lag: how long a change stays invisible to the search.
        bare: without any property of ours yet.
    """

    def __init__(
        self,
        clock: Clock,
        truth: Truth,
        *,
        task_key: bool,
        merge_mints: bool,
        search_lag: timedelta,
        bare: bool = False,
    ) -> None:
        self._clock = clock
        self._truth = truth
        self.task_key = task_key
        self.merge_mints = merge_mints
        self.search_lag = search_lag
        self.blocked: set[str] = set()
        self.rules: dict[tuple[str, str], re.Pattern[str]] = {}
        self.schemas = {
            kind: {one.name: one for one in (*standard(kind), *custom(kind, task_key=task_key, bare=bare))}
            for kind in KINDS
        }
        self._unique: dict[tuple[str, str], dict[str, str]] = {}
        self._moved: dict[str, str] = {}
        self._numbers = dict.fromkeys((*KINDS, "owners"), FIRST_ID - 1)
        self._found: dict[str, dict[str, Fields]] = {kind: {} for kind in KINDS}
        self._coming: deque[tuple[datetime, str, str, Fields | None]] = deque()
        self._undo: list[tuple[str, str, Fields | None]] | None = None
        self._mark = 0, 0

    def rows(self, kind: str) -> dict[str, Fields]:
        """All records of a kind, archived ones included. Raises Refused."""
        if kind not in KINDS:
            raise Refused("unknown-object", kind)
        return self._truth.kind(kind)

    @property
    def owners(self) -> dict[str, Fields]:
        """Who can own records, by id."""
        return self._truth.kind("owners")

    def add_owner(self, email: str, first: str, last: str) -> str:
        """A user who can own records; returns the owner's id."""
        self._numbers["owners"] += 1
        key = str(self._numbers["owners"])
        self.owners[key] = {"id": key, "email": email, "firstName": first, "lastName": last, "userId": int(key) + 9000}
        return key

    def searchable(self, kind: str) -> Iterable[Fields]:
        """Live records as the search index has them: what is younger than its lag is not there yet."""
        now = self._clock.now()
        while self._coming and self._coming[0][0] <= now:
            _, changed, key, row = self._coming.popleft()
            if row is None:
                self._found[changed].pop(key, None)
            else:
                self._found[changed][key] = row
        return self._found[kind].values()

    def id_property(self, kind: str, name: str) -> Property:
        """The unique property that may stand for an id. Raises Refused."""
        known = self.schemas[kind].get(name)
        if known is None or not known.unique:
            raise Refused("not-unique", name)
        return known

    def find(self, kind: str, text: str, by: str = "") -> str | None:
        """The id of the live record with this id or unique value, merges followed; None where there is none.

        Raises Refused for ids that cannot be one, and for properties that are not unique.
        """
        rows = self.rows(kind)
        if by and by != "hs_object_id":
            self.id_property(kind, by)
            wanted = text.strip().lower() if by == "email" else text.strip()
            return self._unique.get((kind, by), {}).get(wanted)
        if not text.isdigit():
            raise Refused("bad-id", text)
        key = self._moved.get(text, text) if kind == "contacts" else text
        return key if key in rows and not rows[key]["archived"] else None

    def prepare(self, kind: str, given: Any) -> dict[str, str]:
        """The property values of one record as they will be stored. Raises Refused."""
        if not isinstance(given, dict):
            raise Refused("json", "properties must be an object")
        schema, values = self.schemas[kind], {}
        for name, value in given.items():
            if name not in schema:
                raise Refused("unknown-property", f'Property "{name}" does not exist', field=name)
            if name == "hubspot_owner_id" and value and value not in self.owners:
                raise Refused("bad-owner", f"Owner {value} does not exist", field=name)
            values[name] = value if name == "hubspot_owner_id" and value else accept(schema[name], value)
            rule = self.rules.get((kind, name))
            if rule is not None and values[name] and not rule.fullmatch(values[name]):
                raise Refused("rule", f"{name} does not follow the rule of this account", field=name)
        return values

    def create(self, kind: str, values: Mapping[str, str], to: Iterable[tuple[str, str]] = (), by: str = "api") -> str:
        """A new record, associated with `to` (kind, id); returns its id. Raises Refused."""
        self._require(kind, values)
        targets = [(other, self.target(other, text)) for other, text in to]
        self._refuse_taken(kind, values, None)
        self._numbers[kind] += 1
        key = str(self._numbers[kind])
        now = stamp(self._clock.now())
        self._remember(kind, key)
        created = "createdate" if kind == "contacts" else "hs_createdate"
        row: Fields = {
            "id": key,
            "properties": {"hs_object_id": key, created: now},
            "createdAt": now,
            "updatedAt": now,
            "archived": False,
            "associations": {},
        }
        self.rows(kind)[key] = row
        self._put(kind, key, {name: value for name, value in values.items() if value})
        self._truth.wrote(kind, key, "create", by, values, self._clock.now())
        for other, target in targets:
            self.associate(kind, key, other, target)
        return key

    def update(self, kind: str, key: str, values: Mapping[str, str], by: str = "api") -> None:
        """Change a live record. Raises Refused."""
        held = self.rows(kind)[key]["properties"]
        if _is_behind(values.get("lifecyclestage"), held.get("lifecyclestage")):
            values = {name: value for name, value in values.items() if name != "lifecyclestage"}
        emptied = [name for name, known in self.schemas[kind].items() if known.required and values.get(name) == ""]
        if emptied:
            raise Refused("required", emptied[0])
        self._refuse_taken(kind, values, key)
        self._remember(kind, key)
        self._put(kind, key, values)
        self._truth.wrote(kind, key, "update", by, values, self._clock.now())

    def archive(self, kind: str, key: str, by: str = "api") -> None:
        """Delete a live record; it can still be listed as archived."""
        row = self.rows(kind)[key]
        self._remember(kind, key)
        self._index(kind, key, present=False)
        row["archived"], row["archivedAt"] = True, stamp(self._clock.now())
        self._show(kind, key, None)
        if by == "api":
            self._truth.forget(kind, key)
        self._truth.wrote(kind, key, "delete", by, {}, self._clock.now())

    def target(self, kind: str, text: str) -> str:
        """The live record an association names. Raises Refused."""
        found = self.find(kind, text) if text.isdigit() else None
        if found is None:
            raise Refused("bad-association", text)
        return found

    def associate(self, kind: str, key: str, other: str, target: str) -> None:
        """Tie two live records to each other; harmless when they are."""
        for one, at, to, end in ((kind, key, other, target), (other, target, kind, key)):
            self._remember(one, at)
            ends = self.rows(one)[at]["associations"].setdefault(to, [])
            if end not in ends:
                ends.append(end)

    def merge(self, primary: str, loser: str, by: str = "human") -> str:
        """Merge two live contacts; returns the survivor's id, to which the other ids lead from now on."""
        rows = self.rows("contacts")
        lost, kept = rows.pop(loser), rows[primary]
        for name in ("email", *lost["properties"]):
            self._forget_value("contacts", name, lost["properties"].get(name))
        self._show("contacts", loser, None)
        if self.merge_mints:
            self._numbers["contacts"] += 1
            survivor = str(self._numbers["contacts"])
            rows[survivor] = {**rows.pop(primary), "id": survivor}
            rows[survivor]["properties"]["hs_object_id"] = survivor
            self._show("contacts", primary, None)
        else:
            survivor = primary
        gone = [loser, primary] if self.merge_mints else [loser]
        for old in (*gone, *(old for old, new in self._moved.items() if new in gone)):
            self._moved[old] = survivor
        self._hand_over(survivor, lost, kept, gone)
        self._truth.wrote("contacts", survivor, "merge", by, {"from": gone}, self._clock.now())
        return survivor

    def erase(self, key: str, by: str = "api") -> None:
        """Delete a contact for good, with its addresses barred and nothing of it left."""
        row = self.rows("contacts")[key]
        emails = _emails(row)
        self._index("contacts", key, present=False)
        for other, ends in row["associations"].items():
            for end in ends:
                self.rows(other)[end]["associations"]["contacts"].remove(key)
        self.blocked.update(emails)
        del self.rows("contacts")[key]
        self._moved = {old: new for old, new in self._moved.items() if new != key}
        self._found["contacts"].pop(key, None)
        self._coming = deque(one for one in self._coming if one[1:3] != ("contacts", key))
        self._truth.writes[:] = [w for w in self._truth.writes if (w["kind"], w["id"]) != ("contacts", key)]
        self._truth.wrote("contacts", key, "delete", by, {}, self._clock.now())

    def begin(self) -> None:
        """From here on, remember how to undo."""
        self._undo = []
        self._mark = len(self._truth.writes), len(self._coming)

    def end(self, *, commit: bool) -> None:
        """Keep or undo what happened since `begin`."""
        undo, self._undo = self._undo or [], None
        if commit:
            return
        writes, coming = self._mark
        del self._truth.writes[writes:]
        while len(self._coming) > coming:
            self._coming.pop()
        for kind, key, before in reversed(undo):
            if key in self.rows(kind):
                self._index(kind, key, present=False)
                del self.rows(kind)[key]
            if before is not None:
                self.rows(kind)[key] = before
                self._index(kind, key, present=not before["archived"])

    def _remember(self, kind: str, key: str) -> None:
        if self._undo is not None:
            row = self.rows(kind).get(key)
            self._undo.append((kind, key, deepcopy(row) if row else None))

    def _require(self, kind: str, values: Mapping[str, str]) -> None:
        missing = [name for name, known in self.schemas[kind].items() if known.required and not values.get(name)]
        if kind == "contacts" and not any(values.get(name) for name in ("email", "firstname", "lastname")):
            missing = ["email"]
        if missing:
            raise Refused("required", missing[0])

    def _refuse_taken(self, kind: str, values: Mapping[str, str], key: str | None) -> None:
        for name, value in values.items():
            if not value or not self.schemas[kind][name].unique:
                continue
            if name == "email" and value in self.blocked:
                raise Refused("erased")
            other = self._unique.get((kind, name), {}).get(value)
            if other is not None and other != key:
                words = "Contact already exists." if name == "email" else f"Another object already has {name} {value}."
                raise Refused("conflict", f"{words} Existing ID: {other}", field=name)

    def _put(self, kind: str, key: str, values: Mapping[str, str]) -> None:
        row = self.rows(kind)[key]
        held = row["properties"]
        for name, value in values.items():
            if self.schemas[kind][name].unique:
                self._forget_value(kind, name, held.get(name))
                if value:
                    self._unique.setdefault((kind, name), {})[value] = key
            if value:
                held[name] = value
            else:
                held.pop(name, None)
        row["updatedAt"] = stamp(self._clock.now())
        held["lastmodifieddate" if kind == "contacts" else "hs_lastmodifieddate"] = row["updatedAt"]
        self._show(kind, key, row)

    def _show(self, kind: str, key: str, row: Fields | None) -> None:
        copy = None if row is None else {**row, "properties": dict(row["properties"])}
        self._coming.append((self._clock.now() + self.search_lag, kind, key, copy))

    def _hand_over(self, survivor: str, lost: Fields, kept: Fields, gone: list[str]) -> None:
        """The survivor keeps its values, takes what it lacks, both addresses, the loser's records, and says so."""
        mine, theirs, now = kept["properties"], lost["properties"], self._clock.now()
        own = {name for name, known in self.schemas["contacts"].items() if not known.read_only}
        merged = {n: v for n, v in theirs.items() if n in own and n not in mine}
        extra = [*_emails(lost), *_emails(kept)]
        extra = sorted(dict.fromkeys(email for email in extra if email != {**mine, **merged}.get("email")))
        mine["hs_merged_object_ids"] = _joined(mine, theirs, "hs_merged_object_ids", gone)
        marks = [f"{old}:{milliseconds(now)}" for old in gone]
        mine["hs_calculated_merged_vids"] = _joined(mine, theirs, "hs_calculated_merged_vids", marks)
        if extra:
            mine["hs_additional_emails"] = ";".join(extra)
        for other, ends in lost["associations"].items():
            for end in ends:
                links = self.rows(other)[end]["associations"]["contacts"]
                links[:] = [link for link in links if link not in gone]
                self.associate("contacts", survivor, other, end)
        self._put("contacts", survivor, merged)
        self._index("contacts", survivor, present=True)
        if self.merge_mints:
            for other, ends in kept["associations"].items():
                for end in ends:
                    links = self.rows(other)[end]["associations"]["contacts"]
                    links[:] = list(dict.fromkeys(survivor if link in gone else link for link in links))

    def _index(self, kind: str, key: str, *, present: bool) -> None:
        row = self.rows(kind)[key]
        named = [(name, row["properties"].get(name)) for name, known in self.schemas[kind].items() if known.unique]
        if kind == "contacts":
            named += [("email", email) for email in _emails(row)]
        for name, value in named:
            if value and present:
                self._unique.setdefault((kind, name), {})[value] = key
            elif value:
                self._forget_value(kind, name, value)

    def _forget_value(self, kind: str, name: str, value: str | None) -> None:
        if value is not None:
            self._unique.get((kind, name), {}).pop(value, None)


def _is_behind(new: str | None, held: str | None) -> bool:
    """A stage that would lead back is passed over in silence; it has to be cleared first."""
    return bool(new and held) and STAGES.index(str(new)) < STAGES.index(str(held))


def _emails(row: Fields) -> list[str]:
    held = row["properties"]
    return [email for email in (held.get("email"), *held.get("hs_additional_emails", "").split(";")) if email]


def _joined(mine: Mapping[str, str], theirs: Mapping[str, str], name: str, new: list[str]) -> str:
    return ";".join(part for part in (mine.get(name), theirs.get(name), *new) if part)
