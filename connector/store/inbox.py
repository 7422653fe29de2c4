"""The inbox: every delivery byte for byte as it arrived, each ending in exactly one state.

    received → mapped | duplicate | ignored | quarantined;  quarantined → received (replay);  any → erased

A delivery is recognised by the keyed digest of its adapter kind and its bytes, never by the connection's name, so that
renaming a connection or re-importing a file stores nothing twice. The limit of this: who sends an answer, an edit and
then the first answer again, byte for byte and with nothing in it that says when, cannot be told from who repeats a
delivery; the edit stays the newest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import bindparam, func, select, update

from connector.store import tombstones
from connector.store.prepared import Prepared
from connector.store.schema import inbox, pause
from connector.store.transaction import Transaction, insert_of

LANE = "understand"
"""The lane new deliveries wake."""
_GOES_ON = inbox.c.connection.not_in(select(pause.c.connection))

LIVE, BACKFILL = 0, 1
"""Priorities: a live delivery never waits behind a backfill."""

PAYLOAD = "inbox.payload"
_SETTLE = Prepared(update(inbox).where(inbox.c.id == bindparam("wanted")))


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    RECEIVED = "received"
    MAPPED = "mapped"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    QUARANTINED = "quarantined"
    ERASED = "erased"


_DUE = Prepared(
    select(inbox)
    .where(inbox.c.state == DeliveryState.RECEIVED.value, inbox.c.payload.is_not(None), _GOES_ON)
    .order_by(inbox.c.priority, inbox.c.id)
    .limit(bindparam("most"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A delivery about to be stored. `kind` is the adapter kind.

    With a `reason` it is quarantined at once, `field` naming the place that failed: its body could not be told apart
    into records. `run_id`, `record_only` and `place` (`line 12`) are of what an import brings: `record_only` True is
    recorded and scored and never acted on, False is acted on whatever its age, None is acted on while it is young.
    """

    connection: str
    kind: str
    payload: bytes
    received_at: datetime
    priority: int = LIVE
    field: str | None = None
    reason: str | None = None
    run_id: int | None = None
    record_only: bool | None = None
    place: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """How many arrivals were new, and how many the inbox had already (or had erased)."""

    new: int
    duplicates: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A stored delivery to be understood; see `Arrival` for what an import adds to it."""

    id: int
    connection: str
    kind: str
    payload: bytes
    received_at: datetime
    priority: int
    run_id: int | None = None
    record_only: bool | None = None
    place: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A delivery that waits for a person: what failed and why, without its contents.

    `field` begins with the line where it came from a file.
    """

    id: int
    connection: str
    kind: str
    received_at: datetime
    field: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxCounts:
    """Deliveries by state, and how often one that is there arrived again."""

    states: dict[DeliveryState, int]
    duplicates: int


def add(tx: Transaction, arrivals: Sequence[Arrival]) -> Added:
    """Store what is new and count what is not; wakes the understand lane.

    New is also what an import that only records brought, when it comes again to be acted on. Of what was erased nothing
    is kept but that it came: whoever sent it was told that it was taken.
    """
    digests = [digest(tx, arrival.kind, arrival.payload) for arrival in arrivals]
    erased = tombstones.among(tx, digests)
    new = 0
    for arrival, dedupe in zip(arrivals, digests, strict=True):
        if dedupe in erased:
            _count_erased(tx, arrival, dedupe)
        else:
            new += _store(tx, arrival, dedupe)
    if new:
        tx.wake(LANE)
    return Added(new=new, duplicates=len(arrivals) - new)


def any_known(tx: Transaction, arrivals: Sequence[Arrival]) -> bool:
    """Whether one of these deliveries is there already."""
    digests = [digest(tx, arrival.kind, arrival.payload) for arrival in arrivals]
    return tx.execute(select(inbox.c.id).where(inbox.c.dedupe.in_(digests)).limit(1)).first() is not None


