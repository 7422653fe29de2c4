"""Questions: about writes in doubt, about jobs that run, and about creates that may exist already."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

from connector.domain.model.intent import Found, IntentState, Promise, Receipt, WriteKind
from connector.domain.model.transitions import Event
from connector.errors import Gone, RemoteError, Unauthorized
from connector.ports import Job
from connector.store import intents, outbox, quotas, receipts, undoings, writes
from connector.store.intents import IntentRow
from connector.store.priors import UNDO
from connector.store.transaction import Transaction
from connector.store.writes import WriteRow, WriteState
from connector.sync import freezing, settling
from connector.sync.folding import Batch, Folded, safe_window
from connector.sync.lane import LaneHold
from connector.sync.outlet import Outlet
from connector.sync.quota import grant
from connector.sync.settling import Answer
from connector.sync.verdict import ASK_AGAIN, POLL_AGAIN, Next, judge, wait_after
from connector.transport.lease import fence


def ours(outlet: Outlet, hold: LaneHold) -> AbstractContextManager[Transaction]:
    """A writing transaction; `hold.confirm` is the first thing to call in it."""
    hold.check()
    return outlet.db.write()


def due(outlet: Outlet, hold: LaneHold, *, most: int) -> Sequence[WriteRow]:
    """Writes to ask about or to poll now, as far as budgets allow; spends the budget of each."""
    with ours(outlet, hold) as tx:
        hold.confirm(tx)
        chosen = []
        for write in writes.to_settle(tx, outlet.account, most):
            endpoint_class = outlet.promise(write.kind).endpoint_class
            budget = quotas.of(tx, outlet.account).get(endpoint_class)
            granted = grant(budget, share=outlet.limits.share, now=tx.now)
            if granted.calls:
                quotas.spend(tx, outlet.account, endpoint_class)
                chosen.append(write)
            elif granted.at is not None and write.state is WriteState.IN_DOUBT:
                writes.doubt(tx, write.id, granted.at)
            elif granted.at is not None:
                writes.poll_later(tx, write, granted.at)
        return chosen


def pursue(outlet: Outlet, hold: LaneHold, write: WriteRow) -> None:
    """Find out what became of one write."""
    promise = outlet.promise(write.kind)
    if write.state is WriteState.SUBMITTED:
        _poll(outlet, hold, write)
    elif outlet.live and _may_resend(outlet, write, promise):
        _resend(outlet, hold, write)
    elif not promise.can_ask and _may_resend(outlet, write, promise):
        _note_question(outlet, hold, write)  # in observe mode nothing is sent again, but it may be once we are live
    elif not _repeat(outlet, hold, write):
        return
    elif promise.can_ask:
        _ask(outlet, hold, write)
    else:
        _give_up(outlet, hold, write)


def _may_resend(outlet: Outlet, write: WriteRow, promise: Promise) -> bool:
    if promise.key_window is None or write.request.idempotency_key is None:
        return False
    return outlet.clock.now() + outlet.limits.timeout < write.sent_at + safe_window(promise.key_window)


def _resend(outlet: Outlet, hold: LaneHold, write: WriteRow) -> None:
    _note_question(outlet, hold, write)
    answer: Answer
    try:
        with fence(hold.seconds_left):
            answer = outlet.writer.send(write.kind, write.request, len(write.records))
    except RemoteError as error:
        answer = error
    with ours(outlet, hold) as tx:
        hold.confirm(tx)
        settling.settle(tx, outlet, writes.get(tx, write.id), answer)


def _note_question(outlet: Outlet, hold: LaneHold, write: WriteRow) -> None:
    """Should we die with the question on our lips, it is put again, later."""
    with ours(outlet, hold) as tx:
        hold.confirm(tx)
        writes.ask_later(tx, write, tx.now + wait_after(ASK_AGAIN, write.asks + 1))


def _repeat(outlet: Outlet, hold: LaneHold, write: WriteRow) -> bool:
    """Plan again what is harmless to repeat; True when something is left to be asked about.

    Besides what the vendor makes harmless these are updates: an object that carries our key says nothing about whether
    it was updated, while the same values once more change nothing.
    """
    is_native = outlet.promise(write.kind).native
    with outlet.db.read() as tx:
        rows = intents.of_write(tx, write.id, IntentState.IN_DOUBT)
    asked = frozenset() if is_native else frozenset(row.position for row in rows if row.adds)
    if all(row.position in asked for row in rows) and rows:
        return True
    with ours(outlet, hold) as tx:
        hold.confirm(tx)
        for row in intents.of_write(tx, write.id, IntentState.IN_DOUBT):
            if row.position not in asked:
                revision = row.revision + 1
                settling.put_back(tx, row, Event.REPEATABLE, "no answer; a repeat is harmless", revision=revision)
        if not asked:
            settling.close_or_ask_later(tx, write)
    return bool(asked)


def _ask(outlet: Outlet, hold: LaneHold, write: WriteRow) -> None:
    with outlet.db.read() as tx:
        rows = intents.of_write(tx, write.id, IntentState.IN_DOUBT)
    positions = sorted({row.position for row in rows if row.position is not None})
    error: RemoteError | None = None
    found: dict[int, Found] = {}
    try:
        answers = outlet.writer.ask(write.kind, [write.records[position].item for position in positions])
        found = dict(zip(positions, answers, strict=True))
    except RemoteError as failed:
        error = failed
    with ours(outlet, hold) as tx:
        hold.confirm(tx)
        if error is not None:
            _unanswered(tx, outlet, write, error)
            return
        settling.welcome_back(tx, outlet)
        settling.settle_found(tx, outlet, write, found)


def _unanswered(tx: Transaction, outlet: Outlet, write: WriteRow, error: RemoteError) -> None:
    """The question itself failed. It was a read: nothing changed, it is put again."""
    verdict = judge(error, attempts=write.asks, now=tx.now)
    settling.close_or_pause(tx, outlet, write.kind, error, verdict)
    later = tx.now + wait_after(ASK_AGAIN, write.asks + 1)
    at = max(later, verdict.at) if verdict.next is Next.CLOSED and verdict.at is not None else later
    if write.state is WriteState.SUBMITTED:
        writes.poll_later(tx, write, at)
    else:
        writes.ask_later(tx, write, at)


def _give_up(outlet: Outlet, hold: LaneHold, write: WriteRow) -> None:
    why = f"no answer, and {outlet.account} cannot be asked: it may or may not have arrived"
    with ours(outlet, hold) as tx:
        hold.confirm(tx)
        for row in intents.of_write(tx, write.id, IntentState.IN_DOUBT):
            moved = intents.move(tx, row, Event.UNASKABLE, why)
            if row.target is None:
                receipts.fail_dependants(tx, row.object, "given up")
            outlet.tell(tx, row, "given_up", reason=why)
            if not moved.erasing:
                outlet.on_settled(tx, moved, None)
        outlet.notify(tx, outlet.account, f"given_up/{write.kind}/unasked", f"{write.kind}: {why}")
        writes.close_if_settled(tx, write.id)


def _poll(outlet: Outlet, hold: LaneHold, write: WriteRow) -> None:
    assert write.job is not None
    error: RemoteError | None = None
    answer: Answer = ()
    try:
        answer = outlet.writer.poll(write.kind, write.job, len(write.records))
    except RemoteError as failed:
        error = failed
    with ours(outlet, hold) as tx:
        hold.confirm(tx)
        if isinstance(error, Gone):
            writes.doubt(tx, write.id, settling.doubt_until(outlet, write, tx.now))
            for row in intents.of_write(tx, write.id, IntentState.SUBMITTED):
                intents.move(tx, row, Event.JOB_VANISHED, str(error))
                outlet.tell(tx, row, "in_doubt", reason=str(error))
        elif error is not None:
            _unanswered(tx, outlet, write, error)
        elif isinstance(answer, Job):
            settling.welcome_back(tx, outlet)
            writes.poll_later(tx, write, tx.now + wait_after(POLL_AGAIN, write.asks + 1))
        else:
            settling.settle(tx, outlet, write, answer)


def look(outlet: Outlet, hold: LaneHold, batch: Batch) -> frozenset[int]:
    """Look for creates that may exist already; returns the ids of the intents that were not found and may be sent."""
    with ours(outlet, hold) as tx:
        hold.confirm(tx)
        pairs = freezing.whole_items(tx, batch.records)
        if pairs:
            quotas.spend(tx, outlet.account, outlet.promise(batch.kind).endpoint_class)
    if not pairs:
        return frozenset()
    error: RemoteError | None = None
    answers: Sequence[Found] = ()
    try:
        answers = outlet.writer.ask(batch.kind, [item for _, item in pairs])
    except RemoteError as failed:
        error = failed
    with ours(outlet, hold) as tx:
        hold.confirm(tx)
        planned = _still_planned(tx, [record for record, _ in pairs])
        current = [(record, answer) for (record, _), answer in zip(pairs, answers, strict=False)]
        if error is not None:
            wanted = [record for record, _ in pairs if _is_among(planned, record)]
            unasked = [record for record in wanted if _goes_unasked(record, error)]
            if unasked != wanted:
                freezing.unsent(tx, outlet, [record for record in wanted if record not in unasked], error)
            return frozenset(row.id for record in unasked for row in record.members if _still_wanted(tx, row))
        settling.welcome_back(tx, outlet)
        absent = [_looked(tx, outlet, record, answer) for record, answer in current if _is_among(planned, record)]
    return frozenset().union(*absent)


def _goes_unasked(record: Folded, error: RemoteError) -> bool:
    """Whether a message is sent although nobody may look for it there, for want of a permission.

    It is looked for only because of its age: an old copy of the store might have sent it. Told twice, once in a
    backup's life, is better than never; what an operator tries again, or a known old copy has planned, stays unsent.
    """
    is_message = all(row.kind is WriteKind.ALERT and not row.ask_first for row in record.members)
    return is_message and isinstance(error, Unauthorized) and error.status == 403


def _still_planned(tx: Transaction, records: Sequence[Folded]) -> frozenset[int]:
    return intents.still_planned(tx, [row.id for record in records for row in record.members])


def _is_among(planned: frozenset[int], record: Folded) -> bool:
    return all(row.id in planned for row in record.members)


def _looked(tx: Transaction, outlet: Outlet, record: Folded, answer: Found) -> frozenset[int]:
    rows = record.members
    if not answer.receipts:
        return frozenset(row.id for row in rows if _still_wanted(tx, row))
    about = record.first.about
    held = {name: value for name, value in answer.receipts[0].values.items() if name in record.fields}
    at = {name: record.fields[name].event_at for name in held}
    if len(answer.receipts) > 1:
        settling.found_several(tx, outlet, rows, answer, about=about, sent=held, at=at)
    elif record.replaces:
        _write_on(tx, outlet, record, answer.receipts[0])
    else:
        receipt = answer.receipts[0]
        reason = "it existed already"
        settling.confirm(tx, outlet, rows, receipt, Event.FOUND_FIRST, about=about, sent=held, at=at, reason=reason)
    return frozenset()


def _still_wanted(tx: Transaction, row: IntentRow) -> bool:
    """Take note that nothing is there; False when the run is being undone, which only waited to know that."""
    intents.move(tx, row, Event.NOTHING_THERE, row.reason, ask_first=False)
    if not undoings.is_under_way(tx, row.run_id) or row.key.startswith(UNDO):
        return True
    outbox.drop(tx, row.id, f"run {row.run_id} was undone")
    return False


def _write_on(tx: Transaction, outlet: Outlet, record: Folded, receipt: Receipt) -> None:
    """What was found may hold an earlier version, made by a life of ours that this store forgot: it is updated."""
    receipts.point(tx, outlet.account, record.first.object, receipt.remote_id, receipt.url)
    for row in record.members:
        intents.move(tx, row, Event.FOUND_EARLIER, row.reason, target=row.object, ask_first=False)
        outlet.tell(tx, row, "asked", found=1, remote_id=receipt.remote_id)
