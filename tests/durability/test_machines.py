"""Several machines on one PostgreSQL: lanes of one that is killed move on, one that was paused does not send."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from psycopg import sql
from sqlalchemy import select

from connector.clock import SystemClock, VirtualClock
from connector.domain.model.intent import Intent, Priority, WriteKind
from connector.engines.embedded import Embedded
from connector.engines.turns import LEASE
from connector.observe import Metrics
from connector.simulator.slack import Slack
from connector.store import cursors, lanes, outbox
from connector.store.database import Database
from connector.store.schema import cursor, write
from connector.store.writes import WriteState
from connector.sync.lane import Drain, LaneHold
from tests import stores
from tests.durability import machine
from tests.postgres import server
from tests.unit.samples import NOON, empty_store

pytestmark = pytest.mark.slow

PATIENCE = 60.0
KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="  # of `ring()`


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with stores.on("postgresql"):
        yield empty_store(tmp_path, VirtualClock(NOON)).url


@contextmanager
def another(*words: str) -> Iterator[subprocess.Popen[str]]:
    """A process of `machine`; killed at the end, whatever became of it."""
    command = [sys.executable, "-m", "tests.durability.machine", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def says(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def server_time() -> datetime:
    (row,) = server().run(sql.SQL("SELECT clock_timestamp()"))
    assert isinstance(row[0], datetime)
    return row[0]


def test_the_lane_of_a_killed_process_moves_within_two_leases(url: str) -> None:
    """With wake-ups coming in meanwhile and a timer pending, by the clock of the database."""
    others = [machine.open_store(url, KEY) for _ in range(2)]

    def take_over(db: Database) -> Drain:
        def drain(hold: LaneHold) -> datetime | None:
            with db.write() as tx:
                hold.confirm(tx)
                if cursors.get(tx, "taken over") is None:
                    cursors.move(tx, "taken over", hold.hold.owner)
                    taken.set()
                return tx.now + timedelta(hours=1)

        return drain

    taken = threading.Event()
    with another("stall", url, KEY) as holder:
        assert says(holder) == "holds"
        engines = [
            Embedded(db, db.clock, {"decide": take_over(db)}, owner=f"machine {number}", metrics=Metrics())
            for number, db in enumerate(others)
        ]
        for each in engines:
            each.start()
        with others[0].write() as tx:
            tx.wake("decide", tx.now + timedelta(hours=2))
        holder.kill()
        holder.wait()
        killed_at = server_time()
        deadline = time.monotonic() + PATIENCE
        while not taken.wait(0.1):
            assert time.monotonic() < deadline, "nobody took the lane over"
            with others[0].write() as tx:
                tx.wake("decide")
    for each in engines:
        assert each.stop()
    with others[0].read() as tx:
        moved_at: datetime = tx.execute(select(cursor.c.moved_at)).scalar_one()
        assert lanes.owners(tx) == {}
        due_at = lanes.due_at(tx, "decide")
        assert due_at is not None, "the timer is still there"
    for db in others:
        db.close()
    took = moved_at - killed_at
    moved, most = took.total_seconds(), 2 * LEASE.total_seconds()
    sys.stdout.write(f"the lane moved {moved:.1f} s after the kill; two leases are {most:.0f} s ")
    assert took <= 2 * LEASE


def test_a_process_that_slept_through_its_lease_wakes_up_and_does_not_send(url: str) -> None:
    chat, db = Slack(SystemClock()), machine.open_store(url, KEY)
    base_url = chat.start()
    now = SystemClock().now()
    alert = Intent(
        key="a1",
        account="slack:default",
        kind=WriteKind.ALERT,
        object="alert/1",
        fields={"channel": "#csat-ops", "text": "Ada is unhappy"},
        cause_at=now,
        not_before=now,
        give_up_at=now + timedelta(days=1),
        priority=Priority.RECOVERY,
    )
    lane, _ = machine.write_lane(db, base_url)
    with another("sleep", url, KEY, base_url) as sleeper:
        assert says(sleeper) == "idle"
        with db.write() as tx:
            outbox.plan(tx, [alert])
        assert says(sleeper) == "written down"
        lease = machine.LEASE
        successor = Embedded(db, db.clock, {lane.name: lane.drain}, owner="awake", metrics=Metrics(), lease=lease)
        successor.start()
        deadline = time.monotonic() + PATIENCE
        while state_of_write(db) is not WriteState.IN_DOUBT:
            assert time.monotonic() < deadline, "nobody took the lane over"
            time.sleep(0.05)
        sleeper.send_signal(signal.SIGCONT)
        assert says(sleeper) == "lost its lease"
    assert successor.stop()
    assert state_of_write(db) is WriteState.IN_DOUBT
    db.close()
    chat.stop()
    assert [entry.path for entry in chat.site.requests.writes()] == []


def state_of_write(db: Database) -> WriteState:
    with db.read() as tx:
        return WriteState(tx.execute(select(write.c.state)).scalar_one())
