"""Decided values become vendor fields, each with its own policy for null."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml

from connector.domain.mapping.fields import SECTIONS, compile_fields
from connector.domain.model.context import rule_names
from connector.domain.model.intent import WriteKind, refer, references

NAMES = rule_names(["service"])
ROOT = Path(__file__).parents[2]


def evaluate(tree: dict[str, Any], **context: object) -> dict[str, Any]:
    return compile_fields("contact_fields", tree, NAMES).evaluate(context)


def test_a_bare_text_is_a_template_and_a_bare_number_itself() -> None:
    tree = {"Status": "Completed", "Subject": "{{ rating }} stars", "Count": 3, "Flag": True}
    assert evaluate(tree, rating=2.0) == {"Status": "Completed", "Subject": "2 stars", "Count": 3, "Flag": True}


def test_a_literal_keeps_its_braces() -> None:
    assert evaluate({"Note": {"literal": "{{ rating }}"}}) == {"Note": "{{ rating }}"}


def test_a_missing_value_is_skipped_or_clears_as_the_field_says() -> None:
    tree = {"Skip": {"value": "score.points"}, "Clear": {"value": "score.points", "when_null": "clear"}}
    assert evaluate(tree, score={"points": None}) == {"Clear": None}


@pytest.mark.parametrize("blank", ["", "  ", None])
def test_a_blank_never_erases(blank: str | None) -> None:
    tree = {"Value": {"value": "comment"}, "Text": {"text": "{{ comment }}"}}
    assert evaluate(tree, comment=blank) == {}


def test_values_travel_as_json() -> None:
    tree = {
        "Instant": {"value": "submitted_at"},
        "Day": {"value": "submitted_at | date"},
        "Points": {"value": "score.points"},
        "Whole": {"value": "rating"},
        "List": {"value": "themes"},
        "Truth": {"value": "edited"},
    }
    moment = datetime(2026, 11, 20, 19, 9, 41, 500, tzinfo=timezone(timedelta(hours=1)))
    assert evaluate(
        tree, submitted_at=moment, score={"points": 61.23456}, rating=4.0, themes=("a", "b"), edited=False
    ) == {
        "Instant": "2026-11-20T18:09:41Z",
        "Day": "2026-11-20",
        "Points": 61.23,
        "Whole": 4,
        "List": ["a", "b"],
        "Truth": False,
    }


def test_a_reference_to_what_is_not_written_yet_travels_along() -> None:
    found = evaluate({"Description": "See {{ ticket.url }}"}, ticket={"url": refer("recovery/1/ticket/1", "url")})
    assert references(found["Description"]) == {"recovery/1/ticket/1"}


def test_policies_are_there_for_the_planner() -> None:
    tree = {"A": {"value": "rating", "ours": True}, "B": {"value": "rating", "if_blank": True}, "C": "x"}
    mapping = compile_fields("note", tree, NAMES)
    assert mapping.ours == {"A"}
    assert mapping.if_blank == {"B"}
    assert mapping.kind is WriteKind.NOTE
    assert mapping.names == {"A", "B", "C"}


def test_the_shipped_ticket_is_short_and_starts_with_what_to_do() -> None:
    tree = yaml.safe_load((ROOT / "mappings" / "helpdesk" / "zendesk.yaml").read_text(encoding="utf-8"))
    comment = compile_fields("ticket", tree["ticket"], NAMES).evaluate(
        {
            "rating": 2,
            "metric": "csat",
            "scale": {"max": 5, "best": "high"},
            "comment": "Never again",
            "themes": ["safety"],
            "sentiment": "negative",
            "step": {"due_text": "Fri 18:00"},
            "respondent": {"name": "Ann Beispiel", "email": "ann@example.com"},
            "match": {"text": "same e-mail"},
            "score": {"reason": "61, falling: two low ratings"},
            "recent": ["a", "b", "c"],
            "links": ["https://crm.example/1"],
        }
    )["comment"]
    assert isinstance(comment, str)
    lines = comment.splitlines()
    assert "Fri 18:00" in lines[0]
    assert len(lines) <= 25
    assert "- a" in lines


@pytest.mark.parametrize("path", ["crm/hubspot.yaml", "crm/salesforce.yaml", "helpdesk/zendesk.yaml"])
def test_every_shipped_section_compiles_and_stands_with_nothing_known(path: str) -> None:
    tree = yaml.safe_load((ROOT / "mappings" / path).read_text(encoding="utf-8"))
    assert set(tree) <= set(SECTIONS)
    for section, fields in tree.items():
        compile_fields(section, fields, NAMES).evaluate({"submitted_at": datetime(2026, 11, 20, tzinfo=UTC)})
