"""What waits for an object to be there may ride in the request that makes it: then nothing is left to be said after.

A contact's first score is known before the contact is, and is fields of the same record. It keeps its intent and gets
its own receipt. Where anything goes wrong with the request, both are planned again and travel apart from then on: what
one of them did wrong is not the other's fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from connector.domain.model.intent import references
from connector.store import intents
from connector.store.intents import IntentRow
from connector.store.transaction import Transaction
from connector.store.writing import Wanted
from connector.sync.folding import Folded
from connector.sync.outlet import Outlet


@dataclass(frozen=True, kw_only=True)
class Laden(Folded):
    """A create with what rides in it: updates of the object it makes, which no request ever carried."""

    riders: tuple[IntentRow, ...]

    @cached_property
    def _whole(self) -> Folded:
        return Folded(members=(*self.members, *self.riders))

    @cached_property
    def fields(self) -> dict[str, Wanted]:
        """The newest value of each field, of the create and of all that rides."""
        return self._whole.fields

    @cached_property
    def ours(self) -> frozenset[str]:
        """Fields to write even where a person changed them."""
        return self._whole.ours

    @cached_property
    def if_blank(self) -> frozenset[str]:
        """Fields to write only where there is nothing, as there is in what is only made now."""
        return self._whole.if_blank


def laden(tx: Transaction, outlet: Outlet, records: Sequence[Folded]) -> list[Folded]:
    """The records of one request, and in each create that was never tried what it may carry."""
    promise = outlet.promise(records[0].first.kind)
    kinds = promise.carries - outlet.limits.ceilings.keys()
    makers = {one.first.object for one in records if _may_carry(one)}
    if not kinds or not makers:
        return list(records)
    riders: dict[str, list[IntentRow]] = {}
    for row in intents.blocked_updates(tx, outlet.account, kinds, makers):
        if _may_ride(row):
            riders.setdefault(row.object, []).append(row)
    return [
        Laden(members=one.members, also=one.also, riders=tuple(riders[one.first.object]))
        if _may_carry(one) and one.first.object in riders
        else one
        for one in records
    ]


def _may_carry(record: Folded) -> bool:
    """Whether it creates, and was never tried: what failed with something in it is tried without."""
    return record.target is None and all(row.attempts == row.revision == 0 for row in record.members)


def _may_ride(row: IntentRow) -> bool:
    """Whether it waits for nothing but its object, and says nothing that is only known of it afterwards."""
    needed = {row.object, *row.after}.union(*(references(value) for value in row.fields.values()))
    names_it = any(references(value) for value in row.fields.values())
    return needed == {row.object} and not names_it


def riders_of(record: Folded) -> tuple[IntentRow, ...]:
    """What rides in a record."""
    return record.riders if isinstance(record, Laden) else ()


def rides(row: IntentRow, rows: Sequence[IntentRow]) -> bool:
    """Whether, of the members `rows` of one record, this one only rode in it."""
    return row.target is not None and any(one.target is None and one.kind is not row.kind for one in rows)
