"""The simulators in a process of their own, without delay or quotas, so that only the connector is measured."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping, Sequence
from datetime import timedelta
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

from connector.clock import SystemClock
from connector.simulator import hubspot, salesforce, slack, typeform, workflow, zendesk
from connector.simulator.demo_world import calls, crm_of, held_figures
from connector.simulator.suite import Simulators
from connector.simulator.zendesk_gate import Quotas

PLENTY = 10**9


def _unlimited(crm: str) -> Simulators:
    clock, at_once = SystemClock(), timedelta(0)
    quotas = Quotas(account=PLENTY, updates=PLENTY, per_ticket=PLENTY, searches=PLENTY, exports=PLENTY, jobs=PLENTY)
    running = Simulators(
        crm=crm,
        salesforce=salesforce.Salesforce(clock, daily_calls=PLENTY),
        hubspot=hubspot.HubSpot(clock, search_lag=at_once, burst=PLENTY, daily=PLENTY, searches=PLENTY),
        zendesk=zendesk.Zendesk(clock, quotas=quotas, search_lag=at_once, job_delay=at_once),
        slack=slack.Slack(clock, per_minute=PLENTY),
        typeform=typeform.Typeform(clock),
        workflow=workflow.Workflow(clock, per_minute=PLENTY),
    )
    for each in (running.salesforce, running.hubspot, running.zendesk, running.slack, running.typeform.site):
        each.start(0)
    running.workflow.start(0)
    return running


def _serve(crm: str, known: Sequence[tuple[str, str, str]], ask: Connection) -> None:
    with _unlimited(crm) as simulators:
        there = crm_of(simulators)
        for first, last, email in known:
            there.add(first, last, email)
        ask.send(simulators.environment())
        while (question := ask.recv()) != "stop":
            ask.send(dict(calls(simulators)) if question == "calls" else held_figures(simulators))


class Vendors:
    """Every vendor, in another process. `known` are the contacts the CRM has: first name, last name, e-mail."""

    def __init__(self, *, crm: str = "salesforce", known: Sequence[tuple[str, str, str]] = ()) -> None:
        self.crm = crm
        spawn = multiprocessing.get_context("spawn")
        self._ask, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(crm, known, theirs), daemon=True)
        self._process.start()
        self._environment: dict[str, str] = self._ask.recv()

    @property
    def pid(self) -> int:
        """Of the process they run in."""
        assert self._process.pid is not None
        return self._process.pid

    def environment(self) -> Mapping[str, str]:
        """What leads the example configuration to them."""
        return self._environment

    def calls(self) -> dict[str, int]:
        """Calls so far by vendor, tokens and polls included."""
        return self._told("calls")

    def held(self) -> dict[str, int]:
        """What they hold of the connector's work."""
        return self._told("held")

    def _told(self, question: str) -> Any:
        self._ask.send(question)
        return self._ask.recv()

    def __enter__(self) -> Vendors:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ask.send("stop")
        self._process.join(10)
        self._process.kill()
