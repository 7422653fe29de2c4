"""The store as a whole: opening it, its transactions, and the bells that say a lane has work.

The bells are a shortcut within one process. Other processes notice a committed wake-up when they look, at least once a
second (see `connector.engines.embedded`), so a bell that never rings delays work and loses none.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError, OperationalError

from connector.clock import Clock
from connector.errors import StoreError
from connector.store import engine, erasures, keys, lanes, migrations, tombstones
from connector.store.graveyard import Graveyard
from connector.store.keyring import KeyRing
from connector.store.schema import meta
from connector.store.transaction import Transaction
from connector.store.turn import Turn

__all__ = ["Database", "Transaction"]

_PROBE = "probe"


class Database:
    """One store: a SQLite file (`sqlite:///connector.db`) or PostgreSQL (`postgresql://user:…@host/name`).

    Nothing is opened here. The first transaction checks that the tables are the ones this version knows and that
    the key ring is the one they were sealed with, and erases again who came back with a restored backup: `graveyard` is
    the file that knows. `durable` is False for copies that are thrown away, which need not reach the disk.

    Raises:
        StoreError: the URL is neither; from the first transaction on: tables or keys do not fit.
    """

    def __init__(
        self, url: str, keyring: KeyRing, clock: Clock, graveyard: Path | None = None, *, durable: bool = True
    ) -> None:
        self.clock = clock
        self.keyring = keyring
        self._graveyard = None if graveyard is None else Graveyard(graveyard)
        self.run_id: int | None = None  # of the configuration that is active; `connector.store.runs` makes it
        self._url = engine.parse(url)
        self._writer = engine.open_writer(self._url, durable=durable)
        self._reader = engine.open_reader(self._url)
        # SQLite has one writer at a time. Threads of this process queue here, in turn and without polling, instead of
        # in SQLite's busy handler, which sleeps up to 100 ms between tries and lets the unlucky one starve.
        self._turn = Turn()
        self._inside = threading.local()
        self._bells: dict[str, threading.Event] = {}
        self._bells_lock = threading.Lock()
        self._unburied: list[tuple[str, datetime]] = []  # committed, and not in the graveyard yet
        self._burying = threading.Lock()
        self._opening = threading.Lock()
        self._opened = threading.Event()

    def create(self) -> Database:
        """Bring the tables to this version, making the file if need be, and return self. Safe to repeat.

        Raises:
            StoreError: the store was written by a newer version, or with other keys.
        """
        engine.touch(self._url)
        with _advised(), self._writer.begin() as connection:
            migrations.upgrade(connection)
        self._open()
        return self

    def close(self) -> None:
        """Close every pooled connection. A transaction after that opens new ones."""
        self._writer.dispose()
        self._reader.dispose()

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """One writing transaction: committed when the block ends, undone when it raises. Not to be nested.

        After the commit the bells of the woken lanes ring.

        Raises:
            StoreError: the store did not take it (disk full, no write permission, another process holds it too long);
                or it did, and the graveyard does not take its tombstones, which is tried again with the next one.
        """
        self._open()
        with self._transaction(self._writer, exclusive=True) as tx:
            yield tx
            self._finish(tx)
        self.ring(tx.wakes)
        self._bury(tx)

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """One read-only snapshot. Not to be nested, neither in itself nor in a writing transaction."""
        self._open()
        with self._transaction(self._reader, exclusive=False) as tx:
            yield tx

    def empty_log(self) -> bool:
        """Write the log of a SQLite store into its file and empty it; False while somebody reads an older state.

        Deleted rows are overwritten in the file (`secure_delete`), so that nothing of them is left afterwards.
        """
        self._open()
        if self._url.get_backend_name() != "sqlite":
            return True
        with self._turn, _advised(), self._reader.connect() as connection:
            busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar_one()
        return not busy

    def probe(self) -> None:
        """Prove that a commit reaches the disk. Raises StoreError when it does not."""
        with self.write() as tx:
            tx.upsert(meta, {"name": _PROBE, "value": tx.now.isoformat()}, keys=["name"], update=["value"])

    def bell(self, lane: str) -> threading.Event:
        """The event that is set after a commit of this process woke `lane`; whoever waits for it clears it."""
        with self._bells_lock:
            return self._bells.setdefault(lane, threading.Event())

    def ring(self, lanes_: Iterable[str]) -> None:
        """Set the bells of these lanes."""
        for name in lanes_:
            self.bell(name).set()

    def _finish(self, tx: Transaction) -> None:
        """What is done just before a commit. Raises StoreError."""
        if tx.has_sealed and self.keyring.key_ids[0] not in keys.used(tx):
            raise StoreError(
                "the key this process seals with was replaced, and `connector keys reseal` said that it may go: "
                "restart the daemon with the privacy.keys there are now"
            )
        lanes.wake(tx, tx.wakes)

    def _bury(self, tx: Transaction) -> None:
        """Bring what has been committed to the graveyard, never what has not. Raises StoreError.

        A line there without its tombstone here means that an old copy of the store was put back, and that what is left
        is to be erased here alone. A process that wrote it first and died before its commit would have said that of
        somebody whom no other system was told to erase. What dies in between is caught up with by the next start.
        """
        if self._graveyard is None or not (tx.buried or self._unburied):
            return
        with self._burying:
            self._unburied += [(digest, tx.now) for digest in tx.buried]
            self._graveyard.add(self._unburied)
            self._unburied.clear()

    def _stay_erased(self) -> None:
        """Who is in the graveyard and not among the tombstones came back with an old copy of the store.

        A tombstone that is not in the graveyard was committed by a process that did not come so far.
        """
        if self._graveyard is None:
            return
        digests = self._graveyard.digests()
        with self._transaction(self._reader, exclusive=False) as tx:
            missing = erasures.not_buried(tx, digests)
            unburied = tombstones.besides(tx, digests)
        if unburied:
            self._graveyard.add(unburied)
        if missing:
            with self._transaction(self._writer, exclusive=True) as tx:
                erasures.again(tx, erasures.not_buried(tx, digests))
                self._finish(tx)
            self._bury(tx)

    @contextmanager
    def _transaction(self, pool: Engine, *, exclusive: bool) -> Iterator[Transaction]:
        if getattr(self._inside, "active", False):
            raise RuntimeError("a transaction is already open in this thread: pass its tx on")
        is_file = self._url.get_backend_name() == "sqlite"
        self._inside.active = True
        turn = self._turn if exclusive and is_file else nullcontext()
        try:
            with turn, _advised(), pool.begin() as connection:
                # The clock is read once the transaction has begun: who had to wait sees the time after that.
                yield Transaction(connection, self.keyring, self.clock.now(), self.run_id)
        finally:
            self._inside.active = False

    def _open(self) -> None:
        if self._opened.is_set():
            return
        with self._opening:
            if self._opened.is_set():
                return
            if not engine.exists(self._url):
                raise StoreError(f"there is no store at {self._url.database} yet: `connector run` makes it")
            with _advised(), self._reader.connect() as connection:
                migrations.check(connection)
            with self._transaction(self._reader, exclusive=False) as tx:
                ring = keys.fit(tx, self.keyring)
            if ring is None:
                with self._transaction(self._writer, exclusive=True) as tx:
                    ring = keys.remember(tx, self.keyring)
            self.keyring = ring
            self._stay_erased()
            self._opened.set()


@contextmanager
def _advised() -> Iterator[None]:
    """Turn what a driver says about a store it cannot use into advice; its own words may hold the URL's password."""
    try:
        yield
    except DatabaseError as error:
        if not isinstance(error, OperationalError) and type(error) is not DatabaseError:
            raise  # a constraint or a wrong statement: our mistake, not the store's state
        message = (
            "the store cannot be used: check that it can be reached and written, is whole, and its disk is not full"
        )
        raise StoreError(message) from error
