"""Whether every record arrives exactly once, in the time and the calls it takes."""

from __future__ import annotations

import math
from datetime import timedelta
from pathlib import Path

import pytest

from connector.domain.model.intent import IntentState
from connector.simulator.parts import Fault, FaultKind
from connector.testing.effect import Effect
from connector.testing.suite import Suite, asks
from connector.testing.trials import (
    DONE,
    KILLED,
    LOST,
    REMEMBERED,
    RESTORED,
    Trial,
    as_promised,
    asked_before_visible,
    exactly_one,
    killed_with_the_job_done,
    world_of,
)
from connector.testing.twin import Crash
from connector.testing.writing.records import (
    arrived,
    can_refuse,
    has_many,
    several,
    token_calls,
)

PATIENCE = 120


class DeliveryQuestions(Suite):
    """Whether every record arrives exactly once, in the time and the calls it takes."""

    @asks("C1")
    def test_nothing_to_do_makes_no_call(self, tmp_path: Path, case: Effect) -> None:
        """An empty outbox, and a question about nothing."""
        with world_of(case, tmp_path) as world:
            world.run()
            before = len(world.stand.site.requests)
            world.drain()
            if case.promise.can_ask:
                assert list(world.writer.ask(case.kind, [])) == []
            assert len(world.stand.site.requests) == before, "there was nothing to do"

    @asks("C2", can_refuse)
    def test_each_record_has_its_own_outcome(self, tmp_path: Path, case: Effect) -> None:
        """One of five is refused for good; the others arrive, and each intent knows."""
        with world_of(case, tmp_path) as world:
            wanted = several(world, case, 5)
            assert case.many is not None
            assert case.many.refuse is not None
            wanted[1] = case.many.refuse(wanted[1])
            world.plan(wanted)
            world.come_to_rest()
            assert [world.row(one.key).state for one in wanted] == [
                IntentState.REJECTED if number == 1 else IntentState.CONFIRMED for number in range(5)
            ]
            assert arrived(world, case, 5) == {0, 2, 3, 4}
            assert world.row(wanted[1].key).reason, "it must say why"

    @asks("C3")
    def test_the_same_intent_twice_is_one_object(self, tmp_path: Path, case: Effect) -> None:
        """Planned again at once, when it is done, and by the next process."""
        with world_of(case, tmp_path) as world:
            world.plan(case.wanted)
            world.plan(case.wanted)
            world.come_to_rest()
            world.plan(case.wanted)
            world.restart()
            world.plan(case.wanted)
            world.come_to_rest()
            assert list(case.held(world)) == list(case.expected)
            assert world.states(case.wanted) == DONE

    @asks("C3", variants=lambda case: RESTORED if case.promise.can_tell else REMEMBERED)
    def test_one_object_after_a_restored_backup(self, tmp_path: Path, case: Effect, variant: Trial) -> None:
        """The store is replaced by an older copy of itself."""
        exactly_one(tmp_path, case, variant)

    @asks("C4", variants=lambda case: LOST)
    def test_one_object_when_the_answer_is_lost(self, tmp_path: Path, case: Effect, variant: Trial) -> None:
        """Committed or not, at once or as late as the promise admits."""
        exactly_one(tmp_path, case, variant)

    @asks("C5")
    def test_the_named_time_is_waited_for(self, tmp_path: Path, case: Effect) -> None:
        """Two minutes that the vendor asked for, and then it is sent."""
        with world_of(case, tmp_path) as world:
            world.stand.site.faults.add(world.stand.too_fast(case.calls, PATIENCE))
            before = len(world.stand.site.requests)
            world.plan(case.wanted)
            world.run()
            refused, again = world.calls(case.calls, before)[:2]
            assert again.at - refused.at >= timedelta(seconds=PATIENCE), "it came back too early"
            assert again.at - refused.at <= timedelta(seconds=3 * PATIENCE), "it stayed away for too long"
            world.come_to_rest()
            assert list(case.held(world)) == list(case.expected)
            assert world.states(case.wanted) == DONE

    @asks("C6", lambda case: case.is_job)
    def test_a_job_that_fails_late_is_a_failure(self, tmp_path: Path, case: Effect) -> None:
        """It was accepted, and its first record fails when the job runs."""
        with world_of(case, tmp_path) as world:
            fault = Fault(match=case.calls, kind=FaultKind.LATE_JOB_FAILURE, records=(0,), code="RecordInvalid")
            world.stand.site.faults.add(fault)
            world.plan(case.wanted)
            world.come_to_rest()
            assert world.row(case.wanted[0].key).state is IntentState.REJECTED
            assert world.states(case.wanted[1:]) <= DONE
            assert list(case.held(world)) != list(case.expected)

    @asks("C7")
    def test_a_lagging_look_up_is_waited_for(self, tmp_path: Path, case: Effect) -> None:
        """What was committed cannot be found yet, for as long as the promise admits."""
        exactly_one(tmp_path, case, asked_before_visible)

    @asks("C11")
    def test_a_token_that_ends_midway(self, tmp_path: Path, case: Effect) -> None:
        """Several writes are under way: one renewal, nothing lost. Where nothing can be renewed the account pauses."""
        with world_of(case, tmp_path, parallel=4) as world:
            wanted = several(world, case, 8) if case.many else list(case.wanted)
            stand, revoked = world.stand, iter([True])
            assert stand.revoke is not None, "the stand must say how credentials end"

            def end_the_token() -> None:
                if next(revoked, False):
                    assert stand.revoke is not None
                    stand.revoke()

            world.writer.before_send = end_the_token
            before = len(stand.site.requests)
            world.plan(wanted)
            world.run(timedelta(minutes=10))
            if stand.token_calls:
                assert len(world.calls(stand.token_calls, before)) == 1, "the token is renewed once, for all"
                assert world.told == []
            else:
                assert stand.readmit is not None
                assert world.told == ["paused"], "operators are told once"
                stand.readmit()
            world.come_to_rest()
            assert world.states(wanted) == DONE

    @asks("C17", has_many)
    def test_a_batch_is_as_large_as_declared(self, tmp_path: Path, case: Effect) -> None:
        """One more than fit into one call take two, and all of them arrive."""
        with world_of(case, tmp_path) as world:
            count = case.promise.batch + 1
            wanted = several(world, case, count)
            before = len(world.stand.site.requests)
            world.plan(wanted)
            world.come_to_rest()
            assert world.states(wanted) == DONE
            assert arrived(world, case, count) == set(range(count))
            calls = [call for call in world.stand.site.requests.writes(before) if 200 <= call.status < 300]
            assert len(calls) - token_calls(world, before) == math.ceil(count / case.promise.batch)

    @asks("C18", variants=lambda case: (*KILLED, *([killed_with_the_job_done] if case.is_job else [])))
    def test_a_process_that_dies_doubles_nothing(self, tmp_path: Path, case: Effect, variant: Trial) -> None:
        """It dies with the answer in its hands."""
        exactly_one(tmp_path, case, variant)

    @asks("C18")
    def test_a_process_that_dies_before_sending_loses_nothing(self, tmp_path: Path, case: Effect) -> None:
        """The request was frozen, the socket never opened; the next process takes it up or says it cannot know."""
        with world_of(case, tmp_path) as world:

            def die() -> None:
                raise Crash

            world.writer.before_send = die
            world.plan(case.wanted)
            with pytest.raises(Crash):
                world.drain()
            assert world.states(case.wanted) == {IntentState.SENDING}
            world.restart()
            world.come_to_rest()
            as_promised(world, case)
