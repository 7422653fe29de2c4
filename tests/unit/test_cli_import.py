"""`connector import` at the keyboard: what it refuses in a sentence, what it says it did."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.clock import SystemClock
from connector.errors import StoreError
from connector.store import inbox, outbox, runs
from connector.store.database import Database
from connector.store.keyring import KeyRing
from connector.store.occupancy import alone
from connector.wiring.importing import Importer
from connector.wiring.opening import load_config, open_store
from tests.unit.keyboard import Keyboard
from tests.unit.test_config_mutations import ENVIRON, EXAMPLE, ROOT

ROWS = (
    "response_id,submitted_at,csat,comment,email\nR1,2024-05-01 10:00,1,never again,a@example.com\nR2,2024-05-02,5,,\n"
)
IMPORT = ("import", "old.csv", "--survey", "old")


@pytest.fixture
def type_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Keyboard:
    for name, text in {**ENVIRON, "CONNECTOR_KEY": KeyRing.generate()}.items():
        monkeypatch.setenv(name, text)
    shutil.copytree(ROOT / "mappings", tmp_path / "mappings")
    text = EXAMPLE.read_text()
    text = text.replace("connections:\n", "connections:\n  files: {kind: file}\n", 1)
    survey = "  old: {from: files, forms: [old-answers], mapping: mappings/surveys/file-csat.yaml}\n"
    (tmp_path / "connector.yaml").write_text(text.replace("surveys:\n", f"surveys:\n{survey}", 1))
    (tmp_path / "old.csv").write_text(ROWS)
    return Keyboard(monkeypatch, capsys, tmp_path)


@pytest.fixture
def db(type_: Keyboard) -> Iterator[Database]:
    made = open_store(load_config(str(type_.folder / "connector.yaml")).config, SystemClock()).create()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["old.csv", "--survey", "old"], ["tells answers apart", "--no-id"]),
        (["old.csv", "--survey", "old", "--no-id", "--id-column", "response_id"], ["tells answers apart"]),
        (["nothing.csv", "--survey", "old", "--no-id"], ["nothing.csv", "does not exist"]),
        (["old.csv", "--survey", "odl", "--no-id"], ["no survey 'odl'", "did you mean 'old'"]),
        (["old.csv", "--survey", "old", "--form", "x", "--no-id"], ["no form 'x'", "old-answers"]),
        (["old.csv", "--survey", "old", "--id-column", "ID"], ["--id-column: there is no column 'ID'", "response_id"]),
        (["old.csv", "--survey", "old", "--no-id", "--time-column", "when"], ["--time-column: there is no col"]),
        (["old.csv", "--survey", "old", "--no-id", "--time-zone", "Mars"], ["time zone"]),
        (["old.csv", "--survey", "old", "--no-id", "--column", "id"], ["NAME=COLUMN"]),
        (["old.csv", "--survey", "old", "--no-id", "--encoding", "latin-99"], ["no encoding"]),
        (["connector.yaml", "--survey", "old", "--no-id"], ["expected a .csv"]),
    ],
)
def test_a_mistake_gets_a_sentence(type_: Keyboard, arguments: list[str], words: list[str]) -> None:
    done = type_("import", *arguments)
    assert done.code == 2
    said = " ".join(done.err.replace("│", " ").split())  # in the frame typer draws
    assert "Traceback" not in said
    for word in words:
        assert word in said, said


def test_it_says_what_it_did_and_again_that_nothing_changed(type_: Keyboard, db: Database) -> None:
    done = type_(*IMPORT, "--id-column", "response_id")
    done.says(0, "2 rows, 2 accepted, 0 duplicates, 0 quarantined", "2 mapped", "nothing was opened")
    assert "2 accepted" in done.err, "progress"
    again = type_(*IMPORT, "--id-column", "response_id", "--json")
    assert again.code == 0
    assert again.json == {
        "run": again.json["run"],
        "rows": 2,
        "accepted": 0,
        "duplicates": 2,
        "quarantined": 0,
        "acts": False,
        "states": {},
        "left": {"rows": 0, "answers": 0, "persons": 0},
    }
    with db.read() as tx:
        assert outbox.listed(tx) == []
        assert {(run.kind.value, run.ended_at is not None) for run in runs.listed(tx)} == {("import", True)}
    type_("status").says(0, "2 mapped")  # the sums know them
    type_("explain", "R1").says(0, "imported: recorded and scored, not acted on")


def test_without_waiting_the_rows_are_in_and_the_rest_is_the_daemons(type_: Keyboard, db: Database) -> None:
    done = type_(*IMPORT, "--no-id", "--no-wait")
    done.says(0, "2 accepted", "2 received", "`connector run`")
    with db.read() as tx:
        assert {(one.priority, one.record_only) for one in inbox.due(tx, 5)} == {(inbox.BACKFILL, True)}


def test_a_bad_row_is_named_by_its_line(type_: Keyboard) -> None:
    (type_.folder / "old.csv").write_text(ROWS + "R3,yesterday,4,x,\nR4,2024-05-03,8,x,\n")
    done = type_(*IMPORT, "--id-column", "response_id")
    done.says(0, "4 rows, 3 accepted, 0 duplicates, 1 quarantined", "2 quarantined", "`connector replay --list`")
    type_("replay", "--list").says(0, "line 4", "line 5")


def test_columns_can_be_renamed_and_json_lines_are_rows(type_: Keyboard) -> None:
    lines = [{"Token": "R1", "When": "2024-05-01T10:00:00Z", "How was it?": 4, "csat": None}]
    (type_.folder / "old.jsonl").write_text("\n".join(map(json.dumps, lines)))
    rename = ["--column", "csat=How was it?", "--column", "submitted_at=When"]
    done = type_("import", "old.jsonl", "--survey", "old", "--id-column", "Token", *rename)
    done.says(0, "1 rows, 1 accepted", "1 mapped")


def test_with_act_it_does_not_say_that_nothing_was_opened(type_: Keyboard, db: Database) -> None:
    done = type_(*IMPORT, "--no-id", "--act", "--json")
    assert done.json["acts"] is True
    with db.read() as tx:
        assert {row.kind.value for row in outbox.listed(tx)} >= {"ticket", "task"}


def test_nobody_replaces_the_store_beneath_an_import(type_: Keyboard, db: Database) -> None:
    loaded = load_config(str(type_.folder / "connector.yaml"))
    importer = Importer(loaded, db, SystemClock())
    with pytest.raises(StoreError, match="in use"), alone(loaded.config.store):
        pass
    del importer
    with alone(loaded.config.store):
        assert type_(*IMPORT, "--id-column", "response_id").code == 3
