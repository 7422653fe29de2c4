"""Taking a run back, piece by piece: what is restored, closed, corrected, and what is left alone and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connector.clock import VirtualClock
from connector.domain.model.intent import Intent, IntentState, Json, WriteKind
from connector.domain.model.response import Interaction
from connector.domain.model.transitions import Event
from connector.errors import StoreError
from connector.store import (
    confirmed,
    intents,
    lanes,
    outbox,
    priors,
    recoveries,
    responses,
    runs,
    scores,
    storms,
    undoings,
)
from connector.store.database import Database
from connector.store.intents import IntentRow
from connector.store.priors import Prior
from connector.store.responses import VersionState
from connector.store.runs import RunKind
from connector.store.storms import Breaker
from connector.sync.playbook import NO_SURVEY
from connector.sync.unchanged import same
from connector.sync.undo import LANE, UNDONE, UndoLane
from connector.sync.undoing import Undo, What
from tests.unit.deciding import (
    CHAT,
    CRM,
    DESK,
    decide_all,
    example_settings,
    feed,
    planned,
    pretend_confirmed,
    take_lane,
)
from tests.unit.samples import NOON, answer, empty_store

pytestmark = pytest.mark.both_stores

CONTACT = f"person/1/contact@{CRM}"


class Marking:
    """A CRM that can take its tasks back."""

    def retract(self, kind: WriteKind, fields: Mapping[str, Json], why: str) -> Mapping[str, Json]:
        return {"Subject": f"{why}: {fields.get('Subject')}"} if kind is WriteKind.TASK else {}

    def read_records(
        self, kind: WriteKind, ids: Sequence[str], fields: Sequence[str]
    ) -> Mapping[str, Mapping[str, Json]]:
        return {}


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    store = empty_store(tmp_path, VirtualClock(NOON))
    begin(store)
    yield store
    store.close()


def begin(db: Database, kind: RunKind = RunKind.START) -> int:
    """From now on everything is planned under another run."""
    with db.write() as tx:
        db.run_id = runs.begin(tx, kind, mode="live", config=str(kind))
    assert db.run_id is not None
    return db.run_id


def undo(db: Database, run_id: int) -> None:
    """Ask for it and let the lane do all it can."""
    with db.write() as tx:
        undoings.ask(tx, run_id)
    lane = UndoLane(db=db, settings=example_settings, retractable={CRM: Marking()})
    hold = take_lane(db, LANE)
    lane.drain(hold)
    with db.write() as tx:
        lanes.finish(tx, hold.hold, None)


def confirm_all(db: Database) -> None:
    """Everything that can be sent is sent and answered."""
    for number in range(8):
        for row in planned(db):
            if row.state is IntentState.PLANNED:
                pretend_confirmed(db, row, f"{row.kind.value}-{number}-{row.id}")


def undoing_of(db: Database) -> dict[str, IntentRow]:
    """What undoes, by the word in its key."""
    return {row.key.split("/")[2]: row for row in planned(db) if row.key.startswith("undo/")}


def write(db: Database, key: str, fields: Mapping[str, Json], held: Mapping[str, Prior], *, ours: bool = True) -> None:
    """A run sets fields of a contact that exists, and it is confirmed."""
    intent = Intent(
        key=key,
        account=CRM,
        kind=WriteKind.CONTACT_FIELDS,
        object=CONTACT,
        target=CONTACT,
        fields=fields,
        cause_at=db.clock.now(),
        not_before=NOON,
        give_up_at=NOON + timedelta(days=3),
        ours=frozenset(fields) if ours else frozenset(),
    )
    with db.write() as tx:
        outbox.adopt(tx, CRM, CONTACT, "003A")
        [number] = outbox.plan(tx, [intent])
        priors.remember(tx, number, held)
        intents.move(tx, intents.move(tx, intents.get(tx, number), Event.SENT), Event.ANSWERED)
        confirmed.confirm(tx, CRM, CONTACT, fields, dict.fromkeys(fields, intent.cause_at))


def test_an_answer_decided_under_the_run_is_taken_back_with_everything_it_led_to(db: Database) -> None:
    run_id = begin(db)
    feed(db, answer(stars=1))
    decide_all(db, example_settings())
    confirm_all(db)
    following = begin(db)
    undo(db, run_id)
    done = undoing_of(db)
    assert set(done) == {"close", "retract"}
    close = done["close"]
    assert (close.kind, close.target, close.run_id) == (WriteKind.NOTE, "recovery/1/ticket/1", following)
    assert (close.fields["status"], close.fields["add_tags"]) == ("solved", [NO_SURVEY])
    assert str(close.fields["text"]).startswith(f"Undone with run {run_id}")
    assert done["retract"].kind is WriteKind.TASK
    assert done["retract"].record == next(row.record for row in planned(db, WriteKind.TASK))
    with db.read() as tx:
        recovery = recoveries.get(tx, 1)
        assert recovery is not None
        assert recovery.cause == UNDONE
        assert [fact for fact in scores.facts(tx, 1) if not fact.source.startswith("signal/")] == []
        assert responses.counts(tx) == {VersionState.UNDONE.value: 1}
        assert responses.last_decided(tx, 1) is None
        assert undoings.open_ones(tx) == []
    before = len(planned(db))
    undo(db, run_id)
    assert len(planned(db)) == before, "twice is once"


def test_nothing_unsent_of_the_run_is_sent_and_nothing_of_others_is_touched(db: Database) -> None:
    feed(db, answer("before", stars=1, email="eve@example.com", interaction=Interaction(id="R-9", kind="visit")))
    decide_all(db, example_settings())
    others = {row.id: row.state for row in planned(db)}
    run_id = begin(db)
    feed(db, answer(stars=1))
    decide_all(db, example_settings())
    undo(db, run_id)
    assert {row.state for row in planned(db) if row.id not in others} == {IntentState.SUPERSEDED}
    assert {row.id: row.state for row in planned(db) if row.id in others} == others
    assert undoing_of(db) == {}


def test_what_is_in_doubt_is_settled_before_anything_is_restored(db: Database) -> None:
    run_id = begin(db)
    feed(db, answer(stars=1))
    decide_all(db, example_settings())
    [ticket] = planned(db, WriteKind.TICKET)
    with db.write() as tx:
        intents.move(tx, intents.move(tx, ticket, Event.SENT), Event.NO_ANSWER)
    undo(db, run_id)
    assert undoing_of(db) == {}
    with db.read() as tx:
        assert [one.run_id for one in undoings.open_ones(tx)] == [run_id]
    with db.write() as tx:
        intents.move(tx, intents.get(tx, ticket.id), Event.FOUND)
        outbox.adopt(tx, DESK, ticket.object, "77")
    undo(db, run_id)
    assert set(undoing_of(db)) == {"close"}


def test_fields_go_back_to_what_they_held_before_the_runs_first_write(db: Database) -> None:
    run_id = begin(db)
    held = {"CSAT_Band__c": Prior(known=True, value="healthy"), "CSAT_Health__c": Prior(known=False)}
    write(db, "one", {"CSAT_Band__c": "at_risk", "CSAT_Health__c": 40}, held)
    write(db, "two", {"CSAT_Band__c": "critical"}, {"CSAT_Band__c": Prior(known=True, value="at_risk")})
    undo(db, run_id)
    row = undoing_of(db)["restore"]
    assert (row.kind, row.object, row.fields) == (
        WriteKind.CONTACT_FIELDS,
        CONTACT,
        {"CSAT_Band__c": "healthy", "CSAT_Health__c": None},
    )
    assert row.ours == frozenset(), "what a person changes until it is sent is theirs"
    assert row.run_id != run_id, "the run that goes on is another one: what it plans is not taken back as well"


def test_what_others_wrote_or_nobody_knows_is_left(db: Database) -> None:
    run_id = begin(db)
    known = Prior(known=True, value="old")
    fields = {"A": "b", "B": "b", "C": "b", "D": "b"}
    write(db, "one", fields, {"A": known, "B": known, "C": Prior(known=False), "D": known}, ours=False)
    with db.write() as tx:
        seen = db.clock.now() + timedelta(seconds=1)
        assert confirmed.observe(tx, CRM, CONTACT, {"A": "Robin"}, read_at=seen) == {"A"}
    begin(db)
    write(db, "two", {"B": "c"}, {"B": Prior(known=True, value="b")})
    with db.read() as tx:
        steps = list(Undo(run_id=run_id, retractable={}).steps(tx))
    left = {step.fields: step.why for step in steps if step.what is What.LEAVE}
    assert left == {
        ("A",): "a person changed it since",
        ("B",): "written again since",
        ("C",): "nobody knows what it held before",
    }
    [restored] = [step for step in steps if step.what is What.RESTORE]
    assert restored.intent is not None
    assert restored.intent.fields == {"D": "old"}


class Breaking(Marking):
    """A CRM that fails once, at the second record."""

    calls = 0

    def retract(self, kind: WriteKind, fields: Mapping[str, Json], why: str) -> Mapping[str, Json]:
        self.calls += 1
        if self.calls == 2:
            raise StoreError("the disk is full")
        return super().retract(kind, fields, why)


def test_a_piece_that_comes_to_nothing_is_done_again(db: Database) -> None:
    marks = []
    for number in range(2):
        marks.append(begin(db))
        task = Intent(
            key=f"task{number}",
            account=CRM,
            kind=WriteKind.TASK,
            object=f"task{number}",
            fields={"Subject": "Call back"},
            cause_at=NOON,
            not_before=NOON,
            give_up_at=NOON + timedelta(days=3),
        )
        with db.write() as tx:
            outbox.plan(tx, [task])
    confirm_all(db)
    with db.write() as tx:
        for run_id in marks:
            undoings.ask(tx, run_id)
    lane = UndoLane(db=db, settings=example_settings, retractable={CRM: Breaking()})
    hold = take_lane(db, LANE)
    with pytest.raises(StoreError):
        lane.drain(hold)
    with db.read() as tx:
        assert db.run_id in {run.id for run in runs.listed(tx)}, "nothing is planned under a run there never was"
    lane.drain(hold)
    with db.read() as tx:
        assert undoings.open_ones(tx) == []
    assert {row.target for row in planned(db) if row.key.startswith("undo/")} == {"task0", "task1"}


def test_a_note_and_a_message_are_corrected_once(db: Database) -> None:
    run_id = begin(db)
    kept = {"account": DESK, "cause_at": NOON, "not_before": NOON, "give_up_at": NOON + timedelta(days=3)}
    notes = [
        Intent(**kept, key=key, kind=WriteKind.NOTE, object=key, target="ticket/a/7", fields={"text": key})  # type: ignore[arg-type]
        for key in ("n1", "n2")
    ]
    alert = replace(
        notes[0], key="a", account=CHAT, kind=WriteKind.ALERT, object="alert", target=None, fields={"text": "Help"}
    )
    with db.write() as tx:
        outbox.adopt(tx, DESK, "ticket/a/7", "7")
        outbox.plan(tx, [*notes, alert])
    confirm_all(db)
    undo(db, run_id)
    done = undoing_of(db)
    assert set(done) == {"note", "message"}
    assert len([row for row in planned(db, WriteKind.NOTE) if row.key.startswith("undo/")]) == 1
    assert (done["message"].target, done["message"].fields["text"]) == (
        "alert",
        f"Undone with run {run_id}, please disregard: Help",
    )


def test_the_answer_as_it_was_before_the_run_counts_again(db: Database) -> None:
    feed(db, answer(stars=5, comment=None))
    decide_all(db, example_settings())
    with db.read() as tx:
        before = scores.facts(tx, 1)
    run_id = begin(db)
    feed(db, answer(stars=1, comment=None, at=NOON - timedelta(minutes=1)))
    decide_all(db, example_settings())
    with db.write() as tx:
        assert scores.facts(tx, 1) != before
        storms.save(tx, Breaker(survey="service", recent="u", since=tx.now, run_id=run_id))
    undo(db, run_id)
    with db.read() as tx:
        assert scores.facts(tx, 1) == before
        version = responses.get(tx, 1)
        assert version is not None
        assert version.number == 1
        assert storms.held(tx) == []


def test_an_undone_answer_read_again_is_another_version_and_is_acted_on(db: Database) -> None:
    run_id = begin(db)
    feed(db, answer(stars=1))
    decide_all(db, example_settings())
    confirm_all(db)
    undo(db, run_id)
    feed(db, answer(stars=1))
    decide_all(db, example_settings())
    with db.read() as tx:
        assert responses.counts(tx) == {VersionState.UNDONE.value: 1, VersionState.DECIDED.value: 1}
        opened = recoveries.get(tx, 2)
        assert opened is not None
        assert opened.cause is None
    assert "recovery/2/ticket/1" in {row.object for row in planned(db, WriteKind.TICKET)}


@pytest.mark.parametrize(
    ("ours", "theirs", "alike"),
    [
        (None, "", True),
        (4, 4.0, True),
        ("2026-03-02T12:00:00Z", "2026-03-02T12:00:00.000+0000", True),
        ("2026-03-02T12:00:00Z", "2026-03-02T12:00:01.000+0000", False),
        ("Call back\n", "Call back\n\ncsat-connector zendesk:acme/1", True),
        ("Call back\n", "Call back\n\ncsat-connector zendesk:acme/1\nThey were right.", False),
        ("Call back", "Call back tomorrow", False),
        ("Not Started", "Completed", False),
        (40, None, False),
    ],
)
def test_how_a_vendor_spells_a_value_is_no_change(ours: Json, theirs: Json, *, alike: bool) -> None:
    assert same(ours, theirs) is alike
