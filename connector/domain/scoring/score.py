"""The health score: a pure function of recorded facts and a date.

Facts count from their event time on. Everything is computed in whole numbers and fractions and rounded once at the end,
so the same facts give the same digits in any order, on any machine, whenever they arrived.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from connector.domain.model.score import Contribution, Fact, Score
from connector.domain.scoring.bands import fold_bands, next_band
from connector.domain.scoring.components import Figure, figure
from connector.domain.scoring.config import ComponentConfig, ComponentKind, Missing, ScoringConfig, exact
from connector.domain.scoring.facts import answer_of

TREND_SPAN = timedelta(days=30)
_NEUTRAL = Fraction(50)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Evaluation:
    """The figures as of one date, before bands and trend. `parts` are exact points, empty when nothing is published."""

    figures: Mapping[str, Figure]
    coverage: Fraction
    parts: Mapping[str, Fraction]
    hundredths: int | None
    """The score, rounded half up once."""


_NOTHING = _Evaluation(figures={}, coverage=Fraction(0), parts={}, hundredths=None)


def score(facts: Iterable[Fact], as_of: datetime, config: ScoringConfig) -> Score:
    """Compute one person's score at `as_of`, which is aware.

    Facts of components that are not configured, and facts after `as_of`, do not count. Of facts with the same
    component and source the newest counts (same time: the larger value). The band is folded over evaluations at the
    event time of each fact and at `as_of` itself. `answers` counts responses, not their ratings. When less than
    `coverage` of the weight has data no score is published: no hundredths, band or trend, contributions of 0 points.
    """
    return Ageing(facts, config).at(as_of)


class Ageing:
    """The score of one person by facts that stay the same, on several dates: what one date needed serves the next."""

    def __init__(self, facts: Iterable[Fact], config: ScoringConfig) -> None:
        self._facts = tuple(facts)
        self._config = config
        self._hundredths: dict[datetime, int | None] = {}
        self._known: tuple[int, list[Fact], str | None] = (-1, [], None)

    def at(self, as_of: datetime) -> Score:
        """The score at `as_of`; see `score`."""
        config = self._config
        ordered, band = self._until(as_of)
        now = _evaluate(ordered, as_of, config)
        self._hundredths[as_of] = now.hundredths
        before = self._hundredths_at(ordered, as_of - TREND_SPAN)
        return Score(
            hundredths=now.hundredths,
            coverage=float(now.coverage),
            contributions=_contributions(now, config),
            as_of=as_of,
            band=next_band(band, now.hundredths, config.bands, config.margin),
            answers=_count_answers(ordered, config),
            trend=None if now.hundredths is None or before is None else now.hundredths - before,
        )

    def _until(self, as_of: datetime) -> tuple[list[Fact], str | None]:
        """The facts that count at `as_of`, and the band that those before it led to."""
        number = sum(fact.at < as_of for fact in self._facts)
        if number != self._known[0] or any(fact.at == as_of for fact in self._facts):
            ordered = _known(self._facts, as_of, self._config)
            moments = sorted({fact.at for fact in ordered} - {as_of})
            history = [self._hundredths_at(ordered, moment) for moment in moments]
            self._known = (number, ordered, fold_bands(history, self._config.bands, self._config.margin))
        return self._known[1], self._known[2]

    def _hundredths_at(self, ordered: Sequence[Fact], moment: datetime) -> int | None:
        if moment not in self._hundredths:
            self._hundredths[moment] = _evaluate(ordered, moment, self._config).hundredths
        return self._hundredths[moment]


def band(facts: Iterable[Fact], as_of: datetime, config: ScoringConfig) -> str | None:
    """The band of `score` alone, in two thirds of the time."""
    ordered = _known(facts, as_of, config)
    return _band(ordered, _evaluate(ordered, as_of, config), as_of, config)


def _band(ordered: Sequence[Fact], now: _Evaluation, as_of: datetime, config: ScoringConfig) -> str | None:
    moments = sorted({fact.at for fact in ordered} - {as_of})
    history = [_evaluate(ordered, moment, config).hundredths for moment in moments]
    return fold_bands([*history, now.hundredths], config.bands, config.margin)


def _known(facts: Iterable[Fact], as_of: datetime, config: ScoringConfig) -> list[Fact]:
    """The facts that count at `as_of` or counted before, in an order that does not depend on how they came."""
    names = {component.name for component in config.components}
    return sorted(
        {fact for fact in facts if fact.component in names and fact.at <= as_of},
        key=lambda fact: (fact.at, fact.component, fact.source, fact.value),
    )


def _evaluate(ordered: Sequence[Fact], as_of: datetime, config: ScoringConfig) -> _Evaluation:
    newest: dict[tuple[str, str], Fact] = {}
    for fact in ordered:
        if fact.at <= as_of:
            newest[fact.component, fact.source] = fact
    groups: dict[str, list[Fact]] = {}
    for fact in newest.values():
        groups.setdefault(fact.component, []).append(fact)
    figures = {}
    for component in config.components:
        found = figure(groups.get(component.name, ()), as_of, component, config.shrink)
        if found is not None:
            figures[component.name] = found
    if not figures:
        return _NOTHING
    whole = sum((exact(component.weight) for component in config.components), Fraction(0))
    present = sum(
        (exact(component.weight) for component in config.components if component.name in figures), Fraction(0)
    )
    coverage = present / whole
    published = bool(figures) and coverage >= exact(config.coverage)
    parts = _parts(figures, config, present if config.missing is Missing.RENORMALIZE else whole) if published else {}
    hundredths = _round_half_up(100 * sum(parts.values(), Fraction(0))) if parts else None
    return _Evaluation(figures=figures, coverage=coverage, parts=parts, hundredths=hundredths)


def _parts(figures: Mapping[str, Figure], config: ScoringConfig, divisor: Fraction) -> dict[str, Fraction]:
    """What each component adds, exactly."""
    parts = {}
    for component in config.components:
        found = figures.get(component.name)
        value = found.value if found else _stand_in(config)
        if value is not None:
            parts[component.name] = exact(component.weight) * value / divisor
    return parts


def _stand_in(config: ScoringConfig) -> Fraction | None:
    """The value a component without data counts with, None when it stands aside."""
    if config.missing is Missing.RENORMALIZE:
        return None
    if config.missing is Missing.ZERO:
        return Fraction(0)
    return exact(config.shrink.toward) if config.shrink.answers else _NEUTRAL


def _contributions(evaluation: _Evaluation, config: ScoringConfig) -> tuple[Contribution, ...]:
    points = _share_out(evaluation.parts, evaluation.hundredths or 0)
    return tuple(_contribution(component, evaluation, points) for component in config.components)


def _contribution(component: ComponentConfig, evaluation: _Evaluation, points: Mapping[str, int]) -> Contribution:
    found = evaluation.figures.get(component.name)
    return Contribution(
        component=component.name,
        value=_round_half_up(100 * found.value) if found else None,
        weight=component.weight,
        points=points.get(component.name, 0),
        answers=found.facts if found else 0,
    )


def _share_out(parts: Mapping[str, Fraction], total: int) -> dict[str, int]:
    """Hundredths that add up to `total`: each rounded down, the rest goes to the largest remainders, then by name."""
    points = {name: int(100 * part) for name, part in parts.items()}
    remainders = sorted(parts, key=lambda name: (points[name] - 100 * parts[name], name))
    for name in remainders[: total - sum(points.values())]:
        points[name] += 1
    return points


def _count_answers(ordered: Sequence[Fact], config: ScoringConfig) -> int:
    asked = {component.name for component in config.components if component.kind is not ComponentKind.SIGNAL}
    return len({answer_of(fact.source) for fact in ordered if fact.component in asked})


def _round_half_up(number: Fraction) -> int:
    return int(number + Fraction(1, 2))
