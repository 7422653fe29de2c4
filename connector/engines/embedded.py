"""The embedded engine: one thread a lane, in this process. The lane row guards, so any number of daemons may run it.

A thread waits for its lane's bell, which also rings for what other processes commit, and looks at the store at least
once a second in case nobody heard.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import timedelta

from connector.clock import Clock
from connector.engines.heart import Heart
from connector.engines.turns import LEASE, TICK, Allows, Turns, always
from connector.observe import Metrics
from connector.store.database import Database
from connector.store.listening import listen
from connector.sync.lane import Drain


class Embedded:
    """Drains lanes in threads until told to stop.

    Args:
        db: the store the lanes live in.
        clock: measures leases and waits; it must really wait.
        drains: what to call for each lane, by name.
        owner: tells this process from others in the lane rows.
        lease: of a lane that `leases` does not name.
        leases: longer ones, for lanes whose calls take longer than `lease` (see `connector.transport.lease`).
        metrics: counts the drains that crashed.
        allows: asked in every transaction of a drain that changes something.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        drains: Mapping[str, Drain],
        *,
        owner: str,
        metrics: Metrics,
        lease: timedelta = LEASE,
        leases: Mapping[str, timedelta] | None = None,
        allows: Allows = always,
    ) -> None:
        self._db = db
        self._clock = clock
        self._lanes = tuple(drains)
        shortest = min([(leases or {}).get(name, lease).total_seconds() for name in drains], default=TICK)
        self._heart = Heart(db, clock, beat=shortest / 3)
        self._turns = Turns(
            db,
            clock,
            drains,
            owner=owner,
            heart=self._heart,
            metrics=metrics,
            lease=lease,
            leases=leases,
            allows=allows,
        )
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(name,), name=name, daemon=True) for name in drains]
        self._ear = threading.Thread(target=listen, args=(db, self._stopping), name="wake-ups", daemon=True)

    def start(self) -> None:
        """Start draining; every lane gets one turn, since the configuration may have changed since the last one."""
        with self._db.write() as tx:
            for name in self._lanes:
                tx.wake(name)
        self._heart.start()
        for thread in [self._ear, *self._threads]:
            thread.start()

    def stop(self, timeout: float = 30.0) -> bool:
        """Let running drains end and take no lane any more; False when one still ran after `timeout` seconds.

        What such a drain had under way is found by whoever takes the lane next, once its lease has run out.
        """
        deadline = self._clock.monotonic() + timeout
        self._stopping.set()
        self._db.ring(self._lanes)
        for thread in self._threads:
            thread.join(max(0.0, deadline - self._clock.monotonic()))
        self._heart.stop()
        self._ear.join(max(0.0, deadline - self._clock.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self, name: str) -> None:
        bell = self._db.bell(name)
        while not self._stopping.is_set():
            bell.clear()  # before looking: a wake-up committed after this line rings again
            pause = self._turns.turn(name)
            if pause > 0 and not self._stopping.is_set():
                self._clock.wait(bell, pause)
