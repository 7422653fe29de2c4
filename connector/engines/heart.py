"""Prolonging the leases of running drains, so that a lease can be short and a drain take its time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from connector.clock import Clock
from connector.errors import ConnectorError
from connector.observe import log
from connector.store import lanes
from connector.store.database import Database
from connector.sync.lane import LaneHold


class Heart:
    """One thread that renews the leases of this process, each before a third of it is left.

    Args:
        db: the store the lanes live in.
        clock: measures leases and waits; it must really wait.
        beat: seconds between two looks; a third of the shortest lease.
    """

    def __init__(self, db: Database, clock: Clock, *, beat: float) -> None:
        self._db = db
        self._clock = clock
        self._beat = beat
        self._stopping = threading.Event()
        self._held: dict[LaneHold, timedelta] = {}
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="leases", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def stop(self) -> None:
        """Renew nothing any more; what still runs loses its lane when its lease ends."""
        self._stopping.set()

    @contextmanager
    def renewing(self, held: LaneHold, lease: timedelta) -> Iterator[None]:
        """Within the block, `held` is prolonged by `lease` again and again, or lost when it cannot be."""
        with self._lock:
            self._held[held] = lease
        try:
            yield
        finally:
            with self._lock:
                del self._held[held]

    def _run(self) -> None:
        while not self._clock.wait(self._stopping, self._beat):
            with self._lock:
                running = list(self._held.items())
            worn = {held: lease for held, lease in running if held.seconds_left() < lease.total_seconds() * 2 / 3}
            if not worn:
                continue
            try:
                self._renew(worn)
            except Exception as error:  # noqa: BLE001  # without this thread no lane could work for long
                # The leases run out by themselves, and their holders notice.
                words = str(error) if isinstance(error, ConnectorError) else None
                log("engines").warning("leases_not_renewed", error=type(error).__name__, reason=words)

    def _renew(self, worn: dict[LaneHold, timedelta]) -> None:
        asked_at = self._clock.monotonic()
        # Beside whatever is decided meanwhile; in the order of names, as all who touch several lanes do.
        with self._db.write(beside=True) as tx:
            ordered = sorted(worn, key=lambda held: held.hold.name)
            renewed = {held: lanes.renew(tx, held.hold, worn[held]) is not None for held in ordered}
        for held, lease in worn.items():
            if renewed[held]:
                held.extend(asked_at=asked_at, lease=lease.total_seconds())
            else:
                held.lose()
