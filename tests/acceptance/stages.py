"""Simulators, world and daemon for the acceptance tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from pathlib import Path

from benchmarks.nursery import Nursed, Nursery
from connector.cli.demo import hurry
from connector.clock import SystemClock
from connector.simulator.demo_input import Delivery, DemoInput, make_demo_input
from connector.simulator.demo_world import crm_of, furnish
from connector.simulator.suite import Simulators, start_all
from connector.testing.rehearsal import Rehearsal

ROOT = Path(__file__).parents[2]


@dataclass
class Stage:
    """Everything one acceptance test plays with."""

    simulators: Simulators
    world: DemoInput
    rehearsal: Rehearsal
    folder: Path

    def again(self, *, rewrite: Mapping[str, str], rename: Mapping[str, str]) -> Rehearsal:
        """Another daemon on the same store, after the configuration was edited and connections were renamed."""
        key = self.rehearsal.environ["CONNECTOR_KEY"]
        before = "CONNECTOR__CONNECTIONS__"

        def edit(text: str) -> str:
            for old, new in rewrite.items():
                assert old in text, old
                text = text.replace(old, new)
            return text

        overrides = {**hurry(self.simulators.crm), "CONNECTOR_KEY": key}
        after = rehearsed(self.folder, self.simulators, overrides, rewrite=edit)
        for old, new in rename.items():
            for name in [name for name in after.environ if name.startswith(f"{before}{old.upper()}__")]:
                after.environ[name.replace(old.upper(), new.upper())] = after.environ.pop(name)
        return after


@cache
def nursery() -> Nursery:
    """Forks the daemons of all tests in this process, and ends with it: every third second of a test was a start."""
    return Nursery()


def rehearsed(
    folder: Path, simulators: Simulators, overrides: Mapping[str, str], rewrite: Callable[[str], str] = str
) -> Rehearsal:
    """A rehearsal whose daemons are forked."""
    found = Nursed(folder, ROOT, simulators, SystemClock(), overrides=overrides, rewrite=rewrite)
    found.nursery = nursery()
    return found


@contextmanager
def staged(
    folder: Path,
    *,
    seed: int = 1,
    overrides: Mapping[str, str] | None = None,
    dated: bool = True,
    crm: str = "salesforce",
    forked: bool = True,
) -> Iterator[Stage]:
    """Simulators with the demo's world and a rehearsal that is not started yet; `crm` is salesforce or hubspot.

    Not `dated`: nobody has a last service, whose age in days is another after midnight. Not `forked`: its daemons are
    started by the command that users type.
    """
    clock = SystemClock()
    world = make_demo_input(seed, clock.now(), crm=crm)
    if not dated:
        world = replace(world, people=tuple(replace(person, last_service_days=None) for person in world.people))
    with start_all(clock, crm=crm) as simulators:
        furnish(simulators, world)
        asked = {**hurry(crm), **(overrides or {})}
        rehearsal = (
            rehearsed(folder, simulators, asked)
            if forked
            else Rehearsal(folder, ROOT, simulators, clock, overrides=asked)
        )
        try:
            yield Stage(simulators=simulators, world=world, rehearsal=rehearsal, folder=folder)
        finally:
            rehearsal.stop(kill=True)
            rehearsal.close()


def writes(simulators: Simulators) -> list[str]:
    """Every call so far that changes something at a vendor; getting a token changes nothing."""
    sites = (crm_of(simulators).site, simulators.zendesk.site, simulators.slack.site)
    return [f"{entry.method} {entry.path}" for site in sites for entry in site.requests.writes()]


def good(deliveries: tuple[Delivery, ...]) -> list[Delivery]:
    """The authentic ones."""
    return [delivery for delivery in deliveries if delivery.signature == "good"]


MINUTE = timedelta(minutes=1)
