"""A real daemon from signed webhook to confirmed write: intake and end to end, a second and in processor time.

    python -m benchmarks.pipeline [--answers 3000] [--unhappy 0.2] [--crm salesforce] [--backlog 10000]

The daemon, the simulators (no delay, no quotas) and the load generator are a process each. What other work the machine
does stretches rates and not processor seconds: those are the daemon's own, from /proc.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from benchmarks import answers
from benchmarks.lanes import ROOT, unheld
from benchmarks.vendors import Vendors
from connector.clock import SystemClock
from connector.store import inbox, pauses
from connector.testing.rehearsal import Rehearsal

TICKS = os.sysconf("SC_CLK_TCK")
SETTLE = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What the daemon has used so far: processor seconds, and MiB it holds now and held at most."""

    seconds: float
    now: float
    most: float


def used(process: int) -> Used:
    """From the kernel's books."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    sizes = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines if line.startswith(("VmRSS", "VmHWM"))}
    return Used(seconds=(int(fields[11]) + int(fields[12])) / TICKS, now=sizes["VmRSS"], most=sizes["VmHWM"])


class Stage:
    """A daemon at work, seen from outside."""

    def __init__(self, rehearsal: Rehearsal, vendors: Vendors) -> None:
        self.rehearsal = rehearsal
        self.vendors = vendors

    @property
    def used(self) -> Used:
        """What the daemon has used so far."""
        return used(self.rehearsal.pid)

    def post(self, bodies: Sequence[bytes], **how: float) -> answers.Posted:
        """Post them, and insist that each was taken."""
        posted = answers.post(self.rehearsal.port, bodies, **how)  # type: ignore[arg-type]
        assert not posted.refused, f"{posted.refused} of {posted.number} were refused"
        return posted

    def fill(self, bodies: Sequence[bytes]) -> None:
        """Put them where a first poll puts what it reads."""
        now = SystemClock().now()
        for start in range(0, len(bodies), 500):
            arrivals = [
                inbox.Arrival(
                    connection="typeform", kind="typeform", payload=body, received_at=now, priority=inbox.BACKFILL
                )
                for body in bodies[start : start + 500]
            ]
            with self.rehearsal.db.write() as tx:
                inbox.add(tx, arrivals)

    def hold(self, *, paused: bool) -> None:
        """Let deliveries wait unread, or have them read."""
        with self.rehearsal.db.write() as tx:
            if paused:
                pauses.begin(tx, "typeform", None)
            else:
                pauses.end(tx, "typeform")
                tx.wake("understand")


def measure_intake(stage: Stage, bodies: Sequence[bytes]) -> None:
    """Deliveries are taken, verified and committed, and nothing else is done."""
    stage.hold(paused=True)
    stage.post(bodies[:200])
    before = stage.used
    posted = stage.post(bodies[200:])
    spent = stage.used.seconds - before.seconds
    print(
        f"intake:     {posted.rate:7,.0f} a second, {1000 * spent / posted.number:.3f} ms of processor each: "
        f"{posted.number / spent:,.0f} a second on one core"
    )


def measure_drain(stage: Stage, number: int) -> None:
    """What waits is read, decided and written to every vendor, until nothing is left to do."""
    before, began = stage.used, time.monotonic()
    stage.hold(paused=False)
    settled = stage.rehearsal.settle(SETTLE)
    took, spent = time.monotonic() - began, stage.used.seconds - before.seconds
    assert settled.responses == {"decided": number}, settled
    print(
        f"end to end: {number / took:7,.1f} answers a second ({number:,} in {took:.0f} s); "
        f"{1000 * spent / number:.2f} ms of processor each: {number / spent:,.1f} a second on one core"
    )
    print(f"memory:     {stage.used.now:.0f} MiB, {stage.used.most:.0f} MiB at most")
    print(f"calls:      {stage.vendors.calls()}; there now: {stage.vendors.held()}")


def measure_overtaking(stage: Stage, backlog: Sequence[bytes], urgent: bytes) -> None:
    """An unhappy answer comes in while a first poll or an import has filled the inbox: how soon its ticket is there."""
    stage.hold(paused=True)
    stage.fill(backlog)
    held = stage.vendors.held()["tickets"]
    waiting = stage.used
    stage.hold(paused=False)
    began = time.monotonic()
    stage.post([urgent])
    while stage.vendors.held()["tickets"] == held:
        time.sleep(0.05)
    took = time.monotonic() - began
    left = stage.rehearsal.status().waiting
    print(
        f"overtaking: a ticket after {took:.1f} s, with {len(backlog):,} answers before it and {left:,} still waiting"
    )
    print(f"memory:     {waiting.now:.0f} MiB while they waited, {stage.used.most:.0f} MiB at most")


def run(number: int, unhappy: float, crm: str, backlog: int, folder: Path) -> None:
    """One daemon, everything in turn."""
    at = SystemClock().now() - timedelta(seconds=5)
    people = answers.names(number + backlog + 1)
    bodies = answers.bodies(people[:number], unhappy=unhappy, at=at)
    with Vendors(crm=crm, known=answers.known(people[:number])) as vendors:
        rehearsal = Rehearsal(folder, ROOT, vendors, SystemClock(), overrides=unheld(crm))
        with rehearsal:
            stage = Stage(rehearsal, vendors)
            measure_intake(stage, bodies)
            measure_drain(stage, number)
            if backlog:
                # Happy answers of a month ago: recorded and scored, and what is urgent goes before them.
                old = SystemClock().now() - timedelta(days=30)
                waiting = answers.bodies(people[number:-1], unhappy=0.0, at=old, prefix="old")
                urgent = answers.bodies(people[-1:], unhappy=1.0, at=SystemClock().now(), prefix="now")
                measure_overtaking(stage, waiting, urgent[0])


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=3_000)
    parser.add_argument("--unhappy", type=float, default=0.2)
    parser.add_argument("--crm", choices=["salesforce", "hubspot"], default="salesforce")
    parser.add_argument("--backlog", type=int, default=10_000, help="answers that wait while an urgent one comes in")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run(given.answers, given.unhappy, given.crm, given.backlog, Path(folder))


if __name__ == "__main__":
    main()
