"""The webhook receiver. What each request is answered, and what of it is kept:

| request | answer | kept |
|---|---|---|
| authentic | 200 after the commit | its deliveries |
| authentic, cannot be told apart into records | 200 after the commit | one quarantined delivery |
| signature missing, wrong or stale | 401 | a count |
| secret in the header or the address missing or wrong | 401 | a count |
| no more than a hint (`verify: refetch`) | 200 after the commit | a wake-up of the lane that fetches its answers |
| body larger than the limit | 413 | a count |
| unknown path, or the daemon is starting | 503 | – (a 404 or 410 makes Typeform switch the hook off) |
| too many waiting, or the disk refuses | 503 with Retry-After | – |
| a helpdesk's own hook | 200 after the commit | a wake-up of the lane that reads its tickets |
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from connector.clock import Clock
from connector.errors import Forged, MappingError
from connector.observe import DeliveryOutcome, Metrics, log
from connector.ports import Addressed, Hinted, Hook, Source, Tickets
from connector.store.inbox import Arrival
from connector.sync.collect import Full, Intake, accept

PREFIX = "/hooks/"
"""Below it every path is somebody's hook, or nobody's."""

MAX_BODY = 2 * 2**20
"""Bytes of the largest body taken; Typeform's deliveries stay below a tenth of it."""

SMALL_BODY = 32 * 2**10
"""Bytes that are verified and parsed sooner than handed to a thread; nearly every delivery is smaller."""

_READ_SECONDS = 20
_COMMIT_SECONDS = 25  # shorter than the 30 s after which Typeform gives a delivery up and repeats it


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """Who may knock: the connections that receive webhooks, by the name the YAML gives them.

    `feeds` are the lanes that fetch answers, by connection and form: what a hook that is only a hint may wake.
    """

    sources: Mapping[str, Source] = field(default_factory=dict)
    tickets: Mapping[str, Tickets] = field(default_factory=dict)
    feeds: Mapping[tuple[str, str], str] = field(default_factory=dict)
    hinted: Mapping[str, Hinted] = field(init=False)
    """Those sources whose hooks are no more than a hint."""

    def __post_init__(self) -> None:
        hinted = {name: one for name, one in self.sources.items() if isinstance(one, Hinted) and one.is_hint}
        object.__setattr__(self, "hinted", hinted)

    def find(self, path: str) -> str | None:
        """Whose door a path below `/hooks/` is; a token at its end is left to the source to judge."""
        if path in self.sources or path in self.tickets:
            return path
        name, _, _ = path.rpartition("/")
        source: object = self.sources.get(name)
        return name if isinstance(source, Addressed) and source.has_path_token else None


