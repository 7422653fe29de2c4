"""The health score and its parts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One recorded thing a score rests on.

    `component` is the name in `health_score.components`; `value` is 0–100 satisfaction for answers, the raw measure for
    signals; `source` identifies the fact (response key and rating, signal name), so that no fact counts twice.
    """

    component: str
    value: float
    at: datetime
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """What one component adds. All figures in hundredths of a point, so that they add up to the last digit.

    `value` is the component's own 0–100 figure (None when it has no data), `weight` its configured weight, `points`
    what it adds to the score, `answers` the number of facts behind it.
    """

    component: str
    value: int | None
    weight: float
    points: int
    answers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A health score at one date. `hundredths` is None when coverage is below the floor: no score is published.

    `coverage` is the share of configured weight that has data, 0–1. `band` is the band after hysteresis.
    `trend` is the difference in hundredths to the score thirty days before `as_of`, None where there was none.
    """

    hundredths: int | None
    coverage: float
    contributions: tuple[Contribution, ...]
    as_of: datetime
    band: str | None
    answers: int
    trend: int | None = None

    @property
    def points(self) -> float | None:
        """The score in points, 0–100, with two decimals."""
        return None if self.hundredths is None else self.hundredths / 100
