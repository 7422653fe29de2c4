"""Somebody no key finds, and contacts that look like them: suggested, linked, chosen by people, and what follows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from connector.clock import VirtualClock
from connector.domain.matching.fuzzy import Do, Fuzzy
from connector.domain.matching.ladder import Missing
from connector.domain.model.intent import IntentState, Receipt, WriteKind
from connector.domain.model.person import Contact, KeyKind, Link, LinkState
from connector.domain.model.response import Interaction, Respondent
from connector.domain.model.transitions import Event
from connector.errors import ConnectorError
from connector.ports import Ticket
from connector.store import contacts, intents, links, people, receipts, responses
from connector.store.database import Database
from connector.store.schema import match_block
from connector.sync import likeness
from connector.sync.choosing import choose, ignore
from connector.sync.identify import BY_OPERATOR, IGNORED
from connector.sync.likeness import catch_up, is_whole, swept
from connector.sync.mirroring import GONE, take_contact, take_ticket
from connector.sync.settings import DecideSettings
from connector.sync.settled import settled
from tests.unit.deciding import (
    CRM,
    DESK,
    decide_all,
    example_settings,
    feed,
    known_contact,
    planned,
    pretend_confirmed,
    take_lane,
)
from tests.unit.samples import NOON, PLAIN, answer, empty_store

NOWHERE = Interaction()
ELSEWHERE = Respondent(email="ada77@home.example", name="Ada Example")
SURE = Respondent(email="ada77@home.example", name="Ada Example", phone="030 1234567")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    store = empty_store(tmp_path, VirtualClock(NOON))
    yield store
    store.close()


def suggesting(**changes: object) -> DecideSettings:
    return replace(example_settings(), fuzzy=Fuzzy(do=Do.SUGGEST), **changes)  # type: ignore[arg-type]  # by name


def linking() -> DecideSettings:
    return replace(example_settings(), fuzzy=Fuzzy(do=Do.LINK))


def mirrored(db: Database, contact_id: str = "003A", **known: object) -> Contact:
    seen = Contact(
        account=CRM,
        id=contact_id,
        name="Ada Example",
        email=f"{contact_id.lower()}@work.example",
        phone="030 1234567",
        url=f"https://acme.example/{contact_id}",
        modified_at=NOON - timedelta(days=9),
    )
    return report(db, replace(seen, **known))  # type: ignore[arg-type]  # by name


def report(db: Database, seen: Contact) -> Contact:
    settings = suggesting()
    with db.write() as tx:
        take_contact(tx, seen, settings.targets["salesforce"], settings, NOON)
    return seen


def read_all(db: Database) -> None:
    """The CRM's contacts were all read once, and filed."""
    hold = take_lane(db, "poll/x")
    while catch_up(db, hold, CRM, Fuzzy()):
        pass
    swept(db, hold, CRM)


def unhappy(db: Database, settings: DecideSettings, number: str = "1", respondent: Respondent = ELSEWHERE) -> None:
    feed(db, answer(number, respondent=respondent, interaction=NOWHERE, at=NOON - timedelta(minutes=int(number))))
    decide_all(db, settings)


def link_of(db: Database, person_id: int = 1) -> Link:
    with db.read() as tx:
        found = links.get(tx, person_id, CRM)
    assert found is not None
    return found


def ticket_text(db: Database) -> str:
    [row] = planned(db, WriteKind.TICKET)
    return str(row.fields["comment"])


def tagged(db: Database, *tags: str, ticket_id: str = "500", minutes: int = 1) -> None:
    """The helpdesk reports the recovery's ticket with these tags."""
    seen = Ticket(
        account=DESK,
        id=ticket_id,
        status="open",
        requester_email=None,
        key="ours",
        url=None,
        updated_at=NOON + timedelta(minutes=minutes),
        values={"tags": ["csat-recovery", "csat-no-survey", "csat-connector", *tags]},
    )
    with db.write() as tx:
        take_ticket(tx, seen, suggesting(), NOON)


def held_with_ticket(db: Database, *ids: str) -> None:
    """An unhappy answer of somebody who looks like these contacts, and its ticket 500."""
    for one in ids or ("003A",):
        mirrored(db, one)
    unhappy(db, suggesting(), respondent=SURE)
    [ticket] = planned(db, WriteKind.TICKET)
    pretend_confirmed(db, ticket, "500")


