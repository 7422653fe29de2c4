"""The lane that writes to one vendor account: intents become writes, writes become receipts.

Every step is committed before the next begins, so that a drain may end anywhere, even in the middle of a send, and the
next one knows what is certain and what is in doubt. `docs/delivery.md` prints the table of states this lane walks.
"""

from __future__ import annotations

import contextvars
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from datetime import datetime, timedelta

from connector.clock import Clock
from connector.domain.model.intent import ALARMS, IntentState, WriteKind
from connector.domain.model.transitions import Event
from connector.errors import LeaseLost, RemoteError
from connector.ports import Preparing, Writer
from connector.store import accounts, alerts, intents, pauses, queue, receipts, runs, writes
from connector.store.database import Database
from connector.store.intents import IntentRow
from connector.store.receipts import lane_of
from connector.store.transaction import Transaction
from connector.store.writes import WriteRow
from connector.sync import asking, ceilings, digest, freezing, pausing, settling
from connector.sync.lane import LaneHold
from connector.sync.outlet import (
    OBSERVE_MODE,
    Frozen,
    Limits,
    Notify,
    Outlet,
    Prepare,
    Settled,
    as_planned,
    unheard,
)
from connector.sync.quota import Readings
from connector.sync.settling import Answer
from connector.sync.verdict import ASK_AGAIN, Next, judge, wait_after
from connector.transport.lease import fence

SETTLED_AT_ONCE = 20
"""Records of one answer taken in by one transaction: an alarming answer must not wait for two hundred scores."""
NOT_AT_ONCE = timedelta(seconds=1)
"""The least time until a writer that could not be prepared is tried again, whatever the vendor said."""
LOOK_HOLDS = 5.0
"""Seconds for which a look that found nothing is believed when the turn ended before it could be used."""


