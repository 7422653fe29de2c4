"""One transaction: statements, one instant, sealing, and the wake-ups it will announce when it commits."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeAlias, overload

from sqlalchemy import Connection, CursorResult, Executable, Table
from sqlalchemy.dialects import postgresql, sqlite

from connector.domain.model.intent import Json
from connector.store import server
from connector.store.keyring import KeyRing
from connector.store.prepared import Found, Prepared

_TOLD_AT_ONCE = 50  # a notification is at most 8,000 bytes

Values = Mapping[str, Any]
Rows: TypeAlias = CursorResult[*tuple[Any, ...]]


class Transaction:
    """What the noun modules of this room take as `tx`. Made by `Database.write` and `Database.read` only.

    `now` is one instant for the whole transaction, so that rows written together agree on the time. `run_id` is what
    everything planned in it can be undone by. `buried` are the tombstones it set, which outlive the store, with
    the word of each.
    `has_sealed`: something was sealed, with the first key of the ring.
    """

    def __init__(self, connection: Connection, keyring: KeyRing, now: datetime, run_id: int | None = None) -> None:
        self.now = now
        self.run_id = run_id
        self.wakes: dict[str, datetime | None] = {}
        self.buried: dict[str, str] = {}
        self.has_sealed = False
        self._connection = connection
        self._keyring = keyring

    @overload
    def execute(self, statement: Prepared, params: Values | Sequence[Values] | None = None) -> Found: ...

    @overload
    def execute(self, statement: Executable, params: Values | Sequence[Values] | None = None) -> Rows: ...

    def execute(
        self, statement: Executable | Prepared, params: Values | Sequence[Values] | None = None
    ) -> Rows | Found:
        """Run one statement; a sequence of `params` runs it once for each."""
        if isinstance(statement, Prepared):
            return statement.run(self._connection, params)
        result = self._connection.execute(statement, params)
        assert isinstance(result, CursorResult)
        return result

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what the block did when it raises, and let the error through; the transaction goes on."""
        with self._connection.begin_nested():
            yield

    def keep_out(self) -> None:
        """Wait for the transactions that run beside this one, and let none begin before it ends."""
        if self.is_server:
            server.keep_out(self._connection)

    def announce(self, lanes: Iterable[str], token: str) -> None:
        """Tell the processes that listen which lanes are woken, when this commits; `token` says who tells it."""
        if not self.is_server:
            return
        names = list(lanes)
        for start in range(0, len(names), _TOLD_AT_ONCE):
            server.notify(self._connection, token, names[start : start + _TOLD_AT_ONCE])

    @property
    def is_server(self) -> bool:
        """Whether the store is a PostgreSQL rather than a file."""
        return self._connection.dialect.name == "postgresql"

    @contextmanager
    def under(self, run_id: int | None) -> Iterator[None]:
        """What is planned in the block belongs to this run; None: to the run it belongs to anyway."""
        outer = self.run_id
        self.run_id = outer if run_id is None else run_id
        try:
            yield
        finally:
            self.run_id = outer

    def seal(self, label: str, data: Json) -> bytes:
        """Encrypt a JSON value for the column `label` (`table.column`)."""
        return self.seal_bytes(label, json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode())

    def unseal(self, label: str, sealed: bytes) -> Json:
        """Decrypt what `seal` made for the same label. Raises StoreError."""
        value: Json = json.loads(self._keyring.unseal(label, sealed).decode())
        return value

    def seal_bytes(self, label: str, payload: bytes) -> bytes:
        """Encrypt raw bytes for the column `label`."""
        self.has_sealed = True
        return self._keyring.seal(label, payload)

    def unseal_bytes(self, label: str, sealed: bytes) -> bytes:
        """Decrypt what `seal_bytes` made for the same label. Raises StoreError."""
        return self._keyring.unseal(label, sealed)

    def blind(self, domain: str, text: str) -> str:
        """The keyed digest (64 hex digits) under which `text` is found, for example `blind("email", address)`."""
        return self._keyring.blind(domain, text)

    def blind_bytes(self, domain: str, payload: bytes) -> str:
        """The keyed digest of raw bytes."""
        return self._keyring.blind_bytes(domain, payload)

    def wake(self, lane: str, at: datetime | None = None) -> None:
        """Announce work for `lane`, now or at `at`; part of this transaction, heard when it commits.

        A wake-up outlives a savepoint that is undone: a lane woken for nothing finds nothing,
        a lane left asleep is lost work.
        """
        if at is None or at <= self.now:
            self.wakes[lane] = None
        elif lane not in self.wakes:
            self.wakes[lane] = at
        elif (earlier := self.wakes[lane]) is not None:
            self.wakes[lane] = min(earlier, at)

    def upsert(
        self, table: Table, values: Values | Sequence[Values], *, keys: Sequence[str], update: Sequence[str]
    ) -> None:
        """Insert a row, or set the columns `update` of the row that already has these `keys`; or each of several."""
        if not values:
            return
        self.execute(_upsert(self.dialect, table, tuple(keys), tuple(update)), values)

    def insert_ignore(self, table: Table, values: Values) -> bool:
        """Insert a row unless one with any of its unique keys exists; True when it was inserted."""
        return self.execute(_insert_ignore(self.dialect, table), values).rowcount == 1

    def insert_new(self, table: Table, values: Values) -> int | None:
        """Insert a row unless one with any of its unique keys exists; its `id`, None when it was not inserted."""
        made = self.execute(_insert_new(self.dialect, table), values).scalar()
        return None if made is None else int(made)

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._connection.dialect.name

    def insert_for(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        """This dialect's INSERT, which knows ON CONFLICT; for what `upsert` cannot say."""
        return insert_of(self.dialect, table)


# Building a statement costs several times what running it does. The same few are wanted all the time.


@lru_cache
def _upsert(dialect: str, table: Table, keys: tuple[str, ...], update: tuple[str, ...]) -> Prepared:
    insert = insert_of(dialect, table)
    return Prepared(
        insert.on_conflict_do_update(index_elements=list(keys), set_={name: insert.excluded[name] for name in update})
    )


@lru_cache
def _insert_ignore(dialect: str, table: Table) -> Prepared:
    return Prepared(insert_of(dialect, table).on_conflict_do_nothing())


@lru_cache
def _insert_new(dialect: str, table: Table) -> Prepared:
    return Prepared(insert_of(dialect, table).on_conflict_do_nothing().returning(table.c.id))


def insert_of(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    """A dialect's INSERT, which knows ON CONFLICT."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
