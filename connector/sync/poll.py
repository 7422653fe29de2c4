"""Poll: read what changed in a CRM or helpdesk since the cursor, and commit each page together with the next cursor."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

from connector.domain.model.person import Contact
from connector.errors import Gone, QuotaExhausted, Rejected, RemoteError, Throttled, Unauthorized
from connector.ports import Contacts, Notes, Page, Ticket, Tickets
from connector.store import cursors, quotas
from connector.store.database import Database
from connector.store.transaction import Transaction
from connector.sync import likeness
from connector.sync.lane import LaneHold
from connector.sync.mirroring import take_contact, take_ticket
from connector.sync.note_reading import read_notes
from connector.sync.operators import tell_operators
from connector.sync.quota import take_turn
from connector.sync.settings import DecideSettings, Target

INTERVAL: Final = timedelta(minutes=1)
AFTER_TROUBLE: Final = timedelta(minutes=1)
AFTER_REFUSAL: Final = timedelta(minutes=5)
TURN: Final = 1.0
# A page of thousands must not keep the one writer of a SQLite store for seconds.
CHUNK: Final = 25
# What adapters read of a contact besides, since likeness is looked at: a mirror from before lacks it.
_LIKENESS: Final = ("company", "postcode")

T = TypeVar("T")


def contacts_lane(account: str) -> str:
    """The lane that reads an account's contacts."""
    return f"poll/{account}/contacts"


def tickets_lane(account: str) -> str:
    """The lane that reads an account's tickets."""
    return f"poll/{account}/tickets"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactsPoll:
    """Reads one CRM's contacts. `every`: how long after a full read the next one begins.

    `share` of the vendor's quota is ours, 0 to 1.
    """

    db: Database
    source: Contacts
    settings: Callable[[], DecideSettings]
    every: timedelta = INTERVAL
    share: float = 1.0

    def drain(self, hold: LaneHold) -> datetime | None:
        """Read for about a second; due again at once while there is more."""
        settings = self.settings()
        target = target_of(settings, self.source.account)

        def take(tx: Transaction, record: Contact, read_at: datetime) -> None:
            take_contact(tx, record, target, settings, read_at)

        ended = [False]

        def since(cursor: str | None) -> Page[Contact]:
            page = self.source.contacts_since(cursor, watched(settings, target))
            ended[0] = not page.more
            return page

        feed = Feed(
            name=contacts_feed(settings, target),
            account=self.source.account,
            read_class=self.source.read_class,
            share=self.share,
            since=since,
            take=take,
            what="contacts",
        )
        is_behind = likeness.catch_up(self.db, hold, self.source.account, settings.fuzzy)
        due = drain_feed(self.db, hold, feed, settings, self.every)
        if ended[0]:
            likeness.swept(self.db, hold, self.source.account)
        return self.db.clock.now() if is_behind else due


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketsPoll:
    """Reads one helpdesk's tickets. `every`: how long after a full read the next one begins.

    `share` of the vendor's quota is ours, 0 to 1.
    """

    db: Database
    source: Tickets
    settings: Callable[[], DecideSettings]
    every: timedelta = INTERVAL
    share: float = 1.0

    def drain(self, hold: LaneHold) -> datetime | None:
        """Read for about a second; due again at once while there is more."""
        settings = self.settings()
        notes: dict[str, tuple[str, ...]] = {}

        def since(cursor: str | None) -> Page[Ticket]:
            page = self.source.tickets_since(cursor)
            if isinstance(self.source, Notes):
                source, read_class = self.source, self.source.read_class
                notes.update(read_notes(self.db, source, read_class, self.share, page.records, settings))
            return page

        def take(tx: Transaction, record: Ticket, read_at: datetime) -> None:
            take_ticket(tx, record, settings, read_at, notes.get(record.id))

        feed = Feed(
            name=tickets_feed(self.source.account),
            account=self.source.account,
            read_class=self.source.read_class,
            share=self.share,
            since=since,
            take=take,
            what="tickets",
        )
        return drain_feed(self.db, hold, feed, settings, self.every)


