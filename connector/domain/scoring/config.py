"""How a health score is computed, as values. Names come from the YAML; nothing here is personal data."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache

from connector.domain.model.response import Metric


class ComponentKind(StrEnum):
    """Where a component's facts come from, which decides how they become 0–100."""

    ANSWERS = "answers"
    """Ratings of one metric; a fact's value is its satisfaction, 0–100. Decayed and shrunk."""
    SENTIMENT = "sentiment"
    """What comments say; a fact's value is 0–100. Decayed and shrunk."""
    SIGNAL = "signal"
    """A fact from elsewhere, measured and brought to 0–100 between `worst` and `best`. Neither decayed nor shrunk."""


class Measure(StrEnum):
    """What is measured of a signal's facts, as of a date."""

    VALUE = "value"
    """The newest fact's value (ties: the larger source, then the larger value)."""
    COUNT = "count"
    """The sum of the values of the facts younger than `window` (all, without one). A person whose facts are all older
    counts 0; a person without any fact has no data: nobody is scored for tickets that were never seen."""
    AMOUNT = "amount"
    """As COUNT: the sum of what was spent, where facts are worth an amount."""
    DAYS_SINCE = "days_since"
    """Whole days since the newest fact's `at`; its value does not matter."""


class Missing(StrEnum):
    """What a component without data does to the score."""

    RENORMALIZE = "renormalize"
    """It stands aside: the others share its weight."""
    NEUTRAL = "neutral"
    """It counts with the value answers are shrunk toward, 50 without shrinkage."""
    ZERO = "zero"
    """It counts as 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentConfig:
    """One component. `weight` is relative to the others and positive.

    ANSWERS need `metric`; SIGNAL needs `measure`, `best` and `worst` (the measures that mean 100 and 0; either may be
    the larger). `half_life` is for ANSWERS and SENTIMENT, None for no decay; `window` for COUNT and AMOUNT. Raises
    ValueError.
    """

    name: str
    weight: float
    kind: ComponentKind
    metric: Metric | None = None
    half_life: timedelta | None = None
    measure: Measure | None = None
    window: timedelta | None = None
    best: float | None = None
    worst: float | None = None

    def __post_init__(self) -> None:
        if not self.weight > 0:
            raise ValueError(f"{self.name}: a weight is positive")
        if self.half_life is not None and self.half_life <= timedelta(0):
            raise ValueError(f"{self.name}: a half-life is positive")
        if self.kind is ComponentKind.ANSWERS and self.metric is None:
            raise ValueError(f"{self.name}: answers need a metric")
        if self.kind is ComponentKind.SIGNAL:
            if self.measure is None or self.best is None or self.worst is None:
                raise ValueError(f"{self.name}: a signal needs measure, best and worst")
            if self.best == self.worst:
                raise ValueError(f"{self.name}: best and worst differ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrink:
    """Few answers pull less: as if `answers` more of value `toward` had come. `toward` is 0–100, `answers` ≥ 0."""

    toward: float = 50.0
    answers: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.toward <= 100:
            raise ValueError("answers are shrunk toward a value between 0 and 100")
        if self.answers < 0:
            raise ValueError("answers to shrink by are not negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A named range of scores that begins at `floor` points and ends where the next begins."""

    name: str
    floor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringConfig:
    """The whole of it. The order of components and bands does not matter: both are kept sorted.

    `coverage` is the least share of weight with data, 0–1, below which no score is published. `margin` is in points.
    Raises ValueError: no component, a name twice, or bands that do not begin at 0.
    """

    components: tuple[ComponentConfig, ...]
    bands: tuple[Band, ...]
    shrink: Shrink = Shrink()
    coverage: float = 0.0
    missing: Missing = Missing.RENORMALIZE
    margin: float = 0.0

    def __post_init__(self) -> None:
        components = tuple(sorted(self.components, key=lambda component: component.name))
        bands = tuple(sorted(self.bands, key=lambda band: (band.floor, band.name)))
        if not components or len({component.name for component in components}) < len(components):
            raise ValueError("a health score has components, each with a name of its own")
        if not bands or bands[0].floor != 0:
            raise ValueError("the lowest band begins at 0")
        if len({band.floor for band in bands}) < len(bands) or len({band.name for band in bands}) < len(bands):
            raise ValueError("each band has its own name and floor")
        if not 0 <= self.coverage <= 1 or self.margin < 0:
            raise ValueError("coverage lies between 0 and 1, margin is not negative")
        object.__setattr__(self, "components", components)
        object.__setattr__(self, "bands", bands)


@lru_cache(maxsize=4096)
def exact(number: float) -> Fraction:
    """The number a person typed: 0.4 becomes 2/5, not the nearest binary fraction."""
    return Fraction(repr(float(number)))


@lru_cache(maxsize=16)
def digest(config: ScoringConfig) -> str:
    """64 hex digits that change when, and only when, a setting that can change a score changes.

    Stored with each score, so that new weights are recognised and old scores are rebased without firing events.
    """
    parts = {
        "components": [
            {
                "name": component.name,
                "weight": str(exact(component.weight)),
                "kind": component.kind.value,
                "metric": component.metric and component.metric.value,
                "half_life": _seconds(component.half_life),
                "measure": component.measure and component.measure.value,
                "window": _seconds(component.window),
                "best": _digits(component.best),
                "worst": _digits(component.worst),
            }
            for component in config.components
        ],
        "bands": [[band.name, str(exact(band.floor))] for band in config.bands],
        "shrink": [str(exact(config.shrink.toward)), str(exact(config.shrink.answers))],
        "coverage": str(exact(config.coverage)),
        "missing": config.missing.value,
        "margin": str(exact(config.margin)),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _seconds(span: timedelta | None) -> str | None:
    return None if span is None else str(span / timedelta(seconds=1))


def _digits(number: float | None) -> str | None:
    return None if number is None else str(exact(number))
