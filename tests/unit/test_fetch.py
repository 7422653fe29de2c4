"""Polling a form: what is new comes in once, whichever way it came first; old answers are read and alarm nobody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from connector.adapters.typeform import Typeform
from connector.adapters.typeform.options import Options
from connector.clock import VirtualClock
from connector.domain.model.intent import WriteKind
from connector.errors import Gone, RemoteError, Throttled, Transient, Unauthorized
from connector.ports import Page
from connector.simulator import typeform as simulator
from connector.simulator.typeform import SERVICE, encode, payload
from connector.store import cursors, history, inbox, lanes, quotas, responses, schema
from connector.store.database import Database
from connector.store.inbox import BACKFILL, LIVE, Arrival, DeliveryState
from connector.sync.fetch import REST, ResponsesFetch, due_since, fetch_feed, fetch_lane
from connector.sync.understand import UnderstandLane
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit
from connector.wiring.adapters import Adapters
from connector.wiring.lanes import make_reading
from tests.unit.deciding import clock_of, decide_all, example, example_settings, kinds, planned, take_lane
from tests.unit.samples import NOON, empty_store

FEED = fetch_feed("typeform", SERVICE.id, None)
LANE = fetch_lane("typeform", SERVICE.id)
EVERY = timedelta(minutes=5)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    store = empty_store(tmp_path, VirtualClock(NOON))
    yield store
    store.close()


def adapter(db: Database, base_url: str = "https://api.typeform.com") -> Typeform:
    options = Options.model_validate({"api_token": simulator.TOKEN, "webhook_secret": ["s"], "base_url": base_url})
    return Typeform("typeform", options, Kit(clock=db.clock, token_store=MemoryTokens(db.clock)))


@dataclass
class Listing:
    """A form's listing as a list of pages, or an error."""

    pages: list[Sequence[bytes]] = field(default_factory=list)
    error: RemoteError | None = None
    asked: list[tuple[str | None, date | None]] = field(default_factory=list)
    account: str = "typeform:test"
    read_class: str = "responses"

    def responses_since(self, form: str, cursor: str | None, since: date | None) -> Page[bytes]:
        assert form == SERVICE.id
        self.asked.append((cursor, since))
        if self.error is not None:
            raise self.error
        at = int(cursor or 0)
        records = self.pages[at] if at < len(self.pages) else ()
        return Page(records=records, cursor=str(min(at + 1, len(self.pages))), more=at + 1 < len(self.pages))


def fetch(db: Database, there: Listing | Typeform, since: date | None = None) -> datetime | None:
    lane = ResponsesFetch(
        db=db,
        connection="typeform",
        source=adapter(db),
        there=there,
        form=SERVICE.id,
        since=since,
        every=EVERY,
        settings=example_settings,
    )
    hold = take_lane(db, LANE)
    due = lane.drain(hold)
    with db.write() as tx:
        lanes.finish(tx, hold.hold, due)
    return due


def understand_all(db: Database) -> None:
    reading = make_reading(example(), Adapters(made={"typeform": adapter(db)}))
    hold = take_lane(db, "understand")
    assert UnderstandLane(db=db, reading=lambda: reading).drain(hold) is None
    with db.write() as tx:
        lanes.finish(tx, hold.hold, None)


def event(token: str, at: datetime, **values: object) -> dict[str, object]:
    given = {"csat": 1, "why": "The brakes failed, somebody was hurt", "mail": f"{token}@example.com", **values}
    return payload(SERVICE, given, token=token, submitted_at=at, hidden={"service": "brakes"})


def by_webhook(db: Database, body: bytes) -> None:
    with db.write() as tx:
        inbox.add(tx, [Arrival(connection="typeform", kind="typeform", payload=body, received_at=tx.now)])


def states(db: Database) -> dict[str, int]:
    with db.read() as tx:
        counted = inbox.counts(tx)
    return {state.value: number for state, number in counted.states.items() if number} | (
        {"again": counted.duplicates} if counted.duplicates else {}
    )


def versions(db: Database) -> dict[str, int]:
    with db.read() as tx:
        return responses.counts(tx)


@pytest.fixture
def there(db: Database) -> Iterator[simulator.Typeform]:
    made = simulator.Typeform(clock_of(db))
    made.site.start()
    yield made
    made.site.stop()


@pytest.mark.parametrize("first", ["webhook", "poll"])
def test_an_answer_seen_both_ways_is_decided_once(db: Database, there: simulator.Typeform, first: str) -> None:
    answer = event("t1", NOON - timedelta(minutes=5))
    there.responses.add(answer)

    def polled() -> None:
        clock_of(db).advance(EVERY)
        fetch(db, adapter(db, there.site.base_url))

    ways = [lambda: by_webhook(db, encode(answer)), polled]
    for come in ways if first == "webhook" else reversed(ways):
        come()
        understand_all(db)
        decide_all(db, example_settings())
    assert states(db) == {DeliveryState.MAPPED: 1, DeliveryState.DUPLICATE: 1}
    assert versions(db) == {"decided": 1}
    assert [row.kind for row in planned(db) if row.kind is WriteKind.TICKET] == [WriteKind.TICKET]
    with db.read() as tx:
        told = [entry.event for entry in history.for_response(tx, 1)]
    assert told.count("decided") == told.count("recovery_opened") == 1


def test_an_edit_seen_both_ways_is_one_edit(db: Database, there: simulator.Typeform) -> None:
    before, after = event("t1", NOON - timedelta(minutes=9)), event("t1", NOON - timedelta(minutes=8), csat=5)
    for answer in (before, after):
        by_webhook(db, encode(answer))
        there.responses.add(answer)
        understand_all(db)
        decide_all(db, example_settings())
    fetch(db, adapter(db, there.site.base_url))
    understand_all(db)
    decide_all(db, example_settings())
    assert states(db) == {DeliveryState.MAPPED: 2, DeliveryState.DUPLICATE: 1}
    assert versions(db) == {"decided": 2}


