"""Collect: from a webhook request to deliveries that are on disk.

One thread commits. While it commits, everything that arrives gathers in one batch, which it commits next: concurrent
deliveries share a commit without anybody waiting for company, and nobody hears "accepted" before the disk has it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from connector.errors import ConnectorError, MappingError
from connector.ports import Hook, Source
from connector.store import counts, inbox
from connector.store.advice import Undone
from connector.store.database import Database
from connector.store.inbox import Arrival
from connector.sync.outlet import Notify
from connector.sync.understand import tell_quarantined, to_nobody


class Full(ConnectorError):
    """More is waiting for the disk than may wait; the sender should come again in a moment."""


@dataclass(slots=True)
class _Batch:
    arrivals: list[Arrival] = field(default_factory=list)
    lanes: set[str] = field(default_factory=set)
    counted: Counter[str] = field(default_factory=Counter)
    size: int = 0
    committed: Future[None] | None = None


class Intake:
    """Takes deliveries from many threads and commits them in batches.

    Args:
        db: where they go.
        max_waiting: deliveries that may wait for the next commit.
        max_bytes: their total size.
        notify: tells the operators of a request that could not be told apart, in the transaction that stores it.
    """

    def __init__(
        self,
        db: Database,
        *,
        max_waiting: int = 1_000,
        max_bytes: int = 32 * 2**20,
        notify: Notify = to_nobody,
    ) -> None:
        self._db = db
        self._notify = notify
        self._max_waiting = max_waiting
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._waiting = _Batch()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="intake")

    def submit(self, arrivals: Sequence[Arrival]) -> Future[None]:
        """Store deliveries; the future is done once they are committed, or carries the error that kept them out.

        The future is shared by everybody in the batch: do not cancel it. Raises Full.
        """
        size = sum(len(arrival.payload) for arrival in arrivals)
        with self._lock:
            batch = self._waiting
            # A batch that is empty takes anything, so that one large request is not refused for ever.
            crowded = len(batch.arrivals) + len(arrivals) > self._max_waiting or batch.size + size > self._max_bytes
            if batch.arrivals and crowded:
                raise Full("the inbox is busy")
            batch.arrivals.extend(arrivals)
            batch.size += size
            return self._schedule(batch)

    def wake(self, lane: str) -> Future[None]:
        """Wake a lane with the next commit."""
        with self._lock:
            self._waiting.lanes.add(lane)
            return self._schedule(self._waiting)

    def count(self, name: str) -> None:
        """Raise a count with the next commit; never refuses and never waits, a flood costs one row."""
        with self._lock:
            self._waiting.counted[name] += 1
            self._schedule(self._waiting)

    def stop(self) -> None:
        """Commit what waits, then end. Nothing may be submitted after that."""
        self._thread.shutdown(wait=True)

    def _schedule(self, batch: _Batch) -> Future[None]:
        if batch.committed is None:
            batch.committed = self._thread.submit(self._commit)
        return batch.committed

    def _commit(self) -> None:
        with self._lock:
            batch, self._waiting = self._waiting, _Batch()
        try:
            self._store(batch, beside=self._is_new(batch))
        except Undone:  # the same deliveries reach another process at this moment, in another order
            self._store(batch, beside=False)

    def _store(self, batch: _Batch, *, beside: bool) -> None:
        with self._db.write(beside=beside) as tx:
            if batch.arrivals:
                inbox.add(tx, batch.arrivals)
            for one in batch.arrivals:
                if one.reason is not None:
                    tell_quarantined(
                        tx, self._notify, one.connection, form=None, field=one.field or "", reason=one.reason
                    )
            for name, times in sorted(batch.counted.items()):
                counts.add(tx, name, times)
            for lane in batch.lanes:
                tx.wake(lane)

    def _is_new(self, batch: _Batch) -> bool:
        """Whether storing it touches no row that others work on, and plans nothing: at a server it need not queue."""
        if not self._db.is_server or any(one.reason is not None for one in batch.arrivals):
            return False
        with self._db.read() as tx:
            return not inbox.any_known(tx, batch.arrivals)


def accept(connection: str, source: Source, hook: Hook) -> list[Arrival]:
    """The deliveries of one webhook request, to be submitted together.

    An authentic body that cannot be told apart into records becomes one quarantined delivery: it is kept, and `replay`
    takes it once the adapter understands it. An empty body of records gives none.

    Raises:
        Forged: the signature does not fit; keep nothing.
    """
    source.verify(hook)
    try:
        payloads = source.split(hook.body)
    except MappingError as error:
        reason = str(error).removeprefix(f"{error.field}: ")
        return [_arrival(connection, source, hook, hook.body, field=error.field, reason=reason)]
    return [_arrival(connection, source, hook, payload) for payload in payloads]


def _arrival(
    connection: str,
    source: Source,
    hook: Hook,
    payload: bytes,
    *,
    field: str | None = None,
    reason: str | None = None,
) -> Arrival:
    return Arrival(
        connection=connection,
        kind=source.kind,
        payload=payload,
        received_at=hook.received_at,
        field=field,
        reason=reason,
    )
