"""Opening the database with the settings the rest of this room relies on.

SQLite law: WAL, `synchronous=FULL`, foreign keys on, a busy time-out, and every writing transaction `BEGIN IMMEDIATE`.
Python's driver would open transactions late and deferred by itself (it lost 499 of 1,000 concurrent updates without an
error), so it is told not to (`isolation_level = None`) and BEGIN is ours.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from connector.errors import StoreError

BUSY_SECONDS = 30
"""How long a writer waits for a writer of another process before it gives up."""

_READERS = 16
_CACHE_KIB = 32 * 1024
_STATEMENTS = 1024
"""Of each connection, kept parsed; the driver's own 128 are fewer than the connector has."""
_FILE = {"timeout": BUSY_SECONDS, "cached_statements": _STATEMENTS}


def parse(url: str) -> URL:
    """Read a store URL. Raises StoreError, without the password, for what is neither a SQLite file nor PostgreSQL."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StoreError("store is not a URL: write sqlite:///connector.db or postgresql://user:…@host/name") from None
    backend = parsed.get_backend_name()
    if backend == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise StoreError(f"store cannot be {backend}: write sqlite:///connector.db or postgresql://user:…@host/name")
    if parsed.database in (None, "", ":memory:"):
        raise StoreError("store must be a file: what lives in memory cannot survive a crash")
    return parsed


def exists(url: URL) -> bool:
    """False when the SQLite file is not there yet; a server is asked by connecting."""
    return url.get_backend_name() != "sqlite" or Path(str(url.database)).exists()


def touch(url: URL) -> None:
    """Make an empty SQLite file that only its owner can read; its WAL inherits that. Raises StoreError."""
    if exists(url):
        return
    try:
        os.close(os.open(str(url.database), os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreError(f"no file can be made at {url.database}: {error.strerror}") from error


def open_writer(url: URL, *, durable: bool = True) -> Engine:
    """The engine of writing transactions. Not `durable`: what is lost when the machine stops would not be missed."""
    if url.get_backend_name() == "postgresql":
        return _server(url)
    engine = create_engine(url, connect_args=_FILE)
    event.listen(engine, "connect", _settle)
    event.listen(engine, "connect", _keep_pages)
    if not durable:
        event.listen(engine, "connect", _hurry)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def open_reader(url: URL) -> Engine:
    """The engine of read-only snapshots."""
    if url.get_backend_name() == "postgresql":
        return _server(url, isolation_level="REPEATABLE READ", pool_size=_READERS)
    engine = create_engine(url, connect_args=_FILE, pool_size=_READERS)
    event.listen(engine, "connect", _settle)
    event.listen(engine, "connect", _read_only)
    event.listen(engine, "begin", _begin)
    return engine


def _server(url: URL, **options: Any) -> Engine:
    try:
        return create_engine(url, pool_pre_ping=True, **options)
    except ModuleNotFoundError as error:
        raise StoreError("PostgreSQL needs its driver: pip install 'csat-connector[postgresql]'") from error


def _settle(connection: Any, _record: object) -> None:
    connection.isolation_level = None
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _keep_pages(connection: Any, _record: object) -> None:
    # New rows land all over the indexes of blind digests: with the 2 MB of the default each of them is read again.
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")


def _hurry(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA synchronous = OFF")


def _read_only(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA query_only = ON")


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")
