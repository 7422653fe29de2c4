"""How likely it is that a respondent is a certain contact, when no exact key says so; and why, in words.

Each field that both sides have is compared. Agreement adds bits of evidence, as many as it is unlikely by chance;
disagreement takes some away; what one side lacks says nothing. The sum is weighed against `DOUBT`, the bits it takes
to single out one contact of a million, and becomes a certainty of 0 to 100.

An automatic link needs more than a high certainty: the name must agree and something else besides it, because people
share names, and households and firms share telephones, addresses and mailboxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import floor, log2
from typing import Final

from rapidfuzz import fuzz

from connector.domain.matching.fields import (
    Compared,
    Mail,
    compare_company,
    compare_mail,
    compare_phone,
    compare_postcode,
    digits_of,
    mail_of,
    plain_postcode,
)
from connector.domain.matching.ladder import LinkChoice
from connector.domain.matching.names import Alike, company_words, is_everyday, name_words, pair_up
from connector.domain.model.person import Contact, Evidence, Link, LinkState, Suggestion
from connector.domain.model.response import Respondent

DOUBT: Final = 20
"""Bits: one contact of a million."""
WORTH_A_LOOK: Final = 60
"""A contact of less certainty is not shown to anybody."""
UNSUPPORTED: Final = 85
"""As certain as anything gets whose name, or everything but its name, does not agree."""
CONTRADICTED: Final = 50
"""As certain as anything gets whose telephone, e-mail and company all differ; or an everyday name with another address
and nothing else in common.
"""
MOST_SHOWN: Final = 5
SIMILARITY: Final = "similarity"
"""What `Evidence.decided_by` says of a link that is held because of likeness, and holds of one that was made by it."""
_NAME: Final = 22
_ONE_WORD: Final = 8


class Do(StrEnum):
    """What is done about contacts that look like somebody no key finds."""

    SUGGEST = "suggest"
    LINK = "link"
    NO = "no"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fuzzy:
    """`match.fuzzy`: a link by itself needs certainty `score`, and `margin` more than the next best."""

    do: Do = Do.SUGGEST
    score: int = 92
    margin: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is compared of somebody, in canonical form. Empty: unknown."""

    words: tuple[str, ...]
    mail: Mail | None
    digits: str
    company: tuple[str, ...]
    postcode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """How certain it is (0–100) that two profiles are one human, and what each field says; no personal data."""

    certainty: int
    why: str


def profile_of(known: Respondent | Contact) -> Profile:
    """The profile of a respondent or a contact."""
    return Profile(
        words=name_words(known.name),
        mail=mail_of(known.email),
        digits=digits_of(known.phone),
        company=company_words(known.company),
        postcode=plain_postcode(known.postcode),
    )


def compare(one: Profile, other: Profile, *, namesakes: int = 1) -> Likeness:
    """Compare a respondent with a contact. `namesakes`: how many contacts have that contact's name, itself included."""
    name = compare_names(one.words, other.words, namesakes)
    mail = compare_mail(one.mail, other.mail, names_agree=name.bits >= _NAME - log2(max(namesakes, 1)))
    company = compare_company(one.company, other.company, one.mail, other.mail)
    phone = compare_phone(one.digits, other.digits)
    postcode = compare_postcode(one.postcode, other.postcode)
    others = (mail, phone, company, postcode)
    bits = name.bits + sum(each.bits for each in others) - DOUBT
    certainty = floor(100 / (1 + 2.0**-bits))
    if not (name.agrees and any(each.agrees for each in others)):
        certainty = min(certainty, UNSUPPORTED)
    is_namesake = is_everyday(other.words) and not any(each.agrees for each in others)
    if mail.differs and (is_namesake or (phone.differs and company.differs)):
        certainty = min(certainty, CONTRADICTED)
    return Likeness(certainty=certainty, why=", ".join(each.text for each in (name, *others)))


def compare_names(ones: Sequence[str], others: Sequence[str], namesakes: int = 1) -> Compared:
    """Two names, word by word, in any order. One word that differs makes two people: relatives share surnames."""
    if not ones or not others:
        return Compared(text="name missing")
    figure = round(fuzz.ratio(" ".join(sorted(ones)), " ".join(sorted(others))))
    text = f"name {figure}"
    if "".join(ones) == "".join(others):
        pairs, spare = [Alike.SAME] * max(len(ones), len(others)), 0
    else:
        pairs = pair_up(ones, others)
        spare = abs(len(ones) - len(others))
    if Alike.OTHER in pairs:
        return Compared(bits=-12, text=f"{text}, another one", differs=True)
    bits = (_NAME if len(pairs) > 1 else _ONE_WORD) - sum(pair.bits for pair in pairs) - 2 * spare
    is_sure = len(pairs) > 1 and Alike.UNSURE not in pairs and pairs.count(Alike.INITIAL) < 2
    shared = f" ({namesakes} contacts have it)" if namesakes > 1 else ""
    return Compared(bits=max(bits, -4) - log2(max(namesakes, 1)), text=text + shared, agrees=is_sure)


def choose_similar(account: str, looked: Sequence[Suggestion], policy: Fuzzy, *, is_whole: bool) -> LinkChoice | None:
    """Decide by likeness which contact somebody is; None when nothing looks enough like them.

    `looked` are the contacts that were compared. Linked is only where the policy says so, the best is certain enough
    and stands out, and `is_whole`: all of the CRM's contacts could be found. Otherwise the link is held.
    """
    if policy.do is Do.NO:
        return None
    ranked = sorted(looked, key=lambda each: (-each.certainty, each.contact_id))
    worth = tuple(each for each in ranked if each.certainty >= WORTH_A_LOOK)[:MOST_SHOWN]
    if not worth:
        return None
    best, second = ranked[0], ranked[1].certainty if len(ranked) > 1 else 0
    is_certain = best.certainty >= policy.score and best.certainty - second >= policy.margin
    links = policy.do is Do.LINK and is_certain and is_whole
    how = f"found by {SIMILARITY}, certainty {best.certainty}" if links else SIMILARITY
    link = Link(
        account=account,
        state=LinkState.LINKED if links else LinkState.HELD,
        remote_id=best.contact_id if links else None,
        candidates=tuple(each.contact_id for each in (worth[:1] if links else worth)),
        evidence=Evidence(
            decided_by=how,
            compared=tuple(f"looks like contact {each.contact_id}: {each.text}" for each in worth),
            losers=tuple(each.contact_id for each in worth[1:]) if links else (),
            suggestions=worth,
        ),
    )
    return LinkChoice(link=link)
