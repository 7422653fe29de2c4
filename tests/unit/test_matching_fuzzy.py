"""Likeness: what makes two profiles one human, what never does, and when a link is made by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.domain.matching.blocking import index_keys, query_keys
from connector.domain.matching.fuzzy import (
    SIMILARITY,
    UNSUPPORTED,
    WORTH_A_LOOK,
    Do,
    Fuzzy,
    choose_similar,
    compare,
    profile_of,
)
from connector.domain.matching.names import Alike, alike, company_words, fold, name_words
from connector.domain.model.person import Contact, LinkState, Suggestion
from connector.domain.model.response import Respondent

ADA = Contact(
    account="crm",
    id="003A",
    name="Adelheid Müller",
    email="adelheid.mueller@firma.example",
    phone="+49 30 1234567",
    company="Firma Logistik GmbH",
    postcode="10115",
)


def said(**known: str | None) -> Respondent:
    return Respondent(**known)


def certainty(respondent: Respondent, contact: Contact = ADA, namesakes: int = 1) -> int:
    return compare(profile_of(respondent), profile_of(contact), namesakes=namesakes).certainty


@pytest.mark.parametrize(
    ("one", "other", "how"),
    [
        ("meyer", "maier", Alike.SOUNDS),
        ("schmidt", "schmitt", Alike.SOUNDS),
        ("bill", "william", Alike.SHORT),
        ("a", "ada", Alike.INITIAL),
        ("example", "exmaple", Alike.TYPO),
        ("paul", "paula", Alike.UNSURE),
        ("lena", "lina", Alike.UNSURE),
        ("markus", "marius", Alike.UNSURE),
        ("jan", "jana", Alike.UNSURE),
        ("ada", "bert", Alike.OTHER),
        ("a", "bert", Alike.OTHER),
    ],
)
def test_how_words_of_names_stand_to_each_other(one: str, other: str, how: Alike) -> None:
    assert alike(one, other) is alike(other, one) is how


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Müller", "Mueller"),
        ("Muller", "MÜLLER"),
        ("Strauß", "Strauss"),
        ("José Núñez", "Nunez, Jose"),
        ("Dr. Ada Example", "Frau Ada Example"),
        ("O’Brien", "O'Brien"),
    ],
)
def test_spellings_of_one_name(one: str, other: str) -> None:
    assert sorted(name_words(one)) == sorted(name_words(other))


def test_a_company_is_known_without_its_legal_form() -> None:
    assert company_words("Example Logistics GmbH & Co. KG") == company_words("Example Logistics Ltd.")
    assert company_words("Example Logistics") != company_words("Example Motors")
    assert company_words("The Company") == ("the", "company"), "what consists of nothing else keeps its words"
    assert company_words(None) == ()


@pytest.mark.parametrize(
    "respondent",
    [
        said(name="Müller, Adelheid", postcode="10115"),
        said(name="Adelheid Mueller", company="Firma Logistik"),
        said(name="Adelheid Müler", phone="030 1234567"),
        said(name="A. Müller", phone="0049 (0)30 1234567"),
        said(name="Adelheid Müller", email="adelheid.mueller@firma.exmaple", company="Firma Logistik AG"),
    ],
)
def test_a_name_and_something_else_make_one_human(respondent: Respondent) -> None:
    assert certainty(respondent) >= 92


@pytest.mark.parametrize(
    "respondent",
    [
        said(name="Adelheid Müller"),
        said(name="Adelheid Müller", email="heidi77@gmx.de"),
        said(name="Karl Müller", phone="+49301234567", postcode="10115", company="Firma Logistik GmbH"),
        said(phone="030 1234567"),
        said(phone="030 1234567", company="Firma Logistik", postcode="10115"),
        said(name="Adelheidis Müller", phone="+49301234567", postcode="10115"),
        said(email="adelheid.mueller@firma.exmaple"),
        said(company="Firma Logistik", postcode="10115"),
        said(name="Adelheid Müller", email="heidi@firma.example"),
    ],
)
def test_relatives_colleagues_and_namesakes_are_never_certain(respondent: Respondent) -> None:
    assert certainty(respondent) <= UNSUPPORTED


def test_a_rare_name_alone_is_worth_a_look_and_a_common_one_is_not() -> None:
    other_address = said(name="Adelheid Müller", email="heidi77@gmx.de")
    assert WORTH_A_LOOK <= certainty(other_address) <= UNSUPPORTED
    assert certainty(other_address, namesakes=3) < WORTH_A_LOOK


def test_what_is_missing_says_nothing_and_what_differs_speaks_against() -> None:
    with_company = said(name="Adelheid Müller", company="Firma Logistik")
    elsewhere = said(name="Adelheid Müller", company="Firma Logistik", postcode="80331", phone="+498912345678")
    assert certainty(elsewhere) < certainty(with_company)
    stranger = said(
        name="Adelheid Müller", email="x@y.example", phone="+498912345678", company="Other", postcode="10115"
    )
    assert certainty(stranger) <= 50


def test_two_right_addresses_at_one_provider_are_two_people() -> None:
    meier = Contact(account="crm", id="1", name="Peter Meier", email="peter.meier@web.de")
    assert certainty(said(name="Peter Meyer", email="peter.meyer@web.de"), meier) < WORTH_A_LOOK
    assert certainty(said(name="Peter Meier", email="peter.meierr@web.de"), meier) >= 92


@pytest.mark.parametrize(
    ("one", "other"),
    [("max.muster@gmail.com", "maxmuster@gmial.com"), ("max.muster+shop@gmail.com", "maxmuster@gmail.com")],
)
def test_a_mailbox_is_recognised_through_slips_tags_and_dots(one: str, other: str) -> None:
    contact = Contact(account="crm", id="1", name="Max Muster", email=one)
    assert certainty(said(name="Max Muster", email=other), contact) >= 92


def test_an_office_is_nobody() -> None:
    contact = Contact(account="crm", id="1", name="Max Muster", email="info@muster.example")
    assert "e-mail differs" in compare(profile_of(said(email="info@other.example")), profile_of(contact)).why


def test_the_reason_names_every_field_and_nobody() -> None:
    why = compare(profile_of(said(name="Adelheid Müler", company="Firma Logistik")), profile_of(ADA)).why
    assert why == "name 97, e-mail missing, phone missing, company same, postcode missing"


def looks(*certainties: int) -> list[Suggestion]:
    return [Suggestion(contact_id=f"00{n}", certainty=one, why="name 100") for n, one in enumerate(certainties)]


@pytest.mark.parametrize(
    ("policy", "certainties", "is_whole", "state"),
    [
        (Fuzzy(do=Do.LINK), (92, 82), True, LinkState.LINKED),
        (Fuzzy(do=Do.LINK), (91, 10), True, LinkState.HELD),
        (Fuzzy(do=Do.LINK), (99, 90), True, LinkState.HELD),
        (Fuzzy(do=Do.LINK), (99, 0), False, LinkState.HELD),
        (Fuzzy(do=Do.LINK, margin=0), (95, 95), True, LinkState.LINKED),
        (Fuzzy(do=Do.SUGGEST), (99, 0), True, LinkState.HELD),
        (Fuzzy(do=Do.LINK), (60,), True, LinkState.HELD),
        (Fuzzy(do=Do.LINK), (59, 10), True, None),
        (Fuzzy(do=Do.NO), (99,), True, None),
        (Fuzzy(do=Do.LINK), (), True, None),
    ],
)
def test_when_likeness_links(
    policy: Fuzzy, certainties: tuple[int, ...], is_whole: bool, state: LinkState | None
) -> None:
    choice = choose_similar("crm", looks(*certainties), policy, is_whole=is_whole)
    assert (None if choice is None else choice.link.state) is state
    if choice is not None:
        assert choice.link.evidence.decided_by.removeprefix("found by ").startswith(SIMILARITY)
        assert choice.link.candidates[0] == "000"
        assert all(one.certainty >= WORTH_A_LOOK for one in choice.link.evidence.suggestions)


WORDS = st.sampled_from(
    ["ada", "Adam", "Müller", "Mueller", "Paul", "Paula", "Example", "Exmaple", "J.", "Meier", "Maier", "van"]
)
NAMES = st.none() | st.lists(WORDS, min_size=1, max_size=3).map(" ".join)
PROFILES = st.builds(
    Respondent,
    name=NAMES,
    email=st.none()
    | st.sampled_from(["ada@a.example", "ada@b.example", "adam77@gmail.com", "adam77@gmial.com", "info@a.example"]),
    phone=st.none() | st.sampled_from(["+49301234567", "030 1234567", "+49301234568", "12"]),
    company=st.none() | st.sampled_from(["A GmbH", "A", "Beta Ltd", ""]),
    postcode=st.none() | st.sampled_from(["10115", "10116", "EC1 1AA", ""]),
)


@given(
    st.lists(st.integers(min_value=0, max_value=100), max_size=6),
    st.integers(70, 100),
    st.integers(0, 100),
    st.booleans(),
)
def test_no_link_is_made_below_the_configured_certainty_and_margin(
    certainties: list[int], score: int, margin: int, is_whole: bool
) -> None:
    choice = choose_similar(
        "crm", looks(*certainties), Fuzzy(do=Do.LINK, score=score, margin=margin), is_whole=is_whole
    )
    best, second, *_ = [*sorted(certainties, reverse=True), 0, 0]
    links = choice is not None and choice.link.state is LinkState.LINKED
    assert links is (is_whole and best >= score and best - second >= margin and bool(certainties))


@given(PROFILES, PROFILES, st.integers(1, 200))
def test_nothing_is_certain_unless_the_name_and_another_field_agree(
    one: Respondent, other: Respondent, namesakes: int
) -> None:
    mine, theirs = profile_of(one), profile_of(other)
    found = compare(mine, theirs, namesakes=namesakes)
    assert 0 <= found.certainty <= 100
    why = found.why.replace("e-mail same before the @", "")
    if found.certainty > UNSUPPORTED:
        assert mine.words
        assert theirs.words
        assert any(
            f"{field} same" in why or f"{field} similar" in why for field in ("e-mail", "phone", "company", "postcode")
        )
        assert "another one" not in found.why
    assert compare(mine, theirs, namesakes=200).certainty <= found.certainty, "a more common name is never surer"


@given(PROFILES, PROFILES)
def test_likeness_does_not_depend_on_who_is_asked_about(one: Respondent, other: Respondent) -> None:
    assert compare(profile_of(one), profile_of(other)) == compare(profile_of(other), profile_of(one))


@given(PROFILES)
def test_what_is_filed_is_found_under_the_same_keys(one: Respondent) -> None:
    profile = profile_of(one)
    assert set(index_keys(profile)) <= set(query_keys(profile))


def test_a_name_the_other_way_round_is_looked_up_too() -> None:
    filed = index_keys(profile_of(said(name="Ada Example", postcode="10115")))
    assert set(filed) & set(query_keys(profile_of(said(name="Example Ada"))))
    assert set(filed) & set(query_keys(profile_of(said(name="Exmaple, Ada"))))


@given(st.text(max_size=30))
def test_folding_twice_changes_nothing_for_latin_letters(text: str) -> None:
    plain = "".join(letter for letter in text if letter.isascii())
    assert fold(plain) == fold(plain.upper())


ANNA = Contact(account="crm", id="1", name="Anna Müller", email="anna@one.example", phone="+49 30 1234567")


@pytest.mark.parametrize(
    "respondent",
    [
        said(name="Anna Müller", email="am@two.example"),
        said(name="Mueller, Anna", email="am@two.example"),
        said(name="Anna Müller", email="am@two.example", phone="+49 40 7654321"),
    ],
)
def test_two_people_of_an_everyday_name_with_another_address_are_not_taken_for_one(respondent: Respondent) -> None:
    assert certainty(respondent, ANNA) < WORTH_A_LOOK


@pytest.mark.parametrize(
    ("respondent", "contact"),
    [
        (said(name="Anna Müller", email="am@two.example", phone="030 1234567"), ANNA),
        (said(name="Anna Müller", email="anna@onne.example", company="One"), replace(ANNA, company="One")),
        (said(name="Anna Ziegenhorn", email="am@two.example"), replace(ANNA, name="Anna Ziegenhorn", phone=None)),
    ],
)
def test_an_everyday_name_with_something_else_and_a_rare_one_are_worth_a_look(
    respondent: Respondent, contact: Contact
) -> None:
    assert certainty(respondent, contact) >= WORTH_A_LOOK
