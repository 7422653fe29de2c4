"""One clock for several processes: what one advances, all of them see."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connector.clock import SHARED, SharedClock, SystemClock, running_clock

FRIDAY = datetime(2026, 11, 27, 8, 50, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_it_starts_where_the_story_does_and_runs_on(tmp_path: Path) -> None:
    clock = SharedClock.starting(tmp_path / "clock", FRIDAY)
    assert FRIDAY <= clock.now() < FRIDAY + timedelta(seconds=30)
    assert clock.monotonic() > 0, "also of a story that is long over"


def test_another_process_sees_what_this_one_advanced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SharedClock.starting(tmp_path / "clock", FRIDAY)
    clock.advance(50 * HOUR)
    monkeypatch.setenv(SHARED, str(tmp_path / "clock"))
    code = "from connector.clock import running_clock; print(running_clock().now().isoformat())"
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert timedelta(0) <= datetime.fromisoformat(shown.strip()) - (FRIDAY + 50 * HOUR) < timedelta(seconds=60)


def test_who_waits_wakes_when_the_time_has_passed_in_the_story(tmp_path: Path) -> None:
    clock, other = SharedClock.starting(tmp_path / "clock", FRIDAY), SharedClock(tmp_path / "clock")
    waited: list[bool] = []
    waiter = threading.Thread(target=lambda: waited.append(other.wait(threading.Event(), 3600)))
    before = other.monotonic()
    waiter.start()
    clock.advance(HOUR)
    waiter.join(10)
    assert waited == [False]
    assert other.monotonic() - before >= 3600


def test_an_event_ends_a_wait(tmp_path: Path) -> None:
    event = threading.Event()
    event.set()
    assert SharedClock(tmp_path / "clock").wait(event, 3600)


def test_without_a_story_it_is_the_systems_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SHARED, raising=False)
    assert isinstance(running_clock(), SystemClock)
