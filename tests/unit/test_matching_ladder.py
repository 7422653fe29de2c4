"""Exact matching: the earlier key wins, several finds are held, every comparison is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.domain.matching.canonical import canonical_email, canonical_id, canonical_phone, keys_of
from connector.domain.matching.ladder import (
    ContactSighting,
    LinkChoice,
    Missing,
    Sighting,
    choose_contact,
    choose_person,
    explain_match,
)
from connector.domain.model.person import Evidence, KeyKind, Link, LinkState
from connector.domain.model.response import Interaction, Respondent

LADDER = (KeyKind.INVITATION, KeyKind.INTERACTION, KeyKind.CRM_ID, KeyKind.EMAIL, KeyKind.PHONE)
KEYS = {KeyKind.CRM_ID: "003x", KeyKind.EMAIL: "ada@example.com", KeyKind.PHONE: "+493012345"}


def contact(
    found: dict[KeyKind, tuple[str, ...]],
    *,
    keys: dict[KeyKind, str] | None = None,
    missing: Missing = Missing.CREATE,
    remembered: Link | None = None,
) -> LinkChoice:
    sightings = [ContactSighting(kind=kind, contact_ids=ids) for kind, ids in found.items()]
    offered = KEYS if keys is None else keys
    return choose_contact("salesforce:acme", LADDER, offered, sightings, missing=missing, remembered=remembered)


def test_the_earliest_key_that_finds_a_contact_decides() -> None:
    choice = contact({KeyKind.EMAIL: ("003a",), KeyKind.PHONE: ("003b", "003c")})
    assert (choice.link.state, choice.link.remote_id, choice.create) == (LinkState.LINKED, "003a", False)
    assert choice.link.evidence == Evidence(
        decided_by="email",
        compared=(
            "CRM id (003x): no contact",
            "e-mail (ada@example.com): matches contact 003a",
            "phone (+493012345): two contacts, 003b and 003c",
        ),
        losers=("003b", "003c"),
    )
    assert explain_match(choice) == "matched by e-mail to one contact (2 others found by weaker keys)"


def test_the_order_of_the_ladder_is_the_operators() -> None:
    choice = choose_contact(
        "salesforce:acme",
        (KeyKind.PHONE, KeyKind.EMAIL),
        KEYS,
        [
            ContactSighting(kind=KeyKind.EMAIL, contact_ids=("003a",)),
            ContactSighting(kind=KeyKind.PHONE, contact_ids=("003b",)),
        ],
        missing=Missing.CREATE,
    )
    assert choice.link.remote_id == "003b"
    assert choice.link.evidence.losers == ("003a",)


def test_several_finds_are_held_even_when_a_later_key_fits_one() -> None:
    choice = contact({KeyKind.EMAIL: ("003b", "003a"), KeyKind.PHONE: ("003a",)})
    assert (choice.link.state, choice.link.remote_id, choice.create) == (LinkState.HELD, None, False)
    assert choice.link.candidates == ("003a", "003b")
    assert explain_match(choice) == "not sure: 2 contacts share this e-mail"


def test_one_contact_told_twice_is_one() -> None:
    assert contact({KeyKind.EMAIL: ("003a", "003a")}).link.state is LinkState.LINKED
    assert explain_match(contact({KeyKind.EMAIL: ("003a",)})) == "matched by e-mail to one contact"


@pytest.mark.parametrize(
    ("missing", "keys", "state", "create", "text"),
    [
        (Missing.CREATE, KEYS, LinkState.UNLINKED, True, "new to the CRM, the connector makes the contact"),
        (Missing.CREATE, {KeyKind.INVITATION: "i1"}, LinkState.UNLINKED, False, "not in the CRM"),
        (Missing.HOLD, KEYS, LinkState.HELD, False, "not in the CRM, waiting for someone to choose a contact"),
        (Missing.IGNORE, KEYS, LinkState.UNLINKED, False, "not in the CRM"),
        (Missing.CREATE, {}, LinkState.UNLINKED, False, "anonymous: no identity was offered"),
        (Missing.HOLD, {}, LinkState.UNLINKED, False, "anonymous: no identity was offered"),
    ],
)
def test_what_happens_to_somebody_the_crm_does_not_know(
    missing: Missing, keys: dict[KeyKind, str], state: LinkState, create: bool, text: str
) -> None:
    choice = contact({}, keys=keys, missing=missing)
    assert (choice.link.state, choice.link.remote_id, choice.create) == (state, None, create)
    assert explain_match(choice) == text


def test_a_link_is_made_once() -> None:
    made = contact({KeyKind.EMAIL: ("003a",)}).link
    assert contact({KeyKind.EMAIL: ("003b",)}, remembered=made).link is made
    held = contact({KeyKind.EMAIL: ("003a", "003b")}).link
    assert contact({KeyKind.EMAIL: ("003b",)}, remembered=held).link.remote_id == "003b"


def test_a_key_outside_the_ladder_does_not_count() -> None:
    choice = choose_contact(
        "salesforce:acme",
        (KeyKind.EMAIL,),
        KEYS,
        [ContactSighting(kind=KeyKind.PHONE, contact_ids=("003b",))],
        missing=Missing.IGNORE,
    )
    assert choice.link.state is LinkState.UNLINKED


def test_a_crm_is_asked_by_its_own_keys_only() -> None:
    choice = contact({KeyKind.INVITATION: ("003z",), KeyKind.EMAIL: ("003a",)}, keys={**KEYS, KeyKind.INVITATION: "i1"})
    assert choice.link.remote_id == "003a"
    assert len(choice.link.evidence.compared) == 3


FOUND = st.dictionaries(
    st.sampled_from([KeyKind.CRM_ID, KeyKind.EMAIL, KeyKind.PHONE]),
    st.lists(st.sampled_from(["003a", "003b", "003c"]), max_size=3).map(tuple),
)


@given(found=FOUND, missing=st.sampled_from(Missing), data=st.data())
def test_it_never_guesses_and_the_order_of_finds_does_not_matter(
    found: dict[KeyKind, tuple[str, ...]], missing: Missing, data: st.DataObject
) -> None:
    choice = contact(found, missing=missing)
    shuffled = {
        kind: tuple(data.draw(st.permutations(found[kind]))) for kind in data.draw(st.permutations(list(found)))
    }
    assert contact(shuffled, missing=missing) == choice
    first = next((set(found[kind]) for kind in LADDER if found.get(kind)), set())
    assert set(choice.link.candidates) == first
    assert (choice.link.state is LinkState.LINKED) == (len(first) == 1)
    everyone = {one for ids in found.values() for one in ids}
    assert set(choice.link.candidates) | set(choice.link.evidence.losers) == everyone
    assert len(choice.link.evidence.compared) == 3
    assert not (choice.create and everyone)


def person(keys: dict[KeyKind, str], **known: tuple[int, ...]) -> tuple[int | None, bool, Evidence]:
    sightings = [Sighting(kind=KeyKind(kind), person_ids=ids) for kind, ids in known.items()]
    choice = choose_person(LADDER, keys, sightings)
    return choice.person_id, choice.anonymous, choice.evidence


def test_the_earliest_key_decides_the_person_and_the_others_are_named() -> None:
    keys = {KeyKind.INTERACTION: "ticket:7", KeyKind.EMAIL: "ada@example.com"}
    person_id, anonymous, evidence = person(keys, interaction=(3,), email=(9,))
    assert (person_id, anonymous) == (3, False)
    assert evidence == Evidence(
        decided_by="interaction",
        compared=("interaction (ticket:7): matches person 3", "e-mail (ada@example.com): matches person 9"),
        losers=("9",),
    )


def test_nobody_known_is_somebody_new() -> None:
    person_id, anonymous, evidence = person({KeyKind.EMAIL: "ada@example.com"})
    assert (person_id, anonymous, evidence.decided_by) == (None, False, "nothing found")


def test_no_key_is_anonymous() -> None:
    person_id, anonymous, evidence = person({})
    assert (person_id, anonymous, evidence.decided_by, evidence.compared) == (None, True, "no identity", ())


def test_a_key_of_several_persons_decides_nothing() -> None:
    keys = {KeyKind.PHONE: "+493012345"}
    assert person(keys, phone=(3, 4))[0] is None
    both = {KeyKind.INTERACTION: "ticket:7", KeyKind.EMAIL: "ada@example.com"}
    person_id, _, evidence = person(both, interaction=(3, 4), email=(4,))
    assert (person_id, evidence.decided_by, evidence.losers) == (4, "email", ("3",))


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        (" Ada.Abend@Example.COM ", "ada.abend@example.com"),
        ("mailto:ada@example.com", "ada@example.com"),
        ("ada+survey@example.com", "ada+survey@example.com"),
        ("ａｄａ@example.com", "ada@example.com"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("ada@BÜCHER.example.", "ada@xn--bcher-kva.example"),
        ("ada@straße.example", "ada@xn--strae-oqa.example"),
        ("jörg@example.com", "jörg@example.com"),
        ("ada", None),
        ("ada@", None),
        ("@example.com", None),
        ("ada@localhost", None),
        ("ada @example.com", None),
        ("ada@@example.com", None),
        ("a@example.com, b@example.com", None),
        ("ada@-ü-.example", None),
        ("", None),
    ],
)
def test_an_address_has_one_form(given_: str, expected: str | None) -> None:
    assert canonical_email(given_) == expected


def test_dots_and_plus_tags_keep_addresses_apart() -> None:
    forms = {canonical_email(text) for text in ("a.da@example.com", "ada@example.com", "ada+1@example.com")}
    assert len(forms) == 3


@given(st.emails())
def test_the_form_of_an_address_is_final(address: str) -> None:
    once = canonical_email(address)
    assert once is None or canonical_email(once) == once


@pytest.mark.parametrize(
    ("given_", "region", "expected"),
    [
        ("+49 30 1234567", None, "+49301234567"),
        ("0049 30 1234567", None, "+49301234567"),
        ("+49 (0)30 1234567", None, "+49301234567"),
        ("030 1234567", "DE", "+49301234567"),
        ("030 1234567", None, None),
        ("+1", None, None),
        ("call me", "DE", None),
        ("", "DE", None),
    ],
)
def test_a_number_has_one_form(given_: str, region: str | None, expected: str | None) -> None:
    assert canonical_phone(given_, region) == expected


def test_identifiers_keep_their_case() -> None:
    assert canonical_id(" 003xA ") == "003xA"
    assert canonical_id("  ") is None


def test_the_keys_of_a_response() -> None:
    respondent = Respondent(invitation=" inv-1", crm_id="", email="Ada@Example.com", phone="call me", name="Ada")
    assert keys_of(respondent, Interaction(id="7", kind="ticket")) == {
        KeyKind.INVITATION: "inv-1",
        KeyKind.INTERACTION: "ticket:7",
        KeyKind.EMAIL: "ada@example.com",
    }
    assert keys_of(Respondent(name="Ada", company="Example"), Interaction(kind="ticket")) == {}
    assert keys_of(Respondent(phone="030 1234567"), Interaction(id="7"), "DE") == {
        KeyKind.INTERACTION: "interaction:7",
        KeyKind.PHONE: "+49301234567",
    }


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("created by the connector", "contact created by the connector"),
        ("found there when asked", "contact found there when asked"),
    ],
)
def test_a_link_that_no_key_made_says_how_it_came_about(how: str, text: str) -> None:
    link = Link(account="crm", state=LinkState.LINKED, remote_id="003a", evidence=Evidence(decided_by=how))
    assert explain_match(LinkChoice(link=link)) == text


def test_several_contacts_found_when_asked_are_said_to_fit() -> None:
    evidence = Evidence(decided_by="several found there when asked")
    link = Link(account="crm", state=LinkState.HELD, remote_id=None, evidence=evidence, candidates=("a", "b"))
    assert explain_match(LinkChoice(link=link)) == "not sure: 2 contacts fit"
