"""A store, a virtual clock, a twin and the lane between them, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from connector.clock import VirtualClock
from connector.domain.model.intent import Intent, IntentState, Json, Priority, Promise, Receipt, WriteKind
from connector.store import intents, lanes, outbox
from connector.store.database import Database
from connector.store.intents import IntentRow
from connector.store.transaction import Transaction
from connector.sync.lane import LaneHold
from connector.sync.outlet import Limits, Prepare, Settled, as_planned
from connector.sync.write import WriteLane
from connector.testing.twin import Crash, Twin
from tests import stores
from tests.unit.samples import empty_store

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ACCOUNT = "twin:acme"
LEASE = timedelta(seconds=20)
TICKET = "recovery/1/ticket/1"
CONTACT = "person/7/contact@twin:acme"

NATIVE = Promise(native=True, can_ask=False, batch=10, endpoint_class="default")
KEYED = Promise(native=False, can_ask=True, batch=1, endpoint_class="default", key_window=timedelta(hours=2))
KEYED_ONLY = Promise(native=False, can_ask=False, batch=1, endpoint_class="default", key_window=timedelta(hours=2))
ASKED = Promise(
    native=False, can_ask=True, batch=1, endpoint_class="default", lookup_lag=timedelta(seconds=45), outcome="record"
)
BLIND = Promise(native=False, can_ask=False, batch=1, endpoint_class="default", residual="lost or doubled")
UPDATES = Promise(native=True, can_ask=False, batch=10, endpoint_class="default")
CONTACTS = Promise(native=True, can_ask=True, ask_first=True, batch=10, endpoint_class="default")

PROMISES: Mapping[WriteKind, Promise] = {
    WriteKind.TICKET: KEYED,
    WriteKind.NOTE: ASKED,
    WriteKind.TASK: NATIVE,
    WriteKind.ACTIVITY: NATIVE,
    WriteKind.CONTACT: CONTACTS,
    WriteKind.CONTACT_FIELDS: UPDATES,
    WriteKind.TICKET_UPDATE: UPDATES,
    WriteKind.ALERT: BLIND,
}


def intent(key: str = "k1", **changes: object) -> Intent:
    """An intent to open a ticket, unless `changes` say otherwise."""
    plain = Intent(
        key=key,
        account=ACCOUNT,
        kind=WriteKind.TICKET,
        object=TICKET,
        fields={"subject": "Call Ada back"},
        cause_at=NOON,
        not_before=NOON,
        give_up_at=NOON + timedelta(days=3),
        priority=Priority.RECOVERY,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # names and types are those of Intent


def fields_of(key: str, name: str = CONTACT, **values: Json) -> Intent:
    """An intent to set fields of a contact; folds."""
    return intent(key, kind=WriteKind.CONTACT_FIELDS, object=name, target=name, fields=values, fold=True)


@dataclass(slots=True)
class Bench:
    """One connector's writing half against one twin, in a folder of its own."""

    folder: Path
    promises: Mapping[WriteKind, Promise] = field(default_factory=lambda: dict(PROMISES))
    limits: Limits = field(default_factory=lambda: Limits(parallel=1, timeout=timedelta(seconds=10)))
    live: bool = True
    prepare: Prepare = as_planned
    clock: VirtualClock = field(init=False)
    twin: Twin = field(init=False)
    db: Database = field(init=False)
    lane: WriteLane = field(init=False)
    told: list[tuple[str, str]] = field(default_factory=list)
    settled: list[tuple[IntentRow, Receipt | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = VirtualClock(NOON)
        self.twin = Twin(account=ACCOUNT, promises=self.promises, clock=self.clock)
        self.start()

    def start(self) -> None:
        """A new process on the store as it lies there."""
        self.db = empty_store(self.folder, self.clock)
        self.lane = self.lane_with(self._settle, self.prepare)

    def lane_with(self, on_settled: Settled, prepare: Prepare) -> WriteLane:
        """The lane, as another process would make it."""
        return WriteLane(
            self.db,
            self.twin,
            self.clock,
            self.limits,
            live=self.live,
            notify_operators=self._notify,
            on_settled=on_settled,
            prepare=prepare,
        )

    def restart(self, after: timedelta = timedelta(0)) -> None:
        """The process ends; another starts later, once the lease of the first has run out."""
        self.db.close()
        self.clock.advance(max(after, LEASE))
        self.start()

    def backup(self, name: str = "backup.db") -> str:
        """A copy of the store as it is now."""
        self.db.close()
        stores.keep(self.folder, name)
        return name

    def restore(self, copy: str) -> None:
        """The process ends, the store is replaced by an older copy, another process starts."""
        self.db.close()
        stores.put_back(self.folder, copy)
        self.start()

    def plan(self, *wanted: Intent) -> list[int]:
        with self.db.write() as tx:
            return outbox.plan(tx, wanted)

    def adopt(self, name: str = CONTACT, remote_id: str = "contact-0") -> None:
        with self.db.write() as tx:
            outbox.adopt(tx, ACCOUNT, name, remote_id)

    def retry(self, key: str = "k1") -> None:
        number = self.row(key).id
        with self.db.write() as tx:
            assert outbox.retry(tx, number)

    def drain(self) -> datetime | None:
        """One turn of the lane, as an engine gives it."""
        with self.db.write() as tx:
            tx.wake(self.lane.name)
        asked_at = self.clock.monotonic()
        with self.db.write() as tx:
            hold = lanes.take(tx, self.lane.name, "bench", LEASE)
        assert hold is not None, "the lane is still leased"
        held = LaneHold(hold, self.clock, asked_at=asked_at, lease=LEASE.total_seconds())
        due = self.lane.drain(held)
        with self.db.write() as tx:
            lanes.finish(tx, hold, due)
        return due

    def crash(self) -> None:
        """A turn in which the process dies; the next one starts on what is left, after the lease."""
        try:
            self.drain()
        except Crash:
            self.restart()
            return
        raise AssertionError("nothing crashed")

    def run(self, until: timedelta = timedelta(hours=6)) -> None:
        """Turns of the lane, each when it asked to be called again, until it asks for none before the end."""
        end = self.clock.now() + until
        for _ in range(500):
            due = self.drain()
            if due is None or due > end:
                return
            self.clock.advance(max(due - self.clock.now(), timedelta(0)))
        raise AssertionError("the lane never comes to rest")

    def row(self, key: str = "k1") -> IntentRow:
        with self.db.read() as tx:
            found = intents.by_key(tx, key)
        assert found is not None
        return found

    def state(self, key: str = "k1") -> IntentState:
        return self.row(key).state

    def _notify(self, tx: Transaction, account: str, cause: str, text: str) -> None:
        assert account == ACCOUNT
        self.told.append((cause, text))

    def _settle(self, tx: Transaction, row: IntentRow, receipt: Receipt | None) -> None:
        self.settled.append((row, receipt))
