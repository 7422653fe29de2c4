"""What a store carries: a SQLite file and a PostgreSQL beside each other, one process each, in turn.

    python -m benchmarks.stores [--answers 300] [--rounds 3] [--delay 0.5]

The PostgreSQL runs on this machine, with the disk waited for, from the binaries of the development install. `--delay`
is how many milliseconds a statement takes there and back on the network of an installation, for the arithmetic at the
end: the statements of a decision are counted, not timed.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from sqlalchemy import event
from sqlalchemy.engine import Engine

from connector.clock import VirtualClock
from connector.store import inbox
from connector.store.database import Database
from connector.store.inbox import Arrival
from tests.postgres import own_server
from tests.unit.deciding import decide_all, example_settings, feed
from tests.unit.samples import NOON, answer, ring

TOGETHER = 20
"""Deliveries that share a commit, as they do when they come in one after another."""


def taken_in(db: Database, answers: int) -> float:
    """Deliveries a second that are acknowledged."""

    def take() -> None:
        for start in range(0, answers, TOGETHER):
            with db.write(beside=True) as tx:
                numbers = range(start, start + TOGETHER)
                inbox.add(tx, [_arrival(b'{"number": %d, "said": "%s"}' % (each, b"x" * 900)) for each in numbers])

    return answers / _seconds(take)


def decided(db: Database, answers: int) -> tuple[float, float]:
    """Answers a second that are decided, and the statements each takes."""
    given = [answer(f"b{number}", email=f"p{number}@example.com", stars=1 + number % 5) for number in range(answers)]
    feed(db, *given)
    statements = 0

    def count(*_: object) -> None:
        nonlocal statements
        statements += 1

    event.listen(Engine, "after_cursor_execute", count)
    try:
        seconds = _seconds(lambda: decide_all(db, example_settings()))
    finally:
        event.remove(Engine, "after_cursor_execute", count)
    with db.read() as tx:
        left = len(inbox.due(tx, 1))
    assert left <= 1
    return answers / seconds, statements / answers


def _arrival(payload: bytes) -> Arrival:
    return Arrival(connection="typeform", kind="typeform", payload=payload, received_at=NOON)


def _seconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--delay", type=float, default=0.5)
    given = parser.parse_args()
    figures: dict[str, list[tuple[float, float, float]]] = {"sqlite": [], "postgresql": []}
    with own_server(fsync="on", full_page_writes="on") as server, tempfile.TemporaryDirectory() as folder:
        for number in range(given.rounds):
            urls = {"sqlite": f"sqlite:///{Path(folder) / f'{number}.db'}", "postgresql": server.url(server.database())}
            for name, url in urls.items():
                db = Database(url, ring(), VirtualClock(NOON + timedelta(minutes=1))).create()
                figures[name].append((taken_in(db, given.answers), *decided(db, given.answers)))
                db.close()
    found = {name: [statistics.median(column) for column in zip(*rows, strict=True)] for name, rows in figures.items()}
    for name, (into, out, statements) in found.items():
        print(
            f"{name:10}  {into:6.0f} deliveries/s taken in  {out:5.0f} answers/s decided  {statements:.0f} statements"
        )
    (_, here, _), (_, there, statements) = found["sqlite"], found["postgresql"]
    print(f"ratio: a file decides {here / there:.1f} times as many as a server on the same machine")
    far = 1 / (1 / there + statements * given.delay / 1000)
    print(
        f"with {given.delay} ms a statement on the network: {far:.0f} answers/s = {far * 86400 / 1e6:.1f} million a day"
    )


if __name__ == "__main__":
    main()
