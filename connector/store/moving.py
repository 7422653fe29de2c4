"""Moving a store from a SQLite file to a PostgreSQL: everything, once, and the file says afterwards where it went.

A crash at any point leaves one store that can be used. Everything is copied in one transaction of the server, which
nobody can open until the file is fenced; what was begun is finished by running it again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import URL, Connection, Table, func, insert, inspect, select, text, update

from connector.clock import Clock
from connector.errors import StoreError
from connector.store import engine, lanes, migrations, server, views
from connector.store.advice import advised
from connector.store.columns import metadata
from connector.store.occupancy import alone
from connector.store.schema import lane, meta
from connector.store.server import Lock

ROWS = 1_000
"""Rows copied at once."""
ARRIVED, FENCED = "everything is there", "the file is fenced"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """How many rows of how many tables are at the server now; none when an earlier run had copied them."""

    tables: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Figure:
    """What a table holds: how many rows, and the sum of their digests, whatever their order."""

    rows: int
    digest: int


def move(source: str, target: str, clock: Clock, *, reached: Callable[[str], None] = lambda step: None) -> Moved:
    """Move the store at `source`, a SQLite file, into the empty PostgreSQL database at `target`.

    `reached` hears of each table that was copied, and of each step once it is durable.

    Raises:
        StoreError: it is no such pair; either is in use, or a lane of the file is leased; the file is not of this
            version; the database holds something; what arrived is not what was sent. Nothing is moved then.
    """
    file, place = engine.parse(source), engine.parse(target)
    if engine.is_server(file) or not engine.is_server(place):
        raise StoreError("a store is moved from sqlite:///FILE to postgresql://HOST/DATABASE")
    if not engine.exists(file):
        raise StoreError(f"there is no store at {file.database}")
    with ExitStack() as stack, advised():
        stack.enter_context(alone(source))
        stack.enter_context(alone(target))
        old, new = engine.open_writer(file), engine.open_writer(place)
        stack.callback(old.dispose)
        stack.callback(new.dispose)
        with old.begin() as original:  # holds the file's write lock: nobody changes it meanwhile
            if _is_fenced(original, place):
                moved = Moved(tables=0, rows=0)
            else:
                migrations.check(original)
                _refuse_leased(original, clock.now())
                with new.begin() as copy:
                    server.begin(copy, Lock.WRITER)
                    server.take_time(copy)
                    moved = _copy(original, copy, reached)
                reached(ARRIVED)
                _fence(original, place)
        reached(FENCED)
        with new.begin() as copy:
            migrations.mark(copy, migrations.head())
    return moved


def shown(url: URL) -> str:
    """A store's address without the password."""
    plain = URL.create("postgresql", url.username, None, url.host, url.port, url.database, url.query)
    return plain.render_as_string()


def _is_fenced(original: Connection, place: URL) -> bool:
    """Whether an earlier run got as far as fencing the file. Raises StoreError when it went elsewhere."""
    if migrations.current(original) != migrations.MOVED:
        return False
    if migrations.moved_to(original) != shown(place):
        migrations.check(original)
    return True


def _refuse_leased(original: Connection, now: datetime) -> None:
    leased = original.execute(select(lane.c.name, lane.c.owner).where(lanes.is_leased(now))).first()
    if leased is not None:
        raise StoreError(f"lane {leased.name} is leased to {leased.owner}: stop it, or wait until its lease is over")


def _copy(original: Connection, copy: Connection, reached: Callable[[str], None]) -> Moved:
    if migrations.current(copy) == migrations.ARRIVING:
        _clear(copy)
    if inspect(copy).get_table_names():
        raise StoreError("the PostgreSQL database holds something already: make an empty one with `createdb`")
    migrations.upgrade(copy)
    rows = 0
    for table in metadata.sorted_tables:
        sent = _copy_table(original, copy, table)
        if _figure(_rows(copy, table)) != sent:
            raise StoreError(f"what arrived in table {table.name} is not what was sent: nothing was moved")
        _go_on_counting(copy, table)
        rows += sent.rows
        reached(table.name)
    migrations.mark(copy, migrations.ARRIVING)
    return Moved(tables=len(metadata.sorted_tables), rows=rows)


def _clear(copy: Connection) -> None:
    """Take away what a run that died had brought."""
    views.drop(copy)
    metadata.drop_all(copy)
    copy.execute(text("DROP TABLE alembic_version"))


def _copy_table(original: Connection, copy: Connection, table: Table) -> _Figure:
    """Copy a table; rows that refer to rows of the same table do so once all of them are there."""
    own = [column.name for column in table.columns if any(key.column.table is table for key in column.foreign_keys)]
    key = [column.name for column in table.primary_key]
    rows = digest = 0
    for batch in _rows(original, table):
        figure = _figure([batch])
        rows, digest = rows + figure.rows, digest + figure.digest
        copy.execute(insert(table), [{**row, **dict.fromkeys(own)} for row in batch])
    for batch in _rows(original, table) if own else ():
        for row in batch:
            if any(row[name] is not None for name in own):
                where = [table.c[name] == row[name] for name in key]
                copy.execute(update(table).where(*where).values({name: row[name] for name in own}))
    return _Figure(rows=rows, digest=digest % _MODULUS)


def _rows(connection: Connection, table: Table) -> Iterator[list[dict[str, Any]]]:
    query = select(table).order_by(*table.primary_key).execution_options(yield_per=ROWS)
    found = connection.execute(query)
    for batch in found.mappings().partitions(ROWS):
        yield [dict(row) for row in batch]


_MODULUS = 2**256


def _figure(batches: Iterator[list[dict[str, Any]]] | list[list[dict[str, Any]]]) -> _Figure:
    rows = digest = 0
    for batch in batches:
        rows += len(batch)
        digest += sum(_digest(row) for row in batch)
    return _Figure(rows=rows, digest=digest % _MODULUS)


def _digest(row: Mapping[str, Any]) -> int:
    plain = {name: value.hex() if isinstance(value, bytes | memoryview) else value for name, value in row.items()}
    said = json.dumps(plain, sort_keys=True, default=str, ensure_ascii=False)
    return int.from_bytes(hashlib.sha256(said.encode("utf-8", "surrogatepass")).digest())


def _go_on_counting(copy: Connection, table: Table) -> None:
    """Let the next row get the next number."""
    number = table.autoincrement_column
    if number is None:
        return
    highest = copy.execute(select(func.max(number))).scalar_one()
    sequence = func.pg_get_serial_sequence(f'"{table.name}"', number.name)
    copy.execute(select(func.setval(sequence, highest or 1, highest is not None)))


def _fence(original: Connection, place: URL) -> None:
    original.execute(insert(meta).values(name=migrations.MOVED_TO, value=shown(place)))
    migrations.mark(original, migrations.MOVED)
