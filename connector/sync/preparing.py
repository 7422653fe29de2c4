"""A look at tickets just before something is added to them: people may have solved or closed them meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from connector.domain.model.intent import Intent, Item, Json, Priority, WriteKind
from connector.domain.model.recovery import Recovery, RecoveryState
from connector.domain.recovery.opening import UNSOLVED, IfSolved, TicketMove, ticket_move
from connector.ports import Ticket
from connector.store import history, intents, recoveries, responses
from connector.store.database import Database
from connector.store.intents import IntentRow
from connector.store.transaction import Transaction
from connector.sync import names, playbook
from connector.sync.outlet import Replan
from connector.sync.planning import PATIENCE, Pace
from connector.sync.recall import recall
from connector.sync.settings import DecideSettings
from connector.sync.work import Work, work_on

LOOKED_AT = frozenset({WriteKind.NOTE, WriteKind.TICKET_UPDATE})
"""The kinds of write whose ticket is read just before."""


class TicketReader(Protocol):
    """Who knows how tickets stand."""

    def read_tickets(self, ids: Sequence[str]) -> Mapping[str, Ticket]:
        """The current state of some tickets, by id; a deleted one is absent. Raises RemoteError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketLook:
    """The `prepare` of a helpdesk's write lane."""

    db: Database
    tickets: TicketReader
    settings: Callable[[], DecideSettings]

    def __call__(self, kind: WriteKind, items: Sequence[Item]) -> Sequence[Item | Replan]:
        """Read the tickets once and decide for each item. Raises RemoteError when they cannot be read."""
        if kind not in LOOKED_AT:
            return items
        ids = sorted({item.target for item in items if item.target is not None})
        seen = self.tickets.read_tickets(ids) if ids else {}
        settings, followed = self.settings(), dict[int, int]()
        with self.db.read() as tx:
            return [_look(tx, item, seen, settings, followed) for item in items]


def _look(
    tx: Transaction, item: Item, seen: Mapping[str, Ticket], settings: DecideSettings, followed: dict[int, int]
) -> Item | Replan:
    row = intents.by_key(tx, item.key)
    ticket = seen.get(item.target or "")
    status = None if ticket is None else ticket.status
    if row is None or row.recovery_id is None:
        return item if status not in {None, "deleted", "closed"} else Replan(reason=f"the ticket is {status or 'gone'}")
    recovery = recoveries.get(tx, row.recovery_id)
    if recovery is None:
        return item
    work = _work(tx, row, recovery, settings)
    if work is None:
        return item
    opens = _opens(row)
    if row.kind is WriteKind.TICKET_UPDATE and status not in UNSOLVED:
        return Replan(reason=f"the ticket is {status or 'gone'}: nothing of it is urgent any more")
    move = ticket_move(status, IfSolved.REOPEN if opens else _if_solved(work))
    if move is TicketMove.NOTE:
        return item
    if (other := _another(tx, recovery)) is not None and row.kind is WriteKind.NOTE and not opens:
        return _with_another(tx, row, work, other)
    if move is TicketMove.REOPEN and _is_over(recovery) and _would_reopen(tx, recovery):
        return _with_its_ticket(row, work)
    if move is TicketMove.REOPEN:
        return item if "status" in item.fields else replace(item, fields={**item.fields, "status": "open"})
    of = ticket if move is TicketMove.FOLLOW_UP else None
    return _elsewhere(tx, row, work, of, opens=opens, followed=followed)


def _another(tx: Transaction, recovery: Recovery) -> Recovery | None:
    """Where the person is being won back by now, when that is no longer this recovery."""
    return recoveries.open_one(tx, recovery.person_id, recovery.playbook) if _is_over(recovery) else None


def _is_over(recovery: Recovery) -> bool:
    return recovery.state is RecoveryState.CLOSED


def _with_another(tx: Transaction, row: IntentRow, work: Work, other: Recovery) -> Replan:
    """Its recovery ended before the note was sent, and another began: a second ticket would win them back twice."""
    ticket = names.ticket_object(other.id, recoveries.generation(tx, other.id))
    again = _again(row, replace(work, recovery=other), ticket, "another", row.fields)
    return Replan(reason="its recovery is over, and another one is open: said there", intents=(again,))


