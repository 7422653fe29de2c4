"""An operator pauses connections of a running daemon; nothing is lost and nothing leaves."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest

from connector.cli.pause import pause, resume
from connector.clock import SystemClock
from connector.errors import ConnectorError
from tests.acceptance.answers import desk_delivery
from tests.acceptance.stages import Stage, staged

pytestmark = pytest.mark.slow


def test_what_is_paused_waits_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with staged(tmp_path) as stage:
        rehearsal = stage.rehearsal
        config = str(rehearsal.config)
        for name, value in rehearsal.environ.items():
            monkeypatch.setenv(name, value)
        rehearsal.start()
        pause("zendesk", config)
        pause("zendesk", config)
        said = capsys.readouterr().out
        assert "connector resume zendesk" in said
        assert "paused already" in said
        with pytest.raises(ConnectorError, match="there is no connection zen"):
            pause("zen", config)
        rehearsal.pause(1.5)
        calls = len(stage.simulators.zendesk.requests)
        answer(stage, "first")
        rehearsal.pause(2)
        assert len(stage.simulators.zendesk.requests) == calls, "neither written nor read"
        with urllib.request.urlopen(f"{rehearsal.url}/readyz") as ready:
            assert json.load(ready) == {"status": "ready", "paused": ["zendesk"]}
        assert rehearsal.status().intents["planned"] >= 1

        pause("typeform", config)
        answer(stage, "second")
        rehearsal.pause(1)
        assert rehearsal.status().deliveries["received"] == 1, "taken, kept, and not read"
        assert [one.connection for one in rehearsal.status().pauses] == ["typeform", "zendesk"]

        resume("zendesk", config)
        resume("typeform", config)
        with pytest.raises(ConnectorError, match="neither"):
            resume("desk", config)
        rehearsal.settle()
        assert len(tickets(stage)) == 2


def answer(stage: Stage, token: str) -> None:
    """Somebody is unhappy (1 is best)."""
    body = desk_delivery(token, SystemClock().now(), f"{token}@example.com", 5).encode()
    assert stage.rehearsal.deliver("typeform", body) == 200


def tickets(stage: Stage) -> list[str]:
    rows = stage.simulators.zendesk.truth["objects"]["ticket"]
    return [key for key, row in rows.items() if row["external_id"]]
