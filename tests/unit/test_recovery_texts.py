"""Deadlines and lines as people read them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.domain.model.person import Contact, Suggestion
from connector.domain.model.response import Metric, Polarity, Rating, Scale
from connector.domain.recovery.calendar import after
from connector.domain.recovery.due import day_text, due_text, span_text
from connector.domain.recovery.text import (
    Answer,
    candidate_lines,
    excerpt,
    fit,
    link_lines,
    one_line,
    rating_text,
    recent_lines,
)

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 21, 12, 0, 0, 250_000, tzinfo=UTC)
BAD = Rating(metric=Metric.CSAT, value=2, scale=Scale(minimum=1, maximum=5))
REVERSED = Rating(metric=Metric.CSAT, value=4, scale=Scale(minimum=1, maximum=5, best=Polarity.LOW_IS_BEST))


def test_a_deadline_reads_as_the_clock_on_the_wall() -> None:
    assert due_text(datetime(2026, 11, 23, 13, 30, tzinfo=UTC), BERLIN) == "Mon 23 Nov 14:30 (Europe/Berlin)"
    assert due_text(datetime(2026, 6, 30, 22, 5, tzinfo=UTC), BERLIN) == "Wed 1 Jul 00:05 (Europe/Berlin)"


def test_a_deadline_is_elapsed_time_across_a_clock_change() -> None:
    before = datetime(2026, 10, 24, 23, 0, tzinfo=UTC)  # 01:00 in Berlin, clocks go back at 03:00
    assert due_text(after(None, before, timedelta(hours=4)), BERLIN) == "Sun 25 Oct 04:00 (Europe/Berlin)"


def test_a_span_is_told_in_two_units() -> None:
    spans = (timedelta(seconds=6), timedelta(minutes=59, seconds=59), timedelta(hours=26), timedelta(days=2, minutes=5))
    assert [span_text(span) for span in spans] == ["1 min", "59 min", "1 d 2 h", "2 d 5 min"]


def test_a_day_is_the_readers_day() -> None:
    assert day_text(datetime(2026, 11, 21, 23, 30, tzinfo=UTC), BERLIN) == "Sun 22 Nov"


def test_a_rating_reads_as_given() -> None:
    assert rating_text(BAD) == "csat 2/5"
    assert rating_text(REVERSED) == "csat 4/5 (1 is best)"


def answer(days: int, comment: str | None = None, *ratings: Rating) -> Answer:
    return Answer(key=f"k{days}", at=NOW - timedelta(days=days), ratings=ratings, comment=comment)


def test_the_last_three_answers_newest_first_one_line_each() -> None:
    lines = recent_lines(
        [
            answer(9, "old", BAD),
            answer(1, "waited\n\nagain  and again", BAD, REVERSED),
            answer(3, "  "),
            answer(5, None, BAD),
        ],
        BERLIN,
    )
    assert lines == [
        "Fri 20 Nov: csat 2/5, csat 4/5 (1 is best): waited again and again",
        "Wed 18 Nov: no rating",
        "Mon 16 Nov: csat 2/5",
    ]


def test_links_that_do_not_exist_have_no_line() -> None:
    assert link_lines({"Contact": "https://crm.example/003a", "Survey": None, "Ticket": ""}) == [
        "Contact: https://crm.example/003a"
    ]


def test_a_candidate_is_named_by_what_is_known_of_it() -> None:
    bare = Contact(account="crm", id="003a")
    how = "Who is it? Add that tag to the ticket; csat-contact-none: none of them."
    like = {"003B": Suggestion(contact_id="003B", certainty=87, why="name 96, company same")}
    ada = replace(bare, name="Ada", url="https://crm.example/003a")
    assert candidate_lines([ada, replace(bare, id="003B")], like) == [
        "Candidate: Ada, https://crm.example/003a (tag csat-contact-003a)",
        "Candidate: 003B, certainty 87 (name 96, company same) (tag csat-contact-003b)",
        how,
    ]
    assert candidate_lines([bare] * 3, most=1) == [
        "Candidate: 003a (tag csat-contact-003a)",
        "… (2 more candidates)",
        how,
    ]
    assert candidate_lines([]) == []


def test_one_line_is_cut_with_an_ellipsis() -> None:
    assert one_line("a  b\nc", 5) == "a b c"
    assert one_line("abc def", 5) == "abc…"


def test_an_excerpt_leaves_room_for_what_follows() -> None:
    assert excerpt("one\n\n two \nthree", lines=3) == "one\ntwo\nthree"
    assert excerpt("1\n2\n3\n4", lines=3) == "1\n2\n… (2 more lines)"
    assert excerpt("x" * 500, width=10) == "x" * 9 + "…"


def test_a_text_that_fits_is_left_alone() -> None:
    text = "Do *this*, {{ now }} <b>\n\n  indented"
    assert fit(text) == text


def test_a_text_that_does_not_fit_says_how_much_is_missing() -> None:
    assert fit("\n".join(str(number) for number in range(30))).splitlines()[-2:] == ["23", "… (6 more lines)"]


@given(text=st.text(alphabet="ab \n\r\u2028\x0b\x85", max_size=200), lines=st.integers(1, 30))
def test_a_fitted_text_never_has_more_lines_and_loses_only_the_end(text: str, lines: int) -> None:
    fitted = fit(text, lines)
    assert len(fitted.splitlines()) <= lines
    kept = fitted.splitlines() if len(text.splitlines()) <= lines else fitted.splitlines()[:-1]
    assert text.splitlines()[: len(kept)] == kept


@pytest.mark.parametrize("lines", [1, 3, 25])
def test_an_excerpt_never_has_more_lines(lines: int) -> None:
    assert len(excerpt("x\n" * 100, lines=lines).splitlines()) <= lines
