"""What a drain holds while it works: the lane's lease, measured by this process's own monotonic clock."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Final

from connector.clock import Clock
from connector.errors import ConnectorError, LeaseLost
from connector.store import lanes
from connector.store.database import Transaction
from connector.store.lanes import Hold

POISON: Final = (ConnectorError, ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
"""What one odd record can raise, which is then set aside alone; anything else is a bug of the lane and stops it."""


class LaneHold:
    """A lane in this process's hands, with its fence.

    The store's instants decide between processes; whether *this* one may still act is measured on its monotonic clock,
    read before the lease was asked for, so that a process that was paused, or whose wall clock jumped, errs on the safe
    side.

    Args:
        hold: the lane as `lanes.take` gave it.
        clock: measures the lease.
        asked_at: `clock.monotonic()` before the transaction that took the lane.
        lease: seconds it was taken for.
    """

    def __init__(self, hold: Hold, clock: Clock, *, asked_at: float, lease: float) -> None:
        self.hold = hold
        self._clock = clock
        self._lock = threading.Lock()
        self._ends_at = asked_at + lease

    def extend(self, *, asked_at: float, lease: float) -> None:
        """The lease was renewed by a transaction begun at `asked_at`. The engine calls this while the drain runs."""
        with self._lock:
            self._ends_at = asked_at + lease

    def lose(self) -> None:
        """The lease could not be renewed: nothing may be started under it any more."""
        with self._lock:
            self._ends_at = float("-inf")

    def seconds_left(self) -> float:
        """Seconds until the lease ends; zero or less when it has."""
        with self._lock:
            return self._ends_at - self._clock.monotonic()

    def check(self) -> None:
        """Raise LeaseLost when the lease has ended."""
        if self.seconds_left() <= 0:
            raise LeaseLost(f"the lease of lane {self.hold.name} ended")

    def confirm(self, tx: Transaction) -> None:
        """Raise LeaseLost unless the store agrees, inside the transaction that is about to change something."""
        self.check()
        if not lanes.holds(tx, self.hold):
            raise LeaseLost(f"lane {self.hold.name} belongs to another holder")


Drain = Callable[[LaneHold], datetime | None]
"""Do what is due for about a second and say when to come back; None means only when woken."""
