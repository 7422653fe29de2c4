"""One life of the connector on a virtual clock: wired as the daemon wires it, without its threads.

The lanes are those of `wiring.Works`, taken, drained and given back by the engine of the daemon; only who calls it when
is decided here. A life ends when anything in it raises `Crash`: from then on its clock raises, too, so that nothing of
it gets to the store any more, and its successor finds the file as it lay there.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import event, select

from connector.clock import VirtualClock
from connector.config import Loaded
from connector.engines.embedded import Embedded
from connector.engines.turns import Turns
from connector.store import lanes, pauses
from connector.store.prepared import Prepared
from connector.store.runs import RunKind
from connector.store.schema import lane
from connector.store.transaction import Transaction
from connector.sync.collect import Intake
from connector.sync.write import WriteLane
from connector.testing.twin import Crash
from connector.transport.client import Api, CallNote
from connector.web.app import build_app
from connector.wiring.activation import activate
from connector.wiring.opening import open_store
from connector.wiring.telemetry import Telemetry
from connector.wiring.works import Works

_LANES = Prepared(select(lane))
Step = Callable[["Process", str], None]
"""Called at each step of a life: `commit` before the store commits, `committed` before anything else happens, `called`
after a vendor's answer came, or none. May raise Crash, move the clock, or let another life act meanwhile."""


class MortalClock:
    """The clock as one process reads it; raises Crash once that process is dead."""

    def __init__(self, clock: VirtualClock, breathe: Callable[[], None]) -> None:
        self._clock = clock
        self._breathe = breathe

    def now(self) -> datetime:
        self._breathe()
        return self._clock.now()

    def monotonic(self) -> float:
        self._breathe()
        return self._clock.monotonic()

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self._breathe()
        return self._clock.wait(event, seconds)


class _Telemetry(Telemetry):
    """What the daemon listens with, and the life that a call is a step of."""

    def __init__(self, on_call: Callable[[CallNote], None]) -> None:
        super().__init__()
        self._on_call = on_call

    def called(self, note: CallNote) -> None:
        super().called(note)
        self._on_call(note)


