"""The names that texts about figures may use: who or what they are about, and how low."""

from __future__ import annotations

from collections.abc import Iterable

from connector.domain.model.context import Names, plain, rule_names

_ANY = Names(open=True)
"""Columns of the lists of places and staff, whatever they are called there."""


def names_in(place: str, segments: Iterable[str]) -> Names:
    """Those of one kind of text: `coaching`, which speaks of an answer, too, `trend`, or `report`."""
    people: dict[str, Names | None] = {"place": _ANY, "staff": _ANY}
    if place == "coaching":
        own = plain("by", "value", "low", "answers", "days")
        names = {**people, **rule_names(segments).parts, "coaching": own}
        return Names(parts=names, never=frozenset({"ticket", "step"}))
    if place == "trend":
        return Names(parts={**people, "trend": plain("by", "value", "metric", "weeks", "now", "before", "answers")})
    return Names(parts={**people, "report": plain("by", "value", "period")})
