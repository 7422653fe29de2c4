"""A look at what is about to be undone, just before: what a person changed meanwhile is theirs and stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from connector.domain.model.intent import Item, Json, WriteKind, references, resolve
from connector.ports import Ticket, Tickets, Writer
from connector.ports.taking_back import Attended, Retractable
from connector.store import confirmed, intents, priors, receipts
from connector.store.database import Database
from connector.store.intents import IntentRow
from connector.store.priors import UNDO
from connector.store.transaction import Transaction
from connector.sync.outlet import Prepare, Replan
from connector.sync.undoing import CLOSE

CHANGED: Final = "a person changed it since"
_DONE: Final = frozenset({"solved", "closed", "deleted"})
_WHOLE: Final = frozenset({WriteKind.TASK, WriteKind.ACTIVITY})
Ours = Mapping[str, Sequence[Json]]
"""What each field of an object may hold without anybody else having set it; what is not named is not looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoLook:
    """The `prepare` of a write lane: looks at what undoing is about, and leaves all else to `otherwise`."""

    db: Database
    writer: Writer
    otherwise: Prepare

    def __call__(self, kind: WriteKind, items: Sequence[Item]) -> Sequence[Item | Replan]:
        """Read the records once and decide for each item. Raises RemoteError when they cannot be read."""
        mine = [item for item in items if item.intent.startswith(UNDO)]
        if not mine:
            return self.otherwise(kind, items)
        rest = [item for item in items if not item.intent.startswith(UNDO)]
        done = dict(zip(map(id, rest), self.otherwise(kind, rest) if rest else (), strict=True))
        done |= dict(zip(map(id, mine), self._look(kind, mine), strict=True))
        return [done[id(item)] for item in items]

    def _look(self, kind: WriteKind, items: Sequence[Item]) -> Sequence[Item | Replan]:
        ids = sorted({item.target for item in items if item.target is not None})
        known = self._known(items)
        if isinstance(self.writer, Tickets):
            seen = self.writer.read_tickets(ids)
            closing = sorted({item.target or "" for item in items if _closes(item)} & seen.keys())
            worked = self.writer.worked_on(closing) if closing and isinstance(self.writer, Attended) else frozenset()
            return [_ticket(item, seen.get(item.target or ""), known[item.intent], worked) for item in items]
        if isinstance(self.writer, Retractable) and kind is not WriteKind.ALERT:
            whole = kind in _WHOLE
            names = {name for item in items for name in (known[item.intent] if whole else item.fields)}
            there = self.writer.read_records(kind, ids, sorted(names))
            return [_record(item, there.get(item.target or ""), known[item.intent], whole=whole) for item in items]
        return items

    def _known(self, items: Sequence[Item]) -> dict[str, Ours]:
        """What we wrote to the object of each item, by the item's intent."""
        found: dict[str, Ours] = {}
        with self.db.read() as tx:
            for item in items:
                row = intents.by_key(tx, item.intent)
                found[item.intent] = {} if row is None else _ours(tx, row)
        return found


def _ours(tx: Transaction, row: IntentRow) -> Ours:
    known = confirmed.of(tx, row.account, row.about)
    ours: dict[str, Sequence[Json]] = {name: [held.value] for name, held in known.items()}
    unknown = {name for name, held in known.items() if not held.known}
    if unknown:
        # A restored store, or a write that got no answer: what we ever wanted there is ours, all else is somebody's.
        forward = [one for one in intents.touching(tx, row.account, row.about) if not one.key.startswith(UNDO)]
        wanted = [(name, one.fields[name]) for one in forward for name in sorted(unknown & one.fields.keys())]
        there = receipts.of_objects(tx, frozenset().union(*(references(value) for _, value in wanted)))
        for name, value in wanted:
            if references(value) <= there.keys():
                ours[name] = [*ours[name], resolve(value, there)]
    run_id = int(row.key.split("/")[1])
    again = priors.touched(tx, run_id, row.account, row.about).again  # while this waited, a later run may have written
    return {**ours, **dict.fromkeys(again, ())}


def _closes(item: Item) -> bool:
    return item.intent.split("/")[2] == CLOSE


def _ticket(item: Item, ticket: Ticket | None, known: Ours, worked: frozenset[str]) -> Item | Replan:
    if ticket is None or ticket.status in {"closed", "deleted"}:
        return Replan(reason=f"the ticket is {ticket.status if ticket else 'gone'}")
    if _closes(item):
        ours = {"status": ticket.values.get("status"), "group": ticket.values.get("group")}
        is_theirs = ticket.id in worked or ticket.status in _DONE or not _holds(ours, known)
        return replace(item, fields={"text": item.fields["text"]}) if is_theirs else item
    return item if "text" in item.fields else _rest(item, ticket.values, known)


def _record(item: Item, there: Mapping[str, Json] | None, known: Ours, *, whole: bool) -> Item | Replan:
    if there is None:
        return Replan(reason="it is gone")
    if whole:
        return item if _holds(there, known) else Replan(reason=CHANGED)
    return _rest(item, there, known)


def _rest(item: Item, there: Mapping[str, Json], known: Ours) -> Item | Replan:
    """The item with the fields that still hold what we wrote."""
    fields = {name: want for name, want in item.fields.items() if _holds({name: there.get(name)}, known)}
    return replace(item, fields=fields) if fields else Replan(reason=CHANGED)


def _holds(there: Mapping[str, Json], known: Ours) -> bool:
    """Whether nobody set any of these fields to something else than what we wrote."""
    return all(name not in known or any(same(ours, value) for ours in known[name]) for name, value in there.items())


def same(ours: Json, theirs: Json) -> bool:
    """Whether a vendor's spelling of a value is the value we wrote: blanks, numbers, instants and markers differ."""
    if ours == theirs or (ours in (None, "") and theirs in (None, "")):
        return True
    if isinstance(ours, str) and isinstance(theirs, str):
        first, second = _instant(ours), _instant(theirs)
        if first is not None and second is not None:
            return first == second
        wrote, there = ours.split(), theirs.split()
        # The marker is the last line: what follows it is somebody's.
        return there == wrote or (there[:-2] == wrote and there[-2:-1] == ["csat-connector"])
    return False


def _instant(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
