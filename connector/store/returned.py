"""Who was erased and came back with an old copy of the store: the graveyard knows them, the copy does not."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from sqlalchemy import select

from connector.store import contacts, erasures, forgetting, people, subjects, tombstones
from connector.store.schema import inbox, person_key, response, tombstone
from connector.store.subjects import blinds_of
from connector.store.transaction import Transaction

RESTORED: Final = "restored"
"""The cause of an erasure here alone: an old copy of the store brought somebody back whom the other systems erased."""
RESUMED: Final = "resumed"
"""The cause of one that an old copy knows nothing of, and that the other systems were still to carry out."""


def again(tx: Transaction, missing: Collection[str], told: Collection[str], kept: Collection[str]) -> int:
    """These digests have a tombstone in the graveyard and none here: an old copy of the store was put back.

    Whoever they belong to is erased here again; what is known of them is known by their keys. Elsewhere too, unless
    one of their keys is among those `told`: by now somebody there may be theirs again. `kept` are the keys of whom the
    company keeps its own records. Returns how many were begun.
    """
    tombstones.add(tx, missing)
    tx.buried.clear()  # they are where they came from
    wanted = frozenset(missing)
    rows = tx.execute(select(person_key.c.person_id, person_key.c.blind)).all()
    persons = {people.survivor(tx, int(row.person_id)) for row in rows if row.blind in wanted}
    found = [subjects.of_person(tx, one) for one in sorted(persons)]
    mirrored = contacts.addresses(tx, wanted.difference(told, *(blinds_of(tx, one) for one in found)))
    found += [subjects.of_address(tx, email=one) for one in mirrored]
    for one in found:
        keys = wanted.intersection(blinds_of(tx, one))
        cause = RESUMED if keys.isdisjoint(told) else RESTORED
        erasures.begin(tx, one, keep_contacts=not keys.isdisjoint(kept), cause=cause)
    for row in tx.execute(select(response.c.id, response.c.key)).all():
        if tombstones.of_response(tx, row.key) in wanted:
            # Of somebody who was not erased: retention had made the answer nobody's.
            erasures.forget_answer(tx, row.id, row.key)
    lost = [row.id for row in tx.execute(select(inbox.c.id, inbox.c.dedupe)) if row.dedupe in wanted]
    forgetting.deliveries(tx, lost)
    forgetting.by_blind(tx, missing)
    forgetting.by_contact(tx, missing)
    return len(found)


def keeping(tx: Transaction) -> frozenset[str]:
    """The digests of those who are being erased while the company keeps its own records of them."""
    kept = [one.known for one in erasures.under_way(tx) if one.keep_contacts]
    return frozenset(digest for known in kept for digest in forgetting.digests_of(tx, known))


def not_buried(tx: Transaction, digests: Collection[str]) -> frozenset[str]:
    """Those of the digests that have no tombstone here."""
    number = len(digests)
    if number and number == len(tombstones.among(tx, digests)):
        return frozenset()
    return frozenset(digests) - {str(row.blind) for row in tx.execute(select(tombstone.c.blind))}
