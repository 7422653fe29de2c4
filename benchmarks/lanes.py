"""Where the processor's time goes: every lane of one process drained by itself, its CPU milliseconds an answer.

    python -m benchmarks.lanes [--answers 2000] [--unhappy 0.2] [--crm salesforce] [--profile decide]

The simulators run in another process, so that the times are the connector's alone; a machine with other work on it does
not stretch them. With `--profile` the functions of one lane (or of all) are listed as cProfile sees them.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from benchmarks import answers
from benchmarks.vendors import Vendors
from connector import observe
from connector.adapters.registry import kinds
from connector.clock import SystemClock
from connector.config import Loaded, load
from connector.domain.model.intent import FINAL_STATES
from connector.engines.foreground import Foreground
from connector.ports import Hook
from connector.simulator.typeform import SECRET, sign
from connector.store import outbox
from connector.store.database import Database
from connector.store.keyring import KeyRing
from connector.store.tokens import Tokens
from connector.sync.collect import Intake, accept
from connector.sync.lane import Drain
from connector.testing.example import for_crm
from connector.transport.kit import Kit
from connector.wiring.adapters import Adapters, make_adapters
from connector.wiring.lanes import make_lanes
from connector.wiring.opening import open_store
from connector.wiring.settings import decide_settings
from connector.wiring.telemetry import Telemetry
from connector.wiring.workshop import limits_of

ROOT = Path(__file__).parents[1]
WARM = 100
UNHELD = {
    "CONNECTOR__MODE": "live",
    "CONNECTOR__HEALTH_SCORE__WRITE__LINGER": "0s",
    "CONNECTOR__CONNECTIONS__SALESFORCE__LINGER": "0s",
    "CONNECTOR__CONNECTIONS__HUBSPOT__LINGER": "0s",
    "CONNECTOR__CONNECTIONS__ZENDESK__CEILING__NEW_TICKETS": "1000000/h",
    "CONNECTOR__STORM__HOLD": "false",
}
"""Nothing waits for company, nothing is held: what is measured is work."""


def unheld(crm: str) -> dict[str, str]:
    """The overrides that fit the CRM in use."""
    other = {"salesforce": "HUBSPOT", "hubspot": "SALESFORCE"}[crm]
    return {name: value for name, value in UNHELD.items() if f"__{other}__" not in name}


class House:
    """One configuration at work in this thread: its store, its intake, and its lanes by name."""

    def __init__(self, folder: Path, vendors: Vendors) -> None:
        clock = SystemClock()
        text = for_crm((ROOT / "config.example.yaml").read_text(), vendors.crm)
        (folder / "connector.yaml").write_text(text)
        (folder / "mappings").symlink_to(ROOT / "mappings")
        environ = {**vendors.environment(), "CONNECTOR_KEY": KeyRing.generate(), **unheld(vendors.crm)}
        self.loaded: Loaded = load(folder / "connector.yaml", kinds(), environ)
        self.db: Database = open_store(self.loaded.config, clock).create()
        telemetry = Telemetry()
        kit = Kit(clock=clock, token_store=Tokens(self.db), on_reading=telemetry.read, on_call=telemetry.called)
        self.adapters: Adapters = make_adapters(self.loaded.config, kit)
        telemetry.know(self.adapters.made)
        self.drains: dict[str, Drain] = make_lanes(
            loaded=self.loaded,
            settings=decide_settings(self.loaded, self.adapters.accounts),
            db=self.db,
            clock=clock,
            adapters=self.adapters,
            limits={
                name: limits_of(self.loaded.config, name, writer.promises)
                for name, writer in self.adapters.writers.items()
            },
            telemetry=telemetry,
        )
        with self.db.write() as tx:
            for name in self.drains:
                tx.wake(name)

    def take_in(self, bodies: Sequence[bytes], together: int = 20) -> None:
        """Verify and commit signed deliveries, so many in one commit."""
        intake, clock, source = Intake(self.db), SystemClock(), self.adapters.sources["typeform"]
        for start in range(0, len(bodies), together):
            arrivals = []
            for body in bodies[start : start + together]:
                headers = {"typeform-signature": sign(SECRET, body)}
                hook = Hook(method="POST", path=answers.HOOK, headers=headers, body=body, received_at=clock.now())
                arrivals += accept("typeform", source, hook)
            intake.submit(arrivals).result()
        intake.stop()

    def waiting(self) -> int:
        """Intents that have not reached an end."""
        with self.db.read() as tx:
            counted = outbox.counts(tx)
        return sum(number for state, number in counted.items() if state not in FINAL_STATES)


class Timed:
    """A drain whose CPU seconds are added up, and profiled if that was asked for."""

    def __init__(self, name: str, drain: Drain, spent: Counter[str], profile: cProfile.Profile | None) -> None:
        self._name, self._drain, self._spent, self._profile = name, drain, spent, profile

    def __call__(self, hold: object) -> object:
        begun = time.process_time()
        if self._profile is not None:
            self._profile.enable()
        try:
            return self._drain(hold)  # type: ignore[arg-type]
        finally:
            if self._profile is not None:
                self._profile.disable()
            self._spent[self._name] += time.process_time() - begun  # type: ignore[assignment]


def measure(house: House, profile: cProfile.Profile | None, wanted: str) -> Counter[str]:
    """Drain until nothing is left to do; CPU seconds by lane."""
    spent: Counter[str] = Counter()
    timed = {
        name: Timed(name, drain, spent, profile if wanted in ("all", name.partition("/")[0], name) else None)
        for name, drain in house.drains.items()
    }
    front = Foreground(house.db, SystemClock(), timed, owner="bench", lease=timedelta(minutes=10))  # type: ignore[arg-type]
    quiet = 0
    while quiet < 20:
        if front.turn():
            continue
        quiet = 0 if house.waiting() else 20
        quiet += 1
        time.sleep(0.02)
    return spent


def report(spent: Mapping[str, float], number: int) -> None:
    """CPU milliseconds an answer, by lane."""
    for name, seconds in sorted(spent.items(), key=lambda entry: -entry[1]):
        if 1000 * seconds / number >= 0.005:
            print(f"{name:34} {1000 * seconds / number:7.3f} ms")
    whole = sum(spent.values())
    print(f"{'together':34} {1000 * whole / number:7.3f} ms: {number / whole:,.0f} answers a second on one core")


def run(number: int, unhappy: float, crm: str, wanted: str, folder: Path) -> None:
    """Take in, drain, print."""
    observe.configure("INFO", (folder / "log").open("w"))
    people = answers.names(number + WARM)
    bodies = answers.bodies(people, unhappy=unhappy, at=SystemClock().now() - timedelta(seconds=5))
    with Vendors(crm=crm, known=answers.known(people)) as vendors:
        house = House(folder, vendors)
        profile = cProfile.Profile(time.thread_time) if wanted else None
        house.take_in(bodies[:WARM])  # models are loaded, statements compiled; the feeds read the CRM's contacts
        measure(house, None, "")
        begun = time.process_time()
        if profile is not None and wanted in ("all", "intake"):
            profile.enable()
        house.take_in(bodies[WARM:])
        if profile is not None:
            profile.disable()
        spent = Counter({"intake": time.process_time() - begun})
        spent += measure(house, profile, wanted)
        report(spent, number)
        print(f"calls {vendors.calls()}; there now {vendors.held()}")
        print(f"memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB at most")
        house.db.close()
    if profile is not None:
        for order in ("tottime", "cumtime"):
            stats = pstats.Stats(profile, stream=sys.stdout)
            stats.sort_stats(order).print_stats(45)


def main(arguments: Sequence[str] | None = None, here: Callable[[], str] = os.getcwd) -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=2_000)
    parser.add_argument("--unhappy", type=float, default=0.2)
    parser.add_argument("--crm", choices=["salesforce", "hubspot"], default="salesforce")
    parser.add_argument("--profile", default="", help="a lane (decide, understand, write, write/salesforce:…) or all")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        run(given.answers, given.unhappy, given.crm, given.profile, Path(folder))


if __name__ == "__main__":
    main()
