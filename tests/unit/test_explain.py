"""The story of an answer, as `connector explain` tells it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from connector.clock import VirtualClock
from connector.domain.model.intent import IntentState, WriteKind
from connector.domain.model.response import Respondent, Sentiment, Understanding
from connector.store.database import Database
from connector.store.responses import VersionState
from connector.sync.explain import KINDS, STATES, VERSIONS, Story, story
from tests.unit.deciding import clock_of, decide_all, example_settings, feed, known_contact, planned, pretend_confirmed
from tests.unit.samples import NOON, answer, empty_store

pytestmark = pytest.mark.both_stores

ANGRY = Understanding(
    language="en", sentiment=Sentiment.NEGATIVE, compound=-0.8, themes=("safety",), evidence={"safety": "unsafe"}
)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    store = empty_store(tmp_path, VirtualClock(NOON))
    yield store
    store.close()


def told(db: Database, number: str = "1") -> Story:
    with db.read() as tx:
        found = story(tx, answer(number).key, example_settings())
    assert found is not None
    return found


def test_a_held_answer_names_the_values_compared_and_the_candidates(db: Database) -> None:
    known_contact(db, "003A")
    known_contact(db, "003B")
    feed(db, answer())
    decide_all(db, example_settings())
    found = told(db)
    assert "salesforce:acme: e-mail (ada@example.org): two contacts, 003A and 003B" in found.identity
    assert "salesforce:acme: held: 2 contacts fit (003A, 003B), somebody has to choose" in found.identity
    waiting = {one.what: (one.state, one.reason) for one in found.writes}
    assert waiting["task"][0] == "waits for something else"
    assert waiting["ticket"] == ("will be written", None)


def test_a_loser_by_a_weaker_key_is_named(db: Database) -> None:
    known_contact(db, "003A", email="ada@example.org")
    known_contact(db, "003B", email="bob@example.org")
    feed(db, answer(respondent=Respondent(crm_id="003B", email="ada@example.org")))
    decide_all(db, example_settings())
    lines = told(db).identity
    assert "salesforce:acme: linked to contact 003B, by CRM id" in lines
    assert "salesforce:acme: found by weaker keys and not taken: 003A" in lines


def test_a_joined_answer_says_so_and_where_it_is_worked_on(db: Database) -> None:
    feed(db, answer("1"))
    decide_all(db, example_settings())
    [ticket] = planned(db, WriteKind.TICKET)
    pretend_confirmed(db, ticket, "501")
    feed(db, answer("2", at=NOON - timedelta(minutes=1)))
    decide_all(db, example_settings())
    lines = told(db, "2").recovery
    assert "joined, since one was open already" in lines
    assert "worked on in ticket 501 https://there.example/501" in lines
    assert "it rests on 2 answers" in lines
    written = {one.what: one for one in told(db, "1").writes}["ticket"]
    assert (written.state, written.remote_id, written.link) == ("done", "501", "https://there.example/501")


def test_an_escalated_answer_shows_which_part_of_each_rule_decided(db: Database) -> None:
    feed(db, answer(), understanding=ANGRY)
    decide_all(db, example_settings())
    assert told(db).rules == (
        "rule 'unhappy' acted, because of: unhappy",
        "rule 'safety' acted, because of: unhappy and critical and sentiment != \"positive\"",
    )
    assert "theme safety: because of “unsafe”" in told(db).answer
    assert any("severity critical" in line for line in told(db).recovery)


def test_a_rule_that_did_not_act_says_what_did_not_hold(db: Database) -> None:
    feed(db, answer())
    decide_all(db, example_settings())
    assert told(db).rules[1] == "rule 'safety' did not act, because this does not hold: critical"


def test_the_parts_of_the_score_sum_to_its_last_digit(db: Database) -> None:
    known_contact(db, values={"Last_Service__c": "2025-07-07"})
    feed(db, answer(stars=4), understanding=ANGRY)
    decide_all(db, example_settings())
    found = told(db)
    assert found.points is not None
    assert round(sum(part.points for part in found.parts), 2) == found.points
    assert any(line.startswith("together ") for line in found.score)


def test_the_score_is_the_one_the_decision_saw_and_todays_is_told_beside_it(db: Database) -> None:
    known_contact(db, values={"Last_Service__c": "2025-07-07"})
    feed(db, answer(stars=1))
    decide_all(db, example_settings())
    before = told(db)
    clock_of(db).advance(timedelta(hours=1))
    feed(db, answer("2", stars=5, at=NOON + timedelta(minutes=30)))
    decide_all(db, example_settings())
    after = told(db)
    assert (after.points, after.parts) == (before.points, before.parts)
    assert after.score[-1].startswith("that was then; by now it is ")


def test_an_anonymous_answer_says_that_nobody_can_be_called(db: Database) -> None:
    feed(db, answer(respondent=Respondent()))
    decide_all(db, example_settings())
    assert told(db).identity == ("anonymous: no identity was offered, so nobody can be called back",)
    assert "anonymous: there is nobody to win back" in told(db).recovery


def test_an_undecided_answer_has_a_story_and_an_unknown_one_has_none(db: Database) -> None:
    feed(db, answer())
    assert told(db).state == "received, not decided yet"
    with db.read() as tx:
        assert story(tx, "typeform/aB3dE9/nothing", example_settings()) is None


def test_every_state_and_kind_has_words() -> None:
    assert set(KINDS) == set(WriteKind)
    assert set(STATES) == set(IntentState)
    assert set(VERSIONS) == set(VersionState)
