"""Zendesk on loopback: OAuth client credentials, tickets, comments, jobs, look-ups that lag, the incremental export.

What it refuses and how is REFUSALS; the facts behind it are on `docs/vendors/zendesk`. Public credentials:
`sim-zendesk` / `sim-zendesk-secret`, webhook secret `sim-zendesk-hook`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from connector.clock import Clock
from connector.simulator.parts import (
    Answer,
    Call,
    FaultKind,
    Fields,
    Keys,
    Refused,
    Route,
    Site,
    Tokens,
    cursor_at,
)
from connector.simulator.zendesk_admin import Admin
from connector.simulator.zendesk_beside import with_beside
from connector.simulator.zendesk_desk import API_USER, HUMAN_AGENT, Desk, iso
from connector.simulator.zendesk_gate import CLIENT_ID, CLIENT_SECRET, Gate, Quotas
from connector.simulator.zendesk_hooks import HOOK_SECRET, announce
from connector.simulator.zendesk_jobs import Jobs
from connector.simulator.zendesk_pages import ticket_list, ticket_page
from connector.simulator.zendesk_refusals import REFUSALS
from connector.simulator.zendesk_requests import (
    BULK_LIMIT,
    ids_of,
    number_of,
    paged,
    position_of,
    read_body,
    say,
    size_of,
)
from connector.simulator.zendesk_shapes import read_ticket
from connector.simulator.zendesk_shredder import Shredder, html_of

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "HOOK_SECRET", "REFUSALS", "SUBDOMAIN", "Quotas", "Zendesk"]

SUBDOMAIN = "acme"
KEY_LIFE = timedelta(hours=2)
EXPORT_HORIZON = 60
"""Seconds at the end of the stream that the incremental export leaves out."""


class Zendesk:
    """A strict Zendesk account.

    Args:
        clock: expiries, quotas, lags and jobs follow it.
        custom_statuses: whether the account has custom ticket statuses.
        quotas: calls per window.
        search_lag: how long a new or changed ticket stays invisible to search.
        lookup_lag: the same for the list by external id (zero at the vendor).
        job_delay: how long a job stays queued.
        scopes: what the OAuth client may be given.
        hook_url: where changes by people are announced; may be set later.
        bare: an account in which nobody made our status and group yet.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        custom_statuses: bool = True,
        quotas: Quotas | None = None,
        search_lag: timedelta = timedelta(minutes=2),
        lookup_lag: timedelta = timedelta(0),
        job_delay: timedelta = timedelta(milliseconds=500),
        scopes: frozenset[str] = frozenset({"read", "write"}),
        hook_url: str | None = None,
        bare: bool = False,
    ) -> None:
        self.clock = clock
        self.search_lag = search_lag
        self.lookup_lag = lookup_lag
        self.hook_url = hook_url
        self.hook_deliveries: list[tuple[str, int]] = []
        self._events = itertools.count(1)
        self.gate = Gate(clock, quotas or Quotas(), scopes)
        self.keys = Keys(clock, KEY_LIFE)
        self.admin = Admin(self)
        actions: dict[str, Callable[..., Any]] = {
            "add_ticket": self.add_ticket,
            "human_update": self.human_update,
            "customer_reply": self.customer_reply,
            "human_delete": self.human_delete,
            "add_trigger": self.admin.add_trigger,
            "add_automation": self.admin.add_automation,
            "add_group": self.admin.add_group,
        }
        self.site = Site(
            clock,
            [*Shredder(self).routes(), *self._routes(), *self.admin.routes()],
            refusals=REFUSALS,
            say=say,
            gate=self.gate.admit,
            actions=actions,
        )
        self.jobs = Jobs(delay=job_delay, memory=timedelta(hours=1), limit=self.gate.quotas.jobs)
        self.requests = self.site.requests
        self.faults = self.site.faults
        self.desk = Desk(clock, self.site.truth, custom_statuses=custom_statuses, bare=bare)

    @property
    def tokens(self) -> Tokens:
        """Access tokens, to expire or revoke."""
        return self.gate.tokens

    def start(self, port: int = 0) -> str:
        """Listen on loopback; returns the base URL."""
        return self.site.start(port)

    def stop(self) -> None:
        """Stop listening."""
        self.site.stop()

    @property
    def truth(self) -> Fields:
        """{"objects": {"ticket": {id: fields with comments}, "user": …}, "writes": […]}, a copy."""
        return self.site.snapshot()

    def add_ticket(
        self, *, requester_email: str, requester_name: str = "Customer", comment: str = "Hello", **fields: Any
    ) -> int:
        """A ticket a customer opened; other ticket fields as in the API. Returns its id."""
        data = {
            "requester": {"email": requester_email, "name": requester_name},
            "comment": {"body": comment, "public": True},
            **fields,
        }
        with self.site.lock:
            return int(self.desk.create(read_ticket(data, new=True), by=HUMAN_AGENT)["id"])

    def human_update(self, ticket: int, **fields: Any) -> None:
        """An agent changes a ticket (fields as in the API); the webhook, if set, hears of it."""
        with self.site.lock:
            before = self.desk.ticket(ticket)["status"]
            self.desk.update(ticket, read_ticket(fields, new=False, bulk=True), by=HUMAN_AGENT)
        self._announce(ticket, before)

    def customer_reply(self, ticket: int, text: str) -> None:
        """The requester answers, which reopens a solved ticket."""
        with self.site.lock:
            row = self.desk.ticket(ticket)
            before = row["status"]
            reopened = {"status": "open"} if before in {"solved", "pending"} else {}
            comment = {"body": text, "public": True, "author_id": row["requester_id"]}
            self.desk.update(ticket, {"comment": comment, **reopened}, by=HUMAN_AGENT)
        self._announce(ticket, before)

    def human_delete(self, ticket: int) -> None:
        """An agent deletes a ticket."""
        with self.site.lock:
            self.desk.delete(ticket, by=HUMAN_AGENT)

    def archive(self, ticket: int) -> None:
        """Move a closed ticket out of the lists, as happens 120 days after closing; it can still be shown."""
        with self.site.lock:
            self.desk.archived.add(ticket)

    def _announce(self, ticket: int, before: str) -> None:
        if self.hook_url is not None:
            with self.site.lock:
                row = dict(self.desk.tickets[str(ticket)])
            number = f"event-{next(self._events)}"
            self.hook_deliveries += announce(self.hook_url, row, before, number, self.clock.now())

    def _routes(self) -> list[Route]:
        def read(pattern: str, act: Callable[[Call], Answer], quota: str = "", scope: str = "tickets:read") -> Route:
            return Route(method="GET", pattern=f"/api/v2{pattern}", act=act, scope=scope, quota=quota)

        def write(method: str, pattern: str, act: Callable[[Call], Answer], quota: str = "") -> Route:
            return Route(
                method=method, pattern=f"/api/v2{pattern}", act=act, write=True, scope="tickets:write", quota=quota
            )

        return [
            Route(method="POST", pattern="/oauth/tokens", act=self.gate.token, scope=None),
            Route(method="GET", pattern="/agent/tickets", act=self._agent_list, scope=None),
            Route(method="GET", pattern="/agent/tickets/{id}", act=self._agent_ticket, scope=None),
            read("/tickets", self._list),
            write("POST", "/tickets", self._create),
            read("/tickets/show_many", self._show_many),
            write("PUT", "/tickets/update_many", self._update_many),
            read("/tickets/{id}", self._show),
            write("PUT", "/tickets/{id}", self._update, "tickets-update"),
            read("/tickets/{id}/comments", self._comments),
            read("/tickets/{id}/audits", self._audits),
            read("/tickets/{id}/tags", self._tags),
            write("PUT", "/tickets/{id}/tags", partial(self._set_tags, "additional_tags"), "tickets-update"),
            write("POST", "/tickets/{id}/tags", partial(self._set_tags, "tags"), "tickets-update"),
            write("DELETE", "/tickets/{id}/tags", partial(self._set_tags, "remove_tags"), "tickets-update"),
            read("/job_statuses/{id}", self._job),
            read("/incremental/tickets/cursor", self._export, "incremental-exports"),
            read("/search", self._search, "search-index"),
            read("/users/me", self._me, scope="users:read"),
            read("/users/show_many", self._users, scope="users:read"),
            read("/users/{id}", self._user, scope="users:read"),
            write("POST", "/users/create_or_update", self._put_user),
        ]

    def _ticket(self, call: Call) -> Fields:
        return self.desk.ticket(number_of(call.params["id"]))

    def _shown(self, ticket: Fields) -> Fields:
        hidden = {"comments", "audits"}
        shown = {name: value for name, value in ticket.items() if name not in hidden and not name.startswith("_")}
        return {
            **shown,
            "tags": list(ticket["tags"]),
            "url": f"{self.site.base_url}/api/v2/tickets/{ticket['id']}.json",
        }

    def _visible(self, ticket: Fields, lag: timedelta) -> bool:
        return not lag or ticket["created_at"] <= iso(self.clock.now() - lag)

    def _list(self, call: Call) -> Answer:
        wanted = call.query.get("external_id")
        if wanted is not None:
            found = [t for t in self.desk.with_external_id(wanted) if self._visible(t, self.lookup_lag)]
        else:
            found = [t for t in self.desk.tickets.values() if t["status"] != "deleted"]
        page, extra = paged(call, found, self.site.base_url)
        return Answer(data=with_beside(self.desk, call, {"tickets": [self._shown(t) for t in page], **extra}, page))

    def _create(self, call: Call) -> Answer:
        key = call.headers.get("idempotency-key")
        if key is None:
            return self._created(call)
        if len(key) > 255:
            raise Refused("key-too-long")
        try:
            kept = self.keys.find(key, call.body)
        except ValueError as error:
            raise Refused("key-reuse") from error
        if kept is not None:
            return replace(kept, headers={"x-idempotency-lookup": "hit"})
        answer = replace(self._created(call), headers={"x-idempotency-lookup": "miss"})
        self.keys.keep(key, call.body, answer)
        return answer

    def _created(self, call: Call) -> Answer:
        ticket = self.desk.create(read_ticket(read_body(call).get("ticket"), new=True), by=API_USER)
        return Answer(status=201, data={"ticket": self._shown(ticket), "audit": dict(ticket["audits"][-1])})

    def _show(self, call: Call) -> Answer:
        ticket = self._ticket(call)
        return Answer(data=with_beside(self.desk, call, {"ticket": self._shown(ticket)}, [ticket]))

    def _show_many(self, call: Call) -> Answer:
        numbers = ids_of(call)
        found = [t for number in numbers if (t := self.desk.tickets.get(str(number))) and t["status"] != "deleted"]
        data = {"tickets": [self._shown(ticket) for ticket in found], "count": len(found)}
        return Answer(data=with_beside(self.desk, call, data, found))

    def _update(self, call: Call) -> Answer:
        number = number_of(call.params["id"])
        self.gate.spend_ticket(number, call.at)
        ticket = self.desk.update(number, read_ticket(read_body(call).get("ticket"), new=False), by=API_USER)
        return Answer(data={"ticket": self._shown(ticket), "audit": dict(ticket["audits"][-1])})

    def _update_many(self, call: Call) -> Answer:
        body = read_body(call)
        if "ids" in call.query:
            change = read_ticket(body.get("ticket"), new=False, bulk=True)
            changes = [{**change, "id": number} for number in ids_of(call)]
        else:
            tickets = body.get("tickets")
            if not isinstance(tickets, list) or not tickets:
                raise Refused("no-ticket", "tickets")
            if len(tickets) > BULK_LIMIT:
                raise Refused("too-many")
            changes = [read_ticket(ticket, new=False, bulk=True) for ticket in tickets]
        if not all("id" in change for change in changes):
            raise Refused("no-ticket", "id")
        works = [partial(self._update_one, change) for change in changes]
        fault = self.site.ordered(FaultKind.LATE_JOB_FAILURE, call)
        return Answer(data={"job_status": self.jobs.accept(self.site, "Bulk Update Ticket", works, fault)})

    def _update_one(self, change: Fields) -> Fields:
        number = change["id"]
        try:
            self.desk.update(number, {n: v for n, v in change.items() if n != "id"}, by=API_USER)
        except Refused as refused:
            row = REFUSALS[refused.refusal]
            return {"id": number, "error": row.code, "details": row.text.format(refused.detail)}
        return {"id": number, "action": "update", "status": "Updated", "success": True}

    def _comments(self, call: Call) -> Answer:
        comments = [{**one, "html_body": html_of(one)} for one in self._ticket(call)["comments"]]
        if call.query.get("sort_order") == "desc" or call.query.get("sort") == "-created_at":
            comments.reverse()
        page, extra = paged(call, comments, self.site.base_url)
        data = {"comments": page, **extra}
        if "users" in call.query.get("include", "").split(","):
            data["users"] = [
                dict(self.desk.users[author]) for author in sorted({str(one["author_id"]) for one in page})
            ]
        return Answer(data=data)

    def _audits(self, call: Call) -> Answer:
        page, extra = paged(call, list(self._ticket(call)["audits"]), self.site.base_url)
        return Answer(data={"audits": page, **extra})

    def _tags(self, call: Call) -> Answer:
        return Answer(data={"tags": list(self._ticket(call)["tags"])})

    def _set_tags(self, how: str, call: Call) -> Answer:
        data = read_ticket({how: read_body(call).get("tags")}, new=False, bulk=True)
        return Answer(data={"tags": list(self.desk.update(number_of(call.params["id"]), data, by=API_USER)["tags"])})

    def _job(self, call: Call) -> Answer:
        return Answer(data={"job_status": self.jobs.find(call.params["id"])})

    def _export(self, call: Call) -> Answer:
        size = size_of(call.query.get("per_page", "1000"), 1000)
        now = call.at.timestamp()
        if "cursor" in call.query:
            position = position_of(call.query["cursor"])
        else:
            start = call.query.get("start_time", "")
            if not start.isdigit():
                raise Refused("no-start")
            if int(start) > now - EXPORT_HORIZON:
                raise Refused("recent-start")
            position = self.desk.position_at(int(start))
        found, position, end = self.desk.changes(position, size, now - EXPORT_HORIZON)
        after = cursor_at(position)
        data = {
            "tickets": [self._shown(ticket) for ticket in found],
            "after_cursor": after,
            "after_url": f"{self.site.base_url}/api/v2/incremental/tickets/cursor.json?cursor={after}",
            "before_cursor": None,
            "before_url": None,
            "end_of_stream": end,
        }
        return Answer(data=with_beside(self.desk, call, data, found))

    def _search(self, call: Call) -> Answer:
        words = dict(word.split(":", 1) for word in call.query.get("query", "").split() if ":" in word)
        if words.pop("type", "ticket") != "ticket" or set(words) - {"external_id", "status", "tags"} or not words:
            raise Refused("search", call.query.get("query", "query is missing"))
        tickets = (t for t in self.desk.tickets.values() if t["updated_at"] <= iso(self.clock.now() - self.search_lag))
        found = [t for t in tickets if t["status"] != "deleted" and all(_has(t, n, v) for n, v in words.items())]
        page, extra = paged(call, found, self.site.base_url)
        return Answer(data={"results": [{**self._shown(t), "result_type": "ticket"} for t in page], **extra})

    def _me(self, call: Call) -> Answer:
        return Answer(data={"user": dict(self.desk.users[str(API_USER)])})

    def _users(self, call: Call) -> Answer:
        found = [dict(user) for number in ids_of(call) if (user := self.desk.users.get(str(number)))]
        return Answer(data={"users": found, "count": len(found)})

    def _user(self, call: Call) -> Answer:
        user = self.desk.users.get(str(number_of(call.params["id"])))
        if user is None:
            raise Refused("not-found")
        return Answer(data={"user": dict(user)})

    def _put_user(self, call: Call) -> Answer:
        user = read_body(call).get("user")
        if not isinstance(user, dict) or not isinstance(user.get("email"), str):
            raise Refused("no-ticket", "user.email")
        if unknown := set(user) - {"email", "name", "external_id", "skip_verify_email"}:
            raise Refused("unknown-field", ", ".join(sorted(unknown)))
        row, made = self.desk.user_with_email(user["email"], user.get("name") or "", user.get("external_id"))
        return Answer(status=201 if made else 200, data={"user": dict(row)})

    def _agent_list(self, call: Call) -> Answer:
        return ticket_list(self.desk)

    def _agent_ticket(self, call: Call) -> Answer:
        return ticket_page(self.desk, self._ticket(call))


def _has(ticket: Fields, name: str, value: str) -> bool:
    if name == "tags":
        return value in ticket["tags"]
    return bool(ticket[name] == value.strip('"'))
