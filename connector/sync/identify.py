"""Who answered: the person by ordered exact keys, and their contact in each CRM by its mirror. Never a guess."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from connector.domain.matching.canonical import canonical_email, canonical_id, canonical_phone, keys_of
from connector.domain.matching.fuzzy import SIMILARITY, Do, choose_similar
from connector.domain.matching.ladder import (
    NOTHING_FOUND,
    ContactSighting,
    LinkChoice,
    Missing,
    PersonChoice,
    Sighting,
    choose_contact,
    choose_person,
    explain_match,
)
from connector.domain.model.intent import Json, WriteKind
from connector.domain.model.person import Contact, KeyKind, Link, LinkState
from connector.domain.model.response import Interaction, Response
from connector.store import confirmed, contacts, history, intents, interactions, links, outbox, people, scores
from connector.store.transaction import Transaction
from connector.sync import likeness
from connector.sync.names import contact_object
from connector.sync.operators import HELD, held_text, tell_operators
from connector.sync.settings import DecideSettings, Target
from connector.sync.uniting import unite

IGNORED = "none of them, an operator said"
"""What `Evidence.decided_by` says when a person looked at the candidates and chose nobody."""
BY_OPERATOR = "linked by an operator"
ON_TICKET = "chosen on ticket"
"""What `Evidence.decided_by` begins with when a person chose."""
FOLLOWED = (KeyKind.CRM_ID, KeyKind.EMAIL, KeyKind.PHONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who answered. `person_id` is None for an anonymous answer; `links` are the choices by account, crms in order.

    `names_contact`: the answer brought a contact's id with it, so one will be found once the mirror has caught up.
    """

    person_id: int | None
    choice: PersonChoice
    links: Mapping[str, LinkChoice]
    names_contact: bool = False

    @property
    def text(self) -> str:
        """How sure we are, for a ticket."""
        if self.person_id is None:
            return "anonymous: no identity was offered"
        return explain_match(next(iter(self.links.values()))) if self.links else "known by what they answered with"


def keys_offered(response: Response) -> Mapping[KeyKind, str]:
    """The canonical keys of an answer; none when it is anonymous: a visit alone identifies nobody."""
    return {} if response.respondent.is_anonymous else keys_of(response.respondent, response.interaction)


def blinds_of(tx: Transaction, response: Response) -> list[str]:
    """The blind keys by which an erased person would be recognised."""
    return [people.blind(tx, kind, value) for kind, value in keys_offered(response).items()]


def identify(tx: Transaction, response: Response, settings: DecideSettings, *, asks: bool = True) -> Identity:
    """Find or make the person behind an answer, and link them to their contacts.

    Not `asks`: nobody is to be asked about them, see `link`.
    """
    keys = keys_offered(response)
    known = {kind: people.find(tx, kind, value) for kind, value in keys.items()}
    sightings = [Sighting(kind=kind, person_ids=_seen(tx, kind, keys[kind], known[kind], settings)) for kind in keys]
    if KeyKind.INTERACTION in keys and known[KeyKind.INTERACTION] is None:
        customer = _customer(tx, response.interaction, settings)
        sightings.append(Sighting(kind=KeyKind.INTERACTION, person_ids=customer))
    choice = choose_person(settings.match_keys, keys, sightings)
    if choice.anonymous:
        return Identity(person_id=None, choice=choice, links={})
    person_id = choice.person_id if choice.person_id is not None else people.create(tx)
    # A key that somebody was seen with is theirs, and stays so.
    new = {kind: value for kind, value in keys.items() if known[kind] is None}
    people.learn(tx, person_id, new, response.respondent)
    chosen = {target.account: link(tx, person_id, target, keys, settings, asks=asks) for target in settings.crms()}
    may_be_joined = any(made.link.state is LinkState.LINKED for made in chosen.values())
    return Identity(
        person_id=people.survivor(tx, person_id) if may_be_joined else person_id,
        choice=choice,
        links=chosen,
        names_contact=KeyKind.CRM_ID in keys and settings.missing is not Missing.IGNORE,
    )


