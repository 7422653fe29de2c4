"""Answers that could not be decided: operators are told, `replay` takes them again, a newer version overtakes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import structlog

from connector.clock import VirtualClock
from connector.domain.model.intent import Json, WriteKind
from connector.store import history, lanes, responses
from connector.store.database import Database
from connector.store.responses import Version
from connector.store.transaction import Transaction
from connector.sync import decide
from connector.sync.settings import DecideSettings
from tests.unit.deciding import decide_all, example_settings, feed, planned
from tests.unit.samples import NOON, answer, empty_store

pytestmark = pytest.mark.both_stores


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    store = empty_store(tmp_path, VirtualClock(NOON))
    yield store
    store.close()


def story(db: Database, response_id: int = 1) -> dict[str, Json]:
    with db.read() as tx:
        return {entry.event: entry.detail for entry in history.for_response(tx, response_id)}


def failing(settings: DecideSettings) -> DecideSettings:
    """A recovery's ticket goes to a connection that is not there."""
    targets = {name: target for name, target in settings.targets.items() if name != "zendesk"}
    return replace(settings, targets=targets, answers_to=("salesforce",))


def test_operators_hear_once_a_day_of_each_way_in_which_deciding_fails(db: Database) -> None:
    good = example_settings()
    feed(db, answer("1"), answer("2", email="bob@example.org"))
    decide_all(db, failing(good))
    feed(db, answer("3", email="cy@example.org"))
    decide_all(db, failing(good))
    told = [str(row.fields["text"]) for row in planned(db, WriteKind.ALERT) if row.object.startswith("operators/")]
    assert told == [
        "typeform/aB3dE9/1 could not be decided: a defect: KeyError. `connector replay --list` shows all such answers"
    ]


def test_an_answer_set_aside_is_decided_once_it_is_taken_again(db: Database) -> None:
    good = example_settings()
    feed(db, answer("1"), answer("2", email="bob@example.org"))
    decide_all(db, failing(good))
    with db.write() as tx:
        assert [(one.key, one.number, one.reason) for one in responses.list_quarantined(tx)] == [
            ("typeform/aB3dE9/1", 1, "a defect: KeyError"),
            ("typeform/aB3dE9/2", 1, "a defect: KeyError"),
        ]
        assert responses.replay(tx, ["typeform/aB3dE9/1", "typeform/aB3dE9/none"]) == 1
    with db.read() as tx:
        assert lanes.due_at(tx, "decide") == NOON
    decide_all(db, good)
    with db.read() as tx:
        assert responses.counts(tx) == {"decided": 1, "quarantined": 1}
        assert len(responses.list_quarantined(tx)) == 1
    assert "replayed" in story(db)
    assert len(planned(db, WriteKind.TICKET)) == 1


def test_a_newer_version_overtakes_one_that_was_set_aside(db: Database) -> None:
    good = example_settings()
    feed(db, answer("1"))
    decide_all(db, failing(good))
    feed(db, answer("1", stars=5, at=NOON - timedelta(minutes=1)))
    decide_all(db, good)
    with db.write() as tx:
        assert responses.counts(tx) == {"decided": 1, "stale": 1}
        assert responses.replay(tx) == 0, "deciding it now would undo what the newer one says"


def test_each_kind_of_failure_is_told_by_itself(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, failure in enumerate((KeyError("ada@example.org"), ZeroDivisionError(), KeyError())):

        def fail(tx: Transaction, version: Version, settings: DecideSettings, failure: Exception = failure) -> None:
            raise failure

        monkeypatch.setattr(decide, "decide", fail)
        feed(db, answer(str(number)))
        decide_all(db, example_settings())
    told = [str(row.fields["text"]) for row in planned(db, WriteKind.ALERT)]
    assert [text.partition(": ")[2].partition(".")[0] for text in told] == [
        "a defect: KeyError",
        "a defect: ZeroDivisionError",
    ]


def test_what_is_logged_while_an_answer_is_decided_carries_its_key(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound: list[dict[str, object]] = []

    def look(tx: Transaction, version: Version, settings: DecideSettings) -> None:
        bound.append(structlog.contextvars.get_contextvars())
        responses.mark_decided(tx, version, person_id=None, satisfaction=None, unhappy=False)

    monkeypatch.setattr(decide, "decide", look)
    feed(db, answer("1"), answer("2", email="bob@example.org"))
    decide_all(db, example_settings())
    assert bound == [{"response": "typeform/aB3dE9/1"}, {"response": "typeform/aB3dE9/2"}]
    assert structlog.contextvars.get_contextvars() == {}
