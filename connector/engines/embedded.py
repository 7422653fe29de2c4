"""The embedded engine: one thread a lane, in this process. The lane row guards, so any number of daemons may run it.

A thread waits for its lane's bell, which also rings for what other processes commit, and looks at the store at least
once a second in case nobody heard.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Mapping
from datetime import datetime, timedelta

from connector.clock import Clock
from connector.errors import ConnectorError, LeaseLost
from connector.observe import Metrics, correlate, log
from connector.store import lanes
from connector.store.database import Database
from connector.store.listening import listen
from connector.sync.lane import Drain, LaneHold

TICK = 1.0
"""Seconds after which a lane is looked at without having been woken."""

LEASE = timedelta(seconds=5)
"""How long a lane stays with a holder that died. Renewed while its drain runs."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 60.0


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
    ) -> None:
        self._db = db
        self._clock = clock
        self._drains = dict(drains)
        self._owner = owner
        self._leases = {name: (leases or {}).get(name, lease) for name in drains}
        self._metrics = metrics
        self._stopping = threading.Event()
        self._drained = threading.Event()
        self._held: dict[str, LaneHold] = {}
        self._held_lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(name,), name=name, daemon=True) for name in drains]
        self._ear = threading.Thread(target=listen, args=(db, self._stopping), name="wake-ups", daemon=True)
        self._heart = threading.Thread(target=self._renew_held, name="leases", daemon=True)

    def start(self) -> None:
        """Start draining; every lane gets one turn, since the configuration may have changed since the last one."""
        with self._db.write() as tx:
            for name in self._drains:
                tx.wake(name)
        for thread in [self._heart, self._ear, *self._threads]:
            thread.start()

    def stop(self, timeout: float = 30.0) -> bool:
        """Let running drains end and take no lane any more; False when one still ran after `timeout` seconds.

        What such a drain had under way is found by whoever takes the lane next, once its lease has run out.
        """
        deadline = self._clock.monotonic() + timeout
        self._stopping.set()
        self._db.ring(self._drains)
        for thread in self._threads:
            thread.join(max(0.0, deadline - self._clock.monotonic()))
        self._drained.set()
        self._ear.join(max(0.0, deadline - self._clock.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self, name: str) -> None:
        bell = self._db.bell(name)
        failures = 0
        while not self._stopping.is_set():
            bell.clear()  # before looking: a wake-up committed after this line rings again
            try:
                pause = self._turn(name)
                failures = 0
            except Exception as error:  # noqa: BLE001  # the lane loop: one bad drain must not end a lane for good
                failures += 1
                self._report(name, error)
                self._clock.wait(self._stopping, _backoff(failures))
                continue
            if pause > 0 and not self._stopping.is_set():
                self._clock.wait(bell, pause)

    def _turn(self, name: str) -> float:
        """Drain the lane once if it is due; returns the seconds to wait before looking again."""
        with self._db.read() as tx:
            due_at = lanes.due_at(tx, name)
            pause = TICK if due_at is None else min(TICK, (due_at - tx.now).total_seconds())
        if pause > 0:
            return pause
        lease = self._leases[name]
        asked_at = self._clock.monotonic()
        with self._db.write() as tx:
            hold = lanes.take(tx, name, self._owner, lease)
        if hold is None:
            return 0.1  # somebody else was faster
        held = LaneHold(hold, self._clock, asked_at=asked_at, lease=lease.total_seconds())
        self._drain(name, held)
        return 0.0

    def _drain(self, name: str, held: LaneHold) -> None:
        next_due: datetime | None = self._clock.now() + timedelta(seconds=_FIRST_PAUSE)
        with self._held_lock:
            self._held[name] = held
        try:
            with correlate(lane=name):
                next_due = self._drains[name](held)
        except LeaseLost as error:
            log("engines").info("lease_lost", lane=name, reason=str(error))
        finally:
            # Also after a crash: the lane is given back to be tried again soon, here or by another process.
            with self._held_lock:
                del self._held[name]
            with self._db.write() as tx:
                lanes.finish(tx, held.hold, next_due)

    def _renew_held(self) -> None:
        """Prolong the leases of running drains, each before a third of it is left."""
        beat = min((lease.total_seconds() for lease in self._leases.values()), default=TICK) / 3
        while not self._clock.wait(self._drained, beat):
            with self._held_lock:
                running = list(self._held.items())
            worn = [(name, held) for name, held in running if held.seconds_left() < self._seconds(name) * 2 / 3]
            if not worn:
                continue
            try:
                self._renew(worn)
            except Exception as error:  # noqa: BLE001  # without this thread no lane could work for long
                # The leases run out by themselves, and their holders notice.
                words = str(error) if isinstance(error, ConnectorError) else None
                log("engines").warning("leases_not_renewed", error=type(error).__name__, reason=words)

    def _renew(self, worn: list[tuple[str, LaneHold]]) -> None:
        asked_at = self._clock.monotonic()
        # Beside whatever is decided meanwhile; in the order of names, as all who touch several lanes do.
        with self._db.write(beside=True) as tx:
            renewed = {name: lanes.renew(tx, held.hold, self._leases[name]) is not None for name, held in sorted(worn)}
        for name, held in worn:
            if renewed[name]:
                held.extend(asked_at=asked_at, lease=self._seconds(name))
            else:
                held.lose()

    def _seconds(self, name: str) -> float:
        return self._leases[name].total_seconds()

    def _report(self, name: str, error: Exception) -> None:
        # Only our own errors promise to hold no personal data; of the others the place says enough.
        words = str(error) if isinstance(error, ConnectorError) else None
        place = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[-3:]]
        log("engines").error("drain_crashed", lane=name, error=type(error).__name__, reason=words, place=place)
        self._metrics.count("lane_errors_total", lane=name)


def _backoff(failures: int) -> float:
    """Seconds to wait after so many failures in a row: half a second, doubling, at most a minute."""
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(failures - 1, 10))
