"""The one clock. Nothing else in the package asks the operating system for the time."""

from __future__ import annotations

import mmap
import os
import struct
import threading
import time
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final, Protocol
from zoneinfo import available_timezones

SHARED: Final = "CONNECTOR_CLOCK"
"""The environment variable that names the file of a `SharedClock`, for a rehearsal of days in minutes."""


class Clock(Protocol):
    """What time it is, for events (`now`) and for measuring intervals (`monotonic`)."""

    def now(self) -> datetime:
        """The current instant, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never goes backwards; only differences mean anything."""
        ...

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait until `event` is set or `seconds` passed; True when it was set."""
        ...


class SystemClock:
    """The operating system's clocks."""

    def now(self) -> datetime:
        """The current instant, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since an arbitrary point."""
        return time.monotonic()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Block the calling thread until `event` is set or `seconds` passed."""
        return event.wait(seconds)


class VirtualClock:
    """A clock that moves only when told to, for tests and simulations. Thread-safe."""

    def __init__(self, start: datetime) -> None:
        self._now = start.astimezone(UTC)
        self._elapsed = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The current virtual instant."""
        with self._lock:
            return self._now

    def monotonic(self) -> float:
        """Virtual seconds advanced so far."""
        with self._lock:
            return self._elapsed

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Advance virtual time instead of blocking."""
        if event.is_set():
            return True
        self.advance(timedelta(seconds=max(seconds, 0)))
        return event.is_set()

    def advance(self, step: timedelta) -> None:
        """Move both readings forward by `step`."""
        with self._lock:
            self._now += step
            self._elapsed += step.total_seconds()


class SharedClock:
    """The operating system's clocks moved forward, alike in every process that maps the same file.

    Whoever plays a story in compressed time advances it; everything that lives by the clock (leases, tokens, waits for
    a quota, windows of signatures, deadlines) sees the time pass. The file holds how many seconds it is ahead.
    """

    _AHEAD = struct.Struct("=d")
    _LOOK = 0.02

    def __init__(self, file: Path) -> None:
        if not file.exists():
            file.write_bytes(self._AHEAD.pack(0.0))
        with file.open("r+b") as opened:
            self._map = mmap.mmap(opened.fileno(), self._AHEAD.size)
        self._began = self._ahead()

    @classmethod
    def starting(cls, file: Path, start: datetime) -> SharedClock:
        """A new one that shows `start` now."""
        file.write_bytes(cls._AHEAD.pack((start - datetime.now(UTC)).total_seconds()))
        return cls(file)

    def now(self) -> datetime:
        """The current instant of the story."""
        return datetime.now(UTC) + timedelta(seconds=self._ahead())

    def monotonic(self) -> float:
        """Seconds since an arbitrary point; how far the story has come since counts."""
        return time.monotonic() + self._ahead() - self._began

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Block until `event` is set or `seconds` of the story passed."""
        until = self.monotonic() + seconds
        while not event.is_set():
            left = until - self.monotonic()
            if left <= 0:
                return False
            event.wait(min(left, self._LOOK))
        return True

    def advance(self, step: timedelta) -> None:
        """Let so much of the story pass, in every process."""
        self._map[:] = self._AHEAD.pack(self._ahead() + step.total_seconds())

    def _ahead(self) -> float:
        found: float = self._AHEAD.unpack(self._map[:])[0]
        return found


def running_clock() -> Clock:
    """The clock of this process: the system's, or the shared one that the environment names."""
    file = os.environ.get(SHARED)
    return SharedClock(Path(file)) if file else SystemClock()


@cache
def time_zones() -> frozenset[str]:
    """The names of the time zones there are. Finding them opens six hundred files, so it is done once in a process."""
    return frozenset(available_timezones())
