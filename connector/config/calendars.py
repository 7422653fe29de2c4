"""Calendars as the YAML has them: when people work."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from itertools import pairwise
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from connector.config.part import Model
from connector.config.quantities import Text
from connector.domain.model.nearest import nearest
from connector.domain.recovery import calendar as domain
from connector.domain.recovery.calendar import DAY, Span

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN: Final = re.compile(r"(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})")


def spans(value: object) -> tuple[Span, ...]:
    """`08:00-18:00`, or a list of such, in order and apart. Raises ValueError."""
    written = value if isinstance(value, list | tuple) else [value]
    found = tuple(each if isinstance(each, tuple) else _span(each) for each in written)
    if any(later[0] < earlier[1] for earlier, later in pairwise(found)):
        raise ValueError("spans of a day are in order and do not overlap")
    return found


def shown_span(value: Span) -> str:
    """A span as it is written."""
    return f"{value[0] // 60:02}:{value[0] % 60:02}-{value[1] // 60:02}:{value[1] % 60:02}"


def _span(value: object) -> Span:
    match = _SPAN.fullmatch(value.strip()) if isinstance(value, str) else None
    begins, ends = (None, None) if match is None else (_minute(match[1], match[2]), _minute(match[3], match[4]))
    if begins is None or ends is None or begins == ends:
        raise ValueError("expected a span of hours such as 08:00-18:00")
    if begins > ends:
        raise ValueError("a span ends on its day: write 22:00-24:00 here and 00:00-06:00 on the next day")
    return begins, ends


def _minute(hour: str, minute: str) -> int | None:
    found = int(hour) * 60 + int(minute)
    return found if int(minute) < 60 and found <= DAY else None


def days_of(text: str) -> tuple[int, ...]:
    """The weekdays, 0 Monday, that `mon`, `mon-fri`, `sat,sun` or `daily` mean. Raises ValueError."""
    found: list[int] = []
    for part in ("mon-sun" if text.strip().lower() == "daily" else text).lower().split(","):
        first, _, last = part.strip().partition("-")
        begins, ends = _day(first), _day(last or first)
        found += [day % 7 for day in range(begins, ends + (1 if begins <= ends else 8))]
    return tuple(found)


def _day(text: str) -> int:
    if text not in DAYS:
        meant = nearest(text, (*DAYS, "daily"))
        raise ValueError(f"there is no day {text!r}" + (f", did you mean {meant}?" if meant else ": write mon to sun"))
    return DAYS.index(text)


def _week(value: Mapping[str, tuple[Span, ...]]) -> Mapping[str, tuple[Span, ...]]:
    seen: set[int] = set()
    for text in value:
        for day in days_of(text):
            if day in seen:
                raise ValueError(f"{DAYS[day]} is there twice")
            seen.add(day)
    if not any(value.values()):
        raise ValueError("a calendar is open at some time")
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError("expected an IANA time zone such as Europe/Berlin") from None
    return value


def _region(value: str) -> str:
    domain.check_region(value)
    return value


def _shown(value: tuple[Span, ...]) -> list[str]:
    return [shown_span(each) for each in value]


Spans = Annotated[
    tuple[Span, ...],
    BeforeValidator(spans),
    PlainSerializer(_shown),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


class Calendar(Model):
    """When people work: deadlines count open time only."""

    time_zone: Annotated[Text, AfterValidator(_zone)] | None = Field(
        default=None, description="Of its hours. Unset: the file's `time_zone`."
    )
    hours: Annotated[dict[Text, Spans], AfterValidator(_week)] = Field(
        description="Day or days → open: `mon-fri: [08:00-12:00, 13:00-18:00]`; `daily`; a day not named is closed."
    )
    holidays: Annotated[Text, AfterValidator(_region)] | None = Field(
        default=None, description="A country whose public holidays are closed, or a part of one: `DE`, `DE-BE`."
    )
    closed: tuple[date, ...] = Field(default=(), description="Further closed days.")
    open: dict[date, Spans] = Field(default={}, description="Days with hours of their own, holidays too.")


def compiled(written: Calendar, time_zone: str) -> domain.Calendar:
    """The calendar as deadlines use it; `time_zone` where it names none."""
    week: list[tuple[Span, ...]] = [()] * 7
    for text, open_spans in written.hours.items():
        for day in days_of(text):
            week[day] = open_spans
    return domain.Calendar(
        zone=ZoneInfo(written.time_zone or time_zone),
        week=tuple(week),
        special={**dict.fromkeys(written.closed, ()), **written.open},
        holidays=written.holidays,
    )
