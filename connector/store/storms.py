"""The storm breaker of each survey: how its newest answers were, and whether what they lead to is held."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, and_, bindparam, select

from connector.domain.model.intent import IntentState
from connector.domain.model.transitions import UNSENT
from connector.store import intents, priors
from connector.store.intents import IntentRow
from connector.store.prepared import Prepared
from connector.store.schema import intent, response, storm
from connector.store.transaction import Transaction

QUIET = timedelta(days=1)
"""How long nothing is held after an operator said that a storm is real."""
_OF = Prepared(select(storm).where(storm.c.survey == bindparam("wanted")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """One survey. `recent` are its newest answers that were acted on, newest last: `u` unhappy, `h` happy."""

    survey: str
    recent: str = ""
    since: datetime | None = None
    quiet_until: datetime | None = None
    run_id: int | None = None


def of(tx: Transaction, survey: str) -> Breaker:
    """The breaker of a survey."""
    row = tx.execute(_OF, {"wanted": survey}).one_or_none()
    return Breaker(survey=survey) if row is None else _read(row)


def save(tx: Transaction, breaker: Breaker) -> None:
    """Keep it."""
    values = {
        "survey": breaker.survey,
        "recent": breaker.recent,
        "since": breaker.since,
        "quiet_until": breaker.quiet_until,
        "run_id": breaker.run_id,
    }
    tx.upsert(storm, values, keys=["survey"], update=["recent", "since", "quiet_until", "run_id"])


def held(tx: Transaction) -> list[Breaker]:
    """The surveys whose work is held, by name."""
    rows = tx.execute(select(storm).where(storm.c.since.is_not(None)).order_by(storm.c.survey))
    return [_read(row) for row in rows]


def calm(tx: Transaction, run_id: int) -> None:
    """The run that a storm came up under is undone: its answers count for nothing here either."""
    for breaker in held(tx):
        if breaker.run_id == run_id:
            save(tx, Breaker(survey=breaker.survey))


def release(tx: Transaction, survey: str) -> bool:
    """An operator says that the storm is real: nothing is held for a day. False when nothing was held."""
    if of(tx, survey).since is None:
        return False
    save(tx, Breaker(survey=survey, quiet_until=tx.now + QUIET))
    return True


def _read(row: Row[Any]) -> Breaker:
    return Breaker(
        survey=row.survey, recent=row.recent, since=row.since, quiet_until=row.quiet_until, run_id=row.run_id
    )


def led_to(tx: Transaction, survey: str) -> list[IntentRow]:
    """What answers to a survey lead to and no request carries yet; what takes a run back is not among it."""
    answers = select(response.c.id).where(response.c.survey == survey)
    unsent = intent.c.state.in_([state.value for state in UNSENT])
    condition = and_(unsent, intent.c.response_id.in_(answers), ~intent.c.key.startswith(priors.UNDO))
    return intents.where(tx, condition)


def held_because(tx: Transaction, reason: str) -> list[IntentRow]:
    """Intents of all accounts that are held for one reason."""
    return intents.where(tx, and_(intent.c.state == IntentState.HELD.value, intent.c.reason == reason))
