"""Everything the store holds of one person, opened, for the person who asked for it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Table, select

from connector.domain.model.intent import Json
from connector.store import forgetting, interactions, resealing
from connector.store.schema import (
    confirmed,
    contact,
    fact,
    follow_up,
    history,
    inbox,
    intent,
    interaction,
    interaction_answer,
    link,
    person,
    person_key,
    published,
    rated,
    receipt,
    recovery,
    remote,
    response,
    response_version,
    score,
    sliced,
    themed,
    ticket,
)
from connector.store.subjects import Known, blinds_of, intents_of
from connector.store.transaction import Transaction

_TITLES: dict[Table, str] = {
    person: "person",
    person_key: "keys (digests)",
    link: "links",
    response: "answers",
    response_version: "versions of answers",
    rated: "ratings, for figures",
    sliced: "slices, for figures",
    themed: "themes, for figures",
    inbox: "deliveries",
    fact: "facts of the score",
    score: "scores",
    published: "scores told",
    recovery: "recoveries",
    follow_up: "messages to them",
    intent: "writes wanted",
    receipt: "receipts",
    remote: "names elsewhere",
    confirmed: "values elsewhere",
    history: "history",
    contact: "mirrored contacts",
    ticket: "mirrored tickets",
    interaction: "records of interactions",
    interaction_answer: "what answers are about (digests)",
}


def export(tx: Transaction, known: Known) -> dict[str, Json]:
    """Every row about them by table, sealed columns opened; instants in ISO 8601."""
    found: dict[str, Json] = {"emails": list(known.emails), "phones": list(known.phones)}
    for table, title in _TITLES.items():
        rows: list[Json] = [
            _opened(tx, table, row)
            for which in _which(tx, table, known)
            for row in tx.execute(select(table).where(which)).mappings()
        ]
        found[title] = rows
    return found


def _which(tx: Transaction, table: Table, known: Known) -> Iterator[ColumnElement[bool]]:
    """What picks their rows, in pieces no condition is too long for."""
    mine = list(tx.execute(select(intent.c.id).where(intents_of(known))).scalars())
    if table is person:
        yield person.c.id.in_(known.persons)
    elif table is response:
        yield response.c.id.in_(known.responses)
    elif table in {response_version, inbox, rated, sliced, themed, interaction_answer}:
        yield table.c.response_id.in_(known.responses)
    elif table is intent:
        yield intents_of(known)
    elif table is receipt:
        yield receipt.c.intent_id.in_(mine)
    elif table is history:
        yield (history.c.person_id.in_(known.persons)) | (history.c.response_id.in_(known.responses))
    elif table is follow_up:
        yield follow_up.c.recovery_id.in_(known.recoveries)
    elif table in {remote, confirmed}:
        names = forgetting.objects_of(tx, known, mine)
        for start in range(0, len(names), forgetting.AT_ONCE):
            yield table.c.object.in_(names[start : start + forgetting.AT_ONCE])
    elif table in {contact, ticket, interaction}:
        yield from _mirrored(tx, table, known)
    else:
        yield table.c.person_id.in_(known.persons)


def _mirrored(tx: Transaction, table: Table, known: Known) -> Iterator[ColumnElement[bool]]:
    if table is interaction:
        digests = blinds_of(tx, known)
        for start in range(0, len(digests), forgetting.AT_ONCE):
            yield interactions.of_customers(digests[start : start + forgetting.AT_ONCE])
        return
    for account, one in known.contacts if table is contact else known.own_tickets:
        yield (table.c.account == account) & (table.c.remote_id == one)


def _opened(tx: Transaction, table: Table, row: Any) -> Json:
    shown: dict[str, Json] = {}
    for column in table.columns:
        value = row[column.name]
        if isinstance(value, bytes):
            value = _unsealed(tx, resealing.Place(table, column), value)
        elif isinstance(value, datetime):
            value = value.isoformat()
        shown[column.name] = value
    return shown


def _unsealed(tx: Transaction, place: resealing.Place, value: bytes) -> Json:
    if not value or place.label in resealing.DIGESTS:
        return None
    if place.label == "inbox.payload":
        plain = tx.unseal_bytes(place.label, value)
        try:
            return plain.decode()
        except UnicodeDecodeError:
            return b64encode(plain).decode()
    return tx.unseal(place.label, value)
