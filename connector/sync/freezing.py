"""From due intents to frozen writes: choose, leave out what holds already, look at the targets, render, write down."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Final

from connector.domain.model.intent import Item, Priority, Receipt, Request, WriteKind, references, resolve
from connector.domain.model.transitions import Event
from connector.errors import RemoteError
from connector.store import confirmed, intents, outbox, queue, quotas, receipts, writes, writing
from connector.store.confirmed import Confirmed
from connector.store.intents import IntentRow
from connector.store.transaction import Transaction
from connector.store.writes import Record, WriteRow
from connector.store.writing import Left
from connector.sync import ceilings, foregoing, riding, settling, together
from connector.sync.folding import Batch, Folded, fold, may_look_at, must_ask, pack
from connector.sync.lane import LaneHold
from connector.sync.outlet import Outlet, Replan
from connector.sync.quota import grant
from connector.sync.verdict import ASK_AGAIN, Next, judge, wait_after

FEW: Final = 8
"""Intents looked at for each call of a round, before all that are due are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What can be done now: records to look for, batches to send, and instants at which more becomes possible."""

    looks: tuple[Batch, ...]
    batches: tuple[Batch, ...]
    waits: tuple[datetime, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Records of one request to be, each with what is left of its fields and as the adapter will see it."""

    kind: WriteKind
    parts: tuple[tuple[Folded, Left, Item], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A draft after its targets were looked at: the request, the parts in it, and those to be planned otherwise."""

    draft: Draft
    request: Request | None
    parts: tuple[tuple[Folded, Left, Item], ...]
    replans: tuple[tuple[Folded, Replan], ...]
    error: RemoteError | None = None


def choose(tx: Transaction, outlet: Outlet, *, looked: Collection[int], most: int) -> Chosen:
    """What is due, folded and packed, as far as budgets allow; at most `most` calls.

    Args:
        tx: a transaction.
        outlet: the account.
        looked: ids of intents that were looked for in this drain and not found.
        most: calls to make.
    """
    now = tx.now
    budgets = quotas.of(tx, outlet.account)
    closed = _closed(outlet, budgets, now)
    reserved = _closed(outlet, budgets, now, can_wait=True)
    waits = [at for kind, at in reserved.items() if at is not None and _has_due(tx, outlet, kind)]
    if not queue.has_due(tx, outlet.account, now, but=closed, recoveries_of=reserved):
        # Every new intent wakes the lane: reading all that waits for company each time would keep others waiting.
        return Chosen(looks=(), batches=(), waits=tuple(waits))
    soon = now + outlet.limits.linger
    # Where the most urgent few fill every call of this round, opening a thousand more changes nothing.
    for limit in (FEW * most, outlet.limits.look):
        rows = queue.due(tx, outlet.account, soon, limit, but=closed, recoveries_of=reserved)
        questions, batches, later = _packed(tx, outlet, rows, looked)
        if len(rows) < limit or _are_full(outlet, [*questions[:most], *batches[:most]], most):
            break
    waits += later
    spent: dict[str, int] = {}

    def affordable(batch: Batch) -> bool:
        endpoint_class = outlet.promise(batch.kind).endpoint_class
        can_wait = not _is_urgent(batch)
        granted = grant(budgets.get(endpoint_class), share=outlet.limits.share, now=now, can_wait=can_wait)
        if spent.get(endpoint_class, 0) >= granted.calls:
            waits.extend([] if granted.at is None else [granted.at])
            return False
        spent[endpoint_class] = spent.get(endpoint_class, 0) + 1
        return True

    # Lazily: a batch that is not among the first `most` must not spend a budget, nor one that is refused a place.
    return Chosen(
        looks=tuple(islice((batch for batch in questions if affordable(batch)), most)),
        batches=tuple(islice((batch for batch in batches if affordable(batch)), most)),
        waits=tuple(waits),
    )


def _are_full(outlet: Outlet, batches: Sequence[Batch], most: int) -> bool:
    return len(batches) >= most and all(len(one.records) >= outlet.promise(one.kind).batch for one in batches)


def _packed(
    tx: Transaction, outlet: Outlet, rows: Sequence[IntentRow], looked: Collection[int]
) -> tuple[list[Batch], list[Batch], list[datetime]]:
    """What of the rows can leave now: batches to look for, batches to send; and when others can be looked for."""
    now = tx.now
    rows = together.with_company(tx, outlet, rows)
    busy = intents.open_objects(tx, outlet.account)
    names = busy.union(*(row.touches for row in rows))
    remote = {name: receipt.remote_id for name, receipt in receipts.of_objects(tx, names).items()}
    looks: list[Folded] = []
    ready: list[Folded] = []
    waits: list[datetime] = []
    unseen: list[Folded] = []
    for record in fold(rows, busy=busy, now=now, linger=outlet.limits.linger, remote=remote):
        promise = outlet.promise(record.first.kind)
        if record.first.id in looked or not must_ask(record, promise, now=now, started_at=outlet.started_at):
            ready.append(together.retold(tx, outlet, record))
        elif (at := may_look_at(record, promise, started_at=outlet.started_at)) > now:
            waits.append(at)
            unseen.append(record)
        else:
            looks.append(record)
    joint, looks, ready = together.put_together(tx, outlet, unseen, looks, ready)
    questions, batches = ([one for one in _pack(outlet, of) if one.is_due(now)] for of in (looks, ready))
    return [*joint, *questions], batches, waits


def _is_urgent(batch: Batch) -> bool:
    """Whether something of a recovery is in it."""
    return any(row.priority == Priority.RECOVERY.rank for record in batch.records for row in record.members)


def _closed(
    outlet: Outlet, budgets: Mapping[str, quotas.Quota], now: datetime, *, can_wait: bool = False
) -> dict[WriteKind, datetime | None]:
    """The kinds that get no call now, and until when: nothing of them is looked at, or it would hide the others.

    `can_wait`: the kinds of which only recoveries may get one, those that get none at all included.
    """
    closed = {}
    for kind, promise in outlet.writer.promises.items():
        budget = budgets.get(promise.endpoint_class)
        granted = grant(budget, share=outlet.limits.share, now=now, can_wait=can_wait)
        if not granted.calls:
            closed[kind] = granted.at
    return closed


def _has_due(tx: Transaction, outlet: Outlet, kind: WriteKind) -> bool:
    others = [other for other in outlet.writer.promises if other is not kind]
    return queue.has_due(tx, outlet.account, tx.now + outlet.limits.linger, but=others)


def _pack(outlet: Outlet, records: Sequence[Folded]) -> Sequence[Batch]:
    return pack(
        records,
        largest=lambda kind: outlet.promise(kind).batch,
        mixed=lambda kind: outlet.promise(kind).mixed,
    )


def draft(tx: Transaction, outlet: Outlet, batches: Sequence[Batch]) -> list[Draft]:
    """Drop what holds already, resolve references, hold what is above a ceiling; what is left of each batch."""
    drafts: list[Draft] = []
    room = {kind: ceilings.room_for(tx, outlet, kind) for kind in {batch.kind for batch in batches}}
    full = [(batch, riding.laden(tx, outlet, batch.records)) for batch in batches]
    around = _around(tx, outlet, [record for _, records in full for record in records])
    for batch, records in full:
        wanted = [_part(tx, outlet, record, around) for record in records]
        parts = [part for part in wanted if part is not None]
        left = room[batch.kind]
        if left is not None:
            ceilings.hold(tx, outlet, batch.kind, [row for record, _, _ in parts[left:] for row in record.members])
            parts = parts[:left]
            room[batch.kind] = left - len(parts)
        if parts:
            drafts.append(Draft(kind=batch.kind, parts=tuple(parts)))
    return drafts


@dataclass(frozen=True, slots=True, kw_only=True)
class _Around:
    """What is known of the objects some records are about, by our names of them: receipts, and confirmed values."""

    receipts: Mapping[str, Receipt]
    values: Mapping[str, Mapping[str, Confirmed]]


def _around(tx: Transaction, outlet: Outlet, records: Sequence[Folded]) -> _Around:
    return _Around(
        receipts=receipts.of_objects(tx, frozenset().union(*(_needed(record) for record in records))),
        values=confirmed.of_several(tx, outlet.account, {record.first.about for record in records}),
    )


def _part(tx: Transaction, outlet: Outlet, record: Folded, around: _Around) -> tuple[Folded, Left, Item] | None:
    known = _resolvable(tx, record, around.receipts)
    if known is None:
        return None
    left = _left(outlet, record, around.values)
    if not left.fields:
        for row in record.members:
            moved = intents.move(tx, row, Event.UNCHANGED, left.reason)
            outlet.tell(tx, row, "superseded", reason=left.reason)
            outlet.on_settled(tx, moved, None)
        confirmed.still_holds(tx, outlet.account, record.first.about, left.unchanged)
        return None
    return record, left, item_of(record, left, known)


def _left(outlet: Outlet, record: Folded, values: Mapping[str, Mapping[str, Confirmed]]) -> Left:
    return writing.trim(
        record.fields,
        values[record.first.about],
        kind=record.first.kind,
        updates=record.target is not None,
        ours=record.ours,
        if_blank=record.if_blank,
        since=outlet.started_at,
    )


def _needed(record: Folded) -> frozenset[str]:
    """The objects the record refers to."""
    needed = set() if record.target is None else {record.target}
    for want in record.fields.values():
        needed |= references(want.value)
    return frozenset(needed)


def _resolvable(tx: Transaction, record: Folded, known: Mapping[str, Receipt]) -> dict[str, Receipt] | None:
    """What the record refers to; None, blocking it, when something of it is gone since it was planned."""
    needed = _needed(record)
    missing = needed - known.keys()
    if not missing:
        return {name: known[name] for name in needed}
    for row in record.members:
        receipts.wait_for(tx, row, missing)
        intents.move(tx, row, Event.PARENT_UNCONFIRMED, f"waits for {', '.join(sorted(missing))}")
    return None


def item_of(record: Folded, left: Left, known: dict[str, Receipt]) -> Item:
    """The record as its adapter sees it."""
    return Item(
        key=record.first.record,
        target=None if record.target is None else known[record.target].remote_id,
        fields={name: resolve(want.value, known) for name, want in left.fields.items()},
        cause_at=record.cause_at,
        revision=max(row.revision for row in record.members),
        intent=record.first.key,
        also=record.also,
    )


def whole_items(tx: Transaction, records: Sequence[Folded]) -> list[tuple[Folded, Item]]:
    """The records with all their fields, to look for them; those with something missing are blocked and left out."""
    found = []
    there = receipts.of_objects(tx, frozenset().union(*(_needed(record) for record in records)))
    for record in records:
        known = _resolvable(tx, record, there)
        if known is not None:
            whole = Left(fields=record.fields, unchanged={}, reason="")
            found.append((record, item_of(record, whole, known)))
    return found


def render(outlet: Outlet, one: Draft) -> Rendered:
    """Look at the targets and make the request. Outside of any transaction: looking may call other systems."""
    replans: list[tuple[Folded, Replan]] = []
    parts: list[tuple[Folded, Left, Item]] = []
    try:
        answers = outlet.prepare(one.kind, [item for _, _, item in one.parts])
        for (record, left, _), answer in zip(one.parts, answers, strict=True):
            if isinstance(answer, Replan):
                replans.append((record, answer))
            else:
                parts.append((record, left, answer))
        request = outlet.writer.render(one.kind, [item for _, _, item in parts]) if parts else None
    except RemoteError as error:
        return Rendered(draft=one, request=None, parts=one.parts, replans=(), error=error)
    return Rendered(draft=one, request=request, parts=tuple(parts), replans=tuple(replans))


def freeze(tx: Transaction, outlet: Outlet, hold: LaneHold, one: Rendered) -> WriteRow | None:
    """Commit the request before its socket opens: from here on the table of states decides, whatever happens.

    None when there is nothing to send, or when something changed since the draft was made; it is drafted again.
    """
    if not _unchanged_since(tx, outlet, one.draft):
        return None
    if one.error is not None:
        unsent(tx, outlet, [record for record, _, _ in one.parts], one.error)
        return None
    for record, replan in one.replans:
        _replan(tx, outlet, record, replan)
    if one.request is None:
        return None
    rows = [
        Record(
            item=item,
            about=record.first.about,
            event_at={
                name: left.fields[name].event_at if name in left.fields else record.cause_at for name in item.fields
            },
        )
        for record, left, item in one.parts
    ]
    kind = one.draft.kind
    outlet.on_frozen(tx, kind, one.parts)
    quotas.spend(tx, outlet.account, outlet.promise(kind).endpoint_class)
    write_id = writes.freeze(
        tx, account=outlet.account, kind=kind, request=one.request, records=rows, epoch=hold.hold.epoch
    )
    for position, (record, left, item) in enumerate(one.parts):
        foregoing.keep(tx, outlet.account, record, item)
        confirmed.lose(tx, outlet.account, record.first.about, writing.tracked(kind, item.fields))
        # Left out because they hold already: the newer fact behind them still shuts out older ones.
        kept = {name: at for name, at in left.unchanged.items() if name not in item.fields}
        confirmed.still_holds(tx, outlet.account, record.first.about, kept)
        for row in record.members:
            intents.move(tx, row, Event.SENT, None, write_id=write_id, position=position)
            outlet.tell(tx, row, "sent", write=write_id, revision=item.revision, told_with=len(record.also) or None)
        for row in riding.riders_of(record):
            intents.move(tx, row, Event.RODE, None, write_id=write_id, position=position)
            outlet.tell(tx, row, "sent", write=write_id, rides=record.first.kind.value)
    return writes.get(tx, write_id)


def _unchanged_since(tx: Transaction, outlet: Outlet, drafted: Draft) -> bool:
    """Whether everything is as it was when the draft was made: the intents, what is known there, and nothing open."""
    records = [record for record, _, _ in drafted.parts]
    ids = [row.id for record in records for row in record.members]
    if len(intents.still_planned(tx, ids)) < len(ids):
        return False
    riders = [row.id for record in records for row in riding.riders_of(record)]
    if riders and len(intents.still_blocked(tx, riders)) < len(riders):
        return False
    open_ones = intents.open_objects(tx, outlet.account)
    values = confirmed.of_several(tx, outlet.account, {record.first.about for record in records})
    return all(
        record.touches.isdisjoint(open_ones) and _left(outlet, record, values) == left
        for record, left, _ in drafted.parts
    )


def _replan(tx: Transaction, outlet: Outlet, record: Folded, replan: Replan) -> None:
    for row in record.members:
        moved = intents.move(tx, row, Event.REPLANNED, replan.reason)
        outlet.tell(tx, row, "superseded", reason=replan.reason)
        outlet.on_settled(tx, moved, None)
    if replan.then is not None:
        replan.then(tx)
    outbox.plan(tx, replan.intents)


def unsent(tx: Transaction, outlet: Outlet, records: Sequence[Folded], error: RemoteError) -> None:
    """A look, a read of the targets or rendering failed: nothing was sent, so there is nothing to doubt."""
    rows: list[IntentRow] = [row for record in records for row in record.members]
    attempts = max(row.attempts for row in rows)
    verdict = judge(error, attempts=attempts, now=tx.now, size=len(records))
    settling.close_or_pause(tx, outlet, rows[0].kind, error, verdict)
    if verdict.next is Next.REJECT:
        settling.reject(tx, outlet, rows, Event.REFUSED_UNSENT, str(error), settling.field_of(error))
        return
    later = settling.again_at(error, verdict, tx.now)
    if verdict.next in {Next.ASK, Next.LOOK, Next.FOLLOW}:
        later = tx.now + wait_after(ASK_AGAIN, attempts + 1)
    for row in rows:
        changes = {
            "not_before": later or row.not_before,
            "attempts": row.attempts + int(verdict.spends),
            "batch_limit": verdict.batch_limit or row.batch_limit,
        }
        intents.set_aside(tx, row, reason=str(error), **changes)
        outlet.tell(tx, row, "refused", reason=str(error), next=verdict.next.value)


def only_first(one: Draft) -> Draft:
    """The draft with its most urgent record alone, to probe a paused account with."""
    return replace(one, parts=one.parts[:1])
