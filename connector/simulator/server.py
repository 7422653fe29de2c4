"""A vendor's site on loopback: routing, a gate, refusals, faults, a log, and a back door for tests."""

from __future__ import annotations

import heapq
import itertools
import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from connector.clock import Clock
from connector.simulator.faults import AFTER, BEFORE, INSIDE, Fault, FaultKind, Faults
from connector.simulator.records import Fields, Logged, RequestLog, Truth, digest
from connector.simulator.wire import RESET, Listener, Sent

CONTROL = "/__simulator__/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. Header names are lower case; `path` has no query, no `.json` and no slash at its end."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    at: datetime
    params: Mapping[str, str] = field(default_factory=dict)

    @property
    def operation(self) -> str:
        """`METHOD path`, what faults match on."""
        return f"{self.method} {self.path}"

    def form(self) -> dict[str, str]:
        """The body as a form; empty where it is none."""
        return dict(parse_qsl(self.body.decode(errors="replace"), keep_blank_values=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One reply: `data` as JSON, or `page` as HTML, or no body."""

    status: int = 200
    data: Any = None
    page: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One thing a vendor refuses: HTTP status, its own code, and its words (`{}` takes the detail)."""

    status: int
    code: str
    text: str


class Refused(Exception):
    """A call or a record broke the vendor's rule `refusal`, an id in its simulator's REFUSALS."""

    def __init__(
        self, refusal: str, detail: str = "", *, field: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        self.refusal = refusal
        self.detail = detail
        self.field = field
        self.headers = dict(headers or {})
        super().__init__(f"{refusal}: {detail}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One endpoint. `{name}` in `pattern` matches one path segment; `scope` is what the token needs (None: no token).

    `quota` names the window it spends besides the account's.
    """

    method: str
    pattern: str
    act: Callable[[Call], Answer]
    write: bool = False
    scope: str | None = ""
    quota: str = ""

    @property
    def endpoint(self) -> str:
        """`METHOD pattern`, as the log and the counts name it."""
        return f"{self.method} {self.pattern}"


class Routes:
    """Routes by method and path: exact ones by dictionary, the others in order."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._exact: dict[tuple[str, str], Route] = {}
        self._open: list[tuple[str, re.Pattern[str], Route]] = []
        for route in routes:
            if "{" not in route.pattern:
                self._exact[route.method, route.pattern] = route
                continue
            self._open.append((route.method, _expression(route.pattern), route))

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """The route of a call and the path segments it names; None where there is none."""
        exact = self._exact.get((method, path))
        if exact is not None:
            return exact, {}
        for known, expression, route in self._open:
            if known == method and (match := expression.fullmatch(path)):
                return route, match.groupdict()
        return None

    def knows_path(self, path: str) -> bool:
        """True when the path exists under another method."""
        return any(known == path for _, known in self._exact) or any(e.fullmatch(path) for _, e, _ in self._open)


@cache  # a vendor is opened for every test, and has the same routes each time
def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(pattern)))


@dataclass(slots=True)
class _Told:
    """What the log will say about one call."""

    endpoint: str = ""
    write: bool = False
    refusal: str = ""
    fault: str = ""


class Site:
    """One simulated vendor: routes behind a gate, on a socket, with faults, truth, log and control endpoints.

    Args:
        clock: the simulator's clock; lags, expiries and quotas follow it.
        routes: the vendor's endpoints.
        refusals: what it refuses, by id; `throttled` and `unknown-route` must be among them.
        say: the vendor's error shape for a refusal.
        gate: checks token, scope and quota before a route acts; returns headers for the reply, raises Refused.
        actions: what people do there (`human_update` …), callable through the control endpoints too.
    """

    def __init__(
        self,
        clock: Clock,
        routes: Iterable[Route],
        *,
        refusals: Mapping[str, Refusal],
        say: Callable[[Refusal, Refused], Answer],
        gate: Callable[[Call, Route], Mapping[str, str]],
        actions: Mapping[str, Callable[..., Any]],
    ) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self.truth = Truth()
        self.requests = RequestLog()
        self.faults = Faults()
        self.skew = timedelta(0)
        """How far the vendor's clock, as its replies tell it, is ahead of ours."""
        self.on_exchange: Callable[[Call, Sent], object] | None = None
        """Told of every request and its reply, for who compares both with what the vendor publishes."""
        self._routes = Routes(routes)
        self._refusals = refusals
        self._say = say
        self._gate = gate
        self._actions = actions
        self._later: list[tuple[datetime, int, Callable[[], object]]] = []
        self._numbers = itertools.count(1)
        self._listener = Listener(self._receive)

    def start(self, port: int = 0) -> str:
        """Listen on 127.0.0.1 (port 0: any free one) and return the base URL."""
        return self._listener.start(port)

    def stop(self) -> None:
        """Stop listening and close every connection."""
        self._listener.stop()

    @property
    def base_url(self) -> str:
        """`http://127.0.0.1:port`; empty before `start`."""
        return self._listener.base_url

    def snapshot(self) -> Fields:
        """The truth as plain data, after everything due by now has happened."""
        with self.lock:
            self.settle()
            return self.truth.snapshot()

    def later(self, delay: timedelta, act: Callable[[], object]) -> None:
        """Do `act`, under the lock, once the clock has moved on by `delay`."""
        with self.lock:
            heapq.heappush(self._later, (self.clock.now() + delay, next(self._numbers), act))

    @property
    def next_due(self) -> datetime | None:
        """When `settle` has something to do next; None when nothing waits."""
        return self._later[0][0] if self._later else None

    def settle(self) -> None:
        """Do what has become due. The caller holds the lock."""
        now = self.clock.now()
        while self._later and self._later[0][0] <= now:
            heapq.heappop(self._later)[2]()

    def ordered(self, kind: FaultKind, call: Call) -> Fault | None:
        """The fault of `kind` ordered for this call, for routes that answer per record or by job."""
        if kind not in INSIDE:
            raise ValueError(f"{kind} does not happen inside a route")
        return self.faults.take(frozenset({kind}), call.operation, call.body)

    def _receive(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Sent:
        path, _, query = target.partition("?")
        tidy = path.rstrip("/").removesuffix(".json") or "/"
        call = Call(
            method=method,
            path=tidy,
            query=dict(parse_qsl(query, keep_blank_values=True)),
            headers=headers,
            body=body,
            at=self.clock.now(),
        )
        if tidy.startswith(CONTROL):
            return _send(self._control(call))
        told = _Told()
        sent = self._handle(call, told)
        if sent.status:
            date = format_datetime((self.clock.now() + self.skew).astimezone(UTC), usegmt=True)
            marks = {"Date": date, "X-Request-Id": f"sim-{next(self._numbers):08d}"}
            sent = replace(sent, head={**sent.head, **marks})
        if self.on_exchange is not None:
            self.on_exchange(call, sent)
        self.requests.add(
            Logged(
                method=method,
                path=tidy,
                query=call.query,
                endpoint=told.endpoint,
                status=sent.status,
                write=told.write,
                at=call.at,
                digest=digest(body),
                refusal=told.refusal,
                fault=told.fault,
            )
        )
        return sent

    def _handle(self, call: Call, told: _Told) -> Sent:
        found = self._routes.find(call.method, call.path)
        if found is not None:
            told.endpoint, told.write = found[0].endpoint, found[0].write
        fault = self.faults.take(BEFORE, call.operation, call.body)
        if fault is not None:
            told.fault = fault.kind
            early = self._misbehave_early(fault, call)
            if early is not None:
                return early
        answer = self._act(call, told)
        fault = self.faults.take(AFTER, call.operation, call.body) if answer.status < 300 and not told.refusal else None
        if fault is None:
            return _send(answer)
        told.fault = fault.kind
        return self._misbehave_late(fault, answer)

    def _act(self, call: Call, told: _Told) -> Answer:
        with self.lock:
            self.settle()
            try:
                return self._admit_and_act(replace(call, at=self.clock.now()))
            except Refused as refused:
                told.refusal = refused.refusal
                answer = self._say(self._refusals[refused.refusal], refused)
                return replace(answer, headers={**answer.headers, **refused.headers})

    def _admit_and_act(self, call: Call) -> Answer:
        found = self._routes.find(call.method, call.path)
        if found is None:
            raise Refused("unknown-method" if self._routes.knows_path(call.path) else "unknown-route", call.path)
        route, params = found
        spent = self._gate(call, route)
        try:
            answer = route.act(replace(call, params=params))
        except Refused as refused:
            refused.headers = {**spent, **refused.headers}
            raise
        return replace(answer, headers={**spent, **answer.headers}) if spent else answer

    def _misbehave_early(self, fault: Fault, call: Call) -> Sent | None:
        if fault.kind is FaultKind.SLOW:
            self._listener.pause(fault.seconds)
            return None
        if fault.kind is FaultKind.REPLY:
            return Sent(status=fault.status or 200, head=dict(fault.headers), body=fault.message.encode())
        if fault.kind is FaultKind.REFUSE:
            return _send(self._complain(fault, 400))
        if fault.kind is FaultKind.THROTTLE:
            usual = self._refusals["throttled"]
            row = replace(usual, status=fault.status or usual.status)
            answer = self._say(row, Refused("throttled", fault.message))
            wait = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
            return _send(replace(answer, headers={**answer.headers, **wait}))
        if fault.kind is FaultKind.COMMIT_LATE:
            self.later(timedelta(seconds=fault.seconds), lambda: self._act(call, _Told()))
            return RESET
        return self._fall_silent(fault)

    def _misbehave_late(self, fault: Fault, answer: Answer) -> Sent:
        if fault.kind is FaultKind.RESET_AFTER_COMMIT:
            return self._fall_silent(fault)
        if fault.kind is FaultKind.ERROR_AFTER_COMMIT:
            return _send(self._complain(fault, 500))
        if fault.kind is FaultKind.SLOW_ANSWER:
            self._listener.pause(fault.seconds)
            return _send(answer)
        sent = _send(answer)
        half = sent.body[: len(sent.body) // 2]
        if fault.kind is FaultKind.TORN:
            return replace(sent, body=half)
        return replace(sent, body=half, announced=len(sent.body), reset=True)

    def _fall_silent(self, fault: Fault) -> Sent:
        """Break the connection, after `seconds` of the simulator's clock: a time-out for a client on the same clock."""
        if fault.seconds:
            self.clock.wait(threading.Event(), fault.seconds)
        return RESET

    def _complain(self, fault: Fault, status: int) -> Answer:
        row = Refusal(fault.status or status, fault.code or "FAULT", fault.message or "Refused on request")
        return self._say(row, Refused("fault", fault.message))

    def _control(self, call: Call) -> Answer:
        subject, _, name = call.path.removeprefix(CONTROL).partition("/")
        since = int(call.query.get("since", "0"))
        match call.method, subject:
            case "GET", "truth":
                return Answer(data=self.snapshot())
            case "GET", "requests":
                return Answer(data=[entry.as_json() for entry in self.requests.entries(since)])
            case "GET", "counts":
                return Answer(data=self.requests.counts(since))
            case "GET", "faults":
                return Answer(data=[fault.as_json() for fault in self.faults.pending()])
            case "DELETE", "faults":
                self.faults.clear()
                return Answer(status=204)
            case "POST", ("faults" | "do"):
                return self._order(subject, name, call)
        return Answer(status=404, data={"error": f"no {call.operation}"})

    def _order(self, subject: str, name: str, call: Call) -> Answer:
        try:
            data = json.loads(call.body or b"{}")
            if subject == "faults":
                self.faults.add(Fault.read(data))
                return Answer(status=204)
            if name not in self._actions:
                return Answer(status=404, data={"error": f"no action {name!r}", "actions": sorted(self._actions)})
            return Answer(data=self._actions[name](**data))
        except (ValueError, TypeError, KeyError) as error:
            return Answer(status=400, data={"error": str(error)})


def _send(answer: Answer) -> Sent:
    if answer.page is not None:
        return Sent(status=answer.status, head={"Content-Type": "text/html; charset=utf-8"}, body=answer.page.encode())
    body = b"" if answer.data is None else json.dumps(answer.data, separators=(",", ":")).encode()
    return Sent(
        status=answer.status, head={"Content-Type": "application/json; charset=utf-8", **answer.headers}, body=body
    )
