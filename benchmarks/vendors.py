"""The simulators in a process of their own, so that only what talks to them is measured.

Without further terms they answer at once, have no quotas, and lose nothing.
"""

from __future__ import annotations

import multiprocessing
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection
from types import MappingProxyType, TracebackType
from typing import Any

from benchmarks import audit
from connector.clock import SystemClock
from connector.simulator import github, hubspot, jira, salesforce, slack, typeform, workflow, zendesk
from connector.simulator.demo_world import calls, crm_of, held_figures
from connector.simulator.faults import AFTER, BEFORE, Fault, FaultKind, Faults
from connector.simulator.suite import Simulators
from connector.simulator.zendesk_gate import Quotas

PLENTY = 10**9
EVERY_CALL = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How the vendors behave.

    `lost` is the share of calls whose answer never comes, half of them committed before, drawn with `seed`; `delay` the
    seconds before a call is looked at; `account` Zendesk's calls a minute.
    """

    lost: float = 0.0
    seed: int = 1
    delay: float = 0.0
    account: int = PLENTY


class Lossy(Faults):
    """Faults as ordered, and beside them answers that get lost: the connection breaks before or after the commit."""

    def __init__(self, share: float, seed: int) -> None:
        super().__init__()
        self._half = share / 2
        self._dice = random.Random(seed)
        self._guard = threading.Lock()

    def take(self, kinds: frozenset[FaultKind], operation: str, body: bytes) -> Fault | None:
        """The next fault; most calls have none."""
        lost = {BEFORE: FaultKind.RESET_BEFORE, AFTER: FaultKind.RESET_AFTER_COMMIT}.get(kinds)
        if lost is not None:
            with self._guard:
                is_hit = self._dice.random() < self._half
            if is_hit:
                return Fault(match=EVERY_CALL, kind=lost)
        return super().take(kinds, operation, body)


def open_vendors(crm: str, terms: Terms) -> Simulators:
    """Every simulator, started. Leaving the `with` block stops them."""
    clock, at_once = SystemClock(), timedelta(0)
    quotas = Quotas(
        account=terms.account, updates=PLENTY, per_ticket=PLENTY, searches=PLENTY, exports=PLENTY, jobs=PLENTY
    )
    running = Simulators(
        crm=crm,
        salesforce=salesforce.Salesforce(clock, daily_calls=PLENTY),
        hubspot=hubspot.HubSpot(clock, search_lag=at_once, burst=PLENTY, daily=PLENTY, searches=PLENTY),
        zendesk=zendesk.Zendesk(clock, quotas=quotas, search_lag=at_once, job_delay=at_once),
        slack=slack.Slack(clock, per_minute=PLENTY),
        typeform=typeform.Typeform(clock),
        workflow=workflow.Workflow(clock, per_minute=PLENTY),
        github=github.GitHub(clock),
        jira=jira.Jira(clock),
    )
    for number, site in enumerate((running.salesforce.site, running.hubspot.site, running.zendesk.site)):
        if terms.lost:
            site.faults = Lossy(terms.lost, terms.seed + number)
        if terms.delay:
            site.faults.add(Fault(match=EVERY_CALL, kind=FaultKind.SLOW, times=None, seconds=terms.delay))
    for each in (running.salesforce, running.hubspot, running.zendesk, running.slack, running.typeform.site):
        each.start(0)
    running.workflow.start(0)
    return running


_QUESTIONS: Mapping[str, Callable[[Simulators], Any]] = MappingProxyType(
    {
        "calls": lambda simulators: dict(calls(simulators)),
        "held": held_figures,
        "count": audit.count,
        "written": audit.written,
        "tickets": audit.tickets,
        "log": audit.log,
    }
)


def _serve(crm: str, known: Sequence[tuple[str, str, str]], terms: Terms, ask: Connection) -> None:
    with open_vendors(crm, terms) as simulators:
        there = crm_of(simulators)
        for first, last, email in known:
            there.add(first, last, email)
        ask.send(simulators.environment())
        while (question := ask.recv()) != "stop":
            ask.send(_QUESTIONS[question](simulators))


class Vendors:
    """Every vendor, in another process. `known` are the contacts the CRM has: first name, last name, e-mail."""

    def __init__(
        self,
        *,
        crm: str = "salesforce",
        known: Sequence[tuple[str, str, str]] = (),
        terms: Terms | None = None,
    ) -> None:
        self.crm = crm
        spawn = multiprocessing.get_context("spawn")
        self._ask, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(crm, known, terms or Terms(), theirs), daemon=True)
        self._process.start()
        self._environment: dict[str, str] = self._ask.recv()

    @property
    def pid(self) -> int:
        """Of the process they run in."""
        assert self._process.pid is not None
        return self._process.pid

    def environment(self) -> dict[str, str]:
        """What leads the example configuration to them."""
        return dict(self._environment)

    def base_url(self, connection: str) -> str:
        """Where one of them listens, by the name the example configuration gives it."""
        return self._environment[f"CONNECTOR__CONNECTIONS__{connection.upper()}__BASE_URL"]

    def calls(self) -> dict[str, int]:
        """Calls so far by vendor, tokens and polls included."""
        counted: dict[str, int] = self._told("calls")
        return counted

    def held(self) -> dict[str, int]:
        """What they hold of the connector's work."""
        held: dict[str, int] = self._told("held")
        return held

    def count(self) -> dict[str, audit.Effects]:
        """What they hold about each person, by e-mail address, whoever wrote it."""
        counted: dict[str, audit.Effects] = self._told("count")
        return counted

    def written(self) -> list[float]:
        """When CRM and helpdesk committed something by API: epoch seconds, in order."""
        written: list[float] = self._told("written")
        return written

    def tickets(self) -> dict[str, float]:
        """When the first ticket of each requester was there: epoch seconds, by e-mail address."""
        tickets: dict[str, float] = self._told("tickets")
        return tickets

    def log(self) -> list[audit.Line]:
        """Every call to CRM and helpdesk, in order."""
        log: list[audit.Line] = self._told("log")
        return log

    def _told(self, question: str) -> Any:
        self._ask.send(question)
        return self._ask.recv()

    def __enter__(self) -> Vendors:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ask.send("stop")
        self._process.join(10)
        self._process.kill()