def _would_reopen(tx: Transaction, recovery: Recovery) -> bool:
    return recoveries.open_one(tx, recovery.person_id, recovery.playbook) is None


def _with_its_ticket(row: IntentRow, work: Work) -> Replan:
    """The poll saw the ticket solved and closed the recovery before the note was sent: both are opened again."""
    current, fields = row.target, {**row.fields, "status": row.fields.get("status", "open")}
    assert current is not None
    return Replan(
        reason="its ticket was solved meanwhile: opened again",
        intents=(_again(row, work, current, "reopened", fields),),
        then=partial(_go_on_here, row=row, recovery_id=work.recovery.id),
    )


def _go_on_here(tx: Transaction, *, row: IntentRow, recovery_id: int) -> None:
    if recoveries.reopen(tx, recovery_id):
        _tell_reopened(tx, row, recovery_id)


def _tell_reopened(tx: Transaction, row: IntentRow, recovery_id: int) -> None:
    history.append(
        tx,
        "recovery_reopened",
        response_id=row.response_id,
        person_id=row.person_id,
        recovery_id=recovery_id,
        detail={"reason": "another answer came before its ticket was known to be solved"},
    )


def _opens(row: IntentRow) -> bool:
    """Whether the note is what the recovery begins with, on a ticket that is not ours."""
    return row.target is not None and row.target.startswith("ticket/")


def _if_solved(work: Work) -> IfSolved:
    found = work.ticket_step()
    return IfSolved.FOLLOW_UP if found is None else found[1].if_solved


def _work(tx: Transaction, row: IntentRow, recovery: Recovery, settings: DecideSettings) -> Work | None:
    if row.response_id is None:
        return None
    version = responses.get(tx, row.response_id, row.version)
    if version is None:
        return None
    pace = Pace(priority=Priority.RECOVERY, now=tx.now)
    return work_on(tx, recall(tx, version, settings), recovery, settings, pace)


def _elsewhere(
    tx: Transaction, row: IntentRow, work: Work, of: Ticket | None, *, opens: bool, followed: dict[int, int]
) -> Replan:
    """Go on in another ticket: the newest one the recovery has, else a follow-up."""
    recovery_id = work.recovery.id
    current = followed.get(recovery_id, recoveries.generation(tx, recovery_id))
    if not opens and row.target != names.ticket_object(recovery_id, current):
        newest = names.ticket_object(recovery_id, current)
        again = _again(row, work, newest, str(current), row.fields)
        return Replan(reason="its ticket was followed up", intents=(again,))
    number = current if opens else current + 1
    intent = playbook.follow_up(tx, work, generation=number, of=of)
    if intent is None:
        return Replan(reason="its ticket is closed, and the playbook has no ticket any more")
    followed[recovery_id] = number
    return Replan(
        reason="its ticket is closed or solved: followed up" if of else "its ticket is gone: opened anew",
        intents=(intent,),
        then=partial(_go_on, row=row, recovery_id=recovery_id, number=number),
    )


def _go_on(tx: Transaction, *, row: IntentRow, recovery_id: int, number: int) -> None:
    if recoveries.follow_up(tx, recovery_id, number):
        _tell_reopened(tx, row, recovery_id)


def _again(row: IntentRow, work: Work, ticket: str, tail: str, fields: Mapping[str, Json]) -> Intent:
    """The same note once more, on `ticket`; `tail` tells its key from the first one's."""
    return Intent(
        key=f"{row.key}/{tail}",
        account=row.account,
        kind=row.kind,
        object=row.object,
        target=ticket,
        after=(ticket,),
        fields=fields,
        cause_at=row.cause_at,
        not_before=work.pace.now,
        give_up_at=work.pace.now + PATIENCE,
        priority=Priority.RECOVERY,
        person_id=row.person_id,
        recovery_id=work.recovery.id,
        response_key=work.matter.version.response.key,
        version=row.version,
    )
