"""Saying which lanes are due, to workers elsewhere that drain them.

The store is the truth: an announcement that comes twice or late finds nothing to do, one that is lost is made again. So
none of them is kept, confirmed or waited for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from connector.clock import Clock
from connector.engines.turns import TICK
from connector.errors import ConnectorError
from connector.observe import Metrics, log
from connector.store import lanes
from connector.store.database import ANY, Database, Transaction
from connector.store.lanes import Standing

SOONEST: Final = 0.01
"""Seconds between two looks at least: what is woken meanwhile is seen by one look."""
LONGEST: Final = 30.0
"""Seconds after which a lane that nobody takes is announced again at the latest. Without workers the broker's queue
would grow with every second."""

Send = Callable[[str], None]
"""Hands the name of a due lane to the broker; raises when the broker does not take it."""
Looked = Callable[[Transaction], None]
"""Told of every look, within its transaction, which only reads."""


def is_believed_alive(_: str) -> bool:
    """No owner is known to be dead."""
    return False


def unwatched(_: Transaction) -> None:
    """Nobody wants to know of looks."""


@dataclass(frozen=True, slots=True)
class _Said:
    """An announcement: of the lane at which epoch, when, and how long it counts as heard."""

    epoch: int
    at: float
    counts_for: float


class Announcer:
    """Announces lanes that are due and not held: at once after a commit of this process, the others every tick.

    A lane is announced once for each time it may be taken. When nobody takes it, the announcement is believed to be
    lost and repeated after a second, then after two, four, up to half a minute.

    Args:
        db: the store the lanes live in.
        clock: measures waits; it must really wait.
        names: the lanes to announce; others are nobody's work.
        send: see `Send`.
        metrics: counts announcements.
        ticks: whether to look every second, too. One process must; one that drains may leave it to that one.
        is_dead: whether an owner in a lane row certainly runs no more; its lease is ended then.
        looked: see `Looked`.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        names: Collection[str],
        send: Send,
        *,
        metrics: Metrics,
        ticks: bool = True,
        is_dead: Callable[[str], bool] = is_believed_alive,
        looked: Looked = unwatched,
    ) -> None:
        self._db = db
        self._clock = clock
        self._names = frozenset(names)
        self._send = send
        self._metrics = metrics
        self._ticks = ticks
        self._is_dead = is_dead
        self._looked = looked
        self._said: dict[str, _Said] = {}
        self._silent_until = 0.0
        self._troubles: set[str] = set()
        self._stopping = threading.Event()
        self._bell = db.bell(ANY)
        self._thread = threading.Thread(target=self._run, name="announcer", daemon=True)

    def start(self) -> None:
        """Begin to look. Who ticks gives every lane one turn: the configuration may be another than at the last one."""
        if self._ticks:
            with self._db.write() as tx:
                for name in self._names:
                    tx.wake(name)
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """Announce nothing any more; False when a word to the broker still hung after `timeout` seconds."""
        self._stopping.set()
        self._bell.set()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def look_soon(self) -> None:
        """Something changed that no commit of this process told of, such as a lane given back."""
        self._bell.set()

    def _run(self) -> None:
        pause = TICK
        while True:
            is_called = self._clock.wait(self._bell, pause)
            if self._stopping.is_set():
                return
            self._bell.clear()  # before looking: a wake-up committed after this line rings again
            if is_called or self._ticks:
                pause = self.look()
                self._clock.wait(self._stopping, SOONEST)

    def look(self) -> float:
        """Announce what is due and was not announced; returns the seconds after which something more may be due."""
        try:
            with self._db.read() as tx:
                self._looked(tx)
                found = [one for one in lanes.standing(tx) if one.name in self._names]
                now = tx.now
            self._bury(found)
        except Exception as error:  # noqa: BLE001  # without this thread no lane would be drained for long
            self._trouble("lanes_not_read", error)
            return TICK
        self._over("lanes_not_read")
        waits = {one.name: (one.due_at - now).total_seconds() for one in found if one.due_at is not None}
        self._announce([one for one in found if waits.get(one.name, TICK) <= 0 and self._is_news(one)])
        return min([TICK, *(wait for wait in waits.values() if wait > 0)])

    def _bury(self, found: Sequence[Standing]) -> None:
        """The dead hold no lanes: a process that certainly ended cannot come back into one."""
        dead = [(one.name, one.owner) for one in found if one.owner is not None and self._is_dead(one.owner)]
        if dead:
            with self._db.write() as tx:
                for name, owner in dead:
                    lanes.abandon(tx, name, owner)

    def _is_news(self, one: Standing) -> bool:
        said = self._said.get(one.name)
        return said is None or said.epoch != one.epoch or self._clock.monotonic() >= said.at + said.counts_for

    def _announce(self, news: Sequence[Standing]) -> None:
        if self._clock.monotonic() < self._silent_until:
            return
        for one in news:
            before = self._said.get(one.name)
            is_again = before is not None and before.epoch == one.epoch
            try:
                self._send(one.name)
            except Exception as error:  # noqa: BLE001  # whatever a broker's client raises: the next tick tries again
                self._metrics.count("announcements_total", outcome="failed")
                self._trouble("broker_unreachable", error)
                self._silent_until = self._clock.monotonic() + TICK
                self._said.clear()  # what it had taken may be lost
                return
            self._metrics.count("announcements_total", outcome="sent")
            self._over("broker_unreachable")
            counts_for = min(LONGEST, before.counts_for * 2) if before is not None and is_again else TICK
            self._said[one.name] = _Said(one.epoch, self._clock.monotonic(), counts_for)

    def _trouble(self, what: str, error: Exception) -> None:
        """Say it once, until it is over. A client's own words may hold the broker's address and its password."""
        if what not in self._troubles:
            self._troubles.add(what)
            words = str(error) if isinstance(error, ConnectorError) else None
            log("engines").warning("announcing_stopped", why=what, error=type(error).__name__, reason=words)

    def _over(self, what: str) -> None:
        if what in self._troubles:
            self._troubles.discard(what)
            log("engines").info("announcing_resumed", after=what)
