"""Signed deliveries a second that are on disk when they are answered, beside a plain FastAPI + SQLAlchemy endpoint.

    make bench ONLY=intake [SIZE=small|modest|full]

One machine, one load generator, one signature check, SQLite in WAL with `synchronous=FULL` for both. The plain endpoint
commits once a request; both usual ways to write it are measured, in FastAPI's threads and as a coroutine, and the ratio
is to the faster one. The whole daemon, which goes on to work on what it takes in, is measured beside its edge alone.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks import answers, servers
from benchmarks.report import Goal, Result, Series, load, ratio
from benchmarks.vendors import Vendors
from connector.clock import SystemClock
from connector.testing.rehearsal import Rehearsal

ROOT = Path(__file__).parents[1]
CONNECTIONS = 64
WARM = 50
EDGE, DAEMON = "connector's edge", "whole daemon at work"
THREADS, COROUTINE = "plain endpoint in threads", "plain endpoint as a coroutine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many deliveries a round has, of how many rounds, and whether the whole daemon takes part."""

    deliveries: int
    rounds: int
    daemon: bool = True


SIZES = {
    "smoke": Size(deliveries=60, rounds=1, daemon=False),
    "small": Size(deliveries=500, rounds=2),
    "modest": Size(deliveries=2000, rounds=3),
    "full": Size(deliveries=20_000, rounds=5),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was measured, and how many deliveries each of them really has on disk."""

    result: Result
    posted: int
    kept: Mapping[str, int]


def measure(size: Size, folder: Path) -> Found:
    """Post to each in turn, round after round."""
    clock = SystemClock()
    rates: dict[str, list[float]] = defaultdict(list)
    loads: list[float] = []
    with ExitStack() as stack:
        ports = {
            EDGE: stack.enter_context(servers.edge(folder / "edge")).port,
            THREADS: stack.enter_context(servers.plain(folder / "threads", threaded=True)).port,
            COROUTINE: stack.enter_context(servers.plain(folder / "coroutine", threaded=False)).port,
        }
        if size.daemon:
            vendors = stack.enter_context(Vendors())
            observing = {"CONNECTOR__MODE": "observe"}
            daemon = stack.enter_context(Rehearsal(folder / "daemon", ROOT, vendors, clock, overrides=observing))
            ports[DAEMON] = daemon.port
        for number in range(-1, size.rounds):
            people = answers.names(size.deliveries if number >= 0 else WARM)
            bodies = answers.bodies(people, unhappy=0.2, at=clock.now(), prefix=f"round{number + 1}x")
            for name, port in ports.items():
                posted = answers.post(port, bodies, connections=CONNECTIONS)
                assert not posted.refused, (name, posted)
                if name == DAEMON:
                    daemon.settle(1800)  # it would disturb the others
                if number >= 0:
                    rates[name].append(posted.rate)
            if number >= 0:
                loads.append(load())
        kept = {
            EDGE: _rows(folder / "edge" / "connector.db", "inbox"),
            THREADS: _rows(folder / "threads" / "plain.db", "delivery"),
            COROUTINE: _rows(folder / "coroutine" / "plain.db", "delivery"),
        }
        if size.daemon:
            kept[DAEMON] = _rows(folder / "daemon" / "connector.db", "inbox")
    series = {name: Series(what=name, unit="deliveries/s", rounds=each, loads=loads) for name, each in rates.items()}
    return Found(result=_result(size, series), posted=WARM + size.rounds * size.deliveries, kept=kept)


def _rows(store: Path, table: str) -> int:
    connection = sqlite3.connect(store)
    try:
        number: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    finally:
        connection.close()
    return number


def _result(size: Size, series: Mapping[str, Series]) -> Result:
    better: Callable[[str], float] = lambda name: series[name].median  # noqa: E731
    plain = max((THREADS, COROUTINE), key=better)
    edge = series[EDGE].median
    return Result(
        name="Intake",
        claim=(
            f"{size.deliveries:,} signed deliveries a round over {CONNECTIONS} connections, each answered once it is "
            "on disk."
        ),
        command="make bench ONLY=intake",
        series=list(series.values()),
        ratios=[
            f"{ratio(series[EDGE], series[plain]):.1f} × the deliveries a second of the faster plain endpoint",
            *(
                f"{ratio(series[name], series[plain]):.1f} × while the same process works on what comes in"
                for name in (DAEMON,)
                if name in series
            ),
        ],
        goals=[Goal(what="signed deliveries a second", wanted="≥ 2,000", found=f"{edge:,.0f}", met=edge >= 2000)],
        notes=["The connector also encrypts each delivery and recognises a repeated one by its contents."],
    )


def results(size: str) -> list[Result]:
    """What `make bench` runs."""
    with tempfile.TemporaryDirectory() as folder:
        return [measure(SIZES[size], Path(folder)).result]
