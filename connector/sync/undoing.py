"""What taking a run back comes to: for each thing it wrote, the intent that undoes it, or why nothing can be done.

Everything goes through the outbox like any other intent, under keys that are the same however often it is planned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from connector.domain.model.intent import NOTES, Intent, Json, Priority, WriteKind
from connector.ports.taking_back import Retractable
from connector.store import confirmed, intents, priors, receipts, responses, undoings
from connector.store.intents import IntentRow
from connector.store.priors import UNDO, Prior, Touched
from connector.store.receipts import Thing
from connector.store.transaction import Transaction
from connector.sync.playbook import NO_SURVEY

BATCH: Final = 100
PATIENCE: Final = timedelta(days=14)
CLOSE: Final = "close"
"""The word in the key of the note that also solves the ticket, unless somebody works on it."""
_ON_TICKETS: Final = frozenset({WriteKind.NOTE, WriteKind.TICKET_UPDATE})
_OF_ISSUES: Final = frozenset({WriteKind.ISSUE, WriteKind.ISSUE_STATE, WriteKind.ISSUE_NOTE})
_OURS: Final = "csat"
_AS_IT_WAS: Final = {"new": "open"}  # a helpdesk takes no ticket back to new


class What(StrEnum):
    """What is done about one object, in the words of the command."""

    RESTORE = "fields restored"
    CLOSE = "tickets closed"
    ISSUE = "issues closed"
    NOTE = "notes corrected"
    RETRACT = "records withdrawn"
    MESSAGE = "messages withdrawn"
    LEAVE = "left as it is"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One object. Without `intent` nothing is written, and `why` says why."""

    what: What
    account: str
    object: str
    intent: Intent | None = None
    fields: tuple[str, ...] = ()
    why: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """One run to be taken back. `retractable` are the writers, by account, that can take their records back."""

    run_id: int
    retractable: Mapping[str, Retractable]

    @property
    def title(self) -> str:
        """What records say that count for nothing any more."""
        return f"Undone with run {self.run_id}"

    def key(self, word: str, of: str) -> str:
        """The key of an intent of this undoing."""
        return f"{UNDO}{self.run_id}/{word}/{of}"

    def steps(self, tx: Transaction) -> Iterator[Step]:
        """Everything there is to do about what the run wrote, in the order in which it is done."""
        after = 0
        while rows := undoings.confirmed_after(tx, self.run_id, after, BATCH):
            yield from self.about(tx, rows)
            after = rows[-1].id
        place = ("", "")
        while names := priors.objects(tx, self.run_id, after=place, limit=BATCH):
            for account, name in names:
                yield from self.restoring(tx, account, name)
            place = names[-1]

    def about(self, tx: Transaction, rows: Sequence[IntentRow]) -> Iterator[Step]:
        """What is done about objects that some confirmed intents of the run created, and about its notes."""
        for row in rows:
            if row.kind in NOTES:
                yield from self._note(tx, row)
            elif row.kind is WriteKind.ISSUE and row.target is None:
                yield from self._issue(tx, row)
            elif row.target is None:
                yield self._created(tx, row)

    def _created(self, tx: Transaction, row: IntentRow) -> Step:
        if row.kind is WriteKind.CONTACT:
            return _left(row, "a contact was made or found there; it may be in use by now")
        if row.kind is WriteKind.TICKET:
            text = (
                f"{self.title}: this ticket was opened by mistake. Nothing needs to be done about it; it is closed "
                "unless somebody works on it."
            )
            changes: dict[str, Json] = {"text": text, "status": "solved", "add_tags": [NO_SURVEY]}
            return self._noted(tx, row, self.key(CLOSE, row.key), What.CLOSE, changes, row.object)
        if row.kind is WriteKind.ALERT:
            text = f"{self.title}, please disregard: {row.fields.get('text') or ''}"
            changes = {**row.fields, "text": text}
            message = self._intent(tx, row, self.key("message", row.key), row.kind, changes, row.object)
            return Step(what=What.MESSAGE, account=row.account, object=row.object, intent=message)
        writer = self.retractable.get(row.account)
        changed = {} if writer is None else writer.retract(row.kind, row.fields, self.title)
        if not changed:
            return _left(row, "it cannot be taken back there")
        intent = self._intent(tx, row, self.key("retract", row.key), row.kind, changed, row.object)
        return Step(what=What.RETRACT, account=row.account, object=row.object, intent=intent)

    def _issue(self, tx: Transaction, row: IntentRow) -> Iterator[Step]:
        """An issue says why it counts for nothing and is closed, unless somebody changed its state meanwhile."""
        text = f"{self.title}: this issue was opened by mistake. Nothing needs to be done about it."
        key = self.key("note", row.key)
        yield self._noted(tx, row, key, What.NOTE, {"text": text}, row.object, WriteKind.ISSUE_NOTE)
        key = self.key(CLOSE, row.key)
        closing = self._intent(tx, row, key, WriteKind.ISSUE_STATE, {"state": "closed"}, row.object)
        yield Step(what=What.ISSUE, account=row.account, object=row.object, intent=closing)

    def _note(self, tx: Transaction, row: IntentRow) -> Iterator[Step]:
        """A note cannot be taken away: another one corrects it. On a ticket that is closed anyway that says enough."""
        ticket = row.target or row.object
        there = receipts.of_objects(tx, [ticket]).get(ticket)
        thing = Thing.TICKET if row.kind is WriteKind.NOTE else Thing.ISSUE
        if there is None:
            yield _left(row, "its ticket is gone")
        elif not undoings.made(tx, self.run_id, receipts.named(tx, row.account, thing, there.remote_id)):
            text = f"{self.title}: what the connector wrote here then was a mistake, please disregard it."
            key = self.key("note", f"{row.account}/{there.remote_id}")  # one for all notes on the ticket
            yield self._noted(tx, row, key, What.NOTE, {"text": text}, ticket, row.kind)

    def restoring(self, tx: Transaction, account: str, name: str) -> Iterator[Step]:
        """What is done about the fields of an object that existed before, or that the run wrote to later."""
        rows = [row for row in intents.touching(tx, account, name) if row.run_id == self.run_id]
        if {row.kind for row in rows} - {WriteKind.CONTACT_FIELDS} and undoings.made(tx, self.run_id, [name]):
            return  # taken back as a whole
        held = priors.touched(tx, self.run_id, account, name)
        ours = frozenset().union(*(row.ours for row in rows))
        back, left = _sorted_out(held, confirmed.of(tx, account, name), ours)
        for why, fields in left.items():
            yield Step(what=What.LEAVE, account=account, object=name, fields=tuple(fields), why=why)
        if back and not receipts.of_objects(tx, [name]):
            yield _left(rows[0], "it is gone")
        elif back:
            # As old as the newest of the run's facts: what anybody wrote on a newer one stays.
            row = max((row for row in rows if row.about == name), key=lambda row: row.cause_at)
            kind = WriteKind.TICKET_UPDATE if row.kind in _ON_TICKETS else row.kind
            for part, fields in _requests(kind, back).items():
                key = self.key("restore" if part is kind else f"restore {part}", f"{account}/{name}")
                intent = self._intent(tx, row, key, part, {one: _value(one, back[one]) for one in fields}, name)
                yield Step(what=What.RESTORE, account=account, object=name, intent=intent, fields=tuple(fields))

    def _noted(
        self,
        tx: Transaction,
        row: IntentRow,
        key: str,
        what: What,
        fields: Mapping[str, Json],
        ticket: str,
        kind: WriteKind = WriteKind.NOTE,
    ) -> Step:
        note = self._intent(tx, row, key, kind, fields, ticket)
        return Step(what=what, account=row.account, object=ticket, intent=note)

    def _intent(
        self, tx: Transaction, row: IntentRow, key: str, kind: WriteKind, fields: Mapping[str, Json], target: str
    ) -> Intent:
        """An intent on `target`, which `row` had an effect on. A note is news, all else is as old as its fact."""
        is_note = kind in NOTES
        return Intent(
            key=key,
            account=row.account,
            kind=kind,
            object=key if is_note else target,
            target=target,
            record=None if is_note or kind is not row.kind else row.record,
            fields=fields,
            cause_at=tx.now if is_note else row.cause_at,
            not_before=tx.now,
            give_up_at=tx.now + PATIENCE,
            priority=Priority.RECOVERY,
            person_id=row.person_id,
            response_key=None if row.response_id is None else responses.key_of(tx, row.response_id),
            version=row.version,
        )


