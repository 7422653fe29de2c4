"""A machine that shares a store with others: run as a process of its own, with what is to happen to it.

    python -m tests.durability.machine stall URL KEY           takes the lane `decide` and never gives it back
    python -m tests.durability.machine sleep URL KEY SLACK     stops itself (SIGSTOP) between writing down and sending

Each says in a line what it has come to.
"""

from __future__ import annotations

import signal
import sys
import threading
from datetime import datetime, timedelta

import structlog

from connector.adapters.slack import Options, Slack
from connector.clock import SystemClock
from connector.engines.embedded import Embedded
from connector.errors import LeaseLost
from connector.observe import Metrics
from connector.secret import Secret
from connector.simulator import slack
from connector.store.database import Database
from connector.store.keyring import KeyRing
from connector.store.server_clock import ServerClock
from connector.sync.lane import LaneHold
from connector.sync.outlet import Limits
from connector.sync.write import WriteLane
from connector.testing.world import Mortal
from connector.transport import client
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit

LEASE = timedelta(seconds=4)
SOON = 0.3  # instead of the five seconds a vendor may take to be reached: the lease of a test must not last a minute


def open_store(url: str, key: str) -> Database:
    return Database(url, KeyRing([Secret(key)]), ServerClock(SystemClock()))


def write_lane(db: Database, base_url: str) -> tuple[WriteLane, Mortal]:
    client.CONNECT = SOON
    options = Options(token=Secret(slack.TOKEN), base_url=base_url, timeout=SOON)
    writer = Mortal(Slack("chat", options, Kit(clock=db.clock, token_store=MemoryTokens(db.clock))))
    limits = Limits(parallel=1, timeout=timedelta(seconds=client.patience(SOON)))
    lane = WriteLane(db, writer, db.clock, limits, live=True, notify_operators=_to_nobody, on_settled=_to_nobody)
    return lane, writer


def _to_nobody(*_: object) -> None:
    """Nobody waits for it."""


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def _stall(url: str, key: str) -> None:
    def hold_on(hold: LaneHold) -> datetime | None:
        _say("holds")
        threading.Event().wait()
        return None

    db = open_store(url, key)
    Embedded(db, db.clock, {"decide": hold_on}, owner="killed", metrics=Metrics()).start()
    threading.Event().wait()


def _sleep(url: str, key: str, base_url: str) -> None:
    db = open_store(url, key)
    lane, writer = write_lane(db, base_url)

    def fall_asleep() -> None:
        _say("written down")
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)  # this thread first, so that it goes no further

    def drain(hold: LaneHold) -> datetime | None:
        try:
            due = lane.drain(hold)
        except LeaseLost:
            _say("lost its lease")
            raise
        _say("idle")
        return due

    writer.before_send = fall_asleep
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    Embedded(db, db.clock, {lane.name: drain}, owner="asleep", metrics=Metrics(), lease=LEASE).start()
    threading.Event().wait()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["stall", url, key]:
            _stall(url, key)
        case ["sleep", url, key, base_url]:
            _sleep(url, key, base_url)
