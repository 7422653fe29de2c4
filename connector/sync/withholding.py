"""A look at a message to a customer just before it is sent: people opt out, take back their consent, are erased."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from connector.domain.matching.canonical import canonical_email
from connector.domain.model.intent import Intent, Item, WriteKind
from connector.domain.model.recovery import RecoveryState
from connector.domain.recovery.night import awake_from
from connector.store import follow_ups, history, intents, recoveries, responses, runs
from connector.store.database import Database
from connector.store.follow_ups import SURVEY
from connector.store.intents import IntentRow
from connector.store.transaction import Transaction
from connector.sync.messages import CALL_BACK, unwanted
from connector.sync.outlet import Replan
from connector.sync.recall import recall
from connector.sync.settings import DecideSettings

OBSERVED: Final = "planned while only observing: a customer is not written to about that time"
NIGHT: Final = "it is night there: it waits for the morning"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageLook:
    """The `prepare` of a write lane that sends messages to customers; anything else goes as planned."""

    db: Database
    settings: Callable[[], DecideSettings]

    def __call__(self, kind: WriteKind, items: Sequence[Item]) -> Sequence[Item | Replan]:
        """Decide for each item."""
        if kind is not WriteKind.MESSAGE:
            return items
        settings = self.settings()
        with self.db.read() as tx:
            return [_look(tx, item, settings) for item in items]


def _look(tx: Transaction, item: Item, settings: DecideSettings) -> Item | Replan:
    row = intents.by_key(tx, item.intent)
    if row is None:
        return item
    why = _why_not(tx, row, settings)
    if why is not None:
        return Replan(reason=why, then=partial(_withdraw, row=row, why=why))
    leaves = awake_from(tx.now, settings.messages.night, settings.time_zone)
    if leaves > tx.now:
        return Replan(reason=NIGHT, intents=(_in_the_morning(tx, row, leaves),))
    return item


def _why_not(tx: Transaction, row: IntentRow, settings: DecideSettings) -> str | None:
    """Why it must not be sent any more; None when it may."""
    email = canonical_email(str(row.fields.get("to") or ""))
    if email is None:
        return "no e-mail address is known"
    why = unwanted(tx, email)
    if why is None and runs.was_observing(tx, row.run_id):
        why = OBSERVED
    if why is None and row.response_id is not None:
        latest = responses.get(tx, row.response_id)
        if latest is None or latest.response.consent is False:
            why = "they do not want to be contacted"
    return why or _overtaken(tx, row, settings)


def _overtaken(tx: Transaction, row: IntentRow, settings: DecideSettings) -> str | None:
    """What happened to the recovery that makes the message wrong."""
    recovery = None if row.recovery_id is None else recoveries.get(tx, row.recovery_id)
    sent = next((one for one in follow_ups.of(tx, row.recovery_id or 0) if one.intent_key == row.record), None)
    if recovery is None or sent is None:
        return None
    is_open = recovery.state is RecoveryState.OPEN
    if sent.kind == SURVEY:
        return "the recovery goes on" if is_open else None
    if sent.kind == CALL_BACK and not is_open:
        return "the recovery is closed: nobody calls any more"
    if row.response_id is not None:
        latest = responses.get(tx, row.response_id)
        if latest is not None and not recall(tx, latest, settings).verdict.unhappy:
            return "the answer was edited to a happy one"
    return None


def _withdraw(tx: Transaction, *, row: IntentRow, why: str) -> None:
    follow_ups.withdraw(tx, row.record)
    history.append(
        tx,
        "message_withheld",
        response_id=row.response_id,
        person_id=row.person_id,
        recovery_id=row.recovery_id,
        intent_id=row.id,
        detail={"reason": why},
    )


def _in_the_morning(tx: Transaction, row: IntentRow, leaves: datetime) -> Intent:
    """The same message once more, which takes the place of the one that came due at night."""
    key = None if row.response_id is None else responses.key_of(tx, row.response_id)
    return Intent(
        key=f"{row.record}/{leaves:%Y%m%d}",
        record=row.record,  # so that it is the same mail to whoever compares
        account=row.account,
        kind=row.kind,
        object=row.object,
        fields=row.fields,
        cause_at=row.cause_at,
        not_before=leaves,
        give_up_at=max(row.give_up_at, leaves + (row.give_up_at - row.not_before)),
        person_id=row.person_id,
        recovery_id=row.recovery_id,
        response_key=key,
        version=row.version,
        run_id=row.run_id,
    )
