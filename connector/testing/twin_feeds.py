"""In-memory twins of what is read: a CRM's contacts, a helpdesk's tickets, a survey tool's answers.

Each keeps a list of changes in the order they happened and hands it out two at a time. Pages overlap by one; a change
is listed once its lag is over, and nothing after it before that.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Generic, TypeVar

from connector.clock import Clock
from connector.domain.model.intent import Json
from connector.domain.model.person import Contact
from connector.errors import Forged, MappingError, Transient
from connector.ports import Hook, Page, Record, Ticket
from connector.secret import Secret
from connector.simulator.parts import FaultKind
from connector.testing.twin_stand import Premises
from connector.transport import rows
from connector.transport.kit import Kit
from connector.transport.signatures import verify_hmac

SECRET = "twin-hook-secret"  # noqa: S105  nobody's
CALLS = "GET /changes"
SIGNATURE = "x-twin-signature"
_PAGE = 2

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change(Generic[T]):
    record: T
    at: datetime


class Changes(Generic[T]):
    """An account that is read: what happened there, and how late it is listed."""

    def __init__(self, clock: Clock) -> None:
        self.site = Premises(clock)
        self.lag = timedelta(0)
        self.now: dict[str, T] = {}
        self._clock = clock
        self._all: list[_Change[T]] = []

    def put(self, key: str, record: T) -> str:
        """It is so from now on; returns its id."""
        self.now[key] = record
        self._all.append(_Change(record=record, at=self._clock.now()))
        return key

    def page(self, cursor: str | None, kit: Kit) -> Page[T]:
        """The next two, one of which was seen before. Raises RemoteError."""
        self._call(kit)
        listed = self._listed()
        start = max(int(cursor or "0") - 1, 0)
        records = listed[start : start + _PAGE]
        position = start + len(records)
        return Page(records=records, cursor=str(position), more=position < len(listed))

    def some(self, ids: Sequence[str], kit: Kit) -> dict[str, T]:
        """Those that are there. Raises RemoteError."""
        if not ids:
            return {}
        self._call(kit)
        return {one: self.now[one] for one in ids if one in self.now}

    def _call(self, kit: Kit) -> None:
        fault = self.site.admit("GET", "/changes", b"", kit=kit, write=False, spends="reads")
        if fault is not None and fault.kind in {FaultKind.TORN, FaultKind.REFUSE}:
            raise Transient("half an answer" if fault.kind is FaultKind.TORN else "it failed")

    def _listed(self) -> list[T]:
        until = self._clock.now() - self.lag
        found: list[T] = []
        for change in self._all:
            if change.at > until:
                break
            found.append(change.record)
        return found


class TwinContacts:
    """The Contacts of a twin."""

    read_class = "reads"

    def __init__(self, account: Changes[Contact], kit: Kit) -> None:
        self.account = "twin:acme"
        self._there = account
        self._kit = kit

    def contacts_since(self, cursor: str | None, fields: Sequence[str]) -> Page[Contact]:
        """Changes since then, with these of their values."""
        page = self._there.page(cursor, self._kit)
        kept = [replace(one, values={name: one.values.get(name) for name in fields}) for one in page.records]
        return replace(page, records=kept)


class TwinTickets:
    """The Tickets of a twin."""

    read_class = "reads"

    def __init__(self, account: Changes[Ticket], kit: Kit) -> None:
        self.account = "twin:acme"
        self._there = account
        self._kit = kit

    def tickets_since(self, cursor: str | None) -> Page[Ticket]:
        """Changes since then."""
        return self._there.page(cursor, self._kit)

    def read_tickets(self, ids: Sequence[str]) -> Mapping[str, Ticket]:
        """Those that are not deleted."""
        found = self._there.some(ids, self._kit)
        return {key: ticket for key, ticket in found.items() if ticket.status != "deleted"}

    def verify(self, hook: Hook) -> None:
        """The hex HMAC of the body. Raises Forged."""
        _verify(hook)

    def read_hook(self, body: bytes) -> Sequence[str]:
        """The ticket it names. Raises MappingError."""
        try:
            return [str(json.loads(body)["ticket"])]
        except (ValueError, KeyError, TypeError):
            raise MappingError("it names no ticket", field="ticket") from None


class TwinSource:
    """A Source and Polling: answers as objects with id, form, submitted_at and answers."""

    kind = "twin"
    read_class = "reads"

    def __init__(self, account: Changes[bytes], kit: Kit) -> None:
        self.account = "twin:acme"
        self._there = account
        self._kit = kit

    def verify(self, hook: Hook) -> None:
        """The hex HMAC of the body. Raises Forged."""
        _verify(hook)

    def split(self, body: bytes) -> Sequence[bytes]:
        """One answer a request."""
        return (body,)

    def read(self, payload: bytes) -> Record | None:
        """The answer; None for an empty object. Raises MappingError."""
        return rows.read_record(payload)

    def responses_since(self, form: str, cursor: str | None, since: date | None) -> Page[bytes]:
        """Answers since then."""
        return self._there.page(cursor, self._kit)


def signed(body: bytes, at: datetime) -> Hook:
    """A genuine hook."""
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    return Hook(method="POST", path="/hooks/twin", headers={SIGNATURE: digest}, body=body, received_at=at)


def posted(key: str, values: Mapping[str, Json], submitted_at: str) -> bytes:
    """An answer as the twin's survey tool sends it."""
    return json.dumps({"id": key, "form": "f", "submitted_at": submitted_at, "answers": dict(values)}).encode()


def _verify(hook: Hook) -> None:
    given = hook.headers.get(SIGNATURE)
    if not given:
        raise Forged("there is no signature")
    verify_hmac([Secret(SECRET)], hook.body, given, encoding="hex")
