"""What an answer, or its absence, does to the intents of a write: each record for itself, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from connector.domain.model.intent import Found, IntentState, Json, Receipt, WriteKind
from connector.domain.model.transitions import Event
from connector.errors import Gone, InDoubt, Rejected, RemoteError
from connector.ports import Failed, Job, Outcome
from connector.store import accounts, confirmed, intents, quotas, receipts, writes, writing
from connector.store.intents import IntentRow
from connector.store.transaction import Transaction
from connector.store.writes import Record, WriteRow
from connector.sync import riding
from connector.sync.operators import HELD, held_text
from connector.sync.outlet import AMBIGUOUS, Outlet
from connector.sync.verdict import ASK_AGAIN, POLL_AGAIN, Next, Verdict, judge, wait_after

FORBIDDEN = 403
Answer = Sequence[Outcome] | Job | RemoteError
"""What came of one call: outcomes per record, a job, or the error the call failed with as one."""


def settle(tx: Transaction, outlet: Outlet, write: WriteRow, answer: Answer, only: range | None = None) -> None:
    """Take in what came of sending (or re-sending, or polling) a write: of all its records, or those at `only`."""
    members = _open_members(tx, write, range(len(write.records)) if only is None else only)
    if not isinstance(answer, RemoteError):
        welcome_back(tx, outlet)
    if isinstance(answer, Job):
        _accept(tx, outlet, write, members, answer)
    elif isinstance(answer, RemoteError):
        verdict = judge(answer, attempts=_attempts(members), now=tx.now, size=len(members), spread=_spread(write))
        for position, rows in members.items():
            _apply(tx, outlet, write, write.records[position], rows, answer, verdict)
    else:
        for position, rows in members.items():
            outcome = answer[position] if position < len(answer) else Failed(error=InDoubt("the answer left it out"))
            _settle_record(tx, outlet, write, write.records[position], rows, outcome)
    writes.close_if_settled(tx, write.id)


def _open_members(tx: Transaction, write: WriteRow, positions: range) -> dict[int, list[IntentRow]]:
    members: dict[int, list[IntentRow]] = {}
    for row in intents.open_of_write(tx, write.id, positions):
        assert row.position is not None
        members.setdefault(row.position, []).append(row)
    return dict(sorted(members.items()))


def _settle_record(
    tx: Transaction, outlet: Outlet, write: WriteRow, record: Record, rows: Sequence[IntentRow], outcome: Outcome
) -> None:
    if isinstance(outcome, Receipt):
        event = Event.REPEATED if rows[0].state is IntentState.IN_DOUBT else Event.ANSWERED
        confirm(tx, outlet, rows, outcome, event, about=record.about, sent=record.item.fields, at=record.event_at)
        return
    verdict = judge(outcome.error, attempts=rows[0].attempts, now=tx.now, spread=_spread(write))
    _apply(tx, outlet, write, record, rows, outcome.error, verdict)


def confirm(
    tx: Transaction,
    outlet: Outlet,
    rows: Sequence[IntentRow],
    receipt: Receipt,
    event: Event,
    *,
    about: str,
    sent: Mapping[str, Json],
    at: Mapping[str, datetime],
    reason: str | None = None,
) -> None:
    """One record exists there: receipt, confirmed values and whatever waited for it, in this transaction.

    `sent` are the fields the request carried, `at` the event time behind each; what the receipt says they hold wins.
    """
    kind = rows[0].kind
    values = {name: receipt.values.get(name, value) for name, value in writing.tracked(kind, sent).items()}
    is_erased = all(row.erasing for row in rows)
    if not is_erased:
        confirmed.confirm(tx, outlet.account, about, values, {name: at[name] for name in values})
    for row in sorted(rows, key=lambda row: riding.rides(row, rows)):
        answer = receipt
        if riding.rides(row, rows):
            if receipts.of_objects(tx, [about])[about].remote_id != receipt.remote_id:
                _put_off(tx, outlet, row)
                continue
            answer = replace(receipt, created=False)
        moved = intents.move(tx, row, event, reason, batch_limit=None, ask_first=False)
        receipts.add(tx, row, answer)
        outlet.tell(
            tx,
            row,
            "confirmed",
            how=event.value,
            reason=reason,
            remote_id=receipt.remote_id,
            url=receipt.url,
            request_id=receipt.request_id,
        )
        if not moved.erasing:
            outlet.on_settled(tx, moved, answer)


def _put_off(tx: Transaction, outlet: Outlet, row: IntentRow) -> None:
    """Another contact was chosen while one was being made: what rode in that request is still to be said of it."""
    why = "its contact is another one by now"
    put_back(tx, row, Event.REFUSED_FOR_NOW, why)
    outlet.tell(tx, row, "refused", reason=why, next=Next.LATER.value)


def settle_found(tx: Transaction, outlet: Outlet, write: WriteRow, found: Mapping[int, Found]) -> None:
    """Take in what a question about a write in doubt found, by the position of each record."""
    for row_position, answer in found.items():
        record = write.records[row_position]
        rows = [row for row in intents.of_write(tx, write.id, IntentState.IN_DOUBT) if row.position == row_position]
        if not rows:
            continue
        if not answer.receipts:
            for row in rows:
                put_back(tx, row, Event.NOT_FOUND, "asked, not found", revision=row.revision + 1, ask_first=False)
                outlet.tell(tx, row, "asked", found=0)
            writes.came_to_nothing(tx, write.id)
        elif len(answer.receipts) > 1:
            found_several(tx, outlet, rows, answer, about=record.about, sent=record.item.fields, at=record.event_at)
        else:
            confirm(
                tx,
                outlet,
                rows,
                answer.receipts[0],
                Event.FOUND,
                about=record.about,
                sent=record.item.fields,
                at=record.event_at,
            )
    close_or_ask_later(tx, write)


def close_or_ask_later(tx: Transaction, write: WriteRow) -> None:
    """After a question: what is still open is asked about again later, never at once."""
    if not writes.close_if_settled(tx, write.id):
        writes.ask_later(tx, write, tx.now + wait_after(ASK_AGAIN, write.asks + 1))


def found_several(
    tx: Transaction,
    outlet: Outlet,
    rows: Sequence[IntentRow],
    answer: Found,
    *,
    about: str,
    sent: Mapping[str, Json],
    at: Mapping[str, datetime],
) -> None:
    """Several objects carry the key: a contact waits for a person to choose, anything else is confirmed and told."""
    ids = ", ".join(receipt.remote_id for receipt in answer.receipts)
    if rows[0].kind is WriteKind.CONTACT:
        for row in rows:
            held = intents.move(tx, row, Event.AMBIGUOUS, AMBIGUOUS, write_id=None, position=None)
            outlet.tell(tx, row, "held", reason=AMBIGUOUS, candidates=ids)
            if not held.erasing:
                outlet.on_settled(tx, replace(held, candidates=tuple(answer.receipts)), None)
                outlet.notify(tx, outlet.account, HELD, held_text(outlet.account))
        return
    reason = f"doubled: {ids}"
    confirm(tx, outlet, rows, answer.receipts[0], Event.DOUBLED, about=about, sent=sent, at=at, reason=reason)
    outlet.notify(
        tx, outlet.account, f"doubled/{rows[0].kind}", f"{rows[0].kind} exists {len(answer.receipts)} times: {ids}"
    )


def _accept(
    tx: Transaction, outlet: Outlet, write: WriteRow, members: Mapping[int, Sequence[IntentRow]], job: Job
) -> None:
    poll_at = tx.now + wait_after(POLL_AGAIN, write.asks + 1, _spread(write))
    for rows in members.values():
        for row in rows:
            if row.state is not IntentState.SUBMITTED:
                intents.move(tx, row, Event.ACCEPTED)
                outlet.tell(tx, row, "submitted", job=job.id)
    writes.submit(tx, write.id, job.id, poll_at)
    writes.poll_later(tx, write, poll_at)


def _apply(
    tx: Transaction,
    outlet: Outlet,
    write: WriteRow,
    record: Record,
    rows: Sequence[IntentRow],
    error: RemoteError,
    verdict: Verdict,
) -> None:
    """What the verdict says for one record that was sent."""
    close_or_pause(tx, outlet, write.kind, error, verdict)
    if isinstance(error, Gone) and error.moved_from and error.moved_to:
        # Not the record's own target: what moved may be what it refers to, as a task does to its contact.
        receipts.follow(tx, outlet.account, error.moved_from, error.moved_to)
    is_laden = any(riding.rides(row, rows) for row in rows)
    if verdict.next is Next.REJECT and is_laden and rows[0].state is IntentState.SENDING:
        # Whose fault it was shows when each is sent by itself.
        verdict = Verdict(next=Next.LATER, at=tx.now, spends=True)
    if verdict.next is Next.REJECT:
        if rows[0].state is not IntentState.IN_DOUBT:
            came_to_nothing(tx, write, record)
        reject(tx, outlet, rows, Event.REFUSED, str(error), field_of(error))
        return
    if rows[0].state is IntentState.IN_DOUBT:
        # A re-send that was refused for now proves nothing about the first request: the doubt stays.
        again = verdict.at or tx.now + wait_after(ASK_AGAIN, write.asks + 1, _spread(write))
        writes.doubt(tx, write.id, max(again, tx.now + wait_after(ASK_AGAIN, write.asks + 1)))
        return
    if verdict.next is Next.ASK:
        writes.doubt(tx, write.id, doubt_until(outlet, write, tx.now))
        for row in rows:
            intents.move(tx, row, Event.NO_ANSWER, str(error))
            outlet.tell(tx, row, "in_doubt", reason=str(error), request_id=error.request_id)
        return
    came_to_nothing(tx, write, record)
    event = Event.REFUSED_FOR_NOW
    if verdict.next is Next.PAUSE and rows[0].state is IntentState.SENDING:
        event = Event.PAUSED
    for row in rows:
        put_back(
            tx,
            row,
            event,
            str(error),
            not_before=again_at(error, verdict, tx.now) or row.not_before,
            attempts=row.attempts + int(verdict.spends),
            batch_limit=verdict.batch_limit or row.batch_limit,
            ask_first=row.ask_first or (verdict.next is Next.LOOK and row.adds),
        )
        outlet.tell(tx, row, "refused", reason=str(error), next=verdict.next.value, request_id=error.request_id)


def again_at(error: RemoteError, verdict: Verdict, now: datetime) -> datetime | None:
    """When a refused record may be sent again; None: as soon as its account or endpoint class allows.

    What is forbidden may be this record alone: another one probes the account meanwhile, or none would be sent again.
    """
    if verdict.next is Next.PAUSE and error.status == FORBIDDEN:
        return now + accounts.LONGEST_PROBE
    return None if verdict.next is Next.CLOSED else verdict.at


def close_or_pause(tx: Transaction, outlet: Outlet, kind: WriteKind, error: RemoteError, verdict: Verdict) -> None:
    """Close the endpoint class or pause the account, where the verdict says so."""
    if verdict.next is Next.CLOSED:
        assert verdict.at is not None
        quotas.block(tx, outlet.account, outlet.promise(kind).endpoint_class, verdict.at)
    elif verdict.next is Next.PAUSE:
        pause(tx, outlet, error)


def pause(tx: Transaction, outlet: Outlet, error: RemoteError) -> None:
    """Pause the account, or put its next probe off; the operators are told once."""
    if accounts.pause(tx, outlet.account, str(error)):
        outlet.notify(tx, outlet.account, "paused", f"{outlet.account} is paused: {error}")


def welcome_back(tx: Transaction, outlet: Outlet) -> None:
    """The account answered: it is no longer paused."""
    if accounts.resume(tx, outlet.account):
        outlet.notify(tx, outlet.account, "resumed", f"{outlet.account} works again")


def field_of(error: RemoteError) -> str | None:
    """The field a vendor says is wrong."""
    return error.field if isinstance(error, Rejected) else None


def reject(
    tx: Transaction, outlet: Outlet, rows: Sequence[IntentRow], event: Event, why: str, field: str | None = None
) -> None:
    """It will never work: final, what waits for it is told, operators too: of each kind and `field` by itself."""
    for row in rows:
        moved = intents.move(tx, row, event, why)
        if row.target is None:
            receipts.fail_dependants(tx, row.object, "rejected")
        outlet.tell(tx, row, "rejected", reason=why)
        if not moved.erasing:
            outlet.on_settled(tx, moved, None)
    cause = f"rejected/{rows[0].kind}/{field}" if field else f"rejected/{rows[0].kind}"
    outlet.notify(tx, outlet.account, cause, f"{rows[0].kind} was rejected: {why}")


def put_back(tx: Transaction, row: IntentRow, event: Event, why: str, **changes: object) -> IntentRow:
    """Plan an intent again, out of its write. What rode in the request that was to make its object waits again."""
    moved = intents.move(tx, row, event, why, write_id=None, position=None, **changes)
    if moved.state is not IntentState.PLANNED or row.target != row.object or receipts.of_objects(tx, [row.object]):
        return moved
    receipts.wait_for(tx, moved, {row.object})
    return intents.move(tx, moved, Event.PARENT_UNCONFIRMED, f"waits for {row.object}")


def take_back(tx: Transaction, outlet: Outlet, write: WriteRow, why: str) -> None:
    """Plan again what was written down to be sent and has certainly not left: nothing of it is in doubt."""
    for row in intents.of_write(tx, write.id, IntentState.SENDING):
        put_back(tx, row, Event.KEPT_IN, why)
        outlet.tell(tx, row, "refused", reason=why, next=Next.LATER.value)
    for record in write.records:
        came_to_nothing(tx, write, record)
    writes.close_if_settled(tx, write.id)


def came_to_nothing(tx: Transaction, write: WriteRow, record: Record) -> None:
    """One record was certainly not written: no ceiling counts it, and its fields hold what they held."""
    writes.came_to_nothing(tx, write.id)
    confirmed.regain(tx, write.account, record.about, record.item.fields)


def doubt_until(outlet: Outlet, write: WriteRow, now: datetime) -> datetime:
    """When an ask about a write without an answer can be believed.

    The two delays add up: a request may be committed as late as its settle time, and hides for the look-up's lag then.
    """
    promise = outlet.promise(write.kind)
    return max(now, write.sent_at + max(outlet.limits.timeout, promise.settle + promise.lookup_lag))


def recover(tx: Transaction, outlet: Outlet, epoch: int) -> None:
    """What an earlier holder of the lane was sending when it died is in doubt."""
    for write in writes.left_sending(tx, outlet.account, epoch):
        promise = outlet.promise(write.kind)
        wait = promise.settle + promise.lookup_lag
        # Without a key nothing catches a request that its holder began late, just before it lost the lane.
        since = write.sent_at if promise.native or promise.key_window else tx.now
        writes.doubt(tx, write.id, max(tx.now, since + wait))
        for row in intents.of_write(tx, write.id, IntentState.SENDING):
            intents.move(tx, row, Event.LEASE_EXPIRED, "its sender died")
            outlet.tell(tx, row, "in_doubt", reason="its sender died")


def _attempts(members: Mapping[int, Sequence[IntentRow]]) -> int:
    return max((row.attempts for rows in members.values() for row in rows), default=0)


def _spread(write: WriteRow) -> float:
    return (write.id % 16) / 16
