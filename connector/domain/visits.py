"""What the records of interactions say of customers: how often they come, who comes back, how many answer.

Pure: the store says who came when (`connector.store.interactions`), nothing here asks for the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final

YEAR: Final = timedelta(days=365)
NO_VISITS: Final = frozenset({"ticket"})
"""Kinds of interactions that are no visits: who writes to the helpdesk bought nothing and came to no shop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One interaction of a person. `amount` None: not known."""

    id: str
    at: datetime
    amount: float | None = None


def within(visits: Sequence[Visit], since: datetime, until: datetime) -> tuple[Visit, ...]:
    """Those from `since` on and before `until`, in the order of time."""
    return tuple(sorted((one for one in visits if since <= one.at < until), key=lambda one: (one.at, one.id)))


def response_rate(invited: int, answered: int) -> Fraction | None:
    """The share of the invited who answered; None when nobody was invited."""
    return Fraction(min(answered, invited), invited) if invited else None


def frequency(visits: Sequence[Visit], since: datetime, until: datetime) -> Fraction:
    """Visits a year of one person between two instants, the second excluded. Raises ValueError for no time at all."""
    if until <= since:
        raise ValueError("a frequency needs a time between two instants")
    return (
        Fraction(len(within(visits, since, until)))
        * Fraction(YEAR / timedelta(microseconds=1))
        / Fraction((until - since) // timedelta(microseconds=1))
    )


def repeat_rate(visits: Mapping[int, Sequence[Visit]], since: datetime, until: datetime) -> Fraction | None:
    """Of the persons who came between two instants the share who came more than once; None when nobody came."""
    counts = [len(within(each, since, until)) for each in visits.values()]
    came = sum(count > 0 for count in counts)
    return Fraction(sum(count > 1 for count in counts), came) if came else None


def came_back(visits: Sequence[Visit], after: datetime, span: timedelta, now: datetime) -> bool | None:
    """Whether somebody came within `span` after an instant; None while that time is not over and they have not."""
    if within(visits, after + timedelta(microseconds=1), min(after + span, now) + timedelta(microseconds=1)):
        return True
    return None if now < after + span else False


def spent(visits: Sequence[Visit], since: datetime, until: datetime) -> float:
    """What one person spent between two instants; visits without an amount count nothing."""
    return float(sum(Fraction(str(one.amount)) for one in within(visits, since, until) if one.amount is not None))
