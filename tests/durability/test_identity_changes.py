"""What is known of an object over there, and what is still to be written to it, when it turns out to be another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connector.domain.model.intent import Intent, IntentState, Json, Request, WriteKind
from connector.domain.model.person import Evidence, Link, LinkState
from connector.store import links, people, receipts
from connector.sync.identify import join_persons
from connector.sync.names import contact_object
from connector.testing.twin import Fault, Thing, Trouble
from tests.durability.bench import ACCOUNT, ASKED, CONTACT, NOON, PROMISES, Bench, fields_of, intent

pytestmark = pytest.mark.both_stores


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.db.close()


def has_contact(bench: Bench, remote_id: str, **fields: Json) -> None:
    thing = Thing(id=remote_id, kind=WriteKind.CONTACT, key="", fields=dict(fields), seen_from=NOON)
    bench.twin.things[remote_id] = thing


def score_again(bench: Bench) -> None:
    bench.clock.advance(timedelta(minutes=5))
    bench.plan(replace(fields_of("again", score=80), cause_at=bench.clock.now()))
    bench.run()


def test_the_survivor_of_a_merge_is_told_what_only_the_other_was_told(bench: Bench) -> None:
    has_contact(bench, "c1")
    has_contact(bench, "c2", score=10)
    bench.adopt(CONTACT, "c1")
    bench.plan(fields_of("first", score=80))
    bench.run()
    bench.twin.merge("c1", "c2")
    with bench.db.write() as tx:
        receipts.follow(tx, ACCOUNT, "c1", "c2")
    score_again(bench)
    assert bench.twin.things["c2"].fields["score"] == 80


@pytest.mark.parametrize("is_deleted_first", [True, False])
def test_a_contact_that_takes_anothers_place_is_told_everything(bench: Bench, is_deleted_first: bool) -> None:
    has_contact(bench, "c1")
    has_contact(bench, "c2")
    bench.adopt(CONTACT, "c1")
    bench.plan(fields_of("first", score=80))
    bench.run()
    if is_deleted_first:
        with bench.db.write() as tx:
            receipts.unpoint(tx, CONTACT)
    bench.adopt(CONTACT, "c2")
    score_again(bench)
    assert bench.twin.things["c2"].fields == {"score": 80}


def test_the_same_contact_chosen_again_is_not_told_twice(bench: Bench) -> None:
    has_contact(bench, "c1")
    bench.adopt(CONTACT, "c1")
    bench.plan(fields_of("first", score=80))
    bench.run()
    bench.adopt(CONTACT, "c1")
    with bench.db.write() as tx:
        receipts.follow(tx, ACCOUNT, "c1", "c1")
    score_again(bench)
    assert bench.state("again") is IntentState.SUPERSEDED


def test_a_joined_persons_waiting_score_does_not_overwrite_the_winners_newer_one(bench: Bench) -> None:
    with bench.db.write() as tx:
        one, two = people.create(tx), people.create(tx)
        for person_id, contact in ((one, "c1"), (two, "c2")):
            how = Evidence(decided_by="a test says so")
            made = Link(account=ACCOUNT, state=LinkState.LINKED, remote_id=contact, evidence=how, candidates=(contact,))
            links.save(tx, person_id, made)
    winner, loser = (contact_object(person_id, ACCOUNT) for person_id in (one, two))
    for name, contact in ((winner, "c1"), (loser, "c2")):
        has_contact(bench, contact)
        bench.adopt(name, contact)
    bench.twin.faults = [Fault(trouble=Trouble.REFUSED)]
    bench.plan(replace(fields_of("old", loser, score=10), person_id=two))
    bench.drain()
    bench.clock.advance(timedelta(milliseconds=500))
    with bench.db.write() as tx:
        links.repoint(tx, ACCOUNT, "c2", "c1")
        receipts.follow(tx, ACCOUNT, "c2", "c1")
        join_persons(tx, one, two, "their contacts were merged")
    del bench.twin.things["c2"]
    bench.plan(replace(fields_of("new", winner, score=55), person_id=one, cause_at=bench.clock.now()))
    bench.run()
    assert bench.state("old") is IntentState.SUPERSEDED
    assert bench.twin.things["c1"].fields["score"] == 55


def test_the_answer_of_a_write_under_way_does_not_undo_a_merge(bench: Bench) -> None:
    has_contact(bench, "c1")
    has_contact(bench, "c2")
    bench.adopt(CONTACT, "c1")

    def merge_meanwhile(kind: WriteKind, request: Request) -> None:
        bench.clock.advance(timedelta(seconds=1))
        with bench.db.write() as tx:
            receipts.follow(tx, ACCOUNT, "c1", "c2")

    bench.twin.on_send = merge_meanwhile
    bench.plan(fields_of("first", score=80))
    bench.drain()
    with bench.db.read() as tx:
        assert receipts.of_objects(tx, [CONTACT])[CONTACT].remote_id == "c2"
    score_again(bench)
    assert bench.twin.things["c2"].fields == {"score": 80}


def test_an_edit_whose_first_version_an_old_copy_forgot_changes_the_record_of_that(bench: Bench) -> None:
    """The copy takes the edit for the first version: what it finds by the marker holds what was said before."""
    bench.promises = {**PROMISES, WriteKind.ACTIVITY: replace(ASKED, ask_first=True)}
    bench.twin.promises = bench.promises

    def said(key: str, text: str) -> Intent:
        record = f"{ACCOUNT}/k1/activity"
        fields: dict[str, Json] = {"text": text}
        return intent(
            key, kind=WriteKind.ACTIVITY, object="k1/activity", record=record, fields=fields, fold=True, version=1
        )

    copy = bench.backup()
    bench.plan(said("before", "Terrible"))
    bench.run()
    bench.restore(copy)
    bench.plan(said("after", "Good"))
    bench.run()
    (thing,) = bench.twin.things.values()
    assert thing.fields["text"] == "Good"
