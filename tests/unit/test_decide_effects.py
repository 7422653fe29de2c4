"""What one answer leads to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from connector.clock import VirtualClock
from connector.domain.expressions import compile_expression
from connector.domain.mapping.fields import compile_fields
from connector.domain.matching.ladder import Missing
from connector.domain.model.context import rule_names
from connector.domain.model.intent import IntentState, Json, Priority, WriteKind, references
from connector.domain.model.recovery import Severity
from connector.domain.model.response import Interaction, Respondent, Sentiment, Understanding
from connector.domain.recovery.night import Night
from connector.store import history, recoveries, responses
from connector.store.database import Database
from connector.sync.settings import OpenRecovery, Rule
from tests.unit.deciding import CHAT, CRM, DESK, decide_all, example_settings, feed, kinds, known_contact, planned
from tests.unit.samples import NOON, PLAIN, answer, empty_store

pytestmark = pytest.mark.both_stores

ANGRY = Understanding(language="en", sentiment=Sentiment.NEGATIVE, compound=-0.8, themes=("safety",))


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    store = empty_store(tmp_path, VirtualClock(NOON))
    yield store
    store.close()


def story(db: Database, response_id: int = 1) -> dict[str, Json]:
    with db.read() as tx:
        return {entry.event: entry.detail for entry in history.for_response(tx, response_id)}


def decided(db: Database) -> dict[str, Json]:
    detail = story(db)["decided"]
    assert isinstance(detail, dict)
    return detail


def test_an_unhappy_answer_of_a_stranger_gets_a_ticket_at_once_and_the_rest_after_the_contact(db: Database) -> None:
    feed(db, answer())
    decide_all(db, example_settings())
    states = {row.kind: row.state for row in planned(db)}
    assert states == {
        WriteKind.CONTACT: IntentState.PLANNED,
        WriteKind.TICKET: IntentState.PLANNED,
        WriteKind.TASK: IntentState.BLOCKED,
        WriteKind.ACTIVITY: IntentState.BLOCKED,
        WriteKind.CONTACT_FIELDS: IntentState.BLOCKED,
    }


def test_the_ticket_says_what_to_do_by_when_in_its_first_line_and_fits_a_screen(db: Database) -> None:
    feed(db, answer(comment="\n".join(f"line {number}" for number in range(80))))
    decide_all(db, example_settings())
    [ticket] = planned(db, WriteKind.TICKET)
    text = str(ticket.fields["comment"])
    assert text.splitlines()[0].startswith("Contact the customer by Mon 2 Mar 17:00 (Europe/Berlin)")
    assert len(text.splitlines()) <= 25
    assert ticket.fields["due_at"] == "2026-03-02T16:00:00Z"
    assert ticket.fields["priority"] == "high"
    assert ticket.fields["tags"] == ["csat-recovery", "csat-no-survey"]


def test_a_text_of_somebodys_own_mapping_fits_a_screen_too(db: Database) -> None:
    base = example_settings()
    long = compile_fields("ticket", {"comment": {"text": "{{ rating }}\n" * 60}}, rule_names(()))
    desk = replace(base.targets["zendesk"], sections={**base.targets["zendesk"].sections, "ticket": long})
    feed(db, answer())
    decide_all(db, replace(base, targets={**base.targets, "zendesk": desk}))
    [ticket] = planned(db, WriteKind.TICKET)
    assert len(str(ticket.fields["comment"]).splitlines()) == 25


def test_the_task_waits_for_the_contact_and_the_ticket_it_points_at(db: Database) -> None:
    feed(db, answer())
    decide_all(db, example_settings())
    [task] = planned(db, WriteKind.TASK)
    assert task.after == (f"person/1/contact@{CRM}", "recovery/1/ticket/1")
    assert references(task.fields["Description"]) == {"recovery/1/ticket/1"}
    assert task.fields["ActivityDate"] == "2026-03-04"


def test_a_happy_answer_is_kept_on_the_timeline_and_opens_nothing(db: Database) -> None:
    known_contact(db)
    feed(db, answer(stars=5))
    decide_all(db, example_settings())
    assert kinds(db) == ["activity", "contact_fields"]
    assert all(row.priority == Priority.NORMAL.rank for row in planned(db))


def test_a_narrow_threshold_wins(db: Database) -> None:
    feed(
        db,
        answer("brakes", stars=4),
        answer(
            "tyres",
            stars=4,
            segments={"service": "tyres"},
            interaction=Interaction(id="R-2", kind="repair_order", service="tyres"),
            email="bob@example.org",
        ),
    )
    decide_all(db, example_settings())
    [ticket] = planned(db, WriteKind.TICKET)
    assert ticket.fields["requester_email"] == "ada@example.org"


def test_everything_about_a_known_contact_is_ready_to_go(db: Database) -> None:
    known_contact(db)
    feed(db, answer())
    decide_all(db, example_settings())
    assert kinds(db) == ["activity", "contact_fields", "task", "ticket"]
    [task] = planned(db, WriteKind.TASK)
    assert task.fields["OwnerId"] == "005O"
    assert task.reason == "waits for recovery/1/ticket/1"
    [ticket] = planned(db, WriteKind.TICKET)
    assert "matched by e-mail to one contact" in str(ticket.fields["comment"])
    assert "Contact: https://acme.example/003A" in str(ticket.fields["comment"])


def test_an_anonymous_answer_is_final_and_its_rules_are_still_evaluated(db: Database) -> None:
    feed(db, answer(respondent=Respondent(name="Somebody")), understanding=ANGRY)
    decide_all(db, example_settings())
    assert kinds(db) == ["alert"]
    assert decided(db)["unhappy"] is True
    assert story(db)["no_recovery"] == {"why": "anonymous: there is nobody to win back"}
    with db.read() as tx:
        version = responses.get(tx, 1)
    assert version is not None
    assert version.person_id is None


def test_doubt_holds_what_goes_to_the_crm_and_never_the_ticket(db: Database) -> None:
    known_contact(db, "003A")
    known_contact(db, "003B")
    feed(db, answer())
    decide_all(db, example_settings())
    states = {row.kind: row.state for row in planned(db)}
    assert states.pop(WriteKind.TICKET) is IntentState.PLANNED
    assert states.pop(WriteKind.ALERT) is IntentState.PLANNED, "the operators are told"
    assert set(states.values()) == {IntentState.BLOCKED}
    assert WriteKind.CONTACT not in states
    [ticket] = planned(db, WriteKind.TICKET)
    assert "not sure: 2 contacts share this e-mail" in str(ticket.fields["comment"])


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        (Missing.HOLD, ["activity", "alert", "contact_fields", "task", "ticket"]),
        (Missing.IGNORE, ["ticket"]),
    ],
)
def test_what_is_done_about_people_the_crm_does_not_know(db: Database, missing: Missing, expected: list[str]) -> None:
    feed(db, answer())
    decide_all(db, replace(example_settings(), missing=missing))
    assert kinds(db) == expected


def test_an_old_answer_is_recorded_and_scored_and_alarms_nobody(db: Database) -> None:
    known_contact(db)
    feed(db, answer(at=NOON - timedelta(days=8)), understanding=ANGRY)
    decide_all(db, example_settings())
    assert kinds(db) == ["activity", "contact_fields"]
    assert all(row.priority >= Priority.NORMAL.rank for row in planned(db))
    assert decided(db)["why"] == "older than act_on.answered_within: recorded and scored, not acted on"
    with db.read() as tx:
        assert recoveries.counts(tx) == {}


def test_an_answer_too_old_to_interrupt_for_still_opens_its_recovery_and_says_why_no_message_went(
    db: Database,
) -> None:
    feed(db, answer(at=NOON - timedelta(hours=5)), understanding=ANGRY)
    decide_all(db, example_settings())
    assert "ticket" in kinds(db)
    assert "alert" not in kinds(db)
    assert story(db)["alert_expired"] == {"reason": "the answer is older than notify_within", "messages": 1}


def test_a_message_waits_for_the_ticket_whose_address_it_holds(db: Database) -> None:
    feed(db, answer(), understanding=ANGRY)
    decide_all(db, example_settings())
    [alert] = planned(db, WriteKind.ALERT)
    assert alert.account == CHAT
    assert alert.fields["channel"] == "#csat-safety"
    assert references(alert.fields["text"]) == {"recovery/1/ticket/1"}
    assert (alert.state, alert.reason) == (IntentState.BLOCKED, "waits for recovery/1/ticket/1")
    [ticket] = planned(db, WriteKind.TICKET)
    assert ticket.fields["priority"] == "urgent"


@pytest.mark.parametrize(("understanding", "hour"), [(PLAIN, 18), (ANGRY, 12)], ids=["calm", "critical"])
def test_at_night_a_message_waits_for_the_morning_unless_it_is_critical(
    db: Database, understanding: Understanding, hour: int
) -> None:
    settings = example_settings()
    told = replace(settings.rules[1], when=settings.rules[0].when, actions=settings.rules[1].actions[1:])
    night = Night(begins=time(0), ends=time(18))
    feed(db, answer(), understanding=understanding)
    decide_all(db, replace(settings, rules=(told,), quiet=night, time_zone=ZoneInfo("UTC")))
    [alert] = planned(db, WriteKind.ALERT)
    assert alert.not_before == NOON.replace(hour=hour)
    assert alert.give_up_at >= alert.not_before + timedelta(minutes=10)


def test_a_second_unhappy_answer_joins_with_one_note_and_may_raise_severity(db: Database) -> None:
    feed(db, answer("1"))
    decide_all(db, example_settings())
    feed(db, answer("2", at=NOON - timedelta(minutes=1)), understanding=ANGRY)
    decide_all(db, example_settings())
    assert kinds(db).count("ticket") == 1
    assert kinds(db).count("task") == 1
    [note] = planned(db, WriteKind.NOTE)
    assert note.target == "recovery/1/ticket/1"
    assert note.fields["priority"] == "urgent"
    assert str(note.fields["text"]).startswith("Another answer arrived: 2 of 5 (csat)")
    with db.read() as tx:
        recovery = recoveries.get(tx, 1)
    assert recovery is not None
    assert recovery.severity is Severity.CRITICAL


def test_the_ticket_the_survey_was_about_is_worked_on_instead_of_a_new_one(db: Database) -> None:
    about = Interaction(id="4711", kind="ticket", service="network")
    feed(db, answer(interaction=about, segments={}))
    decide_all(db, example_settings())
    assert "ticket" not in kinds(db)
    [note] = planned(db, WriteKind.NOTE)
    assert note.target == f"ticket/{DESK}/4711"
    assert note.fields["status"] == "High Priority - Service Recovery Required"
    assert note.fields["add_tags"] == ["csat-recovery", "csat-no-survey"]
    assert str(note.fields["text"]).startswith("Contact the customer by")


def test_a_second_answer_about_a_ticket_is_noted_there_once_also_before_the_first_one_is(db: Database) -> None:
    """The recovery begins on that very ticket, which nothing says before its first note is there."""
    about = Interaction(id="4711", kind="ticket", service="network")
    feed(db, answer("1", interaction=about, segments={}), answer("2", interaction=about, segments={}, stars=2))
    decide_all(db, example_settings())
    notes = planned(db, WriteKind.NOTE)
    assert [note.target for note in notes] == [f"ticket/{DESK}/4711", "recovery/1/ticket/1"]


def test_a_happy_answer_about_a_ticket_is_noted_there(db: Database) -> None:
    feed(db, answer(stars=5, interaction=Interaction(id="4711", kind="ticket"), segments={}))
    decide_all(db, example_settings())
    [note] = planned(db, WriteKind.NOTE)
    assert note.fields == {"text": "Survey answer about this ticket: 5 of 5 (csat)\nSaid: Brakes squeak again"}


def test_somebody_who_gave_only_a_contact_id_gets_a_ticket_with_the_address_the_crm_knows(db: Database) -> None:
    known_contact(db)
    feed(db, answer(respondent=Respondent(crm_id="003A")))
    decide_all(db, example_settings())
    [ticket] = planned(db, WriteKind.TICKET)
    assert ticket.fields["requester_email"] == "ada@example.org"


def test_a_rule_that_meets_a_missing_value_does_not_act_and_says_so(db: Database) -> None:
    rule = Rule(
        name="loyal",
        when=compile_expression("score.trend < -10 and unhappy", rule_names(())),
        actions=(OpenRecovery(playbook="service-recovery", severity=Severity.HIGH),),
    )
    feed(db, answer())
    decide_all(db, replace(example_settings(), rules=(rule,)))
    rulings = decided(db)["rules"]
    assert isinstance(rulings, list)
    assert isinstance(rulings[0], dict)
    assert (rulings[0]["matched"], rulings[0]["missing"]) == (False, "missing: score.trend")
    assert "ticket" not in kinds(db)


def test_an_answer_that_joins_two_recoveries_of_one_helpdesk_is_noted_on_both_tickets(db: Database) -> None:
    base = example_settings()
    of = {"first": "rating == 1 or rating == 3", "second": "rating == 2 or rating == 3"}
    rules = tuple(
        Rule(
            name=playbook,
            when=compile_expression(when, rule_names(())),
            actions=(OpenRecovery(playbook=playbook, severity=Severity.HIGH),),
        )
        for playbook, when in of.items()
    )
    settings = replace(base, rules=rules, playbooks=dict.fromkeys(of, base.playbooks["service-recovery"]))
    feed(db, answer("1", stars=1), answer("2", stars=2), answer("3", stars=3))
    decide_all(db, settings)
    notes = [row.target for row in planned(db, WriteKind.NOTE) if f"/{answer('3').key}/" in row.key]
    assert sorted(str(target) for target in notes) == ["recovery/1/ticket/1", "recovery/2/ticket/1"]


def test_an_answer_that_cannot_be_decided_is_quarantined_alone_and_leaves_nothing(db: Database) -> None:
    good = example_settings()
    broken = replace(good, targets={name: target for name, target in good.targets.items() if name != "zendesk"})
    feed(db, answer("1"), answer("2", stars=5, email="bob@example.org"))
    decide_all(db, replace(broken, answers_to=("salesforce",)))
    with db.read() as tx:
        assert responses.counts(tx) == {"decided": 1, "quarantined": 1}
        assert recoveries.counts(tx) == {}
        bad = responses.get(tx, 1)
    assert bad is not None
    assert bad.reason == "a defect: KeyError"
    assert story(db)["quarantined"] == {"reason": "a defect: KeyError"}


def test_the_last_three_answers_stand_in_the_ticket(db: Database) -> None:
    for days in (5, 4, 3, 2):
        feed(db, answer(str(days), stars=5, comment=f"fine {days}", at=NOON - timedelta(days=days)))
    decide_all(db, example_settings())
    feed(db, answer("now"))
    decide_all(db, example_settings())
    [ticket] = planned(db, WriteKind.TICKET)
    text = str(ticket.fields["comment"])
    assert [f"fine {days}" in text for days in (5, 4, 3, 2)] == [False, True, True, True]


def test_a_score_is_written_again_only_when_it_moved_far_enough_or_changed_its_band(db: Database) -> None:
    known_contact(db)
    for number in range(3):
        feed(db, answer(str(number), stars=5, at=NOON - timedelta(minutes=30 - number)))
        decide_all(db, example_settings())
    health = [row.fields["CSAT_Health__c"] for row in planned(db, WriteKind.CONTACT_FIELDS)]
    assert health == [80, 86.67, 90]
    feed(db, answer("same", stars=5, at=NOON - timedelta(minutes=2)))
    decide_all(db, example_settings())
    assert len(planned(db, WriteKind.CONTACT_FIELDS)) == 3
