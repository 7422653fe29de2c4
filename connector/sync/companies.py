"""Scores rolled up by company: the customers of one CRM company, each by how much is known of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from connector.domain.scoring.bands import plain_band
from connector.domain.scoring.config import exact
from connector.domain.scoring.score import score
from connector.store import contacts, links, scores
from connector.store.transaction import Transaction
from connector.sync.questioned import facts_known
from connector.sync.settings import DecideSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One person of a company: who, their contact there, and their score at that date."""

    person: int
    contact: str
    points: float | None
    band: str | None
    coverage: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """A company's score: the mean of its persons' scores, weighted by their coverage; None where nobody has one.

    The band is that of the figure itself: a company has no history that could hold it in another.
    """

    company: str
    account: str
    as_of: datetime
    points: float | None
    band: str | None
    members: tuple[Member, ...]


def roll_up(tx: Transaction, company: str, settings: DecideSettings, as_of: datetime) -> list[Company]:
    """The company of this id in each CRM that has it, its persons as their contacts say now; empty: nobody is of it."""
    policy = settings.score
    if policy is None:
        return []
    found = []
    for connection, field in sorted(policy.companies.items()):
        account = settings.targets[connection].account
        members = []
        for person, remote_id in links.linked(tx, account):
            contact = contacts.survivor(tx, account, remote_id)
            if contact is not None and _id(contact.values.get(field)) == company:
                members.append(_member(tx, person, contact.id, settings, as_of))
        if members:
            points = _mean(members)
            found.append(
                Company(
                    company=company,
                    account=account,
                    as_of=as_of,
                    points=points,
                    band=None if points is None else plain_band(round(100 * points), policy.config.bands),
                    members=tuple(members),
                )
            )
    return found


def _member(tx: Transaction, person: int, contact: str, settings: DecideSettings, as_of: datetime) -> Member:
    policy = settings.score
    assert policy is not None, "somebody is scored"
    facts = scores.facts(tx, person) if as_of >= tx.now else facts_known(tx, person, policy, as_of)
    computed = score(facts, as_of, policy.config)
    return Member(
        person=person, contact=contact, points=computed.points, band=computed.band, coverage=computed.coverage
    )


def _mean(members: list[Member]) -> float | None:
    """Exactly, rounded once."""
    known = [(exact(one.points), exact(one.coverage)) for one in members if one.points is not None]
    weight = sum((coverage for _, coverage in known), Fraction(0))
    if not weight:
        return None
    return round(float(sum((points * coverage for points, coverage in known), Fraction(0)) / weight), 2)


def _id(value: object) -> str | None:
    """A company's id as text; HubSpot has it as a number."""
    if isinstance(value, float):
        return f"{value:.0f}"
    return None if value is None or isinstance(value, bool) else str(value)
