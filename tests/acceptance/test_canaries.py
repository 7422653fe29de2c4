"""A secret and a person go through everything; nothing that is kept for operators ever names them, in any disguise."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, urlencode, urlsplit

import pytest

from connector.clock import SystemClock
from connector.simulator import salesforce, slack, zendesk
from connector.simulator.faults import Fault, FaultKind
from connector.simulator.parts import Site
from connector.testing.rehearsal import Rehearsal
from tests.acceptance.stages import Stage, staged

pytestmark = pytest.mark.slow

SECRET = 'canary/s3cret+"ü&=%'
EMAIL = "canary.person+tag@leak.example"
NAME = "Kanaria Vogelprobe"
WORDS = "My comment chirps zwitscherzwitscher."
SECRETS = (SECRET, salesforce.CLIENT_SECRET, zendesk.CLIENT_SECRET, zendesk.HOOK_SECRET, slack.TOKEN)
PERSONAL = (EMAIL, NAME, "zwitscherzwitscher")
DANGER = "The brakes are dangerous now, I nearly had an accident. This is horrible and unsafe work."
"""What the example's rule alerts people about."""
STATUSES = (200, 400, 422, 302, 500, 404, 409, 503, 429)


def disguises(text: str) -> set[str]:
    """The ways a text may stand in a log: plain, escaped for URLs, JSON or HTML, and inside base64."""
    found = {
        text,
        quote(text),
        quote(text, safe=""),
        quote_plus(text),
        quote(quote(text, safe=""), safe=""),
        escape(text),
    }
    found |= {json.dumps(text)[1:-1], json.dumps(json.dumps(text))[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    for before in range(3):
        coded = base64.b64encode(b"-" * before + text.encode()).decode().rstrip("=")
        inner = coded[(0, 2, 3)[before] : len(coded) - 2]
        found |= {inner, inner.translate(str.maketrans("+/", "-_"))}
    return found


DISGUISED = {word: disguises(word) for word in (*SECRETS, *PERSONAL)}


def leaks(text: str) -> list[str]:
    """Every canary that can be heard in `text`, with what stands around it."""
    found = []
    for word, forms in DISGUISED.items():
        for form in forms:
            at = text.lower().find(form.lower())
            if at >= 0:
                found.append(f"{word!r}: {text[max(0, at - 120) : at + len(form) + 40]!r}")
    return found


@dataclass
class Life:
    """What a daemon left behind that met canaries everywhere."""

    stage: Stage
    log: str
    metrics: str
    spoken: Mapping[str, str]
    raw: Mapping[str, bytes]
    used: Mapping[str, int]


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    with staged(tmp_path_factory.mktemp("canaries") / "stage", overrides={"TYPEFORM_SECRET": SECRET}) as stage:
        running = stage.rehearsal
        running.start(["--log-level", "DEBUG"])
        send(running, answer("1", csat=1))
        running.settle()
        knock_everywhere(running)
        sites = (stage.simulators.salesforce.site, stage.simulators.zendesk.site, stage.simulators.slack.site)
        for site in sites:
            for fault in repeating_replies():
                site.faults.add(fault)
        for number in range(2, 16):
            send(running, answer(str(number), csat=1, email=f"{number}.{EMAIL}", comment=f"{WORDS} {DANGER}"))
        listen(running, sites)
        _, metrics = request(running, "GET", "/metrics")
        spoken = commands(running)
        raw = files(stage.folder)  # while it runs: the WAL is full
        assert running.stop() == 0
        raw |= {f"{name} afterwards": content for name, content in files(stage.folder).items()}
        used = {site.base_url: len(STATUSES) - len(site.faults.pending()) for site in sites}
        yield Life(
            stage=stage, log=running.log.read_text(), metrics=metrics.decode(), spoken=spoken, raw=raw, used=used
        )


def answer(number: str, *, csat: object, email: str = EMAIL, comment: str = WORDS) -> dict[str, Any]:
    return {
        "event_id": number,
        "event_type": "form_response",
        "form_response": {
            "form_id": "aB3dE9",
            "token": f"canary-{number}",
            "submitted_at": SystemClock().now().isoformat(),
            "hidden": {"email": email, "name": NAME, "service": "brakes", "location": "Hamburg"},
            "answers": [
                {"type": "number", "number": csat, "field": {"id": "q1", "ref": "csat", "type": "opinion_scale"}},
                {"type": "text", "text": comment, "field": {"id": "q2", "ref": "why", "type": "long_text"}},
            ],
        },
    }


def send(running: Rehearsal, body: object, **more: Any) -> int:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = base64.b64encode(hmac.new(SECRET.encode(), raw, hashlib.sha256).digest()).decode()
    headers = {"Typeform-Signature": f"sha256={given}", **more.get("headers", {})}
    return request(running, "POST", more.get("path", "/hooks/typeform"), raw, headers)[0]


def request(
    running: Rehearsal, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    place = urlsplit(running.url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
    connection.request(method, path, body, dict(headers or {}))
    reply = connection.getresponse()
    status, content = reply.status, reply.read()
    connection.close()
    return status, content


def knock_everywhere(running: Rehearsal) -> None:
    """Canaries in URL, path, header, form field, in fields that cannot be mapped, and in what is no JSON at all."""
    shown = quote(f"{EMAIL} {SECRET}")
    headers = {"X-Canary": f"{EMAIL} {quote(SECRET)}", "Authorization": f"Bearer {quote(SECRET)}"}
    assert send(running, answer("20", csat=EMAIL), path=f"/hooks/typeform?who={shown}", headers=headers) == 200
    assert send(running, answer("21", csat=SECRET)) == 200
    assert send(running, urlencode({"email": EMAIL, "secret": SECRET}).encode()) == 200
    assert send(running, f"{EMAIL} {SECRET} {{".encode()) == 200
    odd = answer("22", csat=3)
    odd["form_response"] |= {"submitted_at": EMAIL, "hidden": {EMAIL: SECRET}}
    assert send(running, odd) == 200
    assert send(running, {EMAIL: {SECRET: NAME}, "event_type": "form_response"}) == 200
    assert request(running, "POST", f"/hooks/{shown}", EMAIL.encode(), headers)[0] == 503
    assert request(running, "GET", f"/{shown}", b"", headers)[0] == 404
    assert request(running, "POST", "/hooks/typeform", SECRET.encode(), {"Typeform-Signature": quote(SECRET)})[0] == 401
    assert request(running, "POST", "/hooks/zendesk", SECRET.encode(), headers)[0] == 401


def repeating_replies() -> list[Fault]:
    """Vendors that repeat, in every disguise, what they were told."""
    everything = sorted(form for word in (*SECRETS, *PERSONAL) for form in disguises(word))
    bodies = (
        json.dumps([{"message": f"{EMAIL} {form} {NAME} {SECRET}", "errorCode": form} for form in everything]),
        json.dumps({"error": {"title": " ".join(everything), "message": f"Email: {EMAIL} is taken"}, "ok": False}),
        "<html><h1>" + " ".join(everything) + "</h1></html>",
        json.dumps(f"{EMAIL} {SECRET}"),
    )
    return [
        Fault(
            match="*",
            kind=FaultKind.REPLY,
            status=status,
            message=bodies[(place + 1) % len(bodies)],
            headers={
                "Content-Type": "application/json",
                "X-Request-Id": (EMAIL, quote(SECRET), base64.b64encode(EMAIL.encode()).decode())[place % 3],
                "Retry-After": "1",
                "Location": f"https://leak.example/{quote(EMAIL)}?token={quote(SECRET)}",
                "Set-Cookie": f"who={EMAIL}",
            },
        )
        for place, status in enumerate(STATUSES)
    ]


def listen(running: Rehearsal, sites: Sequence[Site], seconds: float = 25) -> None:
    """Until the vendors have said it all, or long enough."""
    clock = SystemClock()
    until = clock.monotonic() + seconds
    while any(site.faults.pending() for site in sites) and clock.monotonic() < until:
        running.pause(0.5)
    running.pause(1)


def commands(running: Rehearsal) -> dict[str, str]:
    """What commands print, mistakes included."""
    clumsy = {
        "CONNECTOR__CONNECTIONS__SLACK__TIMEOUT": SECRET,
        "CONNECTOR__TIME_ZONE": SECRET,
        "CONNECTOR__LISTN": SECRET,
    }
    told = {}
    for line, more in (
        ("check --json", {}),
        ("check", clumsy),
        ("status --json", {}),
        ("status", {}),
        ("outbox list --json --limit 500", {}),
        ("outbox list", {}),
        ("replay --list", {}),
        ("replay --list --json", {}),
        ("status", {"CONNECTOR__STORE": f"postgresql://canary:{quote(SECRET, safe='')}@127.0.0.1:1/none"}),
        ("status", {"CONNECTOR_KEY": SECRET}),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "connector", *line.split(), "--config", str(running.config)],
            env={**running.environ, **more},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        told[f"{line} {sorted(more)}"] = done.stdout + done.stderr
    return told


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("connector.db*")}


def test_the_canaries_really_went_through_everything(life: Life) -> None:
    desk = json.dumps(life.stage.simulators.zendesk.site.snapshot())
    assert EMAIL in desk
    assert WORDS in desk
    # Slack's lane backs off for longest; its first reply repeats everything as its own error code.
    assert all(used >= least for used, least in zip(life.used.values(), (5, 5, 2), strict=True)), life.used
    levels = {json.loads(line)["level"] for line in life.log.splitlines()}
    assert {"debug", "info"} <= levels
    assert '"event": "intent_settled"' in life.log
    assert len(life.raw["connector.db-wal"]) > 0
    told = json.loads(life.spoken["status --json []"])
    assert told["deliveries"]["quarantined"] >= 5
    assert json.loads(life.spoken["outbox list --json --limit 500 []"])
    assert (
        "3 problems"
        in life.spoken["check ['CONNECTOR__CONNECTIONS__SLACK__TIMEOUT', 'CONNECTOR__LISTN', 'CONNECTOR__TIME_ZONE']"]
    )


def test_no_log_line_names_them(life: Life) -> None:
    assert leaks(life.log) == []
    for line in life.log.splitlines():
        for value in strings(json.loads(line)):
            assert leaks(value) == [], line


def test_no_metric_names_them(life: Life) -> None:
    assert "connector_deliveries_total" in life.metrics
    assert leaks(life.metrics) == []


def test_no_command_names_them(life: Life) -> None:
    for line, text in life.spoken.items():
        assert leaks(text) == [], line
        assert leaks("".join(text.split())) == [], line  # a narrow table folds


@pytest.mark.parametrize("word", [*PERSONAL, SECRET])
def test_the_raw_store_holds_no_word_of_it(life: Life, word: str) -> None:
    for name, content in life.raw.items():
        for form in disguises(word):
            assert form.lower().encode() not in content.lower(), f"{name}: {form}"


def strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from strings(key)
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)