def holds(tx: Transaction, kind: str, payload: bytes) -> bool:
    """Whether this delivery is there already, or was erased."""
    known = digest(tx, kind, payload)
    if tx.execute(select(inbox.c.id).where(inbox.c.dedupe == known)).first() is not None:
        return True
    return bool(tombstones.among(tx, [known]))


def digest(tx: Transaction, kind: str, payload: bytes) -> str:
    """What a delivery is recognised by."""
    return tx.blind_bytes(f"delivery/{kind}", payload)


def due(tx: Transaction, limit: int) -> list[Delivery]:
    """The next deliveries to understand: live ones before backfill, then in order of arrival; none of paused ones."""
    return [_delivery(tx, row) for row in tx.execute(_DUE, {"most": limit})]


def find(tx: Transaction, delivery_id: int) -> Delivery | None:
    """One delivery, whatever became of it; None when there is none, or its payload was erased or has expired."""
    row = tx.execute(select(inbox).where(inbox.c.id == delivery_id, inbox.c.payload.is_not(None))).first()
    return None if row is None else _delivery(tx, row)


def _delivery(tx: Transaction, row: Any) -> Delivery:
    return Delivery(
        id=row.id,
        connection=row.connection,
        kind=row.source,
        payload=tx.unseal_bytes(PAYLOAD, row.payload),
        received_at=row.received_at,
        priority=row.priority,
        run_id=row.run_id,
        record_only=row.record_only,
        place=row.place,
    )


def oldest_due(tx: Transaction) -> datetime | None:
    """When the oldest delivery that is still to be understood arrived; those of a paused connection wait rightly."""
    received = (inbox.c.state == DeliveryState.RECEIVED.value) & _GOES_ON
    at: datetime | None = tx.execute(select(func.min(inbox.c.received_at)).where(received)).scalar_one()
    return at


def mark_mapped(tx: Transaction, delivery_id: int, response_id: int) -> None:
    """It became a new version of a response."""
    _settle(tx, delivery_id, DeliveryState.MAPPED, response_id=response_id)


def mark_duplicate(tx: Transaction, delivery_id: int, response_id: int) -> None:
    """Other bytes, but a version of the response that is known already."""
    _settle(tx, delivery_id, DeliveryState.DUPLICATE, response_id=response_id)


def mark_ignored(tx: Transaction, delivery_id: int, reason: str) -> None:
    """Authentic, but no answer we want: a test ping, a form nobody configured."""
    _settle(tx, delivery_id, DeliveryState.IGNORED, reason=reason)


def mark_quarantined(tx: Transaction, delivery_id: int, *, field: str, reason: str) -> None:
    """It could not be mapped; it waits for `replay`. `reason` holds no personal data."""
    _settle(tx, delivery_id, DeliveryState.QUARANTINED, field=field, reason=reason)


def mark_erased(tx: Transaction, delivery_id: int) -> None:
    """Its person was erased: the bytes go, the digest stays so that it is recognised."""
    _settle(tx, delivery_id, DeliveryState.ERASED)
    tx.execute(update(inbox).where(inbox.c.id == delivery_id).values(payload=None))


def list_quarantined(tx: Transaction, limit: int = 100) -> list[Quarantined]:
    """Quarantined deliveries, oldest first."""
    rows = tx.execute(
        select(inbox).where(inbox.c.state == DeliveryState.QUARANTINED.value).order_by(inbox.c.id).limit(limit)
    )
    return [
        Quarantined(
            id=row.id,
            connection=row.connection,
            kind=row.source,
            received_at=row.received_at,
            field=", ".join(part for part in (row.place, row.field) if part),
            reason=row.reason or "",
        )
        for row in rows
    ]


def replay(tx: Transaction, ids: Sequence[int] | None = None) -> int:
    """Put quarantined deliveries (all of them, or these) back to received; returns how many. Wakes the lane."""
    which = inbox.c.state == DeliveryState.QUARANTINED.value
    if ids is not None:
        which &= inbox.c.id.in_(ids)
    back = tx.execute(
        update(inbox).where(which).values(state=DeliveryState.RECEIVED.value, field=None, reason=None)
    ).rowcount
    if back:
        tx.wake(LANE)
    return back


