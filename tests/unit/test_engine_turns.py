"""One turn of a lane: only when it is due, back in any case, and a rest after an error that nothing cuts short."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from connector.clock import VirtualClock
from connector.engines.heart import Heart
from connector.engines.turns import LEASE, Turns
from connector.errors import LeaseLost
from connector.observe import Metrics
from connector.store import lanes
from connector.store.database import Database
from connector.store.transaction import Transaction
from connector.sync.lane import LaneHold
from tests.unit.samples import NOON, empty_store


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOON)


@pytest.fixture
def db(tmp_path: Path, clock: VirtualClock) -> Iterator[Database]:
    made = empty_store(tmp_path, clock)
    yield made
    made.close()


@dataclass
class Work:
    """A drain that does as a test says."""

    error: Exception | None = None
    next_due: datetime | None = None
    holds: list[LaneHold] = field(default_factory=list)

    def drain(self, hold: LaneHold) -> datetime | None:
        self.holds.append(hold)
        if self.error is not None:
            raise self.error
        return self.next_due


def turns(db: Database, clock: VirtualClock, work: Work) -> Turns:
    heart = Heart(db, clock, beat=1)
    leases = {"write": timedelta(seconds=60)}
    drains = {"decide": work.drain, "write": work.drain}
    return Turns(db, clock, drains, owner="a", heart=heart, metrics=Metrics(), leases=leases)


def wake(db: Database, name: str = "decide") -> None:
    with db.write() as tx:
        tx.wake(name)


def test_a_lane_that_is_not_due_or_held_is_left_alone(db: Database, clock: VirtualClock) -> None:
    work = Work()
    at_work = turns(db, clock, work)
    assert at_work.turn("decide") == 1.0
    wake(db)
    with db.write() as tx:
        hold = lanes.take(tx, "decide", "b", LEASE)
    assert hold is not None
    assert at_work.turn("decide") == 1.0
    assert work.holds == []


def test_a_turn_gives_the_lane_back_and_says_when_to_look_again(db: Database, clock: VirtualClock) -> None:
    work = Work(next_due=NOON + timedelta(seconds=0.3))
    at_work = turns(db, clock, work)
    wake(db)
    assert at_work.turn("decide") == 0.0
    assert at_work.turn("decide") == pytest.approx(0.3)
    wake(db, "write")
    at_work.turn("write")
    assert [hold.seconds_left() for hold in work.holds] == [5.0, 60.0], "each lane has its lease"


def test_after_an_error_a_lane_rests_longer_and_longer_whoever_wakes_it(db: Database, clock: VirtualClock) -> None:
    work = Work(error=ZeroDivisionError())
    at_work = turns(db, clock, work)
    wake(db)
    rests: list[float] = []
    for number in range(1, 11):
        rests.append(at_work.turn("decide"))
        assert len(work.holds) == number
        wake(db)
        clock.advance(timedelta(seconds=rests[-1] / 2))
        assert at_work.turn("decide") == pytest.approx(rests[-1] / 2)
        assert len(work.holds) == number, "woken while it rests"
        clock.advance(timedelta(seconds=rests[-1] / 2))
    assert rests == [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    work.error = None
    assert at_work.turn("decide") == 0.0
    work.error = ZeroDivisionError()
    wake(db)
    assert at_work.turn("decide") == 0.5, "one that went well begins anew"


def test_other_processes_may_try_a_lane_that_rests_here(db: Database, clock: VirtualClock) -> None:
    wake(db)
    turns(db, clock, Work(error=ZeroDivisionError())).turn("decide")
    other = Work()
    clock.advance(timedelta(seconds=0.5))
    assert turns(db, clock, other).turn("decide") == 0.0
    assert len(other.holds) == 1


def test_what_does_not_allow_a_drain_ends_it_without_a_rest(db: Database, clock: VirtualClock) -> None:
    asked: list[bool] = []

    def allows(_: Transaction) -> None:
        asked.append(True)
        raise LeaseLost("another configuration is active")

    def drain(hold: LaneHold) -> datetime | None:
        with db.write() as tx:
            hold.confirm(tx)
            raise AssertionError("it went on")

    heart = Heart(db, clock, beat=1)
    at_work = Turns(db, clock, {"decide": drain}, owner="a", heart=heart, metrics=Metrics(), allows=allows)
    wake(db)
    assert at_work.turn("decide") == 0.0
    assert asked == [True]
    assert at_work.turn("decide") == pytest.approx(0.5), "due again soon, here or elsewhere"
