"""Closing the loop: a solved recovery asks its customer once, and what comes back wins it or has it go on."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from connector.clock import VirtualClock
from connector.domain.expressions import compile_template
from connector.domain.model.context import rule_names
from connector.domain.model.intent import IntentState, WriteKind
from connector.domain.model.recovery import Recovery, RecoveryState, Severity, Stage
from connector.domain.model.response import Interaction, Respondent, Response
from connector.domain.recovery.follow_up import Return, on_follow_up
from connector.ports import Ticket
from connector.store import follow_ups, history, recoveries, responses
from connector.store.database import Database
from connector.store.intents import IntentRow
from connector.store.schema import follow_up as table
from connector.store.transaction import Transaction
from connector.sync.explain import story
from connector.sync.message_settings import FollowUp
from connector.sync.mirroring import take_ticket
from connector.sync.planning import may_write
from connector.sync.recall import recall
from connector.sync.settings import DecideSettings
from tests.unit.deciding import DESK, clock_of, decide_all, feed, planned, pretend_confirmed
from tests.unit.samples import NOON, answer, empty_store
from tests.unit.test_messages import ADA, APOLOGY, look, settings

NAMES = rule_names(())
FOLLOW_UP = FollowUp(
    connection="post",
    survey=compile_template("https://survey.example.com/f/xY?recovery={{ message.reference }}", NAMES, "absent"),
    subject=compile_template("How did it go?", NAMES, "absent"),
    text=compile_template("Tell us: {{ message.link }}", NAMES, "absent"),
    after=timedelta(days=2),
    within=timedelta(days=14),
)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    store = empty_store(tmp_path, VirtualClock(NOON))
    yield store
    store.close()


def asking(**more: Any) -> DecideSettings:
    base = settings(APOLOGY)
    return replace(
        base,
        playbooks={name: replace(book, steps=book.steps[:2]) for name, book in base.playbooks.items()},
        follow_ups={"service-recovery": FOLLOW_UP},
        **more,
    )


def solve(db: Database, wanted: DecideSettings, *, status: str = "solved") -> None:
    """The helpdesk reports the recovery's ticket."""
    seen = Ticket(
        account=DESK,
        id="501",
        status=status,
        requester_email=ADA,
        key="ours",
        url="https://desk.example/501",
        updated_at=clock_of(db).now(),
        values={},
    )
    with db.write() as tx:
        take_ticket(tx, seen, wanted, clock_of(db).now())
    clock_of(db).advance(timedelta(minutes=1))


def opened(db: Database, wanted: DecideSettings, *, agrees: bool | None = True) -> None:
    """A recovery whose ticket exists."""
    feed(db, replace(answer(), consent=agrees))
    decide_all(db, wanted)
    (ticket,) = planned(db, WriteKind.TICKET)
    pretend_confirmed(db, ticket, "501")


def asked(db: Database, wanted: DecideSettings) -> str:
    """A recovery that was solved and asks how it went; the reference in its link."""
    opened(db, wanted)
    solve(db, wanted)
    (row,) = surveys(db)
    return str(row.fields["text"]).rpartition("=")[2]


def surveys(db: Database) -> list[IntentRow]:
    return planned(db, WriteKind.MESSAGE)


_NUMBERS = itertools.count(100)


def back(reference: str, *, stars: float, at: Any, number: str = "", **more: Any) -> Response:
    """The answer to a follow-up: nothing but ratings and the hidden reference, unless `more` says who it is."""
    given = answer(
        number or str(next(_NUMBERS)),
        stars=stars,
        at=at,
        respondent=Respondent(**more),
        interaction=Interaction(id=reference, kind="recovery"),
    )
    return replace(given, consent=True)


def the_recovery(db: Database, number: int = 1) -> Recovery:
    with db.read() as tx:
        found = recoveries.get(tx, number)
    assert found is not None
    return found


def told(db: Database, event: str) -> list[str]:
    with db.read() as tx:
        entries = history.for_recovery(tx, 1)
    return [
        str(one.detail.get("why") or one.detail.get("reason"))
        for one in entries
        if one.event == event and isinstance(one.detail, dict)
    ]


def answers(db: Database, wanted: DecideSettings, response: Response) -> None:
    feed(db, response)
    decide_all(db, wanted)


@pytest.mark.both_stores
def test_a_solved_recovery_asks_once_and_the_link_leads_back(db: Database) -> None:
    wanted = asking()
    reference = asked(db, wanted)
    (row,) = surveys(db)
    assert row.fields["to"] == ADA
    assert row.fields["text"] == f"Tell us: https://survey.example.com/f/xY?recovery={reference}"
    assert timedelta(days=2) <= row.not_before - NOON <= timedelta(days=2, minutes=1)
    assert row.recovery_id == 1
    assert len(reference) == 32
    opened_by = the_recovery(db).opened_by
    with db.read() as tx:
        (kept,) = tx.execute(select(table.c.reference)).scalars()
        assert kept != reference, "whoever reads the store cannot answer for anybody"
        assert follow_ups.reference_of(tx, opened_by, 0) == reference
    assert told(db, "follow_up_planned") == ["its ticket was solved"]
    solve(db, wanted, status="closed")
    assert len(surveys(db)) == 1


