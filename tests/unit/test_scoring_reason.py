"""One sentence a success manager understands, and the facts an answer leaves behind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.domain.model.response import (
    Interaction,
    Metric,
    Polarity,
    Rating,
    Respondent,
    Response,
    Scale,
    Understanding,
)
from connector.domain.model.score import Fact, Score
from connector.domain.scoring.config import Band, ComponentConfig, ComponentKind, Measure, ScoringConfig
from connector.domain.scoring.facts import answer_of, facts_of
from connector.domain.scoring.reason import LONGEST_REASON, reason
from connector.domain.scoring.score import score

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = timedelta(days=1)
CONFIG = ScoringConfig(
    components=(
        ComponentConfig(name="csat", weight=40, kind=ComponentKind.ANSWERS, metric=Metric.CSAT),
        ComponentConfig(name="sentiment", weight=10, kind=ComponentKind.SENTIMENT),
        ComponentConfig(
            name="purchases", weight=40, kind=ComponentKind.SIGNAL, measure=Measure.VALUE, best=100, worst=0
        ),
    ),
    bands=(Band(name="all", floor=0),),
    coverage=0.3,
)


def fact(component: str, value: float, days: int = 0, source: str = "k#x") -> Fact:
    return Fact(component=component, value=value, at=NOW - days * DAY, source=source)


def scored(*facts: Fact) -> Score:
    return score(facts, NOW, CONFIG)


def say(*facts: Fact) -> str:
    return reason(scored(*facts), CONFIG)


def test_it_names_what_pulls_down_what_lifts_and_the_trend() -> None:
    assert (
        say(
            fact("csat", 75, 40, "a#x"),
            fact("csat", 24, 5, "b#x"),
            fact("csat", 24, 4, "c#x"),
            fact("purchases", 88, 50),
        )
        == "65, down 17 in 30 days: csat 41 from 3 answers pulls it down most; purchases 88 lifts it"
    )


def test_one_answer_is_not_answers() -> None:
    assert say(fact("csat", 40), fact("purchases", 60)) == (
        "50: csat 40 from 1 answer pulls it down most; purchases 60 lifts it"
    )


def test_comments_are_comments() -> None:
    assert "sentiment 10 from 2 comments pulls it down most" in say(
        fact("csat", 90), fact("sentiment", 10, 0, "a#x"), fact("sentiment", 10, 0, "b#x")
    )


def test_a_single_component_is_what_it_rests_on() -> None:
    assert say(fact("csat", 40)) == "40: rests on csat 40 from 1 answer"


def test_components_that_agree_say_so() -> None:
    assert say(fact("csat", 50, 31), fact("purchases", 50, 31)) == (
        "50, unchanged in 30 days: rests on purchases 50 and agrees with the rest"
    )


def test_rising_is_up() -> None:
    assert say(fact("csat", 20, 31, "a#x"), fact("csat", 60, 1, "b#x")).startswith("40, up 20 in 30 days: ")


def test_without_a_score_it_says_how_much_is_known() -> None:
    assert say(fact("sentiment", 40)) == "no score yet: only 11 % of what it rests on is known"


def test_a_long_name_is_cut() -> None:
    long = ScoringConfig(
        components=(ComponentConfig(name="x" * 300, weight=1, kind=ComponentKind.SENTIMENT),), bands=CONFIG.bands
    )
    text = reason(score([fact("x" * 300, 10)], NOW, long), long)
    assert len(text) == LONGEST_REASON
    assert text.endswith("…")


@given(
    values=st.lists(st.tuples(st.sampled_from(["csat", "sentiment", "purchases"]), st.floats(0, 100)), max_size=6),
    name=st.text(min_size=1, max_size=400),
)
def test_it_is_one_line_a_crm_field_can_hold(values: list[tuple[str, float]], name: str) -> None:
    long = ScoringConfig(
        components=(
            *CONFIG.components,
            ComponentConfig(name=f"x{name}".replace("\n", " "), weight=60, kind=ComponentKind.SENTIMENT),
        ),
        bands=CONFIG.bands,
    )
    facts = [fact(component, value, 0, f"{number}#x") for number, (component, value) in enumerate(values)]
    facts.append(fact(long.components[-1].name, 10))
    assert 0 < len(reason(score(facts, NOW, long), long)) <= LONGEST_REASON


def response(*ratings: Rating) -> Response:
    return Response(
        key="typeform/aB3dE9/tok1",
        survey="service",
        form="aB3dE9",
        submitted_at=NOW - DAY,
        received_at=NOW,
        ratings=ratings,
        comment=None,
        respondent=Respondent(),
        interaction=Interaction(),
    )


def rating(metric: Metric, value: float, best: Polarity = Polarity.HIGH_IS_BEST, about: str = "overall") -> Rating:
    return Rating(metric=metric, value=value, scale=Scale(minimum=1, maximum=5, best=best), about=about)


def test_an_answer_leaves_a_fact_per_rating_of_a_component_and_its_sentiment() -> None:
    facts = facts_of(
        response(
            rating(Metric.CSAT, 2, Polarity.LOW_IS_BEST), rating(Metric.NPS, 5), rating(Metric.CSAT, 1, about="wait")
        ),
        Understanding(language="en", compound=-0.5),
        CONFIG,
    )
    assert [(one.component, one.value, one.at) for one in facts] == [
        ("csat", 75.0, NOW - DAY),
        ("csat", 0.0, NOW - DAY),
        ("sentiment", 25.0, NOW - DAY),
    ]
    assert len({(one.component, one.source) for one in facts}) == 3
    assert {answer_of(one.source) for one in facts} == {"typeform/aB3dE9/tok1"}


def test_sentiment_that_abstains_leaves_no_fact() -> None:
    assert facts_of(response(), Understanding(), CONFIG) == ()


@pytest.mark.parametrize(("source", "answer"), [("a/b/c#csat", "a/b/c"), ("a#b#c", "a#b"), ("plain", "plain")])
def test_the_answer_within_a_source(source: str, answer: str) -> None:
    assert answer_of(source) == answer
