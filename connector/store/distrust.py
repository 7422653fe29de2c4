"""A store that was put back knows less than what happened: it asks before it writes, and believes nothing it confirmed.

Who puts back a SQLite file does it with `connector restore`, which distrusts what it puts there. Of a PostgreSQL store
that is noticed by itself where the server shows it: the store remembers whose data it is (`server.identity`).
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, select, update

from connector.domain.model.transitions import UNSENT
from connector.store import history, lanes
from connector.store.schema import confirmed, intent, lane, meta, quota, token
from connector.store.transaction import Transaction

_IDENTITY = "identity"


@dataclass(frozen=True, slots=True, kw_only=True)
class Distrusted:
    """What a store that was put back no longer believes: unsent intents that ask first, fields nobody knows now."""

    intents: int
    fields: int


def distrust(tx: Transaction) -> Distrusted:
    """The store is older than the world: ask before anything unsent is sent, and believe no confirmed value.

    Keys are derived, so what was done after the backup is found by them when it is decided again. Readings of quotas
    and tokens are of another time; who held a lane then holds it no more.
    """
    waiting = [state.value for state in UNSENT]
    asking = tx.execute(update(intent).where(intent.c.state.in_(waiting)).values(ask_first=True)).rowcount
    unknown = tx.execute(update(confirmed).where(confirmed.c.known).values(known=False)).rowcount
    tx.execute(delete(quota))
    tx.execute(delete(token))
    for name, owner in lanes.owners(tx).items():
        lanes.abandon(tx, name, owner)
    for (name,) in tx.execute(select(lane.c.name)).all():
        tx.wake(name)
    history.append(tx, "restored", detail={"intents": asking, "fields": unknown})
    return Distrusted(intents=asking, fields=unknown)


def is_itself(tx: Transaction, identity: str) -> bool:
    """Whether the store knows itself by this identity."""
    return _known(tx) == identity


def recognise(tx: Transaction, identity: str) -> Distrusted | None:
    """Remember whose data this is from now on; distrusts a store that knew itself by another identity."""
    known = _known(tx)
    if known == identity:
        return None
    tx.upsert(meta, {"name": _IDENTITY, "value": identity}, keys=["name"], update=["value"])
    return None if known is None else distrust(tx)


def _known(tx: Transaction) -> str | None:
    known: str | None = tx.execute(select(meta.c.value).where(meta.c.name == _IDENTITY)).scalar_one_or_none()
    return known
