"""Spans of days, the way people name them: `month`, `last-week`, `2026-11`, `2026-Q1`, `2026-W48`, `2026-11-02`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Final

WORDS: Final = ("day", "week", "month", "quarter", "year")
EXPECTED_DATED: Final = "expected 2026, 2026-Q1, 2026-11, 2026-W48, 2026-11-02 or 2026-11-02/2026-11-08"
EXPECTED: Final = EXPECTED_DATED.replace("expected", "expected month, last-week,")
_DAY: Final = timedelta(days=1)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MOST_DAYS, MOST_WEEKS = 31, 27
"""Up to so many a line over time has a point for each day, then for each week, then for each month."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Whole days from `first` to `last`, and what they are called."""

    name: str
    first: date
    last: date

    def bounds(self, zone: tzinfo) -> tuple[datetime, datetime]:
        """Its first instant, and the first that is no longer in it; days begin as the clock of `zone` says."""
        after = self.last + _DAY
        return datetime.combine(self.first, time(), zone), datetime.combine(after, time(), zone)

    @property
    def short(self) -> str:
        """What it is called where there is little room, as what others are compared with."""
        return "the baseline" if "/" in self.name else self.name

    @property
    def days(self) -> int:
        """How many."""
        return (self.last - self.first).days + 1

    @property
    def text(self) -> str:
        """`2026-11 (1 Nov 2026 to 30 Nov 2026)`."""
        span = day_text(self.first) if self.first == self.last else f"{day_text(self.first)} to {day_text(self.last)}"
        return span if self.name == f"{self.first}/{self.last}" else f"{self.name} ({span})"

    def parts(self) -> Iterator[Period]:
        """Its days, weeks or months, each as far as it lies in it: what a line over time has a point for."""
        word = "day" if self.days <= MOST_DAYS else "week" if self.days <= 7 * MOST_WEEKS else "month"
        at = self.first
        while at <= self.last:
            whole = around(word, at)
            yield Period(name=whole.name, first=at, last=min(whole.last, self.last))
            at = whole.last + _DAY


def day_text(day: date) -> str:
    """`2 Nov 2026`."""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def around(word: str, day: date) -> Period:
    """The day, ISO week, month, quarter or year that `day` lies in."""
    if word == "day":
        return Period(name=day.isoformat(), first=day, last=day)
    if word == "week":
        first = day - timedelta(days=day.weekday())
        year, number, _ = day.isocalendar()
        return Period(name=f"{year}-W{number:02d}", first=first, last=first + timedelta(days=6))
    if word == "year":
        return Period(name=f"{day.year}", first=date(day.year, 1, 1), last=date(day.year, 12, 31))
    months = 3 if word == "quarter" else 1
    start = day.month - (day.month - 1) % months
    first = date(day.year, start, 1)
    after = date(day.year + (start + months > 12), (start + months - 1) % 12 + 1, 1)
    name = f"{day.year}-Q{(start + 2) // 3}" if word == "quarter" else f"{day.year}-{day.month:02d}"
    return Period(name=name, first=first, last=after - _DAY)


def before(word: str, day: date) -> Period:
    """The last whole week, month … before the one that `day` lies in."""
    return around(word, around(word, day).first - _DAY)


def parse(text: str, today: date) -> Period:
    """A period as somebody wrote it. Words mean the one `today` is in, as far as it has come. Raises ValueError."""
    if text in WORDS:
        whole = around(text, today)
        return Period(name=whole.name, first=whole.first, last=today)
    if text.startswith("last-") and text[5:] in WORDS:
        return before(text[5:], today)
    try:
        return dated(text)
    except ValueError:
        raise ValueError(EXPECTED) from None


def dated(text: str) -> Period:
    """A period that is the same whenever one asks. Raises ValueError."""
    if "/" in text:
        first, last = (date.fromisoformat(each) for each in text.split("/"))
        if first > last:
            raise ValueError(text)
        return Period(name=text, first=first, last=last)
    if re.fullmatch(r"\d{4}", text):
        return around("year", date(int(text), 1, 1))
    if found := re.fullmatch(r"(\d{4})-Q([1-4])", text):
        return around("quarter", date(int(found[1]), 3 * int(found[2]), 1))
    if found := re.fullmatch(r"(\d{4})-W(\d\d)", text):
        return around("week", date.fromisocalendar(int(found[1]), int(found[2]), 1))
    if re.fullmatch(r"\d{4}-\d\d", text):
        return around("month", date.fromisoformat(f"{text}-01"))
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return around("day", date.fromisoformat(text))
    raise ValueError(text)
