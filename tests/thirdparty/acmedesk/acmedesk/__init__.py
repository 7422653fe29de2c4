"""AcmeDesk: tickets, notes and changes in batches of 25, each answered by one status for all of it.

It takes no idempotency key. Tickets carry our key as their `reference`, which need not be unique and whose index lags
by up to 20 seconds; notes end in a line with it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field

from connector.domain.model.intent import Found, Item, Json, Promise, Receipt, Request, WriteKind
from connector.errors import Conflict, Gone, InDoubt, MappingError, Rejected, RemoteError
from connector.ports import Hook, Job, Outcome, Page, Ticket
from connector.ports.erasing import Erased, Fate, Subject
from connector.secret import Secret
from connector.transport.client import Reply
from connector.transport.grants import StaticBearer
from connector.transport.kit import Kit
from connector.transport.shapes import expecting
from connector.transport.signatures import verify_hmac

__all__ = ["KNOWN_FIELDS", "PROMISES", "ROLES", "Acmedesk", "Options"]

ROLES = frozenset({"helpdesk"})
BATCH = 25
LAG = timedelta(seconds=20)
CALLS = "calls"

_CREATED = Promise(
    native=False,
    can_ask=True,
    batch=BATCH,
    mixed=False,
    endpoint_class=CALLS,
    settle=timedelta(seconds=30),
    lookup_lag=LAG,
    outcome="opaque",
    residual=(
        "AcmeDesk takes no idempotency key: a ticket or note that lands later than half a minute after we sent it "
        "without getting an answer can be there twice."
    ),
)
PROMISES: Mapping[WriteKind, Promise] = MappingProxyType(
    {
        WriteKind.TICKET: _CREATED,
        WriteKind.NOTE: _CREATED,
        WriteKind.TICKET_UPDATE: Promise(
            native=True, can_ask=False, batch=BATCH, endpoint_class=CALLS, outcome="opaque"
        ),
    }
)
_CHANGES = frozenset({"status", "priority", "group", "due_at", "add_tags"})
KNOWN_FIELDS: Mapping[WriteKind, frozenset[str]] = MappingProxyType(
    {
        WriteKind.TICKET: frozenset(
            {"subject", "comment", "requester_email", "requester_name", "tags", "follow_up_of"} | _CHANGES
        ),
        WriteKind.TICKET_UPDATE: _CHANGES,
        WriteKind.NOTE: _CHANGES | {"text"},
    }
)
_NAMES = {"comment": "body", "add_tags": "tags_to_add"}
_STATUSES = frozenset({"new", "open", "pending", "hold", "solved", "closed"})
_WHERE = {WriteKind.TICKET: "/v1/tickets/bulk", WriteKind.TICKET_UPDATE: "/v1/tickets/bulk_update"}
_NOTES = "/v1/notes/bulk"


class Options(BaseModel):
    """What the YAML says about an AcmeDesk connection."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    desk: str = Field(pattern=r"^[a-z0-9-]+$", description="`acme` of acme.desk.example.")
    api_token: Secret = Field(description="The API token of the user who writes.")
    webhook_secret: tuple[Secret, ...] = Field(default=(), description="Signing secrets of the account's webhook.")
    base_url: str | None = Field(default=None, description="Where the API is; another one for a simulator.")
    timeout: float = Field(default=20, gt=0, le=120, description="Seconds to wait for an answer.")

    @property
    def url(self) -> str:
        """Where the API is."""
        return self.base_url or f"https://{self.desk}.desk.example"