def test_somebody_like_a_contact_is_held_for_a_person_and_gets_no_second_contact(db: Database) -> None:
    mirrored(db)
    unhappy(db, suggesting())
    link = link_of(db)
    assert (link.state, link.candidates, link.remote_id) == (LinkState.HELD, ("003A",), None)
    [suggestion] = link.evidence.suggestions
    assert suggestion.why == "name 100, e-mail differs, phone missing, company missing, postcode missing"
    assert planned(db, WriteKind.CONTACT) == []


def test_the_ticket_comes_all_the_same_and_says_who_it_may_be_why_and_how_to_choose(db: Database) -> None:
    mirrored(db)
    unhappy(db, suggesting())
    text = ticket_text(db)
    assert "Candidate: Ada Example, https://acme.example/003A, certainty 66 (name 100, e-mail differs" in text
    assert "(tag csat-contact-003a)" in text
    assert "csat-contact-none: none of them." in text


def test_nobody_like_them_makes_a_contact_as_before(db: Database) -> None:
    mirrored(db, name="Bert Other", phone=None)
    unhappy(db, suggesting())
    assert link_of(db).state is LinkState.UNLINKED
    assert len(planned(db, WriteKind.CONTACT)) == 1


def test_who_shares_no_more_than_an_everyday_name_gets_a_contact_of_their_own(db: Database) -> None:
    mirrored(db, name="Anna Müller")
    unhappy(db, suggesting(), respondent=Respondent(email="am@home.example", name="Anna Müller"))
    assert link_of(db).state is LinkState.UNLINKED
    assert len(planned(db, WriteKind.CONTACT)) == 1


def test_while_a_contact_is_being_made_nobody_is_asked_whether_it_is_another(db: Database) -> None:
    unhappy(db, suggesting(), "2")
    mirrored(db)
    unhappy(db, suggesting(), "1")
    assert link_of(db).state is LinkState.UNLINKED
    assert [row.state for row in planned(db, WriteKind.CONTACT)] == [IntentState.PLANNED]


def test_who_brings_a_contacts_id_waits_for_it_to_be_read(db: Database) -> None:
    mirrored(db)
    unhappy(db, suggesting(), respondent=replace(ELSEWHERE, crm_id="003Z"))
    assert link_of(db).state is LinkState.UNLINKED
    mirrored(db, "003Z", name="Ada Other")
    assert link_of(db).remote_id == "003Z"


def test_without_likeness_a_contact_is_made(db: Database) -> None:
    mirrored(db)
    unhappy(db, replace(suggesting(), fuzzy=Fuzzy(do=Do.NO)))
    assert len(planned(db, WriteKind.CONTACT)) == 1


def test_a_certain_one_is_linked_where_that_is_wanted(db: Database) -> None:
    mirrored(db)
    read_all(db)
    unhappy(db, linking(), respondent=SURE)
    link = link_of(db)
    assert (link.state, link.remote_id) == (LinkState.LINKED, "003A")
    assert link.evidence.decided_by == "found by similarity, certainty 99"
    assert "contact found by similarity, certainty 99" in ticket_text(db)
    assert {row.state for row in planned(db, WriteKind.ACTIVITY)} == {IntentState.PLANNED}


def test_nothing_is_linked_before_every_contact_was_read(db: Database) -> None:
    mirrored(db)
    unhappy(db, linking(), respondent=SURE)
    assert link_of(db).state is LinkState.HELD


def test_two_that_look_alike_are_held_however_certain_each_is(db: Database) -> None:
    mirrored(db, "003A")
    mirrored(db, "003B")
    read_all(db)
    unhappy(db, linking(), respondent=SURE)
    assert (link_of(db).state, link_of(db).candidates) == (LinkState.HELD, ("003A", "003B"))


def test_an_exact_key_that_appears_later_ends_the_question(db: Database) -> None:
    mirrored(db)
    unhappy(db, suggesting())
    mirrored(db, "003N", email="ada77@home.example", name="Ada Example")
    assert (link_of(db).state, link_of(db).remote_id) == (LinkState.LINKED, "003N")


def test_an_operators_choice_lets_go_what_waited_and_holds_for_later_answers(db: Database) -> None:
    mirrored(db)
    unhappy(db, suggesting())
    assert {row.state for row in planned(db, WriteKind.ACTIVITY)} == {IntentState.BLOCKED}
    with db.write() as tx:
        assert choose(tx, 1, CRM, "003A", BY_OPERATOR, suggesting()) == (1, "003A")
    assert {row.state for row in planned(db, WriteKind.ACTIVITY)} == {IntentState.PLANNED}
    unhappy(db, suggesting(), "2")
    assert link_of(db).evidence.decided_by == BY_OPERATOR
    with db.read() as tx:
        assert people.find(tx, KeyKind.EMAIL, "003a@work.example") == 1


