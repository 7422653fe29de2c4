from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from connector.adapters.webhook import Options, Webhook
from connector.clock import VirtualClock
from connector.errors import Forged, MappingError
from connector.ports import Hook, Source
from connector.secret import Secret
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit
from connector.transport.signatures import sign

NOW = datetime(2026, 11, 20, 18, 10, tzinfo=UTC)
PLAIN = "kiosk-secret"
# The example of the Standard Webhooks specification.
STANDARD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ANSWER = b'{"id": "k-1", "form": "kiosk", "submitted_at": "2026-11-20T18:09:00+01:00", "answers": {"stars": 2}}'


def source(*secrets: str) -> Webhook:
    clock = VirtualClock(NOW)
    options = Options(webhook_secret=[Secret(secret) for secret in secrets or (PLAIN, STANDARD)])
    return Webhook("inhouse", options, Kit(clock=clock, token_store=MemoryTokens(clock)))


def hook(headers: dict[str, str], body: bytes = ANSWER, at: datetime = NOW) -> Hook:
    return Hook(method="POST", path="/hooks/inhouse", headers=headers, body=body, received_at=at)


def standard(
    body: bytes = ANSWER, *, at: datetime = NOW, name: str = "msg_1", secret: str = STANDARD
) -> dict[str, str]:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    stamp = str(int(at.timestamp()))
    signature = sign(key, f"{name}.{stamp}.".encode() + body, encoding="base64")
    return {"webhook-id": name, "webhook-timestamp": stamp, "webhook-signature": f"v1a,other v1,{signature}"}


def test_it_is_a_source() -> None:
    assert isinstance(source(), Source)


def test_the_standard_vector_of_the_specification_is_accepted() -> None:
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    source().verify(hook(headers, b'{"test": 2432232314}', datetime.fromtimestamp(1614265330, UTC)))


def test_a_plain_signature_is_accepted_in_either_case() -> None:
    digest = sign(PLAIN.encode(), ANSWER)
    source().verify(hook({"x-signature": f"sha256={digest}"}))
    source().verify(hook({"x-signature": f"sha256={digest.upper()}"}))


@pytest.mark.parametrize("late", [timedelta(minutes=5), timedelta(minutes=-5)])
def test_a_standard_signature_holds_for_five_minutes_either_side(late: timedelta) -> None:
    source().verify(hook(standard(at=NOW + late)))


@pytest.mark.parametrize("late", [timedelta(minutes=5, seconds=1), timedelta(minutes=-5, seconds=-1)])
def test_a_stale_signature_is_forged(late: timedelta) -> None:
    with pytest.raises(Forged, match="too far"):
        source().verify(hook(standard(at=NOW + late)))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-signature": sign(PLAIN.encode(), ANSWER)},
        {"x-signature": "sha256=" + sign(b"other", ANSWER)},
        {"x-signature": "sha256=" + sign(PLAIN.encode(), ANSWER, encoding="base64")},
        {**standard(), "webhook-id": "msg_2"},
        {**standard(), "webhook-timestamp": str(int(NOW.timestamp()) + 1)},
        {**standard(), "webhook-timestamp": "now"},
        {name: value for name, value in standard().items() if name != "webhook-id"},
        {name: value for name, value in standard().items() if name != "webhook-timestamp"},
        standard(b"{}"),
        # A good plain signature does not rescue a bad standard one.
        {"x-signature": "sha256=" + sign(PLAIN.encode(), ANSWER), "webhook-signature": "v1,xx"},
    ],
)
def test_a_wrong_signature_is_forged(headers: dict[str, str]) -> None:
    with pytest.raises(Forged):
        source().verify(hook(headers))


def test_an_array_is_split_byte_for_byte() -> None:
    first, second = b'{ "id":"1",\n "n": 1.10 }', '{"id": "ü]},[{"}'.encode()
    assert source().split(b" [ " + first + b" ,\n" + second + b"]\n") == [first, second]


def test_one_bad_element_does_not_take_its_neighbours_along() -> None:
    assert source().split(b'[{"id":1}, 7, "x"]') == [b'{"id":1}', b"7", b'"x"']
    with pytest.raises(MappingError):
        source().read(b"7")


def test_an_object_is_one_delivery_and_an_empty_array_none() -> None:
    assert source().split(ANSWER) == (ANSWER,)
    assert source().split(b"[]") == []


@pytest.mark.usefixtures("without_garbage")
@pytest.mark.parametrize(
    "body", [b"[", b"[1,]", b"[1 2]", b"[1]x", b"[\xff]", b"[" * 200_000], ids=lambda body: body[:8]
)
def test_a_torn_array_is_malformed(body: bytes) -> None:
    with pytest.raises(MappingError):
        source().split(body)


def test_a_record_is_read() -> None:
    body = json.loads(ANSWER) | {"id": 17, "hidden": {"location": "Berlin"}, "metadata": {"version": "2"}}
    record = source().read(json.dumps(body).encode())
    assert record is not None
    assert (record.id, record.form) == ("17", "kiosk")
    assert record.submitted_at == datetime(2026, 11, 20, 17, 9, tzinfo=UTC)
    assert (record.answers, record.hidden, record.metadata) == ({"stars": 2}, {"location": "Berlin"}, {"version": "2"})


def test_an_empty_object_only_tries_the_connection() -> None:
    assert source().read(b"{}") is None


@pytest.mark.parametrize("missing", ["id", "form", "submitted_at"])
def test_a_missing_field_is_named(missing: str) -> None:
    body = {name: value for name, value in json.loads(ANSWER).items() if name != missing}
    with pytest.raises(MappingError) as caught:
        source().read(json.dumps(body).encode())
    assert caught.value.field == missing


def test_answers_are_an_object() -> None:
    with pytest.raises(MappingError) as caught:
        source().read(json.dumps(json.loads(ANSWER) | {"answers": [1]}).encode())
    assert caught.value.field == "answers"


def test_a_secret_that_cannot_be_decoded_is_refused_at_load() -> None:
    with pytest.raises(ValidationError, match="whsec_"):
        Options.model_validate({"webhook_secret": ["whsec_not base64!"]})


def test_what_was_told_apart_is_itself_when_split_again() -> None:
    for body in (b'[{"id":1}, 7, "x"]', ANSWER, b'[{"deep": [1, [2]]}]'):
        for payload in source().split(body):
            assert list(source().split(payload)) == [payload]