class Receiver:
    """Answers hooks. `doors` is asked at every request; it returns None while there is no usable configuration."""

    def __init__(
        self,
        *,
        intake: Intake,
        clock: Clock,
        doors: Callable[[], Doors | None],
        metrics: Metrics,
        max_body: int = MAX_BODY,
    ) -> None:
        self._intake = intake
        self._clock = clock
        self._doors = doors
        self._metrics = metrics
        self._max_body = max_body
        self._awaited: tuple[Future[None], asyncio.Future[None]] | None = None

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request whose path is below `/hooks/`, as an ASGI application does."""
        request = Request(scope, receive)
        connection = scope["path"].removeprefix(PREFIX)
        match request.method:
            case "POST":
                response = await self._receive(connection, request)
            case "GET" | "HEAD":
                response = self._greet(connection)
            case _:
                response = PlainTextResponse("Method Not Allowed", 405, headers={"Allow": "POST, GET, HEAD"})
        await response(scope, receive, send)

    def _greet(self, connection: str) -> Response:
        """Tell a vendor's validation call, or a curious person, whether the hook is there."""
        doors = self._doors()
        name = None if doors is None else doors.find(connection)
        return self._closed(DeliveryOutcome.UNKNOWN) if name is None else JSONResponse({"hook": name})

    async def _receive(self, connection: str, request: Request) -> Response:
        """One delivery from a survey tool or a helpdesk."""
        began = self._clock.monotonic()
        doors = self._doors()
        if doors is None:
            return self._closed(DeliveryOutcome.STARTING)
        name = doors.find(connection)
        if name is None:
            return self._closed(DeliveryOutcome.UNKNOWN)
        return await self._take(doors, name, request, began)

    async def _take(self, doors: Doors, connection: str, request: Request, began: float) -> Response:
        source, tickets = doors.sources.get(connection), doors.tickets.get(connection)
        try:
            async with asyncio.timeout(_READ_SECONDS):
                body = await _read(request, self._max_body)
        except (ClientDisconnect, TimeoutError):
            return self._refuse(connection, 408, DeliveryOutcome.UNFINISHED)
        if body is None:
            self._intake.count("oversized")
            return self._refuse(connection, 413, DeliveryOutcome.OVERSIZED)
        hook = self._hook(request, body)
        hinted = doors.hinted.get(connection)
        if hinted is not None:
            answer = await self._keep(connection, hook, lambda: self._look(doors, connection, hinted, hook))
        elif source is not None:
            answer = await self._keep(connection, hook, lambda: self._deliver(connection, source, hook))
        else:
            assert tickets is not None
            answer = await self._keep(connection, hook, lambda: self._hint(tickets, hook))
        self._metrics.time("hook_seconds", self._clock.monotonic() - began, source=connection)
        return answer

    async def _keep(self, connection: str, hook: Hook, store: Callable[[], Future[None]]) -> Response:
        """Answer 200 once what `store` submits is committed. It verifies and parses: large bodies in a thread."""
        try:
            committed = store() if len(hook.body) <= SMALL_BODY else await run_in_threadpool(store)
            # The commit is shared with other requests: who waits no longer must not cancel it for them.
            await asyncio.wait_for(asyncio.shield(self._on_loop(committed)), _COMMIT_SECONDS)
        except Forged:
            self._intake.count("forged")
            return self._refuse(connection, 401, DeliveryOutcome.FORGED)
        except Full:
            return self._refuse(connection, 503, DeliveryOutcome.BUSY, retry_after=2)
        except Exception as error:  # noqa: BLE001  # the web edge: whatever went wrong, the sender must repeat it
            log("web").error("hook_not_stored", connection=connection, error=type(error).__name__)
            return self._refuse(connection, 503, DeliveryOutcome.FAILED, retry_after=10)
        return JSONResponse({"status": "accepted"})

    def _on_loop(self, committed: Future[None]) -> asyncio.Future[None]:
        """A commit as this loop waits for it: one future for all who share it, as each would wake the loop."""
        known = self._awaited
        if known is not None and known[0] is committed and known[1].get_loop() is asyncio.get_running_loop():
            return known[1]
        waited = asyncio.wrap_future(committed)
        self._awaited = (committed, waited)
        return waited

    def _deliver(self, connection: str, source: Source, hook: Hook) -> Future[None]:
        arrivals = accept(connection, source, hook)
        committed = self._intake.submit(arrivals)
        committed.add_done_callback(lambda done: self._count_kept(connection, arrivals, done))
        return committed

    def _count_kept(self, connection: str, arrivals: Sequence[Arrival], committed: Future[None]) -> None:
        if committed.exception() is not None:
            return
        if not arrivals:
            self._count(connection, DeliveryOutcome.EMPTY)
        for arrival in arrivals:
            is_readable = arrival.reason is None
            self._count(connection, DeliveryOutcome.ACCEPTED if is_readable else DeliveryOutcome.QUARANTINED)

    def _look(self, doors: Doors, connection: str, source: Hinted, hook: Hook) -> Future[None]:
        lane = doors.feeds.get((connection, source.hint(hook.body) or ""))
        if lane is None:
            self._intake.count("unreadable_hint")  # of a form nobody asked for, or not even that
            done: Future[None] = Future()
            done.set_result(None)
            return done
        return self._intake.wake(lane)

    def _hint(self, tickets: Tickets, hook: Hook) -> Future[None]:
        tickets.verify(hook)
        try:
            tickets.read_hook(hook.body)
        except MappingError:
            self._intake.count("unreadable_hint")  # it is a hint: reading the tickets a little early never hurts
        return self._intake.wake(f"poll/{tickets.account}/tickets")

    def _hook(self, request: Request, body: bytes) -> Hook:
        return Hook(
            method=request.method,
            path=request.scope["path"],
            headers=dict(request.headers),  # ASGI has their names in lower case
            body=body,
            received_at=self._clock.now(),
        )

    def _closed(self, why: DeliveryOutcome) -> Response:
        # No connection: a path somebody made up must not become a metric's label.
        return self._refuse("", 503, why, retry_after=30)

    def _count(self, connection: str, outcome: DeliveryOutcome) -> None:
        self._metrics.count("deliveries_total", source=connection, outcome=outcome.value)

    def _refuse(self, connection: str, status: int, why: DeliveryOutcome, retry_after: int | None = None) -> Response:
        self._count(connection, why)
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        return JSONResponse({"status": why.value}, status_code=status, headers=headers)


async def _read(request: Request, limit: int) -> bytes | None:
    """The body, or None as soon as it is known to exceed `limit`; never holds more than that."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        return None
    body = bytearray()
    async for chunk in request.stream():
        if len(body) + len(chunk) > limit:
            return None
        body += chunk
    return bytes(body)
