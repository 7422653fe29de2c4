from __future__ import annotations

import base64
import gc
import io
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import quote

import pytest

from connector import observe
from connector.clock import SystemClock
from connector.errors import ConnectorError, RemoteError
from connector.observe import METRICS, PREFIX, Metrics
from connector.secret import Secret, redact
from connector.transport.bridge import session
from connector.transport.client import Api, CallNote
from connector.transport.grants import ClientCredentials, StaticBearer
from tests.unit.loopback import RESET, Play, Vendor, reply, vendor

pytestmark = pytest.mark.slow  # `make quick` leaves it to `make test`

# Characters that every kind of escaping changes.
SECRET_TEXT = 'canary"secret/+é&=42'
MAIL = "canary.mail+x@example.com"


def forms(text: str) -> dict[str, str]:
    raw = text.encode()
    return {
        "plain": text,
        "url": quote(text, safe=""),
        "json": json.dumps(text)[1:-1],
        "json, every character": "".join(f"\\u{ord(letter):04x}" if letter in "@+" else letter for letter in text),
        "base64": base64.b64encode(raw).decode(),
        "base64, url-safe": base64.urlsafe_b64encode(raw).decode(),
        "base64, unpadded": base64.urlsafe_b64encode(raw).decode().rstrip("="),
        "basic": base64.b64encode(b"client:" + raw).decode(),
        "basic, second position": base64.b64encode(b"clien:" + raw + b":x").decode(),
        "basic, third position": base64.b64encode(b"clie:" + raw + b":xy").decode(),
    }


def tells(text: str) -> list[str]:
    """Which forms of the canaries `text` holds, also after one or two unescapings."""
    found = [name for name, form in {**forms(SECRET_TEXT), **forms(MAIL)}.items() if form in text]
    return found + [part for part in ("canary.mail", 'canary"secret', "canary%22", 'canary\\"') if part in text]


@pytest.fixture
def canary() -> Iterator[Secret]:
    secret = Secret(SECRET_TEXT)
    yield secret
    del secret


@pytest.fixture
def lines() -> io.StringIO:
    """Everything logged at DEBUG."""
    stream = io.StringIO()
    observe.configure("DEBUG", stream)
    return stream


@pytest.mark.parametrize("form", sorted(forms(SECRET_TEXT)))
def test_a_secret_is_hidden_in_every_form(canary: Secret, form: str) -> None:
    text = f"before {forms(canary.reveal())[form]} after"
    hidden = redact(text)
    assert tells(hidden) == []
    assert hidden.startswith("before ")
    assert hidden.endswith(" after")


@pytest.mark.parametrize("form", sorted(forms(MAIL)))
def test_an_address_is_hidden_in_every_form(form: str) -> None:
    hidden = redact(f"before {forms(MAIL)[form]} after")
    assert tells(hidden) == []
    assert "canary" not in hidden
    assert hidden.startswith("before ")
    assert hidden.endswith(" after")


@pytest.mark.parametrize(
    "text",
    [
        "+49 30 1234567",
        "(030) 123-456-78",
        "0301234567",
        "4111 1111 1111 1111",
        "+49-30-1234567",
        "030.123.456.78",
        "%2B4930123456789",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
        "xoxb-123-abc",
        "Bearer abc.def",
        "00D000000000001!AQ.x",
    ],
)
def test_numbers_of_people_and_tokens_are_hidden(text: str) -> None:
    assert redact(f"say {text}, then") == "say …, then"


@pytest.mark.parametrize(
    "text", ["access_token=abcdef", '"client_secret": "abcdef"', "refresh_token: abcdef", "api_key='abcdef'"]
)
def test_what_is_called_a_secret_is_hidden(text: str) -> None:
    assert "abcdef" not in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21T20:40:00.123456Z",
        "2026-11-21 20:40:00",
        "550e8400-e29b-41d4-a716-446655440000",
        "a3a12ec67a1365927098a606107fac15",
        "GET /services/data/v62.0/composite/sobjects/Contact/CSAT_Person__c",
        "write/zendesk:acme",
        "ticket 35436, attempt 3 of 10",
        "0.123456789123",
        "read timed out after 20.0 s",
    ],
)
def test_what_an_operator_needs_stays(text: str) -> None:
    assert redact(text) == text


