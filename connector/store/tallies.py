"""Reads what figures are worked out from: one period, narrowed to slices, whole or by the values of one segment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, FromClause, Integer, Select, and_, case, cast, func, literal, null, or_, select

from connector.domain.model.recovery import Stage
from connector.domain.model.response import Metric
from connector.domain.reporting.figures import Facts, Recovered
from connector.domain.reporting.measure import Tally
from connector.store import interactions
from connector.store.figures import legible
from connector.store.schema import follow_up, rated, recovery, recovery_step, response, sliced, themed
from connector.store.transaction import Transaction
from connector.store.views import CALLED_OFF

SURVEY: Final = "survey"
"""The kind of follow-up that is answered."""
RECORDED: Final = frozenset({"service", "location", "channel"})
"""The slices that records of interactions have, too."""
DONE: Final = "done"
_R = rated.c
_FIRST: Final = _R.number == 0
"""Every answer with ratings has one of these: counting them counts answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Answers from `since` until before `until` that are in every slice of `where`, without those about `without`."""

    since: datetime
    until: datetime
    where: Mapping[str, str] = field(default_factory=dict)
    without: Sequence[str] = ()


def facts(tx: Transaction, of: Selection) -> Facts:
    """Of all selected answers and the recoveries opened because of them."""
    return facts_by(tx, of, None).get(None, Facts())


def facts_by(tx: Transaction, of: Selection, segment: str | None) -> dict[str | None, Facts]:
    """The same for each value of a segment; None are the answers that have none of it."""
    tallies: dict[str | None, list[Tally]] = defaultdict(list)
    for slice_, *rest in tx.execute(_ratings(of, segment)):
        metric, about, value, lowest, highest, number = rest
        tallies[slice_].append(
            Tally(metric=Metric(metric), about=about, value=value, lowest=lowest, highest=highest, number=int(number))
        )
    counted = {row[0]: (int(row[1]), int(row[2])) for row in tx.execute(_answers(of, segment))}
    themes: dict[str | None, dict[str, int]] = defaultdict(dict)
    for slice_, theme, number in tx.execute(_themes(of, segment)):
        themes[slice_][theme] = int(number)
    recoveries = _recoveries(tx, of, segment)
    asked = {row[0]: (int(row[1]), int(row[2])) for row in tx.execute(_asked(of, segment))}
    invited = _invited(tx, of, segment)
    return {
        slice_: Facts(
            tallies=tallies.get(slice_, []),
            answers=counted.get(slice_, (0, 0))[0],
            unhappy=counted.get(slice_, (0, 0))[1],
            recoveries=recoveries.get(slice_, []),
            asked=asked.get(slice_, (0, 0))[0],
            replied=asked.get(slice_, (0, 0))[1],
            invited=invited.get(slice_),
            themes=themes.get(slice_, {}),
        )
        for slice_ in {*counted, *recoveries, *asked, *invited}
    }


def customers(tx: Transaction, of: Selection) -> tuple[int, int] | None:
    """How many customers came, and how many of them more than once; None where no records say so.

    Records are of whole interactions: of a slice nobody knows.
    """
    if of.where or not interactions.has_visits(tx):
        return None
    visits = interactions.visits_by_person(tx, of.since, of.until)
    return len(visits), sum(len(mine) > 1 for mine in visits.values())


def _invited(tx: Transaction, of: Selection, segment: str | None) -> dict[str | None, tuple[int, int]]:
    """How many were asked for an answer in that time, and how many of these gave one, as far as records say so."""
    if not {*of.where, *([] if segment is None else [segment])} <= RECORDED:
        return {}
    found: dict[str | None, tuple[int, int]] = {}
    for one in interactions.invitations(tx, of.since, of.until):
        mine = {name: legible(value) for name in RECORDED if (value := getattr(one, name)) is not None}
        if all(mine.get(name) == value for name, value in of.where.items()):
            slice_ = None if segment is None else mine.get(segment)
            asked, answered = found.get(slice_, (0, 0))
            found[slice_] = (asked + 1, answered + one.answered)
    return found


def counts(tx: Transaction, of: Selection, segments: Sequence[str]) -> dict[tuple[str, ...], Facts]:
    """The ratings of each combination of values of some segments that the selected answers have, and nothing else."""
    named = [sliced.alias() for _ in segments]
    source: FromClause = rated
    for name, table in zip(segments, named, strict=True):
        source = source.join(table, and_(table.c.response_id == _R.response_id, table.c.name == name))
    values = [table.c.value for table in named]
    keys = [*values, _R.metric, _R.about, _R.value, _R.lowest, _R.highest]
    found: dict[tuple[str, ...], list[Tally]] = defaultdict(list)
    for row in tx.execute(select(*keys, func.count()).select_from(source).where(*_selected(of)).group_by(*keys)):
        *combination, metric, about, value, lowest, highest, number = row
        found[tuple(combination)].append(
            Tally(metric=Metric(metric), about=about, value=value, lowest=lowest, highest=highest, number=int(number))
        )
    return {combination: Facts(tallies=tallies) for combination, tallies in found.items()}


def answers(tx: Transaction, of: Selection) -> tuple[int, int]:
    """How many answers are selected, and how many of them are unhappy."""
    row = tx.execute(_answers(of, None)).one()
    return int(row[1]), int(row[2])


def values(tx: Transaction, segment: str) -> list[str]:
    """The values of a segment that answers have had."""
    rows = tx.execute(select(sliced.c.value).where(sliced.c.name == segment).distinct().order_by(sliced.c.value))
    return list(rows.scalars())


def _selected(of: Selection) -> Iterable[ColumnElement[bool]]:
    yield _R.event_at >= of.since
    yield _R.event_at < of.until
    yield from _within(_R.response_id, of.where)
    if of.without:
        about = select(themed.c.theme).where(themed.c.response_id == _R.response_id, themed.c.theme.in_(of.without))
        yield ~about.exists()


def _within(response_id: ColumnElement[int], where: Mapping[str, str]) -> Iterable[ColumnElement[bool]]:
    for name, value in where.items():
        mine = sliced.alias()
        yield (
            select(mine.c.name)
            .where(mine.c.response_id == response_id, mine.c.name == name, mine.c.value == value)
            .exists()
        )


def _slice(source: FromClause, response_id: ColumnElement[int], segment: str | None) -> tuple[Any, FromClause]:
    """The column a row's slice stands in, and what to select from."""
    if segment is None:
        return null(), source
    by = sliced.alias()
    return by.c.value, source.outerjoin(by, and_(by.c.response_id == response_id, by.c.name == segment))


