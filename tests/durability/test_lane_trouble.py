"""Trouble that must not spread: an answer taken in by halves, a question nobody can put, a ceiling, a closed budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connector.domain.model.intent import IntentState, Receipt, Request, WriteKind
from connector.errors import InDoubt
from connector.ports import Failed, Job, Outcome
from connector.store import writes
from connector.store.intents import IntentRow
from connector.store.transaction import Transaction
from connector.sync.write import SETTLED_AT_ONCE
from connector.testing.twin import Crash, Twin
from tests.durability.bench import NATIVE, PROMISES, Bench, intent

S = IntentState
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


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
