"""Shares, means and scores of many ratings, with the interval each lies in.

Every interval is one of 95 %: were the same customers asked again and again, nineteen of twenty would hold the truth.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import median
from typing import Final

from connector.domain.model.response import Metric

SATISFIED: Final = 75
"""From this satisfaction (0-100) on a rating is a satisfied one: 4 and 5 on 1-5, 6 and 7 on 1-7, 8 to 10 on 0-10."""
PROMOTERS, DETRACTORS = 9, 6
"""On 0-10: from the one on somebody promotes, up to the other they detract (Reichheld, HBR December 2003)."""
NPS_SCALE: Final[tuple[float, float]] = (0.0, 10.0)
Z: Final = 1.959964
"""The normal distribution's two-sided 95 % point."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many ratings of one metric about one thing had one `value`, as if high were best, on one scale."""

    metric: Metric
    about: str
    value: float
    lowest: float
    highest: float
    number: int

    @property
    def satisfaction(self) -> float:
        """0-100, 100 being best."""
        return 100 * (self.value - self.lowest) / (self.highest - self.lowest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure of `n` things, and the interval it lies in; `low` and `high` None where none is worked out."""

    value: float
    n: int
    low: float | None = None
    high: float | None = None


def share(part: int, n: int) -> Estimate | None:
    """The share `part` of `n` (0-1), with Wilson's score interval; None of nothing.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927) 209-212. It
    stays within 0 and 1 and is honest for few answers and for shares near either end, where the textbook's is not.
    """
    if n == 0:
        return None
    p, zz = part / n, Z * Z
    middle = (p + zz / (2 * n)) / (1 + zz / n)
    half = Z * sqrt(p * (1 - p) / n + zz / (4 * n * n)) / (1 + zz / n)
    # At either end the interval ends there, too; what a computer rounds away must not lie outside.
    return Estimate(value=p, n=n, low=max(0.0, min(p, middle - half)), high=min(1.0, max(p, middle + half)))


def net_promoters(tallies: Iterable[Tally]) -> Estimate | None:
    """Promoters less detractors, in points from -100 to 100; None without ratings on 0-10.

    The interval is Agresti and Min's for the difference of two shares of the same people (Statistics in Medicine 24
    (2005) 729-740): half an answer is added to each of four cells, so that it has a width even where all agree.
    """
    rated = [each for each in tallies if (each.lowest, each.highest) == NPS_SCALE]
    n = sum(each.number for each in rated)
    if n == 0:
        return None
    plus = sum(each.number for each in rated if each.value >= PROMOTERS)
    minus = sum(each.number for each in rated if each.value <= DETRACTORS)
    p, m = (plus + 0.5) / (n + 2), (minus + 0.5) / (n + 2)
    half = Z * sqrt((p + m - (p - m) ** 2) / (n + 2))
    return Estimate(
        value=100 * (plus - minus) / n, n=n, low=100 * max(-1.0, p - m - half), high=100 * min(1.0, p - m + half)
    )


def satisfied(tallies: Iterable[Tally]) -> Estimate | None:
    """The share of satisfied ratings."""
    rated = list(tallies)
    n = sum(each.number for each in rated)
    return share(sum(each.number for each in rated if each.satisfaction >= SATISFIED), n)


def mean(tallies: Iterable[Tally], scale: tuple[float, float]) -> Estimate | None:
    """The mean on `scale` (its ends); ratings on others are brought to it linearly."""
    rated = list(tallies)
    n = sum(each.number for each in rated)
    if n == 0:
        return None
    average = sum(each.satisfaction * each.number for each in rated) / n
    return Estimate(value=scale[0] + average / 100 * (scale[1] - scale[0]), n=n)


def common_scale(tallies: Iterable[Tally]) -> tuple[float, float] | None:
    """The ends of the scale most of the ratings are on; of equally many the finer one."""
    counted: dict[tuple[float, float], int] = {}
    for each in tallies:
        ends = (each.lowest, each.highest)
        counted[ends] = counted.get(ends, 0) + each.number
    return max(counted, key=lambda ends: (counted[ends], ends[1] - ends[0]), default=None)


def middle(seconds: Sequence[float]) -> Estimate | None:
    """The median: one forgotten recovery does not move it."""
    return Estimate(value=median(seconds), n=len(seconds)) if seconds else None