def watched(settings: DecideSettings, target: Target) -> tuple[str, ...]:
    """The CRM fields to read: those scores rest on or are rolled up by, and those we write, to see who changes them."""
    score, section = settings.score, target.sections.get("contact_fields")
    signals = () if score is None else score.signals
    read = {
        signal.field
        for signal in signals
        if signal.field is not None and settings.targets[signal.connection].account == target.account
    }
    companies = {} if score is None else score.companies
    read |= {name for one, name in companies.items() if settings.targets[one].account == target.account}
    return tuple(sorted(read | set(() if section is None else section.names)))


def contacts_feed(settings: DecideSettings, target: Target) -> str:
    """The cursor's name. Other fields are another feed: what the mirror lacks of them is read from the beginning."""
    fields = ",".join((*watched(settings, target), *_LIKENESS))
    return f"{target.account}/contacts@{hashlib.sha256(fields.encode()).hexdigest()[:12]}"


def tickets_feed(account: str) -> str:
    """The cursor's name."""
    return f"{account}/tickets"


def due_since(tx: Transaction, feed: str, *, begun: datetime) -> datetime:
    """When a feed should be, or should have been, read again; `begun` is when a feed never read was first wanted."""
    return (cursors.moved_at(tx, feed) or begun) + INTERVAL


def target_of(settings: DecideSettings, account: str) -> Target:
    """The target with this account; one that is only read where nothing is written to it."""
    found = next((target for target in settings.targets.values() if target.account == account), None)
    return found or Target(account=account, roles=frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed(Generic[T]):
    """What one lane reads: the cursor's name, whose quota it spends, where pages come from and where records go.

    `what` is the operators' word for it; `pace` what the account's replies do not say of its limit (`Paced`).
    """

    name: str
    account: str
    read_class: str
    share: float
    since: Callable[[str | None], Page[T]]
    take: Callable[[Transaction, T, datetime], None]
    what: str
    pace: timedelta = timedelta()


def drain_feed(
    db: Database, hold: LaneHold, feed: Feed[T], settings: DecideSettings, every: timedelta
) -> datetime | None:
    """Read a feed for about a second; due again at once while there is more, else after `every`."""
    started = db.clock.monotonic()
    while db.clock.monotonic() - started < TURN:
        with db.write() as tx:
            hold.confirm(tx)
            allowed = take_turn(tx, feed.account, feed.read_class, share=feed.share, pace=feed.pace)
            if not allowed.calls:
                return allowed.at
            cursor = cursors.get(tx, feed.name)
        read_at = db.clock.now()
        try:
            page = feed.since(cursor)
        except RemoteError as error:
            return later(
                db, hold, error, account=feed.account, read_class=feed.read_class, what=feed.what, settings=settings
            )
        _store(db, hold, feed, page, read_at if page.as_of is None else min(read_at, page.as_of))
        # A feed that repeats its cursor and promises more would be read for ever, at the cost of everybody's quota.
        if not page.more or page.cursor == cursor:
            return db.clock.now() + every
    return db.clock.now()


def _store(db: Database, hold: LaneHold, feed: Feed[T], page: Page[T], read_at: datetime) -> None:
    """Commit the page in pieces, the cursor with the last: whoever dies in between reads the page again."""
    starts = range(0, max(len(page.records), 1), CHUNK)
    for start in starts:
        with db.write() as tx:
            hold.confirm(tx)
            for record in page.records[start : start + CHUNK]:
                feed.take(tx, record, read_at)
            if start == starts[-1]:
                cursors.move(tx, feed.name, page.cursor)


def later(
    db: Database,
    hold: LaneHold,
    error: RemoteError,
    *,
    account: str,
    read_class: str,
    what: str,
    settings: DecideSettings,
) -> datetime:
    """When to try again. A full quota is closed to the account's writes too; what is refused is for a person."""
    if isinstance(error, Throttled | QuotaExhausted):
        until = error.retry_at if isinstance(error, Throttled) else error.until
        with db.write() as tx:
            hold.confirm(tx)
            quotas.block(tx, account, read_class, until)
        return until
    if not isinstance(error, Unauthorized | Gone | Rejected):
        return db.clock.now() + AFTER_TROUBLE
    with db.write() as tx:
        hold.confirm(tx)
        text = f"{account}: {what} cannot be read: {error}"
        tell_operators(tx, settings, account, f"reading {what}", text)
    return db.clock.now() + AFTER_REFUSAL
