"""The shipped example configuration as deciding settings, a lane in hand, and short ways to feed answers and look."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from connector.adapters import registry
from connector.clock import VirtualClock
from connector.config.loading import Loaded, load
from connector.domain.model.intent import Receipt, WriteKind
from connector.domain.model.person import Contact
from connector.domain.model.response import Response, Understanding
from connector.domain.model.transitions import Event
from connector.store import intents, lanes, outbox, receipts, responses
from connector.store.database import Database
from connector.store.intents import IntentRow
from connector.store.lanes import Hold
from connector.sync.decide import DecideLane
from connector.sync.identify import blinds_of, mirror
from connector.sync.lane import LaneHold
from connector.sync.settings import DecideSettings
from connector.sync.settled import settled
from connector.wiring.settings import decide_settings
from tests.unit.samples import NOON, PLAIN

CRM = "salesforce:acme"
DESK = "zendesk:acme"
CHAT = "slack:acme"
ACCOUNTS = {"salesforce": CRM, "zendesk": DESK, "slack": CHAT}
NEEDED = (
    "TYPEFORM_SECRET INHOUSE_SECRET SALESFORCE_CLIENT_ID SALESFORCE_CLIENT_SECRET ZENDESK_CLIENT_ID "
    "ZENDESK_CLIENT_SECRET ZENDESK_WEBHOOK_SECRET SLACK_TOKEN CONNECTOR_KEY"
)
ENVIRON = dict.fromkeys(NEEDED.split(), "x" * 43)


@cache
def example() -> Loaded:
    return load(Path(__file__).parents[2] / "config.example.yaml", registry.kinds(), ENVIRON)


def example_settings() -> DecideSettings:
    return decide_settings(example(), ACCOUNTS)


def take_lane(db: Database, name: str) -> LaneHold:
    """A hold the store agrees with."""
    with db.write() as tx:
        tx.wake(name)
    with db.write() as tx:
        hold: Hold | None = lanes.take(tx, name, "test", timedelta(minutes=5))
    assert hold is not None
    return LaneHold(hold, db.clock, asked_at=db.clock.monotonic(), lease=300)


def feed(db: Database, *answers: Response, understanding: Understanding = PLAIN) -> None:
    """Record answers as the understand lane does."""
    with db.write() as tx:
        for one in answers:
            responses.record(tx, one, understanding, blinds=blinds_of(tx, one))


def decide_all(db: Database, settings: DecideSettings) -> None:
    """Drain the decide lane once and give it back."""
    hold = take_lane(db, "decide")
    assert DecideLane(db=db, settings=lambda: settings).drain(hold) is None
    with db.write() as tx:
        lanes.finish(tx, hold.hold, None)


def planned(db: Database, kind: WriteKind | None = None) -> list[IntentRow]:
    """Every intent there is, in order of planning."""
    with db.read() as tx:
        rows = sorted(outbox.listed(tx, limit=10_000), key=lambda row: row.id)
    return [row for row in rows if kind is None or row.kind is kind]


def kinds(db: Database) -> list[str]:
    """The kinds of all intents that are still wanted, sorted."""
    return sorted(row.kind.value for row in planned(db) if row.state.value != "superseded")


def known_contact(
    db: Database,
    remote_id: str = "003A",
    *,
    email: str | None = "ada@example.org",
    values: Mapping[str, object] | None = None,
    modified_at: datetime = NOON - timedelta(days=30),
) -> Contact:
    """A contact the CRM reported before."""
    seen = Contact(
        account=CRM,
        id=remote_id,
        name="Ada Example",
        email=email,
        owner="005O",
        url=f"https://acme.example/{remote_id}",
        modified_at=modified_at,
        values=values or {},
    )
    with db.write() as tx:
        mirror(tx, seen)
    return seen


def pretend_confirmed(db: Database, row: IntentRow, remote_id: str, url: str | None = None) -> None:
    """What the write lane does when an answer arrives, without a vendor."""
    receipt = Receipt(remote_id=remote_id, url=url or f"https://there.example/{remote_id}", created=True)
    with db.write() as tx:
        fresh = intents.get(tx, row.id)
        sent = intents.move(tx, fresh, Event.SENT)
        done = intents.move(tx, sent, Event.ANSWERED)
        receipts.add(tx, done, receipt)
        settled(tx, done, receipt)


def clock_of(db: Database) -> VirtualClock:
    """The virtual clock a test store was made with."""
    assert isinstance(db.clock, VirtualClock)
    return db.clock
