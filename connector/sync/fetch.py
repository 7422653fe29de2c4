"""Fetch: read a form's answers from its survey tool since the cursor, and put what is new into the inbox.

What a webhook brought is met again here, in other bytes: the inbox takes it, and `understand` knows it as the answer
it has. So nothing depends on webhooks arriving, and an answer seen both ways is decided once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Final

from connector.domain.recovery.act_on import may_act
from connector.errors import MappingError
from connector.ports import Polling, Source
from connector.store import cursors, inbox
from connector.store.database import Database
from connector.store.inbox import BACKFILL, LIVE, Arrival
from connector.store.transaction import Transaction
from connector.sync.lane import LaneHold
from connector.sync.poll import Feed, drain_feed
from connector.sync.quota import pace_of
from connector.sync.settings import DecideSettings

REST: Final = timedelta(seconds=2)
"""At least this long between two looks: anybody may post hints, and they must not spend the account's quota."""


def fetch_lane(connection: str, form: str) -> str:
    """The lane that fetches a form's answers."""
    return f"collect/{connection}/{form}"


def fetch_feed(kind: str, form: str, since: date | None) -> str:
    """The cursor's name. Another beginning is another feed: what lies before is read, what is known is known."""
    return f"{kind}/{form}/responses@{'' if since is None else since.isoformat()}"


def due_since(tx: Transaction, feed: str, *, begun: datetime, every: timedelta) -> datetime:
    """When a feed should be, or should have been, read again; `begun` is when a feed never read was first wanted."""
    return (cursors.moved_at(tx, feed) or begun) + every


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponsesFetch:
    """Fetches the answers of one form.

    `there` is the same adapter as `source`, which opens what it gives. `since`: how far back the first walk goes, None
    for all there is; `every`: how long after a full walk the next one begins.
    """

    db: Database
    connection: str
    source: Source
    there: Polling
    form: str
    since: date | None
    every: timedelta
    settings: Callable[[], DecideSettings]

    def drain(self, hold: LaneHold) -> datetime | None:
        """Read for about a second; due again at once while there is more."""
        settings, name = self.settings(), fetch_feed(self.source.kind, self.form, self.since)
        with self.db.read() as tx:
            looked = cursors.moved_at(tx, name)
            if looked is not None and tx.now < looked + REST:
                return looked + REST

        def take(tx: Transaction, payload: bytes, read_at: datetime) -> None:
            self._take(tx, payload, read_at, settings)

        feed = Feed(
            name=name,
            account=self.there.account,
            read_class=self.there.read_class,
            share=1.0,
            since=partial(self.there.responses_since, self.form, since=self.since),
            take=take,
            what=f"the answers of form {self.form}",
            pace=pace_of(self.there),
        )
        return drain_feed(self.db, hold, feed, settings, self.every)

    def _take(self, tx: Transaction, payload: bytes, read_at: datetime, settings: DecideSettings) -> None:
        """Into the inbox, unless it was fetched before: an overlap is no delivery that arrived again."""
        if inbox.holds(tx, self.source.kind, payload):
            return
        arrival = Arrival(
            connection=self.connection,
            kind=self.source.kind,
            payload=payload,
            received_at=read_at,
            priority=self._priority(payload, read_at, settings),
        )
        inbox.add(tx, [arrival])

    def _priority(self, payload: bytes, read_at: datetime, settings: DecideSettings) -> int:
        """Three years of old answers do not keep today's waiting."""
        try:
            found = self.source.read(payload)
        except MappingError:
            return LIVE  # whoever looks after quarantine should see it soon
        old = found is not None and not may_act(found.submitted_at, read_at, settings.answered_within)
        return BACKFILL if old else LIVE
