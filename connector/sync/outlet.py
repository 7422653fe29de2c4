"""What a write lane works with: one account's writer, its limits, and whom it tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo

from connector.clock import Clock
from connector.domain.model.intent import Intent, Item, Promise, Receipt, WriteKind
from connector.domain.recovery.night import Night
from connector.ports import Writer
from connector.store import history
from connector.store.database import Database
from connector.store.intents import IntentRow
from connector.store.transaction import Transaction
from connector.store.writing import Left
from connector.sync.folding import Folded
from connector.sync.quota import Readings

OBSERVE_MODE = "observe mode"
CEILING = "ceiling reached"
AMBIGUOUS = "several contacts answer to the same keys"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """At most `count` records of a kind in any stretch of `per`; what is above is held."""

    count: int
    per: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How fast and how much.

    `timeout` is the most a call may take, connecting included; no write starts with less than that left of the lease.
    `parallel` is how many are under way together; `in_turn`: they are sent one after another all the same, for a
    rehearsal that is to be the same each time. `share` is the part of the vendor's quota that is ours, 0 to 1. `turn`
    is how long one drain lasts at most, calls that have begun aside. `look` is how many due intents are looked at
    together. `acts_within`: what was held in observe mode and opens, tells or asks something is not sent once the
    answer behind it is older; None: at any age. What waited for the morning of the `quiet` hours, by `time_zone`, goes
    out together.
    """

    timeout: timedelta = timedelta(seconds=15)
    parallel: int = 4
    in_turn: bool = False
    linger: timedelta = timedelta(0)
    share: float = 1.0
    ceilings: Mapping[WriteKind, Ceiling] = field(default_factory=dict)
    turn: timedelta = timedelta(seconds=1)
    look: int = 1500
    acts_within: timedelta | None = None
    quiet: Night | None = None
    time_zone: tzinfo = UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class Replan:
    """What `prepare` answers for an item that must not be sent as planned.

    The intents behind it end superseded with `reason`, `intents` are planned in their place and `then` is called, all
    in one transaction.
    """

    reason: str
    intents: tuple[Intent, ...] = ()
    then: Callable[[Transaction], None] | None = None


Prepare = Callable[[WriteKind, Sequence[Item]], Sequence[Item | Replan]]
"""Look at the targets just before they are written; may call other systems, raises RemoteError."""
Notify = Callable[[Transaction, str, str, str], None]
"""Tell the operators: transaction, account, cause (the same for the same trouble: word, kind, field), text."""
Settled = Callable[[Transaction, IntentRow, Receipt | None], None]
"""An intent reached a final state, or is held as ambiguous with `candidates`; in the transaction that moved it."""


Frozen = Callable[[Transaction, WriteKind, Sequence[tuple[Folded, Left, Item]]], None]
"""Records are about to be sent together; in the transaction that freezes them, before their values become unknown."""


def unheard(tx: Transaction, kind: WriteKind, parts: Sequence[tuple[Folded, Left, Item]]) -> None:
    """Nobody watches what is frozen."""


def as_planned(kind: WriteKind, items: Sequence[Item]) -> Sequence[Item | Replan]:
    """The `prepare` of accounts whose targets need no look."""
    return items


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outlet:
    """One account: where its intents go and who is told. `started_at` is when this process first took the lane."""

    db: Database
    writer: Writer
    clock: Clock
    limits: Limits
    live: bool
    notify: Notify
    on_settled: Settled
    prepare: Prepare
    readings: Readings
    started_at: datetime
    on_frozen: Frozen = unheard

    @property
    def account(self) -> str:
        """The vendor account."""
        return self.writer.account

    def promise(self, kind: WriteKind) -> Promise:
        """What the adapter promises for a kind. Raises KeyError for a kind it cannot write."""
        return self.writer.promises[kind]

    def tell(self, tx: Transaction, row: IntentRow, event: str, **detail: str | int | None) -> None:
        """Add to the story of the answer behind an intent."""
        said = {name: value for name, value in detail.items() if value is not None}
        history.append(
            tx,
            event,
            response_id=row.response_id,
            person_id=row.person_id,
            recovery_id=row.recovery_id,
            intent_id=row.id,
            detail={"account": row.account, "kind": row.kind.value, "object": row.object, **said},
        )