def test_choosing_a_contact_somebody_has_makes_the_two_one_person(db: Database) -> None:
    mirrored(db)
    unhappy(db, suggesting(), "1", Respondent(email="003a@work.example"))
    unhappy(db, suggesting(), "2", ELSEWHERE)
    with db.write() as tx:
        assert choose(tx, 2, CRM, "003A", BY_OPERATOR, suggesting()) == (1, "003A")
        assert people.survivor(tx, 2) == 1
    with db.read() as tx:
        assert links.get(tx, 2, CRM) is None


def test_a_wrong_choice_can_be_put_right_and_its_keys_are_taken_back(db: Database) -> None:
    mirrored(db, "003A")
    mirrored(db, "003B")
    unhappy(db, suggesting(), respondent=SURE)
    with db.write() as tx:
        choose(tx, 1, CRM, "003A", BY_OPERATOR, suggesting())
        choose(tx, 1, CRM, "003B", BY_OPERATOR, suggesting())
        assert people.find(tx, KeyKind.EMAIL, "003a@work.example") is None
        assert people.find(tx, KeyKind.CRM_ID, "003A") is None
        assert people.find(tx, KeyKind.EMAIL, "003b@work.example") == 1
        assert people.find(tx, KeyKind.EMAIL, "ada77@home.example") == 1
    assert link_of(db).remote_id == "003B"


def test_a_contact_that_was_never_read_cannot_be_chosen(db: Database) -> None:
    mirrored(db)
    unhappy(db, suggesting())
    with db.write() as tx, pytest.raises(ConnectorError, match="has no contact 003Z"):
        choose(tx, 1, CRM, "003Z", BY_OPERATOR, suggesting())


def test_ignoring_the_candidates_makes_a_contact_and_asks_no_more(db: Database) -> None:
    mirrored(db)
    unhappy(db, suggesting())
    with db.write() as tx:
        assert ignore(tx, 1, CRM, suggesting())
    [wanted] = planned(db, WriteKind.CONTACT)
    assert wanted.fields["Email"] == "ada77@home.example"
    unhappy(db, suggesting(), "2")
    assert (link_of(db).state, link_of(db).evidence.decided_by) == (LinkState.UNLINKED, IGNORED)
    assert len(planned(db, WriteKind.CONTACT)) == 1
    pretend_confirmed(db, wanted, "003N")
    assert link_of(db).remote_id == "003N"
    assert {row.state for row in planned(db, WriteKind.ACTIVITY)} == {IntentState.PLANNED}


@pytest.mark.parametrize("missing", [Missing.HOLD, Missing.IGNORE])
def test_ignoring_the_candidates_where_no_contact_is_made_ends_what_waits(db: Database, missing: Missing) -> None:
    mirrored(db)
    settings = suggesting(missing=missing)
    unhappy(db, settings)
    with db.write() as tx:
        assert not ignore(tx, 1, CRM, settings)
    assert planned(db, WriteKind.CONTACT) == []
    assert {row.state for row in planned(db, WriteKind.ACTIVITY)} == {IntentState.SUPERSEDED}
    unhappy(db, settings, "2")
    assert link_of(db).evidence.decided_by == IGNORED


def test_nobody_who_does_not_wait_can_be_ignored(db: Database) -> None:
    unhappy(db, suggesting())
    with db.write() as tx, pytest.raises(ConnectorError, match="waits for no choice"):
        ignore(tx, 1, CRM, suggesting())


def test_a_tag_on_the_ticket_is_a_choice(db: Database) -> None:
    held_with_ticket(db, "003A", "003B")
    tagged(db, "csat-contact-003b")
    assert link_of(db).remote_id == "003B"
    assert link_of(db).evidence.decided_by == "chosen on ticket 500"


def test_another_tag_on_the_same_ticket_changes_the_choice(db: Database) -> None:
    held_with_ticket(db, "003A", "003B")
    tagged(db, "csat-contact-003b")
    tagged(db, "csat-contact-003a", minutes=2)
    assert link_of(db).remote_id == "003A"


