"""Answers and their versions in the store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connector.clock import VirtualClock
from connector.domain.model.response import Sentiment, Understanding
from connector.store import people, responses
from connector.store.database import Database
from connector.store.responses import Outcome, VersionState
from connector.store.schema import tombstone
from tests.unit.samples import NOON, PLAIN, answer, empty_store

pytestmark = pytest.mark.both_stores

AGO = NOON - timedelta(days=7)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    store = empty_store(tmp_path, VirtualClock(NOON))
    yield store
    store.close()


def test_what_is_recorded_comes_back_whole(db: Database) -> None:
    understood = Understanding(
        language="en", sentiment=Sentiment.NEGATIVE, compound=-0.5, themes=("quality",), evidence={"quality": "squeak"}
    )
    with db.write() as tx:
        done = responses.record(tx, answer(), understood)
    assert (done.outcome, done.version) == (Outcome.RECORDED, 1)
    with db.read() as tx:
        [version] = responses.pending(tx, limit=10, fresh_since=AGO)
    assert version.response == answer()
    assert version.understanding == understood
    assert version.state is VersionState.PENDING


def test_the_same_content_is_a_duplicate_whenever_it_arrives(db: Database) -> None:
    with db.write() as tx:
        responses.record(tx, answer(), PLAIN)
        again = responses.record(tx, replace(answer(), received_at=NOON), PLAIN)
    assert (again.outcome, again.version) == (Outcome.DUPLICATE, 1)
    with db.read() as tx:
        assert responses.counts(tx) == {"pending": 1}


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(hours=1)], ids=["on time", "the sender's clock is ahead"])
def test_an_edit_that_is_undone_under_the_same_time_of_submission_is_the_newest(db: Database, ahead: timedelta) -> None:
    at = NOON + ahead
    with db.write() as tx:
        done = [
            responses.record(tx, answer(stars=stars, at=at, received_at=NOON + timedelta(minutes=minute)), PLAIN)
            for minute, stars in enumerate((5, 1, 5))
        ]
        again = responses.record(tx, answer(stars=5, at=at, received_at=NOON + timedelta(minutes=9)), PLAIN)
        assert done[-1].response_id is not None
        latest = responses.get(tx, done[-1].response_id)
    assert [(one.outcome, one.version) for one in done] == [(Outcome.RECORDED, number) for number in (1, 2, 3)]
    assert (again.outcome, again.version) == (Outcome.DUPLICATE, 3)
    assert latest is not None
    assert (latest.number, latest.response.ratings[0].value) == (3, 5)


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(hours=1)], ids=["on time", "the sender's clock is ahead"])
def test_a_version_sent_again_after_a_later_edit_is_a_duplicate(db: Database, ahead: timedelta) -> None:
    first = answer(stars=2, at=NOON + ahead, received_at=NOON + timedelta(minutes=1))
    with db.write() as tx:
        responses.record(tx, first, PLAIN)
        edit = answer(stars=5, at=NOON + ahead + timedelta(minutes=1), received_at=NOON + timedelta(minutes=2))
        responses.record(tx, edit, PLAIN)
        again = responses.record(tx, replace(first, received_at=NOON + timedelta(minutes=9)), PLAIN)
        assert again.response_id is not None
        latest = responses.get(tx, again.response_id)
    assert (again.outcome, again.version) == (Outcome.DUPLICATE, 1)
    assert latest is not None
    assert latest.number == 2


def test_an_older_edit_arriving_late_is_stale_and_never_decided(db: Database) -> None:
    with db.write() as tx:
        responses.record(tx, answer(stars=5, at=NOON - timedelta(minutes=1)), PLAIN)
        late = responses.record(tx, answer(stars=2, at=NOON - timedelta(minutes=9)), PLAIN)
    assert (late.outcome, late.version) == (Outcome.STALE, 2)
    with db.read() as tx:
        assert [v.number for v in responses.pending(tx, limit=10, fresh_since=AGO)] == [1]
        assert late.response_id is not None
        latest = responses.get(tx, late.response_id)
    assert latest is not None
    assert latest.response.ratings[0].value == 5


def test_a_newer_edit_overtakes_an_undecided_version(db: Database) -> None:
    with db.write() as tx:
        responses.record(tx, answer(stars=2, at=NOON - timedelta(minutes=9)), PLAIN)
        responses.record(tx, answer(stars=5, at=NOON - timedelta(minutes=1)), PLAIN)
    with db.read() as tx:
        assert [v.number for v in responses.pending(tx, limit=10, fresh_since=AGO)] == [2]
        assert responses.counts(tx) == {"pending": 1, "stale": 1}


def test_a_version_is_decided_once(db: Database) -> None:
    with db.write() as tx:
        responses.record(tx, answer(), PLAIN)
        [version] = responses.pending(tx, limit=10, fresh_since=AGO)
        first = responses.mark_decided(tx, version, person_id=None, satisfaction=25.0, unhappy=True)
        second = responses.mark_decided(tx, version, person_id=None, satisfaction=25.0, unhappy=True)
    assert (first, second) == (True, False)


def test_fresh_answers_are_decided_before_a_backfill(db: Database) -> None:
    with db.write() as tx:
        responses.record(tx, answer("old", at=NOON - timedelta(days=300)), PLAIN)
        responses.record(tx, answer("new"), PLAIN)
        found = responses.pending(tx, limit=10, fresh_since=AGO)
    assert [v.response.key[-3:] for v in found] == ["new", "old"]


def test_an_erased_answer_leaves_nothing(db: Database) -> None:
    with db.write() as tx:
        tx.execute(tombstone.insert().values(blind=tx.blind("response", answer().key), erased_at=NOON))
        done = responses.record(tx, answer(), PLAIN)
    assert (done.outcome, done.response_id) == (Outcome.ERASED, None)
    with db.read() as tx:
        assert responses.find(tx, answer().key) is None


def test_an_erased_person_leaves_nothing(db: Database) -> None:
    with db.write() as tx:
        blind = tx.blind("email", "ada@example.org")
        tx.execute(tombstone.insert().values(blind=blind, erased_at=NOON))
        done = responses.record(tx, answer(), PLAIN, blinds=[blind])
    assert done.outcome is Outcome.ERASED


def test_recent_answers_are_the_persons_own_newest_first(db: Database) -> None:
    with db.write() as tx:
        ada, bob = people.create(tx), people.create(tx)
        for number, owner, days in (("a", ada, 3), ("b", ada, 2), ("c", bob, 1), ("d", ada, 1)):
            responses.record(tx, answer(number, at=NOON - timedelta(days=days)), PLAIN)
            for version in responses.pending(tx, limit=1, fresh_since=AGO):
                responses.mark_decided(tx, version, person_id=owner, satisfaction=25.0, unhappy=True)
        mine = responses.find(tx, answer("d").key)
        assert mine is not None
        found = responses.recent(tx, ada, before=NOON, but=mine)
    assert [v.response.key[-1] for v in found] == ["b", "a"]


def test_no_mail_address_reaches_the_file_in_clear(db: Database, tmp_path: Path) -> None:
    with db.write() as tx:
        responses.record(tx, answer(email="canary@example.org"), PLAIN)
    db.close()
    assert all(b"canary" not in path.read_bytes() for path in tmp_path.iterdir())
