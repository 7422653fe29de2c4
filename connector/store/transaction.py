"""One transaction: statements, one instant, sealing, and the wake-ups it will announce when it commits."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeAlias, overload

from sqlalchemy import Connection, CursorResult, Executable, Table
from sqlalchemy.dialects import postgresql, sqlite

from connector.domain.model.intent import Json
from connector.store.keyring import KeyRing
from connector.store.prepared import Found, Prepared

Values = Mapping[str, Any]
Rows: TypeAlias = CursorResult[*tuple[Any, ...]]


class Transaction:
    """What the noun modules of this room take as `tx`. Made by `Database.write` and `Database.read` only.

    `now` is one instant for the whole transaction, so that rows written together agree on the time. `run_id` is what
    everything planned in it can be undone by. `buried` are the tombstones it set, which outlive the store.
    `has_sealed`: something was sealed, with the first key of the ring.
    """

    def __init__(self, connection: Connection, keyring: KeyRing, now: datetime, run_id: int | None = None) -> None:
        self.now = now
        self.run_id = run_id
        self.wakes: dict[str, datetime | None] = {}
        self.buried: list[str] = []
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
        value: Json = json.loads(self._keyring.unseal(label, sealed))
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
        self.execute(_upsert(self._connection.dialect.name, table, tuple(keys), tuple(update)), values)

    def insert_ignore(self, table: Table, values: Values) -> bool:
        """Insert a row unless one with any of its unique keys exists; True when it was inserted."""
        return self.execute(_insert_ignore(self._connection.dialect.name, table), values).rowcount == 1

    def insert_new(self, table: Table, values: Values) -> int | None:
        """Insert a row unless one with any of its unique keys exists; its `id`, None when it was not inserted."""
        made = self.execute(_insert_new(self._connection.dialect.name, table), values).scalar()
        return None if made is None else int(made)

    def insert_for(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        """This dialect's INSERT, which knows ON CONFLICT; for what `upsert` cannot say."""
        return _insert(self._connection.dialect.name, table)


# Building a statement costs several times what running it does. The same few are wanted all the time.


@lru_cache
def _upsert(dialect: str, table: Table, keys: tuple[str, ...], update: tuple[str, ...]) -> Prepared:
    insert = _insert(dialect, table)
    return Prepared(
        insert.on_conflict_do_update(index_elements=list(keys), set_={name: insert.excluded[name] for name in update})
    )


@lru_cache
def _insert_ignore(dialect: str, table: Table) -> Prepared:
    return Prepared(_insert(dialect, table).on_conflict_do_nothing())


@lru_cache
def _insert_new(dialect: str, table: Table) -> Prepared:
    return Prepared(_insert(dialect, table).on_conflict_do_nothing().returning(table.c.id))


def _insert(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
