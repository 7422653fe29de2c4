"""Lanes as a state machine: two owners, wake-ups at any moment, expiring leases; and the sentences that matter most."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from connector.clock import VirtualClock
from connector.secret import Secret
from connector.store import lanes
from connector.store.database import Database
from connector.store.keyring import KeyRing
from connector.store.lanes import Hold

pytestmark = pytest.mark.slow  # `make quick` leaves it to `make test`

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
LEASE = timedelta(seconds=5)
KEY = Secret(KeyRing.generate())


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START)


@pytest.fixture
def db(tmp_path: Path, clock: VirtualClock) -> Database:
    return Database(f"sqlite:///{tmp_path}/store.db", KeyRing([KEY]), clock).create()


def wake(db: Database, at: datetime | None = None) -> None:
    with db.write() as tx:
        tx.wake("decide", at)


def take(db: Database, owner: str = "a") -> Hold | None:
    with db.write() as tx:
        return lanes.take(tx, "decide", owner, LEASE)


def taken(db: Database, owner: str = "a") -> Hold:
    hold = take(db, owner)
    assert hold is not None
    return hold


def finish(db: Database, hold: Hold, next_due: datetime | None = None) -> bool:
    with db.write() as tx:
        return lanes.finish(tx, hold, next_due)


def test_a_lane_nobody_woke_is_not_due(db: Database) -> None:
    assert take(db) is None


def test_a_woken_lane_is_taken_once(db: Database) -> None:
    wake(db)
    assert taken(db, "a").epoch == 1
    assert take(db, "b") is None
    assert take(db, "a") is None


def test_a_finished_lane_rests_until_woken(db: Database) -> None:
    wake(db)
    assert finish(db, taken(db))
    assert take(db) is None
    wake(db)
    assert taken(db).epoch == 2


def test_a_wake_up_during_the_drain_makes_it_due_again(db: Database) -> None:
    wake(db)
    hold = taken(db)
    wake(db)
    finish(db, hold)
    assert take(db) is not None


def test_a_timer_set_during_the_drain_survives_a_later_next_due(db: Database, clock: VirtualClock) -> None:
    wake(db)
    hold = taken(db)
    wake(db, START + timedelta(seconds=10))
    finish(db, hold, START + timedelta(hours=1))
    assert take(db) is None
    clock.advance(timedelta(seconds=10))
    assert take(db) is not None


def test_of_two_timers_the_earlier_wins_in_either_order(db: Database) -> None:
    for first, second in ((60, 30), (30, 60)):
        wake(db)
        finish(db, taken(db))
        wake(db, START + timedelta(seconds=first))
        wake(db, START + timedelta(seconds=second))
        with db.read() as tx:
            assert lanes.due_at(tx, "decide") == START + timedelta(seconds=30)


def test_an_expired_lease_is_taken_over_and_the_late_holder_can_do_nothing(db: Database, clock: VirtualClock) -> None:
    wake(db)
    late = taken(db, "a")
    clock.advance(LEASE)
    with db.write() as tx:
        assert not lanes.holds(tx, late)
        assert lanes.renew(tx, late, LEASE) is None
    successor = taken(db, "b")
    assert successor.epoch == late.epoch + 1
    assert not finish(db, late)
    with db.write() as tx:
        assert lanes.holds(tx, successor)


def test_a_renewed_lease_is_not_taken_over(db: Database, clock: VirtualClock) -> None:
    wake(db)
    hold = taken(db, "a")
    clock.advance(timedelta(seconds=4))
    with db.write() as tx:
        hold_again = lanes.renew(tx, hold, LEASE)
    assert hold_again is not None
    assert hold_again.lease_until == START + timedelta(seconds=9)
    clock.advance(timedelta(seconds=4))
    assert take(db, "b") is None
    assert finish(db, hold)


def test_the_same_owner_restarted_is_another_holder(db: Database, clock: VirtualClock) -> None:
    wake(db)
    before = taken(db, "a")
    clock.advance(LEASE)
    after = taken(db, "a")
    with db.write() as tx:
        assert not lanes.holds(tx, before)
        assert lanes.holds(tx, after)


def test_a_dead_owner_is_not_waited_for_and_a_living_one_keeps_its_lane(db: Database) -> None:
    wake(db)
    hold = taken(db, "dead")
    with db.write() as tx:
        assert lanes.owners(tx) == {"decide": "dead"}
        lanes.abandon(tx, "decide", "somebody else")
    assert take(db, "b") is None
    db.bell("decide").clear()
    with db.write() as tx:
        lanes.abandon(tx, "decide", "dead")
    assert db.bell("decide").is_set()
    assert taken(db, "b").epoch == hold.epoch + 1


class LaneMachine(RuleBasedStateMachine):
    """Two owners and any interleaving; the model is what a lane promises, in plain Python."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = VirtualClock(START)
        self.db = Database(f"sqlite:///{self.folder.name}/store.db", KeyRing([KEY]), self.clock).create()
        self.holds: dict[str, Hold] = {}
        self.work = 0  # announced and not yet seen by a drain that finished
        self.seen: dict[str, int] = {}
        self.timer: datetime | None = None
        self.holder: str | None = None
        self.lease_until = START
        self.epoch = 0

    def teardown(self) -> None:
        self.db.close()
        self.folder.cleanup()

    @rule()
    def wake_now(self) -> None:
        wake(self.db)
        self.work += 1

    @rule(seconds=st.integers(1, 12))
    def wake_later(self, seconds: int) -> None:
        at = self.clock.now() + timedelta(seconds=seconds)
        wake(self.db, at)
        self.timer = min(self.timer, at) if self.timer else at

    @rule(seconds=st.none() | st.integers(1, 12))
    def wake_and_undo(self, seconds: int | None) -> None:
        """The transaction that announces work comes to nothing, and so does the announcement."""
        with suppress(ZeroDivisionError), self.db.write() as tx:
            tx.wake("decide", None if seconds is None else self.clock.now() + timedelta(seconds=seconds))
            raise ZeroDivisionError

    @precondition(lambda self: self.holds)
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        """A process is gone without a word; its lease runs on, and its name may come back with another."""
        del self.holds[data.draw(st.sampled_from(sorted(self.holds)))]

    @rule(owner=st.sampled_from(["a", "b", "c"]))
    def learn_that_an_owner_is_dead(self, owner: str) -> None:
        """Its successor on the same machine ends its lease, though it may hold a lane by now that is not that one."""
        with self.db.write() as tx:
            lanes.abandon(tx, "decide", owner)
        if self.holder == owner:
            self.lease_until = self.clock.now()
            self.work += 1

    @rule(seconds=st.integers(1, 7))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    @rule(owner=st.sampled_from(["a", "b"]))
    def try_to_take(self, owner: str) -> None:
        now = self.clock.now()
        due = self.work > 0 or (self.timer is not None and self.timer <= now)
        expected = self.lease_until <= now if self.holder else due
        hold = take(self.db, owner)
        assert (hold is not None) == expected
        if hold is not None:
            self.epoch += 1
            assert hold.epoch == self.epoch
            self.holds[owner] = hold
            self.seen[owner] = self.work
            self.holder, self.lease_until, self.timer = owner, hold.lease_until, None

    @precondition(lambda self: self.holds)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        owner = data.draw(st.sampled_from(sorted(self.holds)))
        with self.db.write() as tx:
            renewed = lanes.renew(tx, self.holds[owner], LEASE)
        assert (renewed is not None) == self.is_live(owner)
        if renewed is not None:
            self.lease_until = renewed.lease_until

    @precondition(lambda self: self.holds)
    @rule(data=st.data(), seconds=st.none() | st.integers(0, 12))
    def finish(self, data: st.DataObject, seconds: int | None) -> None:
        owner = data.draw(st.sampled_from(sorted(self.holds)))
        next_due = None if seconds is None else self.clock.now() + timedelta(seconds=seconds)
        hold = self.holds.pop(owner)
        is_current = self.holder == owner and hold.epoch == self.epoch
        assert finish(self.db, hold, next_due) == is_current
        if is_current:
            self.work -= self.seen[owner]
            self.holder = None
            if next_due:
                self.timer = min(self.timer, next_due) if self.timer else next_due

    def is_live(self, owner: str) -> bool:
        current = self.holder == owner and self.holds[owner].epoch == self.epoch
        return current and self.lease_until > self.clock.now()

    @invariant()
    def exactly_the_live_holder_holds(self) -> None:
        with self.db.write() as tx:
            assert {owner for owner, hold in self.holds.items() if lanes.holds(tx, hold)} == {
                owner for owner in self.holds if self.is_live(owner)
            }

    @invariant()
    def announced_work_is_never_lost(self) -> None:
        with self.db.read() as tx:
            due_at = lanes.due_at(tx, "decide")
        if self.holder is None and self.work:
            assert due_at is not None
            assert due_at <= self.clock.now()
        elif self.holder is None:
            assert due_at == self.timer


TestLaneMachine = LaneMachine.TestCase
TestLaneMachine.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
