"""What the lane does besides walking the table: order, company, budgets, parallel calls, edits by people, fences."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

import pytest
from sqlalchemy import select

from connector.clock import VirtualClock
from connector.domain.model.intent import IntentState, Item, Priority, Request, WriteKind
from connector.errors import LeaseLost, RemoteError, Transient, Unauthorized
from connector.store import confirmed, lanes, outbox, quotas
from connector.store.schema import history
from connector.sync.lane import LaneHold
from connector.sync.outlet import Limits
from connector.sync.quota import RELEASED, Grant, Readings, grant
from connector.testing.twin import Fault, Thing, Trouble, Twin
from connector.transport.client import QuotaReading
from tests.durability.bench import ACCOUNT, CONTACT, LEASE, NATIVE, NOON, PROMISES, TICKET, Bench, fields_of, intent

S = IntentState
SECOND = timedelta(seconds=1)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    for number in range(10):
        name = f"contact-{number}"
        bench.twin.things[name] = Thing(id=name, kind=WriteKind.CONTACT, key="", fields={}, seen_from=NOON)
    bench.adopt()
    return bench


def test_a_recovery_never_waits_behind_a_backfill(bench: Bench) -> None:
    bench.plan(
        intent("old", object="o1", priority=Priority.BACKFILL),
        intent("usual", object="o2", priority=Priority.NORMAL),
        intent("urgent", object="o3", priority=Priority.RECOVERY),
    )
    bench.drain()
    assert [request.idempotency_key for _, _, request in bench.twin.requests] == ["urgent#0", "usual#0", "old#0"]


def test_company_shares_a_request_and_the_first_waits_for_it(bench: Bench) -> None:
    bench.limits = Limits(parallel=1, linger=10 * SECOND)
    bench.start()
    for number in range(4):
        name = f"person/{number}"
        bench.adopt(name, f"contact-{number}")
        bench.plan(replace(fields_of(f"f{number}", name, score=number), not_before=bench.clock.now() + 10 * SECOND))
        bench.clock.advance(3 * SECOND)
    assert bench.twin.requests == []
    bench.run()
    assert len(bench.twin.requests) == 1
    assert all(bench.twin.things[f"contact-{number}"].fields == {"score": number} for number in range(4))


def test_a_batch_is_full_whatever_few_are_looked_at_first(bench: Bench) -> None:
    bench.promises = bench.twin.promises = {
        **PROMISES,
        WriteKind.TASK: replace(PROMISES[WriteKind.TASK], batch=50),
    }
    tasks = [intent(f"t{number}", kind=WriteKind.TASK, object=f"t{number}") for number in range(60)]
    # Nothing but the most urgent is looked at, and all of it waits for one object: the others go all the same.
    notes = [intent(f"n{number}", kind=WriteKind.NOTE, object=f"n{number}", target=TICKET) for number in range(20)]
    bench.adopt(TICKET, "contact-9")
    bench.plan(*(replace(one, priority=Priority.NORMAL) for one in tasks), *notes)
    bench.run()
    sizes = [len(json.loads(request.body)) for _, kind, request in bench.twin.requests if kind is WriteKind.TASK]
    assert sorted(sizes) == [10, 50]
    assert {bench.state(one.key) for one in [*tasks, *notes]} == {S.CONFIRMED}


def test_one_bad_record_does_not_fail_the_batch_that_hides_it(bench: Bench) -> None:
    bench.promises = bench.twin.promises = {
        **PROMISES,
        WriteKind.TASK: replace(PROMISES[WriteKind.TASK], outcome="opaque", batch=10),
    }
    names = [f"t{number}" for number in range(10)]
    bench.plan(
        *(
            intent(name, kind=WriteKind.TASK, object=name, fields={"subject": "bad" if name == "t6" else "good"})
            for name in names
        )
    )
    bench.run()
    assert [name for name in names if bench.state(name) is S.REJECTED] == ["t6"]
    assert [name for name in names if bench.state(name) is S.CONFIRMED] == [name for name in names if name != "t6"]
    assert bench.clock.now() == NOON, "halving waits for nothing"


def test_several_calls_are_in_flight_but_never_two_for_one_object(bench: Bench) -> None:
    bench.limits = Limits(parallel=3)
    bench.start()
    together = threading.Barrier(3, timeout=20)
    bench.twin.on_send = lambda kind, request: None if kind is WriteKind.NOTE else _wait(together)
    bench.plan(*(intent(f"k{number}", object=f"o{number}") for number in range(3)))
    bench.drain()
    assert [bench.state(f"k{number}") for number in range(3)] == [S.CONFIRMED] * 3
    bench.adopt(TICKET, next(thing.id for thing in bench.twin.things.values() if thing.key == "k0"))
    at_once: list[int] = []
    inside = threading.Semaphore(1)

    def alone(kind: WriteKind, request: Request) -> None:
        assert inside.acquire(blocking=False), "two writes of one ticket at once"
        at_once.append(1)
        inside.release()

    bench.twin.on_send = alone
    note = intent("n", kind=WriteKind.NOTE, target=TICKET, fields={"text": "x"})
    bench.plan(*(replace(note, key=f"n{number}", object=f"n{number}") for number in range(3)))
    bench.run()
    assert len(at_once) == 3


def _wait(together: threading.Barrier) -> None:
    together.wait()


def test_one_broken_call_does_not_take_the_others_receipts(bench: Bench) -> None:
    bench.limits = Limits(parallel=3)
    bench.start()

    def break_one(kind: WriteKind, request: Request) -> None:
        if request.idempotency_key == "k1#0":
            raise ZeroDivisionError

    bench.twin.on_send = break_one
    bench.plan(*(intent(f"k{number}", object=f"o{number}") for number in range(3)))
    with pytest.raises(ZeroDivisionError):
        bench.drain()
    assert [bench.state(f"k{number}") for number in range(3)] == [S.CONFIRMED, S.SENDING, S.CONFIRMED]
    bench.twin.on_send = None
    bench.restart()
    bench.run()
    assert bench.state("k1") is S.CONFIRMED
    assert len(bench.twin.carrying("k1")) == 1


def test_a_persons_edit_is_kept_and_the_rest_is_written(bench: Bench) -> None:
    bench.plan(fields_of("f1", score=1, band="healthy"))
    bench.drain()
    bench.clock.advance(SECOND)
    with bench.db.write() as tx:
        changed = confirmed.observe(tx, ACCOUNT, CONTACT, {"band": "vip"}, read_at=tx.now)
    assert changed == {"band"}
    bench.plan(replace(fields_of("f2", score=2, band="at risk"), cause_at=bench.clock.now()))
    bench.drain()
    assert bench.twin.requests[-1][2].body.count(b"at risk") == 0
    assert bench.twin.things["contact-0"].fields["score"] == 2


@pytest.mark.parametrize("trouble", [Trouble.THROTTLED, Trouble.REFUSED, Trouble.LOCKED])
def test_a_persons_edit_is_kept_between_a_refused_write_and_its_repetition(bench: Bench, trouble: Trouble) -> None:
    assert edited_after(bench, trouble) == {"band"}
    bench.run()
    assert bench.twin.things["contact-0"].fields["band"] == "gold", "as far as we are concerned"


def test_what_an_earlier_write_may_have_changed_is_nobodys_edit_though_a_later_one_is_refused(bench: Bench) -> None:
    assert edited_after(bench, Trouble.LOST_BEFORE, Trouble.THROTTLED) == set()
    bench.run()
    assert bench.twin.things["contact-0"].fields["band"] == "silver"


def edited_after(bench: Bench, *troubles: Trouble) -> frozenset[str]:
    """A band is ours, writing another has this trouble, then a third is seen: the fields that count as edited."""
    bench.plan(fields_of("k1", band="gold"))
    bench.run()
    bench.plan(replace(fields_of("k2", band="silver"), cause_at=bench.clock.now() + SECOND))
    bench.twin.faults.extend(Fault(trouble=trouble) for trouble in troubles)
    while bench.twin.faults:
        bench.clock.advance(SECOND)
        bench.drain()
    bench.clock.advance(SECOND)
    with bench.db.write() as tx:
        return confirmed.observe(tx, ACCOUNT, CONTACT, {"band": "vip"}, read_at=tx.now)


def test_a_newer_fact_that_changes_only_some_fields_shuts_out_older_ones_for_all(bench: Bench) -> None:
    now = bench.clock.now()
    bench.plan(replace(fields_of("f1", score=1, band="low"), cause_at=now - 3 * SECOND))
    bench.drain()
    bench.plan(replace(fields_of("f2", score=2, band="low"), cause_at=now))
    bench.drain()
    bench.plan(replace(fields_of("f3", score=9, band="high"), cause_at=now - SECOND))
    bench.drain()
    assert bench.twin.things["contact-0"].fields == {"score": 2, "band": "low"}
    assert bench.state("f3") is S.SUPERSEDED


def test_a_merged_contact_is_followed(bench: Bench) -> None:
    bench.twin.merge("contact-0", "contact-9")
    bench.plan(fields_of("f1", score=1))
    bench.run()
    assert bench.state("f1") is S.CONFIRMED
    assert bench.twin.things["contact-9"].fields == {"score": 1}


def test_our_share_of_the_budget_is_all_we_spend(bench: Bench) -> None:
    readings = Readings()
    readings.note(
        ACCOUNT,
        QuotaReading(endpoint_class="default", remaining=52, limit=100, resets_at=NOON + timedelta(minutes=10)),
    )
    with bench.db.write() as tx:
        readings.flush(tx, ACCOUNT)
    bench.limits = Limits(parallel=1, share=0.5)
    bench.start()
    bench.plan(*(intent(f"k{number}", object=f"o{number}") for number in range(5)))
    due = bench.drain()
    assert len(bench.twin.requests) == 2
    assert due == NOON + timedelta(minutes=10)
    bench.run()
    assert len(bench.twin.things) == 10 + 5


def test_a_full_quota_stops_questions_too(bench: Bench) -> None:
    bench.plan(intent("k1", kind=WriteKind.CONTACT, object="other", fields={"email": "ada@example.org"}))
    with bench.db.write() as tx:
        quotas.block(tx, ACCOUNT, "default", NOON + timedelta(hours=1))
        quotas.block(tx, ACCOUNT, "default", NOON + timedelta(minutes=1))
    assert bench.drain() == NOON + timedelta(hours=1)
    assert bench.twin.questions == []


@pytest.mark.parametrize(("remaining", "calls"), [(None, 1_000_000), (60, 10), (50, 0), (0, 0)])
def test_the_grant_is_what_is_left_of_our_share(remaining: int | None, calls: int) -> None:
    quota = quotas.Quota(
        endpoint_class="default",
        blocked_until=None,
        remaining=remaining,
        capacity=100,
        resets_at=NOON + SECOND,
    )
    assert grant(quota, share=0.5, now=NOON) == Grant(calls=calls, at=None if calls else NOON + SECOND)
    assert grant(quota, share=0.5, now=NOON + SECOND).calls == 50, "what was said held until the reset"


@pytest.mark.parametrize(
    ("remaining", "now", "calls", "at"),
    [
        (110, NOON, 6, None),
        (104, NOON, 0, NOON + 55 * SECOND),  # 4 % of our hundred are for recoveries
        (104, NOON + 55 * SECOND, 4, None),  # and for anything once the window is as good as over
        (100, NOON, 0, NOON + 60 * SECOND),
    ],
)
def test_what_can_wait_leaves_a_little_to_what_cannot(
    remaining: int, now: datetime, calls: int, at: datetime | None
) -> None:
    quota = quotas.Quota(
        endpoint_class="default",
        blocked_until=None,
        remaining=remaining,
        capacity=200,
        resets_at=NOON + 60 * SECOND,
    )
    assert grant(quota, share=0.5, now=now, can_wait=True) == Grant(calls=calls, at=at)


def test_a_recovery_does_not_wait_for_the_next_window_behind_a_backlog_that_emptied_this_one(bench: Bench) -> None:
    """And what was kept for recoveries nobody needed is spent before the window ends."""
    ends = NOON + 60 * SECOND
    with bench.db.write() as tx:
        quotas.read(tx, ACCOUNT, "default", remaining=110, capacity=200, resets_at=ends)
    bench.limits = Limits(parallel=4, share=0.5)
    bench.start()
    old = [intent(f"old{number}", object=f"old{number}", priority=Priority.BACKFILL) for number in range(20)]
    bench.plan(*old)
    assert bench.drain() == ends - RELEASED
    assert len(bench.twin.requests) == 6
    bench.plan(intent("new", object="new"))
    assert bench.drain() == ends - RELEASED
    assert (len(bench.twin.requests), bench.state("new")) == (7, S.CONFIRMED)
    bench.clock.advance(ends - RELEASED - bench.clock.now())
    assert bench.drain() == ends
    assert len(bench.twin.requests) == 10


def test_what_may_not_be_written_for_the_reserve_does_not_hide_what_has_a_budget_of_its_own(bench: Bench) -> None:
    bench.promises = {**PROMISES, WriteKind.TASK: replace(NATIVE, endpoint_class="other")}
    bench.twin.promises = bench.promises
    with bench.db.write() as tx:
        quotas.read(tx, ACCOUNT, "default", remaining=104, capacity=200, resets_at=NOON + 60 * SECOND)
    bench.limits = Limits(parallel=1, share=0.5, look=2)
    bench.start()
    bench.plan(*(intent(f"old{number}", object=f"old{number}", priority=Priority.BACKFILL) for number in range(5)))
    bench.plan(intent("task", kind=WriteKind.TASK, object="task", priority=Priority.BACKFILL))
    bench.drain()
    assert bench.state("task") is S.CONFIRMED
    assert len(bench.twin.requests) == 1


def test_a_target_that_cannot_be_read_is_no_reason_to_doubt(bench: Bench) -> None:
    failures = [Transient("the helpdesk is down")]

    def prepare(kind: WriteKind, items: Sequence[Item]) -> Sequence[Item]:
        if failures:
            raise failures.pop()
        return items

    bench.prepare = prepare
    bench.start()
    bench.plan(intent())
    due = bench.drain()
    assert (bench.state(), bench.row().attempts, bench.twin.requests) == (S.PLANNED, 1, [])
    assert due is not None
    bench.run()
    assert bench.state() is S.CONFIRMED


def test_a_lease_too_short_for_a_call_sends_nothing(bench: Bench) -> None:
    bench.plan(intent())
    with bench.db.write() as tx:
        hold = lanes.take(tx, bench.lane.name, "bench", LEASE)
    assert hold is not None
    held = LaneHold(hold, bench.clock, asked_at=bench.clock.monotonic() - 11, lease=LEASE.total_seconds())
    with pytest.raises(LeaseLost):
        bench.lane.drain(held)
    assert bench.twin.requests == []
    assert bench.state() is S.PLANNED


def test_a_holder_that_lost_its_lane_while_sending_writes_nothing(bench: Bench) -> None:
    """The process slept through its lease; its successor has asked already. What it brings home is not recorded."""
    bench.plan(intent())

    def sleep(kind: WriteKind, request: Request) -> None:
        bench.clock.advance(2 * LEASE)

    bench.twin.on_send = sleep
    with pytest.raises(LeaseLost):
        bench.drain()
    assert bench.state() is S.SENDING
    bench.twin.on_send = None
    bench.run()
    assert bench.state() is S.CONFIRMED
    assert len(bench.twin.carrying("k1")) == 1


def test_a_drain_with_nothing_to_do_sleeps_until_something_changes(bench: Bench) -> None:
    assert bench.drain() is None
    bench.plan(replace(intent(), not_before=NOON + timedelta(minutes=5), give_up_at=NOON + timedelta(minutes=9)))
    assert bench.drain() == NOON + timedelta(minutes=5)


def test_the_story_of_a_write_is_told(bench: Bench) -> None:
    bench.twin.faults.append(Fault(trouble=Trouble.LOST_AFTER))
    bench.plan(intent(kind=WriteKind.TASK))
    bench.run()
    with bench.db.read() as tx:
        told = list(tx.execute(select(history.c.event).order_by(history.c.id)).scalars())
    assert told == ["sent", "in_doubt", "sent", "confirmed"]


def test_what_is_in_doubt_is_asked_about_before_it_is_too_old(bench: Bench) -> None:
    bench.twin.faults.append(Fault(trouble=Trouble.LOST_AFTER))
    bench.plan(replace(intent(), give_up_at=NOON + SECOND))
    bench.run()
    assert bench.state() is S.CONFIRMED


class Ticking(VirtualClock):
    """A clock that goes on between any two looks at it."""

    def now(self) -> datetime:
        self.advance(timedelta(milliseconds=7))
        return super().now()


@pytest.mark.parametrize("milliseconds", range(0, 400, 5))
def test_nothing_that_comes_due_during_a_drain_is_slept_through(bench: Bench, milliseconds: int) -> None:
    bench.clock = bench.twin.clock = Ticking(NOON)
    bench.start()
    bench.adopt()
    not_before = NOON + timedelta(milliseconds=milliseconds)
    bench.plan(replace(intent(), not_before=not_before))
    due = bench.drain()
    assert bench.state() is S.CONFIRMED or (due is not None and due <= not_before)


class Learner(Twin):
    """A twin that must learn something of the account before it can render or be asked."""

    learns: ClassVar[list[RemoteError]] = []
    learned: ClassVar[list[str]] = []

    def prepare(self) -> None:
        if self.learns:
            raise self.learns.pop(0)
        self.learned.append("learned")


def test_a_writer_learns_what_it_must_before_it_is_used(bench: Bench) -> None:
    Learner.learns[:] = [Transient("down"), Unauthorized("token refused")]
    Learner.learned.clear()
    bench.twin = Learner(account=ACCOUNT, promises=bench.promises, clock=bench.clock)
    bench.start()
    assert bench.drain() is None
    assert Learner.learned == [], "nothing to do, nothing to learn"
    bench.plan(intent())
    due = bench.drain()
    assert due is not None
    assert due > NOON
    assert (bench.state(), bench.twin.requests) == (S.PLANNED, [])
    bench.run()
    assert bench.state() is S.CONFIRMED
    assert [cause for cause, _ in bench.told] == ["paused", "resumed"]


@pytest.mark.parametrize(("kind", "wait"), [(WriteKind.TICKET, 10), (WriteKind.NOTE, 75)])
def test_without_a_key_a_dead_sender_is_given_its_time_from_the_takeover(
    bench: Bench, kind: WriteKind, wait: int
) -> None:
    """It may have begun just before it lost the lane; a key would catch that, nothing else does."""
    bench.adopt(TICKET, "contact-1")
    bench.twin.faults.append(Fault(trouble=Trouble.CRASH_BEFORE))
    bench.plan(intent(kind=kind, object="o", target=TICKET if kind is WriteKind.NOTE else None, fields={"text": "x"}))
    bench.crash()
    assert bench.clock.now() == NOON + 20 * SECOND
    assert bench.drain() == NOON + 20 * SECOND + wait * SECOND


def test_what_changes_while_the_target_is_looked_at_is_seen(bench: Bench) -> None:
    """Between choosing and freezing other lanes commit: an answer is edited, a person edits a field."""

    def meanwhile(kind: WriteKind, items: Sequence[Item]) -> Sequence[Item]:
        with bench.db.write() as tx:
            if kind is WriteKind.TICKET:
                outbox.cancel(tx, ACCOUNT, TICKET, "edited to a happy answer")
            else:
                confirmed.observe(tx, ACCOUNT, CONTACT, {"band": "vip"}, read_at=tx.now)
        return items

    bench.plan(fields_of("f1", score=1, band="healthy"))
    bench.drain()
    bench.clock.advance(SECOND)
    bench.prepare = meanwhile
    bench.start()
    bench.plan(intent(), replace(fields_of("f2", score=2, band="at risk"), cause_at=bench.clock.now()))
    bench.run()
    assert bench.state() is S.SUPERSEDED
    assert bench.twin.carrying("k1") == []
    assert bench.twin.things["contact-0"].fields["score"] == 2
    assert bench.twin.things["contact-0"].fields["band"] == "healthy", "not overwritten by what was chosen before"


@pytest.mark.parametrize("redelivered", [True, False])
def test_a_look_is_believed_only_once_earlier_lives_are_visible(bench: Bench, redelivered: bool) -> None:
    """The copy comes back while the note of the life it does not know of still hides from questions."""
    bench.adopt(TICKET, "contact-1")
    note = intent(kind=WriteKind.NOTE, object="note", target=TICKET, fields={"text": "x"})
    if not redelivered:
        bench.plan(note)
    copy = bench.backup()
    bench.clock.advance(61 * SECOND)
    bench.start()
    bench.plan(note)
    bench.run()
    assert len(bench.twin.carrying("k1")) == 1
    bench.clock.advance(10 * SECOND)
    bench.restore(copy)
    bench.plan(note)
    bench.run()
    assert (bench.state(), len(bench.twin.carrying("k1"))) == (S.CONFIRMED, 1)


def test_an_old_copys_memory_of_a_value_does_not_keep_the_newest_from_being_written(bench: Bench) -> None:
    bench.plan(fields_of("f1", score=1))
    bench.drain()
    copy = bench.backup()
    later = [
        replace(fields_of(f"f{number}", score=score), cause_at=NOON + number * SECOND)
        for number, score in [(2, 7), (3, 1)]
    ]
    bench.clock.advance(10 * SECOND)
    bench.plan(later[0])
    bench.drain()
    assert bench.twin.things["contact-0"].fields == {"score": 7}
    bench.restore(copy)
    bench.plan(*later)
    bench.run()
    assert bench.twin.things["contact-0"].fields == {"score": 1}
