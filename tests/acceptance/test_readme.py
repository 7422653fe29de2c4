"""The README's own commands, taken from the README and typed as they stand there."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import sysconfig
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


def test_whoever_goes_on_gets_a_first_ticket_in_an_account_of_their_own(tmp_path: Path) -> None:
    """From the built wheel to the first ticket, from an empty folder, as the README's second half says."""
    install, prepare, live = blocks("From the demo to a real account")
    wheel, made, path, *simulators = install.splitlines()
    assert "pip wheel" in wheel
    assert "pip install --quiet dist/" in made
    place, port = ROOT, _free_port()
    script = "\n".join(
        [
            blocks("Your own ticket, from your own curl")[0].partition("\nJSON\n")[0] + "\nJSON",
            wheel.replace("--wheel-dir dist .", f"--wheel-dir dist '{place}'"),
            # The wheel is built and installed as it is; the libraries it needs are those the tests run with.
            made.replace("install --quiet", "install --quiet --no-deps"),
            f"echo '{sysconfig.get_path('purelib')}' > $(echo try/lib/python*/site-packages)/libraries.pth",
            path,
            *simulators,
            f"export CONNECTOR__LISTEN=127.0.0.1:{port}",
            prepare,
            live.replace(":8080/", f":{port}/"),
            "kill $(jobs -p)",
        ]
    )
    done = subprocess.run(
        ["bash", "-uo", "pipefail", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    said = done.stdout
    for words in (
        "is right",
        "Stands in the way",
        "made    salesforce · Contact.CSAT_Health__c",
        "made    zendesk · status",
        "made    typeform · webhook of form aB3dE9",
        "value: answers.csat, scale: 1-5",
        '"status":"accepted"',
        "If this ran live",
        "zendesk:acme: 1 × ticket",
        "Mode live",
        "rule 'unhappy' acted",
        "ticket in zendesk:acme: done 10001",
    ):
        assert words in said, f"{words!r} is missing\n{said}\n{done.stderr}"
    package = subprocess.run(
        ["try/bin/python", "-c", "import connector; print(connector.__file__)"],  # made above
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert package.startswith(str(tmp_path)), "what ran is what was installed from the wheel"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
