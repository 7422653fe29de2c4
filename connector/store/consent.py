"""Who wants no messages. Only a digest of the address is kept, so the list names nobody."""

from __future__ import annotations

from sqlalchemy import delete, func, select

from connector.domain.model.person import KeyKind
from connector.store import people
from connector.store.schema import opted_out
from connector.store.transaction import Transaction


def opt_out(tx: Transaction, email: str) -> bool:
    """Nobody writes to this canonical address any more; False when that was so already."""
    return tx.insert_ignore(opted_out, {"blind": people.blind(tx, KeyKind.EMAIL, email), "at": tx.now})


def opt_in(tx: Transaction, email: str) -> bool:
    """They may be written to again, as far as they consent; False when they never opted out."""
    done = tx.execute(delete(opted_out).where(opted_out.c.blind == people.blind(tx, KeyKind.EMAIL, email)))
    return bool(done.rowcount)


def is_opted_out(tx: Transaction, email: str) -> bool:
    """Whether this canonical address wants no messages."""
    which = opted_out.c.blind == people.blind(tx, KeyKind.EMAIL, email)
    return tx.execute(select(opted_out.c.at).where(which)).first() is not None


def count(tx: Transaction) -> int:
    """How many addresses want no messages."""
    return int(tx.execute(select(func.count()).select_from(opted_out)).scalar_one())
