"""Two recoveries of one human: both tickets get a note, so that two agents do not call the same person."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from connector.domain.model.intent import FINAL_STATES, Intent, IntentState, Priority, WriteKind, refer
from connector.store import outbox, recoveries
from connector.store.intents import IntentRow
from connector.store.transaction import Transaction
from connector.sync import names

_PATIENCE: Final = timedelta(days=3)


def unite(tx: Transaction, person_id: int, older: int, younger: int) -> None:
    """Tell both tickets where work goes on. What of the younger recovery was never sent is called off."""
    for row in outbox.for_recovery(tx, younger):
        if row.state not in FINAL_STATES:
            outbox.drop(tx, row.id, recoveries.MERGED)
    here, there = _ticket(tx, older), _ticket(tx, younger)
    if there is None:
        return
    lost = names.ticket_object(younger, recoveries.generation(tx, younger))
    kept = names.ticket_object(older, recoveries.generation(tx, older))
    where = f" {refer(kept, 'url')}" if here is not None and here.account == there.account else ""
    outbox.plan(tx, [_note(tx, there, person_id, younger, lost, f"Same customer as another recovery:{where}")])
    if here is not None and here.account == there.account:
        text = f"Same customer as another recovery, which is closed in favour of this one: {refer(lost, 'url')}"
        outbox.plan(tx, [_note(tx, here, person_id, older, kept, text)])


def _ticket(tx: Transaction, recovery_id: int) -> IntentRow | None:
    """The intent whose ticket exists, or may exist; None when nothing of it was sent."""
    gone = {IntentState.SUPERSEDED, IntentState.REJECTED, IntentState.GIVEN_UP, IntentState.ERASED}
    for row in outbox.for_recovery(tx, recovery_id):
        if row.kind in {WriteKind.TICKET, WriteKind.NOTE} and row.state not in gone:
            return row
    return None


def _note(tx: Transaction, row: IntentRow, person_id: int, recovery_id: int, ticket: str, text: str) -> Intent:
    return Intent(
        key=f"{row.key}/united",
        account=row.account,
        kind=WriteKind.NOTE,
        object=f"{ticket}/united",
        target=ticket,
        after=(ticket,),
        fields={"text": text},
        cause_at=tx.now,
        not_before=tx.now,
        give_up_at=tx.now + _PATIENCE,
        priority=Priority.RECOVERY,
        person_id=person_id,
        recovery_id=recovery_id,
    )
