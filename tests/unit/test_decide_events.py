"""A rule starts something in another program: the example's commented lines, taken at their word."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from connector.clock import VirtualClock
from connector.config import Loaded
from connector.domain.model.intent import IntentState, WriteKind, refer
from connector.domain.model.response import Sentiment, Understanding
from connector.errors import ConfigError
from connector.simulator.workflow import SECRET
from connector.store import outbox
from connector.store.database import Database
from connector.wiring.settings import decide_settings
from tests.unit.deciding import ACCOUNTS, ENVIRON, decide_all, feed, planned
from tests.unit.samples import NOON, answer, empty_store
from tests.unit.test_wiring_readiness import ROOT, example_with

HOOK = "workflow:hooks.example.com/0"
UNSAFE = Understanding(language="en", themes=("safety",), sentiment=Sentiment.NEGATIVE, compound=-0.9)
THERE = {
    **ENVIRON,
    "ZAPIER_URL": "https://hooks.example.com/catch/1/2",
    "ZAPIER_SECRET": SECRET,
    "SMTP_PASSWORD": SECRET,
}
OFFERED = (ROOT / "config.example.yaml").read_text(encoding="utf-8")
START = "start: {workflow: zapier, event: safety, data: {email: respondent.email, rating: rating, ticket: ticket.url}}"


def example(folder: Path, change: str = START, to: str = START) -> Loaded:
    """The example with the offered lines taken in, and one of them changed."""
    offered = re.findall(r"^#  .*$", OFFERED, re.MULTILINE)
    assert any(change in line for line in offered)
    return example_with(folder, {line: line[1:].replace(change, to) for line in offered}, environ=THERE)


@pytest.fixture
def db(tmp_path: Path) -> Database:
    return empty_store(tmp_path, VirtualClock(NOON))


def decide(db: Database, folder: Path, change: str = START, to: str = START) -> None:
    loaded = example(folder, change, to)
    decide_all(db, decide_settings(loaded, {**ACCOUNTS, "zapier": HOOK, "mail": "smtp:smtp.example.com/0"}))


def test_a_matching_rule_plans_an_event_with_typed_values(db: Database, tmp_path: Path) -> None:
    feed(db, answer(stars=1), understanding=UNSAFE)
    decide(db, tmp_path)
    (event,) = planned(db, WriteKind.EVENT)
    (ticket,) = planned(db, WriteKind.TICKET)
    assert (event.account, event.fields["event"]) == (HOOK, "safety")
    assert event.fields["data"] == {"email": "ada@example.org", "rating": 1, "ticket": refer(ticket.object, "url")}
    assert event.state is IntentState.BLOCKED  # it names the ticket, which has no address yet
    with db.write() as tx:
        outbox.adopt(tx, ticket.account, ticket.object, "9", "https://acme.zendesk.com/agent/tickets/9")
    assert planned(db, WriteKind.EVENT)[0].state is IntentState.PLANNED


def test_what_does_not_match_or_is_old_starts_nothing(db: Database, tmp_path: Path) -> None:
    feed(db, answer("1", stars=5), answer("2", stars=1, at=NOON - timedelta(days=30)), understanding=UNSAFE)
    decide(db, tmp_path)
    assert planned(db, WriteKind.EVENT) == []


def test_a_missing_value_is_null(db: Database, tmp_path: Path) -> None:
    feed(db, answer(stars=1), understanding=UNSAFE)
    decide(db, tmp_path, "ticket: ticket.url", "phone: respondent.phone, themes: themes")
    (event,) = planned(db, WriteKind.EVENT)
    data = event.fields["data"]
    assert isinstance(data, dict)
    assert (data["phone"], data["themes"]) == (None, ["safety"])


def test_a_changed_answer_is_another_event(db: Database, tmp_path: Path) -> None:
    feed(db, answer(stars=1), understanding=UNSAFE)
    decide(db, tmp_path)
    feed(db, answer(stars=2, at=NOON - timedelta(minutes=1)), understanding=UNSAFE)
    decide_all(
        db,
        decide_settings(example(tmp_path / "again"), {**ACCOUNTS, "zapier": HOOK, "mail": "smtp:smtp.example.com/0"}),
    )
    events = planned(db, WriteKind.EVENT)
    assert len({row.key for row in events}) == len({row.object for row in events}) == 2


def test_renaming_the_rule_and_the_connection_derives_the_same_keys(tmp_path: Path) -> None:
    keys = set()
    for number, (old, new) in enumerate([("x", "x"), ("zapier", "make"), ("name: safety", "name: danger")]):
        folder = tmp_path / str(number)
        folder.mkdir()
        db = empty_store(folder, VirtualClock(NOON))
        feed(db, answer(stars=1), understanding=UNSAFE)
        offered = {line: line[1:] for line in re.findall(r"^#  .*$", OFFERED, re.MULTILINE)}
        loaded = example_with(folder, {**offered, old: new}, environ=THERE)
        decide_all(db, decide_settings(loaded, {**ACCOUNTS, "zapier": HOOK, "make": HOOK}))
        keys |= {row.key for row in planned(db, WriteKind.EVENT)}
        db.close()
    assert len(keys) == 1


@pytest.mark.parametrize(
    ("change", "to", "words"),
    [
        ("workflow: zapier", "workflow: slack", "is no workflow"),
        ("workflow: zapier", "workflow: zapjer", "zapier"),
        ("respondent.email", "respondent.mail", "email"),
        ("event: safety", "event: two words", "does not look like"),
        ("rating: rating", "rating: \"sentiment == 'negativ'\"", "negative"),
        ("data:", "dta:", "data"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, change: str, to: str, words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        example(tmp_path, change, to)
    assert any(words in str(problem) for problem in refused.value.problems), refused.value.problems
