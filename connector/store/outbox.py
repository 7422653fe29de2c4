"""The outbox: planning intents idempotently, calling them off, and looking at them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, bindparam, func, select, true

from connector.domain.model.intent import (
    Intent,
    IntentState,
    Receipt,
    WriteKind,
    references,
)
from connector.domain.model.transitions import ARROWS, UNSENT, Event
from connector.store import intents
from connector.store import receipts as remotes
from connector.store.intents import IntentRow
from connector.store.prepared import Prepared
from connector.store.receipts import lane_of
from connector.store.schema import intent, response
from connector.store.transaction import Transaction

_ANSWERS = Prepared(
    select(response.c.id, response.c.key).where(response.c.key.in_(bindparam("keys", expanding=True))), lists=["keys"]
)


def plan(tx: Transaction, wanted: Sequence[Intent]) -> list[int]:
    """Take in intents; returns the ids of those that are new and have something to do.

    An intent whose key exists is left alone. Unsent intents that a newer one covers are superseded by it. What refers
    to objects without a receipt waits, blocked. Whether a field is worth writing (it may hold the value already, a
    person may have changed it, something newer may be known) is seen when it is sent: until then all of that changes.
    """
    desk = _look_up(tx, wanted)
    return [made for one in wanted if (made := _plan_one(tx, desk, one)) is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Desk:
    """What planning several intents has to know, read once for all of them.

    `unsent` are the rows on the objects they touch, by account, kept up to date while they are planned; `known` the
    objects among those they refer to that have a receipt; `answers` the ids of the answers behind them, by key.
    """

    unsent: dict[str, list[IntentRow]]
    known: frozenset[str]
    answers: Mapping[str, int]


def _look_up(tx: Transaction, wanted: Sequence[Intent]) -> _Desk:
    touched: dict[str, set[str]] = {}
    for one in wanted:
        touched.setdefault(one.account, set()).update(_touched(one))
    keys = {one.response_key for one in wanted if one.response_key is not None}
    return _Desk(
        unsent={account: intents.unsent_on(tx, account, names) for account, names in touched.items()},
        known=frozenset(remotes.of_objects(tx, {name for one in wanted for name in _needed(one)})),
        answers={row.key: row.id for row in tx.execute(_ANSWERS, {"keys": sorted(keys)})} if keys else {},
    )


def _plan_one(tx: Transaction, desk: _Desk, wanted: Intent) -> int | None:
    unsent = desk.unsent[wanted.account]
    covered = [row for row in unsent if row.touches & _touched(wanted) and _covers(wanted, row)]
    if wanted.target == wanted.object and any(row.target is None for row in covered):
        wanted = replace(wanted, target=None)  # the create it replaces was never sent: this one creates
    missing = _needed(wanted) - desk.known
    row = _insert(tx, desk, wanted, covered, missing)
    if row is None:
        return None
    unsent.append(row)
    for old in covered:
        unsent.remove(old)
        remotes.stop_waiting(tx, old)
        intents.move(tx, old, Event.NEWER, f"replaced by {row.key}")
    remotes.wait_for(tx, row, missing)
    tx.wake(lane_of(row.account), row.not_before)
    return row.id


def _needed(wanted: Intent) -> frozenset[str]:
    """The objects it cannot be sent without."""
    needed = set(wanted.after)
    for value in wanted.fields.values():
        needed |= references(value)
    if wanted.target is not None:
        needed.add(wanted.target)
    return frozenset(needed)


def _touched(wanted: Intent) -> frozenset[str]:
    return frozenset({wanted.object, wanted.target or wanted.object})


def _covers(wanted: Intent, row: IntentRow) -> bool:
    """Whether `wanted` makes `row` pointless: same object and kind, every field of it, and no older."""
    return (
        wanted.fold
        and row.fold
        and (wanted.object, wanted.kind) == (row.object, row.kind)
        and wanted.target in {row.target, row.object}
        and row.fields.keys() <= wanted.fields.keys()
        and row.cause_at <= wanted.cause_at
    )


def _insert(
    tx: Transaction, desk: _Desk, wanted: Intent, covered: Sequence[IntentRow], missing: Collection[str]
) -> IntentRow | None:
    """The new row, waiting for what is `missing`; None when there is one with its key."""
    marker = wanted.record or intents.first_record(tx, wanted.account, wanted.kind, wanted.object) or wanted.key
    row = IntentRow(
        id=0,
        key=wanted.key,
        account=wanted.account,
        kind=wanted.kind,
        object=wanted.object,
        target=wanted.target,
        after=tuple(wanted.after),
        fields=dict(wanted.fields),
        ours=frozenset(wanted.ours),
        if_blank=frozenset(wanted.if_blank),
        record=marker,
        state=ARROWS[IntentState.PLANNED, Event.PARENT_UNCONFIRMED] if missing else IntentState.PLANNED,
        reason=f"waits for {', '.join(sorted(missing))}" if missing else None,
        priority=min([wanted.priority.rank, *(row.priority for row in covered)]),
        fold=wanted.fold,
        cause_at=wanted.cause_at,
        planned_at=tx.now,
        not_before=min([wanted.not_before, *(row.not_before for row in covered)]),
        give_up_at=wanted.give_up_at,
        attempts=0,
        revision=max([0, *(row.revision for row in covered)]),
        batch_limit=None,
        ask_first=any(row.ask_first for row in covered),
        write_id=None,
        position=None,
        response_id=None if wanted.response_key is None else desk.answers.get(wanted.response_key),
        version=wanted.version,
        person_id=wanted.person_id,
        recovery_id=wanted.recovery_id,
        settled_at=None,
        erasing=False,
        run_id=wanted.run_id or tx.run_id,
    )
    return _store(tx, row)


def _store(tx: Transaction, row: IntentRow) -> IntentRow | None:
    """Store a new intent; returns it with its number, None when there is one with its key."""
    made = tx.insert_new(
        intent,
        {
            "key": row.key,
            "account": row.account,
            "kind": row.kind.value,
            "object": row.object,
            "target": row.target,
            "after": list(row.after),
            "fields": intents.seal_fields(tx, row.fields, row.ours, row.if_blank),
            "record": row.record,
            "state": row.state.value,
            "reason": row.reason,
            "priority": row.priority,
            "fold": row.fold,
            "cause_at": row.cause_at,
            "planned_at": row.planned_at,
            "not_before": row.not_before,
            "give_up_at": row.give_up_at,
            "attempts": row.attempts,
            "revision": row.revision,
            "ask_first": row.ask_first,
            "erasing": row.erasing,
            "response_id": row.response_id,
            "version": row.version,
            "person_id": row.person_id,
            "recovery_id": row.recovery_id,
            "run_id": row.run_id,
        },
    )
    return None if made is None else replace(row, id=made)


def _missing(tx: Transaction, row: IntentRow) -> frozenset[str]:
    needed = set(row.after)
    for value in row.fields.values():
        needed |= references(value)
    if row.target is not None:
        needed.add(row.target)
    return frozenset(needed - remotes.of_objects(tx, needed).keys())


def cancel(tx: Transaction, account: str, object_name: str, reason: str) -> bool:
    """Call off what would create or touch `object_name`, if none of it was ever sent; True when something was."""
    unsent = intents.unsent_on(tx, account, [object_name])
    # Planned again after an answer that never came: it may exist there, so calling it off would hide it.
    cancelled = [row for row in unsent if row.revision == 0]
    # What creates it comes last: nothing waits for it any more.
    for row in sorted(cancelled, key=lambda row: row.target is None):
        _call_off(tx, row, reason)
    return bool(cancelled)


def _call_off(tx: Transaction, row: IntentRow, reason: str) -> None:
    remotes.stop_waiting(tx, row)
    intents.move(tx, row, Event.CANCELLED, reason)
    if row.target is None and not remotes.of_objects(tx, [row.object]):
        remotes.fail_dependants(tx, row.object, "called off")


def adopt(tx: Transaction, account: str, object_name: str, remote_id: str, url: str | None = None) -> None:
    """An object of ours is one that exists there already, found by matching or chosen by a person.

    Whatever waited for it goes on; an unsent intent to create it is called off.
    """
    remotes.point(tx, account, object_name, remote_id, url)
    for row in intents.unsent_on(tx, account, [object_name]):
        if row.object == object_name and row.target is None and row.kind is WriteKind.CONTACT:
            remotes.stop_waiting(tx, row)
            intents.move(tx, row, Event.CANCELLED, "it exists already")


def receipts(tx: Transaction, objects: Iterable[str]) -> dict[str, Receipt]:
    """What each of the objects is called over there; those without a receipt are absent."""
    return remotes.of_objects(tx, objects)


def for_response(tx: Transaction, response_id: int) -> list[IntentRow]:
    """Everything one answer led to."""
    return intents.of_response(tx, response_id)


def for_recovery(tx: Transaction, recovery_id: int) -> list[IntentRow]:
    """Everything one recovery led to."""
    return intents.of_recovery(tx, recovery_id)


def listed(
    tx: Transaction, *, account: str | None = None, state: IntentState | None = None, limit: int = 100
) -> list[IntentRow]:
    """Intents for a person to look at, most urgent first."""
    condition: ColumnElement[bool] = true()
    if account is not None:
        condition = and_(condition, intent.c.account == account)
    if state is not None:
        condition = and_(condition, intent.c.state == state.value)
    return intents.where(tx, condition, limit)


def retry(tx: Transaction, intent_id: int, *, for_another: timedelta = timedelta(days=1)) -> bool:
    """An operator wants it tried now; False when it is being sent, waits for another, or is done.

    What was rejected or given up asks first, because nobody knows what happened there meanwhile.
    """
    row = intents.get(tx, intent_id)
    due = {"not_before": tx.now, "attempts": 0, "batch_limit": None}
    if row.state in {IntentState.REJECTED, IntentState.GIVEN_UP} and not row.fields:
        return False  # retention took what it said
    if row.state in {IntentState.REJECTED, IntentState.GIVEN_UP}:
        give_up_at = max(row.give_up_at, tx.now + for_another)
        # Vendors may remember a refusal by its key. What was given up may exist under its key: that one must stay.
        revision = row.revision + int(row.state is IntentState.REJECTED)
        changes = {
            **due,
            "revision": revision,
            "ask_first": True,
            "give_up_at": give_up_at,
            "settled_at": None,
            "write_id": None,
        }
        row = intents.move(tx, row, Event.RETRIED, "retried by an operator", **changes)
        if missing := _missing(tx, row):
            remotes.wait_for(tx, row, missing)
            intents.move(tx, row, Event.PARENT_UNCONFIRMED, f"waits for {', '.join(sorted(missing))}")
    elif row.state is IntentState.HELD:
        intents.move(tx, row, Event.RELEASED, "released by an operator", **due)
    elif row.state is IntentState.PLANNED:
        intents.set_aside(tx, row, **due)
    else:
        return False
    tx.wake(lane_of(row.account))
    return True


def drop(tx: Transaction, intent_id: int, reason: str = "dropped by an operator") -> bool:
    """An operator does not want it; False when a request of it may be under way or it is done."""
    row = intents.get(tx, intent_id)
    if row.state not in UNSENT:
        return False
    _call_off(tx, row, reason)
    return True


def counts(tx: Transaction) -> Mapping[IntentState, int]:
    """How many intents stand where; every state is named, so that the sums can be checked."""
    rows = tx.execute(select(intent.c.state, func.count()).group_by(intent.c.state))
    known = {IntentState(state): number for state, number in rows}
    return {state: known.get(state, 0) for state in IntentState}


def erase(tx: Transaction, person_id: int) -> bool:
    """Erase a person's intents; True when none is left that still has an open write.

    Open writes are settled first: what they did there has to be known to be erased there.
    """
    is_done = True
    for row in intents.where(tx, and_(intent.c.person_id == person_id, intent.c.state != IntentState.ERASED.value)):
        if row.state in {IntentState.SENDING, IntentState.SUBMITTED, IntentState.IN_DOUBT}:
            intents.set_aside(tx, row, erasing=True)
            is_done = False
            continue
        remotes.stop_waiting(tx, row)
        intents.move(tx, row, Event.ERASED)
    return is_done


def oldest_due(tx: Transaction, account: str) -> datetime | None:
    """When the oldest intent that could be sent now was planned: the lag of the account's lane."""
    query = select(func.min(intent.c.planned_at)).where(
        intent.c.account == account, intent.c.state == IntentState.PLANNED.value, intent.c.not_before <= tx.now
    )
    at: datetime | None = tx.execute(query).scalar_one()
    return at
