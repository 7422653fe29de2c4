"""What the auditor looks at, brought into one shape: the ledger by SQL, what the vendors hold, and where tags got to.

Imports nothing of the connector.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.chaos.issued import Journal, Person

TAG = re.compile(r"qzx\d+[nf]\d+(?:v\d+)?z")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a tag was found: a site, what kind of thing (timeline, task, ticket, note), its id, and the whole text."""

    site: str
    kind: str
    id: str
    text: str


@dataclass(slots=True)
class Evidence:
    """Everything about one program that was played."""

    journal: Journal
    truths: Mapping[str, Mapping[str, Any]]
    requests: Mapping[str, list[dict[str, Any]]]
    ended_at: datetime
    tables: dict[str, list[Row]] = field(default_factory=dict)
    places: dict[str, list[Place]] = field(default_factory=lambda: defaultdict(list))

    def objects(self, site: str, kind: str) -> Mapping[str, Row]:
        """What a vendor holds."""
        found: Mapping[str, Row] = self.truths.get(site, {"objects": {}})["objects"].get(kind, {})
        return found

    def contacts(self) -> dict[str, Row]:
        """Contacts that were not deleted or merged away, by id, as plain fields."""
        kind = "Contact" if self.journal.crm == "salesforce" else "contacts"
        rows = self.objects(self.journal.crm, kind)
        return {
            key: row.get("properties", row)
            for key, row in rows.items()
            if not row.get("IsDeleted") and not row.get("archived")
        }

    def contact_of(self, person: Person) -> tuple[str, Row] | None:
        """The one contact with a person's address."""
        name = "Email" if self.journal.crm == "salesforce" else "email"
        found = [(key, row) for key, row in self.contacts().items() if row.get(name) == person.email]
        return found[0] if len(found) == 1 else None

    def intents(self, **wanted: object) -> list[Row]:
        """Intents with these values."""
        return [row for row in self.tables["intent"] if all(row[name] == value for name, value in wanted.items())]

    def response(self, key: str) -> Row | None:
        """The recorded answer."""
        return next((row for row in self.tables["response"] if row["key"] == key), None)

    def versions(self, response_id: int) -> list[Row]:
        """Its recorded versions."""
        return [row for row in self.tables["response_version"] if row["response_id"] == response_id]

    def failures(self, response_id: int | None) -> list[Row]:
        """What of an answer was given up, was rejected, or waits for a person: the ledger says why."""
        return [
            row
            for row in self.tables["intent"]
            if row["response_id"] == response_id and row["state"] in {"rejected", "given_up", "held", "blocked"}
        ]


def gather(
    journal: Journal,
    store: Path,
    truths: Mapping[str, Mapping[str, Any]],
    requests: Mapping[str, list[dict[str, Any]]],
    ended_at: datetime,
) -> Evidence:
    """Read the store and look for every tag."""
    found = Evidence(journal=journal, truths=truths, requests=requests, ended_at=ended_at)
    connection = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    try:
        for table in (
            "inbox", "response", "response_version", "person", "link", "fact", "score", "published", "recovery",
            "recovery_response", "intent", "receipt", "write", "history", "erasure", "lane", "defect", "defect_answer",
            "follow_up",
        ):  # fmt: skip
            found.tables[table] = [dict(row) for row in connection.execute(f'SELECT * FROM "{table}"')]
    finally:
        connection.close()
    for place in _places(found):
        for tag in set(TAG.findall(place.text)):
            found.places[tag].append(place)
    return found


def _places(found: Evidence) -> list[Place]:
    places = [
        Place(site="zendesk", kind="note" if position else "ticket", id=key, text=comment["body"])
        for key, ticket in found.objects("zendesk", "ticket").items()
        for position, comment in enumerate(ticket.get("comments", []))
    ]
    for key, row in found.objects("salesforce", "Task").items() if found.journal.crm == "salesforce" else ():
        kind = "timeline" if str(row.get("Subject", "")).startswith("Survey answer") else "task"
        text = f"{row.get('Subject')}\n{row.get('Description')}"
        if not row.get("IsDeleted"):
            places.append(Place(site="salesforce", kind=kind, id=key, text=text))
    if found.journal.crm == "hubspot":
        for kind, name, body in (("timeline", "notes", "hs_note_body"), ("task", "tasks", "hs_task_body")):
            for key, row in found.objects("hubspot", name).items():
                if not row.get("archived"):
                    places.append(Place(site="hubspot", kind=kind, id=key, text=str(row["properties"].get(body))))
    others = [("slack", "message"), ("zapier", "event"), ("smtp", "mail"), (found.journal.tracker, "issue")]
    for site, kind in others:
        for key, row in found.objects(site, kind).items():
            places.append(Place(site=site, kind=kind, id=key, text=json.dumps(row)))
    return places


def is_forgotten(found: Evidence, at: datetime, *, since: timedelta = timedelta(0)) -> bool:
    """Whether an older copy of the store was put back that was made before then, or up to `since` later."""
    begun = found.journal.backed_up
    return begun is not None and any(begun - since <= at <= end for end in found.journal.restored)


def survivor(found: Evidence, person_id: int | None) -> int | None:
    """Who somebody is by now: two persons may have turned out to be one."""
    merged = {row["id"]: row["merged_into"] for row in found.tables["person"]}
    while merged.get(person_id) is not None:
        person_id = merged[person_id]
    return person_id


def instant(micros: int) -> datetime:
    """An instant as the store has it."""
    return EPOCH + timedelta(microseconds=micros)


def micros(at: datetime) -> int:
    """The same the other way round."""
    return (at - EPOCH) // timedelta(microseconds=1)
