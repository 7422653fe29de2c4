"""A backlog against a quota: how much of the configured share becomes tickets, and whether a recovery waits behind it.

    make bench ONLY=drain [SIZE=small|modest|full]

A helpdesk of so many calls a minute, half of which are ours (`quota: {share: 50%}`), and a backlog of tickets that is
worth many minutes. Beside the connector zenpy does the same in the same minutes with an account of its own: told, as
well as it can be told, to leave the other half alone (`proactive_ratelimit`), and waiting where it is refused. Every
few seconds somebody is unhappy by webhook: their ticket must not wait for the backlog, however many calls are left.
"""

from __future__ import annotations

import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Event

from benchmarks import answers, script
from benchmarks.audit import Line
from benchmarks.endtoend import overrides
from benchmarks.report import Goal, Result, Series, load
from benchmarks.vendors import Terms, Vendors
from connector.clock import SystemClock
from connector.domain.model.intent import Intent, Priority, WriteKind
from connector.store import outbox
from connector.store.database import Database
from connector.testing.rehearsal import Rehearsal

ROOT = Path(__file__).parents[1]
ACCOUNT = "zendesk:acme"
QUOTA, SHARE, WINDOW = 600, 0.5, 60.0
TICKET, TOKEN = "POST /api/v2/tickets", "POST /oauth/tokens"
USED_LEAST, OVERTAKES_IN = 0.95, 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How long the backlog is, for how many whole windows of the quota it is watched, and who comes in between.

    Somebody is unhappy `first` seconds after the start and `every` so many seconds from then on.
    """

    backlog: int
    windows: int
    first: float = 15.0
    every: float = 12.0

    @property
    def seconds(self) -> float:
        """How long that takes."""
        return self.windows * WINDOW + 2


SIZES = {
    "smoke": Size(backlog=30, windows=0, first=0.5, every=1.0),
    "small": Size(backlog=2_000, windows=2),
    "modest": Size(backlog=10_000, windows=3),
    "full": Size(backlog=10_000, windows=10),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What became of one account's quota, window by window, and the calls that were refused for coming too fast."""

    useful: Sequence[int]
    calls: Sequence[int]
    refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What both made of their quotas; `overtook` are seconds until each unhappy person's ticket was there."""

    connector: Used
    script: Used
    overtook: Sequence[float]
    left: int


def fill(db: Database, number: int) -> None:
    """Plan so many tickets as an import plans them: behind everything that is alive."""
    with db.write() as tx:
        for start, email in enumerate(script.backlog(number)):
            fields = {
                "subject": "An old answer",
                "comment": "2 of 5",
                "requester_email": email,
                "requester_name": email,
            }
            wanted = Intent(
                key=f"bench/{start}/ticket",
                account=ACCOUNT,
                kind=WriteKind.TICKET,
                object=f"bench/{start}/ticket",
                fields={**fields, "tags": ["csat-recovery"]},
                cause_at=tx.now,
                not_before=tx.now,
                give_up_at=tx.now + timedelta(days=3),
                priority=Priority.BACKFILL,
            )
            outbox.plan(tx, [wanted])


def measure(size: Size, quota: int, folder: Path) -> Found:
    """Let both drain for so many windows."""
    clock = SystemClock()
    ends = size.seconds
    urgent = answers.names(1 + int((ends - size.first) / size.every))
    terms = Terms(account=quota)
    began: dict[str, float] = {}
    with Vendors(terms=terms, known=answers.known(urgent)) as ours, Vendors(terms=terms) as theirs:
        rehearsal = Rehearsal(folder, ROOT, ours, clock, overrides=overrides(ours.crm))
        rehearsal.db.create()
        fill(rehearsal.db, size.backlog)
        beside = _start_script(theirs.base_url("zendesk"), quota, size.backlog)
        with rehearsal:
            started = clock.monotonic()
            for number, name in enumerate(urgent):
                due = started + size.first + number * size.every
                clock.wait(Event(), max(0.0, due - clock.monotonic()))
                body = answers.bodies([name], unhappy=1.0, at=clock.now(), prefix=f"urgent{number}x")[0]
                began[answers.email(name)] = time.time()
                assert rehearsal.deliver("typeform", body) == 200
            clock.wait(Event(), max(0.0, started + ends - clock.monotonic()))
            last = clock.monotonic() + WINDOW + 5
            while not began.keys() <= ours.tickets().keys() and clock.monotonic() < last:
                clock.wait(Event(), 0.2)
            left = rehearsal.status().intents["planned"]
        beside.kill()
        there = ours.tickets()
        return Found(
            connector=used(ours.log(), size.windows),
            script=used(theirs.log(), size.windows),
            overtook=[there.get(email, float("inf")) - at for email, at in began.items()],
            left=left,
        )


