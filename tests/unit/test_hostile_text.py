"""What customers write is data wherever it goes: nobody is called, nothing is filled in, no terminal is steered."""

from __future__ import annotations

import io
import json
import logging
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from connector import observe
from connector.adapters.hubspot.writes import as_html
from connector.adapters.slack import LONGEST, escape
from connector.adapters.zendesk import payload
from connector.adapters.zendesk.directory import Directory
from connector.cli import output
from connector.domain.expressions import compile_template
from connector.domain.model.context import Names
from connector.domain.model.intent import Item, refer, references, strip_references

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
NASTY = (
    "<!channel> <!here|x> <@U0SIM> <https://evil.example|Bank>",
    "{{ticket.requester.email}} {% if 1 %} {{{x}}} {{dc.secret}}",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }} {% for x in y %} {# no #} {{ ''.__class__ }}",
    "\x1b[2J\x1b]0;title\x07 \x9b31m \u202e gnp.exe \u2028 \x85 \r overwritten",
    '=cmd|"/C calc"!A0  +1+1  @SUM(A1)  -2',
    'x", "level": "error", "event": "forged\n{"event": "forged"}',
    f"{refer('person/1/contact@salesforce:acme')}",
)
_SIGNS = "{}%<>!@|&#=\x1b\x9b\u202e\n\r\u2028aZ0 \ue000\ue001"
hostile = st.one_of(st.sampled_from(NASTY), st.text(alphabet=_SIGNS, max_size=60))


@given(hostile)
def test_slack_calls_nobody_and_links_nothing(text: str) -> None:
    shown = escape(text)
    assert "<" not in shown
    assert ">" not in shown
    plain = shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert plain == text[:LONGEST]


@given(hostile, hostile)
def test_zendesk_fills_nothing_in(text: str, other: str) -> None:
    fields = {"subject": other, "comment": text, "requester_email": "a@example.org", "requester_name": other}
    new = Item(key="k", target=None, fields={**fields, "custom_field_1": text}, cause_at=NOON)
    made: dict[str, Any] = payload.create(new, Directory())
    note: dict[str, Any] = payload.update(Item(key="k", target="7", fields={"text": text}, cause_at=NOON), Directory())
    said = [made["subject"], made["comment"]["body"], made["requester"]["name"], note["comment"]["body"]]
    said.append(made["custom_fields"][0]["value"])
    for each in said:
        assert "{{" not in str(each)
        assert "{%" not in str(each)
    assert made["comment"]["body"].replace("{\u200b", "{") == text
    assert note["comment"]["public"] is False


@given(hostile)
def test_hubspot_shows_no_markup_of_theirs(text: str) -> None:
    assert re.sub(r"<br>", "", as_html(text)).count("<") == 0


@given(hostile)
def test_a_comment_is_never_a_template(text: str) -> None:
    template = compile_template("Said: {{ comment }}!", Names(open=True))
    assert template.render({"comment": text}) == f"Said: {text}!"


@given(hostile)
def test_nobody_names_an_object_of_ours(text: str) -> None:
    assert references(strip_references(text)) == frozenset()


@given(hostile)
def test_a_log_line_stays_one_line_and_reads_back(text: str) -> None:
    line = observe.dumps({"event": "x", "text": text})
    assert len(line.splitlines()) == 1
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e]", line)
    assert json.loads(line) == {"event": "x", "text": text}


def test_the_log_is_written_so() -> None:
    stream = io.StringIO()
    before = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        observe.configure("INFO", stream)
        for text in NASTY:
            observe.log("test").info("said", text=text)
    finally:
        logging.getLogger().handlers[:], level = before
        logging.getLogger().setLevel(level)
    lines = stream.getvalue().splitlines()
    assert len(lines) == len(NASTY)
    assert {json.loads(line)["event"] for line in lines} == {"said"}


@given(hostile)
def test_no_output_steers_a_terminal(text: str) -> None:
    file = io.StringIO()
    screen = output.console()
    assert isinstance(screen, Console)
    screen.file = file
    screen.print(text, markup=False)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e]", file.getvalue())


def test_tables_and_documents_steer_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    for text in NASTY:
        output.print_table("T", ["a"], [(text,)])
        output.print_pairs("P", {"a": text})
        output.print_json({"a": text})
        said = capsys.readouterr().out
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e]", said), text
    output.print_json({"a": NASTY[4]})
    assert json.loads(capsys.readouterr().out) == {"a": NASTY[4]}
