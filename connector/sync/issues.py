"""The lane that reads how a tracker's issues stand: tickets hear of the closed ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from connector.domain import defects as rules
from connector.domain.model.intent import FINAL_STATES, Intent, Json, Priority, WriteKind
from connector.domain.model.recovery import Recovery, RecoveryState
from connector.errors import RemoteError
from connector.ports.tracking import Issue, Issues
from connector.store import defects, history, intents, outbox, quotas, recoveries
from connector.store.database import Database
from connector.store.defects import Defect, DefectState
from connector.store.receipts import Thing
from connector.store.transaction import Transaction
from connector.sync import names
from connector.sync.defects import write_anew
from connector.sync.lane import LaneHold
from connector.sync.mirroring import observed
from connector.sync.planning import PATIENCE
from connector.sync.poll import later
from connector.sync.quota import grant
from connector.sync.settings import DecideSettings, TicketStep
from connector.sync.work import book_of

EVERY: Final = timedelta(minutes=5)
MOST: Final = 20
"""Issues read in one turn, one call each."""
AGAIN: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuesPoll:
    """Reads the issues one tracker holds for us. `every`: how long after it was read an issue is read again.

    `share` of the vendor's quota is ours, 0 to 1.
    """

    db: Database
    source: Issues
    settings: Callable[[], DecideSettings]
    every: timedelta = EVERY
    share: float = 1.0

    def drain(self, hold: LaneHold) -> datetime | None:
        """Write anew what has to be, and read what was not read for long; None while there are no issues."""
        settings, account, read_class = self.settings(), self.source.account, self.source.read_class
        with self.db.write() as tx:
            hold.confirm(tx)
            is_clean = write_anew(tx, settings, account)
            due = defects.to_read(tx, account, tx.now - self.every, MOST)
            allowed = grant(quotas.of(tx, account).get(read_class), share=self.share, now=tx.now)
            if due and not allowed.calls:
                return allowed.at
            due = due[: allowed.calls]
            if due:
                quotas.spend(tx, account, read_class, len(due))
        read_at = self.db.clock.now()
        try:
            seen = self.source.read_issues([remote_id for _, remote_id in due]) if due else {}
        except RemoteError as error:
            return later(self.db, hold, error, account=account, read_class=read_class, what="issues", settings=settings)
        with self.db.write() as tx:
            hold.confirm(tx)
            for one, remote_id in due:
                take_issue(tx, one, remote_id, seen.get(remote_id), settings, read_at)
            return self._next(tx, is_clean=is_clean)

    def _next(self, tx: Transaction, *, is_clean: bool) -> datetime | None:
        if not is_clean:
            return tx.now + AGAIN
        some, oldest = defects.next_read(tx, self.source.account)
        if not some:
            return None
        return tx.now + self.every if oldest is None else max(tx.now + timedelta(seconds=1), oldest + self.every)


def take_issue(
    tx: Transaction, one: Defect, remote_id: str, seen: Issue | None, settings: DecideSettings, read_at: datetime
) -> None:
    """A tracker reports one of our issues: what people changed is theirs; a closing is told to who waits for it."""
    defects.was_read(tx, one, tx.now)
    fresh = defects.of_object(tx, one.object)
    if fresh is None or fresh.state not in defects.LIVING or _is_changing(tx, fresh, read_at):
        return
    if seen is None:
        defects.end(tx, fresh, DefectState.GONE)
        history.append(tx, "defect_gone", detail={"account": fresh.account, "theme": fresh.theme, "issue": remote_id})
        return
    observed(tx, fresh.account, Thing.ISSUE, remote_id, {"title": seen.title, "state": seen.state}, read_at)
    if seen.state == "closed" and fresh.state is DefectState.OPEN:
        closed = defects.close(tx, fresh, seen.closed_at or read_at)
        if closed is None:
            return
        detail: dict[str, Json] = {"account": fresh.account, "theme": fresh.theme, "issue": remote_id}
        history.append(tx, "defect_closed", detail=detail)
        outbox.plan(tx, _told(tx, closed, seen, settings))
    elif seen.state == "open" and fresh.state is DefectState.CLOSED:
        defects.reopen(tx, fresh)


def _is_changing(tx: Transaction, one: Defect, read_at: datetime) -> bool:
    """Whether we are about to change its state, or did after it was read: what was read then says nothing."""
    rows = [row for row in intents.touching(tx, one.account, one.object) if row.kind is WriteKind.ISSUE_STATE]
    return any(row.state not in FINAL_STATES or (row.settled_at or read_at) > read_at for row in rows)


def _told(tx: Transaction, one: Defect, seen: Issue, settings: DecideSettings) -> list[Intent]:
    """One private note on the ticket of each open recovery that led to the issue."""
    found: Mapping[int, Recovery] = {
        recovery.id: recovery
        for mention in defects.mentions(tx, one.theme, one.since)
        if mention.response_id is not None
        for recovery in recoveries.of_response(tx, mention.response_id)
        if recovery.state is RecoveryState.OPEN
    }
    return [note for recovery in found.values() for note in _note(tx, one, recovery, seen, settings)]


def _note(tx: Transaction, one: Defect, recovery: Recovery, seen: Issue, settings: DecideSettings) -> list[Intent]:
    written = book_of(tx, recovery, settings).steps
    steps = [step for step in written if isinstance(step, TicketStep) and step.connection in settings.targets]
    ticket = names.ticket_object(recovery.id, recoveries.generation(tx, recovery.id))
    if not steps:
        return []
    target = settings.targets[steps[0].connection]
    if ticket not in outbox.receipts(tx, [ticket]) and not intents.is_on_its_way(tx, target.account, ticket):
        return []
    what = f"{one.object}/{one.closings}"
    ordinal = recoveries.ordinal(tx, recovery.id)
    tail = f"recovery/{ordinal}/{names.defect_key(tx, one.account, one.theme, one.episode)}/{one.closings}"
    return [
        Intent(
            key=names.answer_key(target.account, recovery.opened_by, tail),
            account=target.account,
            kind=WriteKind.NOTE,
            object=f"recovery/{recovery.id}/{what}",
            target=ticket,
            after=(ticket,),
            fields={"text": rules.closed(one.theme, seen.url)},
            # Whoever put an old copy of the store back may have been told of that closing before it was forgotten.
            cause_at=seen.closed_at or tx.now,
            not_before=tx.now + target.linger,
            give_up_at=tx.now + PATIENCE,
            priority=Priority.NORMAL,
            person_id=recovery.person_id,
        )
    ]
