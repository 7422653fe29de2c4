"""The store as a whole: opening it, its transactions, and the bells that say a lane has work.

The bells ring for what this process commits, and for what others do as soon as `listening` hears of it. Everybody looks
at least once a second anyway (see `connector.engines`), so a bell that never rings delays work and loses none.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from connector.clock import Clock
from connector.errors import StoreError
from connector.observe import log
from connector.store import distrust, engine, keys, lanes, migrations, returned, server, tombstones
from connector.store.advice import advised
from connector.store.graveyard import KEEPS, TOLD, Graveyard
from connector.store.keyring import KeyRing
from connector.store.schema import meta
from connector.store.server import Lock
from connector.store.server_clock import ServerClock
from connector.store.transaction import Transaction
from connector.store.turn import Turn

__all__ = ["Database", "Transaction"]

ANY = "*"
"""The bell that rings with every other."""
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
        # There is one writer at a time. Threads of this process queue here, in turn and without polling: SQLite's busy
        # handler sleeps up to 100 ms between tries, and at a server each would wait with a connection of its own.
        self._turn = Turn()
        self._inside = threading.local()
        self._bells: dict[str, threading.Event] = {}
        self._bells_lock = threading.Lock()
        self.token = uuid4().hex  # tells the wake-ups of this process from those of others
        self._identity: str | None = None  # of the server's data, as the newest connection saw it
        self._recognised: str | None = None
        self._unburied: list[tuple[str, datetime, str]] = []  # committed, and not in the graveyard yet
        self._burying = threading.Lock()
        self._opening = threading.Lock()
        self._opened = threading.Event()

    def create(self) -> Database:
        """Bring the tables to this version, making the file if need be, and return self. Safe to repeat.

        Raises:
            StoreError: the store was written by a newer version, or with other keys.
        """
        engine.touch(self._url)
        with self._begun(self._writer, Lock.WRITER) as (connection, _):
            if self.is_server:
                server.take_time(connection)
            migrations.upgrade(connection)
        self._writer.dispose()  # whoever is connected since before the tables were made knows the store by another name
        self._open()
        return self

    @property
    def url(self) -> str:
        """Where it is; holds the password."""
        return self._url.render_as_string(hide_password=False)

    @property
    def is_server(self) -> bool:
        """Whether it is a PostgreSQL rather than a file."""
        return engine.is_server(self._url)

    def close(self) -> None:
        """Close every pooled connection. A transaction after that opens new ones."""
        self._writer.dispose()
        self._reader.dispose()

    @contextmanager
    def write(self, *, beside: bool = False) -> Iterator[Transaction]:
        """One writing transaction: committed when the block ends, undone when it raises. Not to be nested.

        There is one at a time in all processes, so that what it read is still true when it commits. `beside` this one
        runs what needs no such thing, because each of its statements guards itself: at a server it waits for nobody.
        After the commit the bells of the woken lanes ring.

        Raises:
            StoreError: the store did not take it (disk full, no write permission, another process holds it too long);
                or it did, and the graveyard does not take its tombstones, which is tried again with the next one.
        """
        self._open()
        with self._transaction(self._writer, Lock.BESIDE if beside else Lock.WRITER) as tx:
            yield tx
            self._finish(tx)
        self.ring(tx.wakes)
        self._bury(tx)

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """One read-only snapshot. Not to be nested, neither in itself nor in a writing transaction."""
        self._open()
        with self._transaction(self._reader, None) as tx:
            yield tx

    def empty_log(self) -> bool:
        """Write the log of a SQLite store into its file and empty it; False while somebody reads an older state.

        Deleted rows are overwritten in the file (`secure_delete`), so that nothing of them is left afterwards.
        """
        self._open()
        if self.is_server:
            return True  # its log is its own, and sealed as everything is
        with self._turn, advised(), self._reader.connect() as connection:
            busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar_one()
        return not busy

    @contextmanager
    def watched_version(self) -> Iterator[Callable[[], int]]:
        """What tells the version of a SQLite file, which moves with every commit of anybody. Raises StoreError."""
        self._open()
        with advised(), self._reader.connect() as connection:
            version: Any = connection.connection.driver_connection
            yield lambda: int(version.execute("PRAGMA data_version").fetchone()[0])

    def probe(self) -> None:
        """Prove that a commit reaches the disk. Raises StoreError when it does not."""
        with self.write(beside=True) as tx:
            tx.upsert(meta, {"name": _PROBE, "value": tx.now.isoformat()}, keys=["name"], update=["value"])

    def bell(self, lane: str) -> threading.Event:
        """The event that is set after a commit of this process woke `lane`; whoever waits for it clears it."""
        with self._bells_lock:
            return self._bells.setdefault(lane, threading.Event())

    def ring(self, lanes_: Iterable[str]) -> None:
        """Set the bells of these lanes."""
        for name in lanes_:
            self.bell(name).set()
            self.bell(ANY).set()

    def _finish(self, tx: Transaction) -> None:
        """What is done just before a commit. Raises StoreError."""
        if tx.has_sealed and self.keyring.key_ids[0] not in keys.used(tx):
            raise StoreError(
                "the key this process seals with was replaced, and `connector keys reseal` said that it may go: "
                "restart the daemon with the privacy.keys there are now"
            )
        lanes.wake(tx, tx.wakes)
        if woken := sorted(name for name, at in tx.wakes.items() if at is None):
            tx.announce(woken, self.token)

    def _bury(self, tx: Transaction) -> None:
        """Bring what has been committed to the graveyard, never what has not. Raises StoreError.

        A line there without its tombstone here means that an old copy of the store was put back. A process that wrote
        it first and died before its commit would have said that of somebody whose erasure never began. What dies in
        between is caught up with by the next start.
        """
        if self._graveyard is None or not (tx.buried or self._unburied):
            return
        with self._burying:
            self._unburied += [(digest, tx.now, word) for digest, word in tx.buried.items()]
            self._graveyard.add(self._unburied)
            self._unburied.clear()

    def bury_told(self, digests: Iterable[str]) -> None:
        """Every other system has erased whom these tombstones are of: no old copy tells it again. Raises StoreError."""
        if self._graveyard is not None:
            with self._burying:
                self._graveyard.add((digest, self.clock.now(), TOLD) for digest in digests)

    def _stay_erased(self) -> None:
        """Who is in the graveyard and not among the tombstones came back with an old copy of the store.

        A tombstone that is not in the graveyard was committed by a process that did not come so far.
        """
        if self._graveyard is None:
            return
        digests = self._graveyard.digests()
        with self._transaction(self._reader, None) as tx:
            missing = returned.not_buried(tx, digests)
            unburied, keeping = tombstones.besides(tx, digests), returned.keeping(tx)
        if unburied:
            self._graveyard.add((digest, at, KEEPS if digest in keeping else "") for digest, at in unburied)
        if missing:
            with self._transaction(self._writer, Lock.WRITER) as tx:
                told, kept = self._graveyard.digests(TOLD), self._graveyard.digests(KEEPS)
                returned.again(tx, returned.not_buried(tx, digests), told, kept)
                self._finish(tx)
            self._bury(tx)

    def _stay_itself(self) -> None:
        """The data of a server that are not those they were came back with an old copy of the store."""
        if self._recognised == self._identity:
            return
        assert self._identity is not None
        with self._transaction(self._reader, None) as tx:
            is_itself = distrust.is_itself(tx, self._identity)
        if not is_itself:
            self._writer.dispose()  # what is connected since before the change still takes it for what it was
            self._reader.dispose()
            with self._transaction(self._writer, Lock.WRITER) as tx:
                found = distrust.recognise(tx, self._identity)
                self._finish(tx)
            self.ring(tx.wakes)
            if found is not None:
                log("store").warning("store_put_back", intents=found.intents, fields=found.fields)
        self._recognised = self._identity

    @contextmanager
    def _transaction(self, pool: Engine, lock: Lock | None) -> Iterator[Transaction]:
        if getattr(self._inside, "active", False):
            raise RuntimeError("a transaction is already open in this thread: pass its tx on")
        self._inside.active = True
        try:
            with self._begun(pool, lock) as (connection, now):
                yield Transaction(connection, self.keyring, now, self.run_id)
        finally:
            self._inside.active = False

    @contextmanager
    def _begun(self, pool: Engine, lock: Lock | None) -> Iterator[tuple[Connection, datetime]]:
        """A transaction that has begun, and what time it is: who had to wait sees the time after that."""
        with ExitStack() as stack:
            is_queued = lock is Lock.WRITER or (lock is not None and not self.is_server)
            if is_queued:
                stack.enter_context(self._turn)
            stack.enter_context(advised())
            connection = self._reach(stack, pool, lock)
            yield connection, self.clock.now()

    def _reach(self, stack: ExitStack, pool: Engine, lock: Lock | None) -> Connection:
        if not self.is_server:
            return stack.enter_context(pool.begin())
        try:
            return self._begin_at_server(stack, pool, lock)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        # The server was restarted since this connection was used last: nothing is lost, and a fresh one will do.
        return self._begin_at_server(stack, pool, lock)

    def _begin_at_server(self, stack: ExitStack, pool: Engine, lock: Lock | None) -> Connection:
        with ExitStack() as attempt:
            asked_at = self.clock.monotonic()
            connection = attempt.enter_context(pool.begin())
            said = server.begin(connection, lock)
            self._identity = server.identity(connection)
            if lock is not None and not self._is_itself():
                raise StoreError("the server has other data than before: what was begun is undone and tried again")
            if isinstance(self.clock, ServerClock):
                self.clock.told(said, asked_at=asked_at)
            stack.push(attempt.pop_all())
            return connection

    def _is_itself(self) -> bool:
        """Whether the data are those this process knows, or it is about to find out."""
        is_opening = not self._opened.is_set() or getattr(self._inside, "opening", False)
        return is_opening or self._recognised == self._identity

    def _open(self) -> None:
        if self._opened.is_set() and self._recognised == self._identity:
            return
        with self._opening:
            if self._opened.is_set():
                self._inside.opening = True
                try:
                    self._stay_itself()
                    self._stay_erased()
                finally:
                    self._inside.opening = False
                return
            if not engine.exists(self._url):
                raise StoreError(f"there is no store at {self._url.database} yet: `connector run` makes it")
            with self._begun(self._reader, None) as (connection, _):
                migrations.check(connection)
            with self._transaction(self._reader, None) as tx:
                ring = keys.fit(tx, self.keyring)
            if ring is None:
                with self._transaction(self._writer, Lock.WRITER) as tx:
                    ring = keys.remember(tx, self.keyring)
            self.keyring = ring
            self._stay_itself()
            self._stay_erased()
            self._opened.set()
