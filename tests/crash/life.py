"""One process of the connector in the sweep: it plays a scene on the store as it finds it, and may die anywhere in it.

Whoever succeeds it plays the same scene again. The world outside does what it does in life: a sender repeats what was
not acknowledged and only that, an operator types a command again until it has ended.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from connector.store.database import Database
from connector.wiring.opening import open_store
from tests.chaos.process import Process
from tests.chaos.world import POLLS, World, _headers
from tests.crash.points import Board, Point, Probe

MOST_TRIES = 5
_LEISURE = (*POLLS, "figures", "retention", "timers")
HOOK = "web/hooks.py:Receiver.answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A piece of the reference program.

    `prepare` is what people do at the vendors before it, `play` what comes in, `lasts` the most time until all of it is
    done, waiting for what is in doubt included. `before` is what happens before the daemon runs, under the eyes of the
    probe; not `awake`: so is its start. Not `runs`: no daemon does.
    """

    name: str
    play: Callable[[Life], None]
    lasts: timedelta = timedelta(minutes=20)
    prepare: Callable[[World], None] = lambda world: None
    before: Callable[[Life], None] = lambda life: None
    awake: bool = True
    runs: bool = True


class Life:
    """What a scene may do. Times are those of the whole trial, so that a successor plays to the same end."""

    def __init__(self, world: World, board: Board, probe: Probe, began: datetime) -> None:
        self.world = world
        self.began = began
        self._board = board
        self._probe = probe

    @property
    def process(self) -> Process:
        assert self.world.process is not None, "it died without a signal"
        return self.world.process

    def open_store(self) -> Database:
        """The store as another process on the machine opens it."""
        return open_store(self.world.configuration().config, self.world.clock)

    def make_tables(self) -> None:
        """Bring the tables to this version, as the daemon does first."""
        self.open_store().create().close()

    def start(self) -> None:
        """Come up as the daemon does."""
        self.world.start()

    def until(self, after: timedelta) -> None:
        """Drain what is due until so long after the scene began."""
        self.world.run(self.began + after)

    def settle(self, most: timedelta) -> None:
        """Drain what is due until only looking for news is left to do, at most until so long after the scene began."""
        end = self.began + most
        while (found := self._next_work()) is not None and found <= end:
            self.world.run(max(found, self.world.clock.now()))

    def _next_work(self) -> datetime | None:
        due = self.process.due()
        return min((at for name, at in due.items() if not name.startswith(_LEISURE)), default=None)

    def deliver(self, number: int, hook: str, body: bytes) -> None:
        """A sender delivers, unless it heard 200 before; it comes again a minute later where it hears anything else."""
        for _ in range(MOST_TRIES):
            if self._board.is_marked(number):
                return
            process, status = self.process, 0
            kind = process.loaded.config.connections[hook].kind

            async def receive() -> dict[str, Any]:
                self._probe.reached(Point("receive", "after", HOOK))
                return {"type": "http.request", "body": body, "more_body": False}

            async def send(message: MutableMapping[str, Any]) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                    self._probe.reached(Point("send", "before", HOOK))
                elif not message.get("more_body"):
                    if status == 200:
                        self._board.mark(number)
                    self._probe.reached(Point("send", "after", HOOK))

            self._probe.reached(Point("receive", "before", HOOK))
            process._loop.run_until_complete(process._app(_scope(hook, kind, body), receive, send))
            if status != 200:
                self.world.run_for(timedelta(minutes=1))
        assert self._board.is_marked(number), f"{hook} answers {status}"

    def command(self, number: int, act: Callable[[], None]) -> None:
        """An operator has something done, again unless it ended before."""
        if not self._board.is_marked(number):
            act()
            self._board.mark(number)


def _scope(hook: str, kind: str, body: bytes) -> dict[str, Any]:
    headers = _headers(kind, body, "good")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": f"/hooks/{hook}",
        "raw_path": f"/hooks/{hook}".encode(),
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
