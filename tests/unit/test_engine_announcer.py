"""Announcing lanes: once each time one may be taken, again when nobody comes, and unharmed by a broker that is away."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from connector.clock import Clock, SystemClock, VirtualClock
from connector.engines.announcer import LONGEST, Announcer
from connector.observe import Metrics
from connector.store import lanes, runs
from connector.store.database import Database
from connector.store.lanes import Hold
from connector.store.transaction import Transaction
from tests.unit.samples import NOON, empty_store, ring

LEASE = timedelta(seconds=5)
NAMES = ("decide", "timers", "understand")
PATIENCE = 20.0


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOON)


@pytest.fixture
def db(tmp_path: Path, clock: VirtualClock) -> Iterator[Database]:
    made = empty_store(tmp_path, clock)
    yield made
    made.close()


@dataclass
class Wire:
    """Where announcements go; `is_cut` while no broker answers."""

    heard: list[str] = field(default_factory=list)
    tried: int = 0
    is_cut: bool = False

    def send(self, lane: str) -> None:
        self.tried += 1
        if self.is_cut:
            raise ConnectionRefusedError("redis://:lighthouse@broker.example.com refused")
        self.heard.append(lane)

    def since(self) -> list[str]:
        """What was heard since this was last asked."""
        heard, self.heard = self.heard, []
        return heard


def announcer(
    db: Database, wire: Wire, clock: Clock, names: Sequence[str] = NAMES, metrics: Metrics | None = None
) -> Announcer:
    return Announcer(db, clock, names, wire.send, metrics=metrics or Metrics())


def wake(db: Database, name: str = "decide", at: datetime | None = None) -> None:
    with db.write() as tx:
        tx.wake(name, at)


def take(db: Database, owner: str = "a") -> Hold:
    with db.write() as tx:
        hold = lanes.take(tx, "decide", owner, LEASE)
    assert hold is not None
    return hold


def finish(db: Database, hold: Hold) -> None:
    with db.write() as tx:
        assert lanes.finish(tx, hold, None)


def test_only_lanes_that_are_due_and_ours_are_announced(db: Database, clock: VirtualClock) -> None:
    wire = Wire()
    wake(db, "understand")
    wake(db, "decide")
    wake(db, "write/gone")
    wake(db, "timers", NOON + timedelta(seconds=30))
    announcer(db, wire, clock).look()
    assert wire.since() == ["decide", "understand"]


def test_a_lane_that_nobody_takes_is_announced_less_and_less_often(db: Database, clock: VirtualClock) -> None:
    wire = Wire()
    told = announcer(db, wire, clock)
    wake(db)
    at: list[int] = []
    for second in range(130):
        told.look()
        told.look()
        at += [second] * len(wire.since())
        clock.advance(timedelta(seconds=1))
    assert at == [0, 1, 3, 7, 15, 31, 61, 91, 121]
    assert LONGEST == 30


def test_a_lane_that_was_taken_and_is_due_again_is_announced_at_once(db: Database, clock: VirtualClock) -> None:
    wire = Wire()
    told = announcer(db, wire, clock)
    wake(db)
    told.look()
    hold = take(db)
    wake(db)
    told.look()
    assert wire.since() == ["decide"], "not while it is held"
    finish(db, hold)
    told.look()
    assert wire.since() == ["decide"]
    finish(db, take(db))
    told.look()
    assert wire.since() == []


def test_a_lane_is_announced_when_its_time_or_the_end_of_its_lease_comes(db: Database, clock: VirtualClock) -> None:
    wire = Wire()
    told = announcer(db, wire, clock)
    wake(db, at=NOON + timedelta(seconds=0.25))
    assert told.look() == pytest.approx(0.25)
    clock.advance(timedelta(seconds=0.25))
    told.look()
    assert wire.since() == ["decide"]
    take(db)
    clock.advance(LEASE)
    told.look()
    assert wire.since() == ["decide"], "its holder is gone"
    assert told.look() == 1.0


def test_a_broker_that_is_away_is_said_once_counted_and_nothing_is_lost(
    db: Database, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    wire, metrics = Wire(is_cut=True), Metrics()
    told = announcer(db, wire, clock, metrics=metrics)
    wake(db, "decide")
    wake(db, "understand")
    with caplog.at_level(logging.INFO):
        for _ in range(5):
            told.look()
            told.look()  # not twice a second: each try may hang
            clock.advance(timedelta(seconds=1))
        assert wire.tried == 5
        wire.is_cut = False
        told.look()
        told.look()
    assert wire.since() == ["decide", "understand"]
    assert b'connector_announcements_total{outcome="failed"} 5.0' in metrics.exposition()
    assert b'connector_announcements_total{outcome="sent"} 2.0' in metrics.exposition()
    assert caplog.text.count("announcing_stopped") == 1
    assert caplog.text.count("announcing_resumed") == 1
    assert "lighthouse" not in caplog.text


def test_what_a_lost_broker_had_taken_is_announced_again(db: Database, clock: VirtualClock) -> None:
    wire = Wire()
    told = announcer(db, wire, clock)
    wake(db, "decide")
    for _ in range(35):  # nobody takes it: the next time would be after 61 seconds
        told.look()
        clock.advance(timedelta(seconds=1))
    wire.is_cut, wire.heard = True, []
    wake(db, "understand")
    told.look()
    clock.advance(timedelta(seconds=1))
    wire.is_cut = False
    told.look()
    assert wire.since() == ["decide", "understand"]


def test_the_dead_hold_no_lane(db: Database, clock: VirtualClock) -> None:
    wire = Wire()
    told = Announcer(db, clock, NAMES, wire.send, metrics=Metrics(), is_dead=lambda owner: owner == "killed")
    wake(db)
    hold = take(db, "alive")
    told.look()
    told.look()
    assert wire.since() == []
    finish(db, hold)
    wake(db)
    take(db, "killed")
    told.look()
    told.look()
    assert wire.since() == ["decide"]
    assert take(db, "next").epoch == 3


def test_a_store_that_cannot_be_read_is_said_once(
    tmp_path: Path, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = Database(f"sqlite:///{tmp_path}/none.db", ring(), clock)
    told = announcer(nowhere, Wire(), clock)
    with caplog.at_level(logging.INFO):
        assert told.look() == 1.0
        told.look()
        nowhere.create()
        told.look()
    assert caplog.text.count("announcing_stopped") == 1
    assert "there is no store" in caplog.text
    assert caplog.text.count("announcing_resumed") == 1
    nowhere.close()


def test_each_look_is_told_with_its_transaction(db: Database, clock: VirtualClock) -> None:
    seen: list[object] = []

    def looked(tx: Transaction) -> None:
        seen.append(runs.active(tx))

    Announcer(db, clock, NAMES, Wire().send, metrics=Metrics(), looked=looked).look()
    assert seen == [None]


class Heard(Wire):
    """A wire on which a test waits."""

    def __init__(self) -> None:
        super().__init__()
        self._word = threading.Condition()

    def send(self, lane: str) -> None:
        with self._word:
            super().send(lane)
            self._word.notify_all()

    def waits_for(self, *lanes_: str) -> bool:
        with self._word:
            return self._word.wait_for(lambda: set(lanes_) <= set(self.heard), PATIENCE)


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Database]:
    made = empty_store(tmp_path, SystemClock())
    yield made
    made.close()


def test_who_ticks_gives_every_lane_a_turn_at_the_start_and_notices_other_processes(
    real: Database, tmp_path: Path
) -> None:
    wire = Heard()
    told = announcer(real, wire, SystemClock())
    told.start()
    assert wire.waits_for(*NAMES)
    finish(real, take(real))
    wire.since()
    elsewhere = Database(f"sqlite:///{tmp_path}/store.db", ring(), SystemClock())
    wake(elsewhere)  # no bell rings here
    assert wire.waits_for("decide")
    assert told.stop(PATIENCE)
    elsewhere.close()


def test_who_drains_announces_what_its_own_commits_wake(real: Database) -> None:
    wire = Heard()
    told = Announcer(real, SystemClock(), NAMES, wire.send, metrics=Metrics(), ticks=False)
    told.start()
    wake(real, "understand")
    assert wire.waits_for("understand")
    assert told.stop(PATIENCE)
    wake(real, "decide")
    assert set(wire.heard) == {"understand"}
