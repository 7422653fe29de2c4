"""Where a process can die: before and after every commit of a store, every HTTP request and every HTTP answer.

No line of the connector is marked. What is counted is what the libraries below it do: SQLAlchemy's `do_commit`, the
trace of httpcore, the two callables of an ASGI application. So a commit or a call that is added to the code is one more
place to die at, and its name, the function that made it, is read from the stack.
"""

from __future__ import annotations

import json
import mmap
import os
import signal
import struct
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import httpx
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from connector.clock import VirtualClock
from tests.crash.sites import calling, committing

Kind = Literal["commit", "send", "receive"]
Moment = Literal["before", "after"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NOW, _ELAPSED, _SENT, _MARKS = 0, 8, 16, 64
_TRACED: dict[str, tuple[Kind, Moment]] = {
    "http11.send_request_headers.started": ("send", "before"),
    "http11.send_request_body.complete": ("send", "after"),
    "http11.receive_response_headers.complete": ("receive", "before"),
    "http11.receive_response_body.complete": ("receive", "after"),
}
"""What httpcore says, and which point that is. Before `receive` the answer has come in and nobody has read it."""


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """One place to die at: what happens there, on which side of it, and which function of the connector does it."""

    kind: Kind
    moment: Moment
    site: str

    def __str__(self) -> str:
        return f"{self.moment} {self.kind} in {self.site}"


class Board:
    """What processes of one trial share, in memory that outlives each of them: the clock's state and some marks."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 4096)

    def get(self, place: int) -> int:
        number: int = struct.unpack_from("<q", self._memory, place)[0]
        return number

    def put(self, place: int, number: int) -> None:
        struct.pack_into("<q", self._memory, place, number)

    @property
    def time(self) -> tuple[int, int]:
        """The clock's state: microseconds since 1970 and since the beginning."""
        return self.get(_NOW), self.get(_ELAPSED)

    @time.setter
    def time(self, state: tuple[int, int]) -> None:
        self.put(_NOW, state[0])
        self.put(_ELAPSED, state[1])

    @property
    def sent(self) -> int:
        """Requests that left a connector whole."""
        return self.get(_SENT)

    def count_sent(self) -> None:
        self.put(_SENT, self.sent + 1)

    def is_marked(self, number: int) -> bool:
        """Whether that delivery was acknowledged, or that command ended."""
        return self._memory[_MARKS + number] == 1

    def mark(self, number: int) -> None:
        self._memory[_MARKS + number] = 1

    def wipe(self) -> None:
        """No marks and nothing sent; the time stays."""
        self.put(_SENT, 0)
        self._memory[_MARKS:] = bytes(len(self._memory) - _MARKS)


class SharedClock(VirtualClock):
    """One virtual time for several processes: it stands on the board."""

    def __init__(self, start: datetime, board: Board) -> None:
        super().__init__(start)
        self._board = board
        board.time = ((start - _EPOCH) // _MICROSECOND, 0)

    def now(self) -> datetime:
        return _EPOCH + self._board.time[0] * _MICROSECOND

    def monotonic(self) -> float:
        return self._board.time[1] / 1_000_000

    def advance(self, step: timedelta) -> None:
        now, elapsed = self._board.time
        passed = step // _MICROSECOND
        self._board.time = (now + passed, elapsed + passed)


class Probe:
    """Counts the points one process comes to, and kills it at one of them.

    Args:
        board: counts requests that left.
        dies_at: the number of its last point, from 1; None: it lives.
        log: the new file where the points are written, or the one it died at.
    """

    def __init__(self, board: Board, dies_at: int | None, log: Path) -> None:
        self.is_armed = False
        self._board = board
        self._dies_at = dies_at
        self._log = log
        self._points: list[Point] = []
        self._lock = threading.Lock()

    def reached(self, point: Point) -> None:
        """The process is at that point. Does not return from its last one."""
        if not self.is_armed:
            return
        with self._lock:
            self._points.append(point)
            if len(self._points) == self._dies_at:
                self._log.write_text(json.dumps([asdict(point)]))
                os.kill(os.getpid(), signal.SIGKILL)
                signal.pause()  # nothing more is done until the signal is there

    def write(self) -> None:
        """Write down all points so far."""
        self._log.write_text(json.dumps([asdict(point) for point in self._points]))

    def watch(self) -> None:
        """Watch commits and calls of this process from now on, for good."""
        commit: Callable[[Any, Any], None] = SQLiteDialect_pysqlite.do_commit
        handle = httpx.HTTPTransport.handle_request

        def do_commit(dialect: Any, connection: Any) -> None:
            if not self.is_armed or _only_reads(connection):
                commit(dialect, connection)
                return
            site = committing(sys._getframe(1))
            self.reached(Point("commit", "before", site))
            commit(dialect, connection)
            self.reached(Point("commit", "after", site))

        def handle_request(transport: Any, request: httpx.Request) -> httpx.Response:
            request.extensions = {**request.extensions, "trace": self._tracer(calling(sys._getframe(1)))}
            return handle(transport, request)

        for owner, name, instead in (
            (SQLiteDialect_pysqlite, "do_commit", do_commit),
            (httpx.HTTPTransport, "handle_request", handle_request),
        ):
            setattr(owner, name, instead)  # this process is ours alone, and ends soon

    def _tracer(self, site: str) -> Callable[[str, object], None]:
        def traced(event: str, _info: object) -> None:
            if event == "http11.send_request_body.complete":
                self._board.count_sent()
            if event in _TRACED:
                self.reached(Point(*_TRACED[event], site))

        return traced


def read(log: Path) -> list[Point]:
    """What a probe wrote."""
    return [Point(**row) for row in json.loads(log.read_text())]


def _only_reads(connection: Any) -> bool:
    cursor = connection.cursor()
    try:
        (answer,) = cursor.execute("PRAGMA query_only").fetchone()
    finally:
        cursor.close()
    return bool(answer)
