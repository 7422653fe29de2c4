"""A backup put back and an upgrade with work in flight: in the end everything is there once."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import create_engine

from connector.clock import SystemClock
from connector.simulator.faults import Fault, FaultKind
from connector.store import migrations
from tests.acceptance.answers import desk_delivery
from tests.acceptance.holdings import held
from tests.acceptance.stages import Stage, staged

pytestmark = pytest.mark.slow

IMPATIENT = {f"CONNECTOR__CONNECTIONS__{name}__TIMEOUT": "8" for name in ("SALESFORCE", "ZENDESK", "SLACK")}


def deliver(stage: Stage, name: str, number: int, rating: int = 5) -> None:
    """Unhappy answers (1 is best there) of so many people nobody knows yet; the same bytes every time."""
    for each in range(number):
        body = desk_delivery(f"{name}{each}", stage.world.now, f"{name}.{each}@example.com", rating)
        assert stage.rehearsal.deliver("typeform", body.encode()) == 200


def type_(stage: Stage, *words: str) -> str:
    done = subprocess.run(  # our own command line
        [sys.executable, "-m", "connector", *words, "--config", str(stage.rehearsal.config)],
        cwd=stage.folder,
        env=stage.rehearsal.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_a_restored_backup_repeats_nothing_that_was_done_after_it(tmp_path: Path) -> None:
    with staged(tmp_path, overrides=IMPATIENT, dated=False) as stage:
        rehearsal = stage.rehearsal
        rehearsal.start()
        deliver(stage, "early", 4)
        rehearsal.settle(90)
        assert "opens with the keys" in type_(stage, "backup", "copy.db")
        deliver(stage, "late", 4)
        rehearsal.settle(90)
        assert rehearsal.stop() == 0
        rehearsal.close()
        before = held(stage.simulators)

        assert "The store before it is" in type_(stage, "restore", "copy.db", "--yes")
        rehearsal.start()
        deliver(stage, "early", 4)  # senders repeat what they think was lost
        deliver(stage, "late", 4)
        now = rehearsal.settle(150)
        assert now.responses["decided"] == 8
        after = held(stage.simulators)
        missing, extra = Counter(before) - Counter(after), Counter(after) - Counter(before)
        assert not missing, sorted(missing)
        assert not extra, sorted(extra)


def test_an_upgrade_takes_over_what_the_version_before_had_in_flight(tmp_path: Path) -> None:
    with staged(tmp_path, overrides=IMPATIENT, dated=False) as stage:
        rehearsal = stage.rehearsal
        for site in (stage.simulators.salesforce.site, stage.simulators.zendesk.site, stage.simulators.slack.site):
            for method in ("POST", "PATCH", "PUT"):
                site.faults.add(Fault(match=f"{method} *", kind=FaultKind.SLOW_ANSWER, times=None, seconds=6.0))
        rehearsal.start()
        deliver(stage, "flying", 6)
        clock = SystemClock()
        deadline = clock.monotonic() + 40
        while not rehearsal.status().intents.get("sending"):
            assert clock.monotonic() < deadline, rehearsal.status()
            rehearsal.pause(0.05)
        assert rehearsal.stop(kill=True) == -9
        rehearsal.close()
        for site in (stage.simulators.salesforce.site, stage.simulators.zendesk.site, stage.simulators.slack.site):
            site.faults.clear()
        as_version(stage.folder / "connector.db", "0001")

        rehearsal.start()
        now = rehearsal.settle(150)
        assert now.responses["decided"] == 6
        made = Counter(whose for _, kind, whose, _ in held(stage.simulators) if kind == "ticket" and "flying" in whose)
        assert made == {f"flying.{each}@example.com": 1 for each in range(6)}


def as_version(store: Path, revision: str) -> None:
    """Let a store be what an older version of the connector would have left: its tables, its columns, the same rows."""
    older = store.with_suffix(".older")
    engine = create_engine(f"sqlite:///{older}")
    with engine.begin() as connection:
        config = migrations.configuration()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()
    with closing(sqlite3.connect(older)) as copy, copy:
        copy.execute("ATTACH DATABASE ? AS newer", (str(store),))
        tables = copy.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            if table == "alembic_version" or table.startswith("sqlite_"):
                continue
            columns = ", ".join(f'"{row[1]}"' for row in copy.execute(f'PRAGMA main.table_info("{table}")'))
            copy.execute(f'INSERT INTO main."{table}" ({columns}) SELECT {columns} FROM newer."{table}"')
    for end in ("", "-wal", "-shm"):
        store.with_name(store.name + end).unlink(missing_ok=True)
    older.replace(store)
