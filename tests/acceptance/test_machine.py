"""What a machine does to a daemon: no room, a second one, another configuration meanwhile, a store that is damaged."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from connector.clock import SystemClock
from connector.simulator.faults import Fault, FaultKind
from connector.testing.rehearsal import Rehearsal
from tests.acceptance.answers import desk_delivery
from tests.acceptance.stages import Stage, staged

pytestmark = pytest.mark.slow

PATIENCE = 90.0
ROOM = 64 * 1024
"""Bytes up to which a file may be written once there is no more room."""
MOST = 2_000
IMPATIENT = {f"CONNECTOR__CONNECTIONS__{name}__TIMEOUT": "3" for name in ("SALESFORCE", "ZENDESK", "SLACK")}
"""A dead process's request is asked about once its time-out has passed."""


def body(stage: Stage, name: str, rating: int = 1) -> bytes:
    """An answer of somebody nobody knows; 1 is best there."""
    return desk_delivery(name, stage.world.now, f"{name}@example.com", rating).encode()


def until(rehearsal: Rehearsal, happened: Callable[[], bool]) -> None:
    clock = SystemClock()
    deadline = clock.monotonic() + PATIENCE
    while not happened():
        assert clock.monotonic() < deadline, rehearsal.log.read_text()[-2000:]
        rehearsal.pause(0.05)


def tickets(stage: Stage) -> Counter[str]:
    """How many tickets of ours each requester has."""
    rows = stage.simulators.zendesk.truth["objects"]
    return Counter(
        rows["user"][str(row["requester_id"])]["email"] for row in rows["ticket"].values() if row["external_id"]
    )


def test_without_room_nothing_is_acknowledged_and_with_room_it_goes_on(tmp_path: Path) -> None:
    with staged(tmp_path, dated=False) as stage:
        rehearsal = stage.rehearsal
        rehearsal.start()
        assert rehearsal.deliver("typeform", body(stage, "before", 5)) == 200
        rehearsal.settle(PATIENCE)
        assert rehearsal._process is not None
        daemon = rehearsal._process.pid
        resource.prlimit(daemon, resource.RLIMIT_FSIZE, (ROOM, resource.RLIM_INFINITY))
        kept = ["before"]
        for number in range(MOST):
            name = f"full{number}"
            status = rehearsal.deliver("typeform", body(stage, name))
            if status != 200:
                break
            kept.append(name)
        assert status == 503
        assert {rehearsal.deliver("typeform", body(stage, f"more{number}")) for number in range(3)} == {503}
        assert rehearsal._get("/healthz") == 200
        assert rehearsal._get("/readyz") == 503
        assert rehearsal._process.poll() is None, "it waits"

        resource.prlimit(daemon, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert rehearsal.deliver("typeform", body(stage, "after", 5)) == 200
        kept.append("after")
        now = rehearsal.settle(PATIENCE)
        assert now.responses == {"decided": len(kept)}, "what was acknowledged is there, what was refused is not"
        assert tickets(stage) == {"before@example.com": 1, "after@example.com": 1}
        assert rehearsal._get("/readyz") == 200
        assert rehearsal.stop() == 0


def test_two_daemons_on_one_store_share_the_work_and_one_may_die(tmp_path: Path) -> None:
    with staged(tmp_path, dated=False, overrides=IMPATIENT) as stage:
        one = stage.rehearsal
        two = stage.again(rewrite={}, rename={})
        two.environ.update(IMPATIENT)
        try:
            one.start()
            two.start()
            names = [f"pair{number}" for number in range(12)]
            for number, name in enumerate(names):
                assert (one, two)[number % 2].deliver("typeform", body(stage, name, 5)) == 200
                assert (two, one)[number % 2].deliver("typeform", body(stage, name, 5)) == 200
                if number == 7:
                    assert one.stop(kill=True) == -9
                    one.start()
            two.settle(150)
            assert tickets(stage) == {f"{name}@example.com": 1 for name in names}
            assert one.status().responses == {"decided": len(names)}
        finally:
            two.stop(kill=True)
            two.close()


def test_a_configuration_that_changes_while_requests_are_under_way_repeats_none(tmp_path: Path) -> None:
    with staged(tmp_path, dated=False) as stage:
        rehearsal = stage.rehearsal
        rehearsal.start()
        slow = Fault(match="POST */tickets", kind=FaultKind.SLOW_ANSWER, times=4, seconds=2.0)
        stage.simulators.zendesk.faults.add(slow)
        names = [f"under{number}" for number in range(4)]
        for name in names:
            assert rehearsal.deliver("typeform", body(stage, name, 5)) == 200
        until(rehearsal, lambda: bool(rehearsal.status().intents.get("sending")))
        text = rehearsal.config.read_text()
        rehearsal.config.write_text(text.replace("segments: [service,", "segments: [company, service,"))
        rehearsal.hang_up()
        until(rehearsal, lambda: '"reloaded"' in rehearsal.log.read_text())
        rehearsal.settle(150)
        assert tickets(stage) == {f"{name}@example.com": 1 for name in names}
        assert rehearsal.status().run is not None
        assert rehearsal.stop() == 0


def test_a_store_that_is_damaged_is_left_alone_and_a_way_out_is_named(tmp_path: Path) -> None:
    with staged(tmp_path, dated=False) as stage:
        rehearsal = stage.rehearsal
        store = stage.folder / "connector.db"
        store.write_bytes(b"SQLite format 3\0" + b"\xff" * 8176)
        before = store.read_bytes()
        done = subprocess.run(  # our own command line
            [sys.executable, "-m", "connector", "run", "--config", str(rehearsal.config)],
            cwd=stage.folder,
            env=rehearsal.environ,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 3, done.stderr
        assert "is whole" in done.stderr
        assert "Traceback" not in done.stderr
        assert store.read_bytes() == before
