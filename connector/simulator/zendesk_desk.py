"""What a Zendesk account holds and the rules it keeps, apart from how it is spoken to."""

from __future__ import annotations

import re
from bisect import bisect_left
from datetime import UTC, datetime, timedelta

from connector.clock import Clock
from connector.simulator.parts import Fields, Refused, Truth

STATUSES = ("new", "open", "pending", "hold", "solved", "closed")
PRIORITIES = ("low", "normal", "high", "urgent")
TYPES = ("problem", "incident", "question", "task")
API_USER = 1001
HUMAN_AGENT = 1002
RECOVERY_STATUS = "High Priority - Service Recovery Required"
_EMAIL = re.compile(r"[^@\s,;<>]+@[^@\s,;<>.]+(\.[^@\s,;<>.]+)+")
_KEPT = ("subject", "priority", "type", "assignee_id", "group_id", "external_id")


def iso(instant: datetime) -> str:
    """An instant the way Zendesk writes it, to the second."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Desk:
    """Tickets, users, groups and statuses. Not locked: its site does that.

    `custom_statuses`: whether the account has the feature switched on (with `RECOVERY_STATUS` among them, unless the
    account is `bare`: our status and group were not made yet).
    """

    def __init__(self, clock: Clock, truth: Truth, *, custom_statuses: bool, bare: bool = False) -> None:
        self._clock = clock
        self._truth = truth
        self.tickets = truth.kind("ticket")
        self.users = truth.kind("user")
        self.groups = {501: "Support"} if bare else {501: "Support", 502: "Service Recovery"}
        self.has_custom_statuses = custom_statuses
        self.statuses = _statuses(custom=custom_statuses and not bare)
        self.fields: dict[int, str] = {360001: "Survey answer"}
        self.archived: set[int] = set()
        self._by_external_id: dict[str, list[int]] = {}
        self.by_email: dict[str, int] = {}
        self._changes: list[tuple[float, int]] = []
        self._numbers = {"ticket": 10_000, "user": 2_000, "comment": 70_000, "audit": 90_000}
        self._add_user(API_USER, "CSAT Connector", "connector@acme.example", "admin")
        self._add_user(HUMAN_AGENT, "Robin Agent", "robin@acme.example", "agent")

    def ticket(self, number: int) -> Fields:
        """A ticket that is not deleted. Raises Refused."""
        ticket = self.tickets.get(str(number))
        if ticket is None or ticket["status"] == "deleted":
            raise Refused("not-found", str(number))
        return ticket

    def with_external_id(self, external_id: str) -> list[Fields]:
        """Tickets carrying an external id: not unique, archived and deleted ones left out."""
        numbers = self._by_external_id.get(external_id, [])
        tickets = [self.tickets[str(number)] for number in numbers if number not in self.archived]
        return [t for t in tickets if t["external_id"] == external_id and t["status"] != "deleted"]

    def changes(self, position: int, limit: int, until: float) -> tuple[list[Fields], int, bool]:
        """Tickets changed from `position` on and before `until` (epoch seconds), the next position, and the end.

        A ticket appears where it last changed, so it repeats from page to page and never twice in one stream without
        a change in between.
        """
        found: list[Fields] = []
        while position < len(self._changes) and len(found) < limit:
            at, number = self._changes[position]
            if at > until:
                return found, position, True
            position += 1
            ticket = self.tickets[str(number)]
            if ticket["_changed"] == position - 1:
                found.append(ticket)
        return found, position, position >= len(self._changes) or self._changes[position][0] > until

    def position_at(self, epoch: float) -> int:
        """Where the changes at or after an instant begin."""
        return bisect_left(self._changes, (epoch, 0))

    def create(self, data: Fields, *, by: int, public: bool = True) -> Fields:
        """Open a ticket from checked input. Raises Refused."""
        comment = data.get("comment")
        body = (comment or {}).get("body") or (comment or {}).get("html_body") or ""
        if not body.strip():
            raise Refused("blank-comment", field="base")
        self._validate(data)
        source = data.get("via_followup_source_id")
        if source is not None and self.ticket(source)["status"] != "closed":
            raise Refused("follow-up", str(source), field="via_followup_source_id")
        requester = self._requester(data)
        number = self._next("ticket")
        now = iso(self._clock.now())
        ticket: Fields = {
            **dict.fromkeys(_KEPT),
            **{name: data[name] for name in _KEPT if name in data},
            "id": number,
            "status": "new",
            "due_at": None,
            "tags": [],
            "custom_fields": [],
            "requester_id": requester,
            "submitter_id": by,
            "description": body,
            "via": {"channel": "api" if by == API_USER else "web"},
            "via_followup_source_id": source,
            "followup_ids": [],
            "created_at": now,
            "comments": [],
            "audits": [],
        }
        ticket["subject"] = ticket["subject"] or body[:80]
        self.tickets[str(number)] = ticket
        self._set_status(ticket, {"status": "new", **data})
        self._apply(ticket, data, by, public)
        if source is not None:
            self.tickets[str(source)]["followup_ids"].append(number)
        self._truth.wrote("ticket", str(number), "create", _who(by), _without_noise(data), self._clock.now())
        return ticket

    def update(self, number: int, data: Fields, *, by: int) -> Fields:
        """Change a ticket from checked input. Raises Refused."""
        ticket = self.ticket(number)
        if ticket["status"] == "closed":
            raise Refused("closed", field="status")
        if data.get("safe_update"):
            if "updated_stamp" not in data:
                raise Refused("no-stamp", field="updated_stamp")
            if data["updated_stamp"] != ticket["updated_at"]:
                raise Refused("stale")
        comment = data.get("comment")
        if comment is not None and not (comment.get("body") or comment.get("html_body") or "").strip():
            raise Refused("blank-comment", field="base")
        self._validate(data)
        if "requester" in data or "requester_id" in data:
            ticket["requester_id"] = self._requester(data)
        self._set_status(ticket, data)
        ticket.update({name: data[name] for name in _KEPT if name in data})
        self._apply(ticket, data, by, public=True)
        self._truth.wrote("ticket", str(number), "update", _who(by), _without_noise(data), self._clock.now())
        return ticket

    def delete(self, number: int, *, by: int) -> None:
        """Delete a ticket; the incremental export still shows it, as deleted."""
        ticket = self.ticket(number)
        ticket["status"] = "deleted"
        self._touch(ticket)
        self._truth.wrote("ticket", str(number), "delete", _who(by), {}, self._clock.now())

    def user_with_email(self, email: str, name: str, external_id: str | None = None) -> tuple[Fields, bool]:
        """The user with this address, made when there is none. Raises Refused."""
        if not _EMAIL.fullmatch(email):
            raise Refused("requester-email", email, field="requester")
        known = self.by_email.get(email.casefold())
        if external_id is not None:
            owners = [u for u in self.users.values() if (u["external_id"] or "").casefold() == external_id.casefold()]
            if owners and owners[0]["id"] != known:
                raise Refused("external-id", external_id, field="external_id")
        if known is not None:
            return self.users[str(known)], False
        if not name.strip():
            raise Refused("requester-name", field="requester")
        number = self._next("user")
        self._add_user(number, name, email, "end-user", external_id)
        return self.users[str(number)], True

    def _requester(self, data: Fields) -> int:
        if "requester_id" in data:
            return self._user(data["requester_id"])
        requester = data.get("requester")
        if requester is None:
            return API_USER
        for name in requester:
            if name not in {"name", "email", "locale_id"}:
                raise Refused("unknown-field", f"requester.{name}", field="requester")
        email, name = requester.get("email"), requester.get("name", "")
        if not isinstance(email, str) or not isinstance(name, str):
            raise Refused("wrong-type", "requester", field="requester")
        return int(self.user_with_email(email, name)[0]["id"])

    def _user(self, number: int) -> int:
        if str(number) not in self.users:
            raise Refused("user", str(number), field="user")
        return number

    def _validate(self, data: Fields) -> None:
        for name, allowed in (("status", STATUSES), ("priority", PRIORITIES), ("type", TYPES)):
            if data.get(name) is not None and data[name] not in allowed:
                raise Refused(name, str(data[name]), field=name)
        if data.get("group_id") is not None and data["group_id"] not in self.groups:
            raise Refused("group", str(data["group_id"]), field="group")
        chosen = data.get("custom_status_id")
        if chosen is not None and not (chosen in self.statuses and self.statuses[chosen]["active"]):
            raise Refused("custom-status", str(chosen), field="custom_status_id")
        for entry in data.get("custom_fields", []):
            if not isinstance(entry, dict) or entry.get("id") not in self.fields:
                raise Refused("custom-field", str(entry), field="custom_fields")
        for name in ("assignee_id", "submitter_id"):
            if data.get(name) is not None:
                self._user(data[name])
        comment = data.get("comment", {})
        if comment.get("author_id") is not None:
            self._user(comment["author_id"])
        if len(comment.get("body") or comment.get("html_body") or "") > 65_535:
            raise Refused("long-comment", field="comment")
        if data.get("due_at") is not None:
            _instant(data["due_at"])

    def _set_status(self, ticket: Fields, data: Fields) -> None:
        chosen = data.get("custom_status_id")
        if chosen is not None:
            ticket["status"] = self.statuses[chosen]["status_category"]
            ticket["custom_status_id"] = chosen
        elif "status" in data:
            ticket["status"] = data["status"]
            category = "solved" if data["status"] == "closed" else data["status"]
            ticket["custom_status_id"] = next(
                key for key, s in self.statuses.items() if s["default"] and s["status_category"] == category
            )

    def _apply(self, ticket: Fields, data: Fields, by: int, public: bool) -> None:  # noqa: FBT001  # as the API names it
        if "tags" in data:
            ticket["tags"] = _tags(data["tags"])
        ticket["tags"] = _tags([*ticket["tags"], *data.get("additional_tags", [])])
        removed = set(_tags(data.get("remove_tags", [])))
        ticket["tags"] = [tag for tag in ticket["tags"] if tag not in removed]
        if "custom_fields" in data:
            held = {entry["id"]: entry for entry in ticket["custom_fields"]}
            ticket["custom_fields"] = list({**held, **{entry["id"]: entry for entry in data["custom_fields"]}}.values())
        if "due_at" in data or "type" in data:
            # Only tickets of type task have a due date; on others it is dropped without a word.
            due = data.get("due_at", ticket["due_at"])
            ticket["due_at"] = iso(_instant(due)) if due and ticket["type"] == "task" else None
        self._touch(ticket)
        ticket["_solved_at"] = (ticket.get("_solved_at") or ticket["updated_at"]) if _is_over(ticket) else None
        audit = {
            "id": self._next("audit"),
            "ticket_id": ticket["id"],
            "created_at": ticket["updated_at"],
            "author_id": by,
            "metadata": {"system": {}, "custom": data.get("metadata", {})},
            "events": [],
        }
        comment = data.get("comment")
        if comment is not None:
            ticket["comments"].append(
                {
                    "id": self._next("comment"),
                    "type": "Comment",
                    "author_id": comment.get("author_id", by),
                    "body": comment.get("body") or comment.get("html_body"),
                    "public": comment.get("public", public),
                    "audit_id": audit["id"],
                    "created_at": ticket["updated_at"],
                    "metadata": audit["metadata"],
                }
            )
            written = ticket["comments"][-1]
            audit["events"].append({n: written[n] for n in ("id", "type", "author_id", "body", "public")})
        ticket["audits"].append(audit)

    def backdate(self, number: int, by: timedelta) -> None:
        """Let a ticket that nobody touched since be that much older; call it in the order of the tickets."""
        ticket = self.tickets[str(number)]
        then = self._clock.now() - by
        ticket["created_at"] = ticket["updated_at"] = iso(then)
        ticket["generated_timestamp"] = int(then.timestamp())
        self._changes[ticket["_changed"]] = (then.timestamp(), number)

    def _touch(self, ticket: Fields) -> None:
        now = self._clock.now()
        ticket["updated_at"] = iso(now)
        ticket["generated_timestamp"] = int(now.timestamp())
        ticket["_changed"] = len(self._changes)
        self._changes.append((now.timestamp(), ticket["id"]))
        if ticket.get("external_id"):
            numbers = self._by_external_id.setdefault(ticket["external_id"], [])
            if ticket["id"] not in numbers:
                numbers.append(ticket["id"])

    def _add_user(self, number: int, name: str, email: str, role: str, external_id: str | None = None) -> None:
        now = iso(self._clock.now())
        self.users[str(number)] = {
            "id": number,
            "name": name,
            "email": email,
            "role": role,
            "phone": None,
            "external_id": external_id,
            "active": True,
            "created_at": now,
            "updated_at": now,
        }
        self.by_email[email.casefold()] = number

    def _next(self, kind: str) -> int:
        self._numbers[kind] += 1
        return self._numbers[kind]


def _statuses(*, custom: bool) -> dict[int, Fields]:
    rows = [(label.capitalize(), label, True) for label in ("new", "open", "pending", "hold", "solved")]
    if custom:
        rows.append((RECOVERY_STATUS, "open", False))
        rows.append(("Retired status", "open", False))
    return {
        300 + index: {
            "id": 300 + index,
            "agent_label": label,
            "status_category": category,
            "active": label != "Retired status",
            "default": default,
        }
        for index, (label, category, default) in enumerate(rows)
    }


def _tags(tags: list[str]) -> list[str]:
    """Lower case, spaces become underscores, each once."""
    return list(dict.fromkeys(tag.strip().lower().replace(" ", "_") for tag in tags if tag.strip()))


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refused("wrong-type", "due_at", field="due_at") from error
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _is_over(ticket: Fields) -> bool:
    return ticket["status"] in {"solved", "closed"}


def _who(user: int) -> str:
    return "api" if user == API_USER else "human"


def _without_noise(data: Fields) -> Fields:
    return {name: value for name, value in data.items() if name not in {"safe_update", "updated_stamp"}}
