"""Messages that tell the operators something needs a person."""

from __future__ import annotations

import hashlib
from datetime import UTC, timedelta
from typing import Final

from connector.domain.model.intent import Intent, Priority, WriteKind
from connector.store import outbox
from connector.store.transaction import Transaction
from connector.sync.settings import DecideSettings

PATIENCE: Final = timedelta(days=1)
HELD: Final = "held"
"""The cause of the message that a link became held."""


def held_text(account: str) -> str:
    """What the operators read then. It names nobody: the ticket does, and so does the answer's story."""
    return (
        f"{account}: it is not certain which contact a customer is, so nothing is written about them there until "
        "somebody decides. A recovery's ticket lists the candidates, and so does `connector match list`."
    )


def tell_operators(tx: Transaction, settings: DecideSettings, account: str, cause: str, text: str) -> None:
    """Plan one message to the operators: at most one a day for each account and cause, however often it happens.

    What it is named after is the day, so it may have been sent since that began, by a life of ours that an old copy of
    the store knows nothing of: with the day as its cause it is looked for there.
    When it is the operators' own channel that is in trouble nothing is planned; `connector status` shows it.
    """
    if settings.operators is None:
        return
    target = settings.targets[settings.operators.connection]
    if target.account == account:
        return
    owner = settings.owners.get(account)
    said = text if owner is None else f"{text}\nWho to call: {owner}"
    day = tx.now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    digest = hashlib.sha256(f"{account}/{cause}".encode()).hexdigest()[:16]
    outbox.plan(
        tx,
        [
            Intent(
                key=f"{target.account}/operators/{digest}/{day:%Y-%m-%d}",
                account=target.account,
                kind=WriteKind.ALERT,
                object=f"operators/{digest}/{day:%Y-%m-%d}",
                fields={"channel": settings.operators.channel, "text": said},
                cause_at=day,
                not_before=tx.now,
                give_up_at=tx.now + PATIENCE,
                priority=Priority.NORMAL,
            )
        ],
    )
