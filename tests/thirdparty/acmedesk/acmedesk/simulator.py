"""AcmeDesk on loopback: everything it takes, everything it refuses, built of the connector's simulator parts."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from connector.clock import Clock
from connector.simulator.parts import Answer, Call, Fields, Refusal, Refused, Route, Site, Window, bearer_token

TOKEN = "sim-acmedesk-token"  # public, for loopback
HOOK_SECRET = "sim-acmedesk-hook"
BATCH = 25
PAGE = 100
FIRST_ID = 10001

REFUSALS = {
    "unknown-route": Refusal(404, "not_found", "no such endpoint"),
    "unknown-method": Refusal(405, "method_not_allowed", ""),
    "not-found": Refusal(404, "not_found", "there is no such record"),
    "token": Refusal(401, "unauthorized", ""),
    "throttled": Refusal(429, "too_many_requests", "wait for Retry-After"),
    "not-json": Refusal(400, "bad_request", "the body is not the JSON it should be"),
    "too-many": Refusal(413, "too_large", "at most 25 records"),
    "closed": Refusal(409, "closed", "a ticket is closed"),
    "invalid": Refusal(422, "invalid", "a record is invalid"),
}
"""By id. `invalid` never says which record, nor what is wrong with it."""

STATUSES = frozenset({"new", "open", "pending", "hold", "solved", "closed"})
PRIORITIES = frozenset({"low", "normal", "high", "urgent", None})
TEXTS = frozenset({"subject", "body", "requester_email", "requester_name", "reference"})
CHANGES = frozenset({"status", "priority", "group", "due_at", "tags_to_add"})
NEW = TEXTS | CHANGES | {"tags", "follow_up_of"}


class Acmedesk:
    """A strict account.

    Args:
        clock: lags and quotas follow it.
        index_lag: how long a new ticket or note stays invisible to look-ups.
        per_minute: calls in a minute.
    """

    def __init__(self, clock: Clock, *, index_lag: timedelta = timedelta(0), per_minute: int = 300) -> None:
        self.clock = clock
        self.index_lag = index_lag
        self.token_works = True
        self._pace = Window(per_minute, 60)
        self._ids = itertools.count(FIRST_ID)
        self._notes = itertools.count(1)
        self._changes = itertools.count(1)
        routes = [
            _post("/v1/tickets/bulk", self._create),
            _post("/v1/tickets/bulk_update", self._update),
            _post("/v1/notes/bulk", self._note),
            Route(method="GET", pattern="/v1/tickets", act=self._list),
            Route(method="GET", pattern="/v1/tickets/{ticket}/notes", act=self._notes_of),
            Route(method="GET", pattern="/v1/changes", act=self._changed),
            Route(method="DELETE", pattern="/v1/tickets/{ticket}", act=self._delete, write=True),
            Route(method="DELETE", pattern="/v1/notes/{note}", act=self._delete_note, write=True),
        ]
        self.site = Site(clock, routes, refusals=REFUSALS, say=_say, gate=self._gate, actions={})
        self.requests = self.site.requests
        self.faults = self.site.faults

    @property
    def tickets(self) -> dict[str, Fields]:
        """The truth, by id; each with its notes."""
        return self.site.truth.kind("ticket")

    def add_ticket(self, requester_email: str, subject: str = "Please help", body: str = "Hello") -> str:
        """A ticket a customer opened; returns its id."""
        with self.site.lock:
            return self._store({"subject": subject, "body": body, "requester_email": requester_email}, "human")

    def human_update(self, ticket: str, **fields: Any) -> None:
        """An agent changes a ticket."""
        with self.site.lock:
            self._change(self.tickets[ticket], fields, "human")

    def human_delete(self, ticket: str) -> None:
        """An agent deletes a ticket."""
        self.human_update(ticket, status="deleted")

    def backdate(self, ticket: str, age: timedelta) -> None:
        """It was opened so long ago."""
        at = (self.clock.now() - age).isoformat()
        with self.site.lock:
            self.tickets[ticket] |= {"created_at": at, "updated_at": at}

    def _gate(self, call: Call, route: Route) -> Mapping[str, str]:
        if not self.token_works or bearer_token(call.headers.get("authorization", "")) != TOKEN:
            raise Refused("token")
        if not self._pace.spend(call.at):
            raise Refused("throttled", headers={"Retry-After": str(self._pace.resets_in(call.at))})
        return {}

    def _create(self, call: Call) -> Answer:
        records = _records(call, "tickets")
        for record in records:
            _check(record, NEW, {"subject", "body", "reference"})
            self._check_follow_up(record.get("follow_up_of"))
        return Answer(data={"status": "ok", "ids": [int(self._store(record, "api")) for record in records]})

    def _update(self, call: Call) -> Answer:
        records = _records(call, "tickets")
        for record in records:
            _check(record, CHANGES | {"id"}, {"id"})
            self._open_one(record["id"])
        for record in records:
            changes = {name: value for name, value in record.items() if name != "id"}
            self._change(self.tickets[str(record["id"])], changes, "api")
        return Answer(data={"status": "ok", "ids": [record["id"] for record in records]})

    def _note(self, call: Call) -> Answer:
        records = _records(call, "notes")
        for record in records:
            _check(record, CHANGES | {"ticket", "text", "public"}, {"ticket", "text", "public"})
            if record["public"] is not False or not str(record["text"]).strip() or len(record["text"]) > 10_000:
                raise Refused("invalid")
            self._open_one(record["ticket"])
        made = []
        for record in records:
            row = self.tickets[str(record["ticket"])]
            note = {"id": next(self._notes), "text": record["text"], "public": False, "listed_at": self._listed_at()}
            row["notes"].append(note)
            self._change(row, {name: record[name] for name in CHANGES & set(record)}, "api")
            made.append(note["id"])
        return Answer(data={"status": "ok", "ids": made})

    def _list(self, call: Call) -> Answer:
        if "ids" in call.query:
            wanted = call.query["ids"].split(",")
            if len(wanted) > BATCH:
                raise Refused("too-many")
            rows = [self.tickets[one] for one in wanted if one in self.tickets]
        elif "reference" in call.query:
            named = [row for row in self.tickets.values() if row["reference"] == call.query["reference"]]
            rows = [row for row in named if row["listed_at"] <= call.at and row["status"] != "deleted"]
        else:
            mail = call.query.get("requester", "")
            rows = [row for row in self.tickets.values() if row["requester_email"] == mail]
        return Answer(data={"tickets": [_shown(row) for row in rows]})

    def _notes_of(self, call: Call) -> Answer:
        row = self.tickets.get(call.params["ticket"])
        if row is None or row["status"] == "deleted":
            raise Refused("not-found")
        notes = [{"id": n["id"], "text": n["text"]} for n in row["notes"] if n["listed_at"] <= call.at]
        return Answer(data={"notes": notes})

    def _changed(self, call: Call) -> Answer:
        after = int(call.query.get("after", "0"))
        rows = sorted((row for row in self.tickets.values() if row["change"] > after), key=lambda row: row["change"])
        page = rows[:PAGE]
        position = page[-1]["change"] if page else after
        return Answer(data={"tickets": [_shown(row) for row in page], "next": position, "more": len(rows) > PAGE})

    def _delete(self, call: Call) -> Answer:
        ticket = call.params["ticket"]
        if ticket not in self.tickets:
            raise Refused("not-found")
        del self.tickets[ticket]
        self.site.truth.wrote("ticket", ticket, "delete", "api", {}, call.at)
        self.site.truth.forget("ticket", ticket)
        return Answer(status=204)

    def _delete_note(self, call: Call) -> Answer:
        for row in self.tickets.values():
            for note in row["notes"]:
                if str(note["id"]) == call.params["note"]:
                    row["notes"].remove(note)
                    self.site.truth.forget("ticket", str(row["id"]))
                    return Answer(status=204)
        raise Refused("not-found")

    def _store(self, record: Mapping[str, Any], by: str) -> str:
        key, now = str(next(self._ids)), self.clock.now()
        self.tickets[key] = {
            "id": int(key),
            "status": "new",
            "priority": None,
            "group": None,
            "due_at": None,
            "reference": None,
            "requester_email": None,
            "follow_up_of": None,
            "tags": [],
            "notes": [],
            "created_at": now.isoformat(),
            "listed_at": self._listed_at(),
        }
        self._change(self.tickets[key], record, by, action="create")
        return key

    def _change(self, row: Fields, changes: Mapping[str, Any], by: str, action: str = "update") -> None:
        for name, value in changes.items():
            if name == "tags_to_add":
                row["tags"] = sorted({*row["tags"], *value})
            else:
                row[name] = value
        row |= {"updated_at": self.clock.now().isoformat(), "change": next(self._changes)}
        self.site.truth.wrote("ticket", str(row["id"]), action, by, changes, self.clock.now())

    def _open_one(self, ticket: Any) -> None:
        row = self.tickets.get(str(ticket))
        if row is None or row["status"] == "deleted":
            raise Refused("not-found")
        if row["status"] == "closed":
            raise Refused("closed")

    def _check_follow_up(self, of: Any) -> None:
        if of is not None and self.tickets.get(str(of), {}).get("status") not in {"solved", "closed"}:
            raise Refused("invalid")

    def _listed_at(self) -> datetime:
        return self.clock.now() + self.index_lag


def _post(pattern: str, act: Callable[[Call], Answer]) -> Route:
    return Route(method="POST", pattern=pattern, act=act, write=True)


def _records(call: Call, name: str) -> list[Fields]:
    try:
        records = json.loads(call.body)[name]
    except (ValueError, KeyError, TypeError):
        raise Refused("not-json") from None
    if not isinstance(records, list) or not records or not all(isinstance(record, dict) for record in records):
        raise Refused("not-json")
    if len(records) > BATCH:
        raise Refused("too-many")
    return records


def _check(record: Fields, known: frozenset[str], needed: set[str]) -> None:
    """Refuses the whole call, whatever is wrong with one record."""
    wrong = set(record) - known or needed - {name for name, value in record.items() if value not in (None, "")}
    wrong_text = any(not isinstance(record[name], str) for name in TEXTS & set(record))
    wrong_choice = record.get("status", "new") not in STATUSES or record.get("priority") not in PRIORITIES
    if wrong - {"public"} or wrong_text or wrong_choice or not _is_instant(record.get("due_at")):
        raise Refused("invalid")


def _is_instant(value: Any) -> bool:
    if value is None:
        return True
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


def _shown(row: Fields) -> Fields:
    names = ("id", "status", "priority", "group", "due_at", "reference", "requester_email", "tags", "updated_at")
    return {name: row[name] for name in names}


def _say(row: Refusal, refused: Refused) -> Answer:
    return Answer(status=row.status, data={"error": row.code, "message": row.text})
