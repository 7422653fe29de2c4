"""Messages that were given up because they are too old, and the one message that tells of them."""

from __future__ import annotations

from sqlalchemy import and_, distinct, func, select, text

from connector.domain.model.intent import FINAL_STATES, WriteKind
from connector.store import intents
from connector.store.intents import IntentRow
from connector.store.schema import IS_GIVEN_UP, intent
from connector.store.transaction import Transaction

PENDING = "too old: the next message about missed ones tells of it"


def to_tell(tx: Transaction, row: IntentRow) -> None:
    """A message that was given up is to be told of."""
    intents.set_aside(tx, row, reason=PENDING)


def pending(tx: Transaction, account: str) -> list[IntentRow]:
    """Messages that were given up and are in no digest yet, oldest first."""
    return _given_up(tx, account, PENDING)


def told_in(tx: Transaction, row: IntentRow, digest: str) -> None:
    """A message that was given up is told of in the message `digest`."""
    intents.set_aside(tx, row, reason=_reason(digest))


def members(tx: Transaction, account: str, digest: str) -> list[IntentRow]:
    """What one message tells of, oldest first."""
    return _given_up(tx, account, _reason(digest))


def open_digest(tx: Transaction, account: str, place: str) -> IntentRow | None:
    """The message about missed ones of a channel that is not settled yet."""
    final = [state.value for state in FINAL_STATES]
    of_place = (intent.c.account == account) & intent.c.object.startswith(f"{place}/")
    rows = intents.where(tx, of_place & intent.c.state.not_in(final), 1)
    return rows[0] if rows else None


def digests(tx: Transaction, account: str, place: str) -> int:
    """How many such messages a channel had."""
    query = select(func.count(distinct(intent.c.object))).where(
        intent.c.account == account,
        intent.c.kind == WriteKind.ALERT.value,
        intent.c.object.startswith(f"{place}/"),
    )
    return int(tx.execute(query).scalar_one())


def _given_up(tx: Transaction, account: str, reason: str) -> list[IntentRow]:
    is_given_up = and_(text(IS_GIVEN_UP), intent.c.account == account, intent.c.reason == reason)
    return sorted(intents.where(tx, is_given_up), key=lambda row: row.id)


def _reason(digest: str) -> str:
    return f"too old: told of in {digest}"
