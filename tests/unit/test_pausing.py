"""A connection an operator paused is left alone, and goes on where it was."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from connector.clock import VirtualClock
from connector.domain.model.intent import IntentState
from connector.store import accounts, inbox, pauses
from connector.store.database import Database
from connector.store.inbox import Arrival
from connector.sync.lane import LaneHold
from connector.sync.pausing import LOOK, unless_paused
from connector.testing.twin import Fault, Trouble
from tests.durability.bench import ACCOUNT, Bench, intent
from tests.unit.deciding import take_lane
from tests.unit.samples import NOON, empty_store

pytestmark = pytest.mark.both_stores


def pause(db: Database, connection: str = "twin", account: str | None = ACCOUNT) -> None:
    with db.write() as tx:
        assert pauses.begin(tx, connection, account)


def resume(db: Database, connection: str = "twin") -> None:
    with db.write() as tx:
        assert pauses.end(tx, connection)


def test_nothing_is_sent_or_asked_while_paused_and_everything_after(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.twin.faults.append(Fault(trouble=Trouble.LOST_BEFORE))
    bench.plan(intent("doubtful"))
    bench.drain()
    assert bench.state("doubtful") is IntentState.IN_DOUBT
    pause(bench.db)
    bench.plan(intent("k2", object="recovery/2/ticket/1"))
    calls = (len(bench.twin.requests), len(bench.twin.questions))
    for _ in range(100):
        at = bench.drain()
        assert at == bench.clock.now() + LOOK, "it looks again soon"
        bench.clock.advance(timedelta(seconds=30))
    assert (len(bench.twin.requests), len(bench.twin.questions)) == calls, "neither writes nor questions nor probes"
    assert bench.told == []
    bench.restart()
    bench.drain()
    assert (len(bench.twin.requests), len(bench.twin.questions)) == calls, "a restart changes nothing about it"
    resume(bench.db)
    bench.run()
    assert {bench.state("doubtful"), bench.state("k2")} == {IntentState.CONFIRMED}


def test_a_pause_is_no_refusal_of_credentials(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    pause(bench.db)
    with bench.db.write() as tx:
        assert accounts.paused(tx, ACCOUNT) is None
        assert not pauses.begin(tx, "twin", ACCOUNT), "paused once"
        assert [one.connection for one in pauses.listed(tx)] == ["twin"]
        assert not pauses.end(tx, "another")


def test_a_paused_connection_stays_so_when_its_account_changes(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    pause(bench.db, account="twin:before")
    pause(bench.db, connection="gone", account="twin:gone")
    bench.plan(intent())
    with bench.db.write() as tx:
        pauses.follow(tx, {"twin": ACCOUNT, "another": "twin:another"})
        assert {(one.connection, one.account) for one in pauses.listed(tx)} == {
            ("twin", ACCOUNT),
            ("gone", "twin:gone"),
        }
    bench.drain()
    assert bench.state() is IntentState.PLANNED
    resume(bench.db)
    bench.run()
    assert bench.state() is IntentState.CONFIRMED


@pytest.fixture
def db(tmp_path: Path) -> Database:
    return empty_store(tmp_path, VirtualClock(NOON))


def test_what_a_paused_source_delivers_is_kept_and_read_later(db: Database) -> None:
    def arrival(connection: str) -> Arrival:
        return Arrival(connection=connection, kind="typeform", payload=connection.encode(), received_at=NOON)

    pause(db, "forms", None)
    with db.write() as tx:
        assert inbox.add(tx, [arrival("forms"), arrival("others")]).new == 2
        assert [one.connection for one in inbox.due(tx, 10)] == ["others"]
    resume(db, "forms")
    with db.read() as tx:
        assert [one.connection for one in inbox.due(tx, 10)] == ["forms", "others"]
        assert inbox.oldest_due(tx) == NOON


def test_a_lane_that_reads_does_nothing_while_its_connection_is_paused(db: Database) -> None:
    drained: list[str] = []

    def drain(hold: LaneHold) -> datetime | None:
        drained.append(hold.hold.name)
        return None

    hold = take_lane(db, "poll/x")
    both = [unless_paused(db, name, drain) for name in ("crm", "desk")]
    pause(db, "crm", "salesforce:acme")
    assert [one(hold) for one in both] == [NOON + LOOK, None]
    assert drained == ["poll/x"]
