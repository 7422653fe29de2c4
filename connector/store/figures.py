"""What reports are counted from: written when an answer is decided, read by period and slice.

An answer has one set of rows, of its newest version that was decided and still counts. Whose it is stands in `response`
alone, which merges, anonymisation and erasure keep right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, delete, select

from connector.domain.model.response import Polarity, Rating, Response
from connector.store import cursors
from connector.store.prepared import Prepared
from connector.store.responses import Version, VersionState, from_row
from connector.store.schema import rated, response, response_version, sliced, themed, told
from connector.store.transaction import Transaction

LONGEST: Final = 200
"""Characters of a slice's value: more is no name of a service or place."""
STAFF: Final = "staff"
"""The slice that says who it was: it goes when the answer becomes anonymous."""
SURVEY: Final = "survey"
"""Every answer has this slice: a survey after a recovery says something else than one after a repair."""
TABLES: Final = (rated, sliced, themed)
_FILLED: Final = "figures/answers"
_ALL: Final = "all"
_RATE = Prepared(rated.insert())
_SLICE = Prepared(sliced.insert())
_THEME = Prepared(themed.insert())
_FORGET = [Prepared(delete(table).where(table.c.response_id == bindparam("wanted"))) for table in TABLES]
_TOLD = Prepared(select(told.c.at).where(told.c.what == bindparam("rule"), told.c.subject == bindparam("about")))
_TO_FILL = Prepared(
    select(response_version, response.c.person_id)
    .join(response, response.c.id == response_version.c.response_id)
    .where(
        response_version.c.id > bindparam("after"),
        response_version.c.state == VersionState.DECIDED.value,
        response_version.c.sealed.is_not(None),
    )
    .order_by(response_version.c.id)
    .limit(bindparam("most"))
)


def take(tx: Transaction, version: Version, slices: Mapping[str, str], *, unhappy: bool) -> None:
    """Count a version in the figures, in place of the answer's earlier one. Part of the transaction that decides it."""
    if version.number > 1:
        withdraw(tx, version.response_id)
    _write(tx, version, slices, unhappy=unhappy)


def withdraw(tx: Transaction, response_id: int) -> None:
    """Count an answer no more."""
    for statement in _FORGET:
        tx.execute(statement, {"wanted": response_id})


def unname(tx: Transaction, response_id: int) -> None:
    """An answer became nobody's: its ratings and segments stay, who served them does not."""
    tx.execute(delete(sliced).where(sliced.c.response_id == response_id, sliced.c.name == STAFF))


def fill(tx: Transaction, slices: Callable[[Response], Mapping[str, str]], *, limit: int) -> bool:
    """Count answers that were decided before there were figures, `limit` of them; False when all are counted.

    `slices` gives those of a response. Safe to repeat; answers decided meanwhile are counted once, too.
    """
    place = cursors.get(tx, _FILLED) or "0"
    if place == _ALL:
        return False
    rows = tx.execute(_TO_FILL, {"after": int(place), "most": limit}).all()
    for row in rows:
        version = from_row(tx, row)
        withdraw(tx, version.response_id)
        _write(tx, version, slices(version.response), unhappy=bool(version.unhappy))
    cursors.move(tx, _FILLED, str(rows[-1].id) if len(rows) == limit else _ALL)
    return len(rows) == limit


def was_told(tx: Transaction, what: str, subject: str, *, since: datetime) -> bool:
    """Whether people were told about a subject after `since`."""
    at = tx.execute(_TOLD, {"rule": what, "about": subject}).scalar()
    return at is not None and at > since


def tell(tx: Transaction, what: str, subject: str, at: datetime) -> None:
    """Remember that people are told about a subject."""
    tx.upsert(told, {"what": what, "subject": subject, "at": at}, keys=["what", "subject"], update=["at"])


def _write(tx: Transaction, version: Version, slices: Mapping[str, str], *, unhappy: bool) -> None:
    ratings = [_rated(version, place, each, unhappy=unhappy) for place, each in enumerate(version.response.ratings)]
    if not ratings:
        return
    tx.execute(_RATE, ratings)
    named = {name: legible(value) for name, value in {SURVEY: version.response.survey, **slices}.items()}
    if rows := [{"response_id": version.response_id, "name": name, "value": each} for name, each in named.items()]:
        tx.execute(_SLICE, rows)
    if rows := [{"response_id": version.response_id, "theme": theme} for theme in version.understanding.themes]:
        tx.execute(_THEME, rows)


def _rated(version: Version, number: int, rating: Rating, *, unhappy: bool) -> dict[str, object]:
    low, high = rating.scale.minimum, rating.scale.maximum
    return {
        "response_id": version.response_id,
        "number": number,
        "version": version.number,
        "survey": version.response.survey,
        "metric": rating.metric.value,
        "about": rating.about,
        "value": low + high - rating.value if rating.scale.best is Polarity.LOW_IS_BEST else rating.value,
        "lowest": low,
        "highest": high,
        "satisfaction": rating.satisfaction,
        "unhappy": unhappy,
        "event_at": version.event_at,
    }


def legible(value: str) -> str:
    """A slice's value as it is kept: one line without what no store takes or no page shows; blank becomes a dash."""
    return " ".join("".join(each if each.isprintable() else " " for each in value).split())[:LONGEST] or "-"
