"""`connector test`: the shipped tests pass, what differs is said with its place, mistakes point into the file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from connector.store.keyring import KeyRing
from tests.unit.keyboard import Done, Keyboard
from tests.unit.samples import KEY
from tests.unit.test_config_mutations import ENVIRON, EXAMPLE, ROOT

HEAD = "rules:\n  - name: one\n"


@pytest.fixture
def type_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Keyboard:
    for name, text in {**ENVIRON, "CONNECTOR_KEY": KeyRing.generate()}.items():
        monkeypatch.setenv(name, text)
    shutil.copytree(ROOT / "mappings", tmp_path / "mappings")
    shutil.copy(EXAMPLE, tmp_path / "connector.yaml")
    return Keyboard(monkeypatch, capsys, tmp_path)


def tried(type_: Keyboard, text: str, *words: str) -> Done:
    (type_.folder / "mine.yaml").write_text(text, encoding="utf-8")
    return type_("test", "mine.yaml", *words)


def test_the_shipped_tests_pass_and_leave_nothing(type_: Keyboard) -> None:
    before = sorted(type_.folder.rglob("*"))
    done = type_("test")
    done.says(0, "passed brakes that failed on the motorway are critical", "12 passed.")
    assert sorted(type_.folder.rglob("*")) == before


def test_a_changed_rule_fails_the_test_that_guards_it(type_: Keyboard) -> None:
    config = type_.folder / "connector.yaml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("service: brakes, at: 4}", "service: brakes, at: 3}"), encoding="utf-8")
    done = type_("test")
    done.says(1, "FAILED four of five is unhappy at brakes", "mappings/tests/rules.yaml:", "1 of 12 failed")
    done.says(1, "unhappy: expected true, found false", 'rules: expected ["unhappy"], found []')


def test_every_field_is_compared(type_: Keyboard) -> None:
    wrong = (
        "expect: {unhappy: false, sentiment: positive, language: de, themes: [], rules: [], tickets: 2, notes: 1, "
        "tasks: 0, messages: 4, events: 1, score: 1, band: healthy, "
        "recovery: {playbook: service-recovery, severity: normal, joined: true}}"
    )
    said = "comment: The brakes failed on the motorway and nobody cared, person: {email: ada@example.com}"
    done = tried(type_, f"{HEAD}    answer: {{survey: service, ratings: {{csat: 1}}, {said}}}\n    {wrong}\n", "--json")
    assert done.code == 1
    told = done.json[0]
    assert {one["field"] for one in told["differences"]} == {
        "unhappy", "sentiment", "language", "themes", "rules", "tickets", "notes", "tasks", "messages", "events",
        "score", "band", "recovery",
    }  # fmt: skip
    assert (told["test"], told["place"], told["passed"]) == ("one", "mine.yaml:2", False)
    found = {one["field"]: one["found"] for one in told["differences"]}
    assert found["recovery"] == {"playbook": "service-recovery", "severity": "critical", "joined": False}


def test_what_came_before_counts_and_what_is_left_out_is_not_compared(type_: Keyboard) -> None:
    person = "person: {phone: '+4915112345678'}"
    text = (
        f"{HEAD}    before: [{{ago: 1h, survey: service, ratings: {{csat: 1}}, {person}}}]\n"
        f"    answer: {{survey: service, ratings: {{csat: 5, nps/company: 9}}, {person}}}\n"
        "    expect: {unhappy: false, tickets: 0, messages: 0}\n"
    )
    tried(type_, text).says(0, "1 passed.")
    tried(type_, text.replace("tickets: 0", "recovery: {joined: true}")).says(1, "recovery: expected", "found nothing")


@pytest.mark.parametrize(
    ("answer", "expect", "words"),
    [
        ("survey: servce", "unhappy: true", ["mine.yaml:3:", "there is no survey 'servce'", "'service'"]),
        ("survey: service, servce: tyres", "unhappy: true", ["there is no key or segment 'servce'", "'service'"]),
        ("survey: service, service: 7", "unhappy: true", ["expected a text; put it in quotes"]),
        ("survey: service", "unhapy: true", ["mine.yaml:4:", "there is no key 'unhapy'", "'unhappy'"]),
        ("survey: service", "rules: [unhapy]", ["there is no rule 'unhapy'", "'unhappy'"]),
        ("survey: service", "recovery: {playbook: service-recovry}", ["no playbook", "'service-recovery'"]),
        ("survey: service", "themes: [safty]", ["there is no theme 'safty'", "'safety'"]),
        ("survey: service", "band: at_rsk", ["there is no band 'at_rsk'", "'at_risk'"]),
        ("survey: service", "tickets: -1", ["mine.yaml:4:"]),
    ],
)
def test_a_mistake_is_told_with_its_place_and_the_right_name(
    type_: Keyboard, answer: str, expect: str, words: list[str]
) -> None:
    text = f"{HEAD}    answer: {{{answer}, ratings: {{csat: 2}}}}\n    expect: {{{expect}}}\n"
    tried(type_, text).says(2, *words)


def test_ratings_are_those_of_the_survey(type_: Keyboard) -> None:
    text = f"{HEAD}    answer: {{survey: service, ratings: {{csat: 9, cast: 1}}}}\n    expect: {{unhappy: true}}\n"
    tried(type_, text).says(2, "expected a number on the scale 1-5", "there is no rating in the survey service: 'cast'")


def test_files_that_are_not_there_and_folders_without_tests_get_a_sentence(type_: Keyboard) -> None:
    type_("test", "nowhere.yaml").says(2, "nowhere.yaml:1:1: cannot be read")
    tried(type_, "").says(2, "has some under `rules`, `playbooks` or `calendars`")
    shutil.rmtree(type_.folder / "mappings" / "tests")
    type_("test").says(1, "there are no tests in mappings/tests")


def test_the_examples_of_the_pages_work(type_: Keyboard) -> None:
    page = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    for number, block in enumerate(page.split("```yaml\n")[1:]):
        tried(type_, block.partition("```")[0]).says(0, ("1 passed.", "2 passed.")[number])
    rules = (
        (ROOT / "docs" / "rules.md").read_text(encoding="utf-8").partition("```yaml\nrules:\n")[2].partition("```")[0]
    )
    config = type_.folder / "connector.yaml"
    text = config.read_text(encoding="utf-8").replace("\ncalendars:", f"\n{rules}\ncalendars:")
    for line in ("zapier:", "  kind: workflow", '  url: "${ZAPIER_URL}"', '  secret: "${ZAPIER_SECRET}"'):
        text = text.replace(f"#  {line}", f"  {line}")
    type_.monkeypatch.setenv("ZAPIER_URL", "https://hooks.example.com/1")
    type_.monkeypatch.setenv("ZAPIER_SECRET", "whsec_" + KEY)
    config.write_text(text, encoding="utf-8")
    type_("test").says(0, "12 passed.")


WATCHED = """playbooks:
  - name: one
    at: "2026-11-27 09:50"
    answer: {survey: service, ratings: {csat: 2}, person: {email: ada@example.com}}
    then:
      - {after: 31m, expect: {messages: 0, late: [supervisor review]}}
