"""Copies of a SQLite store for a bad day, and putting one back.

A copy is consistent while the daemon writes, and sealed as the store is: without the keys of `privacy.keys`, which
belong elsewhere, nobody can read it. A store that was put back knows less than what happened: `distrust` makes it ask
before it writes, and forget what it believed other systems to hold.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from connector.clock import Clock
from connector.errors import ConnectorError, StoreError
from connector.store import engine
from connector.store.copying import copy_file
from connector.store.database import Database
from connector.store.distrust import Distrusted, distrust
from connector.store.keyring import KeyRing
from connector.store.occupancy import alone

_BESIDE = ("", "-wal", "-shm")


def back_up(url: str, path: Path) -> None:
    """Write a copy of the store at `url` to the new file `path`, readable by its owner only. Writers go on meanwhile.

    Raises:
        StoreError: the store is a server, is not there or cannot be read.
        ConnectorError: `path` exists.
    """
    source = _file(url, "back it up with `pg_dump`")
    if path.exists():
        raise ConnectorError(f"{path} exists already: a backup never replaces a file")
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        copy_file(source, part)
        with part.open("rb") as done:
            os.fsync(done.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def restore(url: str, path: Path, keyring: KeyRing, clock: Clock) -> tuple[Distrusted, Path | None]:
    """Let the backup at `path` be the store at `url`; returns what it distrusts, and where the store before it is now.

    The backup itself is left as it is. Its tables are brought to this version on the way.

    Raises:
        StoreError: the store is a server or in use, the backup is none, or it was sealed with other keys.
    """
    target = _file(url, "restore it with `pg_restore`, then run `connector restore --done`")
    fresh = target.with_name(target.name + ".restoring")
    with alone(url):
        _remove(fresh)
        os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            copy_file(path, fresh)
            made = Database(f"sqlite:///{fresh}", keyring, clock).create()
            with made.write() as tx:
                found = distrust(tx)
            made.close()  # the last connection takes the write-ahead log into the file
            aside = _set_aside(target, f"before-restore-{clock.now():%Y%m%dT%H%M%S.%fZ}") if target.exists() else None
            fresh.replace(target)
        finally:
            _remove(fresh)
    return found, aside


def put_back_otherwise(url: str, db: Database) -> Distrusted:
    """The store at `url` was put back by other means than `restore`; `db` is what it is opened with.

    Raises:
        StoreError: it is in use or cannot be used.
    """
    with alone(url), db.write() as tx:
        return distrust(tx)


def _file(url: str, instead: str) -> Path:
    parsed = engine.parse(url)
    if parsed.get_backend_name() != "sqlite":
        raise StoreError(f"the store is a PostgreSQL server: {instead}")
    return Path(str(parsed.database))


def _set_aside(target: Path, suffix: str) -> Path:
    """Give the store a second name, so that whoever dies before the new one takes its place leaves it where it is."""
    aside = target.with_name(f"{target.name}.{suffix}")
    try:
        with closing(sqlite3.connect(target)) as store:
            store.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # a log left behind would be taken for the new store's
    except sqlite3.Error:  # too damaged to be opened: as it lies there
        for end in _BESIDE:
            part = target.with_name(target.name + end)
            if part.exists():
                part.replace(aside.with_name(aside.name + end))
        return aside
    os.link(target, aside)
    for end in _BESIDE[1:]:
        target.with_name(target.name + end).unlink(missing_ok=True)
    return aside


def _remove(path: Path) -> None:
    for end in _BESIDE:
        path.with_name(path.name + end).unlink(missing_ok=True)
