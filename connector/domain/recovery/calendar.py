"""Open time: what counts towards a deadline. An instant is open when the zone's wall clock shows an open time then.

Everything follows from that sentence, DST included: an hour the clock skips is no open time, an hour it shows twice is
open twice. Intervals are worked out in instants (UTC), never by adding to wall times.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import holidays
from holidays.registry import EntityLoader

Span = tuple[int, int]
"""Minutes since midnight by the wall clock: from, up to but without; 1440 is the midnight that ends the day."""
DAY: Final = 1440
FAR: Final = 3 * 366
"""Days looked ahead: a calendar that has less open time in three years than a deadline needs is a mistake."""
_EDGE: Final = timedelta(hours=30)
"""A local day is over, in every zone and whatever its clock does, so long after its first midnight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """When people work: `week` has the open spans of Monday to Sunday, `special` those of single days instead.

    `holidays` is a country, with a subdivision where it has its own (`DE`, `DE-BE`), whose public holidays are closed.
    """

    zone: ZoneInfo
    week: tuple[tuple[Span, ...], ...]
    special: Mapping[date, tuple[Span, ...]] = field(default_factory=dict)
    holidays: str | None = None

    def spans(self, day: date) -> tuple[Span, ...]:
        """The open spans of one local day, in order."""
        if day in self.special:
            return self.special[day]
        if self.holidays is not None and day in holidays_of(self.holidays, day.year):
            return ()
        return self.week[day.weekday()]

    def intervals(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        """The open intervals of one local day as instants, in order; one is cut in two where the clock is changed."""
        spans = self.spans(day)
        if not spans:
            return
        midnight = datetime.combine(day, time(0), UTC)
        for begins, ends, offset in _pieces(self.zone, day):
            for first, last in spans:
                start = max(midnight + timedelta(minutes=first) - offset, begins)
                stop = min(midnight + timedelta(minutes=last) - offset, ends)
                if start < stop:
                    yield start, stop

    def is_open(self, moment: datetime) -> bool:
        """Whether an instant is open."""
        local = moment.astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        return any(first <= minute < last for first, last in self.spans(local.date()))

    def add(self, start: datetime, open_time: timedelta) -> datetime:
        """The first instant by which `open_time` has passed since `start`; none at all: the first open instant from it.

        Raises ValueError when three years have less open time than that.
        """
        left = open_time
        for begins, ends in self._from(start):
            first = max(begins, start)
            if first >= ends:
                continue
            if left <= ends - first:
                return first + left
            left -= ends - first
        raise ValueError(f"a calendar that is never open for {open_time} in three years")

    def between(self, start: datetime, end: datetime) -> timedelta:
        """The open time from `start` to `end`; zero when that is not later."""
        found = timedelta(0)
        for begins, ends in self._from(start):
            if begins >= end:
                break
            found += max(min(ends, end) - max(begins, start), timedelta(0))
        return found

    def _from(self, start: datetime) -> Iterator[tuple[datetime, datetime]]:
        first = start.astimezone(self.zone).date() - timedelta(days=1)
        for number in range(FAR):
            yield from self.intervals(first + timedelta(days=number))


def after(calendar: Calendar | None, start: datetime, open_time: timedelta) -> datetime:
    """When `open_time` has passed since `start`; without a calendar every hour counts."""
    return start + open_time if calendar is None else calendar.add(start, open_time)


def open_time(calendar: Calendar | None, start: datetime, end: datetime) -> timedelta:
    """How much of the time from `start` to `end` counts."""
    return max(end - start, timedelta(0)) if calendar is None else calendar.between(start, end)


def check_region(region: str) -> None:
    """Raises ValueError for a region whose public holidays are not known, as `holidays_of` does.

    A country is only looked up among the codes: its holidays take as long to load as a small program.
    """
    if "-" in region or region not in EntityLoader.get_country_codes():
        holidays_of(region, 2026)


@lru_cache(maxsize=256)
def holidays_of(region: str, year: int) -> frozenset[date]:
    """The public holidays of a country (`DE`) or a part of it (`DE-BE`) in one year (the `holidays` package).

    Raises ValueError for a region it does not know.
    """
    country, _, part = region.partition("-")
    try:
        return frozenset(holidays.country_holidays(country, subdiv=part or None, years=year, expand=False))
    except NotImplementedError:  # what the library raises for a country or part it does not know
        raise ValueError(
            f"the public holidays of {region!r} are not known: write a country such as DE, or DE-BE"
        ) from None


@lru_cache(maxsize=4096)
def _pieces(zone: ZoneInfo, day: date) -> tuple[tuple[datetime, datetime, timedelta], ...]:
    """The instants around a local day in stretches of one offset from UTC: from, up to, offset."""
    begins = datetime.combine(day, time(0), UTC) - _EDGE
    last = begins + 2 * _EDGE + timedelta(days=1)
    found: list[tuple[datetime, datetime, timedelta]] = []
    while begins < last:
        offset = _offset(zone, begins)
        ends = begins
        while ends < last and _offset(zone, ends) == offset:
            ends += timedelta(hours=1)
        ends = _turn(zone, ends - timedelta(hours=1), ends) if ends < last else last
        found.append((begins, ends, offset))
        begins = ends
    return tuple(found)


def _turn(zone: ZoneInfo, before: datetime, after_it: datetime) -> datetime:
    """The instant, to the second, at which the offset changes between two instants that have different ones."""
    offset = _offset(zone, before)
    while after_it - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after_it - before) // timedelta(seconds=2))
        before, after_it = (middle, after_it) if _offset(zone, middle) == offset else (before, middle)
    return after_it


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    found = moment.astimezone(zone).utcoffset()
    assert found is not None
    return found
