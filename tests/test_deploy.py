"""What is shipped for installing names things that exist, runs as nobody in particular, and never answers 404."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from connector.cli.run import DRAIN_SECONDS
from connector.observe import METRICS, PREFIX

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
SERVICE = (DEPLOY / "csat-connector.service").read_text(encoding="utf-8")


def test_the_image_is_made_of_files_that_are_here_and_does_not_run_as_root() -> None:
    copied = [
        name for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE) for name in line.split()[:-1]
    ]
    assert {"pyproject.toml", "connector", "mappings", "config.example.yaml"} <= set(copied)
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert int(re.findall(r"^USER (\d+)$", DOCKERFILE, re.MULTILINE)[-1]) > 0


def test_everybody_who_stops_the_daemon_waits_longer_than_it_drains() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]["connector"]
    (unit,) = re.findall(r"^TimeoutStopSec=(\d+)$", SERVICE, re.MULTILINE)
    assert int(unit) > DRAIN_SECONDS
    assert int(compose["stop_grace_period"].rstrip("s")) > DRAIN_SECONDS


def test_compose_gives_the_container_no_more_than_it_needs() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]["connector"]
    assert (DEPLOY / compose["build"]["context"] / compose["build"]["dockerfile"]).resolve() == DEPLOY / "Dockerfile"
    assert compose["read_only"] is True
    assert compose["cap_drop"] == ["ALL"]
    assert all(port.startswith("127.0.0.1:") for port in compose["ports"])


def test_the_unit_reloads_stops_retrying_what_cannot_work_and_is_fenced_in() -> None:
    lines = SERVICE.splitlines()
    assert "ExecReload=/bin/kill -HUP $MAINPID" in lines
    assert "RestartPreventExitStatus=2 3" in lines  # exit codes of the configuration and of the store
    assert {"NoNewPrivileges=yes", "ProtectSystem=strict", "StateDirectory=csat-connector"} <= set(lines)
    assert "User=root" not in lines


def test_proxies_open_the_hooks_only_and_answer_503_to_the_rest() -> None:
    for name in ("Caddyfile", "nginx.conf"):
        text = (DEPLOY / name).read_text(encoding="utf-8")
        said = "\n".join(line.partition("#")[0] for line in text.splitlines())
        assert "/hooks/" in said
        assert "503" in said
        assert "/metrics" not in said
        assert "404" not in said


def test_every_alert_has_its_section_and_measures_what_there_is() -> None:
    rules = yaml.safe_load((DEPLOY / "alerts.yaml").read_text(encoding="utf-8"))["groups"][0]["rules"]
    names = [rule["alert"] for rule in rules]
    runbook = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert re.findall(r"^### (Connector\w+)$", runbook, re.MULTILINE) == names
    measured = {name for rule in rules for name in re.findall(r"\bconnector_\w+", rule["expr"])}
    known = {f"{PREFIX}{name}" for name in METRICS}
    assert {name.removesuffix("_bucket") for name in measured} <= known
