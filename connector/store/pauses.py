"""Connections an operator paused: nothing is sent there or read from there until somebody resumes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select, update

from connector.store.schema import pause
from connector.store.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """One paused connection. `account` None: it is only a source."""

    connection: str
    account: str | None
    since: datetime


def begin(tx: Transaction, connection: str, account: str | None) -> bool:
    """Pause a connection; False when it was paused already."""
    return tx.insert_ignore(pause, {"connection": connection, "account": account, "since": tx.now})


def end(tx: Transaction, connection: str) -> bool:
    """Resume a connection; False when it was not paused."""
    return bool(tx.execute(delete(pause).where(pause.c.connection == connection)).rowcount)


def follow(tx: Transaction, accounts: Mapping[str, str]) -> None:
    """Connections have these accounts now: one that is paused stays so, whatever account it has since."""
    for one in listed(tx):
        account = accounts.get(one.connection, one.account)
        if account != one.account:
            tx.execute(update(pause).where(pause.c.connection == one.connection).values(account=account))


def listed(tx: Transaction) -> list[Pause]:
    """Every paused connection, by name."""
    rows = tx.execute(select(pause).order_by(pause.c.connection))
    return [Pause(connection=row.connection, account=row.account, since=row.since) for row in rows]


def of_account(tx: Transaction, account: str) -> bool:
    """Whether the vendor account is to be left alone."""
    return tx.execute(select(pause.c.connection).where(pause.c.account == account).limit(1)).first() is not None


def of_connection(tx: Transaction, connection: str) -> bool:
    """Whether the connection is paused."""
    return tx.execute(select(pause.c.connection).where(pause.c.connection == connection)).first() is not None
