"""Draining lanes in the calling thread, for a command that has work done: beside a daemon or without one.

The lane rows guard: what a daemon is draining is left to it, what nobody drains is drained here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from connector.clock import Clock
from connector.errors import LeaseLost
from connector.store import lanes
from connector.store.database import Database
from connector.sync.lane import Drain, LaneHold

LEASE: Final = timedelta(seconds=15)
"""Not renewed: a drain lasts about a second. After `kill -9` the lanes wait so long for their next holder."""


class Foreground:
    """Drains lanes in the order given.

    Args:
        db: the store the lanes live in.
        clock: measures leases.
        drains: what to call for each lane, by name.
        owner: tells this process from others in the lane rows.
        lease: how long a lane is taken for; longer than the longest call of a drain that writes.
    """

    def __init__(
        self, db: Database, clock: Clock, drains: Mapping[str, Drain], *, owner: str, lease: timedelta = LEASE
    ) -> None:
        self._db = db
        self._clock = clock
        self._drains = dict(drains)
        self._owner = owner
        self._lease = lease

    def turn(self) -> bool:
        """Drain the first lane that is due, once; False when none is, or others hold them."""
        return any(self._drain(name) for name in self._drains)

    def _drain(self, name: str) -> bool:
        with self._db.read() as tx:
            due_at = lanes.due_at(tx, name)
            if due_at is None or due_at > tx.now:
                return False
        asked_at = self._clock.monotonic()
        with self._db.write() as tx:
            hold = lanes.take(tx, name, self._owner, self._lease)
        if hold is None:
            return False
        held = LaneHold(hold, self._clock, asked_at=asked_at, lease=self._lease.total_seconds())
        next_due: datetime | None = self._clock.now()
        try:
            next_due = self._drains[name](held)
        except LeaseLost:
            return True  # the next holder goes on
        finally:
            with self._db.write() as tx:
                lanes.finish(tx, hold, next_due)
        return True