class Acmedesk:
    """One account: Writer, Tickets and Erasing."""

    kind = "acmedesk"
    read_class = CALLS
    residual = "AcmeDesk keeps deleted tickets in its backups for 30 days."

    def __init__(self, name: str, options: Options, kit: Kit) -> None:
        self.account = f"acmedesk:{options.desk}"
        self.promises = PROMISES
        self._secrets = options.webhook_secret
        self._url = options.url
        self._api = kit.api(name, options.url, StaticBearer(options.api_token), options.timeout, _meaning)

    def render(self, kind: WriteKind, items: Sequence[Item]) -> Request:
        """All records of one kind go into one call."""
        if kind is WriteKind.NOTE:
            data: dict[str, Any] = {"notes": [_note(item) for item in items]}
        else:
            data = {"tickets": [_ticket_body(item) for item in items]}
        body = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
        return Request(method="POST", path=_WHERE.get(kind, _NOTES), body=body)

    def send(self, kind: WriteKind, request: Request, count: int) -> Sequence[Outcome] | Job:
        """One answer for all: their ids in order, or an error that names none of them."""
        reply = self._api.call(
            request.method,
            request.path,
            body=request.body,
            headers={"Content-Type": "application/json"},
            endpoint_class=CALLS,
            write=True,
        )
        with expecting("what was written", InDoubt, **reply.context()):
            found = cast("Any", reply.json())["ids"]
            if len(found) != count:
                raise InDoubt("the answer names another number of records", **reply.context())
            return [self._receipt(str(one), reply) for one in found]

    def poll(self, kind: WriteKind, job: str, count: int) -> Sequence[Outcome] | Job:
        """AcmeDesk has no jobs."""
        raise Gone("AcmeDesk has no jobs")

    def ask(self, kind: WriteKind, items: Sequence[Item]) -> Sequence[Found]:
        """Tickets by reference, notes by their last line."""
        if kind is WriteKind.TICKET:
            return [self._by_reference(item) for item in items]
        notes = {ticket: self._notes(ticket) for ticket in dict.fromkeys(item.target or "" for item in items)}
        return [
            Found(
                receipts=[
                    Receipt(remote_id=str(note["id"]), url=f"{self._url}/t/{item.target}")
                    for note in notes[item.target or ""]
                    if str(note["text"]).endswith(_marker(item.key))
                ]
            )
            for item in items
        ]

    def tickets_since(self, cursor: str | None) -> Page[Ticket]:
        """A page of changes; the vendor's cursor is a counter, so that pages need not overlap."""
        reply = self._get("/v1/changes", after=cursor or "0")
        with expecting("which tickets changed", **reply.context()):
            answer = cast("Any", reply.json())
            return Page(
                records=[self._ticket(row) for row in answer["tickets"]],
                cursor=str(answer["next"]),
                more=bool(answer["more"]),
            )

    def read_tickets(self, ids: Sequence[str]) -> Mapping[str, Ticket]:
        """By id, 25 a call; a deleted ticket is absent."""
        found: dict[str, Ticket] = {}
        for start in range(0, len(ids), BATCH):
            reply = self._get("/v1/tickets", ids=",".join(ids[start : start + BATCH]))
            with expecting("how the tickets are", **reply.context()):
                for row in cast("Any", reply.json())["tickets"]:
                    ticket = self._ticket(row)
                    found |= {} if ticket.status == "deleted" else {ticket.id: ticket}
        return found

    def verify(self, hook: Hook) -> None:
        """`X-Acme-Signature: sha256=<hex HMAC of the raw body>`. Raises Forged."""
        verify_hmac(
            self._secrets, hook.body, hook.headers.get("x-acme-signature", ""), encoding="hex", prefix="sha256="
        )

    def read_hook(self, body: bytes) -> Sequence[str]:
        """The ticket it is about. Raises MappingError."""
        try:
            ticket = json.loads(body)["ticket"]
        except (ValueError, KeyError, TypeError):
            raise MappingError("it names no ticket", field="ticket") from None
        return [str(ticket)]

    def erase(self, subject: Subject) -> Sequence[Erased]:
        """Delete our tickets and notes, and whatever their addresses asked. Raises RemoteError."""
        told = [self._delete(f"ticket {one}", f"/v1/tickets/{one}") for one in self._theirs(subject)]
        for ticket, key in subject.notes:
            told += [
                self._delete(f"note {note['id']}", f"/v1/notes/{note['id']}")
                for note in self._notes(ticket)
                if str(note["text"]).endswith(_marker(key))
            ]
        return told

    def _theirs(self, subject: Subject) -> list[str]:
        ids = list(subject.records.get(WriteKind.TICKET, ()))
        for mail in () if subject.keep_contacts else subject.emails:
            reply = self._get("/v1/tickets", requester=mail)
            with expecting("which tickets are theirs", **reply.context()):
                ids += [str(row["id"]) for row in cast("Any", reply.json())["tickets"]]
        return list(dict.fromkeys(ids))

    def _delete(self, name: str, path: str) -> Erased:
        try:
            reply = self._api.call("DELETE", path, endpoint_class=CALLS, write=True)
        except Gone as gone:
            return Erased(object=name, fate=Fate.ERASED, why="it was gone already", request_id=gone.request_id)
        return Erased(object=name, fate=Fate.ERASED, request_id=reply.request_id)

    def _by_reference(self, item: Item) -> Found:
        reply = self._get("/v1/tickets", reference=_reference(item.key))
        with expecting("which tickets there are", **reply.context()):
            rows = cast("Any", reply.json())["tickets"]
            return Found(receipts=[self._receipt(str(row["id"]), reply) for row in rows])

    def _notes(self, ticket: str) -> list[dict[str, Any]]:
        """None of a deleted ticket, so that it spoils no question about others."""
        try:
            reply = self._get(f"/v1/tickets/{ticket}/notes")
        except Gone:
            return []
        with expecting("which notes there are", **reply.context()):
            return list(cast("Any", reply.json())["notes"])

    def _receipt(self, ticket: str, reply: Reply) -> Receipt:
        return Receipt(remote_id=ticket, url=f"{self._url}/t/{ticket}", request_id=reply.request_id)

    def _ticket(self, row: Mapping[str, Any]) -> Ticket:
        return Ticket(
            account=self.account,
            id=str(row["id"]),
            status=str(row["status"]),
            requester_email=row["requester_email"],
            key=row["reference"],
            url=f"{self._url}/t/{row['id']}",
            updated_at=datetime.fromisoformat(row["updated_at"]).astimezone(UTC),
            values={name: row[name] for name in ("status", "priority", "group", "due_at")},
        )

    def _get(self, path: str, **params: str | int) -> Reply:
        return self._api.call("GET", path, params=params or None, endpoint_class=CALLS, write=False)


