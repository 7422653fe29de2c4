"""Two processes on one store never exceed one vendor's quota between them, though its replies overtake each other."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from connector.clock import SystemClock, VirtualClock
from connector.simulator.parts import Window
from connector.store import quotas
from connector.store.database import Database
from connector.sync.quota import UNLIMITED, Readings, grant
from connector.transport.client import QuotaReading
from tests.unit.samples import NOON, empty_store, ring

pytestmark = pytest.mark.both_stores

LIMIT, SECONDS, ROUNDS = 10, 1, 40


class Vendor:
    """Counts calls in windows, and what was called although nothing was left."""

    def __init__(self) -> None:
        self.window = Window(LIMIT, SECONDS)
        self.made = self.refused = 0
        self._lock = threading.Lock()

    def call(self, now: datetime) -> QuotaReading:
        with self._lock:
            if self.window.spend(now):
                self.made += 1
            else:
                self.refused += 1
            resets_at = now + timedelta(seconds=self.window.resets_in(now))
            left = self.window.remaining(now)
        return QuotaReading(endpoint_class="api", remaining=left, limit=LIMIT, resets_at=resets_at)


def test_two_processes_never_exceed_one_quota_between_them(tmp_path: Path) -> None:
    clock, vendor = SystemClock(), Vendor()
    first = empty_store(tmp_path, clock)
    with first.write() as tx:
        readings = Readings()
        readings.note("desk", vendor.call(clock.now()))
        readings.flush(tx, "desk")

    def work(db: Database) -> None:
        mine, rounds = Readings(), 0
        while rounds < ROUNDS:
            with db.write() as tx:
                mine.flush(tx, "desk")
                allowed = grant(quotas.of(tx, "desk")["api"], share=1, now=tx.now)
                calls = min(allowed.calls, 4)
                quotas.spend(tx, "desk", "api", calls) if calls else None
            if not calls:
                clock.wait(threading.Event(), 0.02)
            for _ in range(calls):
                mine.note("desk", vendor.call(clock.now()))
            rounds += calls

    threads = [threading.Thread(target=work, args=(Database(first.url, ring(), clock),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert vendor.refused == 0
    assert vendor.made > 2 * ROUNDS


@pytest.fixture
def db(tmp_path: Path) -> Database:
    return empty_store(tmp_path, VirtualClock(NOON))


def read(db: Database, *, remaining: int | None, seconds: float | None = 10) -> None:
    resets_at = None if seconds is None else db.clock.now() + timedelta(seconds=seconds)
    with db.write() as tx:
        quotas.read(tx, "desk", "api", remaining=remaining, capacity=10, resets_at=resets_at)


def left(db: Database) -> int:
    with db.read() as tx:
        return grant(quotas.of(tx, "desk").get("api"), share=1, now=tx.now).calls


def test_a_reply_raises_what_is_left_only_once_the_window_is_over(db: Database) -> None:
    assert isinstance(db.clock, VirtualClock)
    assert left(db) == UNLIMITED, "nobody said anything yet"
    read(db, remaining=8)
    with db.write() as tx:
        quotas.spend(tx, "desk", "api", 3)
    read(db, remaining=7)
    assert left(db) == 5, "the reply was given before three calls that are on their way"
    read(db, remaining=2)
    assert left(db) == 2, "somebody else uses the account, too"
    db.clock.advance(timedelta(seconds=10))
    assert left(db) == 10, "the next window has what every window has"
    with db.write() as tx:
        quotas.spend(tx, "desk", "api", 4)
    assert left(db) == 6
    read(db, remaining=9, seconds=5)
    assert left(db) == 6
    db.clock.advance(timedelta(seconds=5))
    read(db, remaining=9)
    assert left(db) == 9
