"""The laws of the health score: exact, in any order, adding up, decaying, shrinking, silent when it knows little."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import settings as tried
from hypothesis import strategies as st

from connector.domain.model.response import Metric
from connector.domain.model.score import Fact
from connector.domain.scoring.bands import fold_bands, plain_band
from connector.domain.scoring.components import decay
from connector.domain.scoring.config import (
    Band,
    ComponentConfig,
    ComponentKind,
    Measure,
    Missing,
    ScoringConfig,
    Shrink,
    digest,
)
from connector.domain.scoring.score import Ageing, score

pytestmark = pytest.mark.slow  # `make quick` leaves it to `make test`

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = timedelta(days=1)
BANDS = (Band(name="critical", floor=0), Band(name="at_risk", floor=40), Band(name="healthy", floor=70))


def answers(
    name: str, weight: float, metric: Metric = Metric.CSAT, half_life: timedelta | None = None
) -> ComponentConfig:
    return ComponentConfig(name=name, weight=weight, kind=ComponentKind.ANSWERS, metric=metric, half_life=half_life)


def signal(name: str, measure: Measure, best: float, worst: float, window: timedelta | None = None) -> ComponentConfig:
    return ComponentConfig(
        name=name, weight=10, kind=ComponentKind.SIGNAL, measure=measure, best=best, worst=worst, window=window
    )


def config(*components: ComponentConfig, **settings: object) -> ScoringConfig:
    plain = ScoringConfig(components=components, bands=BANDS)
    return replace(plain, **settings)  # type: ignore[arg-type]  # the fields of ScoringConfig


def fact(component: str, value: float, days: float = 0, source: str | None = None) -> Fact:
    return Fact(component=component, value=value, at=NOW - days * DAY, source=source or f"{component}/{value}/{days}#x")


EXAMPLE = ScoringConfig(
    components=(
        answers("csat", 40, half_life=90 * DAY),
        answers("nps", 15, Metric.NPS, half_life=180 * DAY),
        ComponentConfig(name="sentiment", weight=15, kind=ComponentKind.SENTIMENT, half_life=60 * DAY),
        replace(signal("tickets", Measure.COUNT, 0, 5, window=90 * DAY), weight=15),
        replace(signal("purchases", Measure.DAYS_SINCE, 180, 540), weight=15),
    ),
    bands=BANDS,
    shrink=Shrink(toward=60, answers=1),
    coverage=0.4,
    margin=3,
)

FACTS = st.lists(
    st.builds(
        Fact,
        component=st.sampled_from(["csat", "nps", "sentiment", "tickets", "purchases", "unknown"]),
        value=st.floats(0, 100, allow_nan=False) | st.integers(0, 7).map(float),
        at=st.integers(-60, 500).map(lambda days: NOW - days * DAY),
        source=st.integers(0, 12).map(lambda number: f"typeform/f/{number}#x"),
    ),
    max_size=14,
)
CONFIGS = st.builds(
    replace,
    st.just(EXAMPLE),
    shrink=st.builds(Shrink, toward=st.integers(0, 100).map(float), answers=st.integers(0, 5).map(float)),
    coverage=st.sampled_from([0.0, 0.15, 0.4, 1.0]),
    missing=st.sampled_from(Missing),
    margin=st.sampled_from([0.0, 3.0, 10.0]),
)


def test_the_vector_of_natero() -> None:
    """83·7/23 + 71·5/23 + 78·8/23 + 54·3/23 = 75, published by Natero (Freshsuccess); 74.87 before their rounding."""
    given_ = {"a": (83, 7), "b": (71, 5), "c": (78, 8), "d": (54, 3)}
    result = score(
        [fact(name, value) for name, (value, _) in given_.items()],
        NOW,
        config(*(answers(name, weight) for name, (_, weight) in given_.items())),
    )
    assert result.hundredths == 7487
    assert [part.points for part in result.contributions] == [2526, 1544, 2713, 704]
    assert [part.value for part in result.contributions] == [8300, 7100, 7800, 5400]
    assert round(result.points or 0) == 75


@given(facts=FACTS, settings=CONFIGS, data=st.data())
def test_any_order_gives_the_same_digits(facts: list[Fact], settings: ScoringConfig, data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(facts))
    components = data.draw(st.permutations(settings.components))
    assert score(shuffled, NOW, replace(settings, components=tuple(components))) == score(facts, NOW, settings)


@tried(deadline=None)
@given(facts=FACTS, settings=CONFIGS, days=st.lists(st.integers(-60, 400), max_size=4))
def test_what_one_date_needed_changes_no_other(facts: list[Fact], settings: ScoringConfig, days: list[int]) -> None:
    ageing = Ageing(facts, settings)
    for moment in [*(NOW + timedelta(days=each) for each in days), *(one.at for one in facts)]:
        assert ageing.at(moment) == Ageing(facts, settings).at(moment)


@given(facts=FACTS, settings=CONFIGS)
def test_contributions_add_up_to_the_last_digit(facts: list[Fact], settings: ScoringConfig) -> None:
    result = score(facts, NOW, settings)
    assert sum(part.points for part in result.contributions) == (result.hundredths or 0)
    assert [part.component for part in result.contributions] == sorted(one.name for one in settings.components)


@given(facts=FACTS, settings=CONFIGS)
def test_a_score_lies_between_0_and_100(facts: list[Fact], settings: ScoringConfig) -> None:
    result = score(facts, NOW, settings)
    assert result.hundredths is None or 0 <= result.hundredths <= 10_000
    assert 0 <= result.coverage <= 1
    assert (result.band is None) == (result.hundredths is None)


@given(facts=FACTS, settings=CONFIGS)
def test_a_fact_told_twice_counts_once(facts: list[Fact], settings: ScoringConfig) -> None:
    assert score(facts + facts, NOW, settings) == score(facts, NOW, settings)


@given(facts=FACTS, settings=CONFIGS)
def test_the_future_does_not_count(facts: list[Fact], settings: ScoringConfig) -> None:
    past = [one for one in facts if one.at <= NOW]
    assert score(facts, NOW, settings) == score(past, NOW, settings)


@given(facts=FACTS, settings=CONFIGS)
def test_the_zone_of_a_time_does_not_count(facts: list[Fact], settings: ScoringConfig) -> None:
    elsewhere = [replace(one, at=one.at.astimezone(timezone(timedelta(hours=9)))) for one in facts]
    assert score(elsewhere, NOW, settings) == score(facts, NOW, settings)


@given(values=st.lists(st.floats(0, 100), min_size=1, max_size=8), better=st.floats(0, 100))
def test_a_better_answer_never_lowers_the_score(values: list[float], better: float) -> None:
    def scored(first: float) -> int:
        facts = [fact("csat", value, source=f"k{number}#x") for number, value in enumerate([first, *values[1:]])]
        return score(facts, NOW, config(answers("csat", 1), shrink=Shrink(toward=60, answers=1))).hundredths or 0

    low, high = sorted((values[0], better))
    assert scored(low) <= scored(high)


def test_a_fact_halves_with_each_half_life() -> None:
    assert decay(0, 90 * DAY) == 10**12
    assert decay(90, 90 * DAY) == 5 * 10**11
    assert decay(180, 90 * DAY) == 25 * 10**10
    assert decay(1, timedelta(hours=12)) == 25 * 10**10
    assert decay(45, 90 * DAY) == round(Fraction(2**0.5) / 2 * 10**12)
    assert decay(10_000, None) == 10**12


def test_age_counts_in_whole_days() -> None:
    settings = config(answers("csat", 1, half_life=1 * DAY))
    result = score([fact("csat", 100, 0.99), fact("csat", 0, 1.01)], NOW, settings)
    assert result.hundredths == 6667  # weights 1 and ½


def test_an_old_answer_weighs_half_after_its_half_life() -> None:
    result = score([fact("csat", 0, 90), fact("csat", 100, 0)], NOW, config(answers("csat", 1, half_life=90 * DAY)))
    assert result.hundredths == 6667


def test_an_answer_of_forty_half_lives_ago_is_no_data() -> None:
    result = score([fact("csat", 100, 42)], NOW, config(answers("csat", 1, half_life=1 * DAY), coverage=0.1))
    assert (result.hundredths, result.coverage) == (None, 0)


def test_few_answers_pull_less() -> None:
    settings = config(answers("csat", 1), shrink=Shrink(toward=60, answers=1))
    assert score([fact("csat", 0)], NOW, settings).hundredths == 3000
    assert score([fact("csat", 0, source=f"{n}#x") for n in range(3)], NOW, settings).hundredths == 1500


def test_below_the_coverage_floor_nothing_is_published() -> None:
    settings = config(answers("csat", 40), answers("nps", 60, Metric.NPS), coverage=0.4)
    assert score([fact("csat", 50)], NOW, settings).hundredths == 5000  # 40 of 100 is not below 0.4
    silent = score([fact("csat", 50)], NOW, replace(settings, coverage=0.41))
    assert (silent.hundredths, silent.points, silent.band, silent.trend) == (None, None, None, None)
    assert silent.coverage == 0.4
    assert [part.points for part in silent.contributions] == [0, 0]
    assert silent.contributions[0].value == 5000


def test_no_facts_are_no_score_rather_than_zero() -> None:
    for missing in Missing:
        assert score([], NOW, replace(EXAMPLE, coverage=0.0, missing=missing)).hundredths is None


@pytest.mark.parametrize(
    ("missing", "hundredths"), [(Missing.RENORMALIZE, 8000), (Missing.NEUTRAL, 6500), (Missing.ZERO, 4000)]
)
def test_what_a_missing_component_does(missing: Missing, hundredths: int) -> None:
    settings = config(answers("csat", 1), answers("nps", 1, Metric.NPS), missing=missing)
    assert score([fact("csat", 80)], NOW, settings).hundredths == hundredths


def test_neutral_is_what_answers_are_shrunk_toward() -> None:
    settings = config(
        answers("csat", 1), answers("nps", 1, Metric.NPS), missing=Missing.NEUTRAL, shrink=Shrink(toward=70, answers=1)
    )
    assert score([fact("csat", 70)], NOW, settings).hundredths == 7000


def test_a_newer_reading_of_one_source_replaces_the_older() -> None:
    facts = [fact("csat", 0, 5, "k#csat"), fact("csat", 100, 1, "k#csat")]
    result = score(facts, NOW, config(answers("csat", 1)))
    assert (result.hundredths, result.answers, result.contributions[0].answers) == (10_000, 1, 1)


def test_of_two_readings_at_once_the_larger_counts_whichever_came_first() -> None:
    for value in range(20):  # several, since a set's order may be right by accident
        facts = [fact("csat", 100, 1, "k#csat"), fact("csat", value, 1, "k#csat")]
        for order in (facts, facts[::-1]):
            assert score(order, NOW, config(answers("csat", 1))).hundredths == 10_000


def test_days_since_runs_from_best_to_worst() -> None:
    settings = config(signal("bought", Measure.DAYS_SINCE, 180, 540))
    for days, hundredths in ((0, 10_000), (180, 10_000), (360, 5000), (540, 0), (900, 0)):
        assert score([fact("bought", 0, days)], NOW, settings).hundredths == hundredths
    assert score([fact("bought", 0, 900), fact("bought", 0, 10)], NOW, settings).hundredths == 10_000


def test_a_count_adds_what_lies_in_the_window() -> None:
    settings = config(signal("tickets", Measure.COUNT, 0, 5, window=90 * DAY))
    facts = [
        fact("tickets", 1, 3, "zendesk/1"),
        fact("tickets", 1, 89, "zendesk/2"),
        fact("tickets", 1, 90, "zendesk/3"),
    ]
    assert score(facts, NOW, settings).hundredths == 6000
    assert score(facts[2:], NOW, settings).hundredths == 10_000
    assert score([fact("tickets", 0, 1, "zendesk/none")], NOW, settings).hundredths == 10_000
    assert score([], NOW, settings).hundredths is None


def test_a_value_is_the_newest_reading() -> None:
    settings = config(signal("seats", Measure.VALUE, 100, 0))
    assert score([fact("seats", 90, 9, "a"), fact("seats", 20, 1, "b")], NOW, settings).hundredths == 2000


def test_signals_are_not_answers() -> None:
    facts = [
        fact("csat", 80, source="k1#csat"),
        fact("nps", 80, source="k1#nps"),
        fact("tickets", 1),
        fact("purchases", 0),
    ]
    result = score(facts, NOW, EXAMPLE)
    assert result.answers == 1
    assert {part.component: part.answers for part in result.contributions}["tickets"] == 1


def test_trend_compares_with_thirty_days_before() -> None:
    settings = config(answers("csat", 1))
    result = score([fact("csat", 80, 30, "a#x"), fact("csat", 40, 29, "b#x")], NOW, settings)
    assert (result.hundredths, result.trend) == (6000, -2000)
    assert score([fact("csat", 80, 29)], NOW, settings).trend is None


def test_bands_fold_in_event_order_whatever_the_order_of_arrival() -> None:
    settings = config(answers("csat", 1), margin=3)
    up = [fact("csat", 72, 9, "a#x"), fact("csat", 64, 5, "b#x")]  # healthy at 72, then 68: still healthy
    assert score(up, NOW, settings).band == "healthy"
    assert score(up[::-1], NOW, settings).band == "healthy"
    fresh = score([fact("csat", 68, 5)], NOW, settings)
    assert (fresh.hundredths, fresh.band) == (6800, "at_risk")


@pytest.mark.parametrize(
    ("scores", "band"),
    [
        ([6999], "at_risk"),
        ([7000], "healthy"),
        ([7000, 6700], "healthy"),
        ([7000, 6699], "at_risk"),
        ([6000, 7299], "at_risk"),
        ([6000, 7300], "healthy"),
        ([7000, 6699, 7200], "at_risk"),
        ([100, 7150], "healthy"),
        ([9000, 3800], "critical"),
        ([7000, None, 6800], "at_risk"),
        ([7000, None], None),
        ([], None),
    ],
)
def test_a_band_is_left_only_by_more_than_the_margin(scores: list[int | None], band: str | None) -> None:
    assert fold_bands(scores, BANDS, 3) == band


@given(scores=st.lists(st.integers(0, 10_000), min_size=1))
def test_without_a_margin_a_band_is_the_scores_own(scores: list[int]) -> None:
    assert fold_bands(scores, BANDS, 0) == plain_band(scores[-1], BANDS)


@given(start=st.integers(0, 10_000), wobble=st.lists(st.integers(-149, 149), max_size=20))
def test_a_score_that_wobbles_less_than_half_the_margin_keeps_its_band(start: int, wobble: list[int]) -> None:
    band = fold_bands([start], BANDS, 3)
    assert fold_bands([start, *(min(max(start + step, 0), 10_000) for step in wobble)], BANDS, 3) == band


def test_the_digest_knows_every_setting_and_no_order() -> None:
    turned = replace(EXAMPLE, components=EXAMPLE.components[::-1], bands=EXAMPLE.bands[::-1])
    assert digest(turned) == digest(EXAMPLE)
    first, *rest = EXAMPLE.components
    signal_ = next(one for one in EXAMPLE.components if one.measure is Measure.COUNT)
    others = tuple(one for one in EXAMPLE.components if one is not signal_)
    changed = [
        replace(EXAMPLE, margin=4),
        replace(EXAMPLE, coverage=0.5),
        replace(EXAMPLE, missing=Missing.ZERO),
        replace(EXAMPLE, shrink=Shrink(toward=61, answers=1)),
        replace(EXAMPLE, shrink=Shrink(toward=60, answers=2)),
        replace(EXAMPLE, bands=(*BANDS[:2], Band(name="healthy", floor=71))),
        replace(EXAMPLE, bands=(*BANDS[:2], Band(name="fine", floor=70))),
        replace(EXAMPLE, components=tuple(rest)),
        *(
            replace(EXAMPLE, components=(replace(first, **change), *rest))
            for change in ({"name": "x"}, {"weight": 1}, {"metric": Metric.CES}, {"half_life": 9 * DAY})
        ),
        *(
            replace(EXAMPLE, components=(replace(signal_, **change), *others))
            for change in ({"best": 1}, {"worst": 6}, {"window": 9 * DAY}, {"measure": Measure.VALUE})
        ),
    ]
    digests = [digest(one) for one in [EXAMPLE, *changed]]
    assert len(set(digests)) == len(digests)


@pytest.mark.parametrize(
    "build",
    [
        lambda: config(coverage=0.5),
        lambda: config(answers("a", 1), answers("a", 2)),
        lambda: answers("a", 0),
        lambda: answers("a", float("nan")),
        lambda: answers("a", 1, half_life=timedelta(0)),
        lambda: ComponentConfig(name="a", weight=1, kind=ComponentKind.ANSWERS),
        lambda: ComponentConfig(name="a", weight=1, kind=ComponentKind.SIGNAL, measure=Measure.VALUE, best=1),
        lambda: signal("a", Measure.COUNT, 5, 5),
        lambda: config(answers("a", 1), bands=(Band(name="b", floor=1),)),
        lambda: config(answers("a", 1), bands=()),
        lambda: config(answers("a", 1), bands=(*BANDS, Band(name="fine", floor=70))),
        lambda: config(answers("a", 1), coverage=1.5),
        lambda: config(answers("a", 1), margin=-1),
        lambda: Shrink(toward=101),
        lambda: Shrink(answers=-1),
    ],
)
def test_settings_that_make_no_sense_are_refused(build: object) -> None:
    assert callable(build)
    with pytest.raises(ValueError, match=r"."):
        build()
