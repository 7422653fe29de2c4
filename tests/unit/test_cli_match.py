"""`connector match`: who waits, choosing, and how well answers would be matched; names only on demand."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.clock import SystemClock
from connector.domain.model.person import Contact, LinkState
from connector.domain.model.response import Interaction, Respondent
from connector.store import links
from connector.store.database import Database
from connector.store.keyring import KeyRing
from connector.sync.identify import mirror
from connector.wiring.opening import load_config, open_store
from connector.wiring.settings import settings_at_rest
from tests.unit.deciding import CRM, decide_all, feed
from tests.unit.keyboard import Keyboard
from tests.unit.samples import answer
from tests.unit.test_config_mutations import ENVIRON, EXAMPLE, ROOT

ELSEWHERE = Respondent(email="ada77@home.example", name="Ada Example")


@pytest.fixture
def type_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Keyboard:
    for name, text in {**ENVIRON, "CONNECTOR_KEY": KeyRing.generate()}.items():
        monkeypatch.setenv(name, text)
    shutil.copytree(ROOT / "mappings", tmp_path / "mappings")
    shutil.copy(EXAMPLE, tmp_path / "connector.yaml")
    return Keyboard(monkeypatch, capsys, tmp_path)


@pytest.fixture
def db(type_: Keyboard) -> Iterator[Database]:
    loaded = load_config(str(type_.folder / "connector.yaml"))
    made = open_store(loaded.config, SystemClock()).create()
    for number, name in enumerate(["Ada Example", "Bert Other"]):
        one = Contact(
            account=CRM,
            id=f"003{number}",
            name=name,
            email=f"c{number}@work.example",
            url=f"https://acme.example/003{number}",
        )
        with made.write() as tx:
            mirror(tx, one)
    yield made
    made.close()


def answers(db: Database, type_: Keyboard, *respondents: Respondent) -> None:
    now = db.clock.now()
    for number, respondent in enumerate(respondents):
        feed(db, answer(str(number), stars=5, respondent=respondent, interaction=Interaction(), at=now))
    loaded = load_config(str(type_.folder / "connector.yaml"))
    decide_all(db, settings_at_rest(loaded, db.clock))


def state(db: Database, person_id: int = 1) -> tuple[LinkState, str | None]:
    with db.read() as tx:
        link = links.get(tx, person_id, CRM)
    assert link is not None
    return link.state, link.remote_id


def test_who_waits_is_listed_without_names_unless_asked(type_: Keyboard, db: Database) -> None:
    answers(db, type_, ELSEWHERE)
    shown = type_("match", "list")
    shown.says(0, "Person 1 in salesforce:acme", "0030", "66", "name 100, e-mail differs", "acme.example/0030")
    assert "Ada" not in shown.out
    type_("match", "list", "--show").says(0, "Person 1 (Ada Example)")
    [one] = type_("match", "list", "--json").json
    assert (one["person"], one["account"]) == (1, CRM)
    assert [(each["contact"], each["certainty"]) for each in one["candidates"]] == [("0030", 66)]
    assert "name" not in one
    assert type_("match", "list", "--account", "hubspot:1", "--json").json == []


def test_nobody_waits(type_: Keyboard, db: Database) -> None:
    type_("match", "list").says(0, "Nobody waits")
    assert type_("match", "list", "--json").json == []


def test_an_operator_says_who_it_is(type_: Keyboard, db: Database) -> None:
    answers(db, type_, ELSEWHERE)
    type_("match", "link", "1", "0030").says(0, "Person 1 is contact 0030 of salesforce:acme.", "Mode observe")
    assert state(db) == (LinkState.LINKED, "0030")
    type_("match", "link", "1", "0031").says(0, "Person 1 is contact 0031")
    assert state(db) == (LinkState.LINKED, "0031")


def test_an_operator_says_that_it_is_none_of_them(type_: Keyboard, db: Database) -> None:
    answers(db, type_, ELSEWHERE)
    type_("match", "ignore", "1").says(0, "Person 1 is none", "a new contact will be made")
    assert state(db) == (LinkState.UNLINKED, None)
    type_("match", "ignore", "1").says(1, "person 1 waits for no choice")


def test_mistakes_get_a_sentence(type_: Keyboard, db: Database) -> None:
    answers(db, type_, ELSEWHERE)
    type_("match", "link", "7", "0030").says(1, "there is no person 7", "connector match list")
    type_("match", "link", "1", "0039").says(1, "salesforce:acme has no contact 0039")
    type_("match", "link", "1", "0030", "--account", "crm").says(
        1, "crm is no configured CRM: --account salesforce:acme"
    )
    type_("match", "ignore", "0").says(2)
    assert state(db) == (LinkState.HELD, None)


def test_the_report_counts_what_every_key_and_answer_finds(type_: Keyboard, db: Database) -> None:
    with db.write() as tx:
        mirror(tx, Contact(account=CRM, id="0032", name="Bert Other", email="c1@work.example"))
    answers(
        db,
        type_,
        Respondent(email="c0@work.example", phone="+49301234567"),
        Respondent(email="c1@work.example"),
        Respondent(email="nobody@work.example"),
        Respondent(email="c0@wrok.example", name="Ada Example"),
        ELSEWHERE,
        Respondent(name="Ada Example"),
    )
    found = type_("match", "report", "--json").json
    assert found["contacts"] == {CRM: 3}
    assert found["whole"] == {CRM: False}
    [rates] = found["rates"]
    assert (rates["account"], rates["survey"], rates["connection"]) == (CRM, "service", "typeform")
    assert rates["keys"]["email"] == {"one": 1, "none": 3, "several": 1}
    assert rates["keys"]["phone"] is None  # one answer has a number
    assert rates["answers"] == {"one": 1, "several": 1, "none": 1, "alike": 0, "suggested": 2, "anonymous": 1}
    assert sum(rates["answers"].values()) == found["looked_at"] == 6
    shown = type_("match", "report")
    shown.says(0, "3 contacts; they are still being read", "service (typeform) in salesforce:acme: 6 answers")
    shown.says(0, "several by a key 1 (17 %)", "like some 2 (33 %)", "e-mail 5 1 (20 %) 3 (60 %) 1 (20 %)")
    shown.says(0, "phone fewer than 5")
    assert "Ada" not in shown.out


def test_a_group_smaller_than_the_minimum_is_not_counted(type_: Keyboard, db: Database) -> None:
    answers(db, type_, *[Respondent(email=f"c{number}@work.example") for number in range(4)])
    shown = type_("match", "report")
    shown.says(0, "service (typeform) in salesforce:acme: fewer than 5 answers", "privacy.minimum_n")
    assert "%" not in shown.out
    assert "one contact" not in shown.out
    [rates] = type_("match", "report", "--json").json["rates"]
    assert (rates["answers"], rates["keys"]) == (None, {})
    config = type_.folder / "connector.yaml"
    config.write_text(config.read_text("utf-8").replace("\nprivacy:", "\nprivacy:\n  minimum_n: 4"), "utf-8")
    type_("match", "report").says(0, "4 answers", "one contact by a key 2 (50 %)", "e-mail 4 2 (50 %) 2 (50 %) 0")


def test_a_report_without_answers_says_so(type_: Keyboard, db: Database) -> None:
    type_("match", "report").says(0, "2 contacts", "No answer was recorded yet.")


def test_the_report_changes_nothing(type_: Keyboard, db: Database) -> None:
    answers(db, type_, ELSEWHERE)
    before = state(db)
    type_("match", "report")
    assert state(db) == before