class WriteLane:
    """Drains one account's outbox.

    Args:
        db: the store.
        writer: the account's adapter.
        clock: the clock of waits and instants.
        limits: how fast and how much.
        live: False in observe mode: everything due is held, nothing is sent.
        notify_operators: told of trouble, with one word for its cause.
        on_settled: told of every intent that reached a final state, or is held with candidates to choose from.
        prepare: looks at targets just before they are written, and may plan otherwise.
        readings: what replies said about quotas, shared with the transport's callback.
        on_frozen: told of the records of each request just before it is written down and sent.
    """

    def __init__(
        self,
        db: Database,
        writer: Writer,
        clock: Clock,
        limits: Limits,
        *,
        live: bool,
        notify_operators: Notify,
        on_settled: Settled,
        prepare: Prepare = as_planned,
        readings: Readings | None = None,
        on_frozen: Frozen = unheard,
    ) -> None:
        self.name = lane_of(writer.account)
        self._outlet = Outlet(
            db=db,
            writer=writer,
            clock=clock,
            limits=limits,
            live=live,
            notify=notify_operators,
            on_settled=on_settled,
            prepare=prepare,
            readings=readings or Readings(),
            started_at=clock.now(),
            on_frozen=on_frozen,
        )
        self._unprepared = 0
        self._looked: tuple[int, float, set[int]] = (0, 0.0, set())

    def drain(self, hold: LaneHold) -> datetime | None:
        """Do what is due for about a second; returns when to come back, None: when woken. Never sleeps.

        Raises:
            LeaseLost: the lane went to another holder, or its lease is too short for a single call.
        """
        outlet = self._outlet
        if hold.seconds_left() < outlet.limits.timeout.total_seconds():
            raise LeaseLost(f"the lease of {self.name} is shorter than a write may take")
        began = outlet.clock.now()
        ends_at = outlet.clock.monotonic() + outlet.limits.turn.total_seconds()
        with asking.ours(outlet, hold) as tx:
            hold.confirm(tx)
            probe_at = self._tidy(tx, hold)
            is_left_alone = pauses.of_account(tx, outlet.account)
        if is_left_alone:
            return self._next((began + pausing.LOOK,), began, is_shut=True)
        if probe_at is not None and probe_at > began:
            return self._next((probe_at,), began, is_shut=True)
        if (at := self._prepare_writer(hold)) is not None:
            return self._next((at,), began, is_shut=True)
        if not outlet.live:
            return self._watch(hold, ends_at, began, is_probe=probe_at is not None)
        most = outlet.limits.parallel if probe_at is None else 1
        waits: set[datetime] = set()
        looked = self._looks_of_last_turn(hold)
        self._looked = (hold.hold.epoch, ends_at, looked)
        for _ in self._rounds(hold, ends_at, is_probe=probe_at is not None):
            seen = outlet.clock.now()
            moved = self._settle_due(hold, most)
            if not (probe_at is not None and moved):
                moved += self._send_due(hold, most, looked, waits, is_probe=probe_at is not None)
            if not moved:
                return self._next(waits, began, seen=seen)
            if self._is_paused():
                break
        return outlet.clock.now()

    def settle(self, hold: LaneHold) -> datetime | None:
        """Only find out what became of requests under way; what was not sent stays as it is. Due when woken."""
        outlet = self._outlet
        with asking.ours(outlet, hold) as tx:
            hold.confirm(tx)
            settling.recover(tx, outlet, hold.hold.epoch)
        if self._prepare_writer(hold) is None:
            self._settle_due(hold, outlet.limits.parallel)
        return None

    def _watch(self, hold: LaneHold, ends_at: float, began: datetime, *, is_probe: bool) -> datetime | None:
        """Observe mode: asking is a read, so what is in doubt is settled; what that plans again is held."""
        outlet = self._outlet
        for _ in self._rounds(hold, ends_at, is_probe=is_probe):
            if not self._settle_due(hold, 1 if is_probe else outlet.limits.parallel) or self._is_paused():
                break
        with asking.ours(outlet, hold) as tx:
            hold.confirm(tx)
            self._hold_due(tx)
        return self._next((), began)

    def _rounds(self, hold: LaneHold, ends_at: float, *, is_probe: bool) -> Iterator[None]:
        """One turn's rounds: until it has lasted long enough, or the lease would not cover another call."""
        outlet = self._outlet
        yield
        while not is_probe and outlet.clock.monotonic() < ends_at:
            if hold.seconds_left() < outlet.limits.timeout.total_seconds():
                return
            yield

    def _looks_of_last_turn(self, hold: LaneHold) -> set[int]:
        """What was looked for and not found just before the last turn ended, if nobody else had the lane since."""
        epoch, ended_at, looked = self._looked
        is_next = hold.hold.epoch == epoch + 1 and self._outlet.clock.monotonic() < ended_at + LOOK_HOLDS
        return looked if is_next else set()

    def _prepare_writer(self, hold: LaneHold) -> datetime | None:
        """Let the writer learn what it must know of the account; when to come back, if it could not."""
        outlet = self._outlet
        if not isinstance(outlet.writer, Preparing):
            return None
        with outlet.db.read() as tx:
            if not queue.has_due(tx, outlet.account, tx.now) and not writes.to_settle(tx, outlet.account, 1):
                return None
        try:
            outlet.writer.prepare()
        except RemoteError as error:
            self._unprepared += 1
            with asking.ours(outlet, hold) as tx:
                hold.confirm(tx)
                verdict = judge(error, attempts=self._unprepared, now=tx.now)
                if verdict.next is Next.PAUSE:
                    settling.pause(tx, outlet, error)
                later = tx.now + wait_after(ASK_AGAIN, self._unprepared)
                return later if verdict.at is None else max(verdict.at, tx.now + NOT_AT_ONCE)
        self._unprepared = 0
        return None

    def _is_paused(self) -> bool:
        with self._outlet.db.read() as tx:
            account = self._outlet.account
            return accounts.paused(tx, account) is not None or pauses.of_account(tx, account)

    def _tidy(self, tx: Transaction, hold: LaneHold) -> datetime | None:
        """What needs no call: dead senders, age, holds and releases. Returns when a paused account is to be probed."""
        outlet = self._outlet
        outlet.readings.flush(tx, outlet.account)
        settling.recover(tx, outlet, hold.hold.epoch)
        self._give_up_old(tx)
        self._refuse_unknown_kinds(tx)
        if outlet.live:
            self._release(tx)
        else:
            self._hold_due(tx)
        paused = accounts.paused(tx, outlet.account)
        return None if paused is None else paused.probe_at

    def _hold_due(self, tx: Transaction) -> None:
        outlet = self._outlet
        for row in queue.due(tx, outlet.account, tx.now):
            intents.move(tx, row, Event.OBSERVED, OBSERVE_MODE)
            outlet.tell(tx, row, "held", reason=OBSERVE_MODE)

    def _give_up_old(self, tx: Transaction) -> None:
        """Past its age an action is not wanted any more, unless a ceiling keeps it back.

        What is in doubt is asked about at least once before.
        """
        outlet = self._outlet
        loud: Counter[WriteKind] = Counter()
        for row in queue.too_old(tx, outlet.account):
            is_open = row.state in {IntentState.IN_DOUBT, IntentState.SUBMITTED}
            if is_open and row.write_id is not None and not writes.get(tx, row.write_id).asks:
                continue
            if ceilings.keeps_back(tx, row):
                intents.set_aside(tx, row, give_up_at=tx.now + ceilings.ANOTHER_AGE)
                continue
            was_wanted = not self._was_observed(tx, row)
            given_up = self._give_up(tx, row, f"too old; {row.reason}" if row.reason else "too old")
            if was_wanted and row.kind is WriteKind.ALERT and _is_news(row) and not given_up.erasing:
                alerts.to_tell(tx, given_up)
            else:
                loud[row.kind] += was_wanted
            if is_open and row.write_id is not None:
                writes.close_if_settled(tx, row.write_id)
        for kind, number in (+loud).items():
            text = f"{number} {kind} actions for {outlet.account} were given up because they are too old"
            outlet.notify(tx, outlet.account, f"given_up/{kind}", text)

    def _was_observed(self, tx: Transaction, row: IntentRow) -> bool:
        """Whether observe mode kept it from being sent: going live must not alarm anybody about the time before.

        What something held stood before may have been let go by that one's own lane already; then its run tells.
        """
        if row.give_up_at <= self._outlet.started_at and runs.was_observing(tx, row.run_id):
            return True
        if row.state is IntentState.BLOCKED:
            return not self._outlet.live or receipts.waits_behind(tx, row, OBSERVE_MODE)
        return row.state is IntentState.HELD and row.reason == OBSERVE_MODE

    def _give_up(self, tx: Transaction, row: IntentRow, why: str) -> IntentRow:
        outlet = self._outlet
        receipts.stop_waiting(tx, row)
        moved = intents.move(tx, row, Event.TOO_OLD, why)
        if row.target is None:
            receipts.fail_dependants(tx, row.object, "given up")
        outlet.tell(tx, row, "given_up", reason=why)
        if not moved.erasing:
            outlet.on_settled(tx, moved, None)
        return moved

    def _refuse_unknown_kinds(self, tx: Transaction) -> None:
        outlet = self._outlet
        for row in queue.of_other_kinds(tx, outlet.account, outlet.writer.promises):
            why = f"{outlet.account} cannot write a {row.kind}"
            settling.reject(tx, outlet, [row], Event.REFUSED_UNSENT, why)

    def _release(self, tx: Transaction) -> None:
        outlet = self._outlet
        acts_within = outlet.limits.acts_within
        for row in queue.held_for(tx, outlet.account, OBSERVE_MODE):
            if row.kind in ALARMS and acts_within is not None and tx.now - row.cause_at > acts_within:
                self._give_up(tx, row, f"the answer is older than act_on.answered_within by now; {OBSERVE_MODE}")
            else:
                intents.move(tx, row, Event.RELEASED)
        ceilings.release(tx, outlet)

    def _settle_due(self, hold: LaneHold, most: int) -> int:
        due = asking.due(self._outlet, hold, most=most)
        for write in due:
            asking.pursue(self._outlet, hold, write)
        return len(due)

    def _send_due(self, hold: LaneHold, most: int, looked: set[int], waits: set[datetime], *, is_probe: bool) -> int:
        """One round of looking and sending; how many things it moved."""
        outlet = self._outlet
        with asking.ours(outlet, hold) as tx:
            hold.confirm(tx)
            digest.gather(tx, outlet.account)
            held = 0 if is_probe else ceilings.hold_above(tx, outlet)
            chosen = freezing.choose(tx, outlet, looked=looked, most=most)
            waits.clear()
            waits.update(chosen.waits)
            drafts = [] if is_probe and chosen.looks else freezing.draft(tx, outlet, chosen.batches)
        # A look serves one attempt to send.
        looked -= {row.id for batch in chosen.batches for record in batch.records for row in record.members}
        for batch in chosen.looks:
            looked |= asking.look(outlet, hold, batch)
        if is_probe:
            drafts = [freezing.only_first(one) for one in drafts[:1]]
        rendered = [freezing.render(outlet, one) for one in drafts]
        with asking.ours(outlet, hold) as tx:
            hold.confirm(tx)
            frozen = [row for one in rendered if (row := freezing.freeze(tx, outlet, hold, one)) is not None]
        self._send(hold, frozen)
        return held + len(chosen.looks) + len(chosen.batches)

    def _send(self, hold: LaneHold, frozen: Sequence[WriteRow]) -> None:
        """Send what is frozen, several at once; each answer is committed as it arrives."""
        if len(frozen) <= 1 or self._outlet.limits.in_turn:
            kept = [self._answered(hold, write, self._call(hold, write)) for write in frozen]
            _end_if_any(kept)
            return
        with ThreadPoolExecutor(max_workers=len(frozen), thread_name_prefix=self.name) as pool:
            calls: dict[Future[Answer | LeaseLost], WriteRow] = {}
            for write in frozen:
                calls[pool.submit(contextvars.copy_context().run, self._call, hold, write)] = write
            broken: list[Callable[[], object]] = []
            kept = []
            for call in as_completed(calls):
                if call.exception() is None:
                    kept.append(self._answered(hold, calls[call], call.result()))
                else:
                    broken.append(call.result)
            for raise_it in broken:
                raise_it()
            _end_if_any(kept)

    def _call(self, hold: LaneHold, write: WriteRow) -> Answer | LeaseLost:
        """What came of it; LeaseLost when the lease was too short for it, and nothing left.

        Raises:
            LeaseLost: it was too short for the rest, after something had left.
        """
        with fence(hold.seconds_left) as lease:
            try:
                return self._outlet.writer.send(write.kind, write.request, len(write.records))
            except RemoteError as error:
                return error
            except LeaseLost as lost:
                if lease.let_out:
                    raise
                return lost

    def _answered(self, hold: LaneHold, write: WriteRow, answer: Answer | LeaseLost) -> LeaseLost | None:
        """Commit what came of a call, some records at a time: whoever dies in between left the others in doubt.

        Returns why the drain must end, if it must.
        """
        outlet, count = self._outlet, len(write.records)
        if isinstance(answer, LeaseLost):
            with asking.ours(outlet, hold) as tx:
                hold.confirm(tx)
                settling.take_back(tx, outlet, write, str(answer))
            return answer
        size = SETTLED_AT_ONCE if isinstance(answer, list | tuple) else count
        for start in range(0, count, size):
            with asking.ours(outlet, hold) as tx:
                hold.confirm(tx)
                outlet.readings.flush(tx, outlet.account)
                settling.settle(tx, outlet, write, answer, range(start, start + size))
        return None

    def _next(
        self, waits: Collection[datetime], began: datetime, *, seen: datetime | None = None, is_shut: bool = False
    ) -> datetime | None:
        """When something changes by itself: an intent comes due or grows too old, a question or a budget is due.

        What came due after this drain looked (age at `began`, intents at `seen`) counts, or it would be slept through.
        While the account `is_shut` nothing but age counts besides `waits`, however long it has been due.
        """
        outlet = self._outlet
        with outlet.db.read() as tx:
            ends = queue.earliest_end(tx, outlet.account, after=began)
            if is_shut:
                instants = [*waits, ends]
            else:
                # A clock that was set back meanwhile has what was due then still before it.
                due = queue.next_due(tx, outlet.account, after=min(seen or began, tx.now))
                instants = [*waits, ends, due, writes.next_settling(tx, outlet.account), *ceilings.ends(tx, outlet)]
                instants += [tx.now] if digest.is_due(tx, outlet.account) else []
        return min((at for at in instants if at is not None), default=None)


def _end_if_any(kept: Sequence[LeaseLost | None]) -> None:
    for lost in kept:
        if lost is not None:
            raise lost


def _is_news(row: IntentRow) -> bool:
    """Whether a message was new: not what changes another, nor one that tells of missed ones."""
    return row.target is None and not row.object.startswith(digest.OBJECT)
