"""Private notes, read only where a step waits for one: of those tickets among a page of changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from connector.errors import RemoteError
from connector.ports import Notes, Ticket
from connector.store import receipts, recoveries, steps
from connector.store.database import Database
from connector.store.receipts import Thing
from connector.store.transaction import Transaction
from connector.sync import names
from connector.sync.quota import take_turn
from connector.sync.settings import DecideSettings, ExpectStep
from connector.sync.work import book_of

MOST: Final = 20
"""Tickets whose notes are read for one page."""


def read_notes(
    db: Database, source: Notes, read_class: str, share: float, seen: Sequence[Ticket], settings: DecideSettings
) -> Mapping[str, tuple[str, ...]]:
    """The notes of those tickets whose recoveries wait for one, by ticket; what cannot be read now is left out.

    A ticket that is left out changes again when somebody works on it, and is looked at then.
    """
    with db.read() as tx:
        wanted = [ticket for ticket in seen if _waits(tx, ticket, settings)][:MOST]
    found: dict[str, tuple[str, ...]] = {}
    for ticket in wanted:
        with db.write() as tx:
            if not take_turn(tx, ticket.account, read_class, share=share).calls:
                return found
        try:
            found[ticket.id] = tuple(source.private_notes(ticket.id))
        except RemoteError:
            return found
    return found


def _waits(tx: Transaction, ticket: Ticket, settings: DecideSettings) -> bool:
    for name in receipts.named(tx, ticket.account, Thing.TICKET, ticket.id):
        recovery_id = names.recovery_of(name)
        recovery = None if recovery_id is None else recoveries.get(tx, recovery_id)
        open_steps = [] if recovery is None else [row for row in steps.of(tx, recovery.id) if row.is_open]
        if recovery is None or not open_steps:
            continue
        written = book_of(tx, recovery, settings).steps
        for row in open_steps:
            step = written[row.number] if row.number < len(written) else None
            if isinstance(step, ExpectStep) and step.until.note is not None:
                return True
    return False
