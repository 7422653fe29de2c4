"""One real adapter and its simulated vendor, with the store and the write lane between them.

Everything runs in one process on one virtual clock, HTTP over loopback and SQLite in a file. A process of ours that
dies is an exception that nothing catches; its successor is made from scratch on the file as it lies there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from connector.clock import VirtualClock
from connector.domain.model.intent import Found, Intent, IntentState, Item, Promise, Request, WriteKind, resolve
from connector.errors import RemoteError
from connector.ports import Failed, Job, Outcome, Preparing, Writer
from connector.simulator.parts import Fault, FaultKind, Fields, Logged, Site
from connector.store import intents, lanes, outbox, receipts
from connector.store.database import Database
from connector.store.intents import IntentRow
from connector.store.tokens import Tokens
from connector.store.transaction import Transaction
from connector.sync.lane import LaneHold
from connector.sync.outlet import Limits
from connector.sync.write import WriteLane
from connector.testing.stores import FILES, Shelf
from connector.testing.twin import Crash
from connector.transport.client import CallNote
from connector.transport.kit import Kit

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
LEASE = timedelta(seconds=60)
CALL_SECONDS = 5.0
LIMITS = Limits(parallel=1, timeout=timedelta(seconds=20))
_CLOSELY = timedelta(seconds=100)
_COPY = "copy.db"


def _ignore(lag: timedelta) -> None:
    """Nobody is asked anything that could lag."""


def _too_many(match: str, seconds: int) -> Fault:
    """429 and a Retry-After."""
    return Fault(match=match, kind=FaultKind.THROTTLE, retry_after=seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """A vendor on loopback: what a simulator of `connector.simulator.parts` must let the suites do with it.

    `account` is the simulator itself, for what people do there. `connect` makes the adapter a process of ours would
    make, `hide` makes its look-ups lag; `lag` is how long the vendor says that they may. `revoke` makes every
    credential it issued useless. With `token_calls`, as faults match them, the adapter fetches another by itself;
    without, nothing works until somebody calls `readmit`. `too_fast` makes the vendor refuse calls, in its own way, for
    so many seconds that it names. `secrets` are what must never be seen in a log line or an error.
    """

    site: Site
    account: object
    connect: Callable[[Kit], Any]
    hide: Callable[[timedelta], None] = _ignore
    lag: timedelta = timedelta(0)
    revoke: Callable[[], None] | None = None
    readmit: Callable[[], None] | None = None
    token_calls: str = ""
    too_fast: Callable[[str, int], Fault] = _too_many
    secrets: tuple[str, ...] = ()


class Mortal:
    """A writer in a process that may die right after the vendor answered, before anything of it is kept.

    `dies_after` names the call (`send` or `poll`) after whose answer it does; `before_send` happens just before a send.
    `errors` are those it raised or answered.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self.account = writer.account
        self.promises: Mapping[WriteKind, Promise] = writer.promises
        self.dies_after = ""
        self.before_send: Callable[[], None] | None = None
        self.errors: list[RemoteError] = []

    @property
    def inner(self) -> Writer:
        """The adapter itself."""
        return self._writer

    def prepare(self) -> None:
        """As the adapter does, where it does."""
        if isinstance(self._writer, Preparing):
            self._writer.prepare()
            self.promises = self._writer.promises  # which may know more about the account now

    def render(self, kind: WriteKind, items: Sequence[Item]) -> Request:
        """As the adapter does."""
        return self._writer.render(kind, items)

    def send(self, kind: WriteKind, request: Request, count: int) -> Sequence[Outcome] | Job:
        """As the adapter does, unless the process dies of it."""
        if self.before_send is not None:
            self.before_send()
        answer = self._noted(lambda: self._writer.send(kind, request, count))
        self._die("send")
        return answer

    def poll(self, kind: WriteKind, job: str, count: int) -> Sequence[Outcome] | Job:
        """As the adapter does, unless the process dies of it."""
        answer = self._noted(lambda: self._writer.poll(kind, job, count))
        if not isinstance(answer, Job):
            self._die("poll")
        return answer

    def ask(self, kind: WriteKind, items: Sequence[Item]) -> Sequence[Found]:
        """As the adapter does."""
        return self._writer.ask(kind, items)

    def _noted(self, call: Callable[[], Sequence[Outcome] | Job]) -> Sequence[Outcome] | Job:
        try:
            answer = call()
        except RemoteError as error:
            self.errors.append(error)
            raise
        if not isinstance(answer, Job):
            self.errors += [outcome.error for outcome in answer if isinstance(outcome, Failed)]
        return answer

    def _die(self, after: str) -> None:
        if self.dies_after == after:
            raise Crash


