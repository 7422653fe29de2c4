"""The commands beside a real daemon: ending it, a port that is taken, a mapping mended and a delivery replayed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from connector.clock import SystemClock
from connector.errors import ConnectorError
from connector.simulator.suite import start_all
from connector.store.schema import lane
from connector.testing.rehearsal import Rehearsal
from tests.acceptance.stages import ROOT, Stage, staged

pytestmark = pytest.mark.slow


def connector(running: Rehearsal, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "connector", *words],
        cwd=running.folder,
        env={**running.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return done


def told(running: Rehearsal, *words: str) -> Any:
    done = connector(running, *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def answer(number: int, csat: int = 1) -> bytes:
    return json.dumps(
        {
            "event_id": f"e{number}",
            "event_type": "form_response",
            "form_response": {
                "form_id": "aB3dE9",
                "token": f"cli-{number}",
                "submitted_at": SystemClock().now().isoformat(),
                "hidden": {"email": f"guest{number}@example.org", "name": "Guest Example", "service": "tyres"},
                "answers": [
                    {"type": "number", "number": csat, "field": {"id": "q1", "ref": "csat", "type": "opinion_scale"}}
                ],
            },
        }
    ).encode()


def tickets(stage: Stage) -> int:
    return sum(bool(one["external_id"]) for one in stage.simulators.zendesk.site.truth.kind("ticket").values())


def test_a_mended_mapping_and_a_replay_bring_the_ticket(tmp_path: Path) -> None:
    with staged(tmp_path / "stage") as stage:
        running = stage.rehearsal
        mapping = running.folder / "mappings" / "surveys" / "typeform-service.yaml"
        right = mapping.read_text()
        # The form's scale was changed at the survey tool, and nobody told the mapping.
        mapping.write_text(re.sub(r'scale: "?1-5"?', "scale: 3-5", right, count=1))
        assert mapping.read_text() != right
        running.start()
        assert running.deliver("typeform", answer(1)) == 200
        running.settle()
        assert tickets(stage) == 0
        [waiting] = told(running, "replay", "--list")
        assert "scale" in waiting["reason"]
        assert "1 quarantined" in connector(running, "status").stdout
        metrics = httpx.get(f"{running.url}/metrics").text
        assert 'deliveries_total{outcome="quarantined",source="typeform"} 1.0' in metrics
        measured = set(re.findall(r'lane_lag_seconds{lane="([^"]+)"}', metrics))
        with running.db.read() as tx:
            assert measured == set(tx.execute(select(lane.c.name)).scalars()), "every lane the daemon has"
        assert running.stop() == 0
        mapping.write_text(right)
        running.start()

        assert told(running, "replay", str(waiting["id"])) == {"replayed": 1}

        running.settle()
        assert tickets(stage) == 1
        now = told(running, "status")
        assert (now["deliveries"]["quarantined"], now["deliveries"]["mapped"]) == (0, 1)
        assert now["accepted"] == sum(now["deliveries"].values()) + now["duplicates"]
        assert now["responses"] == {"decided": 1}
        assert now["waiting"] == 0
        rows = told(running, "outbox", "list")
        assert sum(row["kind"] == "ticket" for row in rows) == 1
        assert sum(now["intents"].values()) == len(rows)


def test_sigterm_ends_with_0_within_30_seconds_and_loses_nothing(tmp_path: Path) -> None:
    with staged(tmp_path / "stage") as stage:
        running, clock = stage.rehearsal, SystemClock()
        running.start()
        for number in range(10):
            assert running.deliver("typeform", answer(number)) == 200
        before = clock.monotonic()
        assert running.stop() == 0
        assert clock.monotonic() - before < 30
        last = json.loads(running.log.read_text().splitlines()[-1])
        assert (last["event"], last["drained"]) == ("stopped", True)
        assert "alembic" not in running.log.read_text()
        running.start()
        running.settle()
        assert tickets(stage) == 10


def test_a_daemon_that_is_not_ready_in_time_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with staged(tmp_path / "stage") as stage:
        monkeypatch.setattr("connector.testing.rehearsal.START_SECONDS", 0.0)
        pids: list[int] = []
        monkeypatch.setattr(stage.rehearsal, "_get", lambda _: pids.append(stage.rehearsal.pid))
        with pytest.raises(ConnectorError, match="not ready after 0 s"):
            stage.rehearsal.start()
        with pytest.raises(ProcessLookupError):
            os.kill(pids[0], 0)


def test_what_keeps_a_daemon_from_starting_is_said_in_a_sentence(tmp_path: Path) -> None:
    with staged(tmp_path / "stage") as stage:
        running = stage.rehearsal
        running.start()
        taken = connector(running, "run")
        assert (taken.returncode, "cannot listen on 127.0.0.1" in taken.stderr) == (1, True), taken.stderr
        assert "change `listen`" in taken.stderr
        wrong = connector(running, "run", CONNECTOR__MODE="lively")
        assert (wrong.returncode, "did you mean 'live'?" in wrong.stderr) == (2, True), wrong.stderr
        nowhere = connector(running, "run", CONNECTOR__STORE="sqlite:////proc/no/store.db")
        assert (nowhere.returncode, "/proc/no/store.db" in nowhere.stderr) == (3, True), nowhere.stderr
        assert running.stop() == 0


def test_the_stand_ins_alone_print_the_way_to_them_and_end_when_told(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "connector", "simulator"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        if "Running" in line:
            break
        lines.append(line.strip())
    environ: Mapping[str, str] = dict(line.removeprefix("export ").split("=", 1) for line in lines)
    checked = subprocess.run(
        [sys.executable, "-m", "connector", "check", "--config", str(ROOT / "config.example.yaml")],
        env={**os.environ, **environ, "CONNECTOR_KEY": "k" * 44},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    process.stdout.close()
    assert checked.returncode == 0, checked.stderr


def test_a_port_that_is_taken_keeps_the_stand_ins_from_starting() -> None:
    with start_all(SystemClock()) as simulators:
        port = simulators.salesforce.site.base_url.rpartition(":")[2]
        done = subprocess.run(
            [sys.executable, "-m", "connector", "simulator", "--port", port],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "Address already in use" in done.stderr
    assert "--port 0" in done.stderr
