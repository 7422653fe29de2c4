"""What a vendor says went wrong is quoted only where it has the shape of a code: its sentences repeat people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from connector.adapters import slack
from connector.adapters.salesforce import replies as salesforce
from connector.adapters.zendesk import replies as zendesk
from connector.transport import replies

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SENTENCE = "Kim Lund of Lund & Sons is taken"


@pytest.mark.parametrize("words", [SENTENCE, "kim", [SENTENCE], {SENTENCE: 1}, 7])
def test_salesforce_codes_and_fields_are_quoted_and_nothing_else(words: object) -> None:
    entry = {"errorCode": words, "message": SENTENCE, "fields": [SENTENCE, words, "Email"]}
    error = salesforce.meaning(json.loads(json.dumps(entry)), NOON)
    assert "UNKNOWN" in str(error)
    assert "Email" in str(error)
    assert "Lund" not in f"{error} {error.reply} {vars(error)}"


@pytest.mark.parametrize("words", [SENTENCE, [SENTENCE], {"title": SENTENCE}])
def test_zendesk_titles_are_quoted_only_when_they_are_words(words: object) -> None:
    body = json.dumps({"error": words, "description": SENTENCE, "details": {SENTENCE: [SENTENCE]}}).encode()
    for status in (409, 422):
        error = zendesk.read(status, {}, body)
        assert error is not None
        assert "Lund" not in f"{error} {error.reply} {vars(error)}"


@pytest.mark.parametrize(
    ("told", "code"),
    [(SENTENCE, "no code"), ([SENTENCE], "no code"), (None, "unreadable"), ("", "unreadable"), ("is_archived",) * 2],
)
def test_slack_errors_are_quoted_only_when_they_are_words(told: object, code: str) -> None:
    assert slack._code(json.loads(json.dumps(told))) == code


@pytest.mark.parametrize("header", replies.REQUEST_ID_HEADERS)
def test_a_request_id_that_repeats_an_address_is_hidden(header: str) -> None:
    given: Mapping[str, str] = {header: "kim.lund%40example.com"}
    assert replies.request_id(given) == "…"
    assert replies.request_id({header: "req-17"}) == "req-17"
