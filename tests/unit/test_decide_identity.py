"""Who answered: persons found again, linked through the mirror, and joined when they turn out to be one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connector.clock import VirtualClock
from connector.domain.model.intent import IntentState, Receipt, WriteKind
from connector.domain.model.person import KeyKind, LinkState
from connector.domain.model.response import Interaction, Respondent
from connector.store import contacts, links, people, receipts, recoveries, responses
from connector.store.database import Database
from connector.store.responses import VersionState
from connector.sync.identify import join_persons
from connector.sync.settled import settled
from tests.unit.deciding import (
    CRM,
    decide_all,
    example_settings,
    feed,
    known_contact,
    planned,
    pretend_confirmed,
)
from tests.unit.samples import NOON, answer, empty_store

pytestmark = pytest.mark.both_stores

NOWHERE = Interaction()


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    store = empty_store(tmp_path, VirtualClock(NOON))
    yield store
    store.close()


def person_of(db: Database, number: str) -> int | None:
    with db.read() as tx:
        found = responses.find(tx, answer(number).key)
        assert found is not None
        version = responses.get(tx, found)
    assert version is not None
    assert version.state is VersionState.DECIDED
    return version.person_id


def test_an_address_and_a_contact_id_lead_to_one_person_through_the_crm(db: Database) -> None:
    known_contact(db)
    feed(db, answer("1", interaction=NOWHERE))
    decide_all(db, example_settings())
    feed(db, answer("2", respondent=Respondent(crm_id="003A"), interaction=NOWHERE))
    decide_all(db, example_settings())
    assert person_of(db, "1") == person_of(db, "2")


def test_it_does_not_matter_which_of_them_came_first(db: Database) -> None:
    known_contact(db)
    feed(db, answer("2", respondent=Respondent(crm_id="003A"), interaction=NOWHERE))
    decide_all(db, example_settings())
    feed(db, answer("1", interaction=NOWHERE))
    decide_all(db, example_settings())
    assert person_of(db, "1") == person_of(db, "2")


def test_spelling_does_not_make_two_people(db: Database) -> None:
    feed(db, answer("1", email="Ada@Example.ORG", interaction=NOWHERE))
    feed(db, answer("2", email=" ada@example.org", interaction=NOWHERE))
    decide_all(db, example_settings())
    assert person_of(db, "1") == person_of(db, "2")


def test_a_shared_address_never_joins_two_contacts_into_one_person(db: Database) -> None:
    known_contact(db, "003A")
    known_contact(db, "003B")
    feed(db, answer("a", respondent=Respondent(crm_id="003A"), interaction=NOWHERE))
    feed(db, answer("b", respondent=Respondent(crm_id="003B"), interaction=NOWHERE))
    decide_all(db, example_settings())
    assert person_of(db, "a") != person_of(db, "b")


def test_an_address_two_contacts_share_recognises_neither_of_their_persons(db: Database) -> None:
    known_contact(db, "003A")
    known_contact(db, "003B")
    feed(db, answer("a", respondent=Respondent(crm_id="003A"), interaction=NOWHERE))
    decide_all(db, example_settings())
    feed(db, answer("shared", interaction=NOWHERE))
    decide_all(db, example_settings())
    assert person_of(db, "shared") != person_of(db, "a")


def test_a_person_who_gives_an_address_later_gets_no_second_contact(db: Database) -> None:
    phone = Respondent(phone="+4930123456", name="Ada Example")
    feed(db, answer("1", stars=5, respondent=phone, interaction=NOWHERE))
    decide_all(db, example_settings())
    both = replace(phone, email="ada@example.org")
    feed(db, answer("2", stars=5, respondent=both, interaction=NOWHERE, at=NOON - timedelta(minutes=1)))
    decide_all(db, example_settings())
    assert person_of(db, "1") == person_of(db, "2")
    assert len(planned(db, WriteKind.CONTACT)) == 1


def test_a_created_contact_is_a_link_and_lets_go_what_waited_for_it(db: Database) -> None:
    feed(db, answer(stars=5))
    decide_all(db, example_settings())
    [wanted] = planned(db, WriteKind.CONTACT)
    pretend_confirmed(db, wanted, "003N")
    with db.read() as tx:
        link = links.get(tx, 1, CRM)
    assert link is not None
    assert (link.state, link.remote_id) == (LinkState.LINKED, "003N")
    assert link.evidence.decided_by == "created by the connector"
    assert {row.state for row in planned(db, WriteKind.ACTIVITY)} == {IntentState.PLANNED}


def test_several_contacts_found_when_asked_are_a_question_for_a_person(db: Database) -> None:
    feed(db, answer(stars=5))
    decide_all(db, example_settings())
    [wanted] = planned(db, WriteKind.CONTACT)
    several = replace(wanted, candidates=(Receipt(remote_id="003A"), Receipt(remote_id="003B")))
    with db.write() as tx:
        settled(tx, several, None)
        link = links.get(tx, 1, CRM)
    assert link is not None
    assert (link.state, link.candidates) == (LinkState.HELD, ("003A", "003B"))


def test_a_contact_is_asked_for_once_however_many_answers_wait_for_it(db: Database) -> None:
    feed(db, answer("1", stars=5), answer("2", stars=5, at=NOON - timedelta(minutes=1)))
    decide_all(db, example_settings())
    assert len(planned(db, WriteKind.CONTACT)) == 1
    assert len(planned(db, WriteKind.ACTIVITY)) == 2


def test_a_contact_id_the_mirror_does_not_know_yet_keeps_the_timeline_waiting(db: Database) -> None:
    feed(db, answer(stars=5, respondent=Respondent(crm_id="003A")))
    decide_all(db, example_settings())
    [line] = planned(db, WriteKind.ACTIVITY)
    assert line.state is IntentState.BLOCKED
    assert planned(db, WriteKind.CONTACT) == []


def test_joined_persons_keep_one_recovery_and_both_tickets_hear_of_it(db: Database) -> None:
    feed(db, answer("1", email="ada@example.org", interaction=NOWHERE))
    feed(db, answer("2", email="ada@example.net", interaction=NOWHERE))
    decide_all(db, example_settings())
    for number, ticket in enumerate(planned(db, WriteKind.TICKET)):
        pretend_confirmed(db, ticket, f"50{number}")
    with db.write() as tx:
        join_persons(tx, 1, 2, "a test says so")
        assert recoveries.counts(tx) == {"open": 1, "closed": 1}
    notes = planned(db, WriteKind.NOTE)
    assert [note.target for note in notes] == ["recovery/2/ticket/1", "recovery/1/ticket/1"]
    assert [note.state for note in notes] == [IntentState.PLANNED, IntentState.PLANNED]


def test_joining_persons_whose_tickets_were_not_sent_leaves_one_ticket(db: Database) -> None:
    feed(db, answer("1", email="ada@example.org", interaction=NOWHERE))
    feed(db, answer("2", email="ada@example.net", interaction=NOWHERE))
    decide_all(db, example_settings())
    with db.write() as tx:
        join_persons(tx, 1, 2, "a test says so")
    assert [row.state for row in planned(db, WriteKind.TICKET)] == [IntentState.PLANNED, IntentState.SUPERSEDED]


def test_a_mirrored_address_is_learned_only_while_it_is_nobody_elses(db: Database) -> None:
    known_contact(db, "003A", email="shared@example.org")
    known_contact(db, "003B", email="shared@example.org")
    feed(db, answer("a", respondent=Respondent(crm_id="003A"), interaction=NOWHERE))
    decide_all(db, example_settings())
    with db.read() as tx:
        assert people.find(tx, KeyKind.EMAIL, "shared@example.org") is None
        assert contacts.get(tx, CRM, "003A") is not None
        assert receipts.of_objects(tx, [f"person/1/contact@{CRM}"])
