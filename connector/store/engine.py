"""Opening the database with the settings the rest of this room relies on.

SQLite law: WAL, `synchronous=FULL`, foreign keys on, a busy time-out, and every writing transaction `BEGIN IMMEDIATE`.
Python's driver would open transactions late and deferred by itself (it lost 499 of 1,000 concurrent updates without an
error), so it is told not to (`isolation_level = None`) and BEGIN is ours.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Dialect, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.util import LRUCache

from connector.errors import StoreError
from connector.store import server

BUSY_SECONDS = 30
"""How long a writer waits for a writer of another process before it gives up."""

_READERS = 16
_IDLE, _MOST = 4, 20
"""Connections to a server that each of the two pools keeps, and the most it opens."""
_NOTICED_DEAD = {
    "connect_timeout": 10,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "application_name": "csat-connector",
}
"""So that a server that is gone is noticed within seconds."""
_CACHE_KIB = 32 * 1024
_STATEMENTS = 1024
"""Of each connection, kept parsed; the driver's own 128 are fewer than the connector has."""
_FILE = {"timeout": BUSY_SECONDS, "cached_statements": _STATEMENTS}
_COMPILED: Final[LRUCache[Any, Any]] = LRUCache(_STATEMENTS)
"""What statements were compiled to, for every file of this process: it takes several times what running them takes."""


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


def is_server(url: URL) -> bool:
    """Whether the store is a PostgreSQL rather than a file."""
    return url.get_backend_name() == "postgresql"


def exists(url: URL) -> bool:
    """False when the SQLite file is not there yet; a server is asked by connecting."""
    return is_server(url) or Path(str(url.database)).exists()


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
    if is_server(url):
        return _server(url, isolation_level="READ COMMITTED")
    engine = _file(url)
    event.listen(engine, "connect", _keep_pages)
    if not durable:
        event.listen(engine, "connect", _hurry)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def open_reader(url: URL) -> Engine:
    """The engine of read-only snapshots."""
    if is_server(url):
        return _server(url, isolation_level="REPEATABLE READ", execution_options={"postgresql_readonly": True})
    engine = _file(url, pool_size=_READERS)
    event.listen(engine, "connect", _read_only)
    event.listen(engine, "begin", _begin)
    return engine


def open_session(url: URL) -> Engine:
    """The engine of sessions at a server that are in no transaction: for locks and listening as long as they live."""
    return _server(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)


def _file(url: URL, **options: Any) -> Engine:
    engine = create_engine(url, connect_args=_FILE, execution_options={"compiled_cache": _COMPILED}, **options)
    engine.dialect = _dialect()
    event.listen(engine, "connect", _settle)
    return engine


@cache
def _dialect() -> Dialect:
    """The dialect of all files. What is compiled belongs to one, and they differ in nothing: it is the library's."""
    engine = create_engine("sqlite://")
    with engine.connect():  # it learns which SQLite this is
        pass
    engine.dispose()
    return engine.dialect


def _server(url: URL, **options: Any) -> Engine:
    pool = {} if "poolclass" in options else {"pool_size": _IDLE, "max_overflow": _MOST - _IDLE}
    try:
        engine = create_engine(url, connect_args=_NOTICED_DEAD, **pool, **options)
    except ModuleNotFoundError as error:
        raise StoreError("PostgreSQL needs its driver: pip install 'csat-connector[postgresql]'") from error
    event.listen(engine, "connect", server.settle)
    return engine


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
