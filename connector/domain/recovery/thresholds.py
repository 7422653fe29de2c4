"""When a response is unhappy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from connector.domain.model.response import EMPTY, Metric, Polarity, Rating, Scale


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """At or below `at` is unhappy, for ratings of one metric on one scale, where all `segments` (name → value) hold.

    `at` reads as if high were best: on a survey whose scale 1–5 has 1 as best, `at: 3` on `1-5` catches the ratings 3,
    4 and 5, which mirror to 3, 2 and 1. So one threshold serves a company's surveys of both polarities.
    """

    metric: Metric
    scale: Scale
    at: float
    segments: Mapping[str, str] = field(default_factory=lambda: EMPTY)

    def covers(self, rating: Rating, segments: Mapping[str, str]) -> bool:
        """Whether this threshold is about the rating: its metric, its scale's ends, and every segment, case aside."""
        return (
            rating.metric is self.metric
            and (rating.scale.minimum, rating.scale.maximum) == (self.scale.minimum, self.scale.maximum)
            and all(_same(segments.get(name), value) for name, value in self.segments.items())
        )

    def __str__(self) -> str:
        where = "".join(f", {name} {value}" for name, value in sorted(self.segments.items()))
        return f"{self.metric.value} at or below {self.at:g} of {self.scale}{where}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a response is unhappy, which rating leads it and which threshold decided about that rating.

    `leading` is the worst unhappy rating, or the worst of all when none is; None without ratings. `decided_by` is None
    when no threshold is about the leading rating. `compared` has one line a rating, for the person who asks why.
    """

    unhappy: bool
    leading: Rating | None
    decided_by: Threshold | None
    compared: tuple[str, ...]


def judge_ratings(ratings: Sequence[Rating], segments: Mapping[str, str], thresholds: Sequence[Threshold]) -> Verdict:
    """Any unhappy rating makes the response unhappy; the worst rating (by satisfaction, then as asked) leads it.

    `segments` are the response's segments together with whatever of its interaction thresholds may name (service,
    location, staff, channel). The narrowest threshold, the one with most segments, decides about each rating; of
    equally narrow ones the one that catches more does, whatever the order in the file. A rating no threshold is about
    is not unhappy: nobody said what is bad on its scale.
    """
    decisions = [(rating, _narrowest(rating, segments, thresholds)) for rating in ratings]
    unhappy = [pair for pair in decisions if _is_caught(*pair)]
    leading, decided_by = min(unhappy or decisions, key=lambda pair: pair[0].satisfaction, default=(None, None))
    return Verdict(
        unhappy=bool(unhappy),
        leading=leading,
        decided_by=decided_by,
        compared=tuple(_line(rating, threshold) for rating, threshold in decisions),
    )


def mirrored(rating: Rating) -> float:
    """The rating as it would read on the same scale if high were best."""
    if rating.scale.best is Polarity.LOW_IS_BEST:
        return rating.scale.minimum + rating.scale.maximum - rating.value
    return rating.value


def _narrowest(rating: Rating, segments: Mapping[str, str], thresholds: Sequence[Threshold]) -> Threshold | None:
    covering = [threshold for threshold in thresholds if threshold.covers(rating, segments)]
    return max(covering, key=lambda threshold: (len(threshold.segments), threshold.at), default=None)


def _is_caught(rating: Rating, threshold: Threshold | None) -> bool:
    return threshold is not None and mirrored(rating) <= threshold.at


def _line(rating: Rating, threshold: Threshold | None) -> str:
    given = f"{rating.metric.value} {rating.about}: {rating.value:g} on {rating.scale}"
    if rating.scale.best is Polarity.LOW_IS_BEST:
        given += f" where low is best, so {mirrored(rating):g}"
    if threshold is None:
        return f"{given}: no threshold is about it"
    return f"{given}: {'unhappy' if _is_caught(rating, threshold) else 'not unhappy'}, the threshold is {threshold}"


def _same(actual: str | None, expected: str) -> bool:
    return actual is not None and actual.strip().casefold() == expected.strip().casefold()
