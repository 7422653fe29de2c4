"""The figures of one group of answers and of the recoveries they opened: what a report has a line for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from connector.domain.model.recovery import Stage
from connector.domain.model.response import Metric
from connector.domain.reporting import measure
from connector.domain.reporting.measure import Estimate, Tally

OVERALL: Final = "overall"
NO_INVITATIONS: Final = "not known: no invitations"
NO_INTERACTIONS: Final = "not known: no interactions"
Scales = Mapping[tuple[Metric, str], tuple[float, float]]


class Unit(StrEnum):
    """What a figure is a number of."""

    POINTS = "points"
    """On the survey's own scale."""
    SHARE = "share"
    """0-1."""
    NET = "net"
    """-100 to 100."""
    SECONDS = "seconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line. `value` None: `why` says why there is none. `low` and `high` are its 95 % interval.

    `n` is how many things it rests on, None where even that would be about somebody. `scale` are the ends of the scale
    of points. `lower_is_better` says on which side of a target it should be.
    """

    id: str
    label: str
    unit: Unit
    value: float | None
    n: int | None
    low: float | None = None
    high: float | None = None
    why: str | None = None
    scale: tuple[float, float] | None = None
    lower_is_better: bool = False

    def reaches(self, target: float) -> bool | None:
        """Whether it is at least (or at most, where lower is better) `target`; None when it is not known."""
        if self.value is None:
            return None
        return self.value <= target if self.lower_is_better else self.value >= target


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """One recovery in figures. `timed` of its steps had a deadline and are done or late, `missed` of them late."""

    opened_at: datetime
    stage: Stage
    touched_at: datetime | None = None
    closed_at: datetime | None = None
    root_cause: str | None = None
    timed: int = 0
    missed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What figures are worked out from.

    `answers` have ratings, `unhappy` of them are unhappy. `asked` customers of recoveries were sent a short survey,
    `replied` of them answered. `invited`: how many were asked for an answer, and how many of these gave one;
    `customers`: how many came, and how many of them more than once; None where nobody knows.
    """

    tallies: Sequence[Tally] = ()
    answers: int = 0
    unhappy: int = 0
    recoveries: Sequence[Recovered] = ()
    asked: int = 0
    replied: int = 0
    invited: tuple[int, int] | None = None
    customers: tuple[int, int] | None = None
    themes: Mapping[str, int] = field(default_factory=dict)


def scales_of(tallies: Sequence[Tally]) -> Scales:
    """The scale of each metric and subject that its mean is told on, the same for all slices of a report."""
    keys = {(each.metric, each.about) for each in tallies}
    found = {key: measure.common_scale(each for each in tallies if (each.metric, each.about) == key) for key in keys}
    return {key: ends for key, ends in found.items() if ends is not None}


def figures_of(facts: Facts, minimum: int, scales: Scales) -> tuple[Figure, ...]:
    """Every figure, in the order of a report. One that rests on fewer than `minimum` things is not told."""
    told = [*_rated(facts, scales), *_acted(facts)]
    return tuple(_many_enough(each, minimum) for each in told)


def _many_enough(figure: Figure, minimum: int) -> Figure:
    if figure.n is None or figure.n >= minimum or figure.n == 0:
        return figure
    return replace(figure, value=None, n=None, low=None, high=None, why=f"fewer than {minimum}")


