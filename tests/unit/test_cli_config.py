"""`connector config`: what is in effect, where it came from, and the shape of the file for editors."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from connector.adapters.registry import kinds
from connector.config.schema import json_schema
from tests.unit.keyboard import Keyboard
from tests.unit.test_config_mutations import ENVIRON, EXAMPLE, ROOT

SECRET = "client-secret-canary"


@pytest.fixture
def type_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Keyboard:
    for name, text in (ENVIRON | {"SALESFORCE_CLIENT_SECRET": SECRET}).items():
        monkeypatch.setenv(name, text)
    monkeypatch.setenv("CONNECTOR__CONNECTIONS__ZENDESK__BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("CONNECTOR__ANALYSIS__LANGUAGES", '["en", "de"]')
    return Keyboard(monkeypatch, capsys, tmp_path)


@pytest.fixture(autouse=True)
def config(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "mappings", tmp_path / "mappings")
    return Path(shutil.copy(EXAMPLE, tmp_path / "connector.yaml"))


def line_of(out: str, place: str) -> str:
    (line,) = [line for line in out.splitlines() if line.startswith(f"{place}: ")]
    return line


def test_show_says_what_is_in_effect_and_where_it_came_from(type_: Keyboard) -> None:
    out = type_("config", "show").out
    assert line_of(out, "mode") == "mode: observe"
    assert line_of(out, "health_score.margin") == "health_score.margin: 3.0"
    assert line_of(out, "connections.slack.timeout") == "connections.slack.timeout: 20.0"  # a default
    base_url = line_of(out, "connections.zendesk.base_url")
    assert "http://127.0.0.1:9" in base_url
    assert "CONNECTOR__CONNECTIONS__ZENDESK__BASE_URL, against the file" in base_url
    assert "CONNECTOR__ANALYSIS__LANGUAGES, against" in line_of(out, "analysis.languages.1")
    assert line_of(out, "connections.salesforce.client_secret").endswith("…   (from SALESFORCE_CLIENT_SECRET)")


def test_show_hides_secrets_in_every_form(type_: Keyboard) -> None:
    for words in (("config", "show"), ("config", "show", "--json"), ("check", "--json")):
        done = type_(*words)
        assert done.code == 0
        assert SECRET not in done.out


def test_show_for_programs_keeps_settings_and_origins_apart(type_: Keyboard) -> None:
    told = type_("config", "show", "--json").json
    assert told["settings"]["analysis"]["languages"] == ["en", "de"]
    assert told["overridden"]["connections.zendesk.base_url"] == "CONNECTOR__CONNECTIONS__ZENDESK__BASE_URL"
    assert told["filled"]["connections.salesforce.client_secret"] == "SALESFORCE_CLIENT_SECRET"


def test_check_names_what_the_environment_overrides(type_: Keyboard) -> None:
    type_("check").says(0, "CONNECTOR__CONNECTIONS__ZENDESK__BASE_URL overrides connections.zendesk.base_url.")


def test_the_schema_is_printed_or_written(type_: Keyboard) -> None:
    wanted = json.loads(json.dumps(json_schema(kinds())))
    assert type_("config", "schema").json == wanted
    type_("config", "schema", "--out", "shape.json").says(0, "# yaml-language-server: $schema=shape.json")
    assert json.loads((type_.folder / "shape.json").read_text()) == wanted


def test_init_leads_editors_to_the_schema(type_: Keyboard) -> None:
    type_("init", "acme").says(0)
    first = (type_.folder / "acme" / "connector.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=connector.schema.json"
    assert json.loads((type_.folder / "acme" / "connector.schema.json").read_text())["title"] == "CSAT Connector"


def test_an_older_schema_is_left_alone(type_: Keyboard) -> None:
    folder = type_.folder / "acme"
    folder.mkdir()
    (folder / "connector.schema.json").write_text("mine")
    type_("init", "acme").says(0)
    assert (folder / "connector.schema.json").read_text() == "mine"
