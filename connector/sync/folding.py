"""Which due intents travel together: pure, from rows to batches.

Intents of one object and kind fold into one record (newest value per field), records of one kind into one batch. No
object is in two writes at once, the most urgent go first, and the time to wait for company is not waited twice.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from types import MappingProxyType

from connector.domain.model.intent import Json, Promise, WriteKind
from connector.store.intents import IntentRow
from connector.store.writing import ADDED, Wanted

NO_LINGER = timedelta(0)
NO_NAMES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Folded:
    """One record to be: its intents, oldest first, none of which was sent. What they come to is worked out once."""

    members: tuple[IntentRow, ...]
    also: tuple[str, ...] = ()
    """Markers of other records that this one holds too."""

    @cached_property
    def first(self) -> IntentRow:
        """The intent whose marker the record carries: the one that creates it, else the oldest."""
        return next((row for row in self.members if row.target is None), self.members[0])

    @cached_property
    def target(self) -> str | None:
        """Our name of the object it updates; None when it creates one."""
        return None if any(row.target is None for row in self.members) else self.members[0].target

    @cached_property
    def fields(self) -> dict[str, Wanted]:
        """The newest value of each field, by event time; lists that are added to what is there are joined."""
        folded: dict[str, Wanted] = {}
        for row in sorted(self.members, key=lambda row: (row.cause_at, row.id)):
            for name, value in row.fields.items():
                before = folded.get(name)
                joins = before is not None and name.startswith(ADDED)
                newest = _joined(before.value, value) if before is not None and joins else value
                folded[name] = Wanted(value=newest, event_at=row.cause_at)
        return folded

    @cached_property
    def ours(self) -> frozenset[str]:
        """Fields to write even where a person changed them."""
        return frozenset().union(*(row.ours for row in self.members))

    @cached_property
    def if_blank(self) -> frozenset[str]:
        """Fields to write only where there is nothing: every intent that names one must say so."""
        strict = {name for row in self.members for name in row.fields.keys() - row.if_blank}
        return frozenset().union(*(row.if_blank for row in self.members)) - strict

    @cached_property
    def cause_at(self) -> datetime:
        """Event time of the newest fact in it."""
        return max(row.cause_at for row in self.members)

    @cached_property
    def replaces(self) -> bool:
        """True when what carries its key may hold another version of the same answer, also one forgotten here."""
        is_record = self.first.fold and self.first.kind is not WriteKind.CONTACT
        return is_record and any(row.version is not None for row in self.members)

    @cached_property
    def touches(self) -> frozenset[str]:
        """The objects nothing else may write meanwhile."""
        return frozenset().union(*(row.touches for row in self.members))

    @cached_property
    def limit(self) -> int | None:
        """The largest batch it may travel in."""
        return min((row.batch_limit for row in self.members if row.batch_limit is not None), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Records of one kind that can be one request."""

    kind: WriteKind
    records: tuple[Folded, ...]

    def is_due(self, now: datetime) -> bool:
        """Whether any of it has to leave; what only rides along waits when the batch it would ride in is full."""
        return any(row.not_before <= now for record in self.records for row in record.members)


