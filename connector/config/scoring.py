"""`health_score` of the YAML as the scoring room's own configuration."""

from __future__ import annotations

from connector.config.checks import OURS
from connector.config.health import Component, HealthScore
from connector.domain.scoring.config import Band, ComponentConfig, ComponentKind, ScoringConfig, Shrink


def component(name: str, part: Component) -> ComponentConfig:
    """One component. Raises ValueError when keys its source needs are missing."""
    kind = ComponentKind(part.source) if part.source in OURS else ComponentKind.SIGNAL
    return ComponentConfig(
        name=name,
        weight=part.weight,
        kind=kind,
        metric=part.metric,
        half_life=part.half_life,
        measure=part.measure,
        window=part.window,
        best=part.best,
        worst=part.worst,
    )


def scoring(score: HealthScore) -> ScoringConfig:
    """The whole of it. Raises ValueError naming what does not fit."""
    return ScoringConfig(
        components=tuple(component(name, part) for name, part in score.components.items()),
        bands=tuple(Band(name=name, floor=floor) for name, floor in score.bands.items()),
        shrink=Shrink(toward=score.shrink.toward, answers=score.shrink.answers),
        coverage=score.coverage,
        missing=score.missing,
        margin=score.margin,
    )
