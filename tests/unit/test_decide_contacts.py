"""A contact is made for who has none: again when the first one came to nothing, and once at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connector.clock import VirtualClock
from connector.domain.model.intent import IntentState, WriteKind
from connector.domain.model.person import Contact
from connector.domain.model.response import Interaction
from connector.domain.model.transitions import Event
from connector.store import confirmed, intents, outbox, receipts
from connector.store.database import Database
from connector.store.intents import IntentRow
from connector.sync.mirroring import take_contact
from connector.sync.names import contact_object
from connector.sync.settled import settled
from tests.unit.deciding import CRM, clock_of, decide_all, example_settings, feed, planned, pretend_confirmed
from tests.unit.samples import NOON, answer, empty_store


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    store = empty_store(tmp_path, VirtualClock(NOON))
    yield store
    store.close()


def happy(db: Database, number: str) -> None:
    feed(db, answer(number, stars=5, at=NOON - timedelta(minutes=int(number))))
    decide_all(db, example_settings())


def delete(db: Database, remote_id: str) -> None:
    settings = example_settings()
    gone = replace(contact(remote_id, "ada@example.org"), deleted=True)
    with db.write() as tx:
        take_contact(tx, gone, settings.targets["salesforce"], settings, NOON)


def contact(remote_id: str, email: str) -> Contact:
    return Contact(account=CRM, id=remote_id, name="Ada", email=email, url=None, modified_at=NOON)


def contacts(db: Database) -> list[IntentRow]:
    return planned(db, WriteKind.CONTACT)


def test_a_contact_deleted_in_the_crm_is_made_again_for_the_next_answer(db: Database) -> None:
    happy(db, "1")
    for number in ("2", "3"):
        pretend_confirmed(db, contacts(db)[-1], f"003N{number}")
        delete(db, f"003N{number}")
        happy(db, number)
    assert [row.state for row in contacts(db)] == [IntentState.CONFIRMED, IntentState.CONFIRMED, IntentState.PLANNED]
    assert len({row.record for row in contacts(db)}) == 1, "the marker in the CRM is the person's, not the attempt's"
    pretend_confirmed(db, contacts(db)[-1], "003N4")
    assert {row.state for row in planned(db, WriteKind.ACTIVITY)} == {IntentState.PLANNED}


def test_what_people_change_on_a_contact_that_survives_a_merger_stays_theirs(db: Database) -> None:
    settings = example_settings()
    for number, email in (("1", "ada@example.org"), ("2", "bob@example.org")):
        visit = Interaction(id=f"R-{number}", kind="repair_order", service="brakes")
        feed(db, answer(number, stars=5, email=email, interaction=visit))
        decide_all(db, settings)
        [made] = [row for row in contacts(db) if row.state is IntentState.PLANNED]
        pretend_confirmed(db, made, f"003N{number}")
    first, second = sorted(row.object for row in contacts(db))
    with db.write() as tx:
        for name in (first, second):
            confirmed.confirm(tx, CRM, name, {"CSAT_Reason__c": f"ours on {name}"}, {"CSAT_Reason__c": NOON})
    clock_of(db).advance(timedelta(hours=1))
    survivor = replace(contact("003N2", "bob@example.org"), values={"CSAT_Reason__c": "written by hand"})
    gone = replace(contact("003N1", "ada@example.org"), deleted=True, merged_into="003N2")
    with db.write() as tx:
        for seen in (gone, survivor):
            take_contact(tx, seen, settings.targets["salesforce"], settings, tx.now)
    with db.read() as tx:
        known = confirmed.of(tx, CRM, first)["CSAT_Reason__c"]
    assert (known.value, known.theirs) == ("written by hand", True)


def test_a_write_that_learns_of_a_merger_before_the_feed_does_knows_what_people_changed(db: Database) -> None:
    first, second = (contact_object(person, CRM) for person in (1, 2))
    with db.write() as tx:
        for name, remote_id in ((first, "003A"), (second, "003B")):
            outbox.adopt(tx, CRM, name, remote_id)
            confirmed.confirm(tx, CRM, name, {"CSAT_Reason__c": "ours"}, {"CSAT_Reason__c": NOON})
        confirmed.observe(tx, CRM, second, {"CSAT_Reason__c": "written by hand"}, read_at=NOON)
        receipts.follow(tx, CRM, "003A", "003B")
    with db.read() as tx:
        known = confirmed.of(tx, CRM, first)["CSAT_Reason__c"]
    assert (known.value, known.theirs) == ("written by hand", True)


def test_what_nobody_knows_under_one_name_is_not_known_under_another(db: Database) -> None:
    with db.write() as tx:
        confirmed.confirm(tx, CRM, "there", {"CSAT_Reason__c": "ours"}, {"CSAT_Reason__c": NOON})
        confirmed.lose(tx, CRM, "there", {"CSAT_Reason__c": "new"})
        confirmed.take_over(tx, CRM, "here", "there")
        confirmed.regain(tx, CRM, "here", ["CSAT_Reason__c"])
        assert not confirmed.of(tx, CRM, "here")["CSAT_Reason__c"].known


@pytest.mark.parametrize("event", [Event.REFUSED_UNSENT, Event.TOO_OLD])
def test_a_contact_that_could_not_be_made_is_tried_again_with_the_next_answer(db: Database, event: Event) -> None:
    happy(db, "1")
    [first] = contacts(db)
    with db.write() as tx:
        settled(tx, intents.move(tx, intents.get(tx, first.id), event, "a test says so"), None)
    happy(db, "2")
    happy(db, "3")
    assert [row.state for row in contacts(db)][1:] == [IntentState.PLANNED]
    pretend_confirmed(db, contacts(db)[-1], "003N")
    lines = planned(db, WriteKind.ACTIVITY)
    assert {row.state for row in lines} == {IntentState.PLANNED}, "what waited for the first goes on with the second"


def test_no_second_contact_while_the_first_is_under_way(db: Database) -> None:
    happy(db, "1")
    [first] = contacts(db)
    with db.write() as tx:
        intents.move(tx, intents.get(tx, first.id), Event.SENT)
    happy(db, "2")
    assert len(contacts(db)) == 1


def test_a_contact_an_operator_tries_again_is_not_made_twice(db: Database) -> None:
    happy(db, "1")
    [first] = contacts(db)
    with db.write() as tx:
        intents.move(tx, intents.get(tx, first.id), Event.TOO_OLD)
        assert outbox.retry(tx, first.id)
    happy(db, "2")
    assert len(contacts(db)) == 1
