"""The storm breaker: suddenly nearly everybody is unhappy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connector.clock import VirtualClock
from connector.domain.model.intent import ALARMS, IntentState
from connector.domain.model.response import Interaction
from connector.store import outbox, queue, runs, storms
from connector.store.database import Database
from connector.store.intents import IntentRow
from connector.store.runs import RunKind
from connector.store.storms import QUIET
from connector.sync.settings import DecideSettings, StormPolicy
from connector.sync.storm import reason, release
from tests.unit.deciding import CHAT, CRM, DESK, clock_of, decide_all, example_settings, feed, planned
from tests.unit.samples import NOON, answer, empty_store

pytestmark = pytest.mark.both_stores

HELD = reason("service")
UNSENT = {IntentState.PLANNED, IntentState.BLOCKED}


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    store = empty_store(tmp_path, VirtualClock(NOON))
    with store.write() as tx:
        store.run_id = runs.begin(tx, RunKind.START, mode="live", config="x")
    yield store
    store.close()


def settings(answers: int = 10, share: float = 0.7) -> DecideSettings:
    return replace(example_settings(), storm=StormPolicy(unhappy_share=share, answers=answers))


def ask(db: Database, name: str, stars: float, *, policy: DecideSettings | None = None, days: int = 0) -> None:
    """One more person answers."""
    at = db.clock.now() - timedelta(days=days, minutes=1)
    visit = Interaction(id=name, kind="repair_order")
    feed(db, answer(name, stars=stars, email=f"{name}@example.com", at=at, interaction=visit))
    decide_all(db, policy or settings())


def of_answers(db: Database) -> list[IntentRow]:
    return [row for row in planned(db) if row.response_id is not None]


def alarms(db: Database) -> list[str]:
    return [str(row.fields["text"]) for row in planned(db) if row.object.startswith("operators/")]


def test_work_is_held_from_the_answer_on_that_makes_it_too_many(db: Database) -> None:
    for number in range(3):
        ask(db, f"glad{number}", 5)
    for number in range(6):
        ask(db, f"sad{number}", 1)
    assert {row.state for row in of_answers(db)} <= UNSENT
    ask(db, "sad6", 1)
    assert {(row.state, row.reason) for row in of_answers(db)} == {(IntentState.HELD, HELD)}
    [told] = alarms(db)
    assert "7 of the last 10 answers to the survey service are unhappy" in told
    assert "connector resume service" in told
    assert "connector undo 1" in told
    before = len(of_answers(db))
    ask(db, "glad3", 5)
    ask(db, "sad7", 1)
    assert len(of_answers(db)) > before
    assert {row.state for row in of_answers(db)} == {IntentState.HELD}, "also what comes in while it rages"
    assert len(alarms(db)) == 1


def test_one_fewer_holds_nothing_and_neither_does_too_short_a_history(db: Database) -> None:
    for number in range(9):
        ask(db, f"sad{number}", 1)
    assert {row.state for row in of_answers(db)} <= UNSENT, "nine answers say too little"
    other = settings(share=0.95)
    for number in range(5):
        ask(db, f"glad{number}", 5, policy=other)
    assert {row.state for row in of_answers(db)} <= UNSENT
    assert alarms(db) == []


def test_another_survey_and_old_answers_do_not_count(db: Database) -> None:
    for number in range(12):
        ask(db, f"old{number}", 1, days=30)
    feed(db, replace(answer("k", stars=1, email="k@example.com"), key="webhook/kiosk/k", survey="kiosk"))
    decide_all(db, settings())
    with db.read() as tx:
        assert storms.of(tx, "service").recent == ""
        assert storms.of(tx, "kiosk").recent == "u"


def test_an_operator_lets_it_go_and_is_not_asked_again_for_a_day(db: Database) -> None:
    for number in range(10):
        ask(db, f"sad{number}", 1)
    held = len(of_answers(db))
    with db.write() as tx:
        assert storms.release(tx, "service")
        assert not storms.release(tx, "service")
        assert release(tx, "service") == held
    assert {row.state for row in of_answers(db)} == {IntentState.PLANNED}
    for number in range(10, 25):
        ask(db, f"sad{number}", 1)
    assert not [row for row in of_answers(db) if row.state is IntentState.HELD]
    clock_of(db).advance(QUIET)
    ask(db, "sad25", 1)
    assert {row.state for row in of_answers(db) if row.state is not IntentState.PLANNED} >= {IntentState.HELD}
    assert len(alarms(db)) == 2


def test_what_is_too_old_by_then_to_be_acted_on_is_not_let_go(db: Database) -> None:
    for number in range(10):
        ask(db, f"sad{number}", 1, days=number % 2)
    clock_of(db).advance(timedelta(days=6, hours=12))
    late = {row.id for row in of_answers(db) if row.kind in ALARMS and row.cause_at < NOON - timedelta(hours=23)}
    assert late
    held = len(of_answers(db))
    with db.write() as tx:
        assert storms.release(tx, "service")
        assert release(tx, "service", timedelta(days=7)) == held - len(late)
        assert {row.id for account in (CRM, DESK, CHAT) for row in queue.too_old(tx, account)} >= late
    assert {row.state for row in of_answers(db) if row.id in late} == {IntentState.HELD}


def test_switched_off_it_holds_nothing(db: Database) -> None:
    for number in range(12):
        ask(db, f"sad{number}", 1, policy=replace(example_settings(), storm=None))
    with db.read() as tx:
        assert outbox.counts(tx)[IntentState.HELD] == 0
        assert storms.held(tx) == []
