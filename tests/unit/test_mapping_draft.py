"""A first mapping from a real form: what is sure, what is marked as a guess, and that it always can be read."""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from connector.config.draft_file import draft_text, write_draft
from connector.config.mapping_files import SurveyFile
from connector.domain.mapping.draft import Draft, draft
from connector.domain.mapping.survey import compile_survey
from connector.domain.model.account import Form, Question
from connector.errors import ConnectorError

DAY = date(2026, 11, 22)
UUID = "9ddb9864-e684-4c69-8dfe-24648ce5a6a0"
CSAT = Question(ref="csat", type="opinion_scale", title="How satisfied are you?", lowest=1, highest=5)


def form(*questions: Question, hidden: tuple[str, ...] = ()) -> Form:
    return Form(id="F", title="A form", questions=questions, hidden=hidden)


def lines(drafted: Draft) -> dict[str, str]:
    return {line.place: line.value for line in drafted.lines}


@pytest.mark.parametrize(
    ("labels", "title", "best", "sure"),
    [
        (("", ""), "How satisfied are you?", "high", False),
        (("Not at all", "Very satisfied"), "How satisfied are you?", "high", True),
        (("Very satisfied", "Not at all"), "How satisfied are you?", "low", True),
        (("", ""), "How was it? (1 is best)", "low", True),
        (("", ""), "Wie war es? 1 = sehr gut", "low", True),
        (("Very unhappy", "Very happy"), "How are you?", "high", True),
        (("a", "b"), "How are you?", "high", False),
    ],
)
def test_which_end_is_good_is_guessed_from_words_and_doubted_without(
    labels: tuple[str, str], title: str, best: str, sure: bool
) -> None:
    question = Question(ref="q", type="rating", title=title, lowest=1, highest=5, labels=labels)
    (rating,) = draft(form(question), ()).ratings
    assert (rating.best, not rating.doubt) == (best, sure)
    text = draft_text(draft(form(question), ()), DAY)
    assert ("LOOK: is 5 really the best answer" in text) is not sure
    assert ("best: low}" in text) is (best == "low")


def test_ratings_have_the_forms_own_scales_and_say_what_they_are_about() -> None:
    ratings = draft(
        form(
            CSAT,
            Question(ref="nps", type="nps", title="Recommend?", lowest=0, highest=10),
            Question(ref="ease", type="opinion_scale", title="How easy was it?", lowest=0, highest=6),
            Question(ref=UUID, type="rating", title="The room?", lowest=1, highest=10),
        ),
        (),
    ).ratings
    assert [(one.metric, one.value, one.scale, one.about) for one in ratings] == [
        ("csat", "answers.csat", "1-5", "overall"),
        ("nps", "answers.nps", "0-10", "company"),
        ("ces", "answers.ease", "0-6", "ease"),
        ("csat", f'answers["{UUID}"]', "1-10", "question 4"),
    ]


def test_answers_come_before_what_travelled_with_the_link_and_nothing_is_lost() -> None:
    drafted = draft(
        form(
            CSAT,
            Question(ref="why", type="long_text", title="Why?"),
            Question(ref="more", type="long_text", title="What else?"),
            Question(ref="mail", type="email", title="Your e-mail"),
            Question(ref="first", type="short_text", title="First name"),
            Question(ref="last", type="short_text", title="Last name"),
            Question(ref="call", type="yes_no", title="May we call you?"),
            Question(ref="happy", type="yes_no", title="Was it clean?"),
            hidden=("Email", "ticket_id", "tier", "utm"),
        ),
        ("tier", "service"),
    )
    assert lines(drafted) == {
        "comment": "answers.why",
        "respondent.email": "answers.mail or hidden.Email",
        "respondent.name": "(answers.first or '') ~ ' ' ~ (answers.last or '')",
        "consent": "answers.call",
        "interaction.id": "hidden.ticket_id",
        "interaction.kind": '"ticket"',
        "segments.tier": "hidden.tier",
    }
    assert drafted.unused == [
        "answers.more (long_text: What else?)",
        "answers.happy (yes_no: Was it clean?)",
        "hidden.utm",
    ]
    (comment,) = [line for line in drafted.lines if line.place == "comment"]
    assert "is this the one" in comment.doubt


def test_segments_that_are_not_configured_are_not_filled() -> None:
    found = lines(draft(form(CSAT, hidden=("service", "tier")), ("location",)))
    assert found == {"interaction.service": "hidden.service"}


def test_a_form_without_a_scale_says_so() -> None:
    text = draft_text(draft(form(Question(ref="why", type="long_text", title="Why?")), ()), DAY)
    assert "LOOK: the form has no scale" in text


def test_a_file_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "surveys" / "mine.yaml"
    write_draft(draft(form(CSAT), ()), path, DAY)
    path.write_text("mine")
    with pytest.raises(ConnectorError, match="is there already"):
        write_draft(draft(form(CSAT), ()), path, DAY)
    assert path.read_text() == "mine"


TYPES = st.sampled_from(
    ["opinion_scale", "nps", "rating", "long_text", "short_text", "email", "phone_number", "yes_no", "dropdown"]
)
REFS = st.one_of(
    st.sampled_from(["true", "null", "no", "5", "1e5"]),
    st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True),
    st.uuids().map(str),
)


@st.composite
def questions(draw: st.DrawFn) -> Question:
    kind = draw(TYPES)
    lowest, highest = {"nps": (0, 10), "rating": (1, 5), "opinion_scale": (0, 10)}.get(kind, (None, None))
    return Question(ref=draw(REFS), type=kind, title=draw(st.text(max_size=150)), lowest=lowest, highest=highest)


@given(st.lists(questions(), max_size=8, unique_by=lambda each: each.ref), st.lists(REFS, max_size=6, unique=True))
def test_whatever_the_form_the_draft_can_be_read_and_compiled(asked: list[Question], hidden: list[str]) -> None:
    with_scale = [CSAT, *(each for each in asked if each.ref != "csat")]
    drafted = draft(form(*with_scale, hidden=tuple(hidden)), ("service", "tier"))
    tree = yaml.safe_load(draft_text(drafted, DAY))
    SurveyFile.model_validate(tree)
    assert len(compile_survey(tree).ratings) == len(drafted.ratings)


def test_a_draft_is_written_beside_the_others() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mappings" / "surveys" / "new.yaml"
        assert write_draft(draft(form(CSAT), ()), path, DAY) == path.read_text()
