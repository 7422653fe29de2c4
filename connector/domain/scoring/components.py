"""One component's 0–100 figure, computed exactly from its facts as of a date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from functools import lru_cache

from connector.domain.model.score import Fact
from connector.domain.scoring.config import ComponentConfig, ComponentKind, Measure, Shrink, exact

_DAY = timedelta(days=1)
# Weights of facts are counted in units of 10⁻¹²: whole numbers add up to the same sum in any order. Decimal's exp() is
# correctly rounded, so every machine finds the same units; a float's power is not.
WHOLE = 10**12
_PRECISE = Context(prec=34, rounding=ROUND_HALF_EVEN)
_LN_2 = _PRECISE.ln(Decimal(2))
# Values are counted in millionths, which removes the noise of binary fractions (70.00000000000001).
_MICRO = 10**6


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A component with data: `value` is 0–100 exactly, `facts` is how many facts stand behind it."""

    value: Fraction
    facts: int


def figure(facts: Sequence[Fact], as_of: datetime, component: ComponentConfig, shrink: Shrink) -> Figure | None:
    """The component's figure at `as_of`, None without data. `facts` are the component's own, none later than `as_of`.

    The order of `facts` does not matter.
    """
    if not facts:
        return None
    if component.kind is ComponentKind.SIGNAL:
        return Figure(value=_signal(facts, as_of, component), facts=len(facts))
    weighted = total = 0
    for fact in facts:
        weight = decay((as_of - fact.at) // _DAY, component.half_life)
        total += weight
        weighted += weight * _micros(fact.value)
    if total == 0:
        return None
    # (weighted + answers x toward) / (total + answers), as one fraction of whole numbers: each by itself is reduced.
    answers, toward = exact(shrink.answers), exact(shrink.toward)
    pull = answers.numerator * WHOLE
    above = weighted * answers.denominator * toward.denominator + pull * toward.numerator * _MICRO
    below = (total * answers.denominator + pull) * toward.denominator * _MICRO
    return Figure(value=Fraction(above, below), facts=len(facts))


@lru_cache(maxsize=4096)
def decay(days: int, half_life: timedelta | None) -> int:
    """What a fact of so many whole days weighs, in units of 10⁻¹²: half as much after each half-life, 0 after forty."""
    if half_life is None:
        return WHOLE
    age = _PRECISE.divide(Decimal(days * 86_400), Decimal(str(half_life.total_seconds())))
    share = _PRECISE.exp(_PRECISE.multiply(-age, _LN_2))
    return int(_PRECISE.multiply(share, Decimal(WHOLE)).to_integral_value(ROUND_HALF_EVEN))


@lru_cache(maxsize=4096)
def _micros(value: float) -> int:
    return round(Fraction(value) * _MICRO)


def _signal(facts: Sequence[Fact], as_of: datetime, component: ComponentConfig) -> Fraction:
    assert component.best is not None  # ComponentConfig refuses a signal without
    assert component.worst is not None
    best, worst = exact(component.best), exact(component.worst)
    share = (_measure(facts, as_of, component) - worst) / (best - worst)
    return 100 * min(max(share, Fraction(0)), Fraction(1))


def _measure(facts: Sequence[Fact], as_of: datetime, component: ComponentConfig) -> Fraction:
    newest = max(facts, key=lambda fact: (fact.at, fact.source, fact.value))
    if component.measure is Measure.DAYS_SINCE:
        return Fraction((as_of - newest.at) // _DAY)
    if component.measure in {Measure.COUNT, Measure.AMOUNT}:
        window = component.window
        counted = (fact.value for fact in facts if window is None or as_of - fact.at < window)
        return sum((exact(value) for value in counted), Fraction(0))
    return exact(newest.value)
