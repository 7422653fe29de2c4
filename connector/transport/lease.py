"""The fence between a lane's lease and the socket.

No vendor can be fenced: a process that slept through its lease must not wake up into a send. The lane that holds the
lease says so here, in the context of its thread, and the client asks before every write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from connector.errors import LeaseLost

MARGIN = 2.0
"""Seconds kept between the latest end of a call and the end of the lease, for the receipt's transaction."""

_seconds_left: ContextVar[Callable[[], float] | None] = ContextVar("seconds_left", default=None)


@contextmanager
def fence(seconds_left: Callable[[], float]) -> Iterator[None]:
    """While the block runs, no write starts that might outlive the lease. `seconds_left` reads a monotonic clock."""
    mark = _seconds_left.set(seconds_left)
    try:
        yield
    finally:
        _seconds_left.reset(mark)


def check(patience: float) -> None:
    """Raise LeaseLost when the lease in force ends before `patience` seconds and the margin passed."""
    seconds_left = _seconds_left.get()
    if seconds_left is None:
        return
    left = seconds_left()
    if left < patience + MARGIN:
        raise LeaseLost(f"{left:.1f} s of lease left, a write may take {patience:.1f} s")
