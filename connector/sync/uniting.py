"""Two recoveries of one human: both tickets get a note, so that two agents do not call the same person.

What the younger one's ticket was still to say is said on the older one's: no unhappy answer is lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from connector.domain.model.intent import Intent, IntentState, Json, Priority, WriteKind, refer
from connector.domain.model.transitions import UNSENT
from connector.domain.recovery.text import fit
from connector.store import outbox, recoveries, responses
from connector.store.intents import IntentRow
from connector.store.transaction import Transaction
from connector.sync import names

AGAIN: Final = "The same customer answered once more:"
"""What a note begins with whose text was written to open a ticket."""
_PATIENCE: Final = timedelta(days=3)
_TEXTS: Final = {WriteKind.TICKET: "comment", WriteKind.NOTE: "text"}


def unite(tx: Transaction, person_id: int, older: int, younger: int) -> None:
    """Tell both tickets where work goes on. What of the younger recovery was never sent is called off."""
    unsaid = [row for row in outbox.for_recovery(tx, younger) if row.state in UNSENT]
    for row in unsaid:
        outbox.drop(tx, row.id, recoveries.MERGED)
    here, there = _ticket(tx, older), _ticket(tx, younger)
    lost = names.ticket_object(younger, recoveries.generation(tx, younger))
    kept = names.ticket_object(older, recoveries.generation(tx, older))
    if here is not None:
        _say_here(tx, here, person_id, older, kept, unsaid)
    if there is None:
        return
    where = f" {refer(kept, 'url')}" if here is not None and here.account == there.account else ""
    outbox.plan(tx, [_note(tx, there, person_id, younger, lost, f"Same customer as another recovery:{where}")])
    if here is not None and here.account == there.account:
        text = f"Same customer as another recovery, which is closed in favour of this one: {refer(lost, 'url')}"
        outbox.plan(tx, [_note(tx, here, person_id, older, kept, text)])


def _say_here(
    tx: Transaction, here: IntentRow, person_id: int, older: int, ticket: str, unsaid: Sequence[IntentRow]
) -> None:
    """One note on the older ticket for each text the younger recovery's was still to carry."""
    priorities = {row.fields.get("priority") for row in outbox.for_recovery(tx, older)}
    kept = recoveries.get(tx, older)
    for row in sorted(unsaid, key=lambda row: row.id):
        text = row.fields.get(_TEXTS.get(row.kind, ""))
        if not isinstance(text, str):
            continue
        fields: dict[str, Json] = {"text": fit(f"{AGAIN}\n{text}" if row.kind is WriteKind.TICKET else text)}
        mine = None if row.recovery_id is None else recoveries.get(tx, row.recovery_id)
        # It took over the higher severity: where that is the younger one's, its ticket becomes as urgent.
        is_raised = mine is not None and kept is not None and mine.severity is kept.severity
        if is_raised and row.fields.get("priority") not in {None, *priorities}:
            fields["priority"] = row.fields["priority"]
        outbox.plan(tx, [_moved(tx, row, here.account, person_id, older, ticket, fields)])


def _moved(
    tx: Transaction,
    row: IntentRow,
    account: str,
    person_id: int,
    recovery_id: int,
    ticket: str,
    fields: Mapping[str, Json],
) -> Intent:
    """What one answer was to say, on the ticket of another recovery; it remains that answer's."""
    key = None if row.response_id is None else responses.key_of(tx, row.response_id)
    return Intent(
        key=f"{row.key}/united",
        account=account,
        kind=WriteKind.NOTE,
        object=f"{row.object}/united",
        target=ticket,
        after=(ticket,),
        fields=fields,
        cause_at=row.cause_at,
        not_before=tx.now,
        give_up_at=tx.now + _PATIENCE,
        priority=Priority.RECOVERY,
        person_id=person_id,
        recovery_id=recovery_id,
        response_key=key,
        version=row.version,
    )


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
        cause_at=row.cause_at,  # an old copy learns of the union once more: a note that old is looked for
        not_before=tx.now,
        give_up_at=tx.now + _PATIENCE,
        priority=Priority.RECOVERY,
        person_id=person_id,
        recovery_id=recovery_id,
    )