def _ticket_body(item: Item) -> dict[str, Json]:
    """A new ticket, or the changes of one. A status that AcmeDesk does not have becomes a tag."""
    body = {_NAMES.get(name, name): value for name, value in item.fields.items()}
    if item.target is None:
        body["reference"] = _reference(item.key)
    else:
        body["id"] = int(item.target)
    return _with_known_status(body, tags="tags" if item.target is None else "tags_to_add")


def _note(item: Item) -> dict[str, Json]:
    changes = {_NAMES.get(name, name): value for name, value in item.fields.items() if name != "text"}
    text = f"{item.fields.get('text') or ''}\n\n{_marker(item.key)}"
    note: dict[str, Json] = {"ticket": int(item.target or 0), "text": text, "public": False}
    return {**note, **_with_known_status(changes, tags="tags_to_add")}


def _with_known_status(body: dict[str, Json], *, tags: str) -> dict[str, Json]:
    status = body.get("status")
    if status is None or status in _STATUSES:
        return body
    named = "-".join(str(status).lower().split())
    kept = {name: value for name, value in body.items() if name != "status"}
    given = kept.get(tags)
    return {**kept, tags: [*(given if isinstance(given, list) else []), named]}


def _reference(key: str) -> str:
    """AcmeDesk takes 64 characters."""
    return hashlib.sha256(key.encode()).hexdigest()


def _marker(key: str) -> str:
    return f"[ref {_reference(key)[:32]}]"


def _meaning(status: int, headers: Mapping[str, str], body: bytes) -> RemoteError | None:
    """AcmeDesk says 409 for a closed ticket and 422 for a record it does not like, without saying which."""
    if status == 409:
        return Conflict("the ticket is closed")
    if status == 422:
        return Rejected("a record was refused")
    return None
