"""`connector recovery` as an operator types it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.clock import SystemClock
from connector.store.database import Database
from connector.store.keyring import KeyRing
from connector.wiring.opening import load_config, open_store
from connector.wiring.settings import settings_at_rest
from tests.unit.deciding import decide_all, feed
from tests.unit.keyboard import Keyboard
from tests.unit.samples import answer
from tests.unit.test_config_mutations import ENVIRON, EXAMPLE, ROOT

CLOSE = "    close: {needs: [root_cause], root_causes: [parts, waiting]}\n"


@pytest.fixture
def type_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Keyboard:
    for name, text in {**ENVIRON, "CONNECTOR_KEY": KeyRing.generate()}.items():
        monkeypatch.setenv(name, text)
    shutil.copytree(ROOT / "mappings", tmp_path / "mappings")
    text = EXAMPLE.read_text().replace("    pause_while:", f"{CLOSE}    pause_while:")
    (tmp_path / "connector.yaml").write_text(text)
    return Keyboard(monkeypatch, capsys, tmp_path)


@pytest.fixture
def db(type_: Keyboard) -> Iterator[Database]:
    loaded = load_config(str(type_.folder / "connector.yaml"))
    made = open_store(loaded.config, SystemClock()).create()
    feed(made, answer("1", at=made.clock.now()))
    decide_all(made, settings_at_rest(loaded, made.clock))
    yield made
    made.close()


def test_open_recoveries_are_listed_with_what_they_wait_for(type_: Keyboard, db: Database) -> None:
    shown = type_("recovery", "list", "--json").json
    assert [(one["number"], one["severity"], one["stage"]) for one in shown] == [(1, "normal", "opened")]
    assert "supervisor review" in shown[0]["waits for"]
    assert "ada@" not in type_("recovery", "list").out
    type_("recovery", "list", "--closed").says(0, "No recovery was closed yet.")


def test_one_is_shown_with_its_deadlines_and_its_story(type_: Keyboard, db: Database) -> None:
    type_("recovery", "show", "1").says(0, "supervisor review", "waiting", "Europe/Berlin", "recovery opened")
    document = type_("recovery", "show", "1", "--json").json
    assert [step["step"] for step in document["steps"]] == ["supervisor review", "call the customer"]
    type_("recovery", "show", "9").says(1, "there is no recovery 9")


def test_a_step_is_marked_done_by_its_name(type_: Keyboard, db: Database) -> None:
    type_("recovery", "done", "1", "supervisor reveiw").says(1, "it waits for supervisor review, call the customer")
    type_("recovery", "done", "1", "Supervisor review").says(0, "is done")
    type_("recovery", "show", "1").says(0, "an operator said so", "in progress")


def test_closing_wants_what_the_playbook_wants(type_: Keyboard, db: Database) -> None:
    type_("recovery", "close", "1").says(1, "--won or --lost")
    type_("recovery", "close", "1", "--won").says(1, "cannot be closed without --cause")
    type_("recovery", "close", "1", "--won", "--cause", "prats").says(1, "did you mean 'parts'?")
    type_("recovery", "close", "1", "--won", "--cause", "Parts", "--action", "new brakes").says(0, "won back")
    type_("recovery", "list").says(0, "Nobody has to be won back.")
    type_("recovery", "close", "1", "--lost").says(0, "lost")
    [one] = type_("recovery", "list", "--closed", "--json").json
    assert (one["stage"], one["waits for"]) == ("lost", "")
