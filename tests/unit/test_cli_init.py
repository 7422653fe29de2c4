"""`connector init` and `connector check`: the first minutes with the connector, mistakes included."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest

from connector.secret import Secret
from connector.store.keyring import KeyRing
from tests.unit.keyboard import WIDTH, Keyboard
from tests.unit.test_config_mutations import ENVIRON, EXAMPLE, ROOT


@pytest.fixture
def type_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Keyboard:
    for name, text in ENVIRON.items():
        monkeypatch.setenv(name, text)
    return Keyboard(monkeypatch, capsys, tmp_path)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "mappings", tmp_path / "mappings")
    return Path(shutil.copy(EXAMPLE, tmp_path / "connector.yaml"))


def test_init_writes_what_check_finds_right(type_: Keyboard) -> None:
    done = type_("init", "acme")
    done.says(0, "acme/connector.key", "connector check", "apart from backups")
    assert all(len(line) <= WIDTH for line in done.out.splitlines())
    folder = type_.folder / "acme"
    key = folder / "connector.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert KeyRing([Secret(key.read_text().strip())]).key_ids
    assert (folder / "mappings" / "themes.yaml").is_file()
    assert {"connector.key", "connector.db*"} <= set((folder / ".gitignore").read_text().splitlines())
    type_("check", "--config", "acme/connector.yaml").says(0, "5 connections", "mode observe")


def test_init_begins_with_the_other_crm_as_well(type_: Keyboard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUBSPOT_TOKEN", "pat")
    type_("init", "acme", "--crm", "hubspot").says(0, "acme/connector.key")
    type_("check", "--config", "acme/connector.yaml").says(0, "5 connections", "mode observe")
    assert "salesforce" not in (type_.folder / "acme" / "connector.yaml").read_text().lower()
    type_("init", "other", "--crm", "zoho").says(2, "hubspot")


@pytest.mark.parametrize("present", ["connector.yaml", "mappings", "connector.key"])
def test_init_never_touches_what_is_there(type_: Keyboard, present: str) -> None:
    (type_.folder / present).write_text("mine")
    type_("init").says(1, present, "nothing was written")
    assert [path.name for path in type_.folder.iterdir()] == [present]
    assert (type_.folder / present).read_text() == "mine"


def test_init_leaves_a_gitignore_as_it_is(type_: Keyboard) -> None:
    (type_.folder / ".gitignore").write_text("mine")
    type_("init").says(0, "connector.key")
    assert (type_.folder / ".gitignore").read_text() == "mine"


@pytest.mark.parametrize("where", ["a-file", "a-file/below", "/proc/nowhere"])
def test_init_says_where_it_cannot_write(type_: Keyboard, where: str) -> None:
    (type_.folder / "a-file").touch()
    type_("init", where).says(1, where)


def test_check_names_every_mistake_with_its_place_and_the_right_name(type_: Keyboard, config: Path) -> None:
    text = config.read_text()
    for right, wrong in (("segments:", "segmets:"), ("unhappy and", "unhapy and"), ("from: inhouse", "from: inhose")):
        assert right in text
        text = text.replace(right, wrong)
    config.write_text(text)
    lines = text.splitlines()
    done = type_("check")
    done.says(2, "did you mean 'segments'?", "did you mean 'unhappy'?", "did you mean 'inhouse'?", "3 problems")
    for wrong in ("segmets", "unhapy", "inhose"):
        line = next(number for number, each in enumerate(lines, 1) if wrong in each)
        assert f"connector.yaml:{line}:" in done.err, wrong


def test_check_shows_the_configuration_without_a_secret(type_: Keyboard, config: Path) -> None:
    done = type_("check", "--json")
    assert done.json["connections"]["zendesk"]["kind"] == "zendesk"
    for name, secret in ENVIRON.items():
        assert name.endswith("CLIENT_ID") or secret not in done.out.replace(ENVIRON["ZENDESK_CLIENT_ID"] + '"', "")


@pytest.mark.parametrize("command", [("check",), ("status",), ("run",), ("outbox", "list"), ("explain", "1")])
def test_a_missing_file_is_no_traceback(type_: Keyboard, command: tuple[str, ...]) -> None:
    type_(*command).says(2, "connector.yaml:1:1: no such file", "connector init", "1 problem in")


def test_what_is_no_configuration_is_said_to_be_none(type_: Keyboard, config: Path) -> None:
    for content, words in (
        (b"", "expected a configuration"),
        (b"- a\n- b\n", "expected a configuration"),
        (b"a: [1\nb: 2\n", "is no YAML"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"a: \x07", "is no YAML"),
        (b"a: &x [*x, *x]\n", "connector.yaml"),
    ):
        config.write_bytes(content)
        type_("check").says(2, words)
    type_("check", "--config", ".").says(2, "cannot be read", "directory")


def test_a_mapping_that_is_not_there_is_named_where_it_is_asked_for(type_: Keyboard, config: Path) -> None:
    (type_.folder / "mappings" / "crm" / "salesforce.yaml").unlink()
    type_("check").says(2, "connector.yaml:", "there is no file mappings/crm/salesforce.yaml")


def test_an_unset_variable_is_named_never_its_neighbours_value(type_: Keyboard, config: Path) -> None:
    type_.monkeypatch.delenv("SLACK_TOKEN")
    done = type_("check")
    done.says(2, "SLACK_TOKEN", "1 problem in")
    assert ENVIRON["TYPEFORM_SECRET"] not in done.err


@pytest.mark.parametrize(
    "words",
    [("nonsense",), ("run", "--log-level", "LOUD"), ("outbox", "retry", "x"), ("outbox", "list", "--state", "lost")],
)
def test_a_mistyped_command_line_is_answered_with_usage(type_: Keyboard, config: Path, words: tuple[str, ...]) -> None:
    type_(*words).says(2, "Usage: connector", "--help")
