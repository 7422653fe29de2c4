"""Undoing a run while requests of it got no answer: what may exist is looked for before it is called off."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connector.domain.model.intent import IntentState, WriteKind
from connector.store import lanes, runs, undoings
from connector.store.distrust import distrust
from connector.store.runs import RunKind
from connector.sync.undo import LANE, UndoLane
from connector.testing.twin import Fault, Trouble
from tests.durability.bench import NATIVE, PROMISES, Bench, intent
from tests.unit.deciding import example_settings, take_lane

pytestmark = pytest.mark.both_stores


def bench_of(folder: Path) -> Bench:
    made = Bench(folder, promises={**PROMISES, WriteKind.TASK: replace(NATIVE, can_ask=True)})
    with made.db.write() as tx:
        made.db.run_id = runs.begin(tx, RunKind.START, mode="live", config="x")
    return made


def undo(bench: Bench) -> None:
    """Ask for it, and let the lane do all it can now."""
    with bench.db.write() as tx:
        undoings.ask(tx, 1)
    hold = take_lane(bench.db, LANE)
    UndoLane(db=bench.db, settings=example_settings, retractable={}).drain(hold)
    with bench.db.write() as tx:
        lanes.finish(tx, hold.hold, None)


def put_back(bench: Bench, trouble: Trouble) -> None:
    """A task was sent, no answer came, and it is planned again."""
    bench.twin.faults.append(Fault(trouble=trouble))
    bench.plan(intent("task", kind=WriteKind.TASK, object="recovery/1/task/1"))
    bench.drain()
    assert bench.state("task") is IntentState.IN_DOUBT
    bench.twin.faults.append(Fault(trouble=Trouble.REFUSED))
    bench.clock.advance(timedelta(seconds=31))
    bench.drain()
    assert bench.state("task") is IntentState.PLANNED


def test_what_may_exist_is_looked_for_before_it_is_called_off(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    put_back(bench, Trouble.LOST_AFTER)
    sent = len(bench.twin.requests)
    undo(bench)
    with bench.db.read() as tx:
        assert undoings.under_way(tx, 1) == 1
    bench.run()
    assert bench.state("task") is IntentState.CONFIRMED, "it was there all along, and is known now to be undone"
    assert len(bench.twin.requests) == sent
    undo(bench)
    with bench.db.read() as tx:
        assert undoings.open_ones(tx) == []


def test_what_is_not_there_is_never_sent_again(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    put_back(bench, Trouble.LOST_BEFORE)
    sent = len(bench.twin.requests)
    undo(bench)
    bench.run()
    assert bench.state("task") is IntentState.SUPERSEDED
    assert len(bench.twin.requests) == sent
    undo(bench)
    with bench.db.read() as tx:
        assert undoings.open_ones(tx) == []


def test_a_restored_store_asks_before_it_calls_off(tmp_path: Path) -> None:
    bench = bench_of(tmp_path)
    bench.plan(intent("task", kind=WriteKind.TASK, object="recovery/1/task/1"))
    copy = bench.backup()
    bench.start()
    bench.run()
    assert bench.state("task") is IntentState.CONFIRMED
    bench.restore(copy)
    with bench.db.write() as tx:
        distrust(tx)
        bench.db.run_id = runs.begin(tx, RunKind.START, mode="live", config="x")
    undo(bench)
    bench.clock.advance(timedelta(minutes=2))
    bench.run()
    assert bench.state("task") is IntentState.CONFIRMED
