"""What an object held before we wrote to it, as far as anybody here knows: kept when a write is frozen, for undoing."""

from __future__ import annotations

from collections.abc import Mapping

from connector.domain.model.intent import Item, Json, WriteKind
from connector.store import confirmed, contacts, priors, tickets, writing
from connector.store.priors import Prior
from connector.store.transaction import Transaction
from connector.sync.folding import Folded

_TICKETS = frozenset({WriteKind.NOTE, WriteKind.TICKET_UPDATE})


def keep(tx: Transaction, account: str, record: Folded, item: Item) -> None:
    """Remember what the fields of an existing object hold, just before a request that changes them is written down.

    The confirmed value where it is known, else what the mirror of contacts or tickets last saw, else that nobody knows.
    """
    if item.target is None:
        return
    kind = record.first.kind
    fields = writing.tracked(kind, item.fields)
    if not fields:
        return
    known = confirmed.of(tx, account, record.first.about)
    seen = _mirrored(tx, account, kind, item.target)
    held: dict[str, Prior] = {}
    for name in fields:
        value = known.get(name)
        if value is not None and value.known:
            held[name] = Prior(known=True, value=value.value, event_at=value.event_at)
        elif seen is not None and name in seen:
            held[name] = Prior(known=True, value=seen[name])
        else:
            held[name] = Prior(known=False)
    planned = frozenset().union(*(row.fields.keys() for row in record.members))
    for row in record.members:
        # What the look at the target added (a status that opens it again) is everybody's.
        mine = {name: prior for name, prior in held.items() if name in row.fields or name not in planned}
        priors.remember(tx, row.id, mine)


def _mirrored(tx: Transaction, account: str, kind: WriteKind, remote_id: str) -> Mapping[str, Json] | None:
    if kind is WriteKind.CONTACT_FIELDS:
        there = contacts.survivor(tx, account, remote_id)
        return None if there is None else {name: _json(value) for name, value in there.values.items()}
    if kind in _TICKETS:
        ticket = tickets.get(tx, account, remote_id)
        return None if ticket is None else ticket.values
    return None


def _json(value: object) -> Json:
    return value if isinstance(value, str | int | float | bool | list | dict) else None
