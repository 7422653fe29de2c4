"""When somebody who leads people or a place is told: several low scores in a while, or a score that stays low or falls.

Decisions only. What counts, and about whom, is counted by whoever asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from connector.domain.model.response import Metric
from connector.domain.reporting import measure
from connector.domain.reporting.figures import OVERALL
from connector.domain.reporting.measure import Estimate, Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Coaching:
    """From `low` unhappy answers on, of at least `minimum`, to one value of the segment `by` within a time.

    Answers that name a theme of `not_for` do not count: nobody is led to do better what is not theirs to do.
    """

    by: str
    low: int
    within: timedelta
    minimum: int
    not_for: tuple[str, ...] = ()

    def is_due(self, answers: int, low: int) -> bool:
        """Whether so many answers, of which so many are low, are a reason to talk."""
        return answers >= self.minimum and low >= self.low


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """A score below `below` in each of `weeks` weeks, or `drop` lower over all of them than over as many before.

    Exactly one of the two is given. `minimum` answers are needed in each week, or on each side of the drop.
    """

    by: tuple[str, ...]
    metric: Metric
    weeks: int
    minimum: int
    below: float | None = None
    drop: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fall:
    """How a score fell: what it is now over all of the weeks, what it was before (None where it is only low)."""

    now: float
    before: float | None
    answers: int


def score_of(tallies: Sequence[Tally], metric: Metric, scale: tuple[float, float] | None = None) -> Estimate | None:
    """The score of a metric about everything: its mean on the scale most ratings are on, of NPS the net score."""
    mine = [each for each in tallies if each.metric is metric and each.about == OVERALL]
    if metric is Metric.NPS:
        return measure.net_promoters(mine)
    ends = scale or measure.common_scale(mine)
    return None if ends is None else measure.mean(mine, ends)


def fall(trend: Trend, weeks: Sequence[Sequence[Tally]]) -> Fall | None:
    """Whether a score is low or falls; None when it is not, or nobody can say.

    `weeks` are the ratings of whole weeks, oldest first: the last `trend.weeks` of them are looked at, and where it is
    about a drop as many before these.
    """
    late, early = list(weeks[-trend.weeks :]), list(weeks[-2 * trend.weeks : -trend.weeks])
    everything = [each for week in weeks for each in week if each.metric is trend.metric and each.about == OVERALL]
    scale = measure.common_scale(everything)
    now = score_of([each for week in late for each in week], trend.metric, scale)
    if now is None or len(late) < trend.weeks:
        return None
    if trend.below is not None:
        each_week = [score_of(week, trend.metric, scale) for week in late]
        is_low = all(one is not None and one.n >= trend.minimum and one.value < trend.below for one in each_week)
        return Fall(now=now.value, before=None, answers=now.n) if is_low else None
    then = score_of([each for week in early for each in week], trend.metric, scale)
    assert trend.drop is not None
    if then is None or len(early) < trend.weeks or min(now.n, then.n) < trend.minimum:
        return None
    is_lower = then.value - now.value >= trend.drop
    return Fall(now=now.value, before=then.value, answers=now.n) if is_lower else None
