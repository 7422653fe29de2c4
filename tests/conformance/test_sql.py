"""A query to a database holds what every keeper of records must hold."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

from connector.adapters.sql import Options, Sql
from connector.clock import VirtualClock
from connector.config.records import Columns
from connector.secret import Secret
from connector.testing.records import InteractionsSuite, Kept, Row, Shop
from connector.testing.world import START
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit

NAMES = ("id", "occurred_at", "service", "staff", "amount", "email")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Orders:
    """A SQLite file with a table of repair orders, whose program writes down when each row changed."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "erp.db"
        self.changes = 0
        self.run("CREATE TABLE orders (id TEXT PRIMARY KEY, occurred_at, service, staff, amount, email, changed_at)")

    def run(self, statement: str, rows: list[tuple[str | None, ...]] | None = None) -> None:
        database = sqlite3.connect(self.path)
        if rows is None:
            database.execute(statement)
        else:
            database.executemany(statement, rows)
        database.commit()
        database.close()

    def write(self, rows: list[Row], back: timedelta = timedelta(0)) -> None:
        self.changes += 1
        at = (NOON + timedelta(seconds=self.changes) - back).strftime("%Y-%m-%d %H:%M:%S")
        values = [(*(row.get(name) for name in NAMES), at) for row in rows]
        self.run("INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def connect(self) -> Sql:
        clock = VirtualClock(START)
        options = Options(
            url=Secret(f"sqlite:///{self.path}"),
            query="SELECT * FROM orders WHERE changed_at >= :since",
            changed_at="changed_at",
            columns=Columns(**{name: name for name in NAMES}),
        )
        return Sql("shop", options, Kit(clock=clock, token_store=MemoryTokens(clock)))


def move(path: Path, to: Path) -> None:
    path.rename(to)


def orders(folder: Path) -> Shop:
    there = Orders(folder)
    away = there.path.with_suffix(".away")

    def late(row: Row) -> None:
        there.write([row], back=timedelta(hours=1))

    return Shop(
        connect=there.connect,
        write=lambda rows: there.write(list(rows)),
        damage=lambda: move(there.path, away),
        mend=lambda: move(away, there.path),
        rename=lambda name: there.run(f"ALTER TABLE orders RENAME COLUMN service TO {name}"),
        state=there.path.read_bytes,
        late=late,
    )


class TestRecords(InteractionsSuite):
    cases = {"query": Kept(page="sql", open=orders, is_dated=True)}
