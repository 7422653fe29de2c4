"""Stand-ins for connected accounts, so that the write lanes can run on a copy of the store and reach nobody."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Final

from connector.domain.model.intent import Found, Item, Promise, Receipt, Request, WriteKind
from connector.errors import Transient
from connector.ports import Job, Outcome, Ticket, Writer
from connector.store import tickets
from connector.store.database import Database

_FIRST: Final = 7_000_000_000_000_001
_NOWHERE: Final = "https://invented.example/"
_LOOK: Final = 100
"""Tickets a helpdesk is asked for in one call; what Zendesk shows at once."""


@dataclass(slots=True)
class Invented:
    """Ids of what would be made: none is ever given out twice, and each looks like a number, which renderers expect."""

    ids: set[str] = field(default_factory=set)
    _numbers: count[int] = field(default_factory=lambda: count(_FIRST))

    def one(self) -> Receipt:
        """What an account would answer for something it made."""
        number = str(next(self._numbers))
        self.ids.add(number)
        return Receipt(remote_id=number, url=_NOWHERE + number, created=True)

    def made(self, url: str | None) -> bool:
        """Whether an address is one of ours."""
        return url is not None and url.startswith(_NOWHERE)


class StandIn:
    """Renders as the account's adapter does, sends nothing, and answers as if all had gone well.

    Asked whether something exists it says no, and remembers in `looked` the keys it was asked for. `calls` counts what
    a live run would send and ask, by endpoint class.

    Args:
        writer: the account's adapter; only its pure half is used.
        invented: where new ids come from, one for all accounts.
        open_keys: markers of records that were really sent and are not settled; what became of those nobody can say.
    """

    def __init__(self, writer: Writer, invented: Invented, open_keys: Collection[str] = ()) -> None:
        self.account = writer.account
        self.promises: Mapping[WriteKind, Promise] = writer.promises
        self.sent: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.looked: set[str] = set()
        self._writer = writer
        self._invented = invented
        self._open = frozenset(open_keys)
        self._rendered: dict[Request, Sequence[Item]] = {}
        self._lock = threading.Lock()  # a lane sends several at once

    def render(self, kind: WriteKind, items: Sequence[Item]) -> Request:
        """The adapter's own request."""
        request = self._writer.render(kind, items)
        self._rendered[request] = items
        return request

    def send(self, kind: WriteKind, request: Request, count: int) -> Sequence[Outcome]:
        """Every record was taken. Raises Transient for a request of an earlier, real run, which is only asked about."""
        with self._lock:
            items = self._rendered.pop(request, None)
            if items is None:
                raise Transient("sent before this preview; a live run finds out what became of it")
            self.sent[self.promises[kind].endpoint_class] += 1
        return [
            self._invented.one() if item.target is None or kind is WriteKind.NOTE else Receipt(remote_id=item.target)
            for item in items
        ]

    def poll(self, kind: WriteKind, job: str, count: int) -> Job:
        """A job of an earlier, real run: for all we know it still runs."""
        return Job(id=job)

    def ask(self, kind: WriteKind, items: Sequence[Item]) -> Sequence[Found]:
        """Nothing is there. Raises Transient for what was really sent."""
        self.asked[self.promises[kind].endpoint_class] += 1
        if any(item.key in self._open for item in items):
            raise Transient("sent before this preview; a live run finds out what became of it")
        self.looked |= {item.key for item in items}
        return [Found(receipts=()) for _ in items]


@dataclass(frozen=True, slots=True, kw_only=True)
class MirroredTickets:
    """A helpdesk's tickets as its feed last reported them; what it never reported is taken to be open.

    `unseen` collects the ids of those, but for `invented` ones; `calls` counts the reads a live run would make.
    """

    db: Database
    account: str
    now: datetime
    invented: Invented
    unseen: set[str] = field(default_factory=set)
    calls: list[int] = field(default_factory=list)

    def read_tickets(self, ids: Sequence[str]) -> Mapping[str, Ticket]:
        """The tickets by id; a deleted one is absent."""
        self.calls.append(-(-len(ids) // _LOOK))
        with self.db.read() as tx:
            known = {wanted: tickets.get(tx, self.account, wanted) for wanted in ids}
        self.unseen.update({wanted for wanted, one in known.items() if one is None} - self.invented.ids)
        return {
            wanted: Ticket(
                account=self.account,
                id=wanted,
                status="open" if one is None else one.status,
                requester_email=None,
                key=None if one is None else one.key,
                url=None if one is None else one.url,
                updated_at=self.now if one is None else one.updated_at,
                values={} if one is None else one.values,
            )
            for wanted, one in known.items()
            if one is None or one.status != "deleted"
        }