@pytest.mark.parametrize("status", ["deleted"])
def test_what_was_not_solved_asks_nothing(db: Database, status: str) -> None:
    wanted = asking()
    opened(db, wanted)
    solve(db, wanted, status=status)
    assert the_recovery(db).state is RecoveryState.CLOSED
    assert surveys(db) == []


def test_who_does_not_agree_is_not_asked(db: Database) -> None:
    wanted = asking()
    opened(db, wanted, agrees=None)
    solve(db, wanted)
    assert surveys(db) == []
    assert told(db, "message_withheld") == ["they were not asked whether they may be contacted"]


def test_a_playbook_without_a_follow_up_asks_nothing(db: Database) -> None:
    wanted = replace(asking(), follow_ups={})
    opened(db, wanted)
    solve(db, wanted)
    assert surveys(db) == []


def test_a_happy_answer_wins_it_and_nothing_else_happens(db: Database) -> None:
    """Without any name in it: only whom we asked knows the reference."""
    wanted = asking()
    reference = asked(db, wanted)
    before = len(planned(db))
    clock_of(db).advance(timedelta(days=3))
    answers(db, wanted, back(reference, stars=5, at=NOON + timedelta(days=3)))
    won = the_recovery(db)
    assert (won.state, won.stage) == (RecoveryState.CLOSED, Stage.WON_BACK)
    assert told(db, "recovery_won_back") == ["the follow-up was answered well"]
    assert {row.kind for row in planned(db)[before:]} <= {WriteKind.ACTIVITY, WriteKind.CONTACT_FIELDS}
    with db.read() as tx:
        sent = follow_ups.survey_of(tx, 1)
        found = story(tx, "typeform/aB3dE9/1", wanted)
    assert sent is not None
    assert sent.answered_at is not None
    assert found is not None
    assert "it is so far, or ended so: won back" in found.recovery
    assert "its follow-up was answered" in found.recovery


@pytest.mark.both_stores
def test_an_unhappy_answer_has_the_same_recovery_go_on_and_asks_no_second_time(db: Database) -> None:
    wanted = asking()
    reference = asked(db, wanted)
    clock_of(db).advance(timedelta(days=3))
    answers(db, wanted, back(reference, stars=1, at=NOON + timedelta(days=3)))
    again = the_recovery(db)
    assert (again.state, again.stage) == (RecoveryState.OPEN, Stage.REOPENED)
    assert told(db, "recovery_reopened") == ["the follow-up was answered badly: it goes on"]
    with db.read() as tx:
        assert len(recoveries.answer_keys(tx, 1)) == 2
        assert recoveries.get(tx, 2) is None
    (note,) = [row for row in planned(db, WriteKind.NOTE) if row.recovery_id == 1]
    assert note.target == "recovery/1/ticket/1", "the look before it is sent does with it as `if_solved` says"
    solve(db, wanted, status="open")
    solve(db, wanted)
    assert the_recovery(db).state is RecoveryState.CLOSED
    assert len(surveys(db)) == 1


def test_a_survey_that_did_not_leave_yet_is_called_off_when_it_goes_on(db: Database) -> None:
    """Somebody else answers badly before two days are over; the next end asks under another key, with the same link."""
    wanted = asking()
    asked(db, wanted)
    with db.write() as tx:
        assert recoveries.reopen(tx, 1)
    clock_of(db).advance(timedelta(days=2))
    look(db, wanted)
    (first,) = surveys(db)
    assert (first.state, first.reason) == (IntentState.SUPERSEDED, "the recovery goes on")
    solve(db, wanted, status="open")
    solve(db, wanted)
    old, new = surveys(db)
    assert new.state is IntentState.PLANNED
    assert new.key == f"{old.key}/2"
    assert new.fields == old.fields


def test_a_late_answer_is_one_like_any_other(db: Database) -> None:
    wanted = asking()
    reference = asked(db, wanted)
    late = NOON + timedelta(days=17)
    clock_of(db).advance(timedelta(days=17))
    with db.read() as tx:
        found = story(tx, "typeform/aB3dE9/1", wanted)
    assert found is not None
    assert "its follow-up was not answered in time: how it ended stays as it was" in found.recovery
    answers(db, wanted, back(reference, stars=5, at=late))
    assert the_recovery(db).stage is Stage.ENDED
    assert told(db, "follow_up_answered") == ["answered after the follow-up was waited for"]
    answers(db, wanted, back(reference, stars=1, at=late, email=ADA))
    assert the_recovery(db, 2).state is RecoveryState.OPEN, "the rules open another one"