def test_a_secret_that_is_a_plain_word_does_not_uncover_another() -> None:
    word = Secret("secret")
    assert redact('"client_secret": "abcdef"') == '"client_…": "…"'
    assert word.matches("secret")


def test_a_secret_of_a_few_letters_does_not_destroy_texts() -> None:
    secret = Secret("abc")
    assert redact("abcabc abc") == "abcabc abc"
    assert not secret.matches("abd")


def test_a_forgotten_secret_is_looked_for_no_longer_and_its_twin_is() -> None:
    first, second = Secret("twin-of-secret"), Secret("twin-of-secret")
    del first
    gc.collect()
    assert redact("twin-of-secret") == "…"
    del second
    gc.collect()
    assert redact("twin-of-secret") == "twin-of-secret"


def test_every_event_is_one_json_line_with_its_correlation(lines: io.StringIO) -> None:
    with observe.correlate(response="typeform/f/1"):
        observe.log("sync").info("decided", rules=2, ok=True, nothing=None)
    observe.log("sync").info("idle")
    first, second = map(json.loads, lines.getvalue().splitlines())
    assert first.pop("timestamp").endswith("Z")
    assert first == {
        "event": "decided",
        "level": "info",
        "logger": "connector.sync",
        "nothing": None,
        "ok": True,
        "response": "typeform/f/1",
        "rules": 2,
    }
    assert "response" not in second


def test_levels_hold(lines: io.StringIO) -> None:
    observe.configure("warning", lines)
    observe.log("sync").info("not this")
    logging.getLogger("zenpy").debug("nor this")
    observe.log("sync").warning("this")
    assert [json.loads(line)["event"] for line in lines.getvalue().splitlines()] == ["this"]


def test_fields_are_hidden_at_any_depth(lines: io.StringIO, canary: Secret) -> None:
    deep: object = MAIL
    for _ in range(20):
        deep = {"in": [deep]}
    observe.log("sync").info(
        f"mail {MAIL}",
        plain=SECRET_TEXT,
        nested={"a": [{MAIL: (SECRET_TEXT, {MAIL})}]},
        object=ValueError(MAIL),
        secret=canary,
        deep=deep,
    )
    assert tells(lines.getvalue()) == []
    assert len(lines.getvalue().splitlines()) == 1


def test_tracebacks_are_hidden_with_their_causes(lines: io.StringIO, canary: Secret) -> None:
    def inner() -> None:
        raise ValueError(f"inner {MAIL} {canary.reveal()!r}")

    def fail() -> None:
        try:
            inner()
        except ValueError as error:
            raise RuntimeError(f"outer {forms(SECRET_TEXT)['url']}") from error

    for logger in (observe.log("web"), logging.getLogger("uvicorn.error"), logging.getLogger("elsewhere")):
        try:
            fail()
        except RuntimeError:
            logger.exception("failed")
    shown = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert len(shown) == 3
    assert all("RuntimeError: outer" in event["exception"] for event in shown)
    assert all("ValueError: inner" in event["exception"] for event in shown)
    assert tells(lines.getvalue()) == []


def test_libraries_and_warnings_speak_through_the_same_processor(lines: io.StringIO, canary: Secret) -> None:
    logging.getLogger("zenpy.lib.api").debug("GET %s %s", f"/users?query={quote(MAIL)}", canary.reveal())
    logging.getLogger("uvicorn.error").info("hello %s", {"mail": MAIL})
    logging.getLogger("uvicorn.access").info('203.0.113.7 - "POST /hooks/typeform"')
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"old {MAIL}", stacklevel=1)
    events = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [event["logger"] for event in events] == ["zenpy.lib.api", "uvicorn.error", "py.warnings"]
    assert tells(lines.getvalue()) == []