def test_the_overlap_is_not_counted_as_arriving_again(db: Database, there: simulator.Typeform) -> None:
    there.responses.add(event("t1", NOON))
    for _ in range(3):
        clock_of(db).advance(EVERY)
        fetch(db, adapter(db, there.site.base_url))
    assert states(db) == {DeliveryState.RECEIVED: 1}


def test_three_years_of_answers_alarm_nobody(db: Database) -> None:
    """The first poll: everything is read and scored, what is older than `act_on` opens and tells nothing."""
    limit = example_settings().answered_within
    ages = [timedelta(days=3 * 365), timedelta(days=30), limit + timedelta(seconds=1), limit, timedelta(hours=1)]
    events = [event(f"t{number}", NOON - age) for number, age in enumerate(ages)]
    fetch(db, Listing(pages=[[encode(one) for one in events]]))
    understand_all(db)
    decide_all(db, example_settings())
    assert versions(db) == {"decided": 5}
    opened = {row.response_id for row in planned(db) if row.kind is WriteKind.TICKET}
    with db.read() as tx:
        acted = {responses.key_of(tx, number).rpartition("/")[2] for number in opened if number is not None}
        scored = len(tx.execute(select(schema.score.c.person_id).distinct()).all())
    assert acted == {"t3", "t4"}, "exactly as old as allowed is young enough"
    assert scored == 5
    assert kinds(db).count("alert") == 1, "only the newest is young enough for a message"


def test_old_answers_wait_behind_todays(db: Database) -> None:
    old = [encode(event(f"old{number}", NOON - timedelta(days=20 + number))) for number in range(3)]
    new = encode(event("new", NOON - timedelta(days=1)))
    torn = b'{"event_type": "form_response", "form_response": {}}'
    fetch(db, Listing(pages=[[*old, new, torn]]))
    with db.read() as tx:
        due = inbox.due(tx, 10)
    assert [one.priority for one in due] == [LIVE, LIVE, BACKFILL, BACKFILL, BACKFILL]
    assert {one.payload for one in due[:2]} == {new, torn}


def test_pages_and_cursor_are_kept_together(db: Database) -> None:
    pages: list[Sequence[bytes]] = [[encode(event(f"t{page}{n}", NOON)) for n in range(30)] for page in range(3)]
    listing = Listing(pages=pages)
    assert fetch(db, listing, since=date(2026, 1, 1)) == NOON + EVERY
    assert listing.asked == [(None, date(2026, 1, 1)), ("1", date(2026, 1, 1)), ("2", date(2026, 1, 1))]
    assert states(db) == {DeliveryState.RECEIVED: 90}
    with db.read() as tx:
        assert cursors.get(tx, fetch_feed("typeform", SERVICE.id, date(2026, 1, 1))) == "3"
        assert cursors.get(tx, FEED) is None, "another beginning is another feed"


def test_hints_do_not_spend_the_quota(db: Database) -> None:
    listing = Listing(pages=[[encode(event("t1", NOON))]])
    fetch(db, listing)
    assert fetch(db, listing) == NOON + REST
    assert len(listing.asked) == 1
    clock_of(db).advance(REST)
    fetch(db, listing)
    assert len(listing.asked) == 2


def test_a_full_quota_is_waited_for(db: Database) -> None:
    until = NOON + timedelta(minutes=2)
    listing = Listing(error=Throttled("slow down", retry_at=until, connection="typeform", operation="GET"))
    assert fetch(db, listing) == until
    with db.read() as tx:
        assert quotas.of(tx, listing.account)["responses"].blocked_until == until
    assert fetch(db, listing) == until
    assert len(listing.asked) == 1


@pytest.mark.parametrize("kind", [Unauthorized, Gone])
def test_what_needs_a_person_is_told_once(db: Database, kind: type[Unauthorized] | type[Gone]) -> None:
    listing = Listing(error=kind("refused", connection="typeform", operation="GET"))
    for _ in range(2):
        due = fetch(db, listing)
        assert due is not None
        clock_of(db).advance(due - clock_of(db).now())
    (alert,) = planned(db, WriteKind.ALERT)
    assert "the answers of form aB3dE9 cannot be read" in str(alert.fields["text"])


def test_other_trouble_is_tried_again_soon(db: Database) -> None:
    assert fetch(db, Listing(error=Transient("down", connection="typeform", operation="GET"))) == NOON + timedelta(
        minutes=1
    )
    assert planned(db) == []


def test_the_lag_is_measured_from_the_last_look(db: Database) -> None:
    with db.read() as tx:
        assert due_since(tx, FEED, begun=NOON, every=EVERY) == NOON + EVERY
    clock_of(db).advance(timedelta(minutes=1))
    fetch(db, Listing())
    with db.read() as tx:
        assert due_since(tx, FEED, begun=NOON, every=EVERY) == NOON + timedelta(minutes=1) + EVERY


def test_what_an_erased_person_answered_is_not_fetched_again(db: Database) -> None:
    listing = Listing(pages=[[encode(event("t1", NOON))]])
    fetch(db, listing)
    with db.write() as tx:
        inbox.mark_erased(tx, 1)
    clock_of(db).advance(EVERY)
    with db.write() as tx:
        cursors.forget(tx, FEED)
    fetch(db, listing)
    assert states(db) == {DeliveryState.ERASED: 1}
