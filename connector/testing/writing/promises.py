"""Whether what an adapter declares is what the simulator shows."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connector.domain.model.intent import Item, Json, Receipt
from connector.errors import RemoteError
from connector.ports import Job
from connector.testing.effect import SECOND, Effect
from connector.testing.suite import Suite, asks
from connector.testing.trials import (
    DONE,
    world_of,
)
from connector.testing.writing.records import (
    arrived,
    can_refuse,
    send,
    settled,
    several,
)


class PromiseQuestions(Suite):
    """Whether what an adapter declares is what the simulator shows."""

    @asks("P")
    def test_the_promise_is_the_declared_one(self, tmp_path: Path, case: Effect) -> None:
        """On this account, and it says what it cannot promise."""
        with world_of(case, tmp_path) as world:
            promise = world.writer.promises[case.kind]
            assert promise == case.promise
            assert promise.native or promise.can_ask or promise.key_window or promise.residual, "what is the residual?"
            before = len(world.notes)
            world.plan(case.wanted)
            world.come_to_rest()
            spent = {note.endpoint_class for note in world.notes[before:] if note.write}
            assert spent == {promise.endpoint_class}, "the quota it spends is the declared one"

    @asks("P", lambda case: case.promise.native)
    def test_native_a_repeat_is_harmless(self, tmp_path: Path, case: Effect) -> None:
        """The adapter alone, sent twice with nothing between."""
        with world_of(case, tmp_path) as world:
            for revision in (0, 1):
                send(world, case, [world.item(one, revision) for one in case.wanted])
            assert list(case.held(world)) == list(case.expected)

    @asks("P", lambda case: case.promise.key_window is not None)
    def test_key_window_the_same_bytes_and_key_are_one_object(self, tmp_path: Path, case: Effect) -> None:
        """Until nine tenths of the key's life are over, which is as long as the lane relies on it."""
        with world_of(case, tmp_path) as world:
            assert case.promise.key_window is not None
            items = [world.item(one) for one in case.wanted]
            request = world.writer.render(case.kind, items)
            assert request.idempotency_key
            for wait in (timedelta(0), case.promise.key_window * 0.9 - SECOND):
                world.advance(wait)
                again = world.stand.connect(world.kit()).render(case.kind, items)
                assert again.idempotency_key == request.idempotency_key, "the key is derived, not made up"
                world.writer.send(case.kind, request, len(items))
            assert list(case.held(world)) == list(case.expected)

    @asks("P", lambda case: case.promise.can_ask and case.wanted[0].target is None)
    def test_can_ask_finds_what_is_there_and_nothing_else(self, tmp_path: Path, case: Effect) -> None:
        """In the order of the questions, once the declared lag is over."""
        with world_of(case, tmp_path) as world:
            world.stand.hide(case.promise.lookup_lag)
            item = world.item(case.wanted[0])
            stranger = replace(item, key=f"{item.key}/of-nobody", fields=_unlike(item))
            (outcome,) = send(world, case, [item])
            assert isinstance(outcome, Receipt)
            world.advance(case.promise.lookup_lag + SECOND)
            nobody, found = world.writer.ask(case.kind, [stranger, item])
            assert list(nobody.receipts) == []
            assert [receipt.remote_id for receipt in found.receipts] == [outcome.remote_id]

    @asks("P", lambda case: case.present is not None)
    def test_ask_first_takes_what_is_there(self, tmp_path: Path, case: Effect) -> None:
        """Somebody typed it in before us: it is looked for first, or the vendor refuses a second one."""
        with world_of(case, tmp_path) as world:
            assert case.promise.ask_first or case.promise.native
            assert case.present is not None
            case.present(world)
            world.plan(case.wanted)
            world.come_to_rest()
            assert world.states(case.wanted) == DONE
            assert list(case.held(world)) == list(case.expected)

    @asks("P")
    def test_the_outcome_has_the_declared_shape(self, tmp_path: Path, case: Effect) -> None:
        """A job where one is declared, else an answer for each record."""
        with world_of(case, tmp_path) as world:
            items = [world.item(one) for one in case.wanted]
            answer = world.writer.send(case.kind, world.writer.render(case.kind, items), len(items))
            assert isinstance(answer, Job) is case.is_job
            assert case.promise.outcome == "job" or not case.is_job
            outcomes = settled(world, case, answer, len(items))
            assert len(outcomes) == len(items)
            assert all(isinstance(outcome, Receipt) and outcome.remote_id for outcome in outcomes)

    @asks("P", lambda case: case.promise.outcome == "opaque" and can_refuse(case))
    def test_opaque_one_bad_record_refuses_the_whole(self, tmp_path: Path, case: Effect) -> None:
        """Nothing of a refused batch is written, so that halving it doubles nothing."""
        with world_of(case, tmp_path) as world:
            wanted = several(world, case, 3)
            assert case.many is not None
            assert case.many.refuse is not None
            wanted[1] = case.many.refuse(wanted[1])
            with pytest.raises(RemoteError):
                send(world, case, [world.item(one) for one in wanted])
            assert arrived(world, case, 3) == set()


def _unlike(item: Item) -> dict[str, Json]:
    """The fields of somebody else: another address where one stands in them."""
    return {
        name: f"nobody.{value}" if isinstance(value, str) and "@" in value else value
        for name, value in item.fields.items()
    }
