"""Zendesk Support: tickets with a private first comment, notes, changes, the feed of tickets, the signed webhook.

Tickets are created under an idempotency key, which Zendesk remembers for two hours, and carry our key as external_id.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, cast

from connector.adapters.zendesk import erasing, feed, rules, setup, writes
from connector.adapters.zendesk.directory import Directory, read_directory
from connector.adapters.zendesk.names import (
    ACCOUNT,
    CUSTOM_FIELD,
    KNOWN_FIELDS,
    PROMISES,
    SCOPE,
    TICKETS,
    TOKEN_PATH,
    external_id,
)
from connector.adapters.zendesk.options import Options
from connector.adapters.zendesk.readiness import findings
from connector.adapters.zendesk.replies import quota_reader, read
from connector.domain.model.account import Change, Demand, InstalledHook
from connector.domain.model.intent import Found, Item, Json, Request, WriteKind
from connector.domain.model.interaction import InteractionRecord, Unreadable
from connector.errors import Gone, InDoubt
from connector.ports import Finding, Hook, Job, Outcome, Page, Ticket
from connector.ports.conversations import Said
from connector.ports.erasing import Erased, Subject
from connector.transport.client import Reply
from connector.transport.grants import ClientCredentials
from connector.transport.kit import Kit
from connector.transport.shapes import expecting
from connector.transport.signatures import check_fresh, verify_hmac

__all__ = ["CUSTOM_FIELD", "KNOWN_FIELDS", "PROMISES", "READS_QUOTA", "ROLES", "Options", "Zendesk"]

ROLES = frozenset({"helpdesk", "interactions"})
READS_QUOTA = True

_SHOW = 100  # ids in one show_many
_NAMES_LIVE = timedelta(hours=1)  # how long ids of groups and statuses are believed


class Zendesk:
    """One account: Writer, Tickets, Notes, Interactions, Conversations, Attended, Describable, Preparing."""

    kind = "zendesk"
    read_class = ACCOUNT
    residual = erasing.RESIDUAL

    def __init__(self, name: str, options: Options, kit: Kit) -> None:
        self.account = options.account
        self.promises = PROMISES
        self._clock = kit.clock
        self._secrets = options.webhook_secret
        self._agent_url = f"{options.url}/agent/tickets"
        auth = ClientCredentials(
            token_url=options.url + TOKEN_PATH,
            client_id=options.client_id,
            client_secret=options.client_secret,
            scope=SCOPE,
            style="json",
        )
        self._api = kit.api(name, options.url, auth, options.timeout, read, quota_reader(kit.clock))
        self._preparation = setup.Preparation(self._api, self._list)
        self._directory = Directory()
        self._learned_at: float | None = None

    def prepare(self) -> None:
        """Learn the ids of groups and custom statuses; again after an hour. Until then names become tags."""
        now = self._clock.monotonic()
        if self._learned_at is not None and now - self._learned_at < _NAMES_LIVE.total_seconds():
            return
        statuses: list[dict[str, Any]] = []
        with suppress(Gone):  # accounts without custom statuses may not have the endpoint
            statuses = self._list("/api/v2/custom_statuses", "custom_statuses")
        groups = self._list("/api/v2/groups", "groups")
        with expecting("which groups and statuses there are"):
            self._directory = read_directory(groups, statuses)
        self._learned_at = now

    def render(self, kind: WriteKind, items: Sequence[Item]) -> Request:
        """One create, one change, or a job of up to 100 changes. Notes are private and end in their marker."""
        return writes.render(kind, items, self._directory)

    def send(self, kind: WriteKind, request: Request, count: int) -> Sequence[Outcome] | Job:
        """Send it. An update of a closed ticket ends in a Conflict that says so."""
        headers = {"Idempotency-Key": request.idempotency_key} if request.idempotency_key else None
        reply = self._api.call(
            request.method,
            request.path,
            body=request.body,
            headers=headers,
            endpoint_class=self.promises[kind].endpoint_class,
            write=True,
        )
        with expecting("what was written", InDoubt, **reply.context()):
            if request.path == writes.UPDATE_MANY:
                return writes.job_of(reply)
            return [writes.written(reply, self._directory, self._agent_url)]

    def poll(self, kind: WriteKind, job: str, count: int) -> Sequence[Outcome] | Job:
        """How the job stands. Raises Gone when Zendesk has forgotten it."""
        reply = self._get(f"/api/v2/job_statuses/{job}")
        with expecting("how the job stands", **reply.context()):
            return writes.job_outcomes(reply, job, count, self._agent_url)

    def ask(self, kind: WriteKind, items: Sequence[Item]) -> Sequence[Found]:
        """Find tickets by external_id, which the list answers without the lag of search; notes by marker."""
        if kind is WriteKind.TICKET:
            return [self._tickets_with(item.key) for item in items]
        if kind is WriteKind.NOTE:
            return self._ask_notes(items)
        return [Found(receipts=()) for _ in items]

    def tickets_since(self, cursor: str | None) -> Page[Ticket]:
        """A page of the incremental export; it leaves out the most recent minute, and repeats tickets."""
        self.prepare()
        now = self._clock.now()
        reply = self._get("/api/v2/incremental/tickets/cursor", **feed.where(cursor, now))
        with expecting("which tickets changed", **reply.context()):
            found = feed.tickets(reply, self.account, self._agent_url, self._directory)
            return feed.page(reply, cursor, now, found)

    def interactions_since(self, cursor: str | None) -> Page[InteractionRecord | Unreadable]:
        """The customers' own tickets of a page of the export, which this reads on its own and with other companions."""
        self.prepare()
        now = self._clock.now()
        query = {**feed.where(cursor, now), "include": feed.WITH_METRICS}
        reply = self._get("/api/v2/incremental/tickets/cursor", **query)
        with expecting("which tickets changed", **reply.context()):
            return feed.page(reply, cursor, now, feed.records(reply, self.account, self._directory))

    def read_tickets(self, ids: Sequence[str]) -> Mapping[str, Ticket]:
        """Current state by id, 100 a call; a deleted ticket is absent."""
        self.prepare()
        found: dict[str, Ticket] = {}
        for start in range(0, len(ids), _SHOW):
            reply = self._get(f"{TICKETS}/show_many", ids=",".join(ids[start : start + _SHOW]), include="users")
            with expecting("how the tickets are", **reply.context()):
                tickets = feed.tickets(reply, self.account, self._agent_url, self._directory)
                found |= {ticket.id: ticket for ticket in tickets if ticket.status != "deleted"}
        return found

    def private_notes(self, ticket: str) -> Sequence[str]:
        """The newest 100 comments that are not public."""
        with expecting("which comments there are"):
            found = [str(row.get("body") or "") for row in self._comments(ticket) if row.get("public") is False]
        return found[::-1]

    def read_conversation(self, ticket: str) -> Sequence[Said]:
        """Public comments of end users, of the newest 100. One call."""
        try:
            reply = self._get(f"{TICKETS}/{ticket}/comments", include="users", sort_order="desc", per_page=100)
        except Gone:
            return []
        with expecting("what was said", **reply.context()):
            return feed.said(reply)

    def worked_on(self, ids: Sequence[str]) -> frozenset[str]:
        """Tickets whose audits name somebody else than us and the account's own rules, the customer included."""
        with expecting("who we are"):
            user: Any = self._get("/api/v2/users/me").json()
            me = user["user"]["id"]
        worked: set[str] = set()
        for ticket in ids:
            with suppress(Gone):
                audits = self._list(f"{TICKETS}/{ticket}/audits", "audits")
                with expecting("who worked on the ticket"):
                    worked |= {ticket for audit in audits if feed.is_work(audit, me)}
        return frozenset(worked)

    def verify(self, hook: Hook) -> None:
        """Check the webhook's HMAC over timestamp and raw body, not older than five minutes. Raises Forged."""
        stamp = hook.headers.get("x-zendesk-webhook-signature-timestamp", "")
        given = hook.headers.get("x-zendesk-webhook-signature", "")
        verify_hmac(self._secrets, stamp.encode() + hook.body, given, encoding="base64")
        check_fresh(stamp, hook.received_at)

    def read_hook(self, body: bytes) -> Sequence[str]:
        """The ticket a webhook speaks of. Raises MappingError."""
        return feed.hook_ids(body)

    def describe(self, fields: Mapping[WriteKind, frozenset[str]]) -> Sequence[Finding]:
        """Look for mapped ticket fields the account lacks, and whether our user may read the export."""
        me = self._get("/api/v2/users/me").json()
        mapped = any(re.fullmatch(CUSTOM_FIELD, name) for names in fields.values() for name in names)
        ticket_fields = self._list("/api/v2/ticket_fields", "ticket_fields") if mapped else []
        with expecting("who we are and which ticket fields there are"):
            return list(findings(fields, me.get("user") if isinstance(me, dict) else None, ticket_fields))

    def erase(self, subject: Subject) -> Sequence[Erased]:
        """Delete their tickets and users for good, redact our notes on other tickets. Raises RemoteError."""
        return erasing.erase(self._api, subject)

    def inspect(self, demand: Demand) -> Sequence[Finding]:
        """As `describe`; what playbooks name and is missing; rules that would write to customers; the webhook."""
        found = [*self.describe(demand.names), *setup.lacking(*self._preparation.missing(demand))]
        if demand.tags:
            triggers = self._list("/api/v2/triggers/active", "triggers")
            automations = self._list("/api/v2/automations/active", "automations")
            with expecting("which triggers and automations there are"):
                found += rules.findings(triggers, automations, demand.tags)
        return [*found, *self._preparation.hook_findings(demand, self._secrets)]

    def wanted(self, demand: Demand) -> Sequence[Change]:
        """Custom statuses that are missing, and groups, which are made by hand."""
        return self._preparation.wanted(demand)

    def apply(self, change: Change) -> str:
        """Make a custom status."""
        return self._preparation.apply(change)

    def hooks(self, demand: Demand) -> Sequence[InstalledHook]:
        """The account's webhooks that lead to a path like ours."""
        return self._preparation.hooks(demand)

    def hook_changes(self, demand: Demand) -> Sequence[Change]:
        """One webhook about changed statuses."""
        return self._preparation.hook_changes(demand)

    def install(self, change: Change) -> str:
        """Make or change the webhook; no trigger of the account is touched."""
        return self._preparation.install(change)

    def _tickets_with(self, key: str) -> Found:
        reply = self._get(TICKETS, external_id=external_id(key))
        with expecting("which tickets there are", **reply.context()):
            return writes.tickets_found(feed.rows(reply, "tickets"), self._directory, self._agent_url)

    def _ask_notes(self, items: Sequence[Item]) -> Sequence[Found]:
        newest = {
            target: self._comments(target) for target in dict.fromkeys(item.target for item in items if item.target)
        }
        with expecting("which notes there are"):
            return [writes.note_found(item, newest.get(item.target or "", []), self._agent_url) for item in items]

    def _comments(self, ticket: str) -> list[dict[str, Any]]:
        """The newest 100 comments of a ticket; none of a deleted one, so that it spoils no question about others."""
        try:
            reply = self._get(f"{TICKETS}/{ticket}/comments", sort_order="desc", per_page=100)
        except Gone:
            return []
        return feed.rows(reply, "comments")

    def _list(self, path: str, name: str) -> list[dict[str, Any]]:
        """Every row of a short list, following `next_page`."""
        found: list[dict[str, Any]] = []
        page: str | None = path
        while page:
            reply = self._get(page)
            found += feed.rows(reply, name)
            following = cast("dict[str, Json]", reply.json()).get("next_page")
            page = following if isinstance(following, str) else None
        return found

    def _get(self, path: str, **params: str | int) -> Reply:
        return self._api.call("GET", path, params=params or None, endpoint_class=ACCOUNT, write=False)
