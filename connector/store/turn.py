"""A lock that is handed over in the order of asking.

`threading.Lock` lets the thread that gives it back take it again before those who wait have woken up, so that a lane
with one transaction after another would keep everybody else out.
"""

from __future__ import annotations

import threading
from collections import deque
from types import TracebackType


class Turn:
    """A context manager that lets one thread in at a time, first come, first served."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_taken = False
        self._waiting: deque[threading.Lock] = deque()

    def __enter__(self) -> None:
        with self._lock:
            if not self._is_taken:
                self._is_taken = True
                return
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        mine.acquire()  # until the one before hands over

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._is_taken = False
