"""A report: the figures of a period beside their targets and an earlier time, over time and by slice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from connector.domain.reporting.figures import Facts, Figure, Scales, causes_of, figures_of, scales_of, themes_of
from connector.domain.reporting.period import Period

NONE: Final = "(none)"
"""What answers are called that have no value of a segment."""
BY_SLICE: Final = ("csat", "share_satisfied", "nps", "ces", "unhappy", "first_touch", "steps_in_time", "recovery_rate")
"""The figures a table of slices has a column for, as far as anybody has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """One value of a segment, or several small ones together."""

    name: str
    answers: int
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """The slices of one segment, those with most answers first."""

    by: str
    slices: tuple[Slice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The figures of one day, week or month."""

    period: Period
    answers: int | None
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything one report says. `answers` and `recoveries` are None where there are fewer than `minimum`.

    `baseline` are the same figures of `baseline_period`, in the same order; none without one. `targets` by a figure's
    id. `causes` and `themes` with how often, the most frequent first.
    """

    period: Period
    zone: str
    made_at: datetime
    minimum: int
    where: Mapping[str, str]
    answers: int | None
    recoveries: int | None
    figures: tuple[Figure, ...]
    targets: Mapping[str, float]
    baseline_period: Period | None = None
    baseline: tuple[Figure, ...] = ()
    breakdowns: tuple[Breakdown, ...] = ()
    line: tuple[Point, ...] = ()
    causes: tuple[tuple[str, int], ...] = ()
    themes: tuple[tuple[str, int], ...] = ()

    def before(self, figure: Figure) -> Figure | None:
        """The same figure of the time it is compared with."""
        return next((each for each in self.baseline if each.id == figure.id), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What a report is made of: facts of the period and its parts, of each slice, and of the baseline."""

    period: Period
    facts: Facts
    parts: Sequence[tuple[Period, Facts]] = ()
    slices: Mapping[str, Mapping[str | None, Facts]] = field(default_factory=dict)
    baseline: tuple[Period, Facts] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How a report is told: nothing about groups smaller than `minimum`, `targets` by a figure's id."""

    minimum: int
    zone: str
    targets: Mapping[str, float] = field(default_factory=dict)
    where: Mapping[str, str] = field(default_factory=dict)


def make_report(counted: Counted, terms: Terms, made_at: datetime) -> Report:
    """Work everything out. A period with too few answers in all has no parts, slices or lists either."""
    minimum, facts = terms.minimum, counted.facts
    scales = scales_of(facts.tallies)
    is_told = facts.answers >= minimum
    return Report(
        period=counted.period,
        zone=terms.zone,
        made_at=made_at,
        minimum=minimum,
        where=dict(terms.where),
        answers=_told(facts.answers, minimum),
        recoveries=_told(len(facts.recoveries), minimum),
        figures=figures_of(facts, minimum, scales),
        targets=dict(terms.targets),
        baseline_period=None if counted.baseline is None else counted.baseline[0],
        baseline=() if counted.baseline is None else figures_of(counted.baseline[1], minimum, scales),
        breakdowns=tuple(_breakdown(by, found, minimum, scales) for by, found in counted.slices.items())
        if is_told
        else (),
        line=tuple(_point(period, part, minimum, scales) for period, part in counted.parts) if is_told else (),
        causes=causes_of(facts, minimum),
        themes=themes_of(facts, minimum),
    )


def _told(number: int, minimum: int) -> int | None:
    return number if number >= minimum or number == 0 else None


def _point(period: Period, facts: Facts, minimum: int, scales: Scales) -> Point:
    return Point(period=period, answers=_told(facts.answers, minimum), figures=figures_of(facts, minimum, scales))


def _breakdown(by: str, found: Mapping[str | None, Facts], minimum: int, scales: Scales) -> Breakdown:
    slices = [
        Slice(name=name, answers=facts.answers, figures=figures_of(facts, minimum, scales))
        for name, facts in folded(found, minimum)
    ]
    return Breakdown(by=by, slices=tuple(slices))


def folded(found: Mapping[str | None, Facts], minimum: int) -> list[tuple[str, Facts]]:
    """The slices that are told, most answers first: those with fewer than `minimum` answers go together as one.

    Slices make up a whole that is told, too. So that none can be worked out as what the others leave of it, the small
    ones are joined by the next larger until together they are enough, or nothing is told.
    """
    rising = sorted(found.items(), key=lambda each: (each[1].answers, each[0] or ""))
    small: list[tuple[str | None, Facts]] = []
    number = 0
    while rising and (rising[0][1].answers < minimum or 0 < number < minimum):
        small.append(rising.pop(0))
        number += small[-1][1].answers
    told = [(NONE if name is None else name, facts) for name, facts in reversed(rising)]
    if number >= minimum:
        told.append((f"{len(small)} others", joined(facts for _, facts in small)))
    return told


def joined(several: Iterable[Facts]) -> Facts:
    """The facts of several groups as those of one. Who came again is known of wholes only."""
    each = list(several)
    themes: Counter[str] = Counter()
    invited = [one.invited for one in each if one.invited is not None]
    for one in each:
        themes.update(one.themes)
    return Facts(
        tallies=[tally for one in each for tally in one.tallies],
        answers=sum(one.answers for one in each),
        unhappy=sum(one.unhappy for one in each),
        recoveries=[recovery for one in each for recovery in one.recoveries],
        asked=sum(one.asked for one in each),
        replied=sum(one.replied for one in each),
        invited=(sum(number for number, _ in invited), sum(number for _, number in invited)) if invited else None,
        themes=themes,
    )
