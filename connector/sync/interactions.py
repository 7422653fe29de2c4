"""Interactions: read the records of shops and helpdesks, each page committed with the next cursor. See `poll`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from connector.domain.model.directory import Directory
from connector.domain.model.interaction import InteractionRecord, Unreadable, kind_named
from connector.domain.visits import NO_VISITS
from connector.ports.interactions import Interactions
from connector.store import cursors, interactions, people, responses, tombstones
from connector.store.database import Database
from connector.store.transaction import Transaction
from connector.sync import timers
from connector.sync.lane import LaneHold
from connector.sync.operators import tell_operators
from connector.sync.poll import Feed, drain_feed
from connector.sync.settings import INTERACTIONS, DecideSettings

UNREADABLE: Final = "records that cannot be read"


def interactions_lane(account: str) -> str:
    """The lane that reads an account's records."""
    return f"poll/{account}/interactions"


def interactions_feed(account: str) -> str:
    """The cursor's name."""
    return f"{account}/interactions"


def due_since(tx: Transaction, account: str, *, begun: datetime, every: timedelta) -> datetime:
    """When the records should be, or should have been, read again."""
    return (cursors.moved_at(tx, interactions_feed(account)) or begun) + every


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionsPoll:
    """Reads one shop's records. `every`: how long after a full read the next one begins.

    `keep`: records of what happened longer ago are not taken, as retention would drop them again; None: all are.
    `share` of the vendor's quota is ours, 0 to 1.
    """

    db: Database
    source: Interactions
    settings: Callable[[], DecideSettings]
    every: timedelta
    keep: timedelta | None = None
    share: float = 1.0

    def drain(self, hold: LaneHold) -> datetime | None:
        """Read for about a second; due again at once while there is more."""
        settings, account = self.settings(), self.source.account

        def take(tx: Transaction, record: InteractionRecord | Unreadable, read_at: datetime) -> None:
            if isinstance(record, Unreadable):
                text = (
                    f"{account}: a record of interactions cannot be used, at {record.place}: {record.reason}. It is "
                    "left out, and so are others like it; this is said once a day"
                )
                tell_operators(tx, settings, account, UNREADABLE, text)
            elif self.keep is None or record.occurred_at >= tx.now - self.keep:
                take_record(tx, record, settings)

        feed = Feed(
            name=interactions_feed(account),
            account=account,
            read_class=self.source.read_class,
            share=self.share,
            since=self.source.interactions_since,
            take=take,
            what="records of interactions",
        )
        return drain_feed(self.db, hold, feed, settings, self.every)


def take_record(tx: Transaction, record: InteractionRecord, settings: DecideSettings) -> None:
    """A shop reports an interaction: keep it, and have its customer's score computed anew where it rests on such.

    Answers that were decided before it came stand as they are: figures that are cut anew take it into account.
    """
    if record.is_gone:
        interactions.remove(tx, record.account, record.id)
        return
    if responses.is_erased(
        tx, [*interactions.blinds_of(tx, record), tombstones.of_ticket(tx, record.account, record.id)]
    ):
        return
    if not interactions.put(tx, located(record, settings.directory)) or kind_named(record.kind) in NO_VISITS:
        return
    score = settings.score
    if score is None or all(signal.connection != INTERACTIONS for signal in score.signals):
        return
    person_id = interactions.person_of(tx, record)
    if person_id is not None:
        people.scored(tx, people.survivor(tx, person_id), None)
        tx.wake(timers.LANE)


def located(record: InteractionRecord, directory: Directory) -> InteractionRecord:
    """A helpdesk's record with the place and the member of staff of its group and agent; others as they are.

    What the lists do not have is nobody's: a group is no place by itself.
    """
    if not record.is_listed:
        return record
    place, member = directory.places.key_of(record.location, "group"), directory.staff.key_of(record.staff, "email")
    return replace(record, location=place, staff=member)
