"""Deleting a person here. Rows that are counted stay, without anything in them that could name anybody."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import Column, ColumnElement, Table, Text, and_, cast, delete, literal, or_, select, update

from connector.domain.model.intent import IntentState
from connector.domain.model.person import KeyKind
from connector.domain.model.recovery import RecoveryState, Stage
from connector.domain.model.transitions import OPEN, Event
from connector.store import blocks, codes, intents, interactions, people, tombstones
from connector.store import receipts as remotes
from connector.store.graveyard import KEEPS
from connector.store.inbox import DeliveryState
from connector.store.responses import VersionState
from connector.store.schema import (
    confirmed,
    contact,
    dependency,
    fact,
    follow_up,
    given_code,
    history,
    inbox,
    intent,
    interaction,
    interaction_answer,
    link,
    match_block,
    person,
    person_key,
    prior,
    published,
    rated,
    receipt,
    recovery,
    recovery_response,
    recovery_step,
    remote,
    response,
    response_version,
    score,
    sliced,
    themed,
    ticket,
    write,
)
from connector.store.subjects import Known, blinds_of, intents_of
from connector.store.transaction import Transaction

CAUSE: Final = "the person was erased"
AT_ONCE: Final = 500
"""Values in one condition; SQLite takes some thousands."""
CLEARED: Final[frozenset[Table]] = frozenset(
    {
        confirmed,
        contact,
        dependency,
        fact,
        follow_up,
        given_code,
        history,
        inbox,
        intent,
        interaction,
        interaction_answer,
        link,
        match_block,
        person,
        person_key,
        prior,
        published,
        rated,
        receipt,
        recovery,
        recovery_response,
        recovery_step,
        remote,
        response,
        response_version,
        score,
        sliced,
        themed,
        ticket,
        write,
    }
)
"""Tables with something about a person in them: `stop` and `delete` clear them."""


def bury(tx: Transaction, known: Known, *, keeps: bool = False) -> None:
    """Set every tombstone: nothing of them is taken in from now on. `keeps`: the company's own records stay."""
    tombstones.add(tx, digests_of(tx, known), word=KEEPS if keeps else "")


def digests_of(tx: Transaction, known: Known) -> list[str]:
    """What carries a tombstone of theirs."""
    digests = blinds_of(tx, known)
    digests += [tombstones.of_response(tx, key) for key in known.keys]
    digests += [tombstones.of_ticket(tx, account, one) for account, one in known.own_tickets]
    rows = tx.execute(select(inbox.c.dedupe).where(inbox.c.response_id.in_(known.responses)))
    return [*digests, *(str(row.dedupe) for row in rows)]


def stop(tx: Transaction, known: Known) -> None:
    """Plan nothing more about them: they cannot be found or scored, and what was not sent is called off."""
    for table in (link, fact, score, published, person_key):
        tx.execute(delete(table).where(table.c.person_id.in_(known.persons)))
    tx.execute(
        update(response_version)
        .where(response_version.c.response_id.in_(known.responses))
        .values(state=VersionState.ERASED.value, sealed=None, understanding=None, reason=None, content="")
    )
    for table in (rated, sliced, themed):
        tx.execute(delete(table).where(table.c.response_id.in_(known.responses)))
    tx.execute(
        update(recovery)
        .where(recovery.c.id.in_(known.recoveries), recovery.c.state == RecoveryState.OPEN.value)
        .values(state=RecoveryState.CLOSED.value, closed_at=tx.now, cause=CAUSE, stage=Stage.ENDED.value)
    )
    for row in intents.where(tx, intents_of(known) & (intent.c.state != IntentState.ERASED.value)):
        if row.state in OPEN:
            intents.set_aside(tx, row, erasing=True)
            tx.wake(remotes.lane_of(row.account))
            continue
        remotes.stop_waiting(tx, row)
        intents.move(tx, row, Event.ERASED)


def deliveries(tx: Transaction, ids: Collection[int]) -> None:
    """Drop the bytes of deliveries, and recognise them when they come again."""
    rows = tx.execute(select(inbox.c.dedupe).where(inbox.c.id.in_(ids)))
    tombstones.add(tx, [str(row.dedupe) for row in rows])
    _empty(tx, inbox.c.id.in_(ids))


def _empty(tx: Transaction, which: ColumnElement[bool]) -> int:
    blank = {"state": DeliveryState.ERASED.value, "payload": None, "field": None, "reason": None}
    return tx.execute(update(inbox).where(which).values(**blank)).rowcount


def delete_here(tx: Transaction, known: Known) -> dict[str, int]:
    """Delete what is left, once no request about them is under way; how many rows of each table were cleared."""
    mine = list(tx.execute(select(intent.c.id).where(intents_of(known))).scalars())
    cleared = sever(tx, known, "erased", mine, objects_of(tx, known, mine))
    for account, one in known.contacts:
        _drop_contacts(tx, and_(contact.c.account == account, contact.c.remote_id == one))
    for account, one in known.own_tickets:
        tx.execute(delete(ticket).where(ticket.c.account == account, ticket.c.remote_id == one))
    by_blind(tx, blinds_of(tx, known))
    cleared["given_code"] = codes.forget(tx, blinds_of(tx, known))
    cleared["inbox"] = _empty(tx, inbox.c.response_id.in_(known.responses))
    cleared["person"] = tx.execute(
        update(person).where(person.c.id.in_(known.persons)).values(sealed=None, scored_at=None)
    ).rowcount
    return cleared


