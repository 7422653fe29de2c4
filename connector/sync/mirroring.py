"""What other systems report of their contacts and tickets, and what follows for persons, links and recoveries.

An empty report means nothing: nobody is unlinked and nothing is closed because something was not mentioned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from connector.domain.matching.canonical import canonical_email, canonical_phone
from connector.domain.matching.fuzzy import Do
from connector.domain.model.intent import IntentState, Json, WriteKind
from connector.domain.model.person import Contact, KeyKind, LinkState
from connector.domain.model.recovery import Recovery, RecoveryState
from connector.ports import Ticket
from connector.store import (
    confirmed,
    defects,
    history,
    links,
    outbox,
    people,
    receipts,
    recoveries,
    responses,
    scores,
    tickets,
    tombstones,
)
from connector.store.receipts import Thing
from connector.store.transaction import Transaction
from connector.sync import looking_back, names, timers
from connector.sync.choosing import take_choice
from connector.sync.identify import join_persons, link, mirror
from connector.sync.rescore import gather_signals
from connector.sync.settings import DecideSettings, Target

GONE: Final = "the candidates are gone"
"""What `Evidence.decided_by` says of a question that ended because there is nobody left to choose."""


def take_contact(tx: Transaction, seen: Contact, target: Target, settings: DecideSettings, read_at: datetime) -> None:
    """A CRM reports a contact: mirror it, follow what happened to it, and link who waited for it."""
    keys = _keys(seen)
    if responses.is_erased(tx, [people.blind(tx, kind, value) for kind, value in keys.items()]):
        return
    change = mirror(tx, seen, filed=settings.fuzzy.do is not Do.NO)
    if change.after == seen and not seen.deleted and seen.merged_into is None:
        # Unchanged since the last read or not: that one may have come while a write of ours was open, and said nothing.
        observed(tx, seen.account, Thing.CONTACT, seen.id, seen.values, read_at)
    if not change.changed:
        return
    if seen.merged_into is not None:
        _merged(tx, seen, seen.merged_into)
        links.replace_candidate(tx, seen.account, seen.id, seen.merged_into, GONE)
    elif seen.deleted:
        _deleted(tx, seen)
        links.replace_candidate(tx, seen.account, seen.id, None, GONE)
    # Also who knew it by what it had before: a doubt between two contacts ends when one of them changes or goes.
    for known in ({} if change.before is None else _keys(change.before), keys):
        _link_waiting(tx, known, target, settings)
    for person_id in links.persons(tx, seen.account, seen.merged_into or seen.id):
        refresh_score(tx, person_id, settings)


def _keys(seen: Contact) -> dict[KeyKind, str]:
    offered = {
        KeyKind.CRM_ID: seen.id,
        KeyKind.EMAIL: canonical_email(seen.email or ""),
        KeyKind.PHONE: canonical_phone(seen.phone or "", None),
    }
    return {kind: key for kind, key in offered.items() if key}


def _merged(tx: Transaction, seen: Contact, survivor: str) -> None:
    """Links follow a merge. Two persons whose contacts became one are one."""
    links.repoint(tx, seen.account, seen.id, survivor)
    receipts.follow(tx, seen.account, seen.id, survivor)
    known = links.persons(tx, seen.account, survivor)
    for person_id in known:
        scores.retract(tx, person_id, seen.account)
    for other in known[1:]:
        join_persons(tx, known[0], other, f"{seen.account} merged their contacts")


def _deleted(tx: Transaction, seen: Contact) -> None:
    for person_id in links.unlink(tx, seen.account, seen.id, "the contact was deleted there"):
        receipts.unpoint(tx, names.contact_object(person_id, seen.account))
        scores.retract(tx, person_id, seen.account)
        history.append(
            tx, "unlinked", person_id=person_id, detail={"account": seen.account, "reason": "contact deleted"}
        )


def _link_waiting(tx: Transaction, keys: Mapping[KeyKind, str], target: Target, settings: DecideSettings) -> None:
    """Persons who were seen with one of these keys and are not linked yet are looked at again, by those keys alone."""
    found: dict[int, dict[KeyKind, str]] = {}
    for kind, value in keys.items():
        person_id = people.find(tx, kind, value)
        if person_id is not None:
            found.setdefault(person_id, {})[kind] = value
    for person_id, matching in found.items():
        remembered = links.get(tx, person_id, target.account)
        if remembered is not None and remembered.state is not LinkState.LINKED:
            link(tx, person_id, target, matching, settings)


def observed(
    tx: Transaction, account: str, thing: Thing, remote_id: str, values: Mapping[str, object], read_at: datetime
) -> None:
    """Compare what a read saw with our confirmed values: what differs, a person changed."""
    for name in receipts.named(tx, account, thing, remote_id):
        known = confirmed.of(tx, account, name)
        seen = {field: _like(known[field].value, value) for field, value in values.items() if field in known}
        if all(known[field].known and known[field].value == value for field, value in seen.items()):
            continue
        changed = confirmed.observe(tx, account, name, seen, read_at=read_at)
        if changed:
            fields: list[Json] = [*sorted(changed)]
            history.append(tx, "edited_there", detail={"account": account, "object": name, "fields": fields})


def _like(known: Json, seen: object) -> Json:
    """The value in the spelling we know it by, where it is the same: numbers and instants have several."""
    if isinstance(known, str) and isinstance(seen, str) and known != seen and _instant(known) is not None:
        return known if _instant(known) == _instant(seen) else seen
    return seen if isinstance(seen, str | int | float | bool | list | dict) else None


def _instant(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def take_ticket(
    tx: Transaction,
    seen: Ticket,
    settings: DecideSettings,
    read_at: datetime,
    notes: tuple[str, ...] | None = None,
) -> None:
    """A helpdesk reports a ticket: mirror it, see what it means for a recovery. `notes` None: they were not read."""
    email = canonical_email(seen.requester_email or "")
    blinds = [tombstones.of_ticket(tx, seen.account, seen.id)]
    if responses.is_erased(tx, blinds if email is None else [*blinds, people.blind(tx, KeyKind.EMAIL, email)]):
        return
    change = tickets.upsert(tx, seen, requester=email)
    if change.before is None or seen.updated_at >= change.before.updated_at:
        observed(tx, seen.account, Thing.TICKET, seen.id, seen.values, read_at)
        for recovery in _worked_on(tx, seen):
            looking_back.see(tx, recovery, seen, notes, settings)
    if not change.changed:
        return
    take_choice(tx, seen, settings)
    if settings.defects and seen.key is None and email is not None:
        _hear(tx, seen, email, settings)
    if change.before is None and email is not None:
        person_id = people.find(tx, KeyKind.EMAIL, email)
        if person_id is not None:
            refresh_score(tx, person_id, settings)


def _hear(tx: Transaction, seen: Ticket, email: str, settings: DecideSettings) -> None:
    """A ticket somebody we know asked for: what they wrote there may speak of a defect."""
    person_id = people.find(tx, KeyKind.EMAIL, email)
    if person_id is not None and seen.status != "deleted" and seen.updated_at > tx.now - settings.answered_within:
        defects.to_be_heard(tx, seen.account, seen.id, person_id, seen.updated_at)


def _worked_on(tx: Transaction, seen: Ticket) -> Iterator[Recovery]:
    """The open recoveries whose ticket this is; on one that is not ours, only what happened after our note counts."""
    for name in receipts.named(tx, seen.account, Thing.TICKET, seen.id):
        recovery_id = names.recovery_of(name)
        recovery = None if recovery_id is None else recoveries.get(tx, recovery_id)
        if recovery is None or recovery.state is not RecoveryState.OPEN:
            continue
        if name != names.ticket_object(recovery.id, recoveries.generation(tx, recovery.id)):
            continue
        if seen.key is not None or _after_us(tx, recovery.id, seen.updated_at):
            yield recovery


def _after_us(tx: Transaction, recovery_id: int, updated_at: datetime) -> bool:
    """On a ticket that was solved before we reopened it, only what happened after our note says anything."""
    ours = [
        row.settled_at
        for row in outbox.for_recovery(tx, recovery_id)
        if row.kind is WriteKind.NOTE and row.state is IntentState.CONFIRMED and row.settled_at is not None
    ]
    return bool(ours) and updated_at >= min(ours).replace(microsecond=0)


def refresh_score(tx: Transaction, person_id: int, settings: DecideSettings) -> None:
    """Outside facts about a person may have changed: where they have, or a CRM was told no score yet, it is computed.

    What we wrote comes back as a change of the contact, and says nothing new.
    """
    policy = settings.score
    if policy is None:
        return
    person_id = people.survivor(tx, person_id)
    is_told = all(scores.published(tx, person_id, settings.targets[name].account) for name in policy.write_to)
    if gather_signals(tx, person_id, policy, settings) or not is_told:
        timers.refresh(tx, person_id, settings, policy)
