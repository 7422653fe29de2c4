"""Who is told to erase, and carrying an erasure out from a command, beside a running daemon or without one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from connector.clock import Clock
from connector.config import Loaded
from connector.store import erasures, lanes, subjects
from connector.store.database import Database
from connector.store.erasures import Erasure, State
from connector.store.receipts import lane_of
from connector.sync.erasing import LANE, ErasureLane
from connector.sync.lane import LaneHold
from connector.sync.settled import settled
from connector.sync.write import WriteLane
from connector.transport.kit import Kit
from connector.wiring.adapters import Adapters, make_adapters
from connector.wiring.lanes import erasers_of, notifying
from connector.wiring.process import is_dead, process_name, tokens_of
from connector.wiring.settings import settings_with
from connector.wiring.workshop import limits_of

LEASE = timedelta(minutes=3)
"""How long a command may be silent before a daemon goes on with its work."""
PAUSE = 0.5


class Errand:
    """Carries erasures out in this process. It calls other systems in observe mode too: somebody asked for just that.

    Raises:
        ConfigError: an adapter cannot be made.
    """

    def __init__(self, loaded: Loaded, db: Database, clock: Clock, *, skip: frozenset[str] = frozenset()) -> None:
        self._db = db
        self._clock = clock
        kit = Kit(clock=clock, token_store=tokens_of(db), read_only=False)
        adapters: Adapters = make_adapters(loaded.config, kit)
        self._lane = ErasureLane(db=db, erasers=erasers_of(loaded, adapters), skip=skip)
        self._writers = _write_lanes(loaded, adapters, db, clock)

    @property
    def erasers(self) -> list[str]:
        """Who is told."""
        return [one.account for one in self._lane.erasers]

    def run(self, erasure_id: int, *, seconds: float, say: Callable[[str], None]) -> Erasure:
        """Work on it, or watch the daemon do so, until it is done or `seconds` are over. Safe to repeat."""
        self._take_over()
        said, deadline = "", self._clock.monotonic() + seconds
        while True:
            self._turn(LANE, self._lane.drain)
            with self._db.read() as tx:
                one = erasures.get(tx, erasure_id)
                under_way = subjects.open_writes(tx, one.known) if one.state is State.SETTLING else {}
            if one.state is State.DONE or self._clock.monotonic() > deadline:
                return one
            if one.waits_for and one.waits_for != said:
                said = one.waits_for
                say(said)
            for account in under_way:
                if account in self._writers:
                    self._turn(lane_of(account), self._writers[account].settle, again=True)
            self._clock.wait(threading.Event(), PAUSE)

    def _take_over(self) -> None:
        with self._db.write() as tx:
            owner = lanes.owners(tx).get(LANE)
            if owner is not None and is_dead(owner, is_shared=self._db.is_server):
                lanes.abandon(tx, LANE, owner)

    def _turn(self, name: str, drain: Callable[[LaneHold], datetime | None], *, again: bool = False) -> None:
        """Drain a lane once, if it is due and nobody else has it; `again`: it stays due for who drains all of it."""
        asked_at = self._clock.monotonic()
        with self._db.write() as tx:
            hold = lanes.take(tx, name, process_name(), LEASE)
        if hold is None:
            return
        due: datetime | None = self._clock.now()
        try:
            due = drain(LaneHold(hold, self._clock, asked_at=asked_at, lease=LEASE.total_seconds()))
        finally:
            with self._db.write() as tx:
                lanes.finish(tx, hold, due)
                if again:
                    tx.wake(name)


def _write_lanes(loaded: Loaded, adapters: Adapters, db: Database, clock: Clock) -> dict[str, WriteLane]:
    """Write lanes that find out what became of requests under way, and send nothing."""
    settings = settings_with(loaded, adapters)
    return {
        writer.account: WriteLane(
            db,
            writer,
            clock,
            limits_of(loaded.config, name, writer.promises),
            live=False,
            notify_operators=notifying(settings),
            on_settled=settled,
        )
        for name, writer in adapters.writers.items()
    }
