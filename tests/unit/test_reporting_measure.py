"""Shares, means and scores, against what textbooks print and the laws they keep."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.domain.model.recovery import Stage
from connector.domain.model.response import Metric
from connector.domain.reporting import measure
from connector.domain.reporting.figures import Facts, Figure, Recovered, Unit, figures_of, scales_of
from connector.domain.reporting.measure import Tally
from connector.domain.reporting.noticing import Coaching, Trend, fall
from connector.domain.reporting.period import around, before, parse
from connector.domain.reporting.report import folded, joined
from connector.domain.reporting.words import change_text, interval_text, number_text, span_text, target_text

TODAY = date(2026, 11, 25)
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def csat(value: float, number: int, *, ends: tuple[float, float] = (1, 5), metric: Metric = Metric.CSAT) -> Tally:
    return Tally(metric=metric, about="overall", value=value, lowest=ends[0], highest=ends[1], number=number)


def nps(value: float, number: int) -> Tally:
    return csat(value, number, ends=(0, 10), metric=Metric.NPS)


@pytest.mark.parametrize(
    ("part", "n", "low", "high"),
    [(8, 10, 0.4902, 0.9433), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662)],
)
def test_wilson_s_interval_is_the_published_one(part: int, n: int, low: float, high: float) -> None:
    """81 of 263 is the example of Newcombe, Statistics in Medicine 17 (1998) 857-872, method 3."""
    found = measure.share(part, n)
    assert found is not None
    assert found.low == pytest.approx(low, abs=1e-4)
    assert found.high == pytest.approx(high, abs=1e-4)


@given(n=st.integers(1, 5000), data=st.data())
def test_a_share_lies_in_its_interval_which_more_answers_narrow(n: int, data: st.DataObject) -> None:
    part = data.draw(st.integers(0, n))
    few, many = measure.share(part, n), measure.share(10 * part, 10 * n)
    assert few is not None
    assert many is not None
    assert few.low is not None
    assert few.high is not None
    assert many.low is not None
    assert many.high is not None
    assert 0 <= few.low <= few.value <= few.high <= 1
    assert many.high - many.low < few.high - few.low


@given(counts=st.lists(st.integers(0, 40), min_size=11, max_size=11).filter(any))
def test_a_net_score_lies_within_its_scale_and_interval(counts: list[int]) -> None:
    found = measure.net_promoters([nps(value, number) for value, number in enumerate(counts)])
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert -100 <= found.low < found.high <= 100
    assert found.value == pytest.approx(100 * (sum(counts[9:]) - sum(counts[:7])) / sum(counts))


def test_where_all_agree_a_net_score_is_still_not_certain() -> None:
    found = measure.net_promoters([nps(10, 10)])
    assert found is not None
    assert found.low is not None
    assert found.value == 100
    assert found.low < 90


def test_a_net_score_of_another_scale_is_none() -> None:
    assert measure.net_promoters([csat(5, 9, metric=Metric.NPS)]) is None


def test_means_of_several_scales_are_told_on_the_one_most_ratings_are_on() -> None:
    tallies = [csat(4, 3), csat(7, 1, ends=(1, 7))]
    scale = measure.common_scale(tallies)
    assert scale is not None
    assert list(scale) == [1, 5]
    found = measure.mean(tallies, scale)
    assert found is not None
    assert (found.value, found.n) == (4.25, 4)


@pytest.mark.parametrize(("ends", "least"), [((1, 5), 4), ((1, 7), 6), ((0, 10), 8), ((1, 10), 8), ((0, 1), 1)])
def test_who_is_satisfied(ends: tuple[float, float], least: int) -> None:
    satisfied = [value for value in range(int(ends[0]), int(ends[1]) + 1) if _is_satisfied(value, ends)]
    assert min(satisfied) == least


def _is_satisfied(value: int, ends: tuple[float, float]) -> bool:
    found = measure.satisfied([csat(value, 1, ends=ends)])
    return found is not None and found.value == 1


def test_nothing_is_told_of_few() -> None:
    facts = Facts(tallies=[csat(5, 4)], answers=4, unhappy=1)
    told = figures_of(facts, 5, scales_of(facts.tallies))
    assert [each.value for each in told] == [None] * len(told)
    assert {each.n for each in told} <= {None, 0}
    assert told[0].why == "fewer than 5"
    assert figures_of(Facts(tallies=[csat(5, 5)], answers=5), 5, scales_of([csat(5, 5)]))[0].value == 5


def recovered(minutes: int, stage: Stage = Stage.WON_BACK, *, timed: int = 2, missed: int = 0) -> Recovered:
    ended = None if stage is Stage.OPENED else NOON + timedelta(hours=minutes)
    return Recovered(
        opened_at=NOON, stage=stage, touched_at=NOON + timedelta(minutes=minutes), closed_at=ended,
        timed=timed, missed=missed,
    )  # fmt: skip


def test_what_was_done_about_it_in_figures() -> None:
    mine = [recovered(10), recovered(20, Stage.LOST, missed=1), recovered(90, Stage.OPENED, missed=2), recovered(30)]
    facts = Facts(recoveries=mine, asked=4, replied=1, invited=(40, 10), answers=10, customers=(8, 2))
    told = {each.id: each for each in figures_of(facts, 1, {})}
    assert told["first_touch"].value == 25 * 60
    assert told["resolution"].value == 20 * 3600
    assert told["steps_in_time"].value == 5 / 8
    assert (told["recoveries_in_time"].value, told["recoveries_in_time"].n) == (2 / 3, 3)
    assert (told["recovery_rate"].value, told["recovery_rate"].n) == (2 / 3, 3)
    assert told["engagement"].value == 0.25
    assert told["response_rate"].value == 0.25
    assert told["repeat_rate"].value == 0.25
    assert told["first_touch"].reaches(1800)
    assert told["first_touch"].reaches(60) is False


def test_what_nobody_knows_is_not_nought() -> None:
    told = {each.id: each for each in figures_of(Facts(answers=10), 5, {})}
    assert (told["response_rate"].value, told["response_rate"].why) == (None, "not known: no invitations")
    assert (told["repeat_rate"].value, told["repeat_rate"].why) == (None, "not known: no interactions")


Counts = st.dictionaries(st.one_of(st.none(), st.text("abc", min_size=1, max_size=3)), st.integers(0, 12), max_size=8)


@given(counts=Counts, minimum=st.integers(1, 6))
def test_no_slice_is_told_that_is_small_or_is_what_the_others_leave(
    counts: dict[str | None, int], minimum: int
) -> None:
    facts = {name: Facts(tallies=[csat(3, n)], answers=n, unhappy=n // 2) for name, n in counts.items()}
    told = folded(facts, minimum)
    assert all(one.answers >= minimum for _, one in told)
    missing = sum(counts.values()) - sum(one.answers for _, one in told)
    assert missing == 0 or not told or missing >= minimum
    if told and sum(counts.values()) >= minimum:
        assert missing == 0


def test_several_groups_as_one() -> None:
    one = Facts(tallies=[csat(1, 2)], answers=2, unhappy=1, recoveries=[recovered(1)], themes={"price": 2})
    both = joined([one, one])
    assert (both.answers, both.unhappy, len(both.recoveries), both.themes) == (4, 2, 2, {"price": 4})


@pytest.mark.parametrize(
    ("text", "first", "last", "name"),
    [
        ("month", "2026-11-01", "2026-11-25", "2026-11"), ("last-month", "2026-10-01", "2026-10-31", "2026-10"),
        ("week", "2026-11-23", "2026-11-25", "2026-W48"), ("last-week", "2026-11-16", "2026-11-22", "2026-W47"),
        ("quarter", "2026-10-01", "2026-11-25", "2026-Q4"), ("last-quarter", "2026-07-01", "2026-09-30", "2026-Q3"),
        ("2026", "2026-01-01", "2026-12-31", "2026"), ("2026-Q1", "2026-01-01", "2026-03-31", "2026-Q1"),
        ("2024-02", "2024-02-01", "2024-02-29", "2024-02"), ("2026-12", "2026-12-01", "2026-12-31", "2026-12"),
        ("2026-W01", "2025-12-29", "2026-01-04", "2026-W01"), ("2026-11-02", "2026-11-02", "2026-11-02", "2026-11-02"),
        ("2026-01-05/2026-02-01", "2026-01-05", "2026-02-01", "2026-01-05/2026-02-01"),
    ],
)  # fmt: skip
def test_periods_as_people_write_them(text: str, first: str, last: str, name: str) -> None:
    found = parse(text, TODAY)
    assert (found.first.isoformat(), found.last.isoformat(), found.name) == (first, last, name)


@pytest.mark.parametrize("text", ["", "moon", "2026-13", "2026-Q5", "2026-W60", "2026-02-30", "2026-02-02/2026-01-01"])
def test_what_is_no_period_says_what_one_is(text: str) -> None:
    with pytest.raises(ValueError, match="expected month, last-week, 2026"):
        parse(text, TODAY)


def test_days_begin_as_the_clock_of_the_zone_says() -> None:
    since, until = parse("2026-03-29", TODAY).bounds(ZoneInfo("Europe/Berlin"))
    assert until.astimezone(UTC) - since.astimezone(UTC) == timedelta(hours=23), "the clock goes forward that night"


@given(day=st.dates(date(1990, 1, 1), date(2090, 1, 1)), word=st.sampled_from(["week", "month", "quarter", "year"]))
def test_periods_follow_each_other_without_a_gap(day: date, word: str) -> None:
    here, earlier = around(word, day), before(word, day)
    assert here.first <= day <= here.last
    assert earlier.last + timedelta(days=1) == here.first
    parts = list(here.parts())
    assert parts[0].first == here.first
    assert parts[-1].last == here.last
    assert all(one.last + timedelta(days=1) == two.first for one, two in pairwise(parts))


def test_how_figures_are_written() -> None:
    one = Figure(id="x", label="x", unit=Unit.SHARE, value=0.874, n=9, low=0.61, high=0.95)
    two = Figure(id="x", label="x", unit=Unit.SHARE, value=0.9, n=9)
    assert (interval_text(one), change_text(one, two), target_text(one, 0.9)) == ("61 to 95 %", "-3 pp", "90 % missed")
    assert [span_text(each) for each in (0, 59, 61, 3600, 3661, 200_000)] == [
        "0 s", "59 s", "1 min 1 s", "1 h", "1 h 1 min", "2 d 7 h",
    ]  # fmt: skip
    assert (number_text(-0.4, Unit.NET), number_text(12, Unit.NET)) == ("0", "+12")


def test_coaching_needs_enough_low_scores_of_enough_answers() -> None:
    rule = Coaching(by="staff", low=3, within=timedelta(days=7), minimum=5)
    assert rule.is_due(5, 3)
    assert not rule.is_due(4, 3)
    assert not rule.is_due(50, 2)


def low(weeks: int = 3, minimum: int = 10, *, below: float | None = 3.8, drop: float | None = None) -> Trend:
    return Trend(by=("service",), metric=Metric.CSAT, weeks=weeks, minimum=minimum, below=below, drop=drop)


def test_a_score_is_low_only_when_every_week_says_so() -> None:
    bad, good, few = [csat(3, 10)], [csat(5, 10)], [csat(3, 9)]
    found = fall(low(), [good, bad, bad, bad])
    assert found is not None
    assert (found.now, found.answers) == (3, 30)
    for weeks in ([bad, bad, good], [bad, good, bad], [bad, few, bad], [bad, [], bad], [bad, bad]):
        assert fall(low(), weeks) is None
    assert fall(low(below=3.0), [bad, bad, bad]) is None, "at the mark is not below it"


def test_a_drop_is_against_as_many_weeks_before() -> None:
    rule = low(2, below=None, drop=0.5)
    found = fall(rule, [[csat(4, 5)], [csat(4, 5)], [csat(3, 5)], [csat(4, 5)]])
    assert found is not None
    assert (found.now, found.before) == (3.5, 4)
    assert fall(rule, [[csat(4, 5)], [csat(4, 4)], [csat(3, 5)], [csat(4, 5)]]) is None, "too few before"
    assert fall(rule, [[csat(4, 5)], [csat(3, 5)], [csat(3, 5)], [csat(4, 5)]]) is None
    assert fall(rule, [[csat(3, 5)], [csat(4, 5)]]) is None
