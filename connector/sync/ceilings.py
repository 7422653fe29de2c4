"""Ceilings: so many new objects in a time, the rest is held, and goes on as the time passes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from connector.domain.model.intent import IntentState, WriteKind
from connector.domain.model.transitions import Event
from connector.store import intents, queue, receipts, writes
from connector.store.intents import IntentRow
from connector.store.transaction import Transaction
from connector.sync import freezing
from connector.sync.outlet import CEILING, Outlet

ANOTHER_AGE: Final = timedelta(days=1)
"""How long what a ceiling kept back is still wanted once it may go, at the least."""
NEWS: Final = frozenset({WriteKind.ALERT, WriteKind.EVENT, WriteKind.MESSAGE})
"""What is worth sending while it is new."""


def keeps_back(tx: Transaction, row: IntentRow) -> bool:
    """Whether it is a ceiling that kept this from being sent, or what it needs: then it does not grow old.

    An import of years goes on for days above the ceiling, and nobody called it off. News grow old all the same.
    """
    if row.kind in NEWS:
        return False
    if row.state is IntentState.BLOCKED:
        return receipts.waits_behind(tx, row, CEILING)
    return row.state is IntentState.HELD and row.reason == CEILING


def release(tx: Transaction, outlet: Outlet) -> None:
    """Let go what there is room for again, and leave it, and what waits for it, time to be sent."""
    if not queue.held_for(tx, outlet.account, CEILING, limit=1):
        return
    for kind in WriteKind:
        for row in queue.held_for(tx, outlet.account, CEILING, freezing.room_for(tx, outlet, kind), kind=kind):
            ends = row.give_up_at if kind in NEWS else max(row.give_up_at, tx.now + ANOTHER_AGE)
            intents.move(tx, row, Event.RELEASED, give_up_at=ends)
            for waiting in receipts.waiting_for(tx, row.object):
                if waiting.kind not in NEWS and waiting.give_up_at < ends:
                    intents.set_aside(tx, waiting, give_up_at=ends)


def ends(tx: Transaction, outlet: Outlet) -> list[datetime]:
    """When there is room again, for each kind of which something is held."""
    found = []
    for kind, ceiling in outlet.limits.ceilings.items():
        if not queue.held_for(tx, outlet.account, CEILING, limit=1, kind=kind):
            continue
        if freezing.room_for(tx, outlet, kind):  # what was sent came to nothing; the next turn releases as many
            found.append(tx.now)
            continue
        oldest = writes.oldest_since(tx, outlet.account, kind, tx.now - ceiling.per)
        found.append((oldest or tx.now) + ceiling.per + timedelta(microseconds=1))
    return found
