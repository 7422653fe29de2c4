"""The embedded engine: lanes drained when woken, alone, again after a crash, and let go when told to stop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from connector.clock import SystemClock
from connector.engines.embedded import Embedded
from connector.errors import LeaseLost, Transient
from connector.observe import Metrics
from connector.secret import Secret
from connector.store import lanes
from connector.store.database import Database
from connector.store.keyring import KeyRing
from connector.store.lanes import Hold
from connector.store.schema import lane
from connector.store.transaction import Transaction
from connector.sync.lane import Drain, LaneHold
from tests.stores import store_url

pytestmark = [pytest.mark.slow, pytest.mark.both_stores]  # `make quick` leaves it to `make test`

PATIENCE = 60.0
LEASE = timedelta(seconds=1)
KEY = Secret(KeyRing.generate())


@pytest.fixture
def url(tmp_path: Path) -> str:
    return store_url(tmp_path)


@pytest.fixture
def db(url: str) -> Iterator[Database]:
    db = Database(url, KeyRing([KEY]), SystemClock()).create()
    yield db
    db.close()


def engine(db: Database, drains: Mapping[str, Drain], owner: str = "a") -> Embedded:
    return Embedded(db, SystemClock(), drains, owner=owner, lease=LEASE, metrics=Metrics())


def wake(db: Database, name: str = "decide") -> None:
    with db.write() as tx:
        tx.wake(name)


class Turns:
    """A drain that counts its turns and lets a test wait for the next."""

    def __init__(self) -> None:
        self.count = 0
        self._turn = threading.Condition()

    def __call__(self, hold: LaneHold) -> datetime | None:
        with self._turn:
            self.count += 1
            self._turn.notify_all()
        return None

    def reached(self, number: int) -> bool:
        with self._turn:
            return self._turn.wait_for(lambda: self.count >= number, PATIENCE)


def test_every_lane_gets_a_turn_at_the_start_and_one_for_each_wake_up(db: Database) -> None:
    first, second = Turns(), Turns()
    running = engine(db, {"decide": first, "timers": second})
    running.start()
    assert first.reached(1)
    assert second.reached(1)
    wake(db)
    assert first.reached(2)
    assert running.stop()
    assert second.count == 1


def test_a_wake_up_from_another_process_is_noticed_without_a_bell(db: Database, url: str) -> None:
    turns = Turns()
    running = engine(db, {"decide": turns})
    running.start()
    assert turns.reached(1)
    elsewhere = Database(url, KeyRing([KEY]), SystemClock())
    wake(elsewhere)
    assert turns.reached(2)
    assert running.stop()
    elsewhere.close()


def test_a_drain_comes_back_when_it_said(db: Database) -> None:
    clock = SystemClock()
    turns = Turns()

    def again_soon(hold: LaneHold) -> datetime | None:
        turns(hold)
        return clock.now() + timedelta(milliseconds=50) if turns.count < 4 else None

    running = engine(db, {"decide": again_soon})
    running.start()
    assert turns.reached(4)
    assert running.stop()
    assert turns.count == 4


def test_two_engines_never_drain_one_lane_at_once_and_a_long_drain_keeps_its_lease(db: Database, url: str) -> None:
    inside, overlaps, turns = threading.Lock(), [], Turns()

    def long(hold: LaneHold) -> datetime | None:
        if not inside.acquire(blocking=False):
            overlaps.append(hold.hold.owner)
            return None
        threading.Event().wait(LEASE.total_seconds() * 2)
        hold.check()
        with other_view.write() as tx:
            hold.confirm(tx)
        inside.release()
        turns(hold)
        return None

    second_db, other_view = (Database(url, KeyRing([KEY]), SystemClock()) for _ in range(2))
    engines = [engine(db, {"decide": long}, "a"), engine(second_db, {"decide": long}, "b")]
    for running in engines:
        running.start()
    assert turns.reached(1)
    wake(db)
    assert turns.reached(2)
    for running in engines:
        assert running.stop()
    assert overlaps == []
    second_db.close()
    other_view.close()


@pytest.mark.parametrize("error", [Transient("the disk said no"), ZeroDivisionError("maria@example.com")])
def test_a_drain_that_raises_is_logged_without_personal_data_and_tried_again(
    db: Database, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    turns = Turns()
    metrics = Metrics()

    def fails_once(hold: LaneHold) -> datetime | None:
        turns(hold)
        if turns.count == 1:
            raise error
        return None

    running = Embedded(db, SystemClock(), {"decide": fails_once}, owner="a", metrics=metrics)
    with caplog.at_level(logging.DEBUG):
        running.start()
        assert turns.reached(2)
        assert running.stop()
    assert b'connector_lane_errors_total{lane="decide"} 1.0' in metrics.exposition()
    assert "drain_crashed" in caplog.text
    assert type(error).__name__ in caplog.text
    assert "maria" not in caplog.text


def test_a_lost_lease_is_no_crash(db: Database) -> None:
    turns = Turns()
    metrics = Metrics()

    def loses_once(hold: LaneHold) -> datetime | None:
        turns(hold)
        if turns.count == 1:
            raise LeaseLost("too little left")
        return None

    running = Embedded(db, SystemClock(), {"decide": loses_once}, owner="a", metrics=metrics)
    running.start()
    assert turns.reached(2)
    assert running.stop()
    assert b"lane_errors_total{" not in metrics.exposition()


def test_a_holder_whose_lane_was_taken_over_learns_it(db: Database) -> None:
    started, checked = threading.Event(), threading.Event()
    seconds: list[float] = []

    def robbed(hold: LaneHold) -> datetime | None:
        if started.is_set():
            return None
        started.set()
        while hold.seconds_left() > 0:
            threading.Event().wait(0.02)
        seconds.append(hold.seconds_left())
        checked.set()
        hold.check()
        return None

    running = engine(db, {"decide": robbed})
    running.start()
    assert started.wait(PATIENCE)
    with db.write() as tx:
        tx.execute(lane.update().values(owner="thief", epoch=99))
    assert checked.wait(PATIENCE)
    running.stop(2)
    assert seconds == [float("-inf")], "at the next renewal, before the lease would have run out"


def test_no_error_ends_the_heartbeat(
    db: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tried, release = threading.Event(), threading.Event()
    renewed = threading.Event()
    renew = lanes.renew

    def breaks_once(tx: Transaction, hold: Hold, lease: timedelta) -> Hold | None:
        if not tried.is_set():
            tried.set()
            raise RuntimeError("the driver broke: ada@example.org")
        renewed.set()
        return renew(tx, hold, lease)

    monkeypatch.setattr(lanes, "renew", breaks_once)

    def slow(hold: LaneHold) -> datetime | None:
        release.wait(PATIENCE)
        return None

    running = engine(db, {"decide": slow})
    with caplog.at_level(logging.WARNING):
        running.start()
        assert renewed.wait(PATIENCE), "the thread that renews the leases is gone"
    release.set()
    assert running.stop()
    assert "leases_not_renewed" in caplog.text
    assert "ada@example.org" not in caplog.text


def test_stopping_waits_for_a_running_drain_and_starts_none(db: Database) -> None:
    started, release, ended = threading.Event(), threading.Event(), threading.Event()

    def slow(hold: LaneHold) -> datetime | None:
        started.set()
        release.wait(PATIENCE)
        ended.set()
        return None

    running = engine(db, {"decide": slow})
    running.start()
    assert started.wait(PATIENCE)
    wake(db)
    assert not running.stop(timeout=0.2)
    release.set()
    assert running.stop()
    assert ended.is_set()
    with db.read() as tx:
        due_at = lanes.due_at(tx, "decide")
        assert due_at is not None
        assert due_at <= tx.now, "the wake-up that came meanwhile is for the next holder"
