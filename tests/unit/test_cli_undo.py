"""`connector undo` at the keyboard: what is no run, what there is nothing of, and when it is over."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.clock import SystemClock
from connector.store import runs
from connector.store.database import Database
from connector.store.keyring import KeyRing
from connector.store.runs import RunKind
from connector.sync.undo import LANE, UndoLane
from connector.wiring.lanes import retractable
from connector.wiring.opening import load_config, open_store
from connector.wiring.settings import adapters_at_rest, settings_at_rest
from tests.unit.deciding import decide_all, feed, take_lane
from tests.unit.keyboard import Keyboard
from tests.unit.samples import answer
from tests.unit.test_config_mutations import ENVIRON, EXAMPLE, ROOT


@pytest.fixture
def type_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Keyboard:
    for name, text in {**ENVIRON, "CONNECTOR_KEY": KeyRing.generate()}.items():
        monkeypatch.setenv(name, text)
    shutil.copytree(ROOT / "mappings", tmp_path / "mappings")
    shutil.copy(EXAMPLE, tmp_path / "connector.yaml")
    return Keyboard(monkeypatch, capsys, tmp_path)


@pytest.fixture
def db(type_: Keyboard) -> Iterator[Database]:
    made = open_store(load_config(str(type_.folder / "connector.yaml")).config, SystemClock()).create()
    with made.write() as tx:
        made.run_id = runs.begin(tx, RunKind.START, mode="observe", config="")
    yield made
    made.close()


def test_a_run_there_never_was_is_no_fault_of_the_store(type_: Keyboard, db: Database) -> None:
    done = type_("undo", "77")
    done.says(1, "there is no run 77", "`connector undo --list`")
    assert "store" not in done.err


def test_a_run_that_planned_nothing_says_where_writes_belong(type_: Keyboard, db: Database) -> None:
    type_("undo", "1", "--dry-run").says(0, "nothing", "belongs to the run that planned it", "Nothing was changed.")


def test_it_says_when_it_is_over(type_: Keyboard, db: Database) -> None:
    loaded = load_config(str(type_.folder / "connector.yaml"))
    settings = settings_at_rest(loaded, db.clock)
    feed(db, answer(at=db.clock.now()))
    decide_all(db, settings)
    goes_on = "The daemon undoes it"
    type_("undo", "1").says(0, "answers that stop counting 1", goes_on)
    type_("undo", "1").says(0, goes_on)
    lane = UndoLane(db=db, settings=lambda: settings, retractable=retractable(adapters_at_rest(loaded, db.clock)))
    lane.drain(take_lane(db, LANE))
    done = type_("undo", "1")
    done.says(0, "Everything that could be undone was.")
    assert goes_on not in done.out
