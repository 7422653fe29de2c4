"""What fields of existing objects held before an intent was first sent: what undoing its run restores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select

from connector.domain.model.intent import Json
from connector.store.columns import EPOCH
from connector.store.schema import intent, prior
from connector.store.transaction import Transaction

FIELDS = "prior.fields"
UNDO = "undo/"
"""What the keys of intents begin with that take a run back; they are never taken back themselves."""

about = func.coalesce(intent.c.target, intent.c.object)
_FORWARD = ~intent.c.key.startswith(UNDO)
_DELETE = delete(prior)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """What one field held. `value` means something only where it is `known`; `event_at` is that value's event time."""

    known: bool
    value: Json = None
    event_at: datetime = EPOCH


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """One object a run wrote to, by our name of it.

    `fields` is what was there before the run's first write, `again` the fields another run wrote after it.
    """

    account: str
    object: str
    fields: Mapping[str, Prior]
    again: frozenset[str]


def remember(tx: Transaction, intent_id: int, fields: Mapping[str, Prior]) -> None:
    """Keep what an intent is about to overwrite; what was kept at an earlier attempt stands."""
    if fields:
        sealed = tx.seal(FIELDS, {name: _to_json(held) for name, held in fields.items()})
        tx.insert_ignore(prior, {"intent_id": intent_id, "fields": sealed})


def forget(tx: Transaction, intent_id: int) -> None:
    """The person behind an intent is erased."""
    tx.execute(_DELETE.where(prior.c.intent_id == intent_id))


def objects(tx: Transaction, run_id: int, *, after: tuple[str, str], limit: int) -> list[tuple[str, str]]:
    """Account and name of existing objects a run wrote to, in order, those after `after`."""
    account, name = after
    further: ColumnElement[bool] = (intent.c.account > account) | ((intent.c.account == account) & (about > name))
    rows = tx.execute(
        select(intent.c.account, about)
        .join(prior, prior.c.intent_id == intent.c.id)
        .where(intent.c.run_id == run_id, _FORWARD, further)
        .distinct()
        .order_by(intent.c.account, about)
        .limit(limit)
    )
    return [(row[0], row[1]) for row in rows]


def touched(tx: Transaction, run_id: int, account: str, name: str) -> Touched:
    """What a run found in the fields of one object, and which of them another run wrote after it."""
    rows = tx.execute(
        select(prior.c.fields, intent.c.run_id)
        .join(intent, prior.c.intent_id == intent.c.id)
        .where(intent.c.account == account, (intent.c.object == name) | (intent.c.target == name))
        .where(about == name, _FORWARD)
        .order_by(prior.c.intent_id)
    )
    found: dict[str, Prior] = {}
    again: set[str] = set()
    for row in rows:
        held = _from_json(tx.unseal(FIELDS, row.fields))
        if row.run_id == run_id:
            again -= held.keys()
            found = {**held, **found}
        else:
            again |= held.keys() & found.keys()
    return Touched(account=account, object=name, fields=found, again=frozenset(again))


def _to_json(held: Prior) -> dict[str, Json]:
    return {"known": held.known, "value": held.value, "event_at": held.event_at.isoformat()}


def _from_json(data: Any) -> dict[str, Prior]:
    return {
        name: Prior(known=held["known"], value=held["value"], event_at=datetime.fromisoformat(held["event_at"]))
        for name, held in data.items()
    }
