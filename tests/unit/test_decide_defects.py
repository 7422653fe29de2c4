"""One theme, many unhappy people, one issue: opened, told of growth, called off, closed, back, undone, erased."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from connector.clock import VirtualClock
from connector.domain.defects import Policy
from connector.domain.model.intent import IntentState, WriteKind
from connector.domain.model.recovery import Severity
from connector.domain.model.response import Interaction, Respondent, Understanding
from connector.domain.model.transitions import Event
from connector.errors import RemoteError, Throttled
from connector.ports.tracking import Issue
from connector.store import (
    confirmed,
    defects,
    erasures,
    intents,
    lanes,
    priors,
    resealing,
    responses,
    runs,
    storms,
    subjects,
    undoings,
)
from connector.store.database import Database
from connector.store.defects import DefectState
from connector.store.intents import IntentRow
from connector.store.priors import Prior
from connector.store.runs import RunKind
from connector.store.storms import Breaker
from connector.sync.erasing import LANE as ERASING
from connector.sync.erasing import ErasureLane
from connector.sync.identify import blinds_of
from connector.sync.issues import IssuesPoll
from connector.sync.settings import DecideSettings, Target, Tracking
from connector.sync.settled import drop, settled
from connector.sync.undo import LANE as UNDO
from connector.sync.undo import UndoLane
from tests.unit.deciding import clock_of, decide_all, example_settings, feed, planned, pretend_confirmed, take_lane
from tests.unit.samples import NOON, answer, empty_store

TRACKER = "github:acme/shop"
SLOW = Understanding(language="en", themes=("waiting",))
POLICY = Policy(
    answers=3,
    people=2,
    within=timedelta(days=14),
    grows_by=2,
    severity={Severity.CRITICAL: 6},
    reopen_within=timedelta(days=90),
)


def tracking(**changes: object) -> DecideSettings:
    """The example, and a tracker that wants to hear of every theme."""
    known = example_settings()
    target = Target(account=TRACKER, roles=frozenset({"tracker"}))
    entry = Tracking(connection="github", theme=None, policy=replace(POLICY, **changes), labels=("csat",))  # type: ignore[arg-type]
    return replace(known, targets={**known.targets, "github": target}, defects=(entry,))


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    store = empty_store(tmp_path, VirtualClock(NOON), tmp_path / "store.db.erased")
    yield store
    store.close()


def say(db: Database, *people: int, settings: DecideSettings | None = None, stars: float = 1) -> None:
    """Each of these people answers, unhappy about waiting, and it is decided."""
    for person in people:
        now = db.clock.now()
        who = Respondent(email=f"kim{person}@example.com", name=f"Kim Sample{person}")
        number = f"w{person}-{now:%H%M%S}"
        words = f"Kim Sample{person} waited {person + 10} hours for kim{person}@example.com"
        about = Interaction(id=f"R-{person}", kind="repair_order")
        one = answer(number, respondent=who, interaction=about, stars=stars, comment=words, at=now)
        feed(db, one, understanding=SLOW)
        clock_of(db).advance(timedelta(seconds=1))
    decide_all(db, settings or tracking())


def of(db: Database, kind: WriteKind) -> list[IntentRow]:
    return [row for row in planned(db, kind) if row.account == TRACKER]


def issue_of(db: Database) -> defects.Defect:
    with db.read() as tx:
        found = defects.newest(tx, TRACKER, "waiting")
    assert found is not None
    return found


def confirm_tickets(db: Database) -> None:
    for row in planned(db, WriteKind.TICKET):
        if row.state is IntentState.PLANNED:
            pretend_confirmed(db, row, f"T{row.id}", f"https://desk.example/{row.id}")


def opened(db: Database) -> IntentRow:
    """Four people were unhappy, and the issue is there."""
    say(db, 1, 2)
    confirm_tickets(db)
    say(db, 3)
    [issue] = of(db, WriteKind.ISSUE)
    pretend_confirmed(db, issue, "12")
    confirm_tickets(db)
    return issue


@dataclass
class Repository:
    """A tracker whose issues stand as a test says."""

    state: str = "open"
    title: str = "Customers are unhappy about waiting"
    closed_at: datetime | None = None
    there: bool = True
    error: RemoteError | None = None
    asked: list[Sequence[str]] = field(default_factory=list)
    account: str = TRACKER
    read_class: str = "core"

    def read_issues(self, ids: Sequence[str]) -> Mapping[str, Issue]:
        self.asked.append(list(ids))
        if self.error is not None:
            raise self.error
        if not self.there:
            return {}
        url = "https://github.example/12"
        return {
            one: Issue(id=one, state=self.state, title=self.title, url=url, closed_at=self.closed_at) for one in ids
        }


def poll(db: Database, there: Repository) -> datetime | None:
    lane = IssuesPoll(db=db, source=there, settings=tracking)
    hold = take_lane(db, defects.lane_of_issues(TRACKER))
    due = lane.drain(hold)
    with db.write() as tx:
        lanes.finish(tx, hold.hold, None)
    return due


@pytest.mark.both_stores
def test_the_answer_that_crosses_the_threshold_opens_one_issue(db: Database) -> None:
    say(db, 1, 2)
    assert of(db, WriteKind.ISSUE) == []
    confirm_tickets(db)
    say(db, 3)
    [issue] = of(db, WriteKind.ISSUE)
    assert issue.fields["title"] == "Customers are unhappy about waiting"
    assert issue.fields["labels"] == ["csat"]
    body = str(issue.fields["body"])
    assert body.startswith("3 unhappy answers of 3 people within 14 days about “waiting”. Severity: normal.")
    assert "> … waited 13 hours for …" in body
    assert body.count("https://desk.example/") == 2
    assert (issue.person_id, issue.response_id) == (None, None), "it is about many"
    say(db, 4)
    assert of(db, WriteKind.ISSUE) == [issue]
    assert of(db, WriteKind.ISSUE_NOTE) == []


def test_nobody_is_named_in_it(db: Database) -> None:
    opened(db)
    say(db, 4, 5)
    told = str([row.fields for row in planned(db) if row.account == TRACKER])
    assert not any(word in told for word in ("kim", "Kim", "Sample", "example.com", "@"))


def test_happy_answers_imports_and_old_ones_count_for_nothing(db: Database) -> None:
    say(db, 1, 2, 3, stars=5)
    now = db.clock.now()
    for number in range(4):
        one = answer(f"i{number}", respondent=Respondent(email=f"eve{number}@example.com"), stars=1, at=now)
        with db.write() as tx:
            responses.record(tx, one, SLOW, blinds=blinds_of(tx, one), record_only=True)
        old = answer(f"o{number}", email=f"kay{number}@example.com", stars=1, at=now - timedelta(days=9))
        feed(db, old, understanding=SLOW)
    decide_all(db, tracking())
    assert of(db, WriteKind.ISSUE) == []


def test_while_a_storm_rages_answers_are_counted_and_nothing_is_opened(db: Database) -> None:
    with db.write() as tx:
        storms.save(tx, Breaker(survey="service", since=db.clock.now()))
    say(db, 1, 2, 3)
    assert of(db, WriteKind.ISSUE) == []
    with db.write() as tx:
        storms.release(tx, "service")
    say(db, 4)
    [issue] = of(db, WriteKind.ISSUE)
    assert str(issue.fields["body"]).startswith("4 unhappy answers")


def test_growth_is_told_by_steps_and_severity_changes_the_title(db: Database) -> None:
    opened(db)
    say(db, 4)
    assert of(db, WriteKind.ISSUE_NOTE) == []
    say(db, 5)
    [note] = of(db, WriteKind.ISSUE_NOTE)
    assert str(note.fields["text"]).startswith("Now 5 unhappy answers of 5 people. Severity: normal.")
    assert (note.target, note.state) == (issue_of(db).object, IntentState.PLANNED)
    say(db, 6)
    assert [row.fields for row in of(db, WriteKind.ISSUE)][1:] == [
        {"title": "Critical: customers are unhappy about waiting"}
    ]
    assert len(of(db, WriteKind.ISSUE_NOTE)) == 2


def test_what_a_life_before_may_have_written_is_looked_for(db: Database) -> None:
    """Keys count answers, so an old copy of the store may arrive at one again by an answer that is seconds old."""
    began = clock_of(db).now()
    opened(db)
    clock_of(db).advance(timedelta(hours=1))
    say(db, 4, 5)
    (issue,), (note,) = of(db, WriteKind.ISSUE), of(db, WriteKind.ISSUE_NOTE)
    assert issue.cause_at == note.cause_at == began


def test_it_is_called_off_when_answers_are_changed_before_anybody_saw_it(db: Database) -> None:
    say(db, 1, 2, 3)
    [issue] = of(db, WriteKind.ISSUE)
    edited = answer("w3-120002", respondent=Respondent(email="kim3@example.com"), stars=5, at=db.clock.now())
    feed(db, edited)
    decide_all(db, tracking())
    assert [row.state for row in of(db, WriteKind.ISSUE)] == [IntentState.SUPERSEDED]
    assert issue_of(db).state is DefectState.CALLED_OFF
    say(db, 4)
    assert [row.key for row in of(db, WriteKind.ISSUE)] != [issue.key], "another issue has another key"
    assert issue_of(db).episode == 2


def grown_unseen(db: Database) -> None:
    say(db, 1, 2, 3)
    say(db, 4, 5)
    assert [row.state for row in of(db, WriteKind.ISSUE_NOTE)] == [IntentState.BLOCKED]


def test_what_was_to_be_said_on_an_issue_that_is_called_off_is_called_off_as_well(db: Database) -> None:
    grown_unseen(db)
    for number in (2, 3, 4, 5):
        token = f"w{number}-12000{number - 1}"
        feed(db, answer(token, respondent=Respondent(email=f"kim{number}@example.com"), stars=5, at=db.clock.now()))
    decide_all(db, tracking())
    assert issue_of(db).state is DefectState.CALLED_OFF
    assert [row.state for row in of(db, WriteKind.ISSUE_NOTE)] == [IntentState.SUPERSEDED]


def test_what_was_to_be_said_on_an_issue_that_an_operator_drops_is_dropped_as_well(db: Database) -> None:
    grown_unseen(db)
    [issue] = of(db, WriteKind.ISSUE)
    with db.write() as tx:
        assert drop(tx, issue.id)
    assert issue_of(db).state is DefectState.CALLED_OFF
    assert [row.state for row in of(db, WriteKind.ISSUE_NOTE)] == [IntentState.SUPERSEDED]


@pytest.mark.both_stores
def test_a_closing_is_told_to_the_tickets_of_open_recoveries_once(db: Database) -> None:
    opened(db)
    closed = Repository(state="closed", closed_at=db.clock.now())
    clock_of(db).advance(timedelta(minutes=3))
    assert poll(db, closed) is not None
    notes = [row for row in planned(db, WriteKind.NOTE) if "is closed" in str(row.fields)]
    assert sorted(str(row.target) for row in notes) == [f"recovery/{number}/ticket/1" for number in (1, 2, 3)]
    assert "https://github.example/12" in str(notes[0].fields)
    assert {row.cause_at for row in notes} == {closed.closed_at}, "a life before may have told them"
    clock_of(db).advance(timedelta(minutes=5))
    poll(db, closed)
    assert len([row for row in planned(db, WriteKind.NOTE) if "is closed" in str(row.fields)]) == 3
    assert issue_of(db).state is DefectState.CLOSED


def test_a_ticket_that_is_still_on_its_way_hears_of_a_closing_once_it_is_there(db: Database) -> None:
    opened(db)
    say(db, 4)
    clock_of(db).advance(timedelta(minutes=3))
    poll(db, Repository(state="closed", closed_at=db.clock.now()))

    def last() -> IntentRow:
        notes = [row for row in planned(db, WriteKind.NOTE) if "is closed" in str(row.fields)]
        return next(row for row in notes if row.target == "recovery/4/ticket/1")

    assert last().state is IntentState.BLOCKED
    confirm_tickets(db)
    assert last().state is IntentState.PLANNED


def test_a_theme_that_is_back_reopens_its_issue_and_a_reading_from_before_says_nothing(db: Database) -> None:
    opened(db)
    closed = Repository(state="closed", closed_at=db.clock.now())
    poll(db, closed)
    clock_of(db).advance(timedelta(days=1))
    say(db, 1, 2)
    assert of(db, WriteKind.ISSUE_STATE) == []
    say(db, 4)
    [state] = of(db, WriteKind.ISSUE_STATE)
    assert state.fields == {"state": "open"}
    [note] = of(db, WriteKind.ISSUE_NOTE)
    assert str(note.fields["text"]).startswith(
        "It is back: 3 unhappy answers of 3 people since this issue was closed, 6"
    )
    poll(db, closed)
    assert issue_of(db).state is DefectState.OPEN, "it is not open there yet"
    pretend_confirmed(db, state, "12")
    clock_of(db).advance(timedelta(minutes=6))
    poll(db, Repository())
    assert issue_of(db).state is DefectState.OPEN
    clock_of(db).advance(timedelta(minutes=6))
    poll(db, replace(closed, closed_at=db.clock.now()))
    assert issue_of(db).closings == 2


def test_what_cannot_be_opened_again_is_tried_once_and_tells_no_ticket_twice(db: Database) -> None:
    opened(db)
    closed = Repository(state="closed", closed_at=db.clock.now())
    poll(db, closed)
    clock_of(db).advance(timedelta(days=1))
    say(db, 1, 2, 4)
    [state] = of(db, WriteKind.ISSUE_STATE)
    with db.write() as tx:
        intents.move(tx, intents.move(tx, intents.get(tx, state.id), Event.SENT), Event.REFUSED, "no such transition")
    clock_of(db).advance(timedelta(minutes=6))
    poll(db, closed)
    assert (issue_of(db).state, issue_of(db).closings) == (DefectState.CLOSED, 1)
    before = len(planned(db, WriteKind.NOTE))
    say(db, 5)
    poll(db, closed)
    assert len(of(db, WriteKind.ISSUE_STATE)) == 1
    assert len([row for row in planned(db, WriteKind.NOTE) if "is closed" in str(row.fields)]) == 3
    assert len(planned(db, WriteKind.NOTE)) >= before


def test_a_run_that_opened_it_again_closes_it_and_gives_back_the_title(db: Database) -> None:
    opened(db)
    poll(db, Repository(state="closed", closed_at=db.clock.now()))
    with db.write() as tx:
        db.run_id = run_id = runs.begin(tx, RunKind.START, mode="live", config="2")
    clock_of(db).advance(timedelta(days=1))
    say(db, 4, 5, 6)
    changed = [*of(db, WriteKind.ISSUE_STATE), *of(db, WriteKind.ISSUE)[1:]]
    assert [sorted(row.fields) for row in changed] == [["state"], ["title"]]
    before = {"state": "closed", "title": "Customers are unhappy about waiting"}
    for row in changed:
        at = dict.fromkeys(row.fields, row.cause_at)
        with db.write() as tx:
            priors.remember(tx, row.id, {name: Prior(known=True, value=before[name], event_at=NOON) for name in at})
            confirmed.confirm(tx, TRACKER, row.about, row.fields, at)
        pretend_confirmed(db, row, "12")
    with db.write() as tx:
        undoings.ask(tx, run_id)
    UndoLane(db=db, settings=tracking, retractable={}).drain(take_lane(db, UNDO))
    undone = {row.kind: row.fields for row in planned(db) if row.key.startswith("undo/") and row.account == TRACKER}
    assert undone[WriteKind.ISSUE_STATE] == {"state": "closed"}
    assert undone[WriteKind.ISSUE] == {"title": before["title"]}


def test_people_may_open_it_again_themselves(db: Database) -> None:
    opened(db)
    poll(db, Repository(state="closed", closed_at=db.clock.now()))
    clock_of(db).advance(timedelta(minutes=6))
    poll(db, Repository())
    assert issue_of(db).state is DefectState.OPEN
    assert of(db, WriteKind.ISSUE_STATE) == []


def test_a_deleted_issue_is_followed_by_another(db: Database) -> None:
    opened(db)
    poll(db, Repository(there=False))
    assert issue_of(db).state is DefectState.GONE
    say(db, 4)
    assert issue_of(db).episode == 2


def test_reading_spends_the_quota_and_waits_where_there_is_none(db: Database) -> None:
    opened(db)
    until = db.clock.now() + timedelta(minutes=30)
    busy = Repository(error=Throttled("slow down", retry_at=until))
    assert poll(db, busy) == until
    assert poll(db, busy) == until
    assert len(busy.asked) == 1


def test_without_issues_nothing_is_read(db: Database) -> None:
    there = Repository()
    assert poll(db, there) is None
    assert there.asked == []


def test_what_could_not_be_opened_is_opened_by_the_next_answer(db: Database) -> None:
    say(db, 1, 2, 3)
    [issue] = of(db, WriteKind.ISSUE)
    with db.write() as tx:
        sent = intents.move(tx, intents.get(tx, issue.id), Event.SENT)
        settled(tx, intents.move(tx, sent, Event.REFUSED, "no"), None)
    say(db, 4)
    assert len(of(db, WriteKind.ISSUE)) == 2
    second = of(db, WriteKind.ISSUE)[1]
    with db.write() as tx:
        assert drop(tx, second.id)
    assert issue_of(db).state is DefectState.CALLED_OFF


def test_a_run_that_is_undone_closes_what_it_opened_and_its_answers_count_no_longer(db: Database) -> None:
    with db.write() as tx:
        db.run_id = run_id = runs.begin(tx, RunKind.START, mode="live", config="1")
    opened(db)
    say(db, 4, 5)
    [grew] = of(db, WriteKind.ISSUE_NOTE)
    pretend_confirmed(db, grew, "comment-1")
    with db.write() as tx:
        undoings.ask(tx, run_id)
    hold = take_lane(db, UNDO)
    UndoLane(db=db, settings=tracking, retractable={}).drain(hold)
    undone = {row.kind: row for row in planned(db) if row.key.startswith("undo/") and row.account == TRACKER}
    assert undone[WriteKind.ISSUE_STATE].fields == {"state": "closed"}
    [note] = [row for row in planned(db, WriteKind.ISSUE_NOTE) if row.key.startswith("undo/")]
    assert "opened by mistake" in str(note.fields["text"]), "and that is all there is to say"
    assert {row.target for row in undone.values()} == {issue_of(db).object}
    assert issue_of(db).state is DefectState.UNDONE
    with db.read() as tx:
        assert defects.mentions(tx, "waiting", NOON) == []


@pytest.mark.both_stores
def test_an_erased_person_is_quoted_no_longer(db: Database) -> None:
    opened(db)
    erase(db, "kim2@example.com")
    assert issue_of(db).stale
    poll(db, Repository())
    told = [row for row in of(db, WriteKind.ISSUE) if row.fields]
    assert len(told) == 1
    assert told[0].target == issue_of(db).object
    body = str(told[0].fields["body"])
    assert "waited 12 hours" not in body
    assert "waited 13 hours" in body
    assert not issue_of(db).stale
    assert "waited 12 hours" not in everything_sealed(db)


def test_an_erased_person_is_not_quoted_where_nothing_was_sent_yet(db: Database) -> None:
    say(db, 1, 2, 3, 4)
    erase(db, "kim2@example.com")
    poll(db, Repository())
    [issue] = of(db, WriteKind.ISSUE)
    assert "waited 12 hours" not in str(issue.fields)
    assert issue.fields["labels"] == ["csat"]


def erase(db: Database, email: str) -> None:
    with db.write() as tx:
        erasures.begin(tx, subjects.of_address(tx, email=email))
    lane = ErasureLane(db=db, erasers=[])
    hold = take_lane(db, ERASING)
    for _ in range(20):
        due = lane.drain(hold)
        if due is None:
            break
        clock_of(db).advance(max(timedelta(0), due - db.clock.now()))
        hold.extend(asked_at=db.clock.monotonic(), lease=10_000)


def everything_sealed(db: Database) -> str:
    found = []
    with db.read() as tx:
        for place in resealing.places():
            for (value,) in tx.execute(select(place.column).where(place.column.is_not(None))):
                found.append(tx.unseal_bytes(f"{place.column.table.name}.{place.column.name}", value).decode())
    return "\n".join(found)