def test_a_tag_does_not_change_what_an_operator_said(db: Database) -> None:
    held_with_ticket(db, "003A", "003B")
    with db.write() as tx:
        choose(tx, 1, CRM, "003A", BY_OPERATOR, suggesting())
    tagged(db, "csat-contact-003b")
    assert link_of(db).remote_id == "003A"


def test_a_tag_may_say_that_it_is_none_of_them(db: Database) -> None:
    held_with_ticket(db)
    tagged(db, "CSAT-Contact-None")
    assert link_of(db).evidence.decided_by == IGNORED
    assert len(planned(db, WriteKind.CONTACT)) == 1


def test_our_own_tags_choose_nobody(db: Database) -> None:
    held_with_ticket(db)
    tagged(db)
    tagged(db, "csat-contact-", "csat-contacted", minutes=2)
    assert link_of(db).state is LinkState.HELD


def test_two_tags_and_unknown_contacts_are_a_question_back(db: Database) -> None:
    held_with_ticket(db, "003A", "003B")
    told = len(planned(db, WriteKind.ALERT))
    tagged(db, "csat-contact-003a", "csat-contact-003b")
    assert link_of(db).state is LinkState.HELD
    [alert] = planned(db, WriteKind.ALERT)[told:]
    assert "ticket 500 names 2 contacts: leave the tag of one" in str(alert.fields["text"])
    assert "Ada" not in str(alert.fields["text"])


def test_a_tag_on_a_ticket_that_is_nobodys_recovery_means_nothing(db: Database) -> None:
    held_with_ticket(db)
    tagged(db, "csat-contact-003a", ticket_id="999")
    assert link_of(db).state is LinkState.HELD


def test_a_choice_made_while_a_contact_is_being_made_stays(db: Database) -> None:
    unhappy(db, suggesting())
    [wanted] = planned(db, WriteKind.CONTACT)
    mirrored(db)
    with db.write() as tx:
        choose(tx, 1, CRM, "003A", BY_OPERATOR, suggesting())
    assert planned(db, WriteKind.CONTACT)[0].state is IntentState.SUPERSEDED
    assert wanted.state is IntentState.PLANNED


@pytest.mark.parametrize("is_found_twice", [False, True])
def test_a_choice_made_while_the_request_for_a_contact_is_under_way_stays(db: Database, is_found_twice: bool) -> None:
    unhappy(db, suggesting())
    [wanted] = planned(db, WriteKind.CONTACT)
    with db.write() as tx:
        sent = intents.move(tx, intents.get(tx, wanted.id), Event.SENT)
    mirrored(db)
    with db.write() as tx:
        choose(tx, 1, CRM, "003A", BY_OPERATOR, suggesting())
    made = Receipt(remote_id="003N", created=True)
    with db.write() as tx:
        done = intents.move(tx, intents.get(tx, sent.id), Event.ANSWERED)
        receipts.add(tx, done, made)
        if is_found_twice:
            settled(tx, replace(done, candidates=(made, Receipt(remote_id="003M"))), None)
        else:
            settled(tx, done, made)
    assert link_of(db).remote_id == "003A"
    with db.read() as tx:
        name = f"person/1/contact@{CRM}"
        assert receipts.of_objects(tx, [name])[name].remote_id == "003A"


def test_candidates_that_are_merged_or_deleted_are_followed(db: Database) -> None:
    first, second = mirrored(db, "003A"), mirrored(db, "003B")
    unhappy(db, suggesting(), respondent=SURE)
    report(db, replace(first, deleted=True, merged_into="003B", modified_at=NOON))
    assert (link_of(db).state, link_of(db).candidates) == (LinkState.HELD, ("003B",))
    report(db, replace(second, deleted=True, modified_at=NOON))
    assert (link_of(db).state, link_of(db).evidence.decided_by) == (LinkState.UNLINKED, GONE)


def test_what_is_merged_deleted_or_changed_is_not_found_by_what_it_was(db: Database) -> None:
    first = mirrored(db, "003A")
    second = mirrored(db, "003B", name="Bert Other", phone=None)
    with db.read() as tx:
        assert [one.contact_id for one in likeness.look_up(tx, CRM, SURE).suggestions] == ["003A"]
    report(db, replace(first, name="Carla Third", phone=None, modified_at=NOON))
    report(db, replace(second, name="Ada Example", modified_at=NOON))
    with db.read() as tx:
        assert [one.contact_id for one in likeness.look_up(tx, CRM, SURE).suggestions] == ["003B"]
    report(db, replace(second, deleted=True, modified_at=NOON + timedelta(1)))
    with db.write() as tx:
        assert likeness.look_up(tx, CRM, SURE).suggestions == ()
        contacts.forget(tx, CRM, "003A")
        assert contacts.get(tx, CRM, "003A") is None
        assert tx.execute(select(func.count()).select_from(match_block)).scalar_one() == 0