"""
CALENDAR = (
    "calendars:\n  - {name: one, calendar: desk, from: '2026-11-27 17:45', within: 30m, due: '2026-11-27 18:15'}\n"
)


def test_what_happens_in_time_is_compared(type_: Keyboard) -> None:
    tried(type_, WATCHED).says(1, "mine.yaml:2", "after 31m, messages: expected 0, found 1")
    tried(type_, WATCHED.replace("messages: 0", "messages: 1")).says(0, "1 passed.")
    tried(type_, CALENDAR).says(1, 'due: expected "2026-11-27 18:15", found "2026-11-28 09:15"')


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (WATCHED.replace("supervisor review", "supervisor reveiw"), ["mine.yaml:6:", "'supervisor review'"]),
        (WATCHED.replace("2026-11-27 09:50", "Friday"), ["mine.yaml:3:", "a day and a time such as"]),
        (WATCHED.replace("service, rat", "servce, rat"), ["mine.yaml:4:", "there is no survey 'servce'"]),
        (WATCHED + "      - {after: 5m}\n", ["told in order"]),
        (CALENDAR.replace("desk", "dekc"), ["mine.yaml:2:", "there is no calendar 'dekc'", "'desk'"]),
    ],
)
def test_slips_about_times_are_told_likewise(type_: Keyboard, text: str, words: list[str]) -> None:
    tried(type_, text).says(2, *words)
