"""The fence between a lane's lease and the socket.

No vendor can be fenced: a process that slept through its lease must not wake up into a send. The lane that holds the
lease says so here, in the context of its thread, and the client asks before every write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from connector.errors import LeaseLost

MARGIN = 2.0
"""Seconds kept between the latest end of a call and the end of the lease, for the receipt's transaction."""


@dataclass(slots=True)
class Fence:
    """A lease in force. `let_out`: a write has started under it, so that something may have left."""

    seconds_left: Callable[[], float]
    let_out: bool = False


_fence: ContextVar[Fence | None] = ContextVar("fence", default=None)


@contextmanager
def fence(seconds_left: Callable[[], float]) -> Iterator[Fence]:
    """While the block runs, no write starts that might outlive the lease. `seconds_left` reads a monotonic clock."""
    mark = _fence.set(made := Fence(seconds_left))
    try:
        yield made
    finally:
        _fence.reset(mark)


def check(patience: float) -> None:
    """Raise LeaseLost when the lease in force ends before `patience` seconds and the margin passed."""
    standing = _fence.get()
    if standing is None:
        return
    left = standing.seconds_left()
    if left < patience + MARGIN:
        raise LeaseLost(f"{left:.1f} s of lease left, a write may take {patience:.1f} s")
    standing.let_out = True
