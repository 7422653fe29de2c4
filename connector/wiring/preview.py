"""What a live run would do now: the lanes at work on a throw-away copy of the store, with nobody at the other end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from connector.clock import Clock, VirtualClock
from connector.config import Loaded
from connector.ports import Tickets
from connector.store import accounts, copying, inbox, intents, lanes, pauses, quotas, responses
from connector.store.database import Database
from connector.store.inbox import DeliveryState
from connector.store.keyring import KeyRing
from connector.store.receipts import lane_of
from connector.store.responses import VersionState
from connector.store.transaction import Transaction
from connector.sync import decide, preview, timers, understand
from connector.sync.lane import Drain, LaneHold
from connector.sync.outlet import as_planned
from connector.sync.preparing import TicketLook
from connector.sync.preview import NotSent, PlannedWrite, Recorder
from connector.sync.settings import DecideSettings
from connector.sync.settled import settled
from connector.sync.standing_in import Invented, MirroredTickets, StandIn
from connector.sync.write import WriteLane
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit
from connector.wiring.adapters import Adapters, make_adapters
from connector.wiring.directory import current
from connector.wiring.lanes import make_reading, notifying
from connector.wiring.opening import graveyard_of
from connector.wiring.settings import settings_with
from connector.wiring.workshop import limits_of

HORIZON: Final = timedelta(hours=1)
"""How far ahead a plan looks; lingers that are longer lengthen it."""
_LEASE: Final = timedelta(days=365)
_MOMENT: Final = timedelta(microseconds=1)
_AT_ONCE: Final = 200
"""Requests of one round: nobody is at the other end who could be hurried, and looking for them anew takes the time."""
UNKNOWABLE: Final = (
    "answers that have not arrived yet, and edits people make in the CRM or helpdesk from now on",
    "ids and addresses of records that do not exist yet",
    "whether a record that is looked for first is there already: then it is used instead of a new one",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """One quota of an account: calls this plan makes of it, and what the account last said was left of how many."""

    endpoint_class: str
    calls: int
    remaining: int | None
    capacity: int | None
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPlan:
    """One account: how many requests of what sort at most, and records by kind.

    `paused`: the reason why the account refuses us now, as if it did not. `left_alone`: an operator paused it, so that
    nothing is written.
    """

    connection: str
    account: str
    requests: int
    looks: int
    reads: int
    records: Mapping[str, int]
    budgets: tuple[Budget, ...]
    paused: str | None
    left_alone: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything a live run would write between `at` and `until`, in order.

    `waiting` are deliveries and answers that were not understood or decided yet and are here, `unreadable` how many of
    them end in quarantine. `unknowable` says in sentences what no plan can know.
    """

    at: datetime
    until: datetime
    mode: str
    accounts: tuple[AccountPlan, ...]
    writes: tuple[PlannedWrite, ...]
    not_sent: tuple[NotSent, ...]
    waiting: int
    unreadable: int
    unknowable: tuple[str, ...]


def make_plan(loaded: Loaded, clock: Clock) -> Plan:
    """What `connector run` in live mode would write now. The store is only read, and nobody is called.

    Raises:
        StoreError: the store cannot be read, or is of another version.
        ConfigError: an adapter cannot be made.
    """
    at = clock.now()
    # What happens here happens after everything the store remembers.
    moment = VirtualClock(at + _MOMENT)
    live = replace(loaded, config=loaded.config.model_copy(update={"mode": "live"}))
    keyring, graveyard = KeyRing(loaded.config.privacy.keys), graveyard_of(loaded.config)
    with copying.throw_away(loaded.config.store, keyring, moment, graveyard) as copy:
        return _play(live, copy, moment, at=at, mode=loaded.config.mode)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Actors:
    """Who plays the accounts, by connection, the tickets by account, and who takes notes."""

    stand_ins: Mapping[str, StandIn]
    mirrors: Mapping[str, MirroredTickets]
    recorder: Recorder


@dataclass(frozen=True, slots=True, kw_only=True)
class _Before:
    """How the store was: what of it is not the plan's doing. `left_alone` are the accounts an operator paused."""

    paused: Mapping[str, str]
    left_alone: frozenset[str]
    last_real: int
    undecided: int
    quarantined: int


def _play(loaded: Loaded, db: Database, clock: VirtualClock, *, at: datetime, mode: str) -> Plan:
    kit = Kit(clock=clock, token_store=MemoryTokens(clock), read_only=True)
    adapters = make_adapters(loaded.config, kit)
    settings = current(loaded, settings_with(loaded, adapters), db)()
    until = at + _horizon(settings)
    with db.write() as tx:
        before = _settle_down(tx)
        open_records = intents.open_records(tx)
    actors = _cast(db, clock, adapters, before.last_real, open_records)
    drains = _lanes(loaded, settings, db, clock, adapters, actors)
    _run(db, clock, {name: one for name, one in drains.items() if name not in map(lane_of, before.left_alone)}, until)
    with db.read() as tx:
        return Plan(
            at=at,
            until=until,
            mode=mode,
            accounts=tuple(
                _account(tx, name, one, actors, loaded.config.connections[name].quota.share, before)
                for name, one in actors.stand_ins.items()
            ),
            writes=tuple(actors.recorder.writes),
            not_sent=tuple(preview.not_sent(tx, before.left_alone, since=at, last_real=before.last_real)),
            waiting=before.undecided,
            unreadable=_quarantined(tx) - before.quarantined,
            unknowable=UNKNOWABLE,
        )


