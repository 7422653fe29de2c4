"""Taking in intents, calling them off, and looking at them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connector.clock import VirtualClock
from connector.domain.model.intent import Intent, IntentState, Priority, Receipt, WriteKind, refer
from connector.domain.model.transitions import Event
from connector.store import accounts, intents, lanes, outbox, receipts
from connector.store.canonical import mark_of
from connector.store.database import Database
from connector.store.intents import IntentRow
from connector.store.schema import intent as intent_table
from connector.sync import names
from tests.unit.samples import NOON, empty_store

pytestmark = pytest.mark.both_stores

LANE = "write/twin:acme"
PERSON = "person/1/contact@twin:acme"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOON)


@pytest.fixture
def db(tmp_path: Path, clock: VirtualClock) -> Database:
    return empty_store(tmp_path, clock)


def wanted(key: str = "k", **changes: object) -> Intent:
    plain = Intent(
        key=key,
        account="twin:acme",
        kind=WriteKind.CONTACT_FIELDS,
        object=PERSON,
        target=PERSON,
        fields={"score": 40},
        cause_at=NOON,
        not_before=NOON,
        give_up_at=NOON + timedelta(days=1),
        fold=True,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # names and types are those of Intent


def plan(db: Database, *planned: Intent) -> list[int]:
    with db.write() as tx:
        return outbox.plan(tx, planned)


def row(db: Database, key: str = "k") -> IntentRow:
    with db.read() as tx:
        found = intents.by_key(tx, key)
    assert found is not None
    return found


def test_the_same_key_is_planned_once(db: Database) -> None:
    (first,) = plan(db, wanted())
    assert plan(db, wanted(fields={"score": 99})) == []
    assert (row(db).id, row(db).fields) == (first, {"score": 40})


def test_planning_wakes_the_lane_in_the_same_transaction(db: Database) -> None:
    plan(db, wanted(not_before=NOON + timedelta(minutes=5)))
    with db.read() as tx:
        assert lanes.due_at(tx, LANE) == NOON + timedelta(minutes=5)


def test_fields_are_sealed(db: Database, tmp_path: Path) -> None:
    plan(db, wanted(fields={"name": "Ada Example-Canary"}))
    db.close()
    assert b"Canary" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_an_older_fact_does_not_replace_a_newer_one(db: Database) -> None:
    plan(db, wanted("new"))
    plan(db, wanted("late", cause_at=NOON - timedelta(hours=1)))
    assert row(db, "new").state is not IntentState.SUPERSEDED


def test_fewer_fields_do_not_replace_more(db: Database) -> None:
    plan(db, wanted("both", fields={"score": 1, "band": 2}))
    plan(db, wanted("one", cause_at=NOON + timedelta(hours=1)))
    assert row(db, "both").state is not IntentState.SUPERSEDED


def test_only_what_folds_is_replaced(db: Database) -> None:
    plan(db, wanted("a", fold=False), wanted("b"), wanted("c", fold=False), wanted("d", object="x", target="x"))
    assert [row(db, key).state for key in "abcd"] == [IntentState.BLOCKED] * 4


def test_a_replaced_create_stays_a_create_under_its_marker(db: Database) -> None:
    first = wanted("v1", kind=WriteKind.ACTIVITY, object="answer", target=None, priority=Priority.RECOVERY)
    plan(db, first)
    plan(db, wanted("v2", kind=WriteKind.ACTIVITY, object="answer", target="answer"))
    now = row(db, "v2")
    assert (now.state, now.target, now.record, now.priority) == (IntentState.PLANNED, None, "v1", 0)


def test_versions_share_the_marker_they_name(db: Database) -> None:
    plan(db, wanted("v1", kind=WriteKind.ACTIVITY, object="answer", target=None, record="answer-marker"))
    assert row(db, "v1").record == "answer-marker"


def test_a_reference_waits_for_its_object(db: Database) -> None:
    plan(db, wanted(target=None, object="task", fields={"who": [{"id": refer(PERSON)}], "see": refer("t", "url")}))
    assert (row(db).state, row(db).reason) == (IntentState.BLOCKED, f"waits for {PERSON}, t")
    with db.write() as tx:
        outbox.adopt(tx, "twin:acme", PERSON, "c-1")
    assert row(db).state is IntentState.BLOCKED
    with db.write() as tx:
        outbox.adopt(tx, "twin:acme", "t", "t-1", "https://twin.example/t-1")
    assert row(db).state is IntentState.PLANNED
    with db.read() as tx:
        known = outbox.receipts(tx, [PERSON, "t", "unknown"])
    assert {name: receipt.remote_id for name, receipt in known.items()} == {PERSON: "c-1", "t": "t-1"}


def test_adopting_wakes_the_lane_of_what_waited(db: Database) -> None:
    plan(db, wanted())
    with db.write() as tx:
        lanes.take(tx, LANE, "test", timedelta(minutes=1))
    with db.write() as tx:
        outbox.adopt(tx, "twin:acme", PERSON, "c-1")
        assert LANE in tx.wakes


def test_adopting_a_contact_calls_its_creation_off(db: Database) -> None:
    plan(db, wanted("c", kind=WriteKind.CONTACT, target=None), wanted())
    with db.write() as tx:
        outbox.adopt(tx, "twin:acme", PERSON, "c-1")
    assert [row(db, "c").state, row(db).state] == [IntentState.SUPERSEDED, IntentState.PLANNED]


def test_what_was_sent_is_not_cancelled(db: Database) -> None:
    plan(db, wanted(target=None))
    with db.write() as tx:
        intents.move(tx, intents.where(tx, intent_table.c.key == "k")[0], Event.SENT)
        assert outbox.cancel(tx, "twin:acme", PERSON, "edited") is False
    assert row(db).state is IntentState.SENDING


def test_what_may_exist_there_is_not_cancelled(db: Database) -> None:
    """A native write without an answer is planned again; its first try may have arrived."""
    plan(db, wanted(target=None))
    with db.write() as tx:
        sent = intents.move(tx, intents.where(tx, intent_table.c.key == "k")[0], Event.SENT)
        doubted = intents.move(tx, sent, Event.NO_ANSWER)
        intents.move(tx, doubted, Event.REPEATABLE, revision=1)
        assert outbox.cancel(tx, "twin:acme", PERSON, "edited") is False
    assert row(db).state is IntentState.PLANNED


def test_what_replaces_an_intent_inherits_its_doubts(db: Database) -> None:
    plan(db, wanted("old", target=None))
    with db.write() as tx:
        intents.set_aside(tx, intents.where(tx, intent_table.c.key == "old")[0], ask_first=True, revision=2)
    plan(db, wanted("new", target=None))
    assert (row(db, "old").state, row(db, "new").ask_first, row(db, "new").revision) == (
        IntentState.SUPERSEDED,
        True,
        2,
    )


def test_a_note_on_a_ticket_does_not_become_the_ticket(db: Database) -> None:
    with db.write() as tx:
        outbox.adopt(tx, "twin:acme", "t", "77")
    plan(db, wanted(kind=WriteKind.NOTE, object="t", target="t", fold=False))
    noted = row(db)
    with db.write() as tx:
        receipts.add(tx, noted, Receipt(remote_id="comment-5"))
        assert outbox.receipts(tx, ["t"])["t"].remote_id == "77"


def test_probes_come_later_the_longer_a_pause_has_lasted(db: Database, clock: VirtualClock) -> None:
    waits = []
    for _ in range(12):
        with db.write() as tx:
            accounts.pause(tx, "twin:acme", "token refused")
            paused = accounts.paused(tx, "twin:acme")
        assert paused is not None
        waits.append((paused.probe_at - clock.now()).total_seconds())
        clock.advance(paused.probe_at - clock.now())
    assert waits[:5] == [30, 30, 60, 120, 240]
    assert waits[-1] == 900


def test_cancelling_says_so_to_what_waits(db: Database) -> None:
    plan(db, wanted(target=None), wanted("task", object="task", target=None, after=(PERSON,)))
    with db.write() as tx:
        assert outbox.cancel(tx, "twin:acme", PERSON, "edited") is True
    assert row(db, "task").reason == f"waits for {PERSON}, which was called off"


def test_a_move_the_table_does_not_know_is_refused(db: Database) -> None:
    plan(db, wanted(target=None))
    with db.write() as tx, pytest.raises(RuntimeError, match="leads nowhere"):
        intents.move(tx, intents.where(tx, intent_table.c.key == "k")[0], Event.ANSWERED)


def test_a_row_that_moved_meanwhile_is_not_moved_again(db: Database) -> None:
    plan(db, wanted(target=None))
    stale = row(db)
    with db.write() as tx:
        intents.move(tx, stale, Event.SENT)
    with db.write() as tx, pytest.raises(RuntimeError, match="no longer planned"):
        intents.move(tx, stale, Event.OBSERVED)


def test_every_intent_is_counted_where_it_stands(db: Database) -> None:
    plan(db, wanted("a"), wanted("b", object="x", target=None))
    with db.read() as tx:
        counted = outbox.counts(tx)
    assert set(counted) == set(IntentState)
    assert {state: number for state, number in counted.items() if number} == {
        IntentState.BLOCKED: 1,
        IntentState.PLANNED: 1,
    }


def test_drop_and_retry_leave_alone_what_may_be_under_way(db: Database) -> None:
    (number,) = plan(db, wanted(target=None))
    with db.write() as tx:
        assert outbox.retry(tx, number)
        intents.move(tx, intents.get(tx, number), Event.SENT)
        assert not outbox.drop(tx, number)
        assert not outbox.retry(tx, number)


def test_a_merge_moves_every_name(db: Database) -> None:
    with db.write() as tx:
        mine, other, elsewhere = (f"person/{who}/contact@x" for who in (1, 2, 3))
        outbox.adopt(tx, "twin:acme", mine, "77", "https://twin.example/77")
        outbox.adopt(tx, "twin:acme", other, "77")
        outbox.adopt(tx, "other:acme", elsewhere, "77")
        outbox.adopt(tx, "twin:acme", "response/k1/activity@twin:acme", "77")
        receipts.follow(tx, "twin:acme", "77", "99")
        known = outbox.receipts(tx, [mine, other, elsewhere, "response/k1/activity@twin:acme"])
    assert [receipt.remote_id for receipt in known.values()] == ["99", "99", "77", "77"], "a note is not a contact"


def test_a_name_says_whether_it_is_a_contact_or_a_ticket() -> None:
    of = receipts.thing_of
    assert of(names.contact_object(7, "hubspot:4711")) is receipts.Thing.CONTACT
    assert of(names.ticket_object(7, 2)) is of(names.foreign_ticket("zendesk:acme", "10001")) is receipts.Thing.TICKET
    assert of(names.task_object(7, 2)) is None
    assert of(names.activity_object("typeform/aB3dE9/k1", "hubspot:4711")) is None
    assert of(names.note_object("typeform/aB3dE9/k1", "20261120T090000", "zendesk:acme", "recovery")) is None
    assert of(f"{names.ticket_object(7, 2)}/united") is None


def test_an_old_copy_that_forgot_a_version_calls_the_next_one_what_it_always_was_called() -> None:
    first, second = NOON, NOON + timedelta(minutes=3)
    assert mark_of(second, [first]) == mark_of(second, []) != mark_of(first, [])
    assert mark_of(first, []) == "20260302T120000"
    assert mark_of(first + timedelta(microseconds=250), []) == "20260302T120000.00025"
    assert mark_of(first, [first]) == "20260302T120000-2", "a survey tool that keeps the time of submission"
