"""One real adapter and its simulated vendor, with the store and the write lane between them.

Everything runs in one process on one virtual clock, HTTP over loopback and SQLite in a file. A process of ours that
dies is an exception that nothing catches; its successor is made from scratch on the file as it lies there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from connector.clock import VirtualClock
from connector.domain.model.intent import Found, Intent, IntentState, Item, Promise, Request, WriteKind
from connector.ports import Job, Outcome, Preparing, TokenStore, Writer
from connector.simulator.parts import Fields, Site
from connector.store import intents, lanes, outbox
from connector.store.database import Database
from connector.store.intents import IntentRow
from connector.store.tokens import Tokens
from connector.store.transaction import Transaction
from connector.sync.lane import LaneHold
from connector.sync.outlet import Limits
from connector.sync.write import WriteLane
from connector.testing.twin import Crash
from tests import stores
from tests.unit.samples import empty_store

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
LEASE = timedelta(seconds=60)
CALL_SECONDS = 5.0
LIMITS = Limits(parallel=1, timeout=timedelta(seconds=20))
_CLOSELY = timedelta(seconds=100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """A vendor on loopback. `hide` makes its look-ups lag; `connect` makes the adapter a process of ours would make.

    `account` is the simulator itself, for what people do there.
    """

    site: Site
    account: object
    hide: Callable[[timedelta], None]
    connect: Callable[[VirtualClock, TokenStore], Writer]


class Mortal:
    """A writer in a process that may die right after the vendor answered, before anything of it is kept.

    `dies_after` names the call (`send` or `poll`) after whose answer it does; `before_send` happens just before a send.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self.account = writer.account
        self.promises: Mapping[WriteKind, Promise] = writer.promises
        self.dies_after = ""
        self.before_send: Callable[[], None] | None = None

    def prepare(self) -> None:
        if isinstance(self._writer, Preparing):
            self._writer.prepare()
            self.promises = self._writer.promises  # which may know more about the account now

    def render(self, kind: WriteKind, items: Sequence[Item]) -> Request:
        return self._writer.render(kind, items)

    def send(self, kind: WriteKind, request: Request, count: int) -> Sequence[Outcome] | Job:
        if self.before_send is not None:
            self.before_send()
        answer = self._writer.send(kind, request, count)
        self._die("send")
        return answer

    def poll(self, kind: WriteKind, job: str, count: int) -> Sequence[Outcome] | Job:
        answer = self._writer.poll(kind, job, count)
        if not isinstance(answer, Job):
            self._die("poll")
        return answer

    def ask(self, kind: WriteKind, items: Sequence[Item]) -> Sequence[Found]:
        return self._writer.ask(kind, items)

    def _die(self, after: str) -> None:
        if self.dies_after == after:
            raise Crash


@dataclass(slots=True)
class World:
    """A connector and a vendor. `names` are ids over there that a test seeded, by our names of the objects."""

    folder: Path
    stand: Stand
    clock: VirtualClock
    db: Database = field(init=False)
    writer: Mortal = field(init=False)
    lane: WriteLane = field(init=False)
    names: dict[str, str] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start()

    @property
    def held(self) -> Mapping[str, Mapping[str, Fields]]:
        """The vendor's truth: kind → id → fields."""
        found: Mapping[str, Mapping[str, Fields]] = self.stand.site.snapshot()["objects"]
        return found

    def start(self) -> None:
        """A new process on the store as it lies there."""
        self.db = empty_store(self.folder, self.clock)
        self.writer = Mortal(self.stand.connect(self.clock, Tokens(self.db)))
        self.lane = WriteLane(
            self.db, self.writer, self.clock, LIMITS, live=True, notify_operators=self._notify, on_settled=_nothing
        )

    def restart(self, after: timedelta = LEASE) -> None:
        """The process is gone; another starts `after` that, when the lease of the first has run out."""
        self.db.close()
        self.advance(max(after, LEASE))
        self.start()

    def backup(self) -> str:
        """A copy of the store as it is now."""
        self.db.close()
        stores.keep(self.folder, "copy.db")
        return "copy.db"

    def restore(self, copy: str) -> None:
        """The process ends, the store is replaced by an older copy, another process starts."""
        self.db.close()
        stores.put_back(self.folder, copy)
        self.start()

    def plan(self, wanted: Sequence[Intent]) -> None:
        with self.db.write() as tx:
            outbox.plan(tx, wanted)

    def adopt(self, name: str, remote_id: str) -> None:
        """An object of ours is one that the vendor has."""
        self.names[name] = remote_id
        with self.db.write() as tx:
            outbox.adopt(tx, self.writer.account, name, remote_id)

    def drain(self) -> datetime | None:
        """One turn of the lane, as an engine gives it."""
        with self.db.write() as tx:
            tx.wake(self.lane.name)
        asked_at = self.clock.monotonic()
        with self.db.write() as tx:
            hold = lanes.take(tx, self.lane.name, "world", LEASE)
        assert hold is not None, "the lane is still leased"
        due = self.lane.drain(LaneHold(hold, self.clock, asked_at=asked_at, lease=LEASE.total_seconds()))
        with self.db.write() as tx:
            lanes.finish(tx, hold, due)
        return due

    def run(self, lasting: timedelta = timedelta(hours=6)) -> None:
        """Turns of the lane, each when it asked to be called again, until it asks for none before the end."""
        end = self.clock.now() + lasting
        for _ in range(300):
            due = self.drain()
            if due is None or due > end:
                return
            self.advance(due - self.clock.now())
        raise AssertionError("the lane never comes to rest")

    def come_to_rest(self) -> None:
        """Turns of the lane until nothing is left to do, here or on the way."""
        self.run()
        self.advance(timedelta(minutes=5))
        self.run()

    def die(self, after: str = "send") -> None:
        """Turns of the lane until the process dies with an answer in its hands."""
        self.writer.dies_after = after
        try:
            self.run()
        except Crash:
            return
        raise AssertionError("nothing was sent that it could have died of")

    def advance(self, step: timedelta) -> None:
        """Let time pass, and the vendor do in time what it does late."""
        closely, rest = min(step, _CLOSELY), max(step - _CLOSELY, timedelta(0))
        while closely > timedelta(0):
            self.clock.advance(min(closely, timedelta(seconds=1)))
            closely -= timedelta(seconds=1)
            with self.stand.site.lock:
                self.stand.site.settle()
        self.clock.advance(rest)

    def row(self, key: str) -> IntentRow:
        with self.db.read() as tx:
            found = intents.by_key(tx, key)
        assert found is not None
        return found

    def states(self, wanted: Sequence[Intent]) -> set[IntentState]:
        return {self.row(one.key).state for one in wanted}

    def _notify(self, tx: Transaction, account: str, cause: str, text: str) -> None:
        self.told.append(cause)


def _nothing(*_: object) -> None:
    """Nobody waits for what was settled."""
