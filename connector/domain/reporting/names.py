"""The names that texts about figures may use: who or what they are about, and how low."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from connector.domain.model.context import NO_LISTS, Names, plain, rule_names


def names_in(place: str, segments: Iterable[str], lists: Mapping[str, Names] = NO_LISTS) -> Names:
    """Those of one kind of text: `coaching`, which speaks of an answer, too, `trend`, or `report`.

    `lists` are the columns of the directory's places and staff.
    """
    if place == "coaching":
        own = plain("by", "value", "low", "answers", "days")
        names = {**rule_names(segments, lists).parts, "coaching": own}
        return Names(parts=names, never=frozenset({"ticket", "step"}))
    if place == "trend":
        return Names(parts={**lists, "trend": plain("by", "value", "metric", "weeks", "now", "before", "answers")})
    return Names(parts={**lists, "report": plain("by", "value", "period")})
