"""Scores fade with time, and a new scoring configuration rebases them quietly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from connector.clock import VirtualClock
from connector.domain.model.intent import Priority, WriteKind
from connector.store import inbox, lanes, people, responses, scores
from connector.store.database import Database
from connector.store.inbox import BACKFILL, Arrival
from connector.sync.settings import DecideSettings
from connector.sync.timers import LOOK_AGAIN, TimersLane
from tests.unit.deciding import clock_of, decide_all, example_settings, feed, known_contact, planned, take_lane
from tests.unit.samples import NOON, PLAIN, answer, empty_store

pytestmark = pytest.mark.both_stores


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    store = empty_store(tmp_path, VirtualClock(NOON))
    yield store
    store.close()


def drain(db: Database, settings: DecideSettings) -> datetime | None:
    hold = take_lane(db, "timers")
    due = TimersLane(db=db, settings=lambda: settings).drain(hold)
    with db.write() as tx:
        lanes.finish(tx, hold.hold, due)
    return due


def points(db: Database) -> float | None:
    with db.read() as tx:
        latest = scores.latest(tx, 1)
    return None if latest is None else latest.points


def test_a_score_is_computed_anew_a_day_later_and_not_before(db: Database) -> None:
    feed(db, answer(stars=1))
    decide_all(db, example_settings())
    drain(db, example_settings())
    first = points(db)
    clock_of(db).advance(timedelta(hours=23))
    assert drain(db, example_settings()) == NOON + timedelta(days=1)
    assert points(db) == first
    clock_of(db).advance(timedelta(hours=2))
    drain(db, example_settings())
    assert points(db) != first


def test_a_faded_score_is_written_once_it_moved_far_enough(db: Database) -> None:
    known_contact(db)
    feed(db, answer(stars=1))
    decide_all(db, example_settings())
    drain(db, example_settings())
    before = len(planned(db, WriteKind.CONTACT_FIELDS))
    for _ in range(30):
        clock_of(db).advance(timedelta(days=1))
        drain(db, example_settings())
    written = planned(db, WriteKind.CONTACT_FIELDS)[before:]
    assert 1 <= len(written) <= 3
    assert all(row.priority >= Priority.NORMAL.rank for row in written)


def test_new_weights_rebase_every_score_and_send_nothing_but_scores(db: Database) -> None:
    known_contact(db)
    feed(db, answer(stars=1))
    decide_all(db, example_settings())
    drain(db, example_settings())
    before, first = planned(db), points(db)
    base = example_settings()
    assert base.score is not None
    config = replace(base.score.config, shrink=replace(base.score.config.shrink, toward=0.0))
    drain(db, replace(base, score=replace(base.score, config=config)))
    assert points(db) != first
    assert {row.kind for row in planned(db)[len(before) :]} == {WriteKind.CONTACT_FIELDS}


def test_the_same_configuration_rebases_nothing(db: Database) -> None:
    feed(db, answer())
    decide_all(db, example_settings())
    drain(db, example_settings())
    with db.read() as tx:
        before = scores.history(tx, 1, limit=10)
    drain(db, example_settings())
    with db.read() as tx:
        assert scores.history(tx, 1, limit=10) == before


def test_without_a_health_score_there_is_nothing_to_wait_for(db: Database) -> None:
    assert drain(db, replace(example_settings(), score=None)) is None


def newly_heard_of(db: Database) -> None:
    """Something new is known of the one person there is."""
    feed(db, answer(stars=1))
    decide_all(db, example_settings())
    with db.write() as tx:
        people.scored(tx, 1, None)


def unscored(db: Database) -> int:
    with db.read() as tx:
        return people.unscored(tx)


def test_while_an_import_is_decided_new_scores_wait_for_all_of_it(db: Database) -> None:
    newly_heard_of(db)
    with db.write() as tx:
        responses.record(tx, answer("2", at=NOON - timedelta(days=99)), PLAIN, record_only=True)
    assert drain(db, example_settings()) == NOON + LOOK_AGAIN
    assert unscored(db) == 1
    decide_all(db, example_settings())
    assert drain(db, replace(example_settings(), playbooks={})) is not None
    assert unscored(db) == 0


@pytest.mark.parametrize(("priority", "record_only", "waiting"), [(BACKFILL, True, 1), (BACKFILL, None, 0)])
def test_they_wait_for_what_is_still_to_be_read_too(
    db: Database, priority: int, record_only: bool | None, waiting: int
) -> None:
    newly_heard_of(db)
    row = Arrival(
        connection="files", kind="file", payload=b"{}", received_at=NOON, priority=priority, record_only=record_only
    )
    with db.write() as tx:
        inbox.add(tx, [row])
    drain(db, example_settings())
    assert unscored(db) == waiting


def test_scores_that_only_faded_do_not_wait_for_an_import(db: Database) -> None:
    feed(db, answer(stars=1))
    decide_all(db, example_settings())
    drain(db, example_settings())
    first = points(db)
    clock_of(db).advance(timedelta(days=2))
    with db.write() as tx:
        responses.record(tx, answer("2", at=NOON - timedelta(days=99)), PLAIN, record_only=True)
    drain(db, example_settings())
    assert points(db) != first