class Process:
    """One process of the connector on the store of its configuration. Nothing happens before `start`.

    Args:
        loaded: the configuration it starts with.
        clock: everybody's clock.
        name: tells it from other processes in the lane rows.
        on_step: called at every step.
        on_call: called when a vendor's answer came, or none, before that is a step.
    """

    def __init__(
        self, loaded: Loaded, clock: VirtualClock, *, name: str, on_step: Step, on_call: Callable[[CallNote], None]
    ) -> None:
        self.name = name
        self.is_dead = False
        self.is_doomed = False
        self.troubles: list[str] = []
        self._on_step = on_step
        self._on_call = on_call
        self._has_committed = False
        self.clock = MortalClock(clock, self._breathe)
        self.telemetry = _Telemetry(self._called)
        self.db = open_store(loaded.config, self.clock)
        event.listen(self.db._writer, "commit", self._commits)
        self._intake = Intake(self.db, notify=self._notify)
        self._works = self._make(loaded)
        self._is_open = False
        self._loop = asyncio.new_event_loop()
        self._app = build_app(
            db=self.db,
            intake=self._intake,
            clock=self.clock,
            doors=lambda: self._works.doors if self._is_open else None,
            metrics=self.telemetry.metrics,
        )

    @property
    def loaded(self) -> Loaded:
        return self._works.loaded

    @property
    def _turns(self) -> Turns:
        return _engine_of(self._works)._turns

    @property
    def lanes(self) -> list[str]:
        """Every lane it can drain, those first that lead to the others."""
        return list(self._turns._drains)

    @property
    def holding(self) -> list[str]:
        """The lanes in its hands right now."""
        return [held.hold.name for held in _engine_of(self._works)._heart._held]

    def start(self, dead: Mapping[str, str] | None = None) -> None:
        """Take over. `dead` are lanes and owners known to be gone, as a successor on the same machine knows them."""
        with self.db.write() as tx:
            for name, owner in (dead or {}).items():
                lanes.abandon(tx, name, owner)
        activate(self.db, self.loaded, RunKind.START)
        self._begin()
        self._breathe()
        self._is_open = True

    def reload(self, loaded: Loaded) -> None:
        """Another configuration takes over between two drains."""
        self._works = self._make(loaded)
        activate(self.db, loaded, RunKind.RELOAD)
        self._begin()

    def turn(self, name: str) -> None:
        """Drain a lane, if it is due and nobody else has it. Raises Crash."""
        try:
            self._turns._turn(name)
        except Exception as error:  # noqa: BLE001  # as the daemon's lane loop; the auditor asks about each
            self.troubles.append(f"{name}: {type(error).__name__}: {error}")
        self._breathe()  # the step after its last commit belongs to this turn

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> int:
        """A request to the web edge; its status, 0 when the process died before it was sent."""
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }
        status = self._loop.run_until_complete(_ask(self._app, scope, body))
        with contextlib.suppress(Crash):
            self._breathe()
        return status

    def due(self) -> dict[str, datetime]:
        """When each of its lanes can next be taken; what `lanes.due_at` says of one, of all at once."""
        with self.db.read() as tx:
            rows = tx.execute(_LANES).all()
            now = tx.now
        mine = self._turns._drains
        found: dict[str, datetime] = {}
        for row in rows:
            at = row.lease_until if row.owner is not None else now if row.wake_seq > row.done_seq else row.wake_at
            if at is not None and row.name in mine:
                found[row.name] = at
        return found

    def close(self) -> None:
        """Let go of the store, dead or alive, without another word to it."""
        self.is_dead = True
        self._intake.stop()
        self._loop.close()
        for adapter in self._works.adapters.made.values():
            for part in vars(adapter).values():
                if isinstance(part, Api):
                    part.close()
        self.db.close()

    def _make(self, loaded: Loaded) -> Works:
        works = Works(loaded, db=self.db, clock=self.clock, telemetry=self.telemetry)
        turns = _engine_of(works)._turns
        turns._owner = self.name
        for drain in turns._drains.values():
            writing = getattr(drain, "__self__", None)
            if isinstance(writing, WriteLane):
                writing._outlet = replace(writing._outlet, limits=replace(writing._outlet.limits, in_turn=True))
        return works

    def _begin(self) -> None:
        with self.db.write() as tx:
            pauses.follow(tx, self._works.adapters.accounts)
            for name in self.lanes:
                tx.wake(name)

    def _notify(self, tx: Transaction, account: str, cause: str, text: str) -> None:
        self._works.notify(tx, account, cause, text)

    def _commits(self, _connection: object) -> None:
        self._step("commit")
        self._has_committed = True

    def _called(self, note: CallNote) -> None:
        if self.is_dead:
            return
        self._on_call(note)
        self._renew()
        self._step("called")

    def _renew(self) -> None:
        """What the daemon's thread of leases does all the time."""
        heart = _engine_of(self._works)._heart
        worn = {
            held: lease for held, lease in heart._held.items() if held.seconds_left() < lease.total_seconds() * 2 / 3
        }
        if worn:
            heart._renew(worn)

    def _breathe(self) -> None:
        if self.is_doomed:
            self.is_dead = True
        if self.is_dead:
            raise Crash
        if self._has_committed and not getattr(self.db._inside, "active", False):
            self._has_committed = False
            self._step("committed")

    def _step(self, point: str) -> None:
        try:
            self._on_step(self, point)
        except Crash:
            self.is_dead = True
            raise
        if self.is_dead:
            raise Crash


async def _ask(app: Any, scope: dict[str, Any], body: bytes) -> int:
    status = answered = 0
    sent = False

    async def receive() -> dict[str, Any]:
        nonlocal sent
        if sent:
            return {"type": "http.disconnect"}
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status, answered
        if message["type"] == "http.response.start":
            status = message["status"]
        elif not message.get("more_body"):
            answered = status

    with contextlib.suppress(Crash):
        await app(scope, receive, send)
    return answered


def _engine_of(works: Works) -> Embedded:
    assert isinstance(works._engine, Embedded)
    return works._engine
