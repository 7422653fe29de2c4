"""Whether an account may be written to, or is paused because its credentials were refused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select

from connector.store.prepared import Prepared
from connector.store.schema import account
from connector.store.transaction import Transaction

FIRST_PROBE = timedelta(seconds=30)
LONGEST_PROBE = timedelta(minutes=15)
_PAUSED = Prepared(select(account).where(account.c.name == bindparam("wanted"), account.c.state == "paused"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """An account that is paused since `since`; one write is tried at `probe_at`."""

    name: str
    reason: str
    since: datetime
    probe_at: datetime


def paused(tx: Transaction, name: str) -> Paused | None:
    """How long the account has been paused; None when it works."""
    row = tx.execute(_PAUSED, {"wanted": name}).one_or_none()
    if row is None:
        return None
    return Paused(name=row.name, reason=row.reason, since=row.since, probe_at=row.probe_at)


def all_paused(tx: Transaction) -> list[Paused]:
    """Every paused account, by name."""
    rows = tx.execute(select(account).where(account.c.state == "paused").order_by(account.c.name))
    return [Paused(name=row.name, reason=row.reason, since=row.since, probe_at=row.probe_at) for row in rows]


def pause(tx: Transaction, name: str, reason: str) -> bool:
    """Pause an account, or put its next probe off; True when it was not paused before.

    Probes come after as long again as the pause has lasted, within half a minute and a quarter of an hour.
    """
    before = paused(tx, name)
    since = tx.now if before is None else before.since
    wait = min(max(tx.now - since, FIRST_PROBE), LONGEST_PROBE)
    tx.upsert(
        account,
        {"name": name, "state": "paused", "reason": reason, "since": since, "probe_at": tx.now + wait},
        keys=["name"],
        update=["state", "reason", "since", "probe_at"],
    )
    return before is None


def resume(tx: Transaction, name: str) -> bool:
    """The account works; True when it was paused until now."""
    if paused(tx, name) is None:
        return False
    tx.upsert(
        account,
        {"name": name, "state": "active", "reason": None, "since": tx.now, "probe_at": None},
        keys=["name"],
        update=["state", "reason", "since", "probe_at"],
    )
    return True
