"""How a Zendesk account forgets: tickets and users deleted, then deleted for good; comments redacted.

Deleting for good takes a deletion first and answers with a job for tickets. What stays of a ticket is its number, of a
user the name "Permanently Deleted User" (developer.zendesk.com: tickets, users, ticket comments).
"""

from __future__ import annotations

import re
from functools import partial
from html import escape
from typing import Protocol

from connector.simulator.parts import Answer, Call, Fields, Refused, Route, Site
from connector.simulator.zendesk_desk import API_USER, Desk
from connector.simulator.zendesk_jobs import Jobs
from connector.simulator.zendesk_requests import number_of, paged, read_body

GONE_USER = "Permanently Deleted User"
SCRUBBED = "SCRUBBED"
_MARKED = re.compile(r"<redact>(.*?)</redact>", re.DOTALL)


class Owner(Protocol):
    """The simulator these routes belong to."""

    site: Site
    desk: Desk
    jobs: Jobs


def html_of(comment: Fields) -> str:
    """A comment as Zendesk shows it."""
    return f'<div class="zd-comment" dir="auto">{escape(str(comment["body"]), quote=False)}</div>'


class Shredder:
    """The routes of one account."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner

    def routes(self) -> list[Route]:
        """Everything that deletes, and the look-ups somebody needs who wants to."""

        def route(method: str, pattern: str, act: object, scope: str) -> Route:
            return Route(
                method=method,
                pattern=f"/api/v2{pattern}",
                act=act,  # type: ignore[arg-type]  # a bound method below
                write=method != "GET",
                scope=scope,
            )

        return [
            route("DELETE", "/tickets/{id}", self.delete_ticket, "tickets:write"),
            route("DELETE", "/deleted_tickets/{id}", self.shred_ticket, "tickets:write"),
            route("GET", "/users/search", self.find_users, "users:read"),
            route("GET", "/users/{id}/tickets/requested", self.requested, "tickets:read"),
            route("DELETE", "/users/{id}", self.delete_user, "users:write"),
            route("DELETE", "/deleted_users/{id}", self.shred_user, "users:write"),
            route("PUT", "/comment_redactions/{id}", self.redact, "tickets:write"),
        ]

    @property
    def _desk(self) -> Desk:
        return self._owner.desk

    def delete_ticket(self, call: Call) -> Answer:
        """To the deleted tickets. Raises Refused."""
        self._desk.delete(number_of(call.params["id"]), by=API_USER)
        return Answer(status=204)

    def shred_ticket(self, call: Call) -> Answer:
        """For good, by a job. Raises Refused for a ticket that is not deleted, or deleted for good already."""
        number = number_of(call.params["id"])
        ticket = self._desk.tickets.get(str(number))
        if ticket is None or ticket["status"] != "deleted" or ticket["subject"] == SCRUBBED:
            raise Refused("not-found", str(number))
        works = [partial(self._scrub, number)]
        return Answer(data={"job_status": self._owner.jobs.accept(self._owner.site, "Bulk Delete Ticket", works, None)})

    def _scrub(self, number: int) -> Fields:
        ticket = self._desk.tickets[str(number)]
        ticket.update(subject=SCRUBBED, description=SCRUBBED, external_id=None, comments=[], audits=[])
        ticket.update(custom_fields=[], tags=[])
        self._owner.site.truth.forget("ticket", str(number))
        return {"success": True}

    def find_users(self, call: Call) -> Answer:
        """Users whose address contains what is asked for. Raises Refused."""
        name, _, wanted = call.query.get("query", "").partition(":")
        if name != "email" or not wanted:
            raise Refused("search", call.query.get("query", "query is missing"))
        live = (user for user in self._desk.users.values() if user["active"] and user["email"])
        found = [dict(user) for user in live if wanted.casefold() in user["email"].casefold()]
        page, extra = paged(call, found, self._owner.site.base_url)
        return Answer(data={"users": page, **extra})

    def requested(self, call: Call) -> Answer:
        """Tickets a user asked for. Raises Refused."""
        number = self._user(call)["id"]
        mine = [t for t in self._desk.tickets.values() if t["requester_id"] == number and t["status"] != "deleted"]
        shown = [{name: ticket[name] for name in ("id", "subject", "status", "requester_id")} for ticket in mine]
        page, extra = paged(call, shown, self._owner.site.base_url)
        return Answer(data={"tickets": page, **extra})

    def delete_user(self, call: Call) -> Answer:
        """To the deleted users. Raises Refused for agents, and for who asked for a ticket that is not closed."""
        user = self._user(call)
        if user["role"] != "end-user":
            raise Refused("delete-agent", field="base")
        mine = [t for t in self._desk.tickets.values() if t["requester_id"] == user["id"]]
        if still := [t for t in mine if t["status"] not in {"closed", "deleted"}]:
            raise Refused("open-tickets", str(len(still)), field="base")
        user["active"] = False
        self._desk.by_email.pop(str(user["email"]).casefold(), None)
        return Answer(data={"user": dict(user)})

    def shred_user(self, call: Call) -> Answer:
        """For good. Raises Refused for a user who is not deleted, or deleted for good already."""
        user = self._desk.users.get(str(number_of(call.params["id"])))
        if user is None or user["active"] or user["name"] == GONE_USER:
            raise Refused("not-found", call.params["id"])
        user.update(name=GONE_USER, email=None, external_id=None)
        return Answer(data={"deleted_user": dict(user)})

    def redact(self, call: Call) -> Answer:
        """Blacken what is marked in a comment. Raises Refused when the text is not the comment's."""
        body, number = read_body(call), number_of(call.params["id"])
        ticket = self._desk.ticket(body["ticket_id"] if isinstance(body.get("ticket_id"), int) else 0)
        comment = next((one for one in ticket["comments"] if one["id"] == number), None)
        if comment is None:
            raise Refused("not-found", str(number))
        marked = str(body.get("html_body") or "")
        if not _MARKED.search(marked) or _MARKED.sub(r"\1", marked) != html_of(comment):
            raise Refused("redaction")
        comment["body"] = re.sub(r"\S", "▇", str(comment["body"]))
        for audit in ticket["audits"]:
            for event in audit["events"]:
                if event["id"] == number:
                    event["body"] = comment["body"]
        self._owner.site.truth.forget("ticket", str(ticket["id"]))
        return Answer(data={"comment": dict(comment)})

    def _user(self, call: Call) -> Fields:
        user = self._desk.users.get(str(number_of(call.params["id"])))
        if user is None or not user["active"]:
            raise Refused("not-found", call.params["id"])
        return user
