"""Codes of offers: each is given once, and to nobody too often. The store knows digests only."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import func, select, update

from connector.domain.model.person import KeyKind
from connector.store import people
from connector.store.schema import given_code
from connector.store.transaction import Transaction


def give(tx: Transaction, codes: Sequence[str], email: str) -> str | None:
    """The first code nobody was given, from now on this canonical address's; None when there is none left."""
    given = set(tx.execute(select(given_code.c.blind)).scalars())
    for code in codes:
        digest = tx.blind("code", code)
        if digest not in given:
            holder = people.blind(tx, KeyKind.EMAIL, email)
            tx.execute(given_code.insert().values(blind=digest, holder=holder, at=tx.now))
            return code
    return None


def given_since(tx: Transaction, email: str, since: datetime) -> bool:
    """Whether this canonical address was given one after `since`."""
    which = (given_code.c.holder == people.blind(tx, KeyKind.EMAIL, email), given_code.c.at > since)
    return tx.execute(select(given_code.c.blind).where(*which).limit(1)).first() is not None


def forget(tx: Transaction, blinds: Collection[str]) -> int:
    """Nobody knows any more to whom these digests of addresses belong; the codes stay given. How many there were."""
    gone = update(given_code).where(given_code.c.holder.in_(sorted(blinds))).values(holder=None)
    return int(tx.execute(gone).rowcount)


def left(tx: Transaction, codes: Sequence[str]) -> int:
    """How many of the codes nobody was given."""
    digests = {tx.blind("code", code) for code in codes}
    given = set(tx.execute(select(given_code.c.blind)).scalars())
    return len(digests - given)


def count(tx: Transaction) -> int:
    """How many codes were given away."""
    return int(tx.execute(select(func.count()).select_from(given_code)).scalar_one())
