"""A package of somebody else, installed beside the connector, is one of its adapters: found, checked, run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from connector.testing.example import for_helpdesk

PACKAGE = Path(__file__).parent / "acmedesk"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package as an installer leaves it there: the modules, and what its pyproject.toml declares."""
    folder = tmp_path_factory.mktemp("site")
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    shutil.copytree(PACKAGE / "acmedesk", folder / "acmedesk", ignore=shutil.ignore_patterns("__pycache__"))
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (info / "METADATA").write_text(head)
    points = "".join(
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in named.items())
        for group, named in project["entry-points"].items()
    )
    (info / "entry_points.txt").write_text(points)
    (info / "RECORD").write_text("")
    return folder


def connector(site: Path | None, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    path = {} if site is None else {"PYTHONPATH": str(site)}
    return subprocess.run(
        [sys.executable, "-m", "connector", *arguments],
        env={**os.environ, **path, **environ},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The shipped configuration with the other helpdesk in it."""
    shutil.copytree(ROOT / "mappings", tmp_path / "mappings")
    block = "  acmedesk:\n    kind: acmedesk\n    desk: acme\n    api_token: sample\n"
    block += "    mapping: mappings/helpdesk/zendesk.yaml\n"
    made = tmp_path / "connector.yaml"
    made.write_text(for_helpdesk((ROOT / "config.example.yaml").read_text(), "acmedesk", block))
    return made


NAMES = ("TYPEFORM_SECRET", "INHOUSE_SECRET", "SALESFORCE_CLIENT_ID", "SALESFORCE_CLIENT_SECRET", "SLACK_TOKEN")
SECRETS = dict.fromkeys(NAMES, "sample-of-a-secret-0123456789")
SECRETS["CONNECTOR_KEY"] = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


def check(site: Path | None, config: Path) -> subprocess.CompletedProcess[str]:
    return connector(site, "check", "--config", str(config), **SECRETS)


def test_the_configuration_may_name_it_and_the_schema_knows_it(site: Path, config: Path) -> None:
    done = check(site, config)
    assert done.returncode == 0, done.stdout + done.stderr
    schema = connector(site, "config", "schema")
    assert "`acme` of acme.desk.example." in schema.stdout, schema.stderr


@pytest.mark.parametrize(
    ("wrong", "right", "said"),
    [
        ("kind: acmedsk", "kind: acmedesk", "did you mean 'acmedesk'?"),
        ("    dsk: acme", "    desk: acme", "did you mean 'desk'?"),
    ],
)
def test_mistakes_about_it_are_found_before_anything_runs(
    site: Path, config: Path, wrong: str, right: str, said: str
) -> None:
    config.write_text(config.read_text().replace(right, wrong))
    done = check(site, config)
    assert done.returncode == 2
    assert said in " ".join((done.stdout + done.stderr).split())


def test_without_the_package_the_kind_is_unknown(config: Path) -> None:
    done = check(None, config)
    assert done.returncode == 2
    assert "acmedesk" in done.stdout + done.stderr
    demo = connector(None, "demo", "--helpdesk", "acmedesk")
    assert demo.returncode != 0
    assert "no installed package" in " ".join((demo.stdout + demo.stderr).split())


@pytest.mark.slow
def test_the_demo_agrees_with_the_oracle(site: Path) -> None:
    done = connector(site, "demo", "--json", "--helpdesk", "acmedesk")
    assert done.returncode == 0, done.stdout + done.stderr
    figures = {row["figure"]: (row["expected"], row["found"]) for row in json.loads(done.stdout)["figures"]}
    assert figures["tickets"][0] == figures["tickets"][1] > 40
