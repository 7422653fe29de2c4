"""A person says which contact somebody is: at the keyboard, or by a tag on the ticket of their recovery."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from connector.domain.matching.canonical import canonical_email
from connector.domain.matching.fuzzy import SIMILARITY
from connector.domain.matching.ladder import NOTHING_FOUND, LinkChoice, Missing
from connector.domain.model.intent import Priority
from connector.domain.model.person import NOBODY, Evidence, KeyKind, Link, LinkState, choice_tag
from connector.errors import ConnectorError
from connector.ports import Ticket
from connector.store import contacts, history, links, outbox, people, receipts, recoveries, responses
from connector.store.receipts import Thing
from connector.store.transaction import Transaction
from connector.sync import names, planning, timers
from connector.sync.context import build
from connector.sync.identify import IGNORED, ON_TICKET, contact_keys, settle_link
from connector.sync.operators import tell_operators
from connector.sync.planning import Pace
from connector.sync.recall import recall
from connector.sync.settings import DecideSettings, Target

_PREFIX: Final = choice_tag("")


def choose(
    tx: Transaction, person_id: int, account: str, contact_id: str, how: str, settings: DecideSettings
) -> tuple[int, str]:
    """Link a person to a contact because somebody said so; what waited for it goes on.

    `how` says who said it, for the evidence. Returns the person, joined with whoever had the contact before, and the
    contact, merges followed. Raises ConnectorError for a contact the mirror of that account does not have.
    """
    known = contacts.survivor(tx, account, contact_id)
    if known is None:
        raise ConnectorError(f"{account} has no contact {contact_id}, as far as it was read")
    before = links.get(tx, person_id, account)
    if before is not None and before.remote_id not in {None, known.id}:
        _take_back(tx, person_id, before)
    candidates = dict.fromkeys((*(() if before is None else before.candidates), known.id))
    was = Evidence(decided_by=how) if before is None else before.evidence
    made = Link(
        account=account,
        state=LinkState.LINKED,
        remote_id=known.id,
        candidates=tuple(candidates),
        evidence=replace(was, decided_by=how, losers=tuple(one for one in candidates if one != known.id)),
    )
    links.save(tx, person_id, made)
    history.append(tx, "linked", person_id=person_id, detail={"account": account, "contact": known.id, "reason": how})
    settle_link(tx, person_id, account, known.id)
    survivor = people.survivor(tx, person_id)
    if settings.score is not None:
        timers.refresh(tx, survivor, settings, settings.score)
    return survivor, known.id


def _take_back(tx: Transaction, person_id: int, wrong: Link) -> None:
    """The keys of a contact somebody was wrongly linked to are not theirs."""
    assert wrong.remote_id is not None
    seen = contacts.get(tx, wrong.account, wrong.remote_id)
    keys = {KeyKind.CRM_ID: wrong.remote_id} if seen is None else contact_keys(seen)
    said = canonical_email(people.details(tx, person_id).email or "")
    people.unlearn(tx, person_id, {kind: key for kind, key in keys.items() if key != said})


def ignore(tx: Transaction, person_id: int, account: str, settings: DecideSettings) -> bool:
    """It is none of the candidates: the person stays unlinked, and `match.missing` says what follows.

    Returns whether a contact is being made. Raises ConnectorError when no choice is open.
    """
    before = links.get(tx, person_id, account)
    if before is None or before.state is not LinkState.HELD:
        raise ConnectorError(f"person {person_id} waits for no choice in {account}")
    refused = Link(
        account=account,
        state=LinkState.UNLINKED,
        remote_id=None,
        candidates=before.candidates,
        evidence=replace(before.evidence, decided_by=IGNORED),
    )
    links.save(tx, person_id, refused)
    history.append(tx, "unlinked", person_id=person_id, detail={"account": account, "reason": IGNORED})
    target = next(one for one in settings.crms() if one.account == account)
    # Several contacts that share a key would be found again instead of a new one being made.
    makes = settings.missing is Missing.CREATE and before.evidence.decided_by in {SIMILARITY, NOTHING_FOUND}
    if makes and _make_contact(tx, person_id, refused, target, settings):
        return True
    for row in receipts.waiting_for(tx, names.contact_object(person_id, account)):
        outbox.drop(tx, row.id, IGNORED)
    return False


def _make_contact(tx: Transaction, person_id: int, link: Link, target: Target, settings: DecideSettings) -> bool:
    """Plan the contact as the person's latest answer would have; False when there is nothing to make one of."""
    latest = responses.recent(tx, person_id, before=tx.now, but=0, limit=1)
    known = people.details(tx, person_id)
    if not latest or not (known.email or known.phone):
        return False
    matter = recall(tx, latest[0], settings)
    chosen = {**matter.identity.links, target.account: LinkChoice(link=link, create=True)}
    matter = replace(matter, identity=replace(matter.identity, links=chosen))
    pace = Pace(priority=Priority.NORMAL, now=tx.now)
    planned = planning.contact(tx, matter, target, build(tx, matter, settings), pace)
    return bool(outbox.plan(tx, planned))