def _sorted_out(
    held: Touched, now: Mapping[str, confirmed.Confirmed], ours: frozenset[str]
) -> tuple[dict[str, Prior], dict[str, list[str]]]:
    """Which fields go back to what they held, and which stay as they are, by the reason."""
    back: dict[str, Prior] = {}
    left: dict[str, list[str]] = {}
    for name, prior in sorted(held.fields.items()):
        there = now.get(name)
        if name in held.again:
            left.setdefault("written again since", []).append(name)
        elif there is not None and there.theirs:
            left.setdefault("a person changed it since", []).append(name)
        elif prior.known:
            back[name] = prior
        elif name in ours or name.casefold().startswith(_OURS):
            back[name] = Prior(known=True, value=None, event_at=prior.event_at)
        else:
            left.setdefault("nobody knows what it held before", []).append(name)
    return back, left


def _requests(kind: WriteKind, back: Mapping[str, Prior]) -> dict[WriteKind, list[str]]:
    """Which fields go back with which kind of write: an issue's state is one, all else of it another."""
    found: dict[WriteKind, list[str]] = {}
    for name in sorted(back):
        part = kind
        if kind in _OF_ISSUES:
            part = WriteKind.ISSUE_STATE if name == "state" else WriteKind.ISSUE
        found.setdefault(part, []).append(name)
    return found


def _value(name: str, prior: Prior) -> Json:
    return _AS_IT_WAS.get(str(prior.value), prior.value) if name == "status" else prior.value


def _left(row: IntentRow, why: str) -> Step:
    return Step(what=What.LEAVE, account=row.account, object=row.object, why=why)
