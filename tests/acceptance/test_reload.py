"""A changed configuration takes over in a running daemon; a wrong one does not, and nothing that arrives is lost."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from connector.clock import SystemClock
from connector.testing.rehearsal import Rehearsal
from tests.acceptance.answers import desk_delivery
from tests.acceptance.stages import Stage, staged

pytestmark = pytest.mark.slow

PATIENCE = 30.0


def test_a_changed_file_takes_over_and_a_wrong_one_does_not(tmp_path: Path) -> None:
    with staged(tmp_path) as stage:
        rehearsal, file = stage.rehearsal, stage.rehearsal.config
        rehearsal.start()
        first = file.read_text()
        assert rehearsal.metric("connector_config_ok") == 1.0
        assert _opened_by(stage, "before", 3)

        _replace(file, first.replace("{metric: csat, scale: 1-5, at: 3}", "{metric: csat, scale: 1-5, at: 1}"))
        _until(rehearsal, lambda: "reloaded" in _events(rehearsal))
        assert not _opened_by(stage, "milder", 3)

        _replace(file, first.replace("thresholds:", "treshholds:"))
        _until(rehearsal, lambda: rehearsal.metric("connector_config_ok") == 0.0)
        assert "'thresholds'" in rehearsal.log.read_text()
        assert not _opened_by(stage, "still milder", 3)

        _replace(file, first.replace("sqlite:///connector.db", "sqlite:///other.db"))
        rehearsal.hang_up()
        _until(rehearsal, lambda: "store changed: restart" in rehearsal.log.read_text())
        assert not _opened_by(stage, "the same store", 3)

        _replace(file, first)
        rehearsal.hang_up()
        _until(rehearsal, lambda: rehearsal.metric("connector_config_ok") == 1.0)
        assert _opened_by(stage, "after", 3)
        assert rehearsal.stop() == 0


def test_deliveries_are_taken_while_the_configuration_changes(tmp_path: Path) -> None:
    with staged(tmp_path) as stage:
        rehearsal = stage.rehearsal
        rehearsal.start()
        answers: list[int] = []
        done = threading.Event()

        def send() -> None:
            while not done.is_set():
                answers.append(rehearsal.deliver("typeform", _answer(stage, f"flood{len(answers)}", 5)))

        sender = threading.Thread(target=send)
        sender.start()
        for number in range(3):
            rehearsal.hang_up()
            _until(rehearsal, partial(_reloaded, rehearsal, number + 1))
        done.set()
        sender.join()
        assert set(answers) == {200}
        assert len(answers) > 10
        now = rehearsal.settle(90)
        assert now.responses["decided"] == len(answers)


def _opened_by(stage: Stage, token: str, rating: int) -> bool:
    """Whether an answer with this rating opens a recovery."""
    before = sum(stage.rehearsal.status().recoveries.values())
    assert stage.rehearsal.deliver("typeform", _answer(stage, token, rating)) == 200
    stage.rehearsal.settle(60)
    return sum(stage.rehearsal.status().recoveries.values()) > before


def _answer(stage: Stage, token: str, rating: int) -> bytes:
    email = f"{token.replace(' ', '.')}@example.com"
    return desk_delivery(token, SystemClock().now(), email, rating).encode()


def _replace(file: Path, text: str) -> None:
    fresh = file.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(file)


def _events(rehearsal: Rehearsal) -> list[str]:
    return [
        json.loads(line).get("event", "") for line in rehearsal.log.read_text().splitlines() if line.startswith("{")
    ]


def _reloaded(rehearsal: Rehearsal, times: int) -> bool:
    return _events(rehearsal).count("reloaded") >= times


def _until(rehearsal: Rehearsal, happened: Callable[[], bool]) -> None:
    clock = SystemClock()
    deadline = clock.monotonic() + PATIENCE
    while not happened():
        assert clock.monotonic() < deadline, rehearsal.log.read_text()[-2000:]
        rehearsal.pause(0.1)
