from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from connector.adapters.typeform import Options, Typeform
from connector.clock import VirtualClock
from connector.errors import Forged, MappingError
from connector.ports import Hook, Source
from connector.secret import Secret
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit

NOW = datetime(2026, 11, 20, 18, 10, tzinfo=UTC)
EVENT: dict[str, Any] = {
    "event_id": "01J8ZC6QK3W5",
    "event_type": "form_response",
    "form_response": {
        "form_id": "aB3dE9",
        "token": "a3a12ec67a1365927098a606107fac15",
        "landed_at": "2026-11-20T18:07:02Z",
        "submitted_at": "2026-11-20T18:09:41Z",
        "hidden": {"contact_id": "c_991", "order_id": "48211"},
        "calculated": {"score": 4},
        "variables": [{"key": "score", "type": "number", "number": 4}, {"key": "plan", "type": "text", "text": "gold"}],
        "definition": {"id": "aB3dE9", "title": "After your visit", "fields": []},
        "answers": [
            {"type": "number", "number": 2, "field": {"id": "Q1", "ref": "csat", "type": "opinion_scale"}},
            {"type": "text", "text": "It took 3 days", "field": {"id": "Q2", "ref": "why", "type": "long_text"}},
            {"type": "email", "email": "ann@example.com", "field": {"id": "Q3", "ref": "mail", "type": "email"}},
            {"type": "boolean", "boolean": False, "field": {"id": "Q4", "ref": "may_contact", "type": "yes_no"}},
            {
                "type": "choice",
                "choice": {"id": "x", "ref": "y", "label": "Brakes"},
                "field": {"id": "Q5", "ref": "service", "type": "multiple_choice"},
            },
            {
                "type": "choices",
                "choices": {"ids": ["x"], "labels": ["Price", "Wait"], "other": "the coffee"},
                "field": {"id": "Q6", "ref": "", "type": "multiple_choice"},
            },
            {"type": "payment", "payment": {"name": "Ann"}, "field": {"id": "Q7", "ref": "pay", "type": "payment"}},
        ],
        "ending": {"id": "E1", "ref": "default_tys"},
    },
}


def source(*secrets: str) -> Typeform:
    clock = VirtualClock(NOW)
    options = Options(webhook_secret=[Secret(secret) for secret in secrets or ("secret",)])
    return Typeform("typeform", options, Kit(clock=clock, token_store=MemoryTokens(clock)))


def hook(body: bytes, signature: str | None) -> Hook:
    headers = {"typeform-signature": signature} if signature is not None else {}
    return Hook(method="POST", path="/hooks/typeform", headers=headers, body=body, received_at=NOW)


def payload(**changes: object) -> bytes:
    event = copy.deepcopy(EVENT)
    event["form_response"].update(changes)
    return json.dumps(event).encode()


# A vector computed apart from this code; see the design notes on sources.
BODY, SIGNATURE = b'{"a":1}', "sha256=qp4uNXX11wmLbKzNeQiIw21f22M0KnO62i1qUXR6hJQ="


def test_it_is_a_source() -> None:
    assert isinstance(source(), Source)


def test_a_known_signature_is_accepted() -> None:
    source().verify(hook(BODY, SIGNATURE))


def test_any_of_several_secrets_is_accepted_while_one_rotates() -> None:
    source("newer", "secret").verify(hook(BODY, SIGNATURE))


@pytest.mark.parametrize(
    ("body", "signature"),
    [
        (BODY, None),
        (BODY, ""),
        (BODY, "sha256="),
        (BODY, SIGNATURE.removeprefix("sha256=")),
        (BODY, SIGNATURE[:-3] + "A0="),
        (BODY, SIGNATURE.lower()),
        (BODY, "sha256=aa9e2e3575f5d7098b6cacd3790888c36d5fdb63342a73bada2d6a51747a8494"),
        (BODY, "sha256=ünlesbar"),
        (b'{"a": 1}', SIGNATURE),
        (b"", SIGNATURE),
    ],
)
def test_a_wrong_signature_is_forged(body: bytes, signature: str | None) -> None:
    with pytest.raises(Forged):
        source().verify(hook(body, signature))


def test_one_request_is_one_delivery_byte_for_byte() -> None:
    assert source().split(b' {"x": 1}\n') == (b' {"x": 1}\n',)


