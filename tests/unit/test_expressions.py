"""The expression language: what it refuses, what a missing value does, and how it explains itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.domain.expressions import Check, compile_expression, compile_template
from connector.domain.model.context import rule_names, survey_names
from connector.domain.model.response import Polarity, Scale
from connector.errors import ExpressionError

NAMES = rule_names(["service", "tier"])
CONTEXT: dict[str, Any] = {
    "unhappy": True,
    "rating": 2.0,
    "scale": Scale(minimum=1, maximum=5, best=Polarity.LOW_IS_BEST),
    "metric": "csat",
    "themes": ["safety", "waiting"],
    "sentiment": "negative",
    "comment": "Never {{ again }}",
    "submitted_at": datetime(2026, 11, 20, 18, 9, 41, tzinfo=UTC),
    "respondent": {"name": "Ann Beispiel", "email": "ann@example.com", "company": None},
    "segments": {"service": "brakes"},
    "score": {"points": 61.25},
    "recent": ["2 of 5", "4 of 5"],
    "edited": False,
}


def value(text: str, missing: Any = "error") -> object:
    return compile_expression(text, NAMES, missing).evaluate(CONTEXT)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("unhappy", True),
        ('"safety" in themes and sentiment == "negative"', True),
        ("rating <= 2 or score.points < 40", True),
        ("not edited", True),
        ("rating + 1", 3),
        ('"r" + "o"', "ro"),
        ("-rating", -2),
        ("scale.max", 5),
        ('scale.best == "low"', True),
        ("submitted_at | date", "2026-11-20"),
        ("themes | join(', ') | upper", "SAFETY, WAITING"),
        ("[metric, '', 'b'] | join(', ')", "csat, b"),
        ("themes | length", 2),
        ("score.points | round(1)", 61.2),
        ('segments.tier | default("none")', "none"),
        ("respondent.company is defined", False),
        ("respondent.company is none", True),
        ("comment is not none", True),
        ('segments["service"]', "brakes"),
        ('"happy" if rating > 3 else "unhappy"', "unhappy"),
        ("rating in [1, 2]", True),
        ("comment | truncate(6)", "Never…"),
    ],
)
def test_an_expression_comes_to_its_value(text: str, expected: object) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "respondent.company",
        "respondent.phone == 'x'",
        "recovery.id",
        "age_hours < 3",
        "not consent",
        "consent or unhappy",
    ],
)
def test_a_missing_value_is_an_error_that_names_it(text: str) -> None:
    with pytest.raises(ExpressionError, match="missing: ") as caught:
        value(text)
    assert caught.value.missing is not None
    assert caught.value.missing in text


@pytest.mark.parametrize(
    "text", ["respondent.company", "age_hours | round", "age_hours + 1", "recovery.opened_at | date"]
)
def test_in_a_mapping_a_missing_value_stays_missing(text: str) -> None:
    assert value(text, "absent") is None


def test_in_a_mapping_or_falls_back() -> None:
    assert value("respondent.company or respondent.name", "absent") == "Ann Beispiel"


def test_in_a_mapping_a_missing_value_is_on_no_side_of_a_comparison() -> None:
    assert value("age_hours < 3 or age_hours >= 3", "absent") is False


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("ratting < 3", "rating"),
        ("respondent.emial", "respondent.email"),
        ("email", "respondent.email"),
        ("segments.servise", "segments.service"),
        ("submitted_at | dat", "date"),
        ("unhappy is definde", "defined"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_right_one(text: str, suggestion: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(text, NAMES)
    assert caught.value.suggestion == suggestion


@pytest.mark.parametrize(
    "text",
    [
        "().__class__",
        "rating.__class__",
        "respondent.__init__",
        "comment.upper()",
        "range(9)",
        "cycler",
        "self",
        "rating ** 9",
        '"%s" % rating',
        "rating // 2",
        "themes[0]",
        "themes[0:1]",
        "{}",
        "respondent",
        "1e999",
        "(" * 900 + "1" + ")" * 900,
        "not " * 300 + "1",
        "a" * 3000,
        "rating rating",
        "",
    ],
)
def test_what_is_not_in_the_language_does_not_compile(text: str) -> None:
    with pytest.raises(ExpressionError):
        compile_expression(text, NAMES)


@pytest.mark.parametrize(
    "text", ['"a" * 9', "comment * 9", "rating / 0", "rating < metric", "comment | int", "rating | join"]
)
def test_values_that_do_not_fit_are_an_expression_error_that_quotes_nobody(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        value(text)
    assert "again" not in str(caught.value)


def test_methods_and_private_parts_of_values_are_out_of_reach() -> None:
    @dataclass(frozen=True)
    class Record:
        _secret: str = "hidden"

        def shout(self) -> str:
            return "!"

    for part in ("_secret", "shout", "__class__", "upper"):
        answers = {"x": Record(), "y": "text"}
        for name in ("x", "y"):
            assert (
                compile_expression(f"answers.{name}.{part}", survey_names(), "absent").evaluate({"answers": answers})
                is None
            )


def test_keys_of_answers_never_reach_a_dictionarys_methods() -> None:
    expression = compile_expression("answers.items", survey_names(), "absent")
    assert expression.evaluate({"answers": {}}) is None
    assert expression.evaluate({"answers": {"items": 3}}) == 3


class TestExplaining:
    expression = 'unhappy and "safety" in themes and (sentiment == "negative" or not rating > 2)'

    def explain(self, **changes: object) -> tuple[tuple[Check, ...], str]:
        compiled = compile_expression(self.expression, NAMES)
        return compiled.explain(CONTEXT | changes), compiled.deciding(CONTEXT | changes)

    def test_every_comparison_has_its_outcome(self) -> None:
        checks, deciding = self.explain()
        assert checks == (
            Check("unhappy", True),
            Check('"safety" in themes', True),
            Check('sentiment == "negative"', True),
            Check("rating > 2", False),
        )
        assert deciding == self.expression

    def test_the_first_false_one_decides(self) -> None:
        assert self.explain(themes=[])[1] == '"safety" in themes'

    def test_a_missing_value_decides_and_is_named(self) -> None:
        checks, deciding = self.explain(sentiment=None)
        assert Check('sentiment == "negative"', "missing: sentiment") in checks
        assert deciding == 'sentiment == "negative"'

    def test_an_or_that_fails_is_decided_by_all_of_it(self) -> None:
        assert self.explain(sentiment="neutral", rating=3)[1] == 'sentiment == "negative" or not rating > 2'

    @pytest.mark.parametrize(
        "text",
        [
            'not (unhappy and "x" in themes)',
            "(rating + 1) * 2 < scale.max or edited",
            "comment is not none and rating in [1, 2.5, true]",
            'metric ~ "!" == "csat!" and -rating < 0',
            '"a" if unhappy else "b"',
            'segments.tier | default("none") | upper == "GOLD"',
        ],
    )
    def test_the_source_shown_means_the_same(self, text: str) -> None:
        compiled = compile_expression(text, NAMES, "absent")
        again = compile_expression(compiled.logic.text, NAMES, "absent")
        assert again.evaluate(CONTEXT) == compiled.evaluate(CONTEXT)
        assert again.logic.text == compiled.logic.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ rating }} of {{ scale.max }}", "2 of 5"),
        ("{{ comment }}", "Never {{ again }}"),
        ("{{ score.points }} {{ themes }} {{ edited }}", "61.25 safety, waiting no"),
        ("{% for line in recent %}- {{ line }}\n{% endfor %}", "- 2 of 5\n- 4 of 5\n"),
        ("{% if respondent.phone %}call{% else %}write{% endif %}", "write"),
        ("{{ submitted_at }}", "2026-11-20 18:09 UTC"),
        ("{{ respondent.phone }}.", "."),
    ],
)
def test_a_template_prints(text: str, expected: str) -> None:
    assert compile_template(text, NAMES, "absent").render(CONTEXT) == expected


def test_a_strict_template_refuses_to_print_what_is_missing() -> None:
    with pytest.raises(ExpressionError, match=r"missing: respondent\.phone"):
        compile_template("{{ respondent.phone }}", NAMES).render(CONTEXT)


@pytest.mark.parametrize(
    "text",
    [
        "{% set x = 'a' %}",
        "{% include 'x' %}",
        "{% macro x() %}{% endmacro %}",
        "{% for a in recent %}{% for b in recent %}{% for c in recent %}{% endfor %}{% endfor %}{% endfor %}",
        "{% for rating in recent %}{% endfor %}",
        "{% for a in recent recursive %}{% endfor %}",
        "{{ loop.index }}",
        "{% if %}",
    ],
)
def test_templates_print_choose_and_repeat_and_nothing_else(text: str) -> None:
    with pytest.raises(ExpressionError):
        compile_template(text, NAMES)


def test_a_mistake_in_a_template_knows_its_line() -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_template("one\ntwo {{ ratng }}\n", NAMES)
    assert caught.value.line == 2


def test_a_template_does_not_loop_over_letters() -> None:
    template = compile_template("{% for letter in comment %}x{% endfor %}", NAMES, "absent")
    with pytest.raises(ExpressionError):
        template.render(CONTEXT)


WORDS = st.sampled_from(
    [
        *["unhappy", "rating", "comment", "themes", "respondent.name", "scale.max", "segments.service", "score"],
        *[
            "and",
            "or",
            "not",
            "in",
            "is",
            "if",
            "else",
            "defined",
            "none",
            "true",
            "|",
            "date",
            "round",
            "join",
            "default",
        ],
        *[
            "(",
            ")",
            "[",
            "]",
            ",",
            "==",
            "<",
            ">=",
            "+",
            "-",
            "*",
            "/",
            "~",
            ".",
            "%",
            "**",
            "1",
            "2.5",
            '"x"',
            "'",
            "{{",
            "}}",
        ],
    ]
)
TEXTS = st.one_of(st.text(max_size=60), st.lists(WORDS, max_size=14).map(" ".join))


@given(text=TEXTS, missing=st.sampled_from(["error", "absent"]))
def test_no_text_raises_anything_but_an_expression_error(text: str, missing: Any) -> None:
    try:
        expression = compile_expression(text, NAMES, missing)
        expression.explain(CONTEXT)
        expression.deciding(CONTEXT)
        expression.evaluate(CONTEXT)
    except ExpressionError:
        return


@given(text=st.one_of(TEXTS, TEXTS.map("{{{{ {} }}}}".format), TEXTS.map("{{% {} %}}".format)))
def test_no_template_raises_anything_but_an_expression_error(text: str) -> None:
    try:
        compile_template(text, NAMES, "absent").render(CONTEXT)
    except ExpressionError:
        return


@given(comment=st.text())
def test_what_customers_write_is_printed_never_run(comment: str) -> None:
    template = compile_template("{{ comment }}", NAMES, "absent")
    assert template.render({"comment": comment}) == comment
