"""Persons, links, contacts, facts and recoveries in the store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connector.clock import VirtualClock
from connector.domain.model.person import Contact, Evidence, KeyKind, Link, LinkState
from connector.domain.model.recovery import RecoveryState, Severity
from connector.domain.model.response import Respondent
from connector.domain.model.score import Contribution, Fact, Score
from connector.ports import Ticket
from connector.store import contacts, links, people, recoveries, responses, scores, tickets
from connector.store.database import Database
from connector.store.transaction import Transaction
from tests.unit.samples import NOON, PLAIN, answer, empty_store

pytestmark = pytest.mark.both_stores

CRM = "salesforce:acme"
DESK = "zendesk:acme"


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    store = empty_store(tmp_path, VirtualClock(NOON))
    yield store
    store.close()


def linked(remote_id: str) -> Link:
    return Link(account=CRM, state=LinkState.LINKED, remote_id=remote_id, evidence=Evidence(decided_by="email"))


def test_a_person_is_found_by_any_learned_key(db: Database) -> None:
    with db.write() as tx:
        ada = people.create(tx)
        people.learn(tx, ada, {KeyKind.EMAIL: "ada@example.org", KeyKind.PHONE: "+4930123"})
        assert people.find(tx, KeyKind.PHONE, "+4930123") == ada
        assert people.find(tx, KeyKind.PHONE, "+4930124") is None
        assert people.find(tx, KeyKind.INVITATION, "ada@example.org") is None


def test_a_key_stays_with_the_person_who_had_it_first(db: Database) -> None:
    with db.write() as tx:
        ada, bob = people.create(tx), people.create(tx)
        people.learn(tx, ada, {KeyKind.EMAIL: "family@example.org"})
        people.learn(tx, bob, {KeyKind.EMAIL: "family@example.org"})
        assert people.find(tx, KeyKind.EMAIL, "family@example.org") == ada


def test_a_blank_never_erases_what_a_person_said_before(db: Database) -> None:
    with db.write() as tx:
        ada = people.create(tx)
        people.learn(tx, ada, {}, Respondent(name="Ada Example", email="ada@example.org"))
        people.learn(tx, ada, {}, Respondent(email="ada@example.net"))
        assert people.details(tx, ada) == Respondent(name="Ada Example", email="ada@example.net")


def test_a_report_seen_twice_changes_nothing(db: Database) -> None:
    seen = Contact(account=CRM, id="003A", email="ada@example.org", modified_at=NOON, values={"Last": "2026-01-01"})
    with db.write() as tx:
        first = contacts.upsert(tx, seen, email="ada@example.org", phone=None)
        again = contacts.upsert(tx, seen, email="ada@example.org", phone=None)
        found = contacts.find(tx, CRM, KeyKind.EMAIL, "ada@example.org")
    assert (first.before, first.changed, again.changed) == (None, True, False)
    assert found == [seen]


def test_an_older_report_never_overwrites_a_newer_one(db: Database) -> None:
    newer = Contact(account=CRM, id="003A", name="Ada New", modified_at=NOON)
    older = replace(newer, name="Ada Old", modified_at=NOON - timedelta(hours=1))
    with db.write() as tx:
        contacts.upsert(tx, newer, email=None, phone=None)
        contacts.upsert(tx, older, email=None, phone=None)
        assert contacts.get(tx, CRM, "003A") == newer


def test_a_merged_contact_leads_to_its_survivor_and_a_deleted_one_nowhere(db: Database) -> None:
    with db.write() as tx:
        for seen in (
            Contact(account=CRM, id="loser", email="a@example.org", deleted=True, merged_into="winner"),
            Contact(account=CRM, id="winner", email="a@example.org"),
            Contact(account=CRM, id="gone", email="b@example.org", deleted=True),
        ):
            contacts.upsert(tx, seen, email=seen.email, phone=None)
        survivor = contacts.survivor(tx, CRM, "loser")
        assert survivor is not None
        assert survivor.id == "winner"
        assert contacts.survivor(tx, CRM, "gone") is None
        assert [c.id for c in contacts.find(tx, CRM, KeyKind.EMAIL, "a@example.org")] == ["winner"]


def test_links_follow_a_merge_and_end_with_a_deletion(db: Database) -> None:
    with db.write() as tx:
        ada = people.create(tx)
        links.save(tx, ada, linked("loser"))
        assert links.repoint(tx, CRM, "loser", "winner") == [ada]
        moved = links.get(tx, ada, CRM)
        assert moved is not None
        assert (moved.state, moved.remote_id) == (LinkState.LINKED, "winner")
        assert links.unlink(tx, CRM, "winner", "deleted there") == [ada]
        ended = links.get(tx, ada, CRM)
        assert ended is not None
        assert (ended.state, ended.remote_id) == (LinkState.UNLINKED, None)


def test_an_edited_answer_replaces_its_facts(db: Database) -> None:
    old = Fact(component="csat", value=25, at=NOON, source="typeform/f/1#csat/overall")
    other = Fact(component="csat", value=75, at=NOON, source="typeform/f/12#csat/overall")
    with db.write() as tx:
        ada = people.create(tx)
        assert scores.replace_facts(tx, ada, "typeform/f/1#", [old])
        assert scores.replace_facts(tx, ada, "typeform/f/12#", [other])
        assert not scores.replace_facts(tx, ada, "typeform/f/1#", [old])
        assert scores.replace_facts(tx, ada, "typeform/f/1#", [replace(old, value=100)])
        assert [fact.value for fact in scores.facts(tx, ada)] == [100, 75]


def test_a_score_comes_back_to_the_last_digit(db: Database) -> None:
    part = Contribution(component="csat", value=2500, weight=40, points=1234, answers=2)
    made = Score(hundredths=4321, coverage=0.55, contributions=(part,), as_of=NOON, band="at_risk", answers=2, trend=-7)
    with db.write() as tx:
        ada = people.create(tx)
        scores.add(tx, ada, made, "digest")
        assert scores.latest(tx, ada) == made


def open_for(tx: Transaction, person_id: int, number: str, severity: Severity = Severity.NORMAL) -> recoveries.Opening:
    done = responses.record(tx, answer(number), PLAIN)
    assert done.response_id is not None
    return recoveries.open_or_join(
        tx,
        person_id=person_id,
        playbook="service-recovery",
        severity=severity,
        response_id=done.response_id,
        response_key=answer(number).key,
        at=tx.now,
    )


def test_one_recovery_is_open_per_person_and_severity_only_rises(db: Database) -> None:
    with db.write() as tx:
        ada = people.create(tx)
        first = open_for(tx, ada, "1", Severity.HIGH)
        second = open_for(tx, ada, "2", Severity.CRITICAL)
        third = open_for(tx, ada, "3", Severity.NORMAL)
        assert (first.opened, second.opened, third.opened) == (True, False, False)
        assert (second.joined, second.raised, third.raised) == (True, True, False)
        assert third.recovery.severity is Severity.CRITICAL
        assert recoveries.answers(tx, first.recovery.id) == 3


def test_the_same_answer_joins_once(db: Database) -> None:
    with db.write() as tx:
        ada = people.create(tx)
        open_for(tx, ada, "1")
        assert not open_for(tx, ada, "1").joined


def test_a_closed_recovery_keeps_its_first_cause_and_makes_room(db: Database) -> None:
    with db.write() as tx:
        ada = people.create(tx)
        first = open_for(tx, ada, "1")
        assert recoveries.close(tx, first.recovery.id, "solved in helpdesk", NOON)
        assert not recoveries.close(tx, first.recovery.id, "answer changed", NOON)
        second = open_for(tx, ada, "2")
        assert second.opened
        closed = recoveries.get(tx, first.recovery.id)
        assert closed is not None
        assert (closed.state, closed.cause) == (RecoveryState.CLOSED, "solved in helpdesk")


def test_when_two_persons_turn_out_to_be_one_the_older_recovery_survives(db: Database) -> None:
    with db.write() as tx:
        ada, twin = people.create(tx), people.create(tx)
        people.learn(tx, ada, {KeyKind.EMAIL: "ada@example.org"}, Respondent(name="Ada"))
        people.learn(tx, twin, {KeyKind.PHONE: "+4930123"}, Respondent(phone="+4930123"))
        links.save(tx, twin, linked("003A"))
        scores.replace_facts(tx, twin, "k#", [Fact(component="csat", value=25, at=NOON, source="k#csat")])
        older = open_for(tx, twin, "1", Severity.CRITICAL)
        younger = open_for(tx, ada, "2")
        assert people.merge(tx, twin, ada) == [(older.recovery.id, younger.recovery.id)]
        assert people.find(tx, KeyKind.PHONE, "+4930123") == ada
        assert people.details(tx, ada) == Respondent(name="Ada", phone="+4930123")
        assert [fact.value for fact in scores.facts(tx, ada)] == [25]
        assert links.persons(tx, CRM, "003A") == [ada]
        running = recoveries.open_one(tx, ada, "service-recovery")
        assert running is not None
        assert (running.id, running.severity) == (older.recovery.id, Severity.CRITICAL)
        assert recoveries.answers(tx, running.id) == 2


def test_tickets_count_for_their_requester_unless_they_are_ours(db: Database) -> None:
    theirs = Ticket(
        account=DESK,
        id="7",
        status="open",
        requester_email="ada@example.org",
        key=None,
        url=None,
        updated_at=NOON,
        values={},
    )
    with db.write() as tx:
        ada = people.create(tx)
        people.learn(tx, ada, {KeyKind.EMAIL: "ada@example.org"})
        assert tickets.upsert(tx, theirs, requester="ada@example.org").changed
        assert not tickets.upsert(tx, theirs, requester="ada@example.org").changed
        tickets.upsert(tx, replace(theirs, id="8", key="ours"), requester="ada@example.org")
        tickets.upsert(tx, replace(theirs, updated_at=NOON + timedelta(days=1)), requester="ada@example.org")
        assert tickets.requested_by(tx, DESK, ada) == [("7", NOON)]
