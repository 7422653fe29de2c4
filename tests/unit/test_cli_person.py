"""`connector person` and `connector keys` as typed: sentences, exit codes, files for one pair of eyes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.clock import SystemClock
from connector.domain.model.response import Respondent
from connector.store import consent, erasures, responses, subjects
from connector.store.database import Database
from connector.store.keyring import KeyRing
from connector.sync.decide import decide_alone
from connector.wiring.erasing import Errand
from connector.wiring.opening import load_config, open_store
from tests.unit.deciding import example_settings, feed
from tests.unit.keyboard import Keyboard
from tests.unit.samples import answer
from tests.unit.test_config_mutations import ENVIRON, EXAMPLE, ROOT

MAIL = "kanaria@leak.example"
WHO = Respondent(email=MAIL, name="Kanaria Vogelprobe", phone="+4930555000177")


@pytest.fixture
def key() -> str:
    return KeyRing.generate()


@pytest.fixture
def type_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], key: str) -> Keyboard:
    for name, text in {**ENVIRON, "CONNECTOR_KEY": key}.items():
        monkeypatch.setenv(name, text)
    shutil.copytree(ROOT / "mappings", tmp_path / "mappings")
    shutil.copy(EXAMPLE, tmp_path / "connector.yaml")
    return Keyboard(monkeypatch, capsys, tmp_path)


@pytest.fixture
def db(type_: Keyboard) -> Iterator[Database]:
    made = a_store(type_)
    hear_them(made)
    yield made
    made.close()


def a_store(type_: Keyboard) -> Database:
    return open_store(load_config(str(type_.folder / "connector.yaml")).config, SystemClock()).create()


def hear_them(made: Database) -> None:
    now = SystemClock().now()
    feed(made, answer("k1", respondent=WHO, comment="zwitscherzwitscher", at=now))
    with made.write() as tx:
        for version in responses.pending(tx, limit=10, fresh_since=tx.now):
            decide_alone(tx, version, example_settings())


def nobody_listens(type_: Keyboard) -> None:
    for name in ("SALESFORCE", "ZENDESK", "SLACK"):
        type_.monkeypatch.setenv(f"CONNECTOR__CONNECTIONS__{name}__BASE_URL", "http://127.0.0.1:9")


@pytest.mark.parametrize("who", [MAIL, MAIL.upper(), "1", "+49 30 555000177", "k1", "typeform/aB3dE9/k1"])
def test_find_counts_and_names_nobody(type_: Keyboard, db: Database, who: str) -> None:
    done = type_("person", "find", who, "--json")
    assert done.code == 0, done
    assert done.json["counts"]["answers"] == 1
    assert MAIL not in done.out
    assert "Vogelprobe" not in done.out


@pytest.mark.parametrize("who", ["nobody@example.org", "99", "+49 30 1", "x/y/z", "", "9" * 40])
def test_nobody_by_that_name_is_a_sentence(type_: Keyboard, db: Database, who: str) -> None:
    for verb in ("find", "export", "erase"):
        type_("person", verb, who).says(1, "nothing is held of anybody by that name")


def test_export_is_everything_for_one_pair_of_eyes(type_: Keyboard, db: Database) -> None:
    type_("person", "export", MAIL, "--out", "theirs.json").says(0, "Written to theirs.json")
    file = type_.folder / "theirs.json"
    assert file.stat().st_mode & 0o777 == 0o600
    told = json.loads(file.read_text())
    assert told["versions of answers"][0]["sealed"]["comment"] == "zwitscherzwitscher"
    assert "consent" in told["versions of answers"][0]["sealed"]
    assert told["emails"] == [MAIL]
    type_("person", "export", MAIL, "--out", "theirs.json").says(1, "theirs.json")
    assert type_("person", "export", MAIL).json == told


def test_a_dry_run_changes_nothing_and_erase_asks_first(type_: Keyboard, db: Database) -> None:
    plan = type_("person", "erase", MAIL, "--dry-run", "--json").json
    assert plan["here"]["answers"] == 1
    assert type_("person", "erase", MAIL).code == 1, "nobody confirmed"
    assert type_("person", "find", MAIL).code == 0
    type_("person", "erasures").says(0, "Nobody was erased")


def test_what_cannot_be_reached_is_said_and_gone_on_with(type_: Keyboard, db: Database) -> None:
    """Nobody listens at the vendors: the erasure stands, and the command says what it waits for."""
    nobody_listens(type_)
    type_("person", "erase", MAIL, "--yes", "--wait", "1").says(4, "under way", "run this again")
    type_("person", "erasures").says(0, "vendors")
    with db.read() as tx:
        (one,) = erasures.under_way(tx)
        assert one.known.emails == (MAIL,)
    accounts = ("salesforce:acme", "zendesk:acme", "slack:default")
    skip = [word for account in accounts for word in ("--skip", account)]
    with db.write() as tx:
        erasures.wait(tx, one, tx.now, "at once")
    done = type_("person", "erase", MAIL, "--yes", "--json", *skip, "--out", "certificate.json")
    assert done.code == 0, done
    assert MAIL not in done.out
    assert json.loads((type_.folder / "certificate.json").read_text()) == done.json
    again = type_("person", "erase", MAIL, "--json")
    assert again.json == done.json, "the certificate, once more"
    type_("person", "find", MAIL).says(1, "nothing is held")


def test_an_erasure_that_an_older_copy_knows_nothing_of_is_asked_for_once_more(type_: Keyboard) -> None:
    """The copy is from before they were heard of, and the vendors were not told yet (chaos 991)."""
    nobody_listens(type_)
    a_store(type_).close()
    type_("backup", "copy.db").says(0, "copy.db")
    made = a_store(type_)
    hear_them(made)
    made.close()
    type_("person", "erase", MAIL, "--yes", "--wait", "1").says(4, "under way")
    type_("restore", "copy.db", "--yes").says(0, "")
    type_("person", "erasures").says(0, "Nobody was erased")
    type_("person", "find", MAIL).says(1, "nothing is held")
    type_("person", "erase", MAIL, "--yes", "--wait", "1").says(4, "under way")
    type_("person", "erasures").says(0, "vendors")
    type_("person", "erase", "somebody.else@example.org").says(1, "nothing is held")


def test_who_is_told_follows_from_the_configuration(type_: Keyboard, db: Database) -> None:
    loaded = load_config(str(type_.folder / "connector.yaml"))
    told = Errand(loaded, db, SystemClock()).erasers
    assert set(told) == {"typeform", "salesforce:acme", "zendesk:acme", "slack:default"}


def test_keys_are_rotated_with_three_commands(type_: Keyboard, db: Database, key: str) -> None:
    db.close()
    new = type_("keys", "rotate", "--quiet").out.strip()
    config = type_.folder / "connector.yaml"
    before = config.read_text()
    type_.monkeypatch.setenv("NEW_KEY", new)
    config.write_text(before.replace('keys: ["${CONNECTOR_KEY}"]', 'keys: ["${NEW_KEY}", "${CONNECTOR_KEY}"]'))
    old_id = KeyRing([load_config(str(config)).config.privacy.keys[1]]).key_ids[0]
    type_("keys", "list").says(0, "seals", "opens", old_id)
    done = type_("keys", "reseal", "--json").json
    assert done["resealed"] > 3
    assert done["may_go"] == [old_id]
    assert type_("keys", "reseal", "--json").json == {"resealed": 0, "may_go": [], "still_needed": {}} | {
        "may_go": [old_id]
    }
    config.write_text(before.replace("${CONNECTOR_KEY}", "${NEW_KEY}"))
    assert type_("person", "find", MAIL).code == 0, "indexes are the same under the new key"


def test_known_by_address_is_known_by_number(db: Database) -> None:
    with db.read() as tx:
        assert subjects.of_address(tx, email=MAIL) == subjects.of_person(tx, 1)


def test_who_opts_out_is_on_a_list_that_names_nobody(type_: Keyboard, db: Database) -> None:
    type_("person", "opt-out", MAIL.upper()).says(0, "No message goes there any more.")
    type_("person", "opt-out", MAIL).says(0, "It was on the list already.")
    with db.read() as tx:
        assert consent.is_opted_out(tx, MAIL)
    type_("person", "opt-in", MAIL).says(0, "Messages may go there again.")
    type_("person", "opt-in", MAIL).says(0, "It was not on the list.")
    type_("person", "opt-out", "kanaria").says(1, "that is no e-mail address")