def _rated(facts: Facts, scales: Scales) -> list[Figure]:
    told = []
    for metric, about in sorted(scales, key=lambda key: (list(Metric).index(key[0]), key[1] != OVERALL, key[1])):
        mine = [each for each in facts.tallies if (each.metric, each.about) == (metric, about)]
        ends = scales[metric, about]
        name = metric.value if about == OVERALL else f"{metric.value}_{about}"
        label = metric.value.upper() + ("" if about == OVERALL else f" {about}")
        if metric is Metric.NPS and (ends[0], ends[1]) == measure.NPS_SCALE:
            told.append(_figure(name, label, Unit.NET, measure.net_promoters(mine)))
            continue
        told.append(
            _figure(name, f"{label}, mean of {ends[0]:g}-{ends[1]:g}", Unit.POINTS, measure.mean(mine, ends), ends)
        )
        what = "find it easy" if metric is Metric.CES else "satisfied"
        told.append(_figure(_share_name(name), f"{label}, {what}", Unit.SHARE, measure.satisfied(mine)))
    unhappy = _figure("unhappy", "unhappy answers", Unit.SHARE, measure.share(facts.unhappy, facts.answers))
    told.append(replace(unhappy, lower_is_better=True))
    return told


def _share_name(name: str) -> str:
    """`share_satisfied` of the metric everybody means; others say of what."""
    return "share_satisfied" if name == "csat" else f"{name}_share_satisfied"


def _acted(facts: Facts) -> list[Figure]:
    """What was done about it."""
    mine = facts.recoveries
    touches = [(each.touched_at - each.opened_at).total_seconds() for each in mine if each.touched_at is not None]
    ended = [each for each in mine if each.closed_at is not None]
    spans = [(each.closed_at - each.opened_at).total_seconds() for each in ended if each.closed_at is not None]
    timed = sum(each.timed for each in mine)
    kept = timed - sum(each.missed for each in mine)
    whole = [each for each in ended if each.timed]
    won = sum(each.stage is Stage.WON_BACK for each in ended)
    first = _figure("first_touch", "time to first touch, median", Unit.SECONDS, measure.middle(touches))
    resolved = _figure("resolution", "time to resolution, median", Unit.SECONDS, measure.middle(spans))
    in_time = measure.share(sum(not each.missed for each in whole), len(whole))
    told = [
        _known("response_rate", "response rate", facts.invited, NO_INVITATIONS),
        replace(first, lower_is_better=True),
        _figure("steps_in_time", "steps done by their deadline", Unit.SHARE, measure.share(kept, timed)),
        _figure("recoveries_in_time", "recoveries with every step in time", Unit.SHARE, in_time),
        replace(resolved, lower_is_better=True),
        _figure("recovery_rate", "recoveries won back", Unit.SHARE, measure.share(won, len(ended))),
        _figure("engagement", "follow-ups answered", Unit.SHARE, measure.share(facts.replied, facts.asked)),
    ]
    told.append(_known("repeat_rate", "customers who came again", facts.customers, NO_INTERACTIONS))
    return told


def _known(name: str, label: str, counted: tuple[int, int] | None, why: str) -> Figure:
    if counted is None:
        return Figure(id=name, label=label, unit=Unit.SHARE, value=None, n=None, why=why)
    return _figure(name, label, Unit.SHARE, measure.share(counted[1], counted[0]))


def _figure(
    name: str, label: str, unit: Unit, found: Estimate | None, scale: tuple[float, float] | None = None
) -> Figure:
    if found is None:
        return Figure(id=name, label=label, unit=unit, value=None, n=0, why="none yet", scale=scale)
    return Figure(
        id=name, label=label, unit=unit, value=found.value, n=found.n, low=found.low, high=found.high, scale=scale
    )


def causes_of(facts: Facts, minimum: int) -> tuple[tuple[str, int], ...]:
    """Why recoveries had to be, the most frequent first; nothing where fewer than `minimum` have a cause."""
    counted = Counter(each.root_cause for each in facts.recoveries if each.root_cause is not None)
    return _ranked(counted) if counted.total() >= minimum else ()


def themes_of(facts: Facts, minimum: int) -> tuple[tuple[str, int], ...]:
    """What comments are about, the most frequent first, as far as at least `minimum` answers name it."""
    return tuple(each for each in _ranked(facts.themes) if each[1] >= minimum)


def _ranked(counted: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counted.items(), key=lambda each: (-each[1], each[0])))