def _customer(tx: Transaction, about: Interaction, settings: DecideSettings) -> tuple[int, ...]:
    """The one person known by the strongest key of the customer on record; nobody while there is no such record."""
    record = interactions.find(tx, about, settings.interactions)
    for kind, value in {} if record is None else interactions.keys_of(record).items():
        found = _seen(tx, kind, value, people.find(tx, kind, value), settings)
        if found:
            return found if len(found) == 1 else ()
    return ()


def _seen(tx: Transaction, kind: KeyKind, value: str, known: int | None, settings: DecideSettings) -> tuple[int, ...]:
    """Persons known by a key: seen with it, else linked to the one contact that has it."""
    if known is not None:
        return (known,)
    found: dict[int, None] = {}
    for target in settings.crms():
        matching = contacts.find(tx, target.account, kind, value)
        if len(matching) == 1:
            found |= dict.fromkeys(links.persons(tx, target.account, matching[0].id))
    return tuple(found)


def link(
    tx: Transaction,
    person_id: int,
    target: Target,
    keys: Mapping[KeyKind, str],
    settings: DecideSettings,
    *,
    asks: bool = True,
) -> LinkChoice:
    """Decide and remember which contact of a CRM a person is. A link made before is kept.

    Not `asks`: likeness is left until they answer anew, and the operators do not hear that somebody has to choose.
    """
    account = target.account
    remembered = links.get(tx, person_id, account)
    sightings = [
        ContactSighting(kind=kind, contact_ids=tuple(one.id for one in contacts.find(tx, account, kind, value)))
        for kind, value in keys.items()
        if kind in FOLLOWED
    ]
    choice = choose_contact(
        account, settings.match_keys, keys, sightings, missing=settings.missing, remembered=remembered
    )
    if remembered is not None and _is_refused(remembered, choice):
        return LinkChoice(link=remembered, create=choice.create)
    # Who brings a contact's id will be found by it once the mirror has caught up.
    if asks and choice.link.evidence.decided_by == NOTHING_FOUND and KeyKind.CRM_ID not in keys:
        choice = _alike(tx, person_id, choice, remembered, settings) or choice
    if remembered is not None and choice.link.state is LinkState.UNLINKED:
        # What is known of an open question is not lost because nothing is found now.
        return LinkChoice(link=remembered, create=choice.create and remembered.state is LinkState.UNLINKED)
    if choice.link != remembered:
        links.save(tx, person_id, choice.link)
        is_held = choice.link.state is LinkState.HELD
        if asks and is_held and (remembered is None or remembered.state is not LinkState.HELD):
            tell_operators(tx, settings, account, HELD, held_text(account))
    if choice.link.remote_id is not None and choice.link.state is LinkState.LINKED:
        settle_link(tx, person_id, account, choice.link.remote_id)
    return choice


def _is_refused(remembered: Link, choice: LinkChoice) -> bool:
    """A person said that it is none of the candidates: only a contact they were not shown can change that."""
    if remembered.evidence.decided_by != IGNORED or remembered.state is not LinkState.UNLINKED:
        return False
    return choice.link.state is not LinkState.LINKED or choice.link.remote_id in remembered.candidates


def _alike(
    tx: Transaction, person_id: int, exact: LinkChoice, remembered: Link | None, settings: DecideSettings
) -> LinkChoice | None:
    """The choice by likeness, where no key decides; None when nobody is like them, or their contact is being made."""
    account = exact.link.account
    is_open = remembered is not None and remembered.state is LinkState.HELD and bool(remembered.candidates)
    if is_open and remembered is not None and remembered.evidence.decided_by != SIMILARITY:
        return None  # several share a key of theirs: likeness does not choose among them
    if settings.fuzzy.do is Do.NO or waits_for_contact(tx, person_id, account):
        return None
    looked = likeness.look_up(tx, account, people.details(tx, person_id))
    is_whole = likeness.is_whole(tx, account)
    found = choose_similar(account, looked.suggestions, settings.fuzzy, is_whole=is_whole)
    if found is None:
        return None
    compared = (*exact.link.evidence.compared, *found.link.evidence.compared)
    return replace(found, link=replace(found.link, evidence=replace(found.link.evidence, compared=compared)))


