"""The machine stops in the middle of a write: what was acknowledged is there, what was not is not, and it goes on."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select

from connector.clock import VirtualClock
from connector.errors import StoreError
from connector.secret import Secret
from connector.store import inbox, schema
from connector.store.database import Database
from connector.store.inbox import Arrival
from connector.store.keyring import KeyRing

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
KEY = Secret(KeyRing.generate())
ACKNOWLEDGED = 40
FRAME = 24 + 4096
"""Bytes of a page in the write-ahead log, with its header: https://www.sqlite.org/fileformat2.html#walformat."""


def open_store(path: Path) -> Database:
    return Database(f"sqlite:///{path}", KeyRing([KEY]), VirtualClock(NOON))


def acknowledge(db: Database, number: int) -> None:
    """What the webhook edge commits before it answers."""
    arrival = Arrival(connection="kiosk", kind="webhook", payload=b'{"id": %d}' % number, received_at=NOON)
    with db.write() as tx:
        inbox.add(tx, [arrival])


def kept(db: Database) -> int:
    with db.read() as tx:
        return int(tx.execute(select(func.count()).select_from(schema.inbox)).scalar_one())


def nothing(log: Path) -> None:
    """It stopped between two writes."""


def half_a_page(log: Path) -> None:
    """The header of a page and half of it: those of the last one once more, so that even its salts are right."""
    with log.open("r+b") as file:
        file.seek(-FRAME, 2)
        frame = file.read()
        file.write(frame[: FRAME // 2])


def another_page(log: Path) -> None:
    """A whole page whose bytes are not those its checksum is of: the disk wrote its sectors in another order."""
    with log.open("r+b") as file:
        file.seek(-FRAME, 2)
        frame = file.read()
        file.write(frame[:24] + bytes(4096))


def noise(log: Path) -> None:
    """A file system that made the file longer before it had its data."""
    with log.open("ab") as file:
        file.write(bytes(3 * FRAME))


TORN: tuple[Callable[[Path], None], ...] = (nothing, half_a_page, another_page, noise)


@pytest.mark.parametrize("tear", TORN, ids=lambda tear: tear.__name__)
def test_a_torn_write_takes_nothing_with_it_that_was_acknowledged(tmp_path: Path, tear: Callable[[Path], None]) -> None:
    db = open_store(tmp_path / "store.db").create()
    for number in range(ACKNOWLEDGED):
        acknowledge(db, number)
    after = _as_it_lies(tmp_path, tear)
    db.close()
    assert kept(after) == ACKNOWLEDGED
    acknowledge(after, ACKNOWLEDGED)
    after.close()
    again = open_store(tmp_path / "after" / "store.db")
    assert kept(again) == ACKNOWLEDGED + 1
    again.close()


def test_what_was_not_committed_is_not_there_though_its_pages_were_written(tmp_path: Path) -> None:
    db = open_store(tmp_path / "store.db").create()
    for number in range(ACKNOWLEDGED):
        acknowledge(db, number)
    log = tmp_path / "store.db-wal"
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as raw:
        before = log.stat().st_size
        raw.execute("PRAGMA cache_size = 1")
        raw.execute("BEGIN IMMEDIATE")
        for each in range(200):
            raw.execute("INSERT INTO meta (name, value) VALUES (?, ?)", (f"big{each}", "x" * 4000))
        assert log.stat().st_size > before + 100 * FRAME
        after = _as_it_lies(tmp_path, nothing)
        raw.execute("ROLLBACK")
    db.close()
    assert kept(after) == ACKNOWLEDGED
    with after.read() as tx:
        assert not tx.execute(select(schema.meta.c.name).where(schema.meta.c.name.startswith("big"))).all()
    after.close()


def test_a_store_whose_pages_are_damaged_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    db = open_store(path).create()
    for number in range(ACKNOWLEDGED):
        acknowledge(db, number)
    db.close()  # takes the log into the file
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096 * 40)
    with pytest.raises(StoreError, match="is whole"), open_store(path).read():
        pass


def _as_it_lies(folder: Path, tear: Callable[[Path], None]) -> Database:
    """The files as a machine that stops now leaves them: nothing in memory, no shared index, and a torn end."""
    there = folder / "after"
    there.mkdir()
    for name in ("store.db", "store.db-wal"):
        shutil.copy(folder / name, there / name)
    tear(there / "store.db-wal")
    return open_store(there / "store.db")
