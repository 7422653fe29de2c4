"""What one answer leaves behind for the score."""

from __future__ import annotations

from connector.domain.model.response import Response, Understanding
from connector.domain.model.score import Fact
from connector.domain.scoring.config import ComponentKind, ScoringConfig


def facts_of(response: Response, understanding: Understanding, config: ScoringConfig) -> tuple[Fact, ...]:
    """The facts of one response version, at its event time. A newer version of the response replaces them all.

    One for each component and rating of its metric, and one for each sentiment component unless analysis abstained
    (compound -1 … 1 becomes 0 … 100). Sources are `<response key>#<what>`, so one response counts as one answer
    however many facts it has; ratings of the same metric about the same thing are told apart by their position.
    """
    found: list[Fact] = []
    for component in config.components:
        if component.kind is ComponentKind.ANSWERS:
            found.extend(
                Fact(
                    component=component.name,
                    value=rating.satisfaction,
                    at=response.event_at,
                    source=f"{response.key}#{rating.metric.value}/{rating.about}/{position}",
                )
                for position, rating in enumerate(response.ratings)
                if rating.metric is component.metric
            )
        elif component.kind is ComponentKind.SENTIMENT and understanding.compound is not None:
            found.append(
                Fact(
                    component=component.name,
                    value=50 * (1 + understanding.compound),
                    at=response.event_at,
                    source=f"{response.key}#sentiment",
                )
            )
    return tuple(found)


def answer_of(source: str) -> str:
    """The response key within a fact's source, the whole source where it has none."""
    return source.rpartition("#")[0] or source
