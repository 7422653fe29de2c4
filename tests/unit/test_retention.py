"""What was kept long enough goes, by class: payloads, words, and in the end who said it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from connector.clock import VirtualClock
from connector.domain.model.intent import IntentState
from connector.domain.model.person import KeyKind
from connector.domain.model.response import Interaction, Respondent, Understanding
from connector.domain.model.transitions import Event
from connector.store import inbox, intents, lanes, outbox, people, recoveries, responses, retention, scores
from connector.store.database import Database
from connector.store.inbox import Arrival, DeliveryState
from connector.store.responses import Outcome
from connector.store.schema import inbox as inbox_table
from connector.sync.identify import blinds_of
from connector.sync.retention import EVERY, LANE, RetentionLane, Spans
from tests.unit.deciding import decide_all, example_settings, feed, known_contact, planned, pretend_confirmed, take_lane
from tests.unit.samples import NOON, PLAIN, answer, empty_store
from tests.unit.test_erasing import everything

pytestmark = pytest.mark.both_stores

DAY, YEAR = timedelta(days=1), timedelta(days=365)
WORDS = "zwitscherzwitscher"
SPANS = Spans(payloads=30 * DAY, comments=YEAR, answers=3 * YEAR)
ADA = Respondent(email="ada@example.org", name="Ada Example", phone="+4930555000111")


@pytest.fixture
def db(tmp_path: Path) -> Database:
    return empty_store(tmp_path, VirtualClock(NOON))


def drained(db: Database, after: timedelta, spans: Spans = SPANS) -> datetime | None:
    clock = db.clock
    assert isinstance(clock, VirtualClock)
    clock.advance(after)
    hold = take_lane(db, LANE)
    hold.extend(asked_at=clock.monotonic(), lease=300)
    due = RetentionLane(db=db, spans=spans).drain(hold)
    with db.write() as tx:
        lanes.finish(tx, hold.hold, due)
    return due


def lived(db: Database) -> None:
    known_contact(db, "003A")
    one = replace(answer("1", respondent=ADA, comment=WORDS, stars=1), received_at=NOON)
    feed(db, one, understanding=Understanding(language="en", themes=("safety",), evidence={"safety": WORDS}))
    decide_all(db, example_settings())
    while waiting := [row for row in planned(db) if row.state is IntentState.PLANNED]:
        pretend_confirmed(db, waiting[0], f"R{waiting[0].id}")
    with db.write() as tx:
        for number in range(1, 10):
            recoveries.close(tx, number, "done", tx.now)


def test_payloads_go_after_their_time_and_unread_ones_can_no_longer_be_replayed(db: Database) -> None:
    with db.write() as tx:
        for name, reason in (("mapped", None), ("unread", "no JSON"), ("waiting", None)):
            arrival = Arrival(connection="t", kind="typeform", payload=name.encode(), received_at=NOON, field="payload")
            inbox.add(tx, [replace(arrival, reason=reason)])
        inbox.mark_ignored(tx, 1, "a test")
    drained(db, 29 * DAY)
    assert payloads(db) == [True, True, True]
    assert drained(db, 2 * DAY) == db.clock.now() + EVERY
    assert payloads(db) == [False, False, True], "what is still to be understood keeps its bytes"
    with db.write() as tx:
        assert inbox.counts(tx).states[DeliveryState.QUARANTINED] == 0
        assert inbox.replay(tx) == 0
        assert inbox.add(tx, [Arrival(connection="t", kind="typeform", payload=b"mapped", received_at=NOON)]).new == 0
        assert retention.taken(tx) == {"payloads": 2}


def payloads(db: Database) -> list[bool]:
    with db.read() as tx:
        return [row.payload is not None for row in tx.execute(select(inbox_table).order_by(inbox_table.c.id))]


def test_words_go_after_a_year_and_the_answer_stays(db: Database) -> None:
    lived(db)
    assert WORDS in everything(db)
    drained(db, YEAR - DAY)
    assert WORDS in everything(db)
    drained(db, 2 * DAY)
    assert WORDS not in everything(db)
    with db.read() as tx:
        person = people.find(tx, KeyKind.EMAIL, "ada@example.org")
        found = responses.find(tx, "typeform/aB3dE9/1")
        assert found is not None
        version = responses.get(tx, found)
        assert version is not None
        assert (version.person_id, version.response.comment, version.satisfaction) == (person, None, 0)
        assert version.understanding.themes == ("safety",)
        assert {name: n for name, n in retention.taken(tx).items() if name == "comments"} == {"comments": 1}
    counted = len(everything(db))
    drained(db, DAY)
    assert len(everything(db)) == counted, "what is done is not done again"


def test_after_three_years_an_answer_is_nobodys_and_stays_so(db: Database) -> None:
    lived(db)
    drained(db, 3 * YEAR + DAY)
    told = everything(db)
    for word in ("ada@example.org", "Ada Example", "0555000111", "aB3dE9/1", "R-1"):
        assert word not in "\n".join(line for line in told.splitlines() if not line.startswith("contact.")), word
    with db.write() as tx:
        found = responses.find(tx, "anonymous/1")
        assert found is not None
        version = responses.get(tx, found)
        assert version is not None
        assert (version.response.segments, version.response.ratings[0].value) == ({"service": "brakes"}, 1)
        assert scores.facts(tx, 1) == []
        again = answer("1", respondent=ADA)
        assert responses.record(tx, again, PLAIN, blinds=blinds_of(tx, again)).outcome is Outcome.ERASED
        newer = answer("2", respondent=ADA, interaction=Interaction(id="R-2", kind="repair_order"))
        assert responses.record(tx, newer, PLAIN, blinds=blinds_of(tx, newer)).outcome is Outcome.RECORDED
        assert all(row.state.value in {"confirmed", "erased", "superseded"} for row in outbox.listed(tx, limit=1000))


def test_a_newer_answer_keeps_its_person(db: Database) -> None:
    lived(db)
    clock = db.clock
    assert isinstance(clock, VirtualClock)
    clock.advance(2 * YEAR)
    late = answer("2", respondent=ADA, at=clock.now(), received_at=clock.now(), stars=5)
    feed(db, late)
    decide_all(db, example_settings())
    while waiting := [row for row in planned(db) if row.state is IntentState.PLANNED]:
        pretend_confirmed(db, waiting[0], f"S{waiting[0].id}")
    drained(db, YEAR + DAY)
    with db.read() as tx:
        person = people.find(tx, KeyKind.EMAIL, "ada@example.org")
        assert person is not None
        assert people.details(tx, person).name == "Ada Example"
        assert {fact.source.split("#")[0] for fact in scores.facts(tx, person) if "typeform" in fact.source} == {
            "typeform/aB3dE9/2"
        }
        assert responses.find(tx, "typeform/aB3dE9/1") is None


def test_an_open_recovery_keeps_its_answers(db: Database) -> None:
    lived(db)
    with db.write() as tx:
        recoveries.reopen(tx, 1)
    drained(db, 4 * YEAR)
    with db.read() as tx:
        assert responses.find(tx, "typeform/aB3dE9/1") is not None


def test_without_spans_nothing_ever_goes(db: Database) -> None:
    lived(db)
    before = everything(db)
    drained(db, 50 * YEAR, Spans(payloads=None, comments=None, answers=None))
    kept = everything(db)
    assert [line for line in kept.splitlines() if not line.startswith("lane.")] == [
        line for line in before.splitlines() if not line.startswith("lane.")
    ]


def test_a_refused_write_whose_text_is_gone_is_not_sent_again(db: Database) -> None:
    lived(db)
    feed(db, answer("5", respondent=ADA, stars=1))
    decide_all(db, example_settings())
    row = next(row for row in planned(db) if row.state is IntentState.PLANNED)
    with db.write() as tx:
        intents.move(tx, row, Event.REFUSED_UNSENT, "no such field")
    drained(db, YEAR + DAY)
    with db.write() as tx:
        assert not outbox.retry(tx, row.id)