def test_contacts_mirrored_before_there_was_an_index_are_filed_in_turns(db: Database) -> None:
    settings = suggesting()
    for number in range(60):
        with db.write() as tx:
            seen = Contact(account=CRM, id=f"003{number:02d}", name=f"Ada Example{number}", modified_at=NOON)
            off = replace(settings, fuzzy=Fuzzy(do=Do.NO))
            take_contact(tx, seen, settings.targets["salesforce"], off, NOON)
    with db.read() as tx:
        assert likeness.look_up(tx, CRM, SURE).suggestions == ()
    hold = take_lane(db, "poll/x")
    assert not catch_up(db, hold, CRM, Fuzzy(do=Do.NO))
    while catch_up(db, hold, CRM, Fuzzy()):
        pass
    with db.read() as tx:
        assert len(likeness.look_up(tx, CRM, replace(SURE, name="Ada Example7")).suggestions) == likeness.MOST
        assert not is_whole(tx, CRM)
    swept(db, hold, CRM)
    with db.read() as tx:
        assert is_whole(tx, CRM)
    assert not catch_up(db, hold, CRM, Fuzzy(do=Do.NO))
    with db.read() as tx:
        assert not is_whole(tx, CRM), "what changes while nobody files would be missing"


def test_a_crowd_is_passed_over_and_counted(db: Database) -> None:
    for number in range(201):
        known_contact(db, f"003{number}", email=None)
    with db.read() as tx:
        looked = likeness.look_up(tx, CRM, Respondent(name="Ada Example"))
    assert looked.suggestions == ()
    assert looked.crowds > 0


def test_only_keyed_digests_are_kept_beside_the_sealed_contact(db: Database, tmp_path: Path) -> None:
    mirrored(db, company="Canarywerk GmbH", postcode="98765", name="Canaria Vogelsang")
    db.close()
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("store.db*")).lower()
    for canary in (b"canari", b"vogels", b"98765", b"1234567"):
        assert canary not in kept


def test_a_contact_that_changes_while_nobody_files_leaves_the_index(db: Database) -> None:
    seen, settings = mirrored(db), replace(suggesting(), fuzzy=Fuzzy(do=Do.NO))
    with db.write() as tx:
        renamed = replace(seen, name="Bert Other", modified_at=NOON)
        take_contact(tx, renamed, settings.targets["salesforce"], settings, NOON)
        assert tx.execute(select(func.count()).select_from(match_block)).scalar_one() == 0


def test_ignoring_contacts_that_share_an_address_makes_no_third_one(db: Database) -> None:
    for one in ("003A", "003B"):
        mirrored(db, one, email="shared@work.example")
    unhappy(db, suggesting(), respondent=Respondent(email="shared@work.example"))
    with db.write() as tx:
        assert not ignore(tx, 1, CRM, suggesting())
    assert planned(db, WriteKind.CONTACT) == []


def imported(db: Database, respondent: Respondent) -> None:
    """An old answer is recorded and decided, and nothing is done about it."""
    old = answer("9", respondent=respondent, interaction=NOWHERE, at=NOON - timedelta(days=400))
    with db.write() as tx:
        responses.record(tx, old, PLAIN, record_only=True)
    decide_all(db, suggesting())


def test_nobody_is_asked_about_an_imported_answer_until_they_answer_anew(db: Database) -> None:
    mirrored(db)
    imported(db, SURE)
    assert link_of(db).state is LinkState.UNLINKED
    assert planned(db) == []
    unhappy(db, suggesting(), respondent=SURE)
    assert (link_of(db).state, link_of(db).candidates) == (LinkState.HELD, ("003A",))
    assert planned(db, WriteKind.ALERT)


def test_an_imported_answer_of_somebody_with_several_contacts_waits_and_tells_nobody(db: Database) -> None:
    for number in ("003A", "003B"):
        mirrored(db, number, email=SURE.email)
    imported(db, SURE)
    assert (link_of(db).state, link_of(db).candidates) == (LinkState.HELD, ("003A", "003B"))
    assert planned(db, WriteKind.ALERT) == []
