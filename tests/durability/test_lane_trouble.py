"""Trouble that must not spread: an answer taken in by halves, a question nobody can put, a ceiling, a closed budget."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connector.domain.model.intent import IntentState, Promise, Receipt, Request, WriteKind
from connector.errors import InDoubt, Transient, Unauthorized
from connector.ports import Failed, Job, Outcome
from connector.store import quotas, writes
from connector.store.intents import IntentRow
from connector.store.transaction import Transaction
from connector.sync.outlet import Ceiling, Limits
from connector.sync.write import SETTLED_AT_ONCE
from connector.testing.twin import Crash, Fault, Trouble, Twin
from tests.durability.bench import ACCOUNT, ASKED, KEYED, KEYED_ONLY, NATIVE, NOON, PROMISES, Bench, intent

S = IntentState
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


class Hesitant(Twin):
    """A vendor whose first answer says nothing certain about its first record."""

    def send(self, kind: WriteKind, request: Request, count: int) -> Sequence[Outcome] | Job:
        answer = Twin.send(self, kind, request, count)
        if self.requests[1:] or isinstance(answer, Job):
            return answer
        return [Failed(error=InDoubt("the job failed on this record")), *answer[1:]]


def test_dying_between_two_pieces_of_an_answer_leaves_nothing_sending(bench: Bench) -> None:
    bench.promises = {**PROMISES, WriteKind.TASK: replace(NATIVE, batch=50)}
    bench.twin = Hesitant(account=bench.twin.account, promises=bench.promises, clock=bench.clock)
    keys = [f"t{number}" for number in range(SETTLED_AT_ONCE + 10)]
    bench.plan(*(intent(key, kind=WriteKind.TASK, object=key) for key in keys))
    told: list[IntentRow] = []

    def dies_in_the_second_piece(tx: Transaction, row: IntentRow, receipt: Receipt | None) -> None:
        told.append(row)
        if len(told) > SETTLED_AT_ONCE:
            raise Crash

    bench.lane = bench.lane_with(dies_in_the_second_piece, bench.prepare)
    bench.crash()
    assert {bench.state(key) for key in keys} == {S.IN_DOUBT, S.CONFIRMED, S.SENDING}
    bench.drain()
    assert {bench.state(key) for key in keys} == {S.IN_DOUBT, S.CONFIRMED}
    bench.run()
    assert {bench.state(key) for key in keys} == {S.CONFIRMED}
    assert len(bench.twin.things) == len(keys)
    with bench.db.read() as tx:
        assert writes.next_settling(tx, bench.twin.account) is None


@pytest.mark.parametrize(
    ("promise", "ends"),
    [(KEYED, S.CONFIRMED), (ASKED, S.CONFIRMED), (NATIVE, S.HELD)],
    ids=["key", "question", "native"],
)
def test_in_observe_mode_a_doubt_is_settled_by_asking_and_nothing_is_sent(
    bench: Bench, promise: Promise, ends: IntentState
) -> None:
    bench.twin.promises = {**PROMISES, WriteKind.TICKET: promise}
    bench.twin.faults = [Fault(trouble=Trouble.LOST_AFTER)]
    bench.plan(intent())
    bench.drain()
    assert bench.state() is S.IN_DOUBT
    bench.live = False
    bench.restart(5 * MINUTE)
    rests(bench)
    assert bench.state() is ends, "what may be repeated is held until we are live"
    assert len(bench.twin.requests) == 1


def test_in_observe_mode_what_only_its_key_can_settle_waits_for_its_key(bench: Bench) -> None:
    bench.twin.promises = {**PROMISES, WriteKind.TICKET: KEYED_ONLY}
    bench.twin.faults = [Fault(trouble=Trouble.LOST_AFTER)]
    bench.plan(intent())
    bench.drain()
    bench.live = False
    bench.restart(5 * MINUTE)
    rests(bench)
    assert (bench.state(), len(bench.twin.requests)) == (S.IN_DOUBT, 1)
    bench.live = True
    bench.restart(5 * MINUTE)
    bench.run()
    assert (bench.state(), len(bench.twin.things)) == (S.CONFIRMED, 1)


def test_one_forbidden_record_does_not_keep_its_account_paused(bench: Bench) -> None:
    def forbid(kind: WriteKind, request: Request) -> None:
        if b"forbidden" in request.body:
            raise Unauthorized("the credentials do not permit this", status=403)

    bench.twin.on_send = forbid
    bench.plan(intent("forbidden", object="o0"), *(intent(f"t{number}", object=f"t{number}") for number in range(5)))
    bench.run(5 * MINUTE)
    assert {bench.state(f"t{number}") for number in range(5)} == {S.CONFIRMED}
    assert [cause for cause, _ in bench.told] == ["paused", "resumed"]
    bench.twin.on_send = None
    bench.run(HOUR)
    assert bench.state("forbidden") is S.CONFIRMED, "nothing is lost when it was the credentials after all"


class Unready(Twin):
    """A vendor about which nothing can be learnt for now."""

    def prepare(self) -> None:
        raise Transient("down")


def test_a_writer_that_cannot_be_prepared_is_not_asked_without_a_pause(bench: Bench) -> None:
    bench.twin.faults = [Fault(trouble=Trouble.LOST_AFTER)]
    bench.plan(intent())
    bench.drain()
    bench.twin = Unready(account=bench.twin.account, promises=PROMISES, clock=bench.clock)
    bench.restart(5 * MINUTE)
    rests(bench)
    assert bench.state() is S.IN_DOUBT


def rests(bench: Bench) -> None:
    """The lane never asks to come back at once."""
    for _ in range(3):
        due = bench.drain()
        assert due is None or due > bench.clock.now()


@pytest.mark.parametrize(("kind", "most"), [(WriteKind.TICKET, 1), (WriteKind.TASK, 10)])
def test_several_calls_of_one_round_share_the_room_under_a_ceiling(bench: Bench, kind: WriteKind, most: int) -> None:
    bench.limits = Limits(parallel=4, timeout=10 * SECOND, ceilings={kind: Ceiling(count=most, per=HOUR)})
    bench.start()
    bench.plan(*(intent(f"t{number}", kind=kind, object=f"o{number}") for number in range(6 * most)))
    bench.drain()
    assert len(bench.twin.things) == most
    assert [cause for cause, _ in bench.told] == [f"ceiling/{kind}"]


def test_what_is_above_the_ceiling_is_held_before_anything_is_asked_about_it(bench: Bench) -> None:
    """An import of old tickets looks for each before it makes it: not for the thousands that have to wait anyway."""
    asked = replace(PROMISES[WriteKind.TICKET], ask_first=True, can_ask=True, lookup_lag=timedelta(0))
    bench.promises = {**PROMISES, WriteKind.TICKET: asked}
    bench.twin.promises = bench.promises
    bench.limits = Limits(parallel=1, timeout=10 * SECOND, ceilings={WriteKind.TICKET: Ceiling(count=2, per=HOUR)})
    bench.start()
    bench.plan(*(intent(f"t{number}", object=f"o{number}") for number in range(8)))
    bench.drain()
    assert [bench.state(f"t{number}") for number in range(8)] == [S.CONFIRMED] * 2 + [S.HELD] * 6
    assert len(bench.twin.questions) == 3, "those two, and the one that was looked for while the last of them was sent"
    bench.run(4 * HOUR)
    assert {bench.state(f"t{number}") for number in range(8)} == {S.CONFIRMED}


@pytest.mark.parametrize("trouble", [Trouble.REFUSED, Trouble.LOST_BEFORE])
def test_what_is_known_not_to_have_been_made_leaves_room_under_the_ceiling(bench: Bench, trouble: Trouble) -> None:
    bench.limits = Limits(parallel=1, timeout=10 * SECOND, ceilings={WriteKind.NOTE: Ceiling(count=2, per=DAY)})
    bench.start()
    bench.twin.faults = [Fault(trouble=trouble)] * 4
    bench.plan(intent("n", kind=WriteKind.NOTE, object="recovery/1/note/1"))
    bench.run(12 * HOUR)
    assert bench.state("n") is S.CONFIRMED


def test_what_is_sent_again_under_its_key_counts_from_when_it_was_made(bench: Bench) -> None:
    """A ticket that was written down as sent and got there half an hour later takes the room of that hour."""
    bench.limits = Limits(parallel=1, timeout=10 * SECOND, ceilings={WriteKind.TICKET: Ceiling(count=1, per=HOUR)})
    bench.start()
    bench.twin.faults = [Fault(trouble=Trouble.LOST_BEFORE)]
    bench.plan(*(intent(f"t{number}", object=f"recovery/{number}/ticket/1") for number in range(2)))
    bench.drain()
    bench.clock.advance(HOUR / 2)
    bench.run(3 * HOUR)
    first, second = sorted(thing.seen_from for thing in bench.twin.things.values())
    assert first >= NOON + HOUR / 2
    assert second > first + HOUR


def test_a_rejected_record_gives_its_room_to_one_that_is_held(bench: Bench) -> None:
    bench.limits = Limits(parallel=1, timeout=10 * SECOND, ceilings={WriteKind.TASK: Ceiling(count=1, per=DAY)})
    bench.start()
    bench.plan(
        intent("bad", kind=WriteKind.TASK, object="o1", fields={"subject": "bad"}),
        intent("good", kind=WriteKind.TASK, object="o2"),
    )
    bench.run(HOUR)
    assert [bench.state("bad"), bench.state("good")] == [S.REJECTED, S.CONFIRMED]


def test_a_ceiling_that_is_taken_away_lets_go_of_what_it_held(bench: Bench) -> None:
    bench.limits = Limits(parallel=1, timeout=10 * SECOND, ceilings={WriteKind.TICKET: Ceiling(count=1, per=HOUR)})
    bench.start()
    bench.plan(*(intent(f"t{number}", object=f"o{number}") for number in range(3)))
    bench.drain()
    assert bench.state("t2") is S.HELD
    bench.limits = Limits(parallel=1, timeout=10 * SECOND)
    bench.restart()
    bench.run(MINUTE)
    assert {bench.state(f"t{number}") for number in range(3)} == {S.CONFIRMED}


def test_what_a_ceiling_keeps_back_is_sent_in_the_end_with_what_waits_for_it(bench: Bench) -> None:
    bench.limits = Limits(parallel=1, timeout=10 * SECOND, ceilings={WriteKind.TICKET: Ceiling(count=1, per=DAY)})
    bench.start()
    for number in range(6):
        ticket, note = intent(f"t{number}", object=f"o{number}"), f"response/{number}/answer/1"
        add = {"kind": WriteKind.NOTE, "target": f"o{number}", "after": (f"o{number}",), "fields": {"text": "more"}}
        bench.plan(ticket, intent(f"n{number}", object=note, **add))
    bench.run(10 * DAY)
    assert {bench.state(f"{what}{number}") for what in "tn" for number in range(6)} == {S.CONFIRMED}
    assert not [cause for cause, _ in bench.told if cause.startswith("given_up")]


def test_what_a_ceiling_let_go_has_time_to_be_sent(bench: Bench) -> None:
    bench.limits = Limits(parallel=1, timeout=10 * SECOND, ceilings={WriteKind.TICKET: Ceiling(count=1, per=DAY)})
    bench.start()
    soon = {"give_up_at": NOON + DAY + 5 * MINUTE}
    add = {"kind": WriteKind.NOTE, "target": "o1", "after": ("o1",), "fields": {"text": "more"}}
    bench.plan(intent("t0", object="o0"), intent("t1", object="o1", **soon), intent("n1", object="note", **add, **soon))
    bench.run(DAY - MINUTE)
    assert bench.state("t0") is S.CONFIRMED
    bench.twin.faults = [Fault(trouble=Trouble.REFUSED)] * 12
    bench.run(2 * DAY)
    assert (bench.state("t1"), bench.state("n1")) == (S.CONFIRMED, S.CONFIRMED)


def test_news_grow_old_under_a_ceiling(bench: Bench) -> None:
    bench.limits = Limits(parallel=1, timeout=10 * SECOND, ceilings={WriteKind.ALERT: Ceiling(count=1, per=DAY)})
    bench.start()
    bench.plan(*(intent(f"a{number}", kind=WriteKind.ALERT, object=f"m{number}") for number in range(6)))
    bench.run(10 * DAY)
    assert Counter(bench.state(f"a{number}") for number in range(6))[S.GIVEN_UP] >= 2


@pytest.mark.parametrize("look", [500, 3])
def test_a_closed_budget_keeps_only_its_own_kinds_waiting(bench: Bench, look: int) -> None:
    slow = replace(PROMISES[WriteKind.TASK], endpoint_class="slow", batch=1)
    bench.promises = bench.twin.promises = {**PROMISES, WriteKind.TASK: slow}
    bench.limits = Limits(parallel=4, timeout=10 * SECOND, look=look)
    bench.start()
    bench.plan(*(intent(f"n{number}", kind=WriteKind.TASK, object=f"x{number}") for number in range(4)))
    with bench.db.write() as tx:
        quotas.block(tx, ACCOUNT, "slow", NOON + DAY)
    bench.plan(intent("ticket"))
    due = bench.drain()
    assert (bench.state("ticket"), bench.state("n0")) == (S.CONFIRMED, S.PLANNED)
    assert due == NOON + DAY
    bench.run(2 * DAY)
    assert bench.state("n3") is S.CONFIRMED


def test_a_budget_for_one_call_does_not_keep_another_budget_from_its_own(bench: Bench) -> None:
    slow = replace(PROMISES[WriteKind.TASK], endpoint_class="slow", batch=1)
    bench.promises = bench.twin.promises = {**PROMISES, WriteKind.TASK: slow}
    bench.limits = Limits(parallel=4, timeout=10 * SECOND)
    bench.start()
    with bench.db.write() as tx:
        quotas.read(tx, ACCOUNT, "slow", remaining=1, capacity=None, resets_at=NOON + DAY)
    bench.plan(*(intent(f"n{number}", kind=WriteKind.TASK, object=f"x{number}") for number in range(4)))
    bench.plan(intent("ticket"))
    bench.drain()
    assert (bench.state("n0"), bench.state("n1"), bench.state("ticket")) == (S.CONFIRMED, S.PLANNED, S.CONFIRMED)
