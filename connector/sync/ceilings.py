"""Ceilings: so many new objects in a time, the rest is held, and goes on as the time passes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from connector.domain.model.intent import IntentState, WriteKind
from connector.domain.model.transitions import Event
from connector.store import intents, queue, receipts, writes
from connector.store.intents import IntentRow
from connector.store.transaction import Transaction
from connector.sync.outlet import CEILING, Outlet

ANOTHER_AGE: Final = timedelta(days=1)
"""How long what a ceiling kept back is still wanted once it may go, at the least."""
NEWS: Final = frozenset({WriteKind.ALERT, WriteKind.EVENT, WriteKind.MESSAGE})
"""What is worth sending while it is new."""
HELD_AT_ONCE: Final = 100
"""Intents one transaction holds: a delivery at the door waits for it."""


def keeps_back(tx: Transaction, row: IntentRow) -> bool:
    """Whether it is a ceiling that kept this from being sent, or what it needs: then it does not grow old.

    An import of years goes on for days above the ceiling, and nobody called it off. News grow old all the same.
    """
    if row.kind in NEWS:
        return False
    if row.state is IntentState.BLOCKED:
        return receipts.waits_behind(tx, row, CEILING)
    return row.state is IntentState.HELD and row.reason == CEILING


def room_for(tx: Transaction, outlet: Outlet, kind: WriteKind) -> int | None:
    """How many records of a kind may be sent now; None: there is no ceiling."""
    ceiling = outlet.limits.ceilings.get(kind)
    if ceiling is None:
        return None
    return max(0, ceiling.count - writes.created_since(tx, outlet.account, kind, tx.now - ceiling.per))


def hold_above(tx: Transaction, outlet: Outlet) -> int:
    """Hold some of what is due of a kind that has no room left, before a call looks for it; how many intents."""
    held = 0
    for kind in outlet.limits.ceilings:
        if room_for(tx, outlet, kind) == 0:
            others = [other for other in WriteKind if other is not kind]
            above = queue.due(tx, outlet.account, tx.now, HELD_AT_ONCE, but=others)
            hold(tx, outlet, kind, above)
            held += len(above)
    return held


def hold(tx: Transaction, outlet: Outlet, kind: WriteKind, above: Sequence[IntentRow]) -> None:
    """Hold intents of a kind that are above its ceiling; operators hear of the first."""
    ceiling = outlet.limits.ceilings[kind]
    if above and not queue.held_for(tx, outlet.account, CEILING, limit=1, kind=kind):
        text = f"more than {ceiling.count} {kind} records in {ceiling.per}: the rest is held"
        outlet.notify(tx, outlet.account, f"ceiling/{kind}", text)
    for row in above:
        intents.move(tx, row, Event.CEILING, CEILING)
        outlet.tell(tx, row, "held", reason=CEILING)


def release(tx: Transaction, outlet: Outlet) -> None:
    """Let go what there is room for again, and leave it, and what waits for it, time to be sent."""
    if not queue.held_for(tx, outlet.account, CEILING, limit=1):
        return
    for kind in WriteKind:
        for row in queue.held_for(tx, outlet.account, CEILING, room_for(tx, outlet, kind), kind=kind):
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
        if room_for(tx, outlet, kind):  # what was sent came to nothing; the next turn releases as many
            found.append(tx.now)
            continue
        oldest = writes.oldest_since(tx, outlet.account, kind, tx.now - ceiling.per)
        found.append((oldest or tx.now) + ceiling.per + timedelta(microseconds=1))
    return found
