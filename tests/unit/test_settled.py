"""What the end of an intent means to recoveries and scores: nobody is lost because one write came to nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from connector.clock import VirtualClock
from connector.domain.model.intent import IntentState, WriteKind
from connector.domain.model.response import Interaction
from connector.domain.model.transitions import Event
from connector.store import history, intents, lanes, outbox, recoveries
from connector.store.database import Database
from connector.store.intents import IntentRow
from connector.store.transaction import Transaction
from connector.sync import timers
from connector.sync.outlet import Limits
from connector.sync.settled import NO_TICKET, drop, settled
from connector.sync.write import WriteLane
from connector.testing.twin import Thing, Twin
from tests.durability.bench import PROMISES
from tests.unit.deciding import (
    DESK,
    clock_of,
    decide_all,
    example_settings,
    feed,
    known_contact,
    planned,
    pretend_confirmed,
    take_lane,
)
from tests.unit.samples import NOON, answer, empty_store

pytestmark = pytest.mark.both_stores

DAY = timedelta(days=1)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    store = empty_store(tmp_path, VirtualClock(NOON))
    yield store
    store.close()


@pytest.fixture
def desk(db: Database) -> Twin:
    return Twin(account=DESK, promises=PROMISES, clock=db.clock)


def silent(tx: Transaction, account: str, cause: str, text: str) -> None:
    """The operators are told elsewhere."""


def lane(db: Database, desk: Twin, *, live: bool = True) -> WriteLane:
    return WriteLane(db, desk, db.clock, Limits(parallel=1), live=live, notify_operators=silent, on_settled=settled)


def turn(db: Database, one: WriteLane) -> datetime | None:
    hold = take_lane(db, one.name)
    due = one.drain(hold)
    with db.write() as tx:
        lanes.finish(tx, hold.hold, due)
    return due


def unhappy(db: Database, number: str, about: Interaction | None = None) -> None:
    at = clock_of(db).now() - timedelta(minutes=5)
    feed(db, answer(number, at=at) if about is None else answer(number, at=at, interaction=about, segments={}))
    decide_all(db, example_settings())


def fail(db: Database, row: IntentRow, event: Event) -> None:
    with db.write() as tx:
        settled(tx, intents.move(tx, intents.get(tx, row.id), event, "a test says so"), None)


def tickets(desk: Twin) -> list[Thing]:
    return [thing for thing in desk.things.values() if thing.kind is WriteKind.TICKET]


def recovery_states(db: Database) -> dict[str, int]:
    with db.read() as tx:
        return recoveries.counts(tx)


def test_what_observing_gave_up_does_not_swallow_the_first_answer_that_counts(db: Database, desk: Twin) -> None:
    observing = lane(db, desk, live=False)
    unhappy(db, "1")
    turn(db, observing)
    clock_of(db).advance(4 * DAY)
    turn(db, observing)
    assert recovery_states(db) == {"closed": 1}
    live = lane(db, desk)
    unhappy(db, "2")
    for _ in range(5):
        turn(db, live)
        clock_of(db).advance(timedelta(minutes=2))
    assert len(tickets(desk)) == 1


def test_a_rejected_ticket_ends_its_recovery_and_the_next_answer_opens_another(db: Database, desk: Twin) -> None:
    live = lane(db, desk)
    unhappy(db, "1")
    [row] = planned(db, WriteKind.TICKET)
    desk.bad = frozenset({str(row.fields["subject"])})
    turn(db, live)
    assert planned(db, WriteKind.TICKET)[0].state is IntentState.REJECTED
    with db.read() as tx:
        first = recoveries.get(tx, 1)
        told = [entry for entry in history.for_recovery(tx, 1) if entry.event == "recovery_closed"]
    assert first is not None
    assert (first.state.value, first.cause) == ("closed", NO_TICKET)
    assert len(told) == 1
    desk.bad = frozenset()
    clock_of(db).advance(DAY)
    unhappy(db, "2")
    turn(db, live)
    assert len(tickets(desk)) == 1
    assert recovery_states(db) == {"closed": 1, "open": 1}


@pytest.mark.parametrize("event", [Event.REFUSED_UNSENT, Event.TOO_OLD])
def test_a_recovery_that_was_to_begin_on_the_customers_own_ticket_ends_with_its_note(
    db: Database, event: Event
) -> None:
    unhappy(db, "1", Interaction(id="4711", kind="ticket"))
    [note] = planned(db, WriteKind.NOTE)
    fail(db, note, event)
    assert recovery_states(db) == {"closed": 1}


def test_a_ticket_an_operator_drops_ends_its_recovery(db: Database) -> None:
    unhappy(db, "1")
    [row] = planned(db, WriteKind.TICKET)
    with db.write() as tx:
        assert drop(tx, row.id)
        assert not drop(tx, row.id)
    assert recovery_states(db) == {"closed": 1}


def test_a_note_that_fails_leaves_the_recovery_on_its_ticket(db: Database) -> None:
    unhappy(db, "1")
    pretend_confirmed(db, planned(db, WriteKind.TICKET)[0], "501")
    unhappy(db, "2")
    fail(db, planned(db, WriteKind.NOTE)[0], Event.TOO_OLD)
    assert recovery_states(db) == {"open": 1}


def test_the_first_ticket_of_a_recovery_that_was_followed_up_decides_nothing(db: Database) -> None:
    unhappy(db, "1")
    with db.write() as tx:
        recoveries.follow_up(tx, 1, 2)
    fail(db, planned(db, WriteKind.TICKET)[0], Event.TOO_OLD)
    assert recovery_states(db) == {"open": 1}


@pytest.mark.parametrize("another", [False, True])
def test_a_ticket_tried_again_opens_its_recovery_again_unless_another_is_open(db: Database, another: bool) -> None:
    unhappy(db, "1")
    [row] = planned(db, WriteKind.TICKET)
    fail(db, row, Event.TOO_OLD)
    if another:
        unhappy(db, "2")
    with db.write() as tx:
        assert outbox.retry(tx, row.id)
    pretend_confirmed(db, row, "501")
    assert recovery_states(db) == ({"closed": 1, "open": 1} if another else {"open": 1})


def test_a_score_whose_write_came_to_nothing_is_written_again(db: Database) -> None:
    settings = example_settings()
    assert settings.score is not None
    known_contact(db)
    unhappy(db, "1")
    [row] = planned(db, WriteKind.CONTACT_FIELDS)
    fail(db, row, Event.TOO_OLD)
    clock_of(db).advance(DAY)
    for _ in range(2):
        with db.write() as tx:
            timers.refresh(tx, 1, settings, settings.score)
        assert len(planned(db, WriteKind.CONTACT_FIELDS)) == 2, "once, and not again while that is wanted"


def test_a_score_is_not_taken_for_told_when_its_cause_has_failed_before(db: Database) -> None:
    settings = example_settings()
    assert settings.score is not None
    known_contact(db)
    unhappy(db, "1")
    clock_of(db).advance(DAY)
    fail(db, planned(db, WriteKind.CONTACT_FIELDS)[0], Event.TOO_OLD)
    for moment in (timedelta(0), timedelta(0), DAY):
        clock_of(db).advance(moment)
        with db.write() as tx:
            timers.refresh(tx, 1, settings, settings.score)
        newest = planned(db, WriteKind.CONTACT_FIELDS)[-1]
        if not moment and newest.state is IntentState.PLANNED:
            fail(db, newest, Event.TOO_OLD)
    assert [row.state for row in planned(db, WriteKind.CONTACT_FIELDS)] == [
        IntentState.GIVEN_UP,
        IntentState.GIVEN_UP,
        IntentState.PLANNED,
    ]
