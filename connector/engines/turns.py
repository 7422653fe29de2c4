"""One turn of a lane: take it if it is due, drain it under a lease that is renewed meanwhile, give it back."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from connector.clock import Clock
from connector.engines.heart import Heart
from connector.errors import ConnectorError, LeaseLost
from connector.observe import Metrics, correlate, log
from connector.store import lanes
from connector.store.database import Database, Transaction
from connector.store.lanes import Hold
from connector.sync.lane import Drain, LaneHold

TICK: Final = 1.0
"""Seconds after which a lane is looked at without having been woken."""

LEASE: Final = timedelta(seconds=5)
"""How long a lane stays with a holder that died. Renewed while its drain runs."""

_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 60.0
_FASTER: Final = 0.1  # seconds until a lane that somebody else took is looked at again

Allows = Callable[[Transaction], None]
"""Asked in every transaction of a drain that changes something; raises LeaseLost when the drain must end."""


def always(_: Transaction) -> None:
    """Nothing but the lease ends a drain."""


class Turns:
    """Gives lanes their turns, one at a time or in several threads.

    Args:
        db: the store the lanes live in.
        clock: measures leases and pauses.
        drains: what to call for each lane, by name.
        owner: tells this process from others in the lane rows.
        heart: renews the leases while drains run.
        lease: of a lane that `leases` does not name.
        leases: longer ones, for lanes whose calls take longer than `lease` (see `connector.transport.lease`).
        metrics: counts the drains that crashed.
        allows: what may end a drain besides its lease.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        drains: Mapping[str, Drain],
        *,
        owner: str,
        heart: Heart,
        metrics: Metrics,
        lease: timedelta = LEASE,
        leases: Mapping[str, timedelta] | None = None,
        allows: Allows = always,
    ) -> None:
        self._db = db
        self._clock = clock
        self._drains = dict(drains)
        self._owner = owner
        self._heart = heart
        self._leases = {name: (leases or {}).get(name, lease) for name in drains}
        self._metrics = metrics
        self._allows = allows
        self._failures: dict[str, int] = {}
        self._rests_until: dict[str, float] = {}

    def turn(self, name: str) -> float:
        """Drain a lane once if it is due; returns the seconds after which to look again, 0 for at once.

        A drain that raises is reported, and its lane rests here: half a second, doubling, at most a minute.
        """
        rest = self._rests_until.get(name, 0.0) - self._clock.monotonic()
        if rest > 0:
            return rest
        try:
            pause = self._turn(name)
        except Exception as error:  # noqa: BLE001  # the lane loop: one bad drain must not end a lane for good
            failures = self._failures[name] = self._failures.get(name, 0) + 1
            self._report(name, error)
            rest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(failures - 1, 10))
            self._rests_until[name] = self._clock.monotonic() + rest
            return rest
        self._failures.pop(name, None)
        return pause

    def _turn(self, name: str) -> float:
        with self._db.read() as tx:
            due_at = lanes.due_at(tx, name)
            pause = TICK if due_at is None else min(TICK, (due_at - tx.now).total_seconds())
        if pause > 0:
            return pause
        lease = self._leases[name]
        asked_at = self._clock.monotonic()
        with self._db.write() as tx:
            hold = lanes.take(tx, name, self._owner, lease)
        if hold is None:
            return _FASTER
        self._drain(_Held(hold, self._clock, self._allows, asked_at=asked_at, lease=lease.total_seconds()), lease)
        return 0.0

    def _drain(self, held: LaneHold, lease: timedelta) -> None:
        name = held.hold.name
        next_due: datetime | None = self._clock.now() + timedelta(seconds=_FIRST_PAUSE)
        try:
            with self._heart.renewing(held, lease), correlate(lane=name):
                next_due = self._drains[name](held)
        except LeaseLost as error:
            log("engines").info("lease_lost", lane=name, reason=str(error))
        finally:
            # Also after a crash: the lane is given back to be tried again soon, here or by another process.
            with self._db.write() as tx:
                lanes.finish(tx, held.hold, next_due)

    def _report(self, name: str, error: Exception) -> None:
        # Only our own errors promise to hold no personal data; of the others the place says enough.
        words = str(error) if isinstance(error, ConnectorError) else None
        place = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[-3:]]
        log("engines").error("drain_crashed", lane=name, error=type(error).__name__, reason=words, place=place)
        self._metrics.count("lane_errors_total", lane=name)


class _Held(LaneHold):
    """A lane whose drain goes on only while `allows` does not object."""

    def __init__(self, hold: Hold, clock: Clock, allows: Allows, *, asked_at: float, lease: float) -> None:
        super().__init__(hold, clock, asked_at=asked_at, lease=lease)
        self._allows = allows

    def confirm(self, tx: Transaction) -> None:
        """As any hold does, and ask whether the drain may go on."""
        super().confirm(tx)
        self._allows(tx)
