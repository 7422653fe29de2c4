"""The one clock. Nothing else in the package asks the operating system for the time."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


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
