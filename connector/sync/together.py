"""Messages to one place that waited for the morning go out as one, that lists them.

Nothing is planned for it: each keeps its intent and gets the one receipt, as everything does that folds into a record.
So whatever happens to one before (its person is erased, its answer edited, it grows too old) needs no second home.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final

from connector.domain.model.intent import IntentState, WriteKind, references
from connector.domain.model.transitions import OPEN
from connector.store import intents, queue, receipts
from connector.store.intents import IntentRow
from connector.store.transaction import Transaction
from connector.store.writing import Wanted
from connector.sync import digest
from connector.sync.folding import Batch, Folded
from connector.sync.outlet import Outlet
from connector.sync.quiet import was_kept_back

ROOM: Final = 2400
"""Characters of texts in one message: what a chat shows uncut, with room for the addresses of their tickets."""
_SAID: Final = frozenset({IntentState.PLANNED, IntentState.CONFIRMED, *OPEN})


@dataclass(frozen=True, kw_only=True)
class Together(Folded):
    """One message that holds several; `lines` are their texts, `also` the markers of those it is not named after."""

    lines: tuple[str, ...]

    @cached_property
    def fields(self) -> dict[str, Wanted]:
        """Where it goes, and the texts as a list. It is as old as what it is named after, whose later edits win."""
        first = {name: Wanted(value=value, event_at=self.first.cause_at) for name, value in self.first.fields.items()}
        return {**first, "text": Wanted(value=listed(self.lines), event_at=self.first.cause_at)}


def listed(lines: Sequence[str]) -> str:
    """Several texts as one; one is itself."""
    if len(lines) == 1:
        return lines[0]
    indented = (line.replace("\n", "\n  ") for line in lines)
    return "\n".join([f"{len(lines)} messages that waited for the morning:", *(f"• {line}" for line in indented)])


def with_company(tx: Transaction, outlet: Outlet, rows: Sequence[IntentRow]) -> Sequence[IntentRow]:
    """The rows, and with what waited for the morning everything that goes out with it: all of it, or it is not one."""
    if not any(was_kept_back(row, outlet.limits) for row in rows):
        return rows
    known = {row.id for row in rows}
    others = [kind for kind in WriteKind if kind is not WriteKind.ALERT]
    due = queue.due(tx, outlet.account, tx.now, but=others)
    return [*rows, *(row for row in due if row.id not in known and _may_join(row, outlet))]


def _may_join(row: IntentRow, outlet: Outlet) -> bool:
    is_new = row.kind is WriteKind.ALERT and row.target is None
    # What was refused together is tried alone from then on: only so it is known what of it is wrong.
    return (
        is_new
        and row.batch_limit is None
        and (was_kept_back(row, outlet.limits) or row.object.startswith(digest.OBJECT))
    )


def put_together(
    tx: Transaction, outlet: Outlet, unseen: Sequence[Folded], looks: Sequence[Folded], ready: Sequence[Folded]
) -> tuple[list[Batch], list[Folded], list[Folded]]:
    """Make one record of those that go to one place together, as soon as it is known of all that they are not there.

    Args:
        tx: a transaction; nothing joins before its time.
        outlet: the account.
        unseen: records that have to be looked for, later.
        looks: records to look for now.
        ready: records to send now.

    Returns:
        What of `looks` is looked for at once, since it goes together; the rest of `looks`; what is sent.
    """
    joins = _joins(tx, outlet, [*unseen, *looks, *ready])
    late = {joins[id(record)] for record in unseen if id(record) in joins}
    asked: dict[str, list[Folded]] = {}
    leaving: dict[str, list[Folded]] = {}
    for record in looks:
        if (name := joins.get(id(record))) is not None and name not in late:
            asked.setdefault(name, []).append(record)
    sent: list[Folded | str] = []
    for record in ready:
        name = joins.get(id(record))
        if name is None:
            sent.append(record)
        elif name not in late and name not in asked:
            if name not in leaving:
                sent.append(name)
            leaving.setdefault(name, []).append(record)
    return (
        [Batch(kind=WriteKind.ALERT, records=tuple(records)) for records in asked.values()],
        [record for record in looks if id(record) not in joins],
        [one for entry in sent for one in ([entry] if isinstance(entry, Folded) else _joined(leaving[entry]))],
    )


def _joins(tx: Transaction, outlet: Outlet, records: Sequence[Folded]) -> dict[int, str]:
    """Where each record that joins others goes. One that names a thing which is gone by now waits for it by itself."""
    may = [one for one in records if all(_may_join(row, outlet) and row.not_before <= tx.now for row in one.members)]
    named = {id(one): references(one.fields["text"].value) for one in may}
    known = receipts.of_objects(tx, frozenset().union(*named.values())).keys()
    companies: dict[str, list[Folded]] = {}
    for one in may:
        if named[id(one)] <= known:
            companies.setdefault(_channel(one), []).append(one)
    return {id(one): name for name, ones in companies.items() if _go_together(ones, outlet) for one in ones}


def _go_together(records: Sequence[Folded], outlet: Outlet) -> bool:
    return len(records) > 1 and any(was_kept_back(row, outlet.limits) for one in records for row in one.members)


def _channel(record: Folded) -> str:
    return str(record.fields["channel"].value)


def _joined(records: Sequence[Folded]) -> list[Folded]:
    """The records of one place as few, each with as much as it has room for; oldest first."""
    parts: list[list[Folded]] = []
    room = 0
    for record in sorted(records, key=lambda record: record.first.id):
        length = len(str(record.fields["text"].value))
        if not parts or length > room:
            parts.append([])
            room = ROOM
        parts[-1].append(record)
        room -= length
    return [part[0] if len(part) == 1 else _one(part) for part in parts]


def _one(records: Sequence[Folded]) -> Together:
    first, *others = records
    return Together(
        members=tuple(row for record in records for row in record.members),
        lines=tuple(str(record.fields["text"].value) for record in records),
        also=(*first.also, *(other.first.record for other in others)),
    )


def retold(tx: Transaction, outlet: Outlet, record: Folded) -> Folded:
    """What changes a message that holds others too says all of them again; anything else is as it was.

    Where messages cannot be asked for none is changed either: a mail is answered by another, that says what is new.
    """
    first = record.first
    if first.kind is not WriteKind.ALERT or record.target is None or not outlet.promise(first.kind).can_ask:
        return record
    names = receipts.companions(tx, record.target)
    if len(names) < 2:
        return record
    told = {name: intents.touching(tx, outlet.account, name) for name in names}
    lines = {name: _newest(rows, tx.now) for name, rows in told.items()}
    lines[first.about] = str(record.fields["text"].value) if "text" in record.fields else lines[first.about]
    return Together(
        members=record.members,
        lines=tuple(lines[name] for name in _by_age(told) if lines[name]),
        also=tuple(told[name][0].record for name in _by_age(told) if name != first.about),
    )


def _newest(rows: Sequence[IntentRow], now: datetime) -> str:
    """What a message says by now; nothing once its person is erased."""
    said = [row for row in rows if row.state in _SAID and row.not_before <= now and row.fields.get("text")]
    return str(max(said, key=lambda row: (row.cause_at, row.id)).fields["text"]) if said else ""


def _by_age(told: Mapping[str, Sequence[IntentRow]]) -> list[str]:
    return sorted((name for name, rows in told.items() if rows), key=lambda name: told[name][0].id)
