"""Why a score is what it is, in one sentence for the person who calls the customer."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache

from connector.domain.model.score import Contribution, Score
from connector.domain.scoring.config import ComponentKind, ScoringConfig, exact

LONGEST_REASON = 255
"""Characters; what the shortest text field of a CRM holds (Salesforce Text)."""

_CLEAR_PULL = Fraction(1, 2)
"""Points a component must move the score by to be named."""


# Rules, texts and the CRM's field each want it of the same score.
@lru_cache(maxsize=64)
def reason(result: Score, config: ScoringConfig) -> str:
    """One sentence, at most 255 characters, of figures and component names only: no personal data.

    For example "62, down 9 in 30 days: csat 41 from 3 answers pulls it down most; purchases 88 lifts it".
    """
    if result.hundredths is None:
        return _cut(f"no score yet: only {round(100 * result.coverage)} % of what it rests on is known")
    kinds = {component.name: component.kind for component in config.components}
    parts = [part for part in result.contributions if part.value is not None]
    weight = sum((exact(part.weight) for part in parts), Fraction(0))
    pulls = {part.component: _pull(part, result.hundredths, weight) for part in parts}
    lowest = min(parts, key=lambda part: (pulls[part.component], part.component))
    highest = max(parts, key=lambda part: (pulls[part.component], part.component))
    clauses = []
    if pulls[lowest.component] <= -_CLEAR_PULL:
        clauses.append(f"{_named(lowest, kinds)} pulls it down most")
    if pulls[highest.component] >= _CLEAR_PULL:
        clauses.append(f"{_named(highest, kinds)} lifts it")
    if not clauses:
        heaviest = max(parts, key=lambda part: (exact(part.weight), part.component))
        clauses.append(f"rests on {_named(heaviest, kinds)}" + (" and agrees with the rest" if len(parts) > 1 else ""))
    return _cut(f"{_points(result.hundredths)}{_trend(result.trend)}: {'; '.join(clauses)}")


def _pull(part: Contribution, hundredths: int, weight: Fraction) -> Fraction:
    """Points by which a component moves the score away from where the others put it; all together have `weight`."""
    return Fraction((part.value or 0) - hundredths, 100) * exact(part.weight) / weight


def _named(part: Contribution, kinds: Mapping[str, ComponentKind]) -> str:
    text = f"{part.component} {_points(part.value or 0)}"
    if kinds.get(part.component) is ComponentKind.SIGNAL:
        return text
    noun = "comment" if kinds.get(part.component) is ComponentKind.SENTIMENT else "answer"
    return f"{text} from {part.answers} {noun}{'' if part.answers == 1 else 's'}"


def _trend(trend: int | None) -> str:
    if trend is None:
        return ""
    points = _points(abs(trend))
    if points == "0":
        return ", unchanged in 30 days"
    return f", {'up' if trend > 0 else 'down'} {points} in 30 days"


def _points(hundredths: int) -> str:
    """Whole points, halves up."""
    return str((hundredths + 50) // 100)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_REASON else text[: LONGEST_REASON - 1] + "…"
