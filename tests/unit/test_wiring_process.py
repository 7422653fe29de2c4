"""Whose lease need not be waited for: a process of this machine that certainly runs no more, and nobody else's."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connector.clock import VirtualClock
from connector.store.tokens import Tokens
from connector.wiring.process import is_dead, process_name, tokens_of
from tests.unit.samples import empty_store


@pytest.fixture(scope="module")
def ended() -> str:
    """The name of a process of this machine that has ended."""
    said = "from connector.wiring.process import process_name; print(process_name())"
    return subprocess.run([sys.executable, "-c", said], check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize("is_shared", [False, True])
def test_who_ended_on_this_machine_is_dead_and_who_runs_is_not(ended: str, is_shared: bool) -> None:
    assert is_dead(ended, is_shared=is_shared)
    assert not is_dead(process_name(), is_shared=is_shared)


def test_another_boot_is_this_machine_before_or_another_one_that_is_called_the_same(ended: str) -> None:
    host, namespace, _, process, started = ended.split("/")
    elsewhere = f"{host}/{namespace}/another-boot/{process}/{started}"
    assert is_dead(elsewhere, is_shared=False), "the machine was started anew"
    assert not is_dead(elsewhere, is_shared=True), "it may live"


@pytest.mark.parametrize("owner", ["somebody", "another/pid:[1]/boot/1/2", "host/1/2/x"])
def test_nobody_else_is_known_to_be_dead(owner: str) -> None:
    assert not is_dead(owner, is_shared=False)


@pytest.mark.both_stores
def test_a_token_that_a_dead_process_was_refreshing_is_refreshed_at_once(tmp_path: Path, ended: str) -> None:
    db, lease = empty_store(tmp_path, VirtualClock(datetime(2026, 11, 30, 12, tzinfo=UTC))), timedelta(seconds=90)
    assert Tokens(db, ended).lease("grant", 0, lease)
    assert not Tokens(db, "somebody").lease("grant", 0, lease), "who cannot know waits"
    assert tokens_of(db).lease("grant", 0, lease)
    assert not tokens_of(db).lease("grant", 0, lease), "this process lives"
