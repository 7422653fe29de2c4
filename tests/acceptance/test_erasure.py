"""A person is erased while everything runs: no table, file, WAL, log or simulator names them, and nothing brings them
back."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from connector.clock import SystemClock
from connector.simulator.typeform import SERVICE, encode, payload
from connector.store import resealing
from connector.store.columns import metadata
from connector.testing.rehearsal import Rehearsal
from tests.acceptance.stages import Stage, staged
from tests.acceptance.test_canaries import disguises

pytestmark = pytest.mark.slow

EMAIL, NAME, PHONE = "kanaria.vogel+x@leak.example", "Kanaria Vogelprobe", "+493055500177"
WORDS = "The brakes are dangerous, zwitscherzwitscher."
CANARIES = (EMAIL, NAME, PHONE, "zwitscherzwitscher")


@dataclass
class Life:
    """What is left after an erasure: before and after, in every place."""

    stage: Stage
    before: dict[str, str]
    dry: dict[str, Any]
    certificate: dict[str, Any]
    backup: Path
    event: dict[str, Any]


def answer(token: str, **hidden: str) -> dict[str, Any]:
    who = {"email": EMAIL, "name": NAME, "phone": PHONE, "service": "brakes", "location": "Hamburg", **hidden}
    given = {"csat": 1, "why": WORDS, "mail": EMAIL}
    return payload(SERVICE, given, token=token, submitted_at=SystemClock().now(), hidden=who)


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    with staged(tmp_path_factory.mktemp("erasure") / "stage") as stage:
        running, there = stage.rehearsal, stage.simulators
        running.start(["--log-level", "DEBUG"])
        event = answer("canary-1")
        for one in (event, answer("canary-2")):
            there.typeform.responses.add(one)
            assert running.deliver("typeform", encode(one)) == 200
        assert running.deliver("typeform", f'{{"mail": "{EMAIL}", "tel": "{PHONE}"'.encode()) == 200
        there.zendesk.add_ticket(requester_email=EMAIL, requester_name=NAME, comment=WORDS)
        running.settle()
        backup = copy_of(running.folder / "connector.db", stage.folder / "backup.db")
        before = places(stage)
        dry = command(running, "person", "erase", EMAIL, "--dry-run", "--json")
        assert places(stage).keys() == before.keys()
        assert found(places(stage)) == found(before), "a dry run changes nothing"
        certificate = command(running, "person", "erase", EMAIL, "--yes", "--json")
        yield Life(stage=stage, before=before, dry=dry, certificate=certificate, backup=backup, event=event)


def copy_of(store: Path, to: Path) -> Path:
    source, target = sqlite3.connect(store), sqlite3.connect(to)
    source.backup(target)
    source.close()
    target.close()
    return to


def command(running: Rehearsal, *words: str, code: int = 0) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "connector", *words, "--config", str(running.config)],
        env=running.environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == code, done.stderr + done.stdout
    assert not leaked(done.stderr), words
    if "export" not in words:
        assert not leaked(done.stdout), words
    return json.loads(done.stdout) if code == 0 and "--json" in words else done.stdout


def places(stage: Stage) -> dict[str, str]:
    """Everything that is kept, in every place: rows opened, files raw, and what the other systems hold."""
    there, running = stage.simulators, stage.rehearsal
    kept = {f"file {path.name}": path.read_bytes().decode("latin-1") for path in stage.folder.glob("connector.db*")}
    kept["log"] = running.log.read_text()
    sealed = [place.column for place in resealing.places()]
    with running.db.read() as tx:
        for table in metadata.sorted_tables:
            told = []
            for row in tx.execute(select(table)):
                for column, value in zip(table.columns, row, strict=True):
                    opened = value
                    if value and any(column is one for one in sealed):
                        label = f"{table.name}.{column.name}"
                        opened = tx.unseal_bytes(label, value).decode(errors="replace")
                    told.append(str(opened))
            kept[f"table {table.name}"] = "\n".join(told)
    for name in ("salesforce", "zendesk", "slack"):
        kept[name] = json.dumps(getattr(there, name).truth, ensure_ascii=False)
    kept["typeform"] = json.dumps(there.typeform.responses.kept, ensure_ascii=False)
    return kept


def leaked(text: str) -> list[str]:
    lower = text.lower()
    return [word for word in CANARIES if any(form.lower() in lower for form in disguises(word))]


def found(kept: dict[str, str]) -> dict[str, list[str]]:
    """The places that name them, and with which words."""
    return {place: words for place, text in kept.items() if (words := leaked(text))}


def test_the_canaries_were_everywhere_but_in_files_and_log(life: Life) -> None:
    named = found(life.before)
    assert {"table inbox", "table intent", "table person", "table response_version"} <= named.keys()
    assert {"salesforce", "zendesk", "typeform"} <= named.keys()
    assert not [place for place in named if place == "log" or place.startswith("file")]


def test_the_dry_run_told_what_would_go(life: Life) -> None:
    assert life.dry["here"]["answers"] == 2
    accounts = {one["account"] for one in life.dry["elsewhere"]}
    assert {"salesforce:acme", "zendesk:acme", "typeform"} <= accounts


def test_afterwards_no_place_names_them(life: Life) -> None:
    assert found(places(life.stage)) == {}


def test_the_certificate_lists_every_object_and_what_stays(life: Life) -> None:
    told = life.certificate["elsewhere"]
    fates = {(one["account"], one["object"].split()[0]): one["fate"] for one in told}
    assert fates[("zendesk:acme", "ticket")] == "erased"
    assert fates[("zendesk:acme", "user")] == "erased"
    assert fates[("salesforce:acme", "contact")] == "erased"
    assert fates[("typeform", "response")] == "erased"
    kept = [one for one in told if one["fate"] == "kept"]
    assert kept, "what cannot be erased is listed"
    assert all(one["why"] for one in kept)
    assert life.certificate["not_covered"]
    assert not leaked(json.dumps(life.certificate))


def test_webhooks_polls_and_imports_do_not_bring_them_back(life: Life) -> None:
    running, there = life.stage.rehearsal, life.stage.simulators
    assert running.deliver("typeform", encode(life.event)) == 200
    again = answer("canary-1", note="edited")
    assert running.deliver("typeform", encode(again)) == 200
    assert running.deliver("typeform", encode(answer("canary-3"))) == 200
    running.settle()
    kept = places(life.stage)
    assert found(kept) == {}
    assert "canary-3" not in kept["table response"]
    assert not there.slack.truth["objects"].get("message", {}) or "canary-3" not in json.dumps(there.slack.truth)
    command(running, "person", "find", EMAIL, code=1)
    assert command(running, "person", "erase", EMAIL, "--yes", "--json") == life.certificate, "once more: the same"


def test_a_restored_backup_does_not_bring_them_back(life: Life) -> None:
    running = life.stage.rehearsal
    assert running.stop() == 0
    running.close()
    store = running.folder / "connector.db"
    for path in (store, *running.folder.glob("connector.db-*")):
        path.unlink(missing_ok=True)
    shutil.copy(life.backup, store)
    life.backup.unlink()
    running.start()
    running.settle()
    clock = SystemClock()
    deadline = clock.monotonic() + 30
    while found(places(life.stage)) and clock.monotonic() < deadline:
        running.pause(0.2)
    assert found(places(life.stage)) == {}
    listed = command(running, "person", "erasures", "--json")
    assert {one["cause"] for one in listed} == {"restored"}
