"""Where the store of a test is: in a file of its folder, or in a database of its own on a real PostgreSQL.

A test marked `both_stores` runs on each. It says where its store is with `store_url`, which is the same place whenever
the folder is.
"""

from __future__ import annotations

import gc
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import event
from sqlalchemy.pool import Pool

from tests.postgres import server

KINDS = ("sqlite", "postgresql")
_BESIDE = ("", "-wal", "-shm")
_kind = "sqlite"
_databases: dict[Path, str] = {}
_connections: list[psycopg.Connection[Any]] = []


def is_server() -> bool:
    """Whether the store of this test is a PostgreSQL."""
    return _kind == "postgresql"


def store_url(folder: Path) -> str:
    """The store of a test that works in `folder`; nothing is in it before it is created."""
    if not is_server():
        return f"sqlite:///{folder / 'store.db'}"
    if folder not in _databases:
        _databases[folder] = server().database()
    return server().url(_databases[folder])


def prepared_url(folder: Path, prepare: Callable[[str], None]) -> str:
    """The store of a test that works in `folder`, prepared once: copying one takes a fraction of making its tables."""
    if is_server():
        if folder not in _databases:
            _databases[folder] = server().database(_server_template(prepare))
    elif not (folder / "store.db").exists():
        shutil.copy(file_template(prepare), folder / "store.db")
    return store_url(folder)


@contextmanager
def empty_database() -> Iterator[str]:
    """The URL of an empty database, whatever the kind of this test's store; dropped when the block ends."""
    name = server().database()
    try:
        yield server().url(name)
    finally:
        _hang_up()
        server().drop(name)


def database_of(url: str) -> str:
    """The name of the database in the URL of a store at the server."""
    return url.partition("?")[0].rpartition("/")[2]


def keep(folder: Path, name: str) -> None:
    """Keep a copy of the store of `folder` under a name."""
    if is_server():
        _databases[folder / name] = f"{_databases[folder]}_{len(_databases)}"
        server().copy(_databases[folder], _databases[folder / name])
    else:
        _copy_file(folder / "store.db", folder / name)


def put_back(folder: Path, name: str) -> None:
    """Let the store of `folder` be the copy kept under a name, as who moves files and restores dumps does."""
    if is_server():
        server().copy(_databases[folder / name], _databases[folder])
    else:
        _copy_file(folder / name, folder / "store.db")


@contextmanager
def on(kind: str) -> Iterator[None]:
    """Within the block stores are of this kind; the databases made in it are dropped when it ends."""
    global _kind
    before, _kind = _kind, kind
    try:
        yield
    finally:
        _kind = before
        _drop()


def _drop() -> None:
    if not _databases:
        return
    _hang_up()
    for name in _databases.values():
        server().drop(name)
    _databases.clear()


def _hang_up() -> None:
    gc.collect(1)
    for connection in _connections:
        connection.close()
    _connections.clear()


@event.listens_for(Pool, "connect")
def _remember(connection: object, _record: object) -> None:
    if isinstance(connection, psycopg.Connection):
        _connections.append(connection)  # whoever ends a test rarely closes its store


def _copy_file(source: Path, to: Path) -> None:
    for suffix in _BESIDE:
        to.with_name(to.name + suffix).unlink(missing_ok=True)
    for suffix in _BESIDE[:2]:
        if source.with_name(source.name + suffix).exists():
            shutil.copy(source.with_name(source.name + suffix), to.with_name(to.name + suffix))


@cache
def file_template(prepare: Callable[[str], None]) -> Path:
    made = Path(tempfile.mkdtemp(prefix="connector-template-")) / "store.db"
    prepare(f"sqlite:///{made}")
    return made


@cache
def _server_template(prepare: Callable[[str], None]) -> str:
    name = server().database()
    prepare(server().url(name))
    # A copy is not to take itself for a store that was put back.
    server().run(sql.SQL("DELETE FROM meta WHERE name = 'identity'"), database=name)
    return name
