"""How well answers would be matched: for each key and survey, how many find one contact, none or several.

Everything is looked up now, in the contacts read so far; nothing is changed, so it can be asked before going live.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from connector.domain.matching.fuzzy import Do, choose_similar
from connector.domain.matching.ladder import CRM_KEYS, ContactSighting, Missing, choose_contact
from connector.domain.model.person import KeyKind, LinkState
from connector.domain.model.response import Response
from connector.store import contacts, responses
from connector.store.transaction import Transaction
from connector.sync import likeness
from connector.sync.identify import keys_offered
from connector.sync.settings import DecideSettings, Target


class Outcome(StrEnum):
    """What one answer, or one key of it, finds in a CRM."""

    ONE = "one"
    SEVERAL = "several"
    NONE = "none"
    ALIKE = "alike"
    """No key finds anybody, but one contact is certain enough and stands out: `do: link` would link it."""
    SUGGESTED = "suggested"
    """No key finds anybody, but somebody looks like them."""
    ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Counts of one survey's answers in one CRM: by key, and over all keys."""

    keys: dict[KeyKind, Counter[Outcome]] = field(default_factory=dict)
    answers: Counter[Outcome] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Rates by CRM account and survey.

    `contacts`: how many were read of each account; `whole`: whether that is all of them.
    """

    looked_at: int
    contacts: Mapping[str, int]
    whole: Mapping[str, bool]
    rates: Mapping[tuple[str, str], Rates]


def report(tx: Transaction, settings: DecideSettings, *, limit: int) -> Report:
    """Look up the answers recorded last, at most `limit` of them."""
    targets = settings.crms()
    rates: dict[tuple[str, str], Rates] = {}
    looked_at = 0
    for version in responses.newest(tx, limit=limit):
        looked_at += 1
        for target in targets:
            mine = rates.setdefault((target.account, version.response.survey), Rates())
            _count(tx, version.response, target, settings, mine)
    return Report(
        looked_at=looked_at,
        contacts={target.account: contacts.number(tx, target.account) for target in targets},
        whole={target.account: likeness.is_whole(tx, target.account) for target in targets},
        rates=rates,
    )


def _count(tx: Transaction, response: Response, target: Target, settings: DecideSettings, rates: Rates) -> None:
    keys = {kind: key for kind, key in keys_offered(response).items() if kind in settings.match_keys}
    if not keys:
        rates.answers[Outcome.ANONYMOUS] += 1
        return
    sightings = [
        ContactSighting(kind=kind, contact_ids=tuple(one.id for one in contacts.find(tx, target.account, kind, key)))
        for kind, key in keys.items()
        if kind in CRM_KEYS
    ]
    for sighting in sightings:
        found = {0: Outcome.NONE, 1: Outcome.ONE}.get(len(sighting.contact_ids), Outcome.SEVERAL)
        rates.keys.setdefault(sighting.kind, Counter())[found] += 1
    link = choose_contact(target.account, settings.match_keys, keys, sightings, missing=Missing.IGNORE).link
    if link.state is LinkState.LINKED:
        rates.answers[Outcome.ONE] += 1
    elif link.candidates:
        rates.answers[Outcome.SEVERAL] += 1
    else:
        rates.answers[_alike(tx, response, target, settings)] += 1


def _alike(tx: Transaction, response: Response, target: Target, settings: DecideSettings) -> Outcome:
    """What likeness would find, also where the configuration does not link by it."""
    if settings.fuzzy.do is Do.NO:
        return Outcome.NONE
    looked = likeness.look_up(tx, target.account, response.respondent)
    policy = replace(settings.fuzzy, do=Do.LINK)
    choice = choose_similar(target.account, looked.suggestions, policy, is_whole=True)
    if choice is None:
        return Outcome.NONE
    return Outcome.ALIKE if choice.link.state is LinkState.LINKED else Outcome.SUGGESTED
