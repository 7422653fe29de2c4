"""The mirror of each helpdesk's tickets: enough to see what people did with ours, and how many each requester has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Row, bindparam, select

from connector.domain.model.intent import Json
from connector.domain.model.person import KeyKind
from connector.ports import Ticket
from connector.store.columns import aside
from connector.store.prepared import Prepared
from connector.store.schema import person_key, ticket
from connector.store.transaction import Transaction

SEALED = "ticket.sealed"
_REQUESTED = Prepared(
    select(ticket.c.remote_id, ticket.c.first_at)
    .join(person_key, aside(person_key.c.blind) == ticket.c.requester)  # the person's addresses, then their tickets
    .where(ticket.c.account == bindparam("wanted"), ticket.c.key.is_(None), ticket.c.status != "deleted")
    .where(person_key.c.person_id == bindparam("person"), person_key.c.kind == KeyKind.EMAIL.value)
    .order_by(ticket.c.first_at, ticket.c.remote_id)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A mirrored ticket. `key` is the marker we wrote on it, None on tickets that are not ours."""

    account: str
    id: str
    status: str
    key: str | None
    url: str | None
    first_at: datetime
    updated_at: datetime
    values: dict[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a report about a ticket changed: what was known before (None: new) and whether anything differs now."""

    before: Known | None
    changed: bool


def upsert(tx: Transaction, seen: Ticket, *, requester: str | None) -> Change:
    """Record a ticket as its helpdesk reports it; `requester` is the normalised e-mail.

    The same report again, or one older than what is known, changes nothing.
    """
    before = get(tx, seen.account, seen.id)
    values = dict(seen.values)
    if before is not None:
        is_same = (before.status, before.key, before.values, before.updated_at) == (
            seen.status,
            seen.key,
            values,
            seen.updated_at,
        )
        if is_same or seen.updated_at < before.updated_at:
            return Change(before=before, changed=False)
    tx.upsert(
        ticket,
        {
            "account": seen.account,
            "remote_id": seen.id,
            "status": seen.status,
            "requester": None if requester is None else tx.blind(KeyKind.EMAIL.value, requester),
            "key": seen.key,
            "url": seen.url,
            "first_at": seen.updated_at if before is None else min(before.first_at, seen.updated_at),
            "updated_at": seen.updated_at,
            "sealed": tx.seal(SEALED, values),
        },
        keys=["account", "remote_id"],
        update=["status", "requester", "key", "url", "first_at", "updated_at", "sealed"],
    )
    return Change(before=before, changed=True)


def get(tx: Transaction, account: str, remote_id: str) -> Known | None:
    """One ticket as last reported."""
    row = tx.execute(select(ticket).where(ticket.c.account == account, ticket.c.remote_id == remote_id)).first()
    return None if row is None else _known(tx, row)


def requested_by(tx: Transaction, account: str, person_id: int) -> list[tuple[str, datetime]]:
    """The tickets a person asked for, with the time of their first report; those we opened ourselves are not theirs."""
    rows = tx.execute(_REQUESTED, {"wanted": account, "person": person_id}).all()
    return [(str(row.remote_id), row.first_at) for row in rows]


def _known(tx: Transaction, row: Row[Any]) -> Known:
    values = {} if row.sealed is None else cast("dict[str, Json]", tx.unseal(SEALED, row.sealed))
    return Known(
        account=row.account,
        id=row.remote_id,
        status=row.status,
        key=row.key,
        url=row.url,
        first_at=row.first_at,
        updated_at=row.updated_at,
        values=values,
    )
