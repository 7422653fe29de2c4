"""What people did with a recovery's ticket: how far it is, which steps it shows to be done, and whether it is over."""

from __future__ import annotations

from typing import Final

from connector.domain.model.recovery import Recovery
from connector.domain.recovery.proof import Sight, known_cause, lacking
from connector.ports import Ticket
from connector.store import history, outbox, recoveries
from connector.store.transaction import Transaction
from connector.sync import follow_up, tracking
from connector.sync.settings import DecideSettings
from connector.sync.work import Work, recalled

SOLVED_THERE: Final = "solved in helpdesk"
DELETED_THERE: Final = "ticket deleted in helpdesk"
_DONE: Final = frozenset({"solved", "closed", "deleted"})


def see(
    tx: Transaction, recovery: Recovery, seen: Ticket, notes: tuple[str, ...] | None, settings: DecideSettings
) -> None:
    """A helpdesk reports the ticket of an open recovery: take note of what it shows, and close the recovery."""
    tracking.see_ticket(tx, recovery, sight_of(seen, notes), min(seen.updated_at, tx.now), settings)
    if seen.status in _DONE:
        _close(tx, recovery, seen, settings)


def sight_of(seen: Ticket, notes: tuple[str, ...] | None = None) -> Sight:
    """A ticket as steps look at it."""
    values, tags = seen.values, seen.values.get("tags")
    shown = {name: str(value) for name, value in values.items() if isinstance(value, str | int | float) and value}
    return Sight(
        status=seen.status,
        shown=shown.get("status"),
        assigned=seen.assigned,
        tags=frozenset(str(tag) for tag in tags) if isinstance(tags, list) else frozenset(),
        fields={**shown, **seen.fields},
        notes=notes,
    )


def _close(tx: Transaction, recovery: Recovery, seen: Ticket, settings: DecideSettings) -> None:
    """A solved ticket closes its recovery, unless its playbook wants to know something first; a deleted one does."""
    work = recalled(tx, recovery, settings)
    if work is not None and seen.status != "deleted":
        _note_down(tx, work, seen)
        if _lacking(tx, work):
            return
    cause = DELETED_THERE if seen.status == "deleted" else SOLVED_THERE
    recoveries.close(tx, recovery.id, cause, tx.now)
    history.append(
        tx,
        "recovery_closed",
        person_id=recovery.person_id,
        recovery_id=recovery.id,
        detail={"cause": cause, "ticket": seen.id, "status": seen.status},
    )
    if cause == SOLVED_THERE:
        follow_up.ask(tx, recovery.id, settings)


def _note_down(tx: Transaction, work: Work, seen: Ticket) -> None:
    """Keep the root cause and what was done, where the ticket's fields say so."""
    close = work.book.close
    cause = None if close.root_cause_field is None else seen.fields.get(close.root_cause_field)
    action = None if close.action_field is None else seen.fields.get(close.action_field)
    recoveries.account_for(tx, work.recovery.id, root_cause=known_cause(cause, close.root_causes), action_taken=action)


def _lacking(tx: Transaction, work: Work) -> bool:
    """Whether something is missing; who is named in the playbook is asked for it, once."""
    known, close = recoveries.get(tx, work.recovery.id), work.book.close
    assert known is not None
    missing = lacking(
        close.needs,
        root_cause=known.root_cause,
        action_taken=recoveries.action_taken(tx, known.id),
        causes=close.root_causes,
    )
    if missing:
        outbox.plan(tx, tracking.ask(tx, work, missing))
    return bool(missing)
