"""Why things stand still: intents that wait for a person, grouped by what they have in common."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, func, select

from connector.domain.model.intent import IntentState, WriteKind
from connector.store.intents import IntentRow
from connector.store.schema import intent
from connector.store.transaction import Transaction

STUCK = (IntentState.REJECTED, IntentState.GIVEN_UP, IntentState.HELD, IntentState.BLOCKED, IntentState.IN_DOUBT)
"""Where an intent waits for a person, for another intent, or for an answer."""

# Names of objects, ids and figures differ between intents that have one cause.
_PARTICULAR = re.compile(r"\S*\d\S*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """So many intents of one kind in one account that stand where they stand for one reason.

    `first` is the number of the oldest of them, `since` when that was planned, `until` when the first gives up.
    """

    account: str
    kind: WriteKind
    state: IntentState
    reason: str
    number: int
    first: int
    since: datetime
    until: datetime


def causes(tx: Transaction, states: Sequence[IntentState] = STUCK) -> list[Cause]:
    """The causes of everything in `states`, the most frequent first."""
    query = (
        select(
            intent.c.account,
            intent.c.kind,
            intent.c.state,
            intent.c.reason,
            func.count(),
            func.min(intent.c.id),
            func.min(intent.c.planned_at),
            func.min(intent.c.give_up_at),
        )
        .where(intent.c.state.in_([state.value for state in states]))
        .group_by(intent.c.account, intent.c.kind, intent.c.state, intent.c.reason)
    )
    found: dict[tuple[str, str, str, str], Cause] = {}
    for account, kind, state, reason, number, first, since, until in tx.execute(query):
        cause = cause_of(reason)
        key = (account, kind, state, cause)
        known = found.get(key)
        found[key] = Cause(
            account=account,
            kind=WriteKind(kind),
            state=IntentState(state),
            reason=cause,
            number=number + (known.number if known else 0),
            first=min(first, known.first) if known else first,
            since=min(since, known.since) if known else since,
            until=min(until, known.until) if known else until,
        )
    return sorted(found.values(), key=lambda one: (-one.number, one.first))


def alike(tx: Transaction, row: IntentRow) -> list[int]:
    """The numbers of all intents that stand where `row` stands for the same cause, itself among them."""
    query = (
        select(intent.c.id, intent.c.reason)
        .where(
            and_(
                intent.c.account == row.account,
                intent.c.kind == row.kind.value,
                intent.c.state == row.state.value,
            )
        )
        .order_by(intent.c.id)
    )
    wanted = cause_of(row.reason)
    return [number for number, reason in tx.execute(query) if cause_of(reason) == wanted]


def cause_of(reason: str | None) -> str:
    """A reason without what is particular to one intent: `waits for recovery/3/ticket/1` is `waits for …`."""
    return _PARTICULAR.sub("…", reason or "")
