"""Random programs over outbox, lane and a misbehaving vendor: whatever happens, each intent makes at most one object,
nothing is lost, and the newest value of each field wins."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from connector.domain.model.intent import Intent, IntentState, Item, Promise, Receipt, Request, WriteKind, refer
from connector.store import intents, outbox
from connector.store.intents import IntentRow
from connector.store.schema import intent as intent_table
from connector.store.transaction import Transaction
from connector.sync.outlet import Replan
from connector.sync.write import WriteLane
from connector.testing.twin import Crash, Fault, Thing, Trouble
from tests.durability.bench import ACCOUNT, ASKED, CONTACT, KEYED, NATIVE, NOON, PROMISES, Bench, intent

PROMISED = {
    "native": NATIVE,
    "keyed": KEYED,
    "asked": replace(ASKED, batch=3),
    "asked, job": replace(ASKED, batch=3, outcome="job"),
    "asked, opaque": replace(ASKED, batch=4, outcome="opaque"),
}
TROUBLES = st.sampled_from(list(Trouble))
DAY = timedelta(days=1)
CREATES = (WriteKind.TICKET, WriteKind.TASK, WriteKind.NOTE)


class DyingLane:
    """Kills the process at the n-th settled or told event of a drain, inside the transaction that records it."""

    def __init__(self) -> None:
        self.left: int | None = None

    def step(self) -> None:
        if self.left is None:
            return
        self.left -= 1
        if self.left < 0:
            self.left = None
            raise Crash


class WriteMachine(RuleBasedStateMachine):
    """One connector, one vendor. `wanted` is what was asked for, by key; `newest` the newest value of each field."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="connector-machine-"))
        self.wanted: dict[str, Intent] = {}
        self.newest: dict[str, tuple[datetime, int, int]] = {}
        self.copies: list[tuple[str, dict[str, Intent]]] = []
        self.number = 0

    @initialize(name=st.sampled_from(sorted(PROMISED)), parallel=st.sampled_from([1, 3]))
    def begin(self, name: str, parallel: int) -> None:
        promise: Promise = PROMISED[name]
        bench = Bench(self.folder, promises={**PROMISES, WriteKind.TICKET: promise})
        bench.limits = replace(bench.limits, parallel=parallel)
        bench.start()
        bench.twin.things["contact-0"] = Thing(
            id="contact-0", kind=WriteKind.CONTACT, key="", fields={}, seen_from=NOON
        )
        bench.twin.on_send = self.look
        self.bench = bench
        self.dying = DyingLane()
        bench.adopt()

    def look(self, kind: WriteKind, request: Request) -> None:
        """While a socket is open: what is sent is committed as sending."""
        with self.bench.db.read() as tx:
            sending = intents.where(tx, intent_table.c.state == IntentState.SENDING.value)
            in_doubt = intents.where(tx, intent_table.c.state == IntentState.IN_DOUBT.value)
        assert sending or in_doubt

    @rule(bad=st.sampled_from([False, False, False, True]), needs=st.booleans())
    def want_ticket_and_task(self, bad: bool, needs: bool) -> None:
        self.number += 1
        ticket = f"recovery/{self.number}/ticket/1"
        subject = "bad" if bad else f"subject {self.number}"
        self.plan(
            intent(f"t{self.number}", object=ticket, fields={"subject": subject}),
            intent(
                f"a{self.number}",
                kind=WriteKind.TASK,
                object=f"recovery/{self.number}/task/1",
                fields={"see": refer(ticket, "url")} if needs else {"see": "nothing"},
                after=(CONTACT,),
            ),
        )

    @precondition(lambda self: self.number > 0)
    @rule(data=st.data())
    def want_note(self, data: st.DataObject) -> None:
        of = data.draw(st.integers(1, self.number))
        self.number += 1
        self.plan(
            intent(
                f"n{self.number}",
                kind=WriteKind.NOTE,
                object=f"note/{self.number}",
                target=f"recovery/{of}/ticket/1",
                fields={"text": f"note {self.number}"},
            )
        )

    @rule(late=st.integers(0, 3), score=st.integers(0, 3), both=st.booleans())
    def want_fields(self, late: int, score: int, both: bool) -> None:
        """Facts arrive in any order; some are older than what is known."""
        self.number += 1
        at = self.bench.clock.now() - timedelta(minutes=late)
        fields = {"score": score, "band": score % 2} if both else {"score": score}
        self.plan(
            intent(
                f"f{self.number}",
                kind=WriteKind.CONTACT_FIELDS,
                object=CONTACT,
                target=CONTACT,
                fields=dict(fields),
                fold=True,
                cause_at=at,
            )
        )
        for name, value in fields.items():
            self.newest[name] = max(self.newest.get(name, (at, 0, value)), (at, self.number, value))

    def plan(self, *wanted: Intent) -> None:
        now = self.bench.clock.now()
        fresh = []
        for one in wanted:
            cause_at = one.cause_at if one.kind is WriteKind.CONTACT_FIELDS else now
            fresh.append(replace(one, cause_at=cause_at, not_before=now, give_up_at=now + 30 * DAY))
        self.wanted.update({one.key: one for one in fresh})
        self.bench.plan(*fresh)

    @rule(troubles=st.lists(TROUBLES, min_size=1, max_size=4), late=st.integers(1, 29))
    def expect_trouble(self, troubles: Sequence[Trouble], late: int) -> None:
        self.bench.twin.faults.extend(Fault(trouble=one, late=timedelta(seconds=late)) for one in troubles)

    @rule()
    def drain(self) -> None:
        try:
            self.bench.drain()
        except Crash:
            self.bench.restart()

    @rule(seconds=st.sampled_from([1, 10, 40, 100, 3000, 12000]))
    def wait(self, seconds: int) -> None:
        self.bench.clock.advance(timedelta(seconds=seconds))

    @rule(after=st.integers(0, 30))
    def die_while_settling(self, after: int) -> None:
        """The process dies inside one of the transactions of a drain, after so many statements about intents."""
        self.dying.left = after
        before = self.bench.lane
        self.bench.lane = self.mortal()
        try:
            self.bench.drain()
        except Crash:
            self.bench.restart()
        else:
            self.dying.left = None
            self.bench.lane = before

    def mortal(self) -> WriteLane:
        bench = self.bench

        def settle(tx: Transaction, row: IntentRow, receipt: Receipt | None) -> None:
            self.dying.step()

        def prepare(kind: WriteKind, items: Sequence[Item]) -> Sequence[Item | Replan]:
            self.dying.step()
            return items

        return bench.lane_with(settle, prepare)

    @precondition(lambda self: self.wanted)
    @rule(data=st.data())
    def an_operator_retries(self, data: st.DataObject) -> None:
        """Whatever it is, and whether that makes sense or not."""
        key = data.draw(st.sampled_from(sorted(self.wanted)))
        number = self.bench.row(key).id
        with self.bench.db.write() as tx:
            outbox.retry(tx, number)

    @precondition(lambda self: self.number > 0)
    @rule(data=st.data())
    def call_a_ticket_off(self, data: st.DataObject) -> None:
        """The answer was changed: what was not sent yet is not wanted any more."""
        of = data.draw(st.integers(1, self.number))
        with self.bench.db.write() as tx:
            outbox.cancel(tx, ACCOUNT, f"recovery/{of}/ticket/1", "changed")

    @rule()
    def restart_in_the_other_mode(self) -> None:
        """From live to observe, where nothing is sent, and back."""
        self.bench.live = not self.bench.live
        self.bench.restart()

    @rule()
    def copy_the_store(self) -> None:
        copy = self.bench.backup(f"copy-{len(self.copies)}.db")
        self.copies.append((copy, dict(self.wanted)))

    @precondition(lambda self: self.copies)
    @rule(data=st.data())
    def restore_a_copy(self, data: st.DataObject) -> None:
        """Last night's copy comes back; every answer since is delivered, and so decided, again."""
        copy, known = data.draw(st.sampled_from(self.copies))
        self.bench.clock.advance(timedelta(minutes=2))
        self.bench.restore(copy)
        lost = [one for key, one in self.wanted.items() if key not in known]
        self.bench.plan(*lost)

    @invariant()
    def no_object_is_doubled(self) -> None:
        if not hasattr(self, "bench"):
            return
        for key, one in self.wanted.items():
            if one.kind in CREATES:
                assert len(self.bench.twin.carrying(key)) <= 1, key

    @invariant()
    def one_open_write_per_object(self) -> None:
        if not hasattr(self, "bench"):
            return
        with self.bench.db.read() as tx:
            still = intents.where(tx, intent_table.c.state.in_(["sending", "submitted", "in_doubt"]))
        owners: dict[str, set[tuple[int | None, int | None]]] = {}
        for row in still:
            for name in row.touches:
                owners.setdefault(name, set()).add((row.write_id, row.position))
        assert all(len(writes) == 1 for writes in owners.values()), owners

    def teardown(self) -> None:
        try:
            if hasattr(self, "bench"):
                self.bench.twin.faults.clear()
                if not self.bench.live:
                    self.restart_in_the_other_mode()
                self.bench.run(until=timedelta(days=2))
                self.bench.twin.catch_up()
                self.check_end()
                self.bench.db.close()
        finally:
            shutil.rmtree(self.folder)

    def check_end(self) -> None:
        """Everything ended in a state that says why, and the vendor holds exactly what was wanted."""
        self.no_object_is_doubled()
        for key, one in self.wanted.items():
            row = self.bench.row(key)
            made = self.bench.twin.carrying(key)
            if row.state is IntentState.CONFIRMED and one.kind in CREATES:
                assert len(made) == 1, key
            else:
                assert row.state in EXPLAINED, (key, row.state, row.reason)
        if any(self.bench.state(key) is IntentState.REJECTED for key in self.wanted if key.startswith("f")):
            return  # a newest value the vendor refused for good cannot win
        held = self.bench.twin.things["contact-0"].fields
        for name, (_, _, value) in self.newest.items():
            assert held.get(name) == value, (name, held, self.newest)


EXPLAINED = {IntentState.CONFIRMED, IntentState.SUPERSEDED, IntentState.REJECTED, IntentState.BLOCKED}

TestWriteMachine = WriteMachine.TestCase
TestWriteMachine.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
