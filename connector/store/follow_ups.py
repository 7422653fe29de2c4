"""What the customer of a recovery was sent, and the answer that came back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, delete, func, select, update

from connector.domain.model.recovery import Recovery
from connector.store.schema import follow_up, recovery
from connector.store.transaction import Transaction

SURVEY: Final = "survey"
"""The kind of the message that asks how it went."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One message to the customer of a recovery, planned at `planned_at`. `response_id`: what a survey brought back."""

    recovery_id: int
    number: int
    kind: str
    intent_key: str
    planned_at: datetime
    response_id: int | None = None
    answered_at: datetime | None = None


def add(tx: Transaction, recovery_id: int, kind: str, intent_key: str, reference: str | None = None) -> None:
    """A message is planned; `reference` is what a survey's link carries, of which a digest is kept."""
    newest = tx.execute(select(func.max(follow_up.c.number)).where(follow_up.c.recovery_id == recovery_id)).scalar()
    tx.execute(
        follow_up.insert().values(
            recovery_id=recovery_id,
            number=0 if newest is None else newest + 1,
            kind=kind,
            intent_key=intent_key,
            planned_at=tx.now,
            reference=None if reference is None else digest(tx, reference),
        )
    )


def of(tx: Transaction, recovery_id: int) -> list[Sent]:
    """Every message to the customer, in order."""
    rows = tx.execute(
        select(follow_up).where(follow_up.c.recovery_id == recovery_id).order_by(follow_up.c.number)
    ).all()
    return [_sent(row) for row in rows]


def earlier(tx: Transaction, mine: Recovery, kind: str) -> list[Sent]:
    """Messages of a kind that were planned in earlier recoveries which the same answer opened, by the same playbook."""
    rows = tx.execute(
        select(follow_up)
        .join(recovery, recovery.c.id == follow_up.c.recovery_id)
        .where(
            recovery.c.opened_by == mine.opened_by,
            recovery.c.playbook == mine.playbook,
            recovery.c.id < mine.id,
            follow_up.c.kind == kind,
        )
        .order_by(follow_up.c.recovery_id, follow_up.c.number)
    ).all()
    return [_sent(row) for row in rows]


def survey_of(tx: Transaction, recovery_id: int) -> Sent | None:
    """The survey of a recovery: there is one at most."""
    return next((one for one in of(tx, recovery_id) if one.kind == SURVEY), None)


def by_reference(tx: Transaction, reference: str) -> Sent | None:
    """The survey whose link carries this; None for anything else."""
    row = tx.execute(select(follow_up).where(follow_up.c.reference == digest(tx, reference))).first()
    return None if row is None else _sent(row)


def answered(tx: Transaction, one: Sent, response_id: int) -> None:
    """An answer to the survey came; the first one counts."""
    tx.execute(
        update(follow_up)
        .where(
            follow_up.c.recovery_id == one.recovery_id,
            follow_up.c.number == one.number,
            follow_up.c.response_id.is_(None),
        )
        .values(response_id=response_id, answered_at=tx.now)
    )


def withdraw(tx: Transaction, intent_key: str) -> None:
    """It is not sent after all."""
    tx.execute(delete(follow_up).where(follow_up.c.intent_key == intent_key))


def reference_of(tx: Transaction, opened_by: str, ordinal: int) -> str:
    """What the link of a recovery's survey carries: nobody can guess it, and it is the same however often it is made.

    It is derived under the key of the store's digests from what the recovery is known by everywhere: the answer that
    opened it, and its number among the recoveries that answer opened.
    """
    return tx.blind("follow_up", f"{opened_by}/{ordinal}")[:32]


def digest(tx: Transaction, reference: str) -> str:
    """What is kept of a reference: whoever reads the store cannot answer for anybody."""
    return tx.blind("follow_up.reference", reference)


def _sent(row: Row[Any]) -> Sent:
    return Sent(
        recovery_id=row.recovery_id,
        number=row.number,
        kind=row.kind,
        intent_key=row.intent_key,
        planned_at=row.planned_at,
        response_id=row.response_id,
        answered_at=row.answered_at,
    )