def fold(
    rows: Sequence[IntentRow],
    *,
    busy: Collection[str],
    now: datetime,
    linger: timedelta = NO_LINGER,
    remote: Mapping[str, str] = NO_NAMES,
) -> list[Folded]:
    """Fold planned intents into records, most urgent first.

    Args:
        rows: planned intents of one account, most urgent first, then oldest.
        busy: objects with an open write; nothing that touches them is chosen.
        now: an intent is due when its `not_before` is not after it.
        linger: intents that would be due within this time ride along with due ones of their kind, unless they are
            waiting after a failed attempt.
        remote: object → id over there. Several names of one remote object (a recovery's ticket may be the ticket the
            survey was about) are one object here.
    """
    locked = {remote.get(name, name) for name in busy}
    ready = [row for row in rows if row.not_before <= now or _rides(row, now + linger)]
    groups: dict[tuple[str, WriteKind], list[IntentRow]] = {}
    order: list[list[IntentRow]] = []
    taken: dict[str, list[IntentRow]] = {}
    for row in ready:
        touched = {remote.get(name, name) for name in row.touches}
        if touched & locked:
            continue
        group = groups.get((row.object, row.kind)) if row.fold else None
        owners = {id(taken[name]) for name in touched if name in taken}
        if owners - {id(group)}:
            continue  # an older or more urgent intent has the object; its turn comes after
        if group is None:
            group = []
            order.append(group)
            if row.fold:
                groups[row.object, row.kind] = group
        group.append(row)
        taken.update(dict.fromkeys(touched, group))
    due_kinds = {row.kind for group in order for row in group if row.not_before <= now}
    return [
        Folded(members=tuple(sorted(group, key=lambda row: row.id))) for group in order if group[0].kind in due_kinds
    ]


def pack(
    records: Sequence[Folded],
    *,
    largest: Callable[[WriteKind], int],
    mixed: Callable[[WriteKind], bool] = lambda _: True,
) -> list[Batch]:
    """Put records of a kind into batches of at most `largest(kind)`, and of the records' own limits.

    Creates and updates of a kind travel apart unless they are `mixed(kind)`. The order of the batches is that of their
    most urgent records.
    """
    batches: list[Batch] = []
    waiting: dict[tuple[WriteKind, int, bool], list[Folded]] = {}
    places: dict[tuple[WriteKind, int, bool], int] = {}
    full: list[tuple[int, Batch]] = []
    for place, record in enumerate(records):
        kind = record.first.kind
        size = min(largest(kind), record.limit or largest(kind))
        company = (kind, size, record.target is None or mixed(kind))
        heap = waiting.setdefault(company, [])
        places.setdefault(company, place)
        heap.append(record)
        if len(heap) == size:
            full.append((places.pop(company), Batch(kind=kind, records=tuple(heap))))
            del waiting[company]
    full.extend((places[key], Batch(kind=key[0], records=tuple(heap))) for key, heap in waiting.items())
    batches.extend(batch for _, batch in sorted(full, key=lambda entry: entry[0]))
    return batches


def must_ask(
    record: Folded, promise: Promise, *, now: datetime, started_at: datetime, short: timedelta = timedelta(seconds=60)
) -> bool:
    """Whether to look for the record before it is sent for the first time; see decision 004.

    A repeat that the vendor itself makes harmless needs no look, nor does one it recognises by its key.

    Args:
        record: about to be sent.
        promise: what its adapter promises for the kind.
        now: the current instant.
        started_at: when this process first took the lane; what was planned before may have been sent by a store of
            which ours is an old copy.
        short: how old the cause of a keyless create may be without being looked for.
    """
    row = record.first
    if not row.adds or not promise.can_ask:
        return False
    if row.ask_first or promise.ask_first:
        return True
    if promise.native:
        return False
    age = now - min(member.cause_at for member in record.members)
    if promise.key_window is not None:
        return age > safe_window(promise.key_window)
    return age > short or min(member.planned_at for member in record.members) < started_at


def safe_window(key_window: timedelta) -> timedelta:
    """How long a key is relied on: a tenth less than the vendor says, for clocks that differ and slow calls."""
    return key_window * 0.9


def may_look_at(record: Folded, promise: Promise, *, started_at: datetime) -> datetime:
    """When a look can be believed: by then whatever a process before this one sent is committed and visible."""
    if promise.native:
        return started_at
    if min(member.planned_at for member in record.members) < started_at:
        return started_at + promise.settle + promise.lookup_lag
    return started_at + promise.lookup_lag


def _rides(row: IntentRow, until: datetime) -> bool:
    return row.attempts == 0 and row.not_before <= until


def _joined(before: Json, value: Json) -> Json:
    if not isinstance(before, list) or not isinstance(value, list):
        return value
    return [*before, *(entry for entry in value if entry not in before)]
