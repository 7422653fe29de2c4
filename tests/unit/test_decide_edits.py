"""People change their answers: what that does to what was planned, sent or joined meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from connector.clock import VirtualClock
from connector.domain.model.intent import IntentState, WriteKind
from connector.domain.model.recovery import RecoveryState
from connector.domain.model.response import Respondent
from connector.store import recoveries, responses, scores
from connector.store.database import Database
from tests.unit.deciding import decide_all, example_settings, feed, known_contact, planned, pretend_confirmed
from tests.unit.samples import NOON, answer, empty_store

EARLY, LATE = NOON - timedelta(minutes=40), NOON - timedelta(minutes=10)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    store = empty_store(tmp_path, VirtualClock(NOON))
    yield store
    store.close()


def live(db: Database, kind: WriteKind) -> list[str]:
    """Keys of intents of a kind that are still wanted."""
    return [row.key for row in planned(db, kind) if row.state is not IntentState.SUPERSEDED]


def recovery_state(db: Database) -> tuple[RecoveryState, str | None]:
    with db.read() as tx:
        recovery = recoveries.get(tx, 1)
    assert recovery is not None
    return recovery.state, recovery.cause


def edit(db: Database, before: float, after: float, *, sent: bool) -> None:
    """An answer, decided; its ticket sent or not; then its edit, decided."""
    known_contact(db)
    feed(db, answer(stars=before, at=EARLY))
    decide_all(db, example_settings())
    if sent:
        for ticket in planned(db, WriteKind.TICKET):
            pretend_confirmed(db, ticket, "501")
    feed(db, answer(stars=after, comment="on second thought", at=LATE))
    decide_all(db, example_settings())


def test_unhappy_to_happy_before_the_ticket_was_sent_calls_everything_off(db: Database) -> None:
    edit(db, 2, 5, sent=False)
    assert live(db, WriteKind.TICKET) == []
    assert live(db, WriteKind.TASK) == []
    assert live(db, WriteKind.NOTE) == []
    assert recovery_state(db) == (RecoveryState.CLOSED, "answer changed")


def test_unhappy_to_happy_after_the_ticket_was_sent_adds_one_note(db: Database) -> None:
    edit(db, 2, 5, sent=True)
    [note] = planned(db, WriteKind.NOTE)
    assert note.target == "recovery/1/ticket/1"
    assert str(note.fields["text"]).startswith("The customer changed the answer: 5 of 5 (csat)")
    assert recovery_state(db) == (RecoveryState.OPEN, None)
    assert len(live(db, WriteKind.TICKET)) == 1


def test_unhappy_to_unhappy_adds_one_note_whether_sent_or_not(db: Database) -> None:
    edit(db, 2, 1, sent=True)
    assert len(live(db, WriteKind.NOTE)) == 1
    assert len(live(db, WriteKind.TICKET)) == 1


def test_happy_to_unhappy_opens_a_recovery(db: Database) -> None:
    edit(db, 5, 2, sent=False)
    assert len(live(db, WriteKind.TICKET)) == 1
    assert live(db, WriteKind.NOTE) == []


def test_happy_to_happy_changes_the_timeline_only(db: Database) -> None:
    edit(db, 4.9, 5, sent=False)
    assert live(db, WriteKind.TICKET) == []
    assert live(db, WriteKind.NOTE) == []
    assert len(live(db, WriteKind.ACTIVITY)) == 1


def test_an_edit_before_sending_replaces_the_line_on_the_timeline_and_keeps_its_marker(db: Database) -> None:
    edit(db, 5, 4.9, sent=False)
    first, second = planned(db, WriteKind.ACTIVITY)
    assert (first.state, second.state) == (IntentState.SUPERSEDED, IntentState.PLANNED)
    assert first.record == second.record
    assert second.target is None
    assert second.fields["Description"] == "on second thought"


def test_an_edit_after_sending_updates_the_line_on_the_timeline(db: Database) -> None:
    known_contact(db)
    feed(db, answer(stars=5, at=EARLY))
    decide_all(db, example_settings())
    [line] = planned(db, WriteKind.ACTIVITY)
    pretend_confirmed(db, line, "00T1")
    feed(db, answer(stars=4.9, at=LATE))
    decide_all(db, example_settings())
    second = planned(db, WriteKind.ACTIVITY)[1]
    assert second.target == line.object
    assert second.record == line.record


def test_the_same_answer_sent_later_again_changes_nothing_elsewhere(db: Database) -> None:
    known_contact(db)
    feed(db, answer(at=EARLY))
    decide_all(db, example_settings())
    before = {row.key for row in planned(db)}
    feed(db, answer(at=LATE))
    decide_all(db, example_settings())
    assert {row.key for row in planned(db)} == before
    with db.read() as tx:
        assert responses.counts(tx) == {"decided": 2}


def test_a_recovery_other_answers_are_part_of_survives_an_edit(db: Database) -> None:
    feed(db, answer("1", at=EARLY))
    decide_all(db, example_settings())
    feed(db, answer("2", at=EARLY))
    decide_all(db, example_settings())
    feed(db, answer("1", stars=5, at=LATE))
    decide_all(db, example_settings())
    assert recovery_state(db) == (RecoveryState.OPEN, None)
    assert len(live(db, WriteKind.TICKET)) == 1


def test_a_late_older_version_is_never_decided(db: Database) -> None:
    feed(db, answer(stars=5, at=LATE))
    decide_all(db, example_settings())
    feed(db, answer(stars=1, at=EARLY))
    decide_all(db, example_settings())
    assert live(db, WriteKind.TICKET) == []
    with db.read() as tx:
        assert responses.counts(tx) == {"decided": 1, "stale": 1}


def test_an_edited_answer_counts_once_in_the_score(db: Database) -> None:
    edit(db, 2, 5, sent=False)
    with db.read() as tx:
        assert [fact.value for fact in scores.facts(tx, 1) if fact.component == "csat"] == [100]
        latest = scores.latest(tx, 1)
    assert latest is not None
    assert latest.answers == 1


def test_an_edit_that_names_somebody_else_moves_its_facts(db: Database) -> None:
    feed(db, answer(stars=2, email="ada@example.org", at=EARLY))
    decide_all(db, example_settings())
    bob = Respondent(email="bob@example.org", name="Bob Example")
    feed(db, answer(stars=2, respondent=bob, at=LATE, interaction=answer().interaction.__class__()))
    decide_all(db, example_settings())
    with db.read() as tx:
        assert scores.facts(tx, 1) == []
        assert len(scores.facts(tx, 2)) == 1
