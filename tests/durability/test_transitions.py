"""Every arrow of the table in docs/delivery.md, by its name."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connector.domain.model.intent import IntentState, Json, WriteKind, refer
from connector.domain.model.transitions import TRANSITIONS, Event
from connector.errors import LeaseLost, Rejected
from connector.store import confirmed, intents, outbox, receipts, writes
from connector.store.schema import person
from connector.sync import storm
from connector.sync.outlet import Ceiling, Limits, Replan
from connector.testing.twin import Crash, Fault, Thing, Trouble, Twin
from connector.transport import lease
from tests.durability.bench import (
    ACCOUNT,
    ASKED,
    BLIND,
    CONTACT,
    KEYED_ONLY,
    LEASE,
    NOON,
    PROMISES,
    TICKET,
    Bench,
    fields_of,
    intent,
)

pytestmark = pytest.mark.both_stores

S = IntentState
FOLDER = Path(__file__).parent


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def make_note(key: str = "n1", **changes: object) -> object:
    return intent(key, kind=WriteKind.NOTE, object=f"note/{key}", target=TICKET, fields={"text": "hello"}, **changes)


def open_ticket(bench: Bench) -> str:
    """A ticket that exists there; its id."""
    bench.plan(intent("ticket"))
    bench.drain()
    assert bench.state("ticket") is S.CONFIRMED
    return next(iter(bench.twin.things))


def fail_next(bench: Bench, *troubles: Trouble) -> None:
    bench.twin.faults.extend(Fault(trouble=trouble) for trouble in troubles)


def test_every_arrow_has_its_test() -> None:
    text = "".join(path.read_text() for path in FOLDER.glob("test_*.py"))
    missing = [row.test for row in TRANSITIONS if f"def {row.test}(" not in text]
    assert missing == []


def test_planned_to_blocked_when_parent_unconfirmed(bench: Bench) -> None:
    bench.plan(intent("task", kind=WriteKind.TASK, object="task", fields={"who": refer(CONTACT)}))
    assert bench.state("task") is S.BLOCKED
    assert bench.row("task").reason == f"waits for {CONTACT}"


def test_blocked_to_planned_when_parents_are_confirmed(bench: Bench) -> None:
    task = intent("task", kind=WriteKind.TASK, object="task", fields={"see": refer(TICKET, "url")}, after=(CONTACT,))
    bench.plan(intent(), task)
    bench.drain()
    assert bench.state("task") is S.BLOCKED, "one parent is not enough"
    bench.adopt()
    assert bench.state("task") is S.PLANNED
    bench.drain()
    assert bench.twin.carrying("task")[0].fields == {"see": f"https://twin.example/{bench.twin.carrying('k1')[0].id}"}


def test_blocked_stays_blocked_and_says_so_when_parent_rejected(bench: Bench) -> None:
    bench.plan(intent(fields={"subject": "bad"}), intent("task", kind=WriteKind.TASK, object="task", after=(TICKET,)))
    bench.drain()
    assert bench.state() is S.REJECTED
    assert bench.state("task") is S.BLOCKED
    assert bench.row("task").reason == f"waits for {TICKET}, which was rejected"


@pytest.mark.parametrize("stands", [S.PLANNED, S.BLOCKED, S.HELD])
def test_unsent_to_superseded_by_a_newer_intent(bench: Bench, stands: IntentState) -> None:
    if stands is not S.BLOCKED:
        bench.adopt()
    bench.plan(fields_of("old", score=1))
    if stands is S.HELD:
        bench.live = False
        bench.start()
        bench.drain()
    assert bench.state("old") is stands
    bench.clock.advance(timedelta(minutes=5))
    bench.plan(replace(fields_of("new", score=2, band="at risk"), not_before=NOON + timedelta(minutes=10)))
    assert bench.state("old") is S.SUPERSEDED
    assert bench.state("new") is (S.BLOCKED if stands is S.BLOCKED else S.PLANNED)
    assert bench.row("new").not_before == NOON, "waiting is not started over"


def test_planned_to_superseded_when_nothing_is_left_to_change(bench: Bench) -> None:
    bench.adopt()
    bench.twin.things["contact-0"] = Thing(id="contact-0", kind=WriteKind.CONTACT, key="", fields={}, seen_from=NOON)
    bench.plan(fields_of("first", score=1))
    bench.drain()
    bench.plan(fields_of("again", score=1))
    bench.drain()
    assert (bench.state("again"), bench.row("again").reason) == (S.SUPERSEDED, "unchanged")
    bench.plan(fields_of("up", score=2))
    bench.clock.advance(timedelta(seconds=1))
    bench.plan(replace(fields_of("down", score=1), cause_at=NOON + timedelta(seconds=1)))
    bench.drain()
    assert bench.state("down") is S.SUPERSEDED, "looked at again when it is sent"
    assert len(bench.twin.requests) == 1


@pytest.mark.parametrize("stands", [S.PLANNED, S.BLOCKED, S.HELD])
def test_unsent_to_superseded_when_cancelled(bench: Bench, stands: IntentState) -> None:
    bench.live = stands is not S.HELD
    bench.start()
    bench.plan(intent(after=(CONTACT,) if stands is S.BLOCKED else ()))
    if stands is S.HELD:
        bench.drain()
    assert bench.state() is stands
    with bench.db.write() as tx:
        assert outbox.cancel(tx, ACCOUNT, TICKET, "the answer was edited")
    assert (bench.state(), bench.row().reason) == (S.SUPERSEDED, "the answer was edited")
    bench.drain()
    assert bench.twin.requests == []


def test_planned_to_superseded_when_prepared_otherwise(bench: Bench) -> None:
    follow_up = intent("follow-up", object="recovery/1/ticket/2")
    seen: list[object] = []

    def prepare(kind: WriteKind, items: object) -> list[Replan]:
        return [Replan(reason="the ticket is closed", intents=(follow_up,), then=seen.append)]

    open_ticket(bench)
    bench.prepare = lambda kind, items: prepare(kind, items) if kind is WriteKind.NOTE else items
    bench.start()
    bench.plan(make_note())  # type: ignore[arg-type]
    bench.run()
    assert (bench.state("n1"), bench.row("n1").reason) == (S.SUPERSEDED, "the ticket is closed")
    assert bench.state("follow-up") is S.CONFIRMED
    assert len(seen) == 1


def test_planned_to_held_in_observe_mode(bench: Bench) -> None:
    bench.live = False
    bench.start()
    bench.plan(intent())
    bench.drain()
    assert (bench.state(), bench.row().reason) == (S.HELD, "observe mode")
    assert bench.twin.requests == []
    assert bench.twin.questions == []


def test_planned_to_held_at_the_ceiling(bench: Bench) -> None:
    bench.limits = Limits(parallel=1, ceilings={WriteKind.TICKET: Ceiling(count=2, per=timedelta(hours=1))})
    bench.start()
    bench.plan(*(intent(f"k{number}", object=f"recovery/{number}/ticket/1") for number in range(5)))
    due = bench.drain()
    assert [bench.state(f"k{number}") for number in range(5)] == [S.CONFIRMED] * 2 + [S.HELD] * 3
    assert [cause for cause, _ in bench.told] == ["ceiling/ticket"]
    assert due is not None
    assert due > NOON + timedelta(hours=1)


@pytest.mark.parametrize("stands", [S.PLANNED, S.IN_DOUBT])
def test_asked_to_held_when_a_contact_is_ambiguous(bench: Bench, stands: IntentState) -> None:
    bench.promises = {
        **PROMISES,
        WriteKind.CONTACT: replace(ASKED, lookup_lag=timedelta(0), ask_first=stands is S.PLANNED),
    }
    bench.twin.promises = bench.promises
    wanted = intent("c", kind=WriteKind.CONTACT, object=CONTACT, fields={"email": "ada@example.org"})
    if stands is S.IN_DOUBT:
        fail_next(bench, Trouble.LOST_BEFORE)
        bench.plan(wanted)
        bench.drain()
        assert bench.state("c") is S.IN_DOUBT
    for number in (1, 2):
        fields: dict[str, Json] = {"email": "ada@example.org"}
        bench.twin.things[f"c-{number}"] = Thing(
            id=f"c-{number}", kind=WriteKind.CONTACT, key="", fields=fields, seen_from=NOON
        )
    bench.plan(wanted)
    bench.run()
    assert bench.state("c") is S.HELD
    row, receipt = bench.settled[-1]
    assert (receipt, [candidate.remote_id for candidate in row.candidates]) == (None, ["c-1", "c-2"])
    assert [cause for cause, _ in bench.told] == ["held"]
    bench.adopt(remote_id="c-2")
    assert bench.state("c") is S.SUPERSEDED, "a person chose"


@pytest.mark.parametrize("why", ["live", "ceiling", "operator"])
def test_held_to_planned_when_released(bench: Bench, why: str) -> None:
    if why == "ceiling":
        bench.limits = Limits(parallel=1, ceilings={WriteKind.TICKET: Ceiling(count=1, per=timedelta(hours=1))})
        bench.start()
        bench.plan(intent("first", object="other"))
        bench.drain()
    else:
        bench.live = False
        bench.start()
    bench.plan(intent())
    bench.drain()
    assert bench.state() is S.HELD
    if why == "operator":
        bench.retry()
        assert bench.state() is S.PLANNED
        return
    bench.live = True
    bench.start()
    bench.run()
    assert bench.state() is S.CONFIRMED


def test_planned_to_confirmed_when_asked_first_and_found(bench: Bench) -> None:
    copy = bench.backup()
    bench.plan(intent())
    bench.drain()
    bench.clock.advance(timedelta(hours=3))
    bench.restore(copy)
    bench.plan(intent())
    bench.run()
    assert (bench.state(), bench.row().reason) == (S.CONFIRMED, "it existed already")
    assert len(bench.twin.things) == 1


def test_planned_stays_planned_when_an_earlier_version_is_found(tmp_path: Path) -> None:
    bench = Bench(tmp_path, promises={**PROMISES, WriteKind.ALERT: ASKED})
    first = intent(kind=WriteKind.ALERT, object="alert", fields={"text": "two of five"}, fold=True, version=1)
    edited = replace(first, key="k2", fields={"text": "five of five"}, target="alert", version=2)
    bench.plan(first)
    copy = bench.backup()
    bench.run()
    bench.clock.advance(timedelta(minutes=30))
    bench.restore(copy)
    bench.plan(edited)
    bench.run()
    assert (bench.state("k1"), bench.state("k2")) == (S.SUPERSEDED, S.CONFIRMED)
    assert [thing.fields for thing in bench.twin.things.values()] == [{"text": "five of five"}]


def test_an_update_without_answer_is_sent_again_although_its_object_is_found(tmp_path: Path) -> None:
    bench = Bench(tmp_path, promises={**PROMISES, WriteKind.ALERT: ASKED})
    first = intent(kind=WriteKind.ALERT, object="alert", fields={"text": "two of five"}, fold=True, version=1)
    bench.plan(first)
    bench.run()
    bench.twin.faults.append(Fault(trouble=Trouble.LOST_BEFORE))
    bench.plan(replace(first, key="k2", fields={"text": "five of five"}, target="alert", version=2))
    bench.run()
    assert (bench.state("k2"), bench.row("k2").revision) == (S.CONFIRMED, 1)
    assert [thing.fields for thing in bench.twin.things.values()] == [{"text": "five of five"}]


def test_planned_stays_planned_when_asked_first_and_not_found(bench: Bench) -> None:
    bench.clock.advance(timedelta(hours=3))
    bench.start()
    bench.plan(intent())
    bench.run()
    assert len(bench.twin.questions) == 1
    assert (bench.state(), bench.row().revision) == (S.CONFIRMED, 0)


def test_planned_to_sending_is_committed_before_the_socket_opens(bench: Bench) -> None:
    bench.adopt()
    seen: list[object] = []

    def look(kind: WriteKind, request: object) -> None:
        with bench.db.read() as tx:
            row = intents.by_key(tx, "k1")
            assert row is not None
            assert row.write_id is not None
            known = confirmed.of(tx, ACCOUNT, CONTACT)
            seen.extend([row.state, writes.get(tx, row.write_id).request == request, known["score"].known])

    bench.twin.on_send = look
    bench.plan(fields_of("k1", score=1))
    bench.drain()
    assert seen == [S.SENDING, True, False]


def with_outcome(bench: Bench, outcome: str, **changes: object) -> None:
    """Let tickets travel ten at once, and be answered as `outcome` says."""
    promise = replace(PROMISES[WriteKind.TICKET], outcome=outcome, batch=10, **changes)  # type: ignore[arg-type]
    bench.promises = bench.twin.promises = {**PROMISES, WriteKind.TICKET: promise}


@pytest.mark.parametrize("stands", [S.SENDING, S.SUBMITTED])
def test_sent_to_confirmed_when_answered(bench: Bench, stands: IntentState) -> None:
    with_outcome(bench, "job" if stands is S.SUBMITTED else "record")
    bench.plan(intent(), intent("k2", object="other", fields={"subject": "bad"}))
    bench.run()
    assert [bench.state(), bench.state("k2")] == [S.CONFIRMED, S.REJECTED], "each record for itself"
    with bench.db.read() as tx:
        assert receipts.of_objects(tx, [TICKET])[TICKET].remote_id in bench.twin.things
        assert confirmed.of(tx, ACCOUNT, TICKET)["subject"].value == "Call Ada back"


@pytest.mark.parametrize("stands", [S.SENDING, S.IN_DOUBT])
def test_sent_to_submitted_when_accepted_as_a_job(bench: Bench, stands: IntentState) -> None:
    with_outcome(bench, "job")
    if stands is S.IN_DOUBT:
        fail_next(bench, Trouble.LOST_BEFORE)
    bench.plan(intent())
    due = bench.drain()
    if stands is S.IN_DOUBT:
        assert bench.state() is S.IN_DOUBT
        assert due is not None
        bench.clock.advance(due - bench.clock.now())
        bench.drain()
    assert bench.state() is S.SUBMITTED
    bench.run()
    assert bench.state() is S.CONFIRMED


@pytest.mark.parametrize("trouble", [Trouble.REFUSED, Trouble.THROTTLED, Trouble.EXHAUSTED, Trouble.LOCKED])
def test_sent_to_planned_when_known_not_committed(bench: Bench, trouble: Trouble) -> None:
    fail_next(bench, trouble)
    bench.plan(intent())
    due = bench.drain()
    assert bench.state() is S.PLANNED
    assert due is not None
    assert due > NOON
    assert bench.row().attempts == int(trouble in {Trouble.REFUSED, Trouble.LOCKED})
    bench.run()
    assert bench.state() is S.CONFIRMED
    assert len(bench.twin.things) == 1


def test_sending_to_planned_when_the_account_pauses(bench: Bench) -> None:
    fail_next(bench, Trouble.UNAUTHORIZED, Trouble.UNAUTHORIZED)
    bench.plan(intent(), intent("k2", object="other"))
    bench.drain()
    assert (bench.state(), bench.row().attempts) == (S.PLANNED, 0)
    assert [cause for cause, _ in bench.told] == ["paused"]
    bench.run()
    assert [cause for cause, _ in bench.told] == ["paused", "resumed"], "told once, though a probe failed"
    assert [bench.state(), bench.state("k2")] == [S.CONFIRMED, S.CONFIRMED]


def lease_ends(monkeypatch: pytest.MonkeyPatch, *patience: float) -> None:
    """The next call asks the lease for so many seconds each time something would leave, and then for too many."""
    send = Twin.send

    def check_and_send(*call: object) -> None:
        monkeypatch.setattr(Twin, "send", send)
        for each in (*patience, 1e9):
            lease.check(each)

    monkeypatch.setattr(Twin, "send", check_and_send)


@pytest.mark.parametrize("parallel", [1, 3])
def test_sending_to_planned_when_the_lease_is_too_short_to_send(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parallel: int
) -> None:
    bench = Bench(tmp_path, limits=Limits(parallel=parallel, timeout=timedelta(seconds=10)))
    lease_ends(monkeypatch)
    bench.plan(*(intent(f"k{number}", kind=WriteKind.ALERT, object=f"alert/{number}") for number in range(parallel)))
    with pytest.raises(LeaseLost):
        bench.drain()
    states = Counter(bench.state(f"k{number}") for number in range(parallel))
    assert states == +Counter({S.PLANNED: 1, S.CONFIRMED: parallel - 1})
    bench.clock.advance(LEASE)
    bench.run()
    assert len(bench.twin.things) == parallel, "nobody could be asked about it, and nobody need be"


def test_what_let_something_out_under_a_lease_too_short_for_the_rest_is_in_doubt(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease_ends(monkeypatch, 1)
    bench.plan(intent(kind=WriteKind.ALERT, object="alert/1"))
    with pytest.raises(LeaseLost):
        bench.drain()
    assert bench.state() is S.SENDING
    bench.clock.advance(LEASE)
    bench.run()
    assert bench.state() is S.GIVEN_UP


@pytest.mark.parametrize("stands", [S.SENDING, S.SUBMITTED, S.IN_DOUBT])
def test_open_to_rejected_when_it_will_never_work(bench: Bench, stands: IntentState) -> None:
    if stands is S.SUBMITTED:
        with_outcome(bench, "job")
    if stands is S.IN_DOUBT:
        fail_next(bench, Trouble.LOST_BEFORE)
    bench.plan(intent(fields={"subject": "bad"}))
    bench.run()
    assert bench.state() is S.REJECTED
    assert bench.twin.things == {}
    assert "rejected/ticket/value" in [cause for cause, _ in bench.told], "the field the vendor names"
    assert bench.settled[-1][0].state is S.REJECTED


def test_operators_are_told_of_each_kind_and_field_that_was_refused(bench: Bench) -> None:
    refused = {WriteKind.TICKET: "priority", WriteKind.TASK: None, WriteKind.ACTIVITY: "OwnerId"}

    def prepare(kind: WriteKind, items: object) -> list[Replan]:
        raise Rejected("is not one of its values", field=refused[kind])

    bench.prepare = prepare
    bench.start()
    for number, kind in enumerate(refused):
        bench.plan(intent(f"k{number}", kind=kind, object=f"object {number}"))
    bench.run()
    assert {cause for cause, _ in bench.told} == {
        "rejected/ticket/priority",
        "rejected/task",
        "rejected/activity/OwnerId",
    }


def test_planned_to_rejected_when_it_cannot_be_rendered(bench: Bench) -> None:
    def prepare(kind: WriteKind, items: object) -> list[Replan]:
        raise Rejected("no such group")

    bench.prepare = prepare
    bench.start()
    bench.plan(intent(), intent("k2", object="other", kind=WriteKind.ALERT))
    bench.promises = bench.twin.promises = {kind: p for kind, p in PROMISES.items() if kind is not WriteKind.ALERT}
    bench.drain()
    assert [bench.state(), bench.state("k2")] == [S.REJECTED, S.REJECTED]
    assert bench.twin.requests == []


@pytest.mark.parametrize("trouble", [Trouble.LOST_BEFORE, Trouble.LOST_AFTER, Trouble.SHORT])
def test_sent_to_in_doubt_when_no_answer_came(bench: Bench, trouble: Trouble) -> None:
    fail_next(bench, trouble)
    bench.plan(intent())
    due = bench.drain()
    assert bench.state() is S.IN_DOUBT
    assert due == NOON + timedelta(seconds=30), "asked once it can be believed"
    assert len(bench.twin.requests) == 1


def test_sending_to_in_doubt_when_the_lease_expired(bench: Bench) -> None:
    fail_next(bench, Trouble.CRASH_AFTER)
    bench.plan(intent())
    bench.crash()
    assert bench.state() is S.SENDING
    bench.drain()
    assert bench.state() is S.IN_DOUBT
    assert len(bench.twin.requests) == 1
    bench.run()
    assert bench.state() is S.CONFIRMED
    assert len(bench.twin.things) == 1


def test_submitted_to_in_doubt_when_the_job_vanished(bench: Bench) -> None:
    with_outcome(bench, "job", key_window=None)
    fail_next(bench, Trouble.VANISHED)
    bench.plan(intent())
    bench.drain()
    assert bench.state() is S.SUBMITTED
    bench.clock.advance(timedelta(seconds=10))
    bench.drain()
    assert bench.state() is S.IN_DOUBT
    bench.run()
    assert bench.state() is S.CONFIRMED
    assert len(bench.twin.things) == 1


def ask_for_tickets(bench: Bench, **changes: object) -> None:
    bench.promises = bench.twin.promises = {**PROMISES, WriteKind.TICKET: replace(ASKED, **changes)}  # type: ignore[arg-type]


def test_in_doubt_to_confirmed_when_asked_and_found(bench: Bench) -> None:
    ask_for_tickets(bench)
    fail_next(bench, Trouble.LOST_AFTER)
    bench.plan(intent())
    bench.run()
    assert bench.state() is S.CONFIRMED
    assert (len(bench.twin.requests), len(bench.twin.questions)) == (1, 1)
    with bench.db.read() as tx:
        assert confirmed.of(tx, ACCOUNT, TICKET)["subject"].known


def test_in_doubt_to_confirmed_by_the_same_bytes_and_key(bench: Bench) -> None:
    fail_next(bench, Trouble.LOST_AFTER)
    bench.plan(intent())
    bench.run()
    assert bench.state() is S.CONFIRMED
    first, second = [request for _, _, request in bench.twin.requests]
    assert first == second
    assert len(bench.twin.things) == 1


def test_in_doubt_to_planned_with_a_revision_when_not_found(bench: Bench) -> None:
    ask_for_tickets(bench)
    fail_next(bench, Trouble.LOST_BEFORE)
    bench.plan(intent())
    bench.run()
    assert (bench.state(), bench.row().revision) == (S.CONFIRMED, 1)
    assert len(bench.twin.things) == 1


def test_in_doubt_to_planned_with_a_revision_when_a_repeat_is_harmless(bench: Bench) -> None:
    fail_next(bench, Trouble.LOST_AFTER)
    bench.plan(intent(kind=WriteKind.TASK))
    bench.run()
    assert (bench.state(), bench.row().revision) == (S.CONFIRMED, 1)
    assert len(bench.twin.things) == 1
    assert bench.twin.questions == []


@pytest.mark.parametrize("stands", [S.PLANNED, S.IN_DOUBT])
def test_asked_to_confirmed_and_reported_when_doubled(bench: Bench, stands: IntentState) -> None:
    ask_for_tickets(bench, ask_first=stands is S.PLANNED)
    if stands is S.IN_DOUBT:
        fail_next(bench, Trouble.LOST_BEFORE)
        bench.plan(intent())
        bench.drain()
    for number in (1, 2):
        bench.twin.things[f"t-{number}"] = Thing(
            id=f"t-{number}", kind=WriteKind.TICKET, key="k1", fields={}, seen_from=NOON
        )
    bench.plan(intent())
    bench.run()
    assert (bench.state(), bench.row().reason) == (S.CONFIRMED, "doubled: t-1, t-2")
    assert [cause for cause, _ in bench.told] == ["doubled/ticket"]


def test_in_doubt_to_given_up_when_nobody_can_be_asked(bench: Bench) -> None:
    bench.promises = bench.twin.promises = {**PROMISES, WriteKind.TICKET: BLIND}
    fail_next(bench, Trouble.LOST_AFTER)
    bench.plan(intent(), intent("task", kind=WriteKind.TASK, object="task", after=(TICKET,)))
    bench.run()
    assert bench.state() is S.GIVEN_UP
    assert len(bench.twin.things) == 1, "not repeated"
    assert ("given_up/ticket/unasked" in dict(bench.told), bench.row("task").reason) == (
        True,
        f"waits for {TICKET}, which was given up",
    )


@pytest.mark.parametrize("stands", [S.PLANNED, S.BLOCKED, S.HELD, S.SUBMITTED, S.IN_DOUBT])
def test_open_to_given_up_when_too_old(bench: Bench, stands: IntentState) -> None:
    wanted = intent(give_up_at=NOON + timedelta(minutes=30))
    if stands is S.PLANNED:
        fail_next(bench, *[Trouble.REFUSED] * 50)
    elif stands is S.BLOCKED:
        wanted = replace(wanted, after=(CONTACT,))
    elif stands is S.SUBMITTED:
        with_outcome(bench, "job")
        bench.twin.job_takes = timedelta(days=1)
    elif stands is S.IN_DOUBT:
        bench.promises = bench.twin.promises = {**PROMISES, WriteKind.TICKET: KEYED_ONLY}
        fail_next(bench, *[Trouble.LOST_BEFORE] * 500)
    bench.plan(wanted)
    if stands is S.HELD:
        held = bench.row("k1")
        with bench.db.write() as tx:
            intents.move(tx, held, Event.STORM, "too many unhappy answers")
    bench.drain()
    assert bench.state() is stands
    bench.run()
    assert bench.state() is S.GIVEN_UP
    assert "given_up/ticket" in dict(bench.told)
    assert bench.clock.now() < NOON + timedelta(minutes=45)


@pytest.mark.parametrize("stands", [S.REJECTED, S.GIVEN_UP])
def test_failed_to_planned_when_an_operator_retries(bench: Bench, stands: IntentState) -> None:
    if stands is S.REJECTED:
        bench.twin.bad = frozenset({"Call Ada back"})
        bench.plan(intent())
    else:
        bench.plan(intent(give_up_at=NOON))
    bench.drain()
    assert bench.state() is stands
    bench.twin.bad = frozenset()
    bench.retry()
    assert bench.state() is S.PLANNED
    bench.run()
    assert bench.state() is S.CONFIRMED
    assert len(bench.twin.questions) == 1, "asked first: nobody knows what happened meanwhile"


@pytest.mark.parametrize(
    "stands",
    [
        S.PLANNED,
        S.BLOCKED,
        S.HELD,
        S.SENDING,
        S.SUBMITTED,
        S.IN_DOUBT,
        S.CONFIRMED,
        S.REJECTED,
        S.SUPERSEDED,
        S.GIVEN_UP,
    ],
)
def test_any_to_erased_once_settled(bench: Bench, stands: IntentState) -> None:
    with bench.db.write() as tx:
        tx.execute(person.insert().values(id=1, created_at=tx.now))
    bring_to(bench, stands)
    assert bench.state() is stands
    is_open = stands in {S.SENDING, S.SUBMITTED, S.IN_DOUBT}
    with bench.db.write() as tx:
        assert outbox.erase(tx, 1) is not is_open
    assert bench.state() is (stands if is_open else S.ERASED)
    told = len(bench.settled)
    bench.run()
    assert bench.state() is S.ERASED
    assert bench.row().fields == {}
    assert len(bench.settled) == told, "nobody acts on an erased person"
    if is_open:
        with bench.db.read() as tx:
            assert receipts.of_objects(tx, [TICKET]), "what is to be erased there"


def bring_to(bench: Bench, stands: IntentState) -> None:
    wanted = intent(person_id=1)
    if stands is S.BLOCKED:
        wanted = replace(wanted, after=(CONTACT,))
    elif stands is S.HELD:
        bench.live = False
        bench.start()
    elif stands is S.SENDING:
        fail_next(bench, Trouble.CRASH_AFTER)
    elif stands is S.SUBMITTED:
        with_outcome(bench, "job")
    elif stands is S.IN_DOUBT:
        fail_next(bench, Trouble.LOST_AFTER)
    elif stands is S.REJECTED:
        wanted = replace(wanted, fields={"subject": "bad"})
    elif stands is S.GIVEN_UP:
        wanted = replace(wanted, give_up_at=NOON)
    bench.plan(wanted)
    if stands is S.SENDING:
        with pytest.raises(Crash):
            bench.drain()
        bench.restart()
    elif stands is S.SUPERSEDED:
        with bench.db.write() as tx:
            outbox.cancel(tx, ACCOUNT, TICKET, "not wanted")
    elif stands is not S.PLANNED:
        bench.drain()


def test_unsent_to_held_when_too_many_answers_are_unhappy(bench: Bench) -> None:
    task = intent("task", kind=WriteKind.TASK, object="task", fields={"who": refer(CONTACT)})
    bench.plan(intent(), task)
    with bench.db.write() as tx:
        for key in ("k1", "task"):
            row = intents.by_key(tx, key)
            assert row is not None
            receipts.stop_waiting(tx, row)
            intents.move(tx, row, Event.STORM, storm.reason("desk"))
    bench.run()
    assert bench.twin.things == {}
    assert (bench.state("k1"), bench.state("task")) == (S.HELD, S.HELD)
    with bench.db.write() as tx:
        assert storm.release(tx, "kiosk") == 0
        assert storm.release(tx, "desk") == 2
    bench.drain()
    assert bench.state("k1") is S.CONFIRMED
    assert bench.state("task") is S.BLOCKED, "what it waits for is still not there"
    bench.adopt()
    bench.drain()
    assert bench.state("task") is S.CONFIRMED
