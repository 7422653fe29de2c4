"""Senders that cannot sign: a secret in a header, a token in the address, or no more than a hint."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from connector.adapters.file import File
from connector.adapters.file import Options as FileOptions
from connector.adapters.webhook import Options, Webhook
from connector.clock import VirtualClock
from connector.errors import Forged
from connector.observe import Metrics
from connector.ports import Addressed, Hook
from connector.store import counts, inbox, lanes
from connector.store.database import Database
from connector.sync.collect import Intake
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit
from connector.web.app import build_app
from connector.web.hooks import Doors
from connector.web.server import Server
from tests.unit.samples import empty_store

NOW = datetime(2026, 11, 20, 18, 10, tzinfo=UTC)
ANSWER = b'{"id": "k-1", "form": "kiosk", "submitted_at": "2026-11-20T18:09:00+01:00", "answers": {"stars": 2}}'
TOKEN = "Zm9yLXRoZS1raW9zay1vbmx5"
OTHER = "b3RoZXItdG9rZW4tb2YtdGhlLWtpb3Nr"
HEADER = {"header": {"name": "X-Token", "secret": ["first secret", "second secret"]}}


def source(**options: object) -> Webhook:
    clock = VirtualClock(NOW)
    return Webhook("kiosk", Options.model_validate(options), Kit(clock=clock, token_store=MemoryTokens(clock)))


def hook(path: str = "/hooks/kiosk", **headers: str) -> Hook:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Hook(method="POST", path=path, headers=named, body=ANSWER, received_at=NOW)


@pytest.mark.parametrize("secret", ["first secret", "second secret"])
def test_a_secret_in_the_header_lets_in(secret: str) -> None:
    source(**HEADER).verify(hook(x_token=secret))


@pytest.mark.parametrize("given", [{}, {"x_token": ""}, {"x_token": "first secre"}, {"x_other": "first secret"}])
def test_any_other_header_is_forged(given: dict[str, str]) -> None:
    with pytest.raises(Forged):
        source(**HEADER).verify(hook(**given))


def test_a_token_in_the_address_lets_in() -> None:
    kiosk = source(path_token=[TOKEN, OTHER])
    assert isinstance(kiosk, Addressed)
    assert kiosk.has_path_token
    for token in (TOKEN, OTHER):
        kiosk.verify(hook(f"/hooks/kiosk/{token}"))
    for path in ("/hooks/kiosk", "/hooks/kiosk/", f"/hooks/kiosk/{TOKEN[:-1]}", f"/hooks/kiosk/{TOKEN}/x"):
        with pytest.raises(Forged):
            kiosk.verify(hook(path))


def test_a_secret_elsewhere_does_not_help() -> None:
    """Who has the header's secret must put it there; a signed source is told by nothing but its signature."""
    for one, sent in (
        (source(**HEADER), hook("/hooks/kiosk/first secret")),
        (source(path_token=[TOKEN]), hook(x_token=TOKEN)),
        (source(webhook_secret=["signs"]), hook("/hooks/kiosk/signs", x_token="signs")),
    ):
        with pytest.raises(Forged):
            one.verify(sent)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"webhook_secret": ["a"], "path_token": [TOKEN]},
        {"webhook_secret": ["a"], **HEADER},
        {"path_token": [TOKEN], **HEADER},
        {"webhook_secret": ["a"], "path_token": [TOKEN], **HEADER},
    ],
)
def test_exactly_one_way_is_configured(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="exactly one of webhook_secret, header and path_token"):
        source(**options)


@pytest.mark.parametrize("token", ["short", "with/a/slash/and-long-enough", "spaces are in this token"])
def test_a_token_is_long_and_fits_an_address(token: str) -> None:
    with pytest.raises(ValidationError, match="at least 20") as caught:
        source(path_token=[token])
    assert token not in str(caught.value)


def test_nothing_is_delivered_to_a_file() -> None:
    clock = VirtualClock(NOW)
    with pytest.raises(Forged):
        File("old", FileOptions(), Kit(clock=clock, token_store=MemoryTokens(clock))).verify(hook())


class Hints(File):
    """A source that believes no hook and fetches what is there."""

    is_hint = True

    def __init__(self) -> None:
        clock = VirtualClock(NOW)
        super().__init__("forms", FileOptions(), Kit(clock=clock, token_store=MemoryTokens(clock)))

    def hint(self, body: bytes) -> str | None:
        return "aB3dE9" if body == b"one" else "another"


@dataclass
class House:
    """A web server with one source of each sort."""

    db: Database
    metrics: Metrics
    client: httpx.Client
    intake: Intake

    def counted(self) -> dict[str, int]:
        self.intake.wake("flush").result()
        with self.db.read() as tx:
            return counts.all_counts(tx)

    def deliveries(self) -> int:
        with self.db.read() as tx:
            return len(inbox.due(tx, 10))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    clock = VirtualClock(NOW)
    db, metrics = empty_store(tmp_path, clock), Metrics()
    intake = Intake(db)
    doors = Doors(
        sources={"kiosk": source(path_token=[TOKEN]), "signed": source(webhook_secret=["signs"]), "forms": Hints()},
        feeds={("forms", "aB3dE9"): "collect/forms/aB3dE9"},
    )
    server = Server(build_app(db=db, intake=intake, clock=clock, doors=lambda: doors, metrics=metrics), "127.0.0.1", 0)
    server.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=30) as client:
        yield House(db=db, metrics=metrics, client=client, intake=intake)
    server.stop()
    intake.stop()
    db.close()


def test_the_token_opens_the_door_and_appears_nowhere(
    house: House, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # the sender's own log
    logging.getLogger("httpcore").setLevel(logging.WARNING)
    assert house.client.post(f"/hooks/kiosk/{TOKEN}", content=ANSWER).status_code == 200
    assert house.deliveries() == 1
    wrong = TOKEN[::-1]
    assert house.client.post(f"/hooks/kiosk/{wrong}", content=ANSWER).status_code == 401
    assert house.client.post("/hooks/kiosk", content=ANSWER).status_code == 401
    assert house.deliveries() == 1
    assert house.counted() == {"forged": 2}
    greeting = house.client.get(f"/hooks/kiosk/{wrong}")
    assert (greeting.status_code, greeting.json()) == (200, {"hook": "kiosk"}), "and says nothing of the token"
    said = house.client.get("/metrics").text + caplog.text + "".join(capfd.readouterr())
    assert 'source="kiosk"' in said
    for token in (TOKEN, wrong):
        assert token not in said


def test_a_longer_address_of_another_source_is_unknown(house: House) -> None:
    assert house.client.post(f"/hooks/signed/{TOKEN}", content=ANSWER).status_code == 503
    assert house.client.post(f"/hooks/nobody/{TOKEN}", content=ANSWER).status_code == 503
    assert TOKEN not in house.client.get("/metrics").text


def test_a_hint_wakes_the_feed_and_keeps_nothing(house: House) -> None:
    assert house.client.post("/hooks/forms", content=b"one").status_code == 200
    with house.db.read() as tx:
        assert lanes.due_at(tx, "collect/forms/aB3dE9") == tx.now
    assert house.client.post("/hooks/forms", content=json.dumps({"other": 1}).encode()).status_code == 200
    assert house.deliveries() == 0
    assert house.counted() == {"unreadable_hint": 1}


def test_a_hook_never_shows_its_address_or_headers() -> None:
    assert TOKEN not in repr(hook(f"/hooks/kiosk/{TOKEN}", x_token=TOKEN))
