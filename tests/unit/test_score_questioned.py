"""The score, questioned: what it rests on, on any date, with the versions of answers that were known then."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from connector.cli.score import show
from connector.clock import SystemClock, VirtualClock
from connector.domain.model.response import Interaction, Sentiment, Understanding
from connector.domain.model.score import Fact
from connector.store import people, scores
from connector.store.database import Database
from connector.sync.companies import roll_up
from connector.sync.poll import watched
from connector.sync.questioned import Questioned, facts_known, question
from connector.sync.rescore import rescore
from connector.sync.settings import DecideSettings, ScorePolicy
from connector.wiring.opening import load_config, open_store
from connector.wiring.settings import settings_at_rest
from tests.unit.deciding import clock_of, decide_all, example_settings, feed, known_contact
from tests.unit.keyboard import Keyboard
from tests.unit.samples import NOON, PLAIN, answer, empty_store
from tests.unit.test_cli_rule_tests import type_

__all__ = ["type_"]  # the fixture

CROSS = Understanding(language="en", sentiment=Sentiment.NEGATIVE, compound=-0.6)
FIRST = NOON - timedelta(days=60)


def settings() -> DecideSettings:
    return example_settings()


def policy() -> ScorePolicy:
    found = settings().score
    assert found is not None
    return found


def at(db: Database, moment: datetime) -> None:
    clock_of(db).advance(moment - db.clock.now())


@contextmanager
def ada() -> Iterator[Database]:
    """Ada was content sixty days ago, unhappy yesterday, and took back half of that this morning."""
    with tempfile.TemporaryDirectory() as folder:
        db = empty_store(Path(folder), VirtualClock(FIRST))
        bought = (NOON - timedelta(days=200)).date().isoformat()
        known_contact(db, values={"Last_Service__c": bought}, modified_at=NOON - timedelta(days=90))
        feed(db, answer("1", stars=5, at=FIRST - timedelta(minutes=5)))
        decide_all(db, settings())
        at(db, NOON - timedelta(days=1))
        feed(db, answer("2", stars=1, at=NOON - timedelta(days=1, minutes=5)), understanding=CROSS)
        decide_all(db, settings())
        at(db, NOON)
        feed(db, answer("2", stars=3, at=NOON - timedelta(minutes=5), comment="Sorry, it was me"))
        decide_all(db, settings())
        yield db
        db.close()


def asked(db: Database, as_of: datetime) -> Questioned:
    with db.read() as tx:
        return question(tx, 1, policy(), as_of, most=10)


def printed() -> str:
    """What `connector score` prints of Ada, for docs/score.md."""
    with ada() as db:
        told = asked(db, NOON)
    before, out = os.environ.get("COLUMNS"), io.StringIO()
    os.environ["COLUMNS"] = "100"
    try:
        with contextlib.redirect_stdout(out):
            show(told)
    finally:
        os.environ.pop("COLUMNS") if before is None else os.environ.update(COLUMNS=before)
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    return "\n".join(["```", "$ connector score ada@example.org", *lines, "```"])


def test_now_it_is_the_score_that_was_recorded_and_adds_up() -> None:
    with ada() as db:
        told = asked(db, NOON)
        with db.read() as tx:
            latest = scores.latest(tx, 1)
    assert latest is not None
    assert told.recorded is not None
    assert (told.points, told.band) == (latest.points, latest.band) == (told.recorded.points, told.recorded.band)
    assert sum(one.points for one in told.components) == pytest.approx(told.points)
    assert sum(one.share for one in told.components) == pytest.approx(1)
    by_name = {one.name: one for one in told.components}
    assert [one.what for one in by_name["csat"].facts] == [
        "answer typeform/aB3dE9/2, csat/overall",
        "answer typeform/aB3dE9/1, csat/overall",
    ]
    assert [one.counts for one in by_name["csat"].facts] == [1.0, 0.63]
    assert by_name["purchases"].facts[0].what == "salesforce:acme Last_Service__c"
    assert by_name["nps"].missing == "no data: the others share its weight"
    assert len(told.history) == 3


def test_on_a_date_a_later_version_of_an_answer_does_not_count() -> None:
    with ada() as db:
        then, now = asked(db, NOON - timedelta(hours=1)), asked(db, NOON)
        longer = asked(db, FIRST - timedelta(hours=1))
    values = {one.value for one in next(one for one in then.components if one.name == "csat").facts}
    assert values == {0.0, 100.0}
    assert {one.value for one in next(one for one in now.components if one.name == "csat").facts} == {50.0, 100.0}
    assert then.recorded is not None
    assert then.points != now.points
    assert then.band == then.recorded.band
    # The timers did not run in between, so what was recorded was computed an hour less a day before.
    assert then.points == pytest.approx(then.recorded.points, abs=1)
    assert longer.points is None
    assert longer.recorded is None
    assert longer.history == ()


@pytest.mark.both_stores
def test_on_the_instant_of_each_evaluation_it_says_what_was_said_then() -> None:
    with ada() as db:
        for moment in (FIRST, NOON - timedelta(days=1)):
            told = asked(db, moment)
            assert told.recorded is not None
            assert (told.points, told.band, told.trend) == (
                told.recorded.points,
                told.recorded.band,
                told.recorded.trend,
            )


def test_new_weights_are_those_of_the_configuration_and_history_keeps_the_old() -> None:
    heavier = [replace(one, weight=90) if one.name == "purchases" else one for one in policy().config.components]
    changed = replace(policy(), config=replace(policy().config, components=tuple(heavier)))
    with ada() as db, db.read() as tx:
        told = question(tx, 1, changed, NOON, most=1)
    assert told.recorded is not None
    assert told.points != told.recorded.points
    assert len(told.history) == 1


def test_a_signal_counts_from_its_time_on() -> None:
    with ada() as db:
        with db.write() as tx:
            late = Fact(component="tickets", value=1, at=NOON, source="signal/zendesk:acme/ticket/7")
            scores.replace_facts(tx, 1, "signal/zendesk", [late])
        with db.read() as tx:
            assert late not in facts_known(tx, 1, policy(), NOON - timedelta(seconds=1))
            assert late in facts_known(tx, 1, policy(), NOON)


def test_old_tickets_are_listed_and_count_nothing() -> None:
    with ada() as db:
        with db.write() as tx:
            old = Fact(
                component="tickets", value=1, at=NOON - timedelta(days=91), source="signal/zendesk:acme/ticket/7"
            )
            scores.replace_facts(tx, 1, "signal/zendesk", [old])
        tickets = next(one for one in asked(db, NOON).components if one.name == "tickets")
    assert [one.counts for one in tickets.facts] == [0.0]
    assert tickets.value == 100


def test_the_command_finds_the_person_in_every_way(type_: Keyboard) -> None:
    db = open_store(load_config(str(type_.folder / "connector.yaml")).config, SystemClock()).create()
    try:
        now = db.clock.now()
        known_contact(db)
        feed(db, answer("1", stars=4, at=now), understanding=PLAIN)
        decide_all(db, settings())
        with db.write() as tx:
            people.scored(tx, 1, None)
            rescore(tx, 1, policy())
    finally:
        db.close()
    for who in ("ada@example.org", "1", "typeform/aB3dE9/1", "003A"):
        type_("score", who).says(0, "Person 1: ", "What it is made of", "answer typeform/aB3dE9/1,", "nps no data")
    assert type_("score", "1", "--as-of", "2026-01-01", "--json").json["points"] is None
    type_("score", "1", "--as-of", "yesterday").says(2, "expected a day such as 2026-11-01")
    type_("score", "nobody@example.com").says(1, "nothing is held of anybody by that name")


def test_a_company_is_the_mean_of_its_persons_by_how_much_is_known_of_them() -> None:
    example = settings()
    rolled = replace(example, score=replace(policy(), companies={"salesforce": "AccountId"}))
    with tempfile.TemporaryDirectory() as folder:
        db = empty_store(Path(folder), VirtualClock(NOON))
        for number, (stars, company) in enumerate([(5, "001A"), (1, "001A"), (3, "001B"), (4, None)]):
            email = f"p{number}@example.org"
            bought = {"Last_Service__c": (NOON - timedelta(days=200)).date().isoformat()} if number == 0 else {}
            known_contact(db, f"003{number}", email=email, values={"AccountId": company, **bought})
            feed(db, answer(str(number), stars=stars, email=email, interaction=Interaction()))
            decide_all(db, example)
        with db.read() as tx:
            (found,) = roll_up(tx, "001A", rolled, NOON)
            alone, nobody = roll_up(tx, "001B", rolled, NOON), roll_up(tx, "001C", rolled, NOON)
            mirrored = {person: latest for person in (1, 2) if (latest := scores.latest(tx, person)) is not None}
        db.close()
    assert [(one.person, one.contact) for one in found.members] == [(1, "0030"), (2, "0031")]
    assert [one.points for one in found.members] == [mirrored[1].points, mirrored[2].points]
    good, bad = found.members
    assert good.points is not None
    assert bad.points is not None
    assert (good.coverage, bad.coverage) == (0.55, 0.4)
    assert found.points == round((0.55 * good.points + 0.4 * bad.points) / 0.95, 2)
    assert found.band == "at_risk"
    assert [one.points for one in alone] == [alone[0].members[0].points]
    assert nobody == []


def test_the_field_of_companies_is_read_with_the_contacts_where_it_is_configured(type_: Keyboard) -> None:
    config = type_.folder / "connector.yaml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("  coverage: 0.4", "  companies: {salesforce: AccountId}\n  coverage: 0.4"), "utf-8")
    rolled = settings_at_rest(load_config(str(config)), SystemClock())
    target = rolled.targets["salesforce"]
    assert set(watched(rolled, target)) - set(watched(settings(), target)) == {"AccountId"}
    open_store(load_config(str(config)).config, SystemClock()).create().close()
    type_("score", "--company", "001A").says(1, "nobody is known to be of the company 001A")
    type_("score").says(2, "say who: a PERSON, or --company with its id")
    config.write_text(text.replace("  coverage: 0.4", "  companies: {salesforc: AccountId}\n  coverage: 0.4"), "utf-8")
    type_("score", "1").says(2, "there is no CRM 'salesforc'", "'salesforce'")
