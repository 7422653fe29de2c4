"""What the daemon says of its work: a line and a count for each delivery, and the lag of every kind of lane."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from connector import observe
from connector.clock import VirtualClock
from connector.domain.model.intent import WriteKind
from connector.ports import Hook
from connector.store import cursors, inbox, people
from connector.store.database import Database
from connector.store.inbox import Arrival
from connector.sync import poll, timers
from connector.sync.collect import Intake, accept
from connector.sync.rescore import FRESH
from connector.sync.understand import UnderstandLane
from connector.wiring.lanes import notifying
from connector.wiring.telemetry import Telemetry
from tests.unit.deciding import decide_all, example_settings, feed, planned, take_lane
from tests.unit.samples import NOON, answer, empty_store
from tests.unit.test_understand import READING, Plainly, deliver, said

FEED = "zendesk:acme/tickets"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOON)


@pytest.fixture
def db(tmp_path: Path, clock: VirtualClock) -> Iterator[Database]:
    store = empty_store(tmp_path, clock)
    yield store
    store.close()


@pytest.fixture
def lines() -> io.StringIO:
    """Everything logged."""
    stream = io.StringIO()
    observe.configure("INFO", stream)
    return stream


def drain(db: Database, telemetry: Telemetry) -> None:
    lane = UnderstandLane(
        db=db,
        reading=lambda: READING,
        on_understood=telemetry.understood,
        notify=notifying(example_settings()),
    )
    lane.drain(take_lane(db, "understand"))


def outcomes(telemetry: Telemetry) -> dict[str, float]:
    text = telemetry.metrics.exposition().decode()
    return {
        name: float(value) for name, value in re.findall(r'deliveries_total{outcome="(.*)",source=".*"} (.*)', text)
    }


def lag(telemetry: Telemetry, db: Database, lane: str) -> float:
    telemetry.measure_lag(db)
    found = re.search(rf'lane_lag_seconds{{lane="{lane}"}} (.*)', telemetry.metrics.exposition().decode())
    assert found is not None, f"nothing is measured of {lane}"
    return float(found[1])


def told(db: Database) -> list[str]:
    return [str(row.fields["text"]) for row in planned(db, WriteKind.ALERT)]


def test_every_delivery_leaves_a_line_by_which_it_is_found_again(db: Database, lines: io.StringIO) -> None:
    telemetry = Telemetry()
    deliver(db, said(), said(envelope="other"), b"ping", said("2", csat=9))
    drain(db, telemetry)
    found = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [(one["event"], one["level"], one["delivery"], one.get("state"), one.get("response")) for one in found] == [
        ("delivery_understood", "info", 1, "mapped", "typeform/aB3dE9/1"),
        ("delivery_understood", "info", 2, "duplicate", "typeform/aB3dE9/1"),
        ("delivery_understood", "info", 3, "ignored", None),
        ("delivery_quarantined", "warning", 4, None, None),
    ]
    assert (found[3]["form"], found[3]["field"]) == ("aB3dE9", "ratings[0]")
    assert outcomes(telemetry) == {"duplicate": 1, "quarantined": 1}


def test_nothing_is_told_of_what_was_not_committed(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    telemetry = Telemetry()
    deliver(db, said(csat=9))
    monkeypatch.setattr(inbox, "mark_quarantined", lambda tx, delivery, **what: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        drain(db, telemetry)
    assert outcomes(telemetry) == {}


def test_operators_hear_once_a_day_of_each_form_and_field(db: Database, clock: VirtualClock) -> None:
    telemetry = Telemetry()
    deliver(db, said("1", csat=9), said("2", csat=8), b"torn")
    drain(db, telemetry)
    again = "`connector replay --list` shows all such"
    assert told(db) == [
        f"typeform: a delivery of form aB3dE9 could not be read at ratings[0]: is not on the scale 1-5. {again}",
        f"typeform: a delivery could not be read at body: is not JSON. {again}",
    ]
    clock.advance(timedelta(days=1))
    deliver(db, said("3", csat=9))
    drain(db, telemetry)
    assert len(told(db)) == 3


def test_operators_hear_of_a_request_that_could_not_be_told_apart(db: Database) -> None:
    intake = Intake(db, notify=notifying(example_settings()))
    hook = Hook(method="POST", path="/", headers={}, body=b"endless|", received_at=NOON)

    class Trusting(Plainly):
        def verify(self, hook: Hook) -> None:
            """Anybody."""

    intake.submit(accept("typeform", Trusting(), hook)).result(20)
    intake.stop()
    [text] = told(db)
    assert text.startswith("typeform: a delivery could not be read at body: does not end.")


def test_a_lane_of_a_configuration_before_this_one_does_not_lag(db: Database, clock: VirtualClock) -> None:
    telemetry, lane = Telemetry(), poll.tickets_lane("zendesk:acme")
    telemetry.follow(lane, partial(poll.due_since, feed=FEED, begun=clock.now()))
    clock.advance(timedelta(seconds=3600))
    assert lag(telemetry, db, lane) > 0
    telemetry.know({})
    assert lag(telemetry, db, lane) == 0
    telemetry.follow(lane, partial(poll.due_since, feed=FEED, begun=clock.now() - timedelta(seconds=90)))
    assert lag(telemetry, db, lane) == 30


def test_a_feed_lags_from_when_it_should_have_been_read_again(db: Database, clock: VirtualClock) -> None:
    telemetry, lane = Telemetry(), poll.tickets_lane("zendesk:acme")
    telemetry.follow(lane, partial(poll.due_since, feed=FEED, begun=clock.now()))
    assert lag(telemetry, db, lane) == 0
    clock.advance(timedelta(seconds=90))
    assert lag(telemetry, db, lane) == 30, "never read at all"
    with db.write() as tx:
        cursors.move(tx, FEED, "a")
    assert lag(telemetry, db, lane) == 0
    clock.advance(timedelta(seconds=3600))
    assert lag(telemetry, db, lane) == 3540
    with db.write() as tx:
        cursors.move(tx, FEED, "a")
    assert lag(telemetry, db, lane) == 0, "read, though nothing was new"


def test_scores_lag_once_they_are_more_than_a_day_old(db: Database, clock: VirtualClock) -> None:
    telemetry = Telemetry()
    telemetry.follow(timers.LANE, timers.due_since)
    assert lag(telemetry, db, timers.LANE) == 0
    feed(db, answer())
    decide_all(db, example_settings())
    with db.read() as tx:
        assert people.next_score_due(tx) == NOON
    clock.advance(FRESH + timedelta(minutes=1))
    assert lag(telemetry, db, timers.LANE) == 60


def test_deliveries_and_answers_lag_from_their_arrival(db: Database, clock: VirtualClock) -> None:
    telemetry = Telemetry()
    with db.write() as tx:
        inbox.add(tx, [Arrival(connection="t", kind="typeform", payload=b"1", received_at=NOON)])
    feed(db, answer(at=NOON, received_at=NOON + timedelta(seconds=10)))
    clock.advance(timedelta(seconds=40))
    assert (lag(telemetry, db, "understand"), lag(telemetry, db, "decide")) == (40, 30)
