"""The database's clock, kept going between two looks at it.

On one machine there is one clock. Machines that share a PostgreSQL each have their own, and they differ; leases that
one of them writes and another one reads must not. So a daemon lives by the clock of its database: every transaction
reads it, and in between it goes on as this machine's monotonic clock does.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from connector.clock import Clock

STEP = timedelta(seconds=1)
"""A clock that went back by more than this was put back; less is how two clocks differ, and is waited out."""


class ServerClock:
    """A `Clock` that shows what the database's shows. Until it was told anything, what `local` shows.

    It never runs ahead of the database: an instant it gave is not after what a later transaction reads, so that who
    looks for what is due until `now()` and then for what is due after it misses nothing. Thread-safe.
    """

    def __init__(self, local: Clock) -> None:
        self._local = local
        self._lock = threading.Lock()
        self._read: tuple[datetime, float] | None = None
        self._given: datetime | None = None

    def now(self) -> datetime:
        """The database's current instant, aware, in UTC."""
        with self._lock:
            return self._give()

    def monotonic(self) -> float:
        """This machine's monotonic clock."""
        return self._local.monotonic()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Block the calling thread until `event` is set or `seconds` passed."""
        return self._local.wait(event, seconds)

    def told(self, said: datetime, *, asked_at: float) -> datetime:
        """The database was asked at `asked_at` (monotonic) and said it was `said`. Returns what it is now."""
        with self._lock:
            here = self._local.monotonic()
            # It looked between the question and now: what is shown is moved no further than that proves it wrong.
            earliest, latest = said, said + timedelta(seconds=here - asked_at)
            shown = earliest if self._read is None else self._shown(here)
            self._read = (min(max(shown, earliest), latest), here)
            return self._give()

    def _shown(self, here: float) -> datetime:
        assert self._read is not None
        instant, at = self._read
        return instant + timedelta(seconds=here - at)

    def _give(self) -> datetime:
        if self._read is None:
            return self._local.now()
        shown = self._shown(self._local.monotonic())
        if self._given is None or not timedelta() < self._given - shown <= STEP:
            self._given = shown
        return self._given
