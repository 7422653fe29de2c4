"""When a theme becomes an issue, when it grows, returns or is called off, and what of a customer's words is quoted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.domain import defects
from connector.domain.defects import Known, Mention, Move, Policy, decide
from connector.domain.model.recovery import Severity

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)
POLICY = Policy(answers=3, people=2, within=14 * DAY, grows_by=2, severity={Severity.CRITICAL: 4})
OPEN = Known(since=NOW - 3 * DAY, told=3, severity=Severity.NORMAL)


def said(*ages: float, person: int | None = None) -> list[Mention]:
    """Mentions so many days old, each of another person unless one is named."""
    return [
        Mention(response_id=number, person=number if person is None else person, at=NOW - age * DAY)
        for number, age in enumerate(ages)
    ]


def test_too_few_answers_or_people_open_nothing() -> None:
    assert decide(POLICY, said(1, 2), None, NOW).move is Move.NOTHING
    assert decide(POLICY, said(1, 2, 3, person=7), None, NOW).move is Move.NOTHING


def test_who_answered_anonymously_counts_as_nobody() -> None:
    nameless = [Mention(response_id=number, person=None, at=NOW - DAY) for number in range(9)]
    assert decide(POLICY, nameless, None, NOW).move is Move.NOTHING
    assert decide(POLICY, [*nameless, *said(1, 2)], None, NOW).move is Move.OPEN


def test_enough_within_the_window_open_it_with_those_alone() -> None:
    step = decide(POLICY, said(30, 1, 2, 3), None, NOW)
    assert (step.move, step.answers, step.people) == (Move.OPEN, 3, 3)
    assert decide(POLICY, said(14, 1, 2), None, NOW).move is Move.NOTHING, "the window's end is out of it"


def test_an_open_one_grows_by_steps_or_when_it_gets_worse() -> None:
    assert decide(POLICY, said(1, 1, 2, 2, person=1), OPEN, NOW).move is Move.NOTHING
    assert decide(POLICY, said(1, 1, 1, 2, 2, person=1), OPEN, NOW).move is Move.GROW
    worse = decide(POLICY, said(1, 1, 2, 2), OPEN, NOW)
    assert (worse.move, worse.severity) == (Move.GROW, Severity.CRITICAL)


def test_severity_never_falls() -> None:
    known = Known(since=NOW - 3 * DAY, told=1, severity=Severity.CRITICAL)
    assert decide(POLICY, said(1, 1, 1, person=1), known, NOW).severity is Severity.CRITICAL


def test_one_nobody_has_seen_is_called_off_when_too_few_are_left() -> None:
    unseen = Known(since=NOW - 3 * DAY, told=3, severity=Severity.NORMAL, is_sent=False)
    assert decide(POLICY, said(1, 2), unseen, NOW).move is Move.CALL_OFF
    assert decide(POLICY, said(1, 2), OPEN, NOW).move is Move.NOTHING, "what was seen stays"


def test_a_theme_that_returns_reopens_its_issue_when_as_many_are_unhappy_again() -> None:
    closed = Known(since=NOW - 9 * DAY, told=3, severity=Severity.NORMAL, closed_at=NOW - 4 * DAY)
    before, after = said(8, 7, 6), [Mention(response_id=10 + n, person=10 + n, at=NOW - DAY) for n in range(3)]
    assert decide(POLICY, [*before, *after[:2]], closed, NOW).move is Move.NOTHING
    step = decide(POLICY, [*before, *after], closed, NOW)
    assert (step.move, step.answers, len(step.new)) == (Move.REOPEN, 6, 3)


def test_after_long_it_is_another_issue() -> None:
    closed = Known(since=NOW - 200 * DAY, told=3, severity=Severity.NORMAL, closed_at=NOW - 91 * DAY)
    assert decide(POLICY, said(1, 2, 3), closed, NOW).move is Move.OPEN


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 5)), max_size=20), st.randoms())
def test_the_order_in_which_answers_came_in_changes_nothing(drawn: list[tuple[int, int]], chance: object) -> None:
    mentions = [Mention(response_id=n, person=who, at=NOW - days * DAY) for n, (days, who) in enumerate(drawn)]
    mixed = list(mentions)
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    assert decide(POLICY, mentions, None, NOW) == decide(POLICY, mixed, None, NOW)


HIDE = (
    "ada@example.com",
    "+49 30 1234567",
    "https://example.com/order?id=7",
    "@ada_example",
    "INV-20418",
    "B-MW4711",
    "4711 0815",
    "Ada",
    "Example",
    "EXAMPLE",
    "Kfz-Example",
)


@pytest.mark.parametrize("word", HIDE)
def test_what_names_somebody_is_hidden(word: str) -> None:
    hidden = defects.mask(f"I waited long {word} and nobody came", ["Ada Example", None])
    assert word not in hidden
    assert hidden.startswith("I waited long")
    assert hidden.endswith("nobody came")


def test_what_says_how_it_was_stays() -> None:
    text = "Waited 90 minutes twice, 2 calls, the brakes squeal at 50 km/h"
    assert defects.mask(text, ["Ada Example"]) == text


def test_a_quote_of_which_nothing_is_left_is_none() -> None:
    assert defects.quote("Ada 030 1234567", ["Ada"]) == ""
    assert len(defects.quote("so long " * 90, [])) <= defects.QUOTE_WIDTH


@given(st.text(max_size=200))
def test_masking_twice_is_masking_once_and_a_quote_is_one_line(text: str) -> None:
    once = defects.mask(text, ["Kim Sample"])
    assert defects.mask(once, ["Kim Sample"]) == once
    assert len(defects.quote(text, []).splitlines()) <= 1


@pytest.mark.parametrize(("within", "words"), [(14 * DAY, "14 days"), (DAY, "1 day"), (timedelta(hours=6), "6 hours")])
def test_an_issue_says_within_which_time(within: timedelta, words: str) -> None:
    step = decide(POLICY, said(0.1, 0.1, 0.1), None, NOW)
    told = defects.body("waiting", step, ["slow"], ["https://desk.example/1"] * 12, within=within)
    assert f"within {words} about “waiting”" in told
    assert told.count("https://desk.example/1") == 10
    assert "- and 2 more" in told