def _start_script(url: str, quota: int, backlog: int) -> BaseProcess:
    spawn = multiprocessing.get_context("spawn")
    leave = int(quota * (1 - SHARE))
    process = spawn.Process(target=script.drain_slowly, args=(url, leave, backlog), daemon=True)
    process.start()
    return process


def used(log: Sequence[Line], windows: int) -> Used:
    """The first whole windows, as the vendor counts them: one begins with the first call after the one before ended."""
    useful, calls, refused, ends = [], [], 0, 0.0
    for one in log:
        if one.vendor != "zendesk" or one.endpoint == TOKEN:
            continue
        if one.at >= ends:
            ends = one.at + WINDOW
            useful.append(0)
            calls.append(0)
        if len(useful) > windows:
            break
        calls[-1] += 1
        useful[-1] += one.endpoint == TICKET and one.status == 201
        refused += one.refusal.startswith("throttled")
    return Used(useful=useful[:windows], calls=calls[:windows], refused=refused)


def result(found: Found, size: Size, quota: int) -> Result:
    """Shares and waits."""
    loads = [load()]
    ours = quota * SHARE
    shares = [number / ours for number in found.connector.useful]
    theirs = [number / ours for number in found.script.useful]
    over = max(found.connector.calls) / ours
    middle, longest = statistics.median(found.overtook), max(found.overtook)
    minutes = size.backlog / ours
    return Result(
        name="Backlog under a quota",
        claim=(
            f"{size.backlog:,} tickets wait for a helpdesk of {quota} calls a minute, of which {SHARE:.0%} are ours, "
            f"for {size.windows} minutes."
        ),
        command="make bench ONLY=drain",
        series=[
            Series(what="connector: share of ours that became tickets", unit="%", rounds=_percent(shares), loads=loads),
            Series(what="zenpy: the same", unit="%", rounds=_percent(theirs), loads=loads),
            Series(what="a recovery overtakes the backlog", unit="s", rounds=list(found.overtook), loads=loads),
        ],
        ratios=[
            (
                f"{statistics.median(shares):.0%} of our share used, zenpy {statistics.median(theirs):.0%}; "
                f"refused {found.connector.refused} and {found.script.refused} times"
            ),
            (
                f"a recovery is a ticket after {middle:.1f} s (longest {longest:.1f} s), in the order of arrival after "
                f"{minutes:.0f} minutes"
            ),
        ],
        goals=[
            Goal(
                what="share of the quota that becomes useful writes",
                wanted=f"≥ {USED_LEAST:.0%}",
                found=f"{statistics.median(shares):.1%}",
                met=statistics.median(shares) >= USED_LEAST,
            ),
            Goal(
                what="calls refused for coming too fast",
                wanted="0",
                found=str(found.connector.refused),
                met=not found.connector.refused,
            ),
            Goal(
                what="longest a recovery waited",
                wanted=f"≤ {OVERTAKES_IN:.0f} s",
                found=f"{longest:.1f} s",
                met=longest <= OVERTAKES_IN,
            ),
        ],
        notes=[f"Most calls in a window: {over:.1%} of ours, tokens aside. Still waiting in the end: {found.left:,}."],
    )


def _percent(shares: Sequence[float]) -> list[float]:
    return [100 * share for share in shares]


def results(size: str, quota: int = QUOTA) -> list[Result]:
    """What `make bench` runs."""
    with tempfile.TemporaryDirectory() as folder:
        return [result(measure(SIZES[size], quota, Path(folder)), SIZES[size], quota)]
