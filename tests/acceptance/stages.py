"""Simulators, world and daemon for the acceptance tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

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
        after = Rehearsal(self.folder, ROOT, self.simulators, SystemClock(), overrides=overrides, rewrite=edit)
        for old, new in rename.items():
            for name in [name for name in after.environ if name.startswith(f"{before}{old.upper()}__")]:
                after.environ[name.replace(old.upper(), new.upper())] = after.environ.pop(name)
        return after


@contextmanager
def staged(
    folder: Path,
    *,
    seed: int = 1,
    overrides: Mapping[str, str] | None = None,
    dated: bool = True,
    crm: str = "salesforce",
) -> Iterator[Stage]:
    """Simulators with the demo's world and a rehearsal that is not started yet; `crm` is salesforce or hubspot.

    Not `dated`: nobody has a last service, whose age in days is another after midnight.
    """
    clock = SystemClock()
    world = make_demo_input(seed, clock.now(), crm=crm)
    if not dated:
        world = replace(world, people=tuple(replace(person, last_service_days=None) for person in world.people))
    with start_all(clock, crm=crm) as simulators:
        furnish(simulators, world)
        rehearsal = Rehearsal(folder, ROOT, simulators, clock, overrides={**hurry(crm), **(overrides or {})})
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