def sever(tx: Transaction, known: Known, word: str, mine: Sequence[int], objects: Sequence[str]) -> dict[str, int]:
    """Cut what was done about somebody from them: rows that are counted stay, named `<word>/<their number>`.

    `mine` are the intents, `objects` our names of what is no longer known by them.
    """
    cleared: dict[str, int] = {}
    which = or_(
        history.c.person_id.in_(known.persons),
        history.c.response_id.in_(known.responses),
        history.c.recovery_id.in_(known.recoveries),
        history.c.intent_id.in_(mine),
    )
    cleared["history"] = tx.execute(delete(history).where(which)).rowcount
    for table, column in ((receipt, "intent_id"), (dependency, "intent_id"), (prior, "intent_id")):
        cleared[table.name] = tx.execute(delete(table).where(table.c[column].in_(mine))).rowcount
    for start in range(0, len(objects), AT_ONCE):
        some = objects[start : start + AT_ONCE]
        for table in (confirmed, remote):
            number = tx.execute(delete(table).where(table.c.object.in_(some))).rowcount
            cleared[table.name] = cleared.get(table.name, 0) + number
    records = sorted(set(tx.execute(select(intent.c.record).where(intent.c.id.in_(mine))).scalars()))
    cleared["intent"] = _blank_intents(tx, mine, word)
    tx.execute(update(write).where(write.c.key.in_(records)).values(key=_nameless(write.c.id, word)))
    cleared["recovery"] = tx.execute(
        update(recovery)
        .where(recovery.c.id.in_(known.recoveries))
        .values(opened_by=_nameless(recovery.c.id, word), action_taken=None)
    ).rowcount
    for table in (recovery_step, follow_up):
        which = table.c.recovery_id.in_(known.recoveries)
        cleared[table.name] = tx.execute(delete(table).where(which)).rowcount
    about = interaction_answer.c.response_id.in_(known.responses)
    cleared["interaction_answer"] = tx.execute(delete(interaction_answer).where(about)).rowcount
    cleared["response"] = tx.execute(
        update(response)
        .where(response.c.id.in_(known.responses))
        .values(key=_nameless(response.c.id, word), person_id=None)
    ).rowcount
    return cleared


def _nameless(column: Column[int], word: str) -> ColumnElement[str]:
    """A key that is its row's own and says nothing: `erased/7`."""
    return literal(f"{word}/") + cast(column, Text)


def objects_of(tx: Transaction, known: Known, mine: Sequence[int]) -> list[str]:
    """Our names of everything that stood for them or for something about them."""
    rows = tx.execute(select(intent.c.object, intent.c.target).where(intent.c.id.in_(mine)))
    names = {str(name) for row in rows for name in row if name is not None}
    for thing, theirs in ((remotes.Thing.CONTACT, known.contacts), (remotes.Thing.TICKET, known.own_tickets)):
        for account, one in theirs:
            names |= set(remotes.named(tx, account, thing, one))
    return sorted(names)


def _blank_intents(tx: Transaction, mine: Sequence[int], word: str) -> int:
    name = _nameless(intent.c.id, word)
    blank: dict[str, object] = {
        "key": name,
        "object": name,
        "record": name,
        "target": None,
        "after": [],
        "fields": None,
        "reason": None,
        "person_id": None,
        "response_id": None,
        "recovery_id": None,
        "version": None,
    }
    return tx.execute(update(intent).where(intent.c.id.in_(mine)).values(**blank)).rowcount


def by_blind(tx: Transaction, blinds: Collection[str]) -> None:
    """Delete mirrored rows that carry one of the keys, whatever they are called there."""
    wanted = sorted(blinds)
    for start in range(0, len(wanted), AT_ONCE):
        some = wanted[start : start + AT_ONCE]
        _drop_contacts(tx, or_(contact.c.email.in_(some), contact.c.phone.in_(some)))
        tx.execute(delete(ticket).where(ticket.c.requester.in_(some)))
        tx.execute(delete(interaction).where(interactions.of_customers(some)))


def by_contact(tx: Transaction, blinds: Collection[str]) -> None:
    """Delete mirrored contacts whose own id is one of the keys: those without an address are known by nothing else."""
    wanted = frozenset(blinds)
    rows = tx.execute(select(contact.c.account, contact.c.remote_id)).all()
    for row in [one for one in rows if people.blind(tx, KeyKind.CRM_ID, one.remote_id) in wanted]:
        _drop_contacts(tx, and_(contact.c.account == row.account, contact.c.remote_id == row.remote_id))


def _drop_contacts(tx: Transaction, which: ColumnElement[bool]) -> None:
    for row in tx.execute(select(contact.c.remote_id, contact.c.blocks).where(which)).all():
        blocks.forget(tx, str(row.remote_id), row.blocks)
    tx.execute(delete(contact).where(which))
