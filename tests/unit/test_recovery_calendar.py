"""Open time, held against an oracle that knows nothing of intervals: it looks at the wall clock, minute by minute."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connector.domain.recovery.calendar import DAY, Calendar, Span, after, check_region, holidays_of, open_time

# Both directions of DST; half an hour; at midnight; none; a day that was skipped is long ago.
ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Havana",
    "Asia/Beirut",
    "UTC",
    "Asia/Kolkata",
)
WEEKS = {
    "desk": ((480, 720), (780, 1080)),
    "late": ((0, 90), (1320, DAY)),
    "clock": ((0, DAY),),
}
MINUTE = timedelta(minutes=1)


def calendar(zone: str, *spans: Span, days: int = 5, special: dict[date, tuple[Span, ...]] | None = None) -> Calendar:
    week = tuple(spans if number < days else () for number in range(7))
    return Calendar(zone=ZoneInfo(zone), week=week, special=special or {})


def oracle(it: Calendar, start: datetime, open_minutes: int) -> datetime:
    """Walk minute by minute, asking nothing but what the clock on the wall shows."""
    moment = start
    while True:
        if shows_open(it, moment):
            if open_minutes == 0:
                return moment
            open_minutes -= 1
            moment += MINUTE
            if open_minutes == 0:
                return moment
        else:
            moment += MINUTE


def shows_open(it: Calendar, moment: datetime) -> bool:
    local = moment.astimezone(it.zone)
    spans = it.special.get(local.date(), it.week[local.weekday()])
    return any(first <= local.hour * 60 + local.minute < last for first, last in spans)


# Around the days on which some clock is changed, where mistakes live.
days = st.sampled_from(
    [
        date(2026, 3, 8), date(2026, 3, 28), date(2026, 3, 29), date(2026, 4, 5), date(2026, 10, 4), date(2026, 10, 24),
        date(2026, 10, 25), date(2026, 11, 1), date(2026, 6, 17),
    ]
)  # fmt: skip
moments = st.builds(
    lambda day, minutes: datetime(day.year, day.month, day.day, tzinfo=UTC) + minutes * MINUTE,
    days,
    st.integers(-DAY, 2 * DAY),
)


@given(st.sampled_from(ZONES), st.sampled_from(sorted(WEEKS)), moments, st.integers(0, 3 * 600))
@example("Europe/Berlin", "late", datetime(2026, 3, 28, 22, 30, tzinfo=UTC), 120)
@example("Europe/Berlin", "late", datetime(2026, 10, 24, 22, 30, tzinfo=UTC), 240)
@example("Australia/Lord_Howe", "clock", datetime(2026, 4, 4, 13, 0, tzinfo=UTC), 200)
def test_a_deadline_is_where_the_wall_clock_says(zone: str, week: str, start: datetime, minutes: int) -> None:
    it = calendar(zone, *WEEKS[week], days=7)
    assert it.add(start, minutes * MINUTE) == oracle(it, start, minutes)


@given(st.sampled_from(ZONES), moments, st.integers(0, 2000), st.integers(0, 2000))
def test_open_time_adds_up(zone: str, start: datetime, first: int, second: int) -> None:
    it = calendar(zone, *WEEKS["desk"], days=7, special={date(2026, 3, 30): (), date(2026, 6, 18): ((600, 660),)})
    middle = it.add(start, first * MINUTE)
    end = it.add(middle, second * MINUTE)
    assert it.between(start, middle) == first * MINUTE
    assert it.between(start, end) == (first + second) * MINUTE
    assert end == (it.add(start, (first + second) * MINUTE) if second else end)


@given(st.sampled_from(ZONES), moments, st.integers(1, 1500), st.integers(0, 4000))
def test_never_early(zone: str, start: datetime, minutes: int, before: int) -> None:
    it = calendar(zone, *WEEKS["desk"], days=7)
    due = it.add(start, minutes * MINUTE)
    assert it.between(start, due - MINUTE) < minutes * MINUTE
    assert it.between(start, due - before * MINUTE) <= minutes * MINUTE


def test_a_night_in_which_the_clock_is_set_forward_has_an_hour_less_and_one_more_when_it_is_set_back() -> None:
    it = calendar("Europe/Berlin", (0, DAY), days=7)
    lengths = [
        sum((stop - start for start, stop in it.intervals(day)), timedelta(0)) / timedelta(hours=1)
        for day in (date(2026, 3, 29), date(2026, 10, 25), date(2026, 6, 1))
    ]
    assert lengths == [23, 25, 24]


def test_half_an_hour_before_closing_on_a_friday_half_of_it_is_left_for_monday() -> None:
    it = calendar("Europe/Berlin", *WEEKS["desk"])
    friday = datetime(2026, 11, 27, 16, 45, tzinfo=UTC)  # 17:45 there, closing at 18:00
    assert it.add(friday, 30 * MINUTE) == datetime(2026, 11, 30, 7, 15, tzinfo=UTC)
    assert it.add(friday, 15 * MINUTE) == datetime(2026, 11, 27, 17, 0, tzinfo=UTC), "due at closing, not at opening"


def test_public_holidays_are_closed_where_they_are_kept() -> None:
    week = tuple(((480, 1080),) for _ in range(7))
    berlin, bavaria = (Calendar(zone=ZoneInfo("Europe/Berlin"), week=week, holidays=one) for one in ("DE-BE", "DE-BY"))
    epiphany, new_year = date(2026, 1, 6), date(2026, 1, 1)
    assert (berlin.spans(epiphany), bavaria.spans(epiphany)) == (((480, 1080),), ())
    assert berlin.spans(new_year) == ()
    opened = Calendar(zone=ZoneInfo("UTC"), week=week, holidays="DE", special={new_year: ((600, 720),)})
    assert opened.spans(new_year) == ((600, 720),), "what is written for the day wins"


@pytest.mark.parametrize("asks", [check_region, lambda region: holidays_of(region, 2026)])
@pytest.mark.parametrize("region", ["XX", "DE-QQ", "XX-BE", "de", ""])
def test_who_knows_no_such_region_says_so(asks: Callable[[str], object], region: str) -> None:
    with pytest.raises(ValueError, match=repr(region)):
        asks(region)


@pytest.mark.parametrize("region", ["DE", "DEU", "DE-BE", "US-CA"])
def test_a_region_that_passes_has_holidays(region: str) -> None:
    check_region(region)
    assert holidays_of(region, 2026)


def test_a_calendar_that_is_never_open_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="never open"):
        calendar("UTC").add(datetime(2026, 1, 1, tzinfo=UTC), MINUTE)


def test_without_a_calendar_every_hour_counts() -> None:
    start = datetime(2026, 3, 28, 12, tzinfo=UTC)
    assert after(None, start, timedelta(hours=48)) == start + timedelta(hours=48)
    assert open_time(None, start, start + timedelta(hours=3)) == timedelta(hours=3)
    assert open_time(None, start, start - timedelta(hours=3)) == timedelta(0)