def test_our_events_are_hidden_even_when_nobody_configured_logging(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        observe.log("sync").info("mail", text=MAIL)
    assert "canary" not in str([record.msg for record in caplog.records])


HEADERS = {f"X-Echo-{number}": form for number, form in enumerate(forms(MAIL).values())}
ECHO = {
    "error": "invalid",
    "details": {**forms(MAIL), **{f"s {name}": form for name, form in forms(SECRET_TEXT).items()}},
}


@pytest.mark.parametrize(
    "play",
    [
        reply(200, ECHO),
        reply(400, ECHO),
        reply(422, json.dumps(ECHO, ensure_ascii=False).encode(), X_Request_Id="r-1"),
        reply(422, f"<html>{MAIL} {SECRET_TEXT}</html>".encode()),
        reply(500, " ".join(forms(SECRET_TEXT).values()).encode()),
        reply(301, {}, Location=f"/login?token={quote(SECRET_TEXT)}&mail={quote(MAIL)}"),
        reply(200, b'{"torn": "' + MAIL.encode()),
        Play(raw=f"HTTP/1.1 200 OK\r\n{MAIL} {quote(SECRET_TEXT)}\r\n\r\n".encode(), then="close"),
        RESET,
    ],
)
@pytest.mark.parametrize("part", ["the api", "the token endpoint"])
def test_nothing_a_vendor_answers_or_we_send_is_told(lines: io.StringIO, canary: Secret, play: Play, part: str) -> None:
    """The canaries in URL, query, header, form field, body and reply: in no log at DEBUG, error, or note."""
    notes: list[CallNote] = []
    with vendor(lambda seen: play if (seen.path == "/token") == (part == "the token endpoint") else _token()) as here:
        for write in (True, False):
            error = _provoke(here, canary, notes, write=write)
            if error is not None:
                observe.log("sync").error("failed", error=error, state=vars(error))
                assert tells(str(error) + repr(error) + repr(vars(error))) == []
        assert here.seen
    assert tells(lines.getvalue()) == []
    assert tells(repr(notes)) == []


def _token() -> Play:
    return reply(200, {"access_token": "token-of-the-vendor", "expires_in": 60})


def _provoke(here: Vendor, canary: Secret, notes: list[CallNote], *, write: bool) -> ConnectorError | None:
    auth = ClientCredentials(token_url=f"{here.url}/token", client_id=MAIL, client_secret=canary, scope="a")
    api = Api(connection="acme", base_url=here.url, auth=auth, clock=SystemClock(), on_call=notes.append, timeout=2)
    try:
        api.call(
            "POST",
            f"/users/{quote(MAIL)}/{quote(SECRET_TEXT, safe='')}?q={quote(MAIL)}",
            json={"mail": MAIL, "secret": SECRET_TEXT},
            headers={"X-Mail": MAIL, "X-Basic": forms(SECRET_TEXT)["basic"]},
            write=write,
        ).json()
    except RemoteError as error:
        observe.log("sync").exception("failed")
        return error
    return None


def test_an_sdk_on_the_bridge_tells_nothing_either(lines: io.StringIO) -> None:
    with vendor(lambda _: reply(422, ECHO)) as here:
        auth = StaticBearer(Secret("canary-of-the-sdk"))
        api = Api(connection="acme", base_url=here.url, auth=auth, clock=SystemClock())
        with suppress(RemoteError):
            session(api).get(f"https://acme.example/search?q={quote(MAIL)}", auth=("x", "canary-of-the-sdk"))
        assert here.paths() == ["/search"]
    assert "canary" not in lines.getvalue()


def test_metrics_are_those_of_the_table() -> None:
    metrics = Metrics()
    for name, shape in METRICS.items():
        labels = dict.fromkeys(shape.labels, "x")
        match shape.kind.__name__:
            case "Counter":
                metrics.count(name, **labels)
            case "Gauge":
                metrics.gauge(name, 1, **labels)
            case _:
                metrics.time(name, 1, **labels)
    text = metrics.exposition().decode()
    for name, shape in METRICS.items():
        assert f"# HELP {PREFIX}{name} {shape.doc}" in text
        assert f"\n{PREFIX}{name}" in text
    assert f'{PREFIX}remote_calls_total{{connection="x",endpoint="x",outcome="x"}} 1.0' in text


def test_a_metric_that_is_not_in_the_table_does_not_exist() -> None:
    with pytest.raises(KeyError):
        Metrics().count("surprises_total")
    with pytest.raises(ValueError, match="label"):
        Metrics().count("deliveries_total", source="typeform")


def test_wire_libraries_are_silent_even_when_nobody_configured_logging() -> None:
    for name in observe.WIRE_LOGGERS:
        logging.getLogger(name).setLevel(logging.NOTSET)
    Api(connection="acme", base_url="http://127.0.0.1:1", auth=StaticBearer(Secret("tok-of-acme")), clock=SystemClock())
    assert not any(logging.getLogger(name).isEnabledFor(logging.ERROR) for name in observe.WIRE_LOGGERS)
