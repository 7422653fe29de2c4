"""What would be written if the write lanes went live now, gathered while they run on a copy of the store.

Nothing here decides what is sent: the lanes do, with the same code as in a live run. This notes it down in words a
person can check: each field with the value it has there as far as we know, what is left alone and why, and what nobody
can know before it happens.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, cast

from connector.domain.model.intent import IntentState, Item, Json, Receipt, WriteKind, references, resolve
from connector.domain.model.transitions import OPEN
from connector.store import confirmed, contacts, intents, receipts, responses, tickets, writing
from connector.store.intents import IntentRow
from connector.store.transaction import Transaction
from connector.store.writing import Left
from connector.sync.explain import waits
from connector.sync.folding import Folded
from connector.sync.preparing import LOOKED_AT
from connector.sync.riding import riders_of
from connector.sync.standing_in import Invented, StandIn

PAUSED: Final = "an operator paused the connection"
LOOKED: Final = "it is only made when it is not there yet"
AWAITED: Final = "names a record whose id or address is only known once it exists"
UNSEEN: Final = "the ticket was never read: one that is solved or closed by then is followed up or left alone"
READ_AGAIN: Final = (
    "the ticket is read just before: one that was solved or closed meanwhile is followed up or left alone"
)


class Known(StrEnum):
    """How well we know what a field holds there now."""

    NEW = "new"
    """The record does not exist yet."""
    CONFIRMED = "confirmed"
    """The last value the account confirmed to us."""
    THEIRS = "theirs"
    """A person set it since."""
    READ = "read"
    """As the account's feed last reported it."""
    UNKNOWN = "unknown"
    """A write of it was never answered, or it was never read."""
    ADDED = "added"
    """The value is added to what is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One field: `before` means something where it is `known` as confirmed, theirs or read."""

    field: str
    value: Json
    before: Json
    known: Known


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedWrite:
    """One record that would be written.

    `object` and `target` are our names, `remote_id` the id it has there, None where it has none yet. `at`: when it
    would leave. `answers` are the keys of the answers behind it, `intents` the numbers `connector outbox` knows, as far
    as they exist already. `left_alone`: fields that are not written, and why. `unsure`: what cannot be previewed.
    What only exists later is spelled `‹id of …›` or `‹address of …›`.
    """

    account: str
    kind: WriteKind
    object: str
    target: str | None
    remote_id: str | None
    at: datetime
    answers: tuple[str, ...]
    intents: tuple[int, ...]
    changes: tuple[Change, ...]
    left_alone: Mapping[str, str]
    unsure: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotSent:
    """One intent that would not be sent, where it would stand instead, and why."""

    account: str
    kind: WriteKind
    object: str
    state: IntentState
    why: str
    answer: str | None
    intent: int | None


@dataclass(slots=True)
class Recorder:
    """Notes down what the lanes freeze. `last_real` is the highest number of an intent of the real store."""

    invented: Invented
    last_real: int
    unseen: Mapping[str, Collection[str]]
    writes: list[PlannedWrite] = field(default_factory=list)

    def of(self, stand_in: StandIn) -> Callable[[Transaction, WriteKind, Sequence[tuple[Folded, Left, Item]]], None]:
        """The `on_frozen` of one account's lane."""

        def note(tx: Transaction, kind: WriteKind, parts: Sequence[tuple[Folded, Left, Item]]) -> None:
            self.writes += [self._planned(tx, stand_in, kind, part) for part in parts]

        return note

    def _planned(
        self, tx: Transaction, stand_in: StandIn, kind: WriteKind, part: tuple[Folded, Left, Item]
    ) -> PlannedWrite:
        record, left, item = part
        remote_id = None if item.target is None or item.target in self.invented.ids else item.target
        known = receipts.of_objects(tx, references([want.value for want in left.fields.values()]))
        spelled = {name: self._spelled(name, one) for name, one in known.items()}
        values = {
            name: resolve(left.fields[name].value, spelled) if name in left.fields else value
            for name, value in item.fields.items()
        }
        return PlannedWrite(
            account=stand_in.account,
            kind=kind,
            object=record.first.object,
            target=record.target,
            remote_id=remote_id,
            at=tx.now,
            answers=_answers(tx, [*record.members, *riders_of(record)]),
            intents=tuple(row.id for row in (*record.members, *riders_of(record)) if row.id <= self.last_real),
            changes=tuple(_changes(tx, stand_in.account, record, remote_id, values)),
            left_alone=dict(left.left_out),
            unsure=tuple(self._unsure(stand_in, kind, item, remote_id, awaits=spelled != known)),
        )

    def _spelled(self, name: str, known: Receipt) -> Receipt:
        """What an object is called there, with whatever was invented spelled out."""
        return Receipt(
            remote_id=f"‹id of {name}›" if known.remote_id in self.invented.ids else known.remote_id,
            url=f"‹address of {name}›" if self.invented.made(known.url) else known.url,
        )

    def _unsure(
        self, stand_in: StandIn, kind: WriteKind, item: Item, remote_id: str | None, *, awaits: bool
    ) -> Iterator[str]:
        # A contact is looked for, or the vendor refuses a second one: either way one that is there is taken.
        if item.key in stand_in.looked or (kind is WriteKind.CONTACT and item.target is None):
            yield LOOKED
        if awaits or (item.target is not None and remote_id is None):
            yield AWAITED
        unseen = self.unseen.get(stand_in.account)
        if unseen is not None and remote_id is not None and kind in LOOKED_AT:
            yield UNSEEN if remote_id in unseen else READ_AGAIN