def take_choice(tx: Transaction, seen: Ticket, settings: DecideSettings) -> None:
    """A tag on a recovery's ticket names the contact: the link is made as if it had been said at the keyboard."""
    wanted = _named(seen)
    person_id = _whose(tx, seen) if wanted else None
    if person_id is None:
        return
    if len(wanted) > 1:
        _tell(tx, seen, settings, f"ticket {seen.id} names {len(wanted)} contacts: leave the tag of one")
        return
    matched = [_take(tx, person_id, wanted[0], seen, target, settings) for target in settings.crms()]
    if not any(matched):
        _tell(tx, seen, settings, f"ticket {seen.id} names contact {wanted[0]}, which no CRM has; is the tag right?")


def _named(seen: Ticket) -> list[str]:
    tags = seen.values.get("tags")
    texts = [str(tag).strip().lower() for tag in tags] if isinstance(tags, list) else []
    return sorted({tag.removeprefix(_PREFIX) for tag in texts if tag.startswith(_PREFIX) and tag != _PREFIX})


def _whose(tx: Transaction, seen: Ticket) -> int | None:
    """The person whose recovery is worked on there."""
    for name in receipts.named(tx, seen.account, Thing.TICKET, seen.id):
        recovery_id = names.recovery_of(name)
        recovery = None if recovery_id is None else recoveries.get(tx, recovery_id)
        if recovery is not None:
            return people.survivor(tx, recovery.person_id)
    return None


def _take(tx: Transaction, person_id: int, wanted: str, seen: Ticket, target: Target, settings: DecideSettings) -> bool:
    """Take a choice for one CRM; False when it has no such contact. A link somebody made elsewhere is left alone."""
    account, how = target.account, f"{ON_TICKET} {seen.id}"
    link = links.get(tx, person_id, account)
    if link is None:
        return False
    is_open = link.state is LinkState.HELD
    is_ours = link.state is LinkState.LINKED and link.evidence.decided_by == how
    if wanted == NOBODY:
        if is_open:
            ignore(tx, person_id, account, settings)
        return True
    meant = next((one for one in link.candidates if one.lower() == wanted), None)
    if meant is None:
        known = contacts.survivor(tx, account, wanted)
        meant = None if known is None else known.id
    if meant is None:
        return False
    was_refused = link.state is LinkState.UNLINKED and link.evidence.decided_by == IGNORED
    if is_open or was_refused or (is_ours and link.remote_id != meant):
        choose(tx, person_id, account, meant, how, settings)
    return True


def _tell(tx: Transaction, seen: Ticket, settings: DecideSettings, text: str) -> None:
    tell_operators(tx, settings, seen.account, f"choice/{seen.id}", f"{seen.account}: {text}")
