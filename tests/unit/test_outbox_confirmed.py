"""What the other system is known to hold, and what that leaves to write."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connector.clock import VirtualClock
from connector.domain.model.intent import Intent, Json, WriteKind
from connector.domain.model.transitions import Event
from connector.store import confirmed, intents, outbox
from connector.store.confirmed import Confirmed
from connector.store.database import Database
from connector.store.writing import Left, Wanted, tracked, trim
from tests.unit.samples import NOON, empty_store

pytestmark = pytest.mark.both_stores

SECOND = timedelta(seconds=1)
HELD = Confirmed(value=40, known=True, event_at=NOON, theirs=False, at=NOON)
NAMES: frozenset[str] = frozenset()


def left(
    value: Json,
    known: Confirmed | None,
    *,
    at: timedelta = SECOND,
    kind: WriteKind = WriteKind.CONTACT_FIELDS,
    ours: frozenset[str] = NAMES,
    if_blank: frozenset[str] = NAMES,
    since: timedelta = timedelta(0),
) -> Left:
    return trim(
        {"score": Wanted(value=value, event_at=NOON + at)},
        {} if known is None else {"score": known},
        kind=kind,
        updates=True,
        ours=ours,
        if_blank=if_blank,
        since=NOON + since,
    )


def test_what_holds_already_is_left_out() -> None:
    assert (left(40, HELD).fields, left(40, HELD).reason) == ({}, "unchanged")
    assert left(41, HELD).fields


def test_unknown_never_suppresses() -> None:
    assert left(40, replace(HELD, known=False)).fields
    assert left(40, None).fields


def test_values_of_an_earlier_process_never_suppress() -> None:
    assert left(40, HELD, since=SECOND).fields


def test_an_older_fact_never_overwrites_a_newer() -> None:
    assert left(41, HELD, at=-SECOND).reason == "something newer is known"
    assert left(41, replace(HELD, known=False), at=-SECOND).fields == {}
    assert left(41, HELD, at=timedelta(0)).fields, "as new is new enough"


def test_a_persons_edit_is_left_alone_unless_the_field_is_ours() -> None:
    theirs = replace(HELD, theirs=True)
    assert left(41, theirs).reason == "a person changed it"
    assert left(41, theirs, ours=frozenset({"score"})).fields


def test_filling_blanks_needs_to_know_that_there_is_one() -> None:
    blank = frozenset({"score"})
    assert left(41, HELD, if_blank=blank).reason == "not blank"
    assert left(41, None, if_blank=blank).fields == {}
    for empty in (None, ""):
        assert left(41, replace(HELD, value=empty), if_blank=blank).fields
    assert left(41, replace(HELD, value=0), if_blank=blank).fields == {}, "zero is an answer"


def test_a_note_is_never_cut() -> None:
    assert left(40, HELD, kind=WriteKind.NOTE).fields


def test_a_whole_record_goes_out_whole_or_not_at_all() -> None:
    wanted = {name: Wanted(value=1, event_at=NOON + SECOND) for name in ("a", "b")}
    same = replace(HELD, value=1)
    arguments = {"kind": WriteKind.TASK, "updates": False, "ours": NAMES, "if_blank": NAMES, "since": NOON}
    assert set(trim(wanted, {"a": same}, **arguments).fields) == {"a", "b"}  # type: ignore[arg-type]
    assert trim(wanted, {"a": same, "b": same}, **arguments).fields == {}  # type: ignore[arg-type]


def test_what_is_added_is_neither_unchanged_nor_remembered() -> None:
    tags = {"add_tags": Wanted(value=["a"], event_at=NOON)}
    known = {"add_tags": replace(HELD, value=["a"])}
    kept = trim(tags, known, kind=WriteKind.TICKET_UPDATE, updates=True, ours=NAMES, if_blank=NAMES, since=NOON)
    assert set(kept.fields) == {"add_tags"}
    assert tracked(WriteKind.NOTE, {"text": "x", "add_tags": ["a"], "status": "open"}) == {"status": "open"}


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOON)


@pytest.fixture
def db(tmp_path: Path, clock: VirtualClock) -> Database:
    return empty_store(tmp_path, clock)


def known(db: Database) -> Confirmed:
    with db.read() as tx:
        return confirmed.of(tx, "a", "o")["score"]


def confirm(db: Database, value: Json) -> None:
    with db.write() as tx:
        confirmed.confirm(tx, "a", "o", {"score": value}, {"score": NOON})


def observe(db: Database, clock: VirtualClock, value: Json) -> frozenset[str]:
    with db.write() as tx:
        return confirmed.observe(tx, "a", "o", {"score": value}, read_at=clock.now())


def test_our_own_write_coming_back_is_no_edit(db: Database, clock: VirtualClock) -> None:
    confirm(db, 40)
    clock.advance(SECOND)
    assert observe(db, clock, 40) == frozenset()
    assert not known(db).theirs


def test_an_edit_is_noticed_once_and_undone_by_our_next_receipt(db: Database, clock: VirtualClock) -> None:
    confirm(db, 40)
    clock.advance(SECOND)
    assert observe(db, clock, 77) == {"score"}
    assert observe(db, clock, 77) == frozenset()
    assert (known(db).theirs, known(db).value) == (True, 77)
    confirm(db, 41)
    assert not known(db).theirs


def test_a_read_that_began_before_the_receipt_says_nothing(db: Database, clock: VirtualClock) -> None:
    confirm(db, 40)
    with db.write() as tx:
        assert confirmed.observe(tx, "a", "o", {"score": 39}, read_at=NOON - SECOND) == frozenset()
    assert known(db).value == 40


def test_only_a_receipt_or_a_read_makes_a_value_known_again(db: Database, clock: VirtualClock) -> None:
    confirm(db, 40)
    with db.write() as tx:
        confirmed.lose(tx, "a", "o", {"score": 41})
    assert (known(db).known, known(db).event_at) == (False, NOON)
    clock.advance(SECOND)
    assert observe(db, clock, 41) == frozenset(), "it may well be what we wrote"
    assert (known(db).known, known(db).value) == (True, 41)


def test_a_read_while_a_write_is_open_says_nothing_of_what_it_writes(db: Database, clock: VirtualClock) -> None:
    """It may have seen the time before the write, or after it."""
    confirm(db, 40)
    wanted = Intent(
        key="k",
        account="a",
        kind=WriteKind.CONTACT_FIELDS,
        object="o",
        fields={"score": 41},
        cause_at=NOON,
        not_before=NOON,
        give_up_at=NOON + timedelta(days=1),
    )
    with db.write() as tx:
        outbox.plan(tx, [wanted])
        row = intents.by_key(tx, "k")
        assert row is not None
        intents.move(tx, row, Event.SENT)
        confirmed.lose(tx, "a", "o", {"score": 41})
        confirmed.confirm(tx, "a", "o", {"band": "good"}, {"band": NOON})
    clock.advance(SECOND)
    assert observe(db, clock, 77) == frozenset()
    assert not known(db).known
    with db.write() as tx:
        seen: dict[str, Json] = {"score": 77, "band": "poor", "owner": "Kim"}
        assert confirmed.observe(tx, "a", "o", seen, read_at=clock.now()) == {"band"}, "the write does not touch it"
        assert "owner" not in confirmed.of(tx, "a", "o")


def test_a_field_that_never_had_a_receipt_does_not_hold_older_facts_back(db: Database) -> None:
    with db.write() as tx:
        confirmed.lose(tx, "a", "o", {"score": 41})
    assert known(db).event_at < NOON - timedelta(days=3650)


def test_a_newer_fact_of_the_same_value_holds_older_ones_back(db: Database) -> None:
    confirm(db, 40)
    with db.write() as tx:
        confirmed.still_holds(tx, "a", "o", {"score": NOON + SECOND})
        confirmed.still_holds(tx, "a", "o", {"score": NOON - SECOND})
    assert known(db).event_at == NOON + SECOND