def _answers(tx: Transaction, rows: Sequence[IntentRow]) -> tuple[str, ...]:
    ids = sorted({row.response_id for row in rows if row.response_id is not None})
    return tuple(responses.key_of(tx, each) for each in ids)


def _changes(
    tx: Transaction, account: str, record: Folded, remote_id: str | None, values: Mapping[str, Json]
) -> Iterator[Change]:
    kind, exists = record.first.kind, record.target is not None
    ours = confirmed.of(tx, account, record.first.about) if exists else {}
    read = _read(tx, account, kind, remote_id)
    tracked = writing.tracked(kind, values)
    for name, value in values.items():
        if not exists:
            before, known = None, Known.NEW
        elif name not in tracked:
            before, known = None, Known.ADDED
        elif name in ours:
            one = ours[name]
            known = Known.UNKNOWN if not one.known else Known.THEIRS if one.theirs else Known.CONFIRMED
            before = one.value if one.known else None
        else:
            before, known = (read[name], Known.READ) if name in read else (None, Known.UNKNOWN)
        yield Change(field=name, value=value, before=before, known=known)


def _read(tx: Transaction, account: str, kind: WriteKind, remote_id: str | None) -> Mapping[str, Json]:
    """What the account's feed last said about the object, where there is one."""
    if remote_id is None:
        return {}
    if kind in {WriteKind.NOTE, WriteKind.TICKET_UPDATE}:
        ticket = tickets.get(tx, account, remote_id)
        return {} if ticket is None else {**ticket.values, "status": ticket.status}
    if kind in {WriteKind.CONTACT, WriteKind.CONTACT_FIELDS}:
        contact = contacts.get(tx, account, remote_id)
        return {} if contact is None else cast("Mapping[str, Json]", contact.values)
    return {}


def not_sent(tx: Transaction, left_alone: Collection[str], *, since: datetime, last_real: int) -> list[NotSent]:
    """What was not sent by now: still waiting, or ended otherwise after `since`. `left_alone` are paused accounts."""
    return [
        NotSent(
            account=row.account,
            kind=row.kind,
            object=row.object,
            state=row.state,
            why=PAUSED if row.account in left_alone else _why(tx, row),
            answer=None if row.response_id is None else responses.key_of(tx, row.response_id),
            intent=row.id if row.id <= last_real else None,
        )
        for row in intents.unconfirmed(tx, since=since)
    ]


def _why(tx: Transaction, row: IntentRow) -> str:
    if row.state is IntentState.BLOCKED:
        failed = (row.reason or "").partition(", which was ")[2]
        return waits(tx, row) + (f", which was {failed}" if failed else "")
    if row.state is IntentState.PLANNED:
        return row.reason or "it is not due yet"
    if row.state in OPEN:
        return "sent before; what became of it is found out by asking"
    if row.state is IntentState.SUPERSEDED and (row.reason or "").startswith("replaced by "):
        return "a newer one takes its place"
    return _in_words(row.reason or row.state.value)


def _in_words(reason: str) -> str:
    """A reason without the names objects have in our store, and without what the state says already."""
    said, waited, objects = reason.removeprefix("too old; ").partition("waits for ")
    if not waited:
        return said
    awaited = {
        "the contact": any("/contact@" in name for name in objects.split(", ")),
        "the ticket": any("/ticket/" in name for name in objects.split(", ")),
    }
    return f"{said}waited for {' and '.join(name for name, is_so in awaited.items() if is_so) or 'another write'}"