def _settle_down(tx: Transaction) -> _Before:
    """Take note of how everything stands, and take the lanes from the processes that hold the original's."""
    before = _Before(
        paused={one.name: one.reason for one in accounts.all_paused(tx)},
        left_alone=frozenset(one.account for one in pauses.listed(tx) if one.account is not None),
        last_real=intents.highest(tx),
        undecided=_undecided(tx),
        quarantined=_quarantined(tx),
    )
    for name in before.paused:
        accounts.resume(tx, name)
    for lane, owner in lanes.owners(tx).items():
        lanes.abandon(tx, lane, owner)
    return before


def _undecided(tx: Transaction) -> int:
    received = inbox.counts(tx).states[DeliveryState.RECEIVED]
    return received + responses.counts(tx).get(VersionState.PENDING.value, 0)


def _quarantined(tx: Transaction) -> int:
    unread = inbox.counts(tx).states[DeliveryState.QUARANTINED]
    return unread + responses.counts(tx).get(VersionState.QUARANTINED.value, 0)


def _horizon(settings: DecideSettings) -> timedelta:
    """Long enough for everything that waits for company to leave."""
    lingers = [target.linger for target in settings.targets.values()]
    if settings.score is not None:
        lingers.append(settings.score.linger)
    return max(HORIZON, 2 * max(lingers, default=timedelta(0)))


def _cast(db: Database, clock: Clock, adapters: Adapters, last_real: int, open_records: Collection[str]) -> _Actors:
    invented = Invented()
    mirrors = {
        one.account: MirroredTickets(db=db, account=one.account, now=clock.now(), invented=invented)
        for one in adapters.made.values()
        if isinstance(one, Tickets)
    }
    return _Actors(
        stand_ins={name: StandIn(one, invented, open_records) for name, one in adapters.writers.items()},
        mirrors=mirrors,
        recorder=Recorder(
            invented=invented,
            last_real=last_real,
            unseen={account: mirror.unseen for account, mirror in mirrors.items()},
        ),
    )


def _lanes(
    loaded: Loaded, settings: DecideSettings, db: Database, clock: Clock, adapters: Adapters, actors: _Actors
) -> dict[str, Drain]:
    """The lanes that lead to writes; those that read other systems have nobody to read here."""
    reading = make_reading(loaded, adapters)
    tell = notifying(settings)
    drains: dict[str, Drain] = {
        understand.LANE: understand.UnderstandLane(db=db, reading=lambda: reading, notify=tell).drain,
        decide.LANE: decide.DecideLane(db=db, settings=lambda: settings).drain,
        # What nobody does in time, nobody knows beforehand.
        timers.LANE: timers.TimersLane(db=db, settings=lambda: settings, deadlines=False).drain,
    }
    for name, stand_in in actors.stand_ins.items():
        mirror = actors.mirrors.get(stand_in.account)
        look = None if mirror is None else TicketLook(db=db, tickets=mirror, settings=lambda: settings)
        lane = WriteLane(
            db,
            stand_in,
            clock,
            replace(limits_of(loaded.config, name, stand_in.promises), parallel=_AT_ONCE),
            live=True,
            notify_operators=tell,
            on_settled=settled,
            prepare=look or as_planned,
            on_frozen=actors.recorder.of(stand_in),
        )
        drains[lane.name] = lane.drain
    return drains


def _run(db: Database, clock: VirtualClock, drains: Mapping[str, Drain], until: datetime) -> None:
    """Drain whatever is due first, and let time pass up to the next thing due, until nothing is before `until`."""
    with db.write() as tx:
        for name in drains:
            tx.wake(name)
    while True:
        with db.read() as tx:
            due = {name: at for name in drains if (at := lanes.due_at(tx, name)) is not None}
        # Of what is due by now the first in the order of the lanes, as answers come before what they lead to.
        if not due or min(due.values()) > until:
            return
        name = min(due, key=lambda one: max(due[one], clock.now()))
        clock.advance(max(due[name] - clock.now(), timedelta(0)))
        _drain(db, name, drains[name])


def _drain(db: Database, name: str, drain: Drain) -> None:
    asked_at = db.clock.monotonic()
    with db.write() as tx:
        hold = lanes.take(tx, name, "preview", _LEASE)
    assert hold is not None, "nobody else works on the copy"
    due = drain(LaneHold(hold, db.clock, asked_at=asked_at, lease=_LEASE.total_seconds()))
    with db.write() as tx:
        lanes.finish(tx, hold, due)


def _account(
    tx: Transaction, name: str, stand_in: StandIn, actors: _Actors, share: float, before: _Before
) -> AccountPlan:
    account = stand_in.account
    mirror = actors.mirrors.get(account)
    calls = stand_in.sent + stand_in.asked
    known = quotas.of(tx, account)
    return AccountPlan(
        connection=name,
        account=account,
        requests=stand_in.sent.total(),
        looks=stand_in.asked.total(),
        reads=0 if mirror is None else sum(mirror.calls),
        records=dict(Counter(one.kind.value for one in actors.recorder.writes if one.account == account)),
        budgets=tuple(
            Budget(
                endpoint_class=each,
                calls=calls[each],
                remaining=known[each].remaining if each in known else None,
                capacity=known[each].capacity if each in known else None,
                share=share,
            )
            for each in sorted(calls)
        ),
        paused=before.paused.get(account),
        left_alone=account in before.left_alone,
    )