def test_values_are_read_by_reference_and_type() -> None:
    record = source().read(payload())
    assert record is not None
    assert record.id == "a3a12ec67a1365927098a606107fac15"
    assert record.form == "aB3dE9"
    assert record.submitted_at == datetime(2026, 11, 20, 18, 9, 41, tzinfo=UTC)
    assert record.hidden == {"contact_id": "c_991", "order_id": "48211"}
    assert record.answers == {
        "csat": 2,
        "why": "It took 3 days",
        "mail": "ann@example.com",
        "may_contact": False,
        "service": "Brakes",
        "Q6": ["Price", "Wait", "the coffee"],
    }
    assert record.metadata == {
        "landed_at": "2026-11-20T18:07:02Z",
        "score": 4,
        "ending": "default_tys",
        "variables": {"score": 4, "plan": "gold"},
    }


def test_an_own_answer_stands_for_the_label() -> None:
    answers = [{"type": "choice", "choice": {"other": "Clutch"}, "field": {"id": "Q5", "ref": "service"}}]
    record = source().read(payload(answers=answers))
    assert record is not None
    assert record.answers == {"service": "Clutch"}


def test_an_answer_to_nothing_is_still_an_answer() -> None:
    record = source().read(payload(answers=None, hidden=None))
    assert record is not None
    assert (record.answers, record.hidden) == ({}, {})


@pytest.mark.parametrize("event_type", ["form_response_partial", "ping", None])
def test_other_events_are_no_answers(event_type: str | None) -> None:
    assert source().read(json.dumps({**EVENT, "event_type": event_type}).encode()) is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"token": ""}, "form_response.token"),
        ({"token": None}, "form_response.token"),
        ({"token": True}, "form_response.token"),
        ({"form_id": None}, "form_response.form_id"),
        ({"submitted_at": "yesterday"}, "form_response.submitted_at"),
        ({"submitted_at": "2026-11-20T18:09:41"}, "form_response.submitted_at"),
        ({"hidden": ["c_991"]}, "form_response.hidden"),
        ({"answers": {"csat": 1}}, "form_response.answers"),
        ({"answers": ["csat"]}, "form_response.answers.0"),
        ({"answers": [{"type": "number", "number": 1}]}, "form_response.answers.0.field.id"),
        ({"answers": [{"type": "number", "field": {"ref": "csat"}}]}, "form_response.answers.0"),
        ({"answers": [{"type": "choice", "choice": "A", "field": {"ref": "a"}}]}, "form_response.answers.0.choice"),
    ],
)
def test_a_malformed_answer_names_the_field_and_no_value(changes: dict[str, object], field: str) -> None:
    with pytest.raises(MappingError) as caught:
        source().read(payload(**changes))
    assert caught.value.field == field
    assert "yesterday" not in str(caught.value)


@pytest.mark.usefixtures("without_garbage")
@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b'{"a": NaN}', b"[" * 200_000], ids=lambda body: body[:8]
)
def test_what_is_no_json_object_is_malformed(body: bytes) -> None:
    with pytest.raises(MappingError) as caught:
        source().read(body)
    assert caught.value.field == "body"


def test_characters_no_store_can_hold_are_replaced() -> None:
    answers = '[{"type":"text","text":"bad \\ud83d end\\u0000","field":{"id":"Q","ref":"why"}}]'
    record = source().read(payload(answers=json.loads(answers)))
    assert record is not None
    assert str(record.answers["why"]).encode() == "bad \ufffd\ufffd\ufffd end".encode()


@pytest.mark.parametrize("options", [{}, {"webhook_secret": []}, {"webhook_secret": ["s"], "apitoken": "t"}])
def test_options_refuse_what_they_cannot_use(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Options.model_validate(options)


def test_options_turn_text_into_secrets_and_never_show_them() -> None:
    options = Options.model_validate({"webhook_secret": ["hunter2-hunter2"]})
    assert options.webhook_secret[0].matches("hunter2-hunter2")
    assert "hunter2" not in repr(options) + options.model_dump_json() + str(options.model_dump())
    with pytest.raises(ValidationError) as caught:
        Options.model_validate({"webhook_secret": [["hunter2-hunter2"]]})
    assert [error["type"] for error in caught.value.errors()] == ["value_error"]
