"""The README's own commands, taken from the README and typed as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from connector.cli.demo import PORT, leave_environment
from tests.acceptance.stages import ROOT, staged

pytestmark = pytest.mark.slow

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(heading: str) -> list[str]:
    """The console blocks of a section, without their prompts."""
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found: list[str] = re.findall(r"```console\n(.*?)```", section, re.DOTALL)
    assert found, heading
    return [re.sub(r"^\$ ", "", block, flags=re.MULTILINE) for block in found]


def typed(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


def test_whoever_follows_the_readme_gets_a_ticket_and_learns_why(tmp_path: Path) -> None:
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    with staged(tmp_path / ".demo") as stage:
        stage.rehearsal.start()
        leave_environment(stage.rehearsal, stage.simulators)
        deliver, explain = blocks("Your own ticket, from your own curl")
        assert f":{PORT}/" in deliver

        sent = typed(deliver.replace(f":{PORT}/", f":{stage.rehearsal.port}/"), tmp_path)

        assert sent.returncode == 0, sent.stderr
        assert "200 OK" in sent.stdout, sent.stdout
        stage.rehearsal.settle()
        tickets = stage.simulators.zendesk.site.truth.kind("ticket").values()
        users = stage.simulators.zendesk.site.truth.kind("user")
        asking = [user["id"] for user in users.values() if user["email"] == "kim.lund@example.com"]
        [ticket] = [ticket for ticket in tickets if ticket["requester_id"] in asking]
        told = typed(explain, tmp_path)
        assert told.returncode == 0, told.stderr
        assert str(ticket["id"]) in told.stdout
        assert "brakes" in told.stdout


def test_a_folder_made_as_the_readme_says_is_checked_and_runs(tmp_path: Path) -> None:
    [block] = blocks("Connecting real accounts")
    _install, made, key, check, run = block.strip().splitlines()
    assert "connector init" in made
    assert run.startswith("../.venv/bin/connector run")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    invented = "".join(
        f"export {name}=invented-{number}\n"
        for number, name in enumerate(re.findall(r"\$\{(\w+)\}", (ROOT / "config.example.yaml").read_text()))
        if name != "CONNECTOR_KEY"
    )
    assert os.environ.get("CONNECTOR_KEY") is None

    done = typed("\n".join([made, key, invented, check]), tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "is right" in done.stdout
