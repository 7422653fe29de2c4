"""Facts a health score rests on, and the history of the scores computed from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Row, bindparam, delete, select, update

from connector.domain.model.score import Contribution, Fact, Score
from connector.store.prepared import Prepared
from connector.store.schema import fact, score
from connector.store.schema import published as published_row
from connector.store.transaction import Transaction

_FACTS = Prepared(
    select(fact).where(fact.c.person_id == bindparam("person")).order_by(fact.c.at, fact.c.source, fact.c.component)
)
_FACT = Prepared(fact.insert())
_DROP = Prepared(
    delete(fact).where(
        fact.c.person_id == bindparam("person"), fact.c.component == bindparam("what"), fact.c.source == bindparam("by")
    )
)
_SCORE = Prepared(score.insert())
_OF_PERSON = select(score).where(score.c.person_id == bindparam("person")).order_by(score.c.id.desc())
_HISTORY = Prepared(_OF_PERSON.limit(bindparam("most")))
_HISTORY_BY = Prepared(_OF_PERSON.where(score.c.computed_at <= bindparam("moment")).limit(bindparam("most")))
_PUBLISHED = Prepared(
    select(published_row).where(
        published_row.c.person_id == bindparam("person"), published_row.c.account == bindparam("wanted")
    )
)


def facts(tx: Transaction, person_id: int) -> list[Fact]:
    """Every fact of a person, in event order; ties in the order of their sources."""
    rows = tx.execute(_FACTS, {"person": person_id}).all()
    return [Fact(component=row.component, value=row.value, at=row.at, source=row.source) for row in rows]


def replace_facts(tx: Transaction, person_id: int, prefix: str, new: Sequence[Fact]) -> bool:
    """Let `new` stand for all facts whose source begins with `prefix`; True when that changed anything."""
    mine = [known for known in facts(tx, person_id) if known.source.startswith(prefix)]
    if sorted(mine, key=_order) == sorted(new, key=_order):
        return False
    if mine:
        for known in mine:
            tx.execute(_DROP, {"person": person_id, "what": known.component, "by": known.source})
    if new:
        tx.execute(
            _FACT,
            [
                {
                    "person_id": person_id,
                    "component": item.component,
                    "source": item.source,
                    "value": item.value,
                    "at": item.at,
                }
                for item in new
            ],
        )
    return True


def _order(item: Fact) -> tuple[str, str]:
    return item.component, item.source


def add(tx: Transaction, person_id: int, computed: Score, config: str) -> None:
    """Append a score to the person's history; `config` is the digest of the scoring configuration."""
    tx.execute(
        _SCORE,
        {
            "person_id": person_id,
            "as_of": computed.as_of,
            "computed_at": tx.now,
            "hundredths": computed.hundredths,
            "coverage": computed.coverage,
            "band": computed.band,
            "answers": computed.answers,
            "trend": computed.trend,
            "contributions": [_contribution_to_json(item) for item in computed.contributions],
            "config": config,
        },
    )


def latest(tx: Transaction, person_id: int) -> Score | None:
    """The score computed last."""
    rows = history(tx, person_id, limit=1)
    return rows[0] if rows else None


def as_of_then(tx: Transaction, person_id: int, moment: datetime) -> Score | None:
    """The score as it stood at `moment`; None when none was computed by then."""
    found = history(tx, person_id, limit=1, by=moment)
    return found[0] if found else None


def history(tx: Transaction, person_id: int, *, limit: int, by: datetime | None = None) -> list[Score]:
    """The person's scores (those computed by `by`), the one computed last first."""
    wanted = {"person": person_id, "most": limit}
    rows = tx.execute(_HISTORY, wanted) if by is None else tx.execute(_HISTORY_BY, {**wanted, "moment": by})
    return [_score(row) for row in rows.all()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The score last planned to be written to one CRM."""

    hundredths: int | None
    band: str | None


def published(tx: Transaction, person_id: int, account: str) -> Published | None:
    """What the CRM was last told; None when nothing yet."""
    row = tx.execute(_PUBLISHED, {"person": person_id, "wanted": account}).first()
    return None if row is None else Published(hundredths=row.hundredths, band=row.band)


def publish(tx: Transaction, person_id: int, account: str, told: Score) -> None:
    """Remember what the CRM is told now."""
    tx.upsert(
        published_row,
        {
            "person_id": person_id,
            "account": account,
            "hundredths": told.hundredths,
            "band": told.band,
            "at": tx.now,
        },
        keys=["person_id", "account"],
        update=["hundredths", "band", "at"],
    )


def retract(tx: Transaction, person_id: int, account: str) -> None:
    """The CRM does not know it after all: the next score is written however little it moved."""
    tx.execute(delete(published_row).where(published_row.c.person_id == person_id, published_row.c.account == account))


def move(tx: Transaction, loser: int, winner: int) -> None:
    """Give one person's facts to another. The loser's score history stays where it was made."""
    theirs = {(item.component, item.source) for item in facts(tx, winner)}
    for item in facts(tx, loser):
        if (item.component, item.source) not in theirs:
            tx.execute(
                update(fact)
                .where(fact.c.person_id == loser, fact.c.component == item.component, fact.c.source == item.source)
                .values(person_id=winner)
            )
    tx.execute(delete(fact).where(fact.c.person_id == loser))


def _contribution_to_json(item: Contribution) -> dict[str, object]:
    return {
        "component": item.component,
        "value": item.value,
        "weight": item.weight,
        "points": item.points,
        "answers": item.answers,
    }


def _score(row: Row[Any]) -> Score:
    parts = cast("list[dict[str, Any]]", row.contributions)
    return Score(
        hundredths=row.hundredths,
        coverage=row.coverage,
        contributions=tuple(Contribution(**part) for part in parts),
        as_of=row.as_of,
        band=row.band,
        answers=row.answers,
        trend=row.trend,
    )