def _grouped(query: Select[Any], slice_: Any, *keys: Any) -> Select[Any]:
    return query.group_by(*([] if isinstance(slice_, type(null())) else [slice_]), *keys)


def _ratings(of: Selection, segment: str | None) -> Select[Any]:
    slice_, source = _slice(rated, _R.response_id, segment)
    keys = (_R.metric, _R.about, _R.value, _R.lowest, _R.highest)
    return _grouped(select(slice_, *keys, func.count()).select_from(source).where(*_selected(of)), slice_, *keys)


def _answers(of: Selection, segment: str | None) -> Select[Any]:
    slice_, source = _slice(rated, _R.response_id, segment)
    query = select(slice_, func.count(), func.coalesce(func.sum(cast(_R.unhappy, Integer)), 0)).select_from(source)
    return _grouped(query.where(*_selected(of), _FIRST), slice_)


def _themes(of: Selection, segment: str | None) -> Select[Any]:
    slice_, source = _slice(rated, _R.response_id, segment)
    source = source.join(themed, themed.c.response_id == _R.response_id)
    query = select(slice_, themed.c.theme, func.count()).select_from(source).where(*_selected(of), _FIRST)
    return _grouped(query, slice_, themed.c.theme)


def _opened(of: Selection) -> Iterable[ColumnElement[bool]]:
    yield recovery.c.opened_at >= of.since
    yield recovery.c.opened_at < of.until
    yield or_(recovery.c.cause.is_(None), recovery.c.cause.not_in(CALLED_OFF))
    yield from _within(response.c.id, of.where)


def _recoveries(tx: Transaction, of: Selection, segment: str | None) -> dict[str | None, list[Recovered]]:
    came = recovery.outerjoin(response, response.c.key == recovery.c.opened_by)
    slice_, source = _slice(came, response.c.id, segment)
    steps = _steps().subquery()
    source = source.outerjoin(steps, steps.c.recovery_id == recovery.c.id)
    columns = [recovery.c.opened_at, recovery.c.touched_at, recovery.c.closed_at, recovery.c.stage]
    query = (
        select(slice_, *columns, recovery.c.root_cause, steps.c.timed, steps.c.missed)
        .select_from(source)
        .where(*_opened(of))
        .order_by(recovery.c.id)
    )
    found: dict[str | None, list[Recovered]] = defaultdict(list)
    for name, opened_at, touched_at, closed_at, stage, root_cause, timed, missed in tx.execute(query):
        one = Recovered(
            opened_at=opened_at,
            stage=Stage(stage),
            touched_at=touched_at,
            closed_at=closed_at,
            root_cause=root_cause,
            timed=int(timed or 0),
            missed=int(missed or 0),
        )
        found[name].append(one)
    return found


def _steps() -> Select[Any]:
    """Of each recovery, how many steps had a deadline and are done or late, and how many of these are late."""
    step = recovery_step.c
    in_time = and_(step.state == DONE, step.due_at.is_not(None))
    counted = case((or_(step.missed, in_time), literal(1)), else_=literal(0))
    late = case((step.missed, literal(1)), else_=literal(0))
    return select(step.recovery_id, func.sum(counted).label("timed"), func.sum(late).label("missed")).group_by(
        step.recovery_id
    )


def _asked(of: Selection, segment: str | None) -> Select[Any]:
    came = follow_up.join(recovery, recovery.c.id == follow_up.c.recovery_id)
    came = came.outerjoin(response, response.c.key == recovery.c.opened_by)
    slice_, source = _slice(came, response.c.id, segment)
    query = select(slice_, func.count(), func.count(follow_up.c.answered_at)).select_from(source)
    return _grouped(query.where(*_opened(of), follow_up.c.kind == SURVEY), slice_)