def counts(tx: Transaction) -> InboxCounts:
    """Deliveries by state; every state is named. Their sum and `duplicates` together are what was accepted."""
    rows = tx.execute(select(inbox.c.state, func.count(), func.sum(inbox.c.duplicates)).group_by(inbox.c.state)).all()
    by_state = {state: count for state, count, _ in rows}
    return InboxCounts(
        states={state: by_state.get(state.value, 0) for state in DeliveryState},
        duplicates=sum(int(again) for _, _, again in rows),
    )


def of_run(tx: Transaction, run_id: int) -> dict[DeliveryState, int]:
    """What became of the deliveries one import brought; states without any are left out."""
    query = select(inbox.c.state, func.count()).where(inbox.c.run_id == run_id).group_by(inbox.c.state)
    return {DeliveryState(state): int(number) for state, number in tx.execute(query)}


def waiting(tx: Transaction, run_id: int) -> int:
    """How many deliveries of an import are still to be understood."""
    query = select(func.count()).where(inbox.c.state == DeliveryState.RECEIVED.value, inbox.c.run_id == run_id)
    return int(tx.execute(query).scalar_one())


def _store(tx: Transaction, arrival: Arrival, dedupe: str) -> bool:
    state = DeliveryState.RECEIVED if arrival.reason is None else DeliveryState.QUARANTINED
    stored = tx.execute(
        _insert(tx.dialect),
        {
            "connection": arrival.connection,
            "source": arrival.kind,
            "dedupe": dedupe,
            "state": state.value,
            "priority": arrival.priority,
            "received_at": arrival.received_at,
            "duplicates": 0,
            "payload": tx.seal_bytes(PAYLOAD, arrival.payload),
            "field": arrival.field,
            "reason": arrival.reason,
            "run_id": arrival.run_id,
            "record_only": arrival.record_only,
            "place": arrival.place,
        },
    )
    return bool(stored.scalar_one() == 0) or (arrival.record_only is not True and _read_again(tx, arrival, dedupe))


def _count_erased(tx: Transaction, arrival: Arrival, dedupe: str) -> None:
    """At the row that is left of it; where an old copy of the store has none, a row without contents is made."""
    row = {
        "connection": arrival.connection,
        "source": arrival.kind,
        "dedupe": dedupe,
        "state": DeliveryState.ERASED.value,
        "priority": arrival.priority,
        "received_at": arrival.received_at,
        "duplicates": 0,
    }
    empty = dict.fromkeys(("payload", "field", "reason", "run_id", "record_only", "place"))
    tx.execute(_insert(tx.dialect), {**row, **empty})


@cache
def _insert(dialect: str) -> Prepared:
    insert = insert_of(dialect, inbox).on_conflict_do_update(
        index_elements=["dedupe"], set_={"duplicates": inbox.c.duplicates + 1}
    )
    return Prepared(insert.returning(inbox.c.duplicates))


def _read_again(tx: Transaction, arrival: Arrival, dedupe: str) -> bool:
    """Have a delivery that was only to be recorded read once more, as this one; False when it was no such delivery."""
    read = (DeliveryState.RECEIVED.value, DeliveryState.MAPPED.value, DeliveryState.DUPLICATE.value)
    again = update(inbox).where(
        inbox.c.dedupe == dedupe, inbox.c.record_only.is_(True), inbox.c.payload.is_not(None), inbox.c.state.in_(read)
    )
    as_now = {"record_only": arrival.record_only, "run_id": arrival.run_id, "priority": arrival.priority}
    return bool(tx.execute(again.values(state=DeliveryState.RECEIVED.value, **as_now)).rowcount)


def _settle(
    tx: Transaction,
    delivery_id: int,
    state: DeliveryState,
    *,
    response_id: int | None = None,
    field: str | None = None,
    reason: str | None = None,
) -> None:
    new = {"state": state.value, "response_id": response_id, "field": field, "reason": reason}
    tx.execute(_SETTLE, {"wanted": delivery_id, **new})