@dataclass(slots=True)
class World:
    """A connector and a vendor.

    `names` are ids over there that a test seeded, by our names of the objects. `told` are the causes the operators
    were told of, `notes` every request our side sent. `live` False: the connector observes.
    """

    folder: Path
    stand: Stand
    clock: VirtualClock
    live: bool = True
    parallel: int = 1
    shelf: Shelf = FILES
    limits: Limits = LIMITS
    db: Database = field(init=False)
    writer: Mortal = field(init=False)
    lane: WriteLane = field(init=False)
    names: dict[str, str] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    notes: list[CallNote] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start()

    @property
    def held(self) -> Mapping[str, Mapping[str, Fields]]:
        """The vendor's truth: kind → id → fields."""
        found: Mapping[str, Mapping[str, Fields]] = self.stand.site.snapshot()["objects"]
        return found

    def start(self) -> None:
        """A new process on the store as it lies there."""
        self.db = self.shelf.open(self.folder, self.clock)
        self.writer = Mortal(self.stand.connect(self.kit()))
        self.lane = WriteLane(
            self.db,
            self.writer,
            self.clock,
            replace(self.limits, parallel=self.parallel),
            live=self.live,
            notify_operators=self._notify,
            on_settled=_nothing,
        )

    def kit(self, *, read_only: bool = False) -> Kit:
        """What an adapter of this process is handed."""
        return Kit(clock=self.clock, token_store=Tokens(self.db), read_only=read_only, on_call=self.notes.append)

    def restart(self, after: timedelta = LEASE) -> None:
        """The process is gone; another starts `after` that, when the lease of the first has run out."""
        self.db.close()
        self.advance(max(after, LEASE))
        self.start()

    def backup(self) -> str:
        """A copy of the store as it is now."""
        self.db.close()
        self.shelf.keep(self.folder, _COPY)
        return _COPY

    def restore(self, copy: str) -> None:
        """The process ends, the store is replaced by an older copy, another process starts."""
        self.db.close()
        self.shelf.put_back(self.folder, copy)
        self.start()

    def plan(self, wanted: Sequence[Intent]) -> None:
        """What a decision plans, in one transaction."""
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
        """The intent with that key, as the store has it."""
        with self.db.read() as tx:
            found = intents.by_key(tx, key)
        assert found is not None
        return found

    def states(self, wanted: Sequence[Intent]) -> set[IntentState]:
        """Where these intents stand."""
        return {self.row(one.key).state for one in wanted}

    def item(self, intent: Intent, revision: int = 0) -> Item:
        """The record an intent becomes when it is sent: references filled in from receipts."""
        with self.db.read() as tx:
            known = receipts.of_objects(tx, [intent.object, *intent.after, *([intent.target] if intent.target else [])])
        target = None if intent.target is None else known[intent.target].remote_id
        fields = {name: resolve(value, known) for name, value in intent.fields.items()}
        key = intent.record or intent.key
        return Item(key=key, target=target, fields=fields, cause_at=intent.cause_at, revision=revision, intent=key)

    def remote_id(self, name: str) -> str:
        """What an object of ours is called over there."""
        with self.db.read() as tx:
            return receipts.of_objects(tx, [name])[name].remote_id

    def calls(self, match: str, since: int = 0) -> list[Logged]:
        """The vendor calls from index `since` of its log on that a fault with this `match` would hit."""
        found = self.stand.site.requests.entries(since)
        return [call for call in found if fnmatchcase(f"{call.method} {call.path}", match)]

    def _notify(self, tx: Transaction, account: str, cause: str, text: str) -> None:
        self.told.append(cause)


def _nothing(*_: object) -> None:
    """Nobody waits for what was settled."""