def is_by_hand(made: Link | None) -> bool:
    """Whether a person chose the contact: nothing but a person changes that, and what happens to the contact."""
    if made is None or made.state is not LinkState.LINKED:
        return False
    return made.evidence.decided_by.startswith((BY_OPERATOR, ON_TICKET))


def settle_link(tx: Transaction, person_id: int, account: str, remote_id: str) -> None:
    """A link is certain: what waited for the contact goes on, and two persons with one contact are one."""
    seen, name = contacts.get(tx, account, remote_id), contact_object(person_id, account)
    before = outbox.receipts(tx, [name]).get(name)
    if before is not None and before.remote_id != remote_id:
        scores.retract(tx, person_id, account)
    outbox.adopt(tx, account, name, remote_id, None if seen is None else seen.url)
    known: dict[KeyKind, str] = {KeyKind.CRM_ID: remote_id}
    if seen is not None and _alone(tx, seen):
        known |= contact_keys(seen)
    people.learn(tx, person_id, known)
    for other in links.persons(tx, account, remote_id):
        if other != person_id:
            join_persons(tx, other, person_id, f"both are {account} contact {remote_id}")


def _alone(tx: Transaction, seen: Contact) -> bool:
    """Whether nobody else in that CRM shares the contact's e-mail: a shared address identifies nobody."""
    email = canonical_email(seen.email or "")
    return email is None or len(contacts.find(tx, seen.account, KeyKind.EMAIL, email)) == 1


def contact_keys(seen: Contact) -> dict[KeyKind, str]:
    """The canonical keys a contact is found by."""
    offered = {
        KeyKind.CRM_ID: canonical_id(seen.id),
        KeyKind.EMAIL: canonical_email(seen.email or ""),
    }
    return {kind: key for kind, key in offered.items() if key}


def mirror(tx: Transaction, seen: Contact, *, filed: bool = True) -> contacts.Change:
    """Record a contact under its canonical keys, and where `filed` under those of likeness."""
    return contacts.upsert(
        tx,
        seen,
        email=canonical_email(seen.email or ""),
        phone=canonical_phone(seen.phone or "", None),
        filed_under=likeness.keys_of(seen) if filed else None,
    )


def join_persons(tx: Transaction, one: int, other: int, why: str) -> tuple[int, list[tuple[int, int]]]:
    """Two persons turned out to be one human: the one known longest stays. Returns it and the recoveries it united."""
    winner, loser = min(one, other), max(one, other)
    pairs = people.merge(tx, loser, winner)
    for older, younger in pairs:
        unite(tx, winner, older, younger)
    _follow_objects(tx, loser, winner, why)
    detail: dict[str, Json] = {"reason": why, "person": winner, "merged": loser, "recoveries": [list(p) for p in pairs]}
    history.append(tx, "persons_joined", person_id=winner, detail=detail)
    tx.wake("timers")
    return winner, pairs


def _follow_objects(tx: Transaction, loser: int, winner: int, why: str) -> None:
    """What is still to be written to the loser's contact goes to the same contact as the winner's.

    Except scores: the loser's was computed from a part of the facts, and the winner's is written anew.
    """
    for made in links.of_person(tx, winner):
        name = contact_object(loser, made.account)
        for row in intents.unsent_on(tx, made.account, [name]):
            if row.kind is WriteKind.CONTACT_FIELDS:
                outbox.drop(tx, row.id, f"joined with another person: {why}")
        scores.retract(tx, winner, made.account)
        if made.state is LinkState.LINKED and made.remote_id is not None:
            for person_id in (loser, winner):
                outbox.adopt(tx, made.account, contact_object(person_id, made.account), made.remote_id)
            # From now on only the winner's name is written under: what stayed with the other's would grow old.
            confirmed.take_over(tx, made.account, contact_object(winner, made.account), name)
            confirmed.forget(tx, made.account, name)


def waits_for_contact(tx: Transaction, person_id: int, account: str) -> bool:
    """Whether a contact is being made for the person, so that none has to be planned again."""
    return intents.is_on_its_way(tx, account, contact_object(person_id, account))
