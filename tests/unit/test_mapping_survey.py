"""Records become responses: what counts as an answer, an identity, a blank."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.domain.mapping.survey import compile_survey
from connector.domain.model.intent import refer
from connector.domain.model.response import Metric, Polarity, Rating, Response, Scale
from connector.errors import ExpressionError, MappingError

SUBMITTED = datetime(2026, 11, 20, 18, 9, 41, tzinfo=UTC)
TREE: dict[str, Any] = {
    "ratings": [
        {"metric": "csat", "value": "answers.csat", "scale": "1-5"},
        {"metric": "nps", "value": "answers.nps", "scale": "0-10", "about": "company"},
    ],
    "comment": "answers.why",
    "respondent": {
        "email": "answers.mail or hidden.email",
        "phone": "hidden.phone",
        "crm_id": "hidden.id",
        "name": "hidden.name",
    },
    "interaction": {"occurred_at": "hidden.when", "kind": '"visit"'},
    "segments": {"service": "hidden.service"},
    "consent": "answers.ok",
    "language": "metadata.language",
    "phone_region": "DE",
}


def respond(answers: dict[str, Any] | None = None, **hidden: Any) -> Response:
    return compile_survey(TREE).respond(
        kind="typeform",
        survey="service",
        form="f1",
        id="r1",
        submitted_at=SUBMITTED,
        received_at=SUBMITTED,
        answers={"csat": 4} | (answers or {}),
        hidden=hidden,
        metadata={"language": "de"},
    )


@pytest.mark.parametrize(("given_value", "value"), [(4, 4.0), (4.5, 4.5), ("4", 4.0), (" 4,5 ", 4.5), (1, 1.0), (5, 5)])
def test_a_rating_is_taken_as_given(given_value: object, value: float) -> None:
    assert respond({"csat": given_value}).ratings == (
        Rating(metric=Metric.CSAT, value=value, scale=Scale(minimum=1, maximum=5)),
    )


@pytest.mark.parametrize("given_value", [0, 6, 5.01, -1, "99"])
def test_a_rating_off_its_scale_fails_with_its_place(given_value: object) -> None:
    with pytest.raises(MappingError, match="not on the scale 1-5") as caught:
        respond({"csat": given_value})
    assert caught.value.field == "ratings[0]"


@pytest.mark.parametrize("given_value", [True, "four", [4], {"value": 4}, float("nan"), float("inf"), "4e0", "٤"])
def test_a_rating_that_is_no_number_fails_without_repeating_it(given_value: object) -> None:
    with pytest.raises(MappingError, match="is not a number") as caught:
        respond({"csat": given_value})
    assert "four" not in str(caught.value)


def test_an_unanswered_rating_is_left_out_but_one_must_be_there() -> None:
    assert [rating.metric for rating in respond({"csat": None, "nps": 7}).ratings] == [Metric.NPS]
    with pytest.raises(MappingError, match=r"answers\.csat or answers\.nps") as caught:
        respond({"csat": None, "nps": " "})
    assert caught.value.field == "ratings"


def test_a_comment_left_blank_differs_from_one_not_asked_for() -> None:
    assert respond({"why": ""}).comment == ""
    assert respond().comment is None
    assert respond({"why": None}).comment is None


def test_html_stays_what_the_customer_typed_and_our_references_do_not_survive() -> None:
    text = f"<b>{refer('recovery/1/ticket', 'url')}</b> {{{{ rating }}}}"
    comment = respond({"why": text}).comment
    assert comment == "<b>recovery/1/ticket.url</b> {{ rating }}"


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("Ann@Example.COM ", "Ann@example.com"),
        ("ａｎｎ@example.com", "ann@example.com"),
        ("not-an-address", None),
        ("a@b", None),
        ("two words@example.com", None),
        ("", None),
    ],
)
def test_an_address_has_one_spelling_or_is_none(written: str, address: str | None) -> None:
    assert respond({"mail": written}).respondent.email == address


def test_a_blank_answer_gives_way_to_the_hidden_value() -> None:
    assert respond({"mail": ""}, email="bo@example.org").respondent.email == "bo@example.org"


@pytest.mark.parametrize(
    ("written", "number"),
    [("030 901820", "+4930901820"), ("+34 912 345 678", "+34912345678"), ("12", None), ("call me", None)],
)
def test_a_phone_number_is_e164_or_none(written: str, number: str | None) -> None:
    assert respond(phone=written).respondent.phone == number


def test_a_number_is_a_fine_id_and_a_list_is_none() -> None:
    assert respond(id=4711).respondent.crm_id == "4711"
    with pytest.raises(MappingError) as caught:
        respond(id=["4711"])
    assert caught.value.field == "respondent.crm_id"


def test_a_blank_segment_is_no_segment() -> None:
    assert respond(service=" ").segments == {}
    assert respond(service="brakes").segments == {"service": "brakes"}


@pytest.mark.parametrize(("written", "consent"), [(True, True), ("no", False), ("YES", True), ("", None), (None, None)])
def test_consent_is_yes_no_or_not_asked(written: object, consent: bool | None) -> None:
    assert respond({"ok": written}).consent is consent


def test_consent_that_is_neither_is_refused() -> None:
    with pytest.raises(MappingError) as caught:
        respond({"ok": "perhaps"})
    assert caught.value.field == "consent"


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-11-19", datetime(2026, 11, 19, tzinfo=UTC)),
        ("2026-11-19T10:00:00+02:00", datetime(2026, 11, 19, 8, tzinfo=UTC)),
        ("", None),
    ],
)
def test_when_it_happened_is_an_instant(written: str, moment: datetime | None) -> None:
    assert respond(when=written).interaction.occurred_at == moment


def test_an_impossible_date_is_refused() -> None:
    with pytest.raises(MappingError) as caught:
        respond(when="yesterday")
    assert caught.value.field == "interaction.occurred_at"


def test_the_rest_is_carried_over() -> None:
    response = respond()
    assert (response.key, response.survey, response.form) == ("typeform/f1/r1", "service", "f1")
    assert (response.language_hint, response.interaction.kind) == ("de", "visit")
    assert response.respondent.is_anonymous


def test_an_expression_with_an_unknown_name_does_not_compile() -> None:
    with pytest.raises(ExpressionError):
        compile_survey(TREE | {"comment": "answer.why"})


@given(
    low=st.integers(0, 10),
    span=st.integers(1, 100),
    share=st.floats(0, 1),
    best=st.sampled_from(Polarity),
)
def test_satisfaction_stays_between_0_and_100_and_turns_with_the_scale(
    low: int, span: int, share: float, best: Polarity
) -> None:
    def satisfaction(polarity: Polarity) -> float:
        scale = Scale(minimum=low, maximum=low + span, best=polarity)
        value = min(max(low + share * span, scale.minimum), scale.maximum)
        return Rating(metric=Metric.CSAT, value=value, scale=scale).satisfaction

    other = Polarity.LOW_IS_BEST if best is Polarity.HIGH_IS_BEST else Polarity.HIGH_IS_BEST
    assert 0 <= satisfaction(best) <= 100
    assert satisfaction(best) + satisfaction(other) == pytest.approx(100)


@given(value=st.one_of(st.none(), st.booleans(), st.text(), st.floats(), st.integers(), st.lists(st.integers())))
def test_any_answer_is_a_rating_on_its_scale_or_a_mapping_error(value: Any) -> None:
    try:
        ratings = respond({"csat": value, "nps": 5}).ratings
    except MappingError:
        return
    assert all(rating.scale.minimum <= rating.value <= rating.scale.maximum for rating in ratings)