def test_a_reference_nobody_gave_out_is_nobodys(db: Database) -> None:
    wanted = asking()
    reference = asked(db, wanted)
    clock_of(db).advance(timedelta(days=3))
    about_a_ticket = Interaction(id=reference, kind="ticket")
    answers(db, wanted, replace(back("", stars=5, at=NOON + timedelta(days=3)), interaction=about_a_ticket))
    for guessed in ("1", "recovery/1", "0" * 32):
        answers(db, wanted, back(guessed, stars=5, at=NOON + timedelta(days=3)))
    assert the_recovery(db).stage is Stage.ENDED
    ticket = replace(
        answer("9", stars=5, at=NOON + timedelta(days=3)), interaction=Interaction(id=None, kind="recovery")
    )
    answers(db, wanted, ticket)
    assert the_recovery(db).stage is Stage.ENDED


def test_the_first_answer_counts_and_may_be_edited(db: Database) -> None:
    wanted = asking()
    reference = asked(db, wanted)
    at = NOON + timedelta(days=3)
    clock_of(db).advance(timedelta(days=4))
    answers(db, wanted, back(reference, stars=5, at=at, number="50"))
    answers(db, wanted, back(reference, stars=5, at=at, number="51"))
    assert told(db, "follow_up_answered") == ["its follow-up was answered before: this is an answer like any other"]
    answers(db, wanted, back(reference, stars=1, at=at + timedelta(hours=1), number="50"))
    assert the_recovery(db).stage is Stage.REOPENED
    assert told(db, "recovery_reopened") == [
        "the follow-up was answered badly, after it had been answered well: it goes on"
    ]


def test_another_open_recovery_takes_the_bad_answer(db: Database) -> None:
    wanted = asking()
    reference = asked(db, wanted)
    clock_of(db).advance(timedelta(days=3))
    answers(db, wanted, replace(answer("2", at=NOON + timedelta(days=3)), consent=True))
    assert the_recovery(db, 2).state is RecoveryState.OPEN
    answers(db, wanted, back(reference, stars=1, at=NOON + timedelta(days=3)))
    assert the_recovery(db).state is RecoveryState.CLOSED
    with db.read() as tx:
        assert len(recoveries.answer_keys(tx, 2)) == 2


BASE = Recovery(
    id=1,
    person_id=1,
    playbook="p",
    state=RecoveryState.CLOSED,
    severity=Severity.NORMAL,
    opened_by="k",
    opened_at=NOON,
    stage=Stage.ENDED,
)
OPEN = replace(BASE, state=RecoveryState.OPEN, stage=Stage.REOPENED)


@pytest.mark.parametrize(
    ("recovery", "given", "move"),
    [
        (BASE, {"unhappy": False, "in_time": True}, Return.WON_BACK),
        (BASE, {"unhappy": True, "in_time": True}, Return.REOPEN),
        (BASE, {"unhappy": False, "in_time": False}, Return.NOTHING),
        (BASE, {"unhappy": True, "in_time": False}, Return.NOTHING),
        (BASE, {"unhappy": True, "in_time": True, "by_another": True}, Return.NOTHING),
        (BASE, {"unhappy": True, "in_time": True, "another_open": True}, Return.NOTHING),
        (BASE, {"unhappy": False, "in_time": True, "another_open": True}, Return.WON_BACK),
        (replace(BASE, stage=Stage.WON_BACK), {"unhappy": True, "in_time": True}, Return.REOPEN),
        (OPEN, {"unhappy": False, "in_time": True}, Return.NOTHING),
        (OPEN, {"unhappy": True, "in_time": True}, Return.REOPEN),
    ],
)
def test_what_an_answer_does(recovery: Recovery, given: dict[str, bool], move: Return) -> None:
    found = on_follow_up(recovery, **given)
    assert found.move is move
    assert found.why


def test_what_is_said_while_the_contact_is_being_made_waits_for_it(db: Database) -> None:
    wanted = asking()
    reference = asked(db, wanted)
    (contact,) = planned(db, WriteKind.CONTACT)
    assert contact.state is IntentState.PLANNED
    before = len(planned(db, WriteKind.ACTIVITY))
    answers(db, wanted, back(reference, stars=5, at=clock_of(db).now()))
    (line,) = planned(db, WriteKind.ACTIVITY)[before:]
    assert line.after == (contact.object,)
    assert len(planned(db, WriteKind.CONTACT)) == 1


def test_a_step_that_comes_later_may_write_to_a_contact_that_is_being_made(db: Database) -> None:
    wanted = asking()
    opened(db, wanted)
    (contact,) = planned(db, WriteKind.CONTACT)
    assert contact.response_id is not None
    with db.read() as tx:
        version = responses.get(tx, contact.response_id, contact.version)
        assert version is not None
        assert may_write(recall(tx, version, wanted).identity, contact.account)


def test_a_recovery_is_won_once(db: Database) -> None:
    opened(db, asking())

    def win(tx: Transaction) -> bool:
        return recoveries.win(tx, 1)

    with db.write() as tx:
        assert not win(tx), "it is open"
        recoveries.close(tx, 1, "solved in helpdesk", NOON)
        assert win(tx)
        assert not win(tx)
