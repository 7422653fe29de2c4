"""The steps people take: deadlines, ladders, pauses, proofs, closing; on a virtual clock, without a vendor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update

from connector.clock import VirtualClock
from connector.config.calendars import Calendar
from connector.config.playbooks import Playbook
from connector.domain.model.intent import Json, WriteKind
from connector.domain.model.recovery import RecoveryState, Severity, Stage, StepState
from connector.domain.model.response import Interaction
from connector.domain.recovery import calendar as domain
from connector.domain.recovery.night import Night
from connector.ports import Ticket
from connector.store import history, lanes, recoveries, steps
from connector.store.database import Database
from connector.store.intents import IntentRow
from connector.store.schema import recovery
from connector.store.steps import StepRow
from connector.sync.mirroring import take_ticket
from connector.sync.settings import DecideSettings
from connector.sync.timers import LANE, TimersLane
from connector.sync.tracking import task_done
from connector.wiring.books import book_of, books
from tests.unit.deciding import (
    ACCOUNTS,
    DESK,
    clock_of,
    decide_all,
    example,
    example_settings,
    feed,
    known_contact,
    planned,
    pretend_confirmed,
    take_lane,
)
from tests.unit.samples import NOON, answer, empty_store

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
SLACK = {"connection": "slack"}
LATE = "{{ step.name }} by {{ step.who }} is late: {{ ticket.url }}"
REVIEW: dict[str, object] = {
    "name": "supervisor review",
    "who": "the supervisor",
    "within": "30m",
    "until": {"assigned": True},
    "late": [
        {
            "notify": {
                **SLACK,
                "channel": "#leads",
                "text": "{{ step.name }} by {{ step.who }} is late: {{ ticket.url }}",
            }
        },
        {
            "after": "30m",
            "severity": "critical",
            "owner": "grace",
            "notify": {**SLACK, "channel": "#heads", "text": "still"},
        },
    ],
}
TICKET: dict[str, object] = {"connection": "zendesk", "priority": {"critical": "urgent", "normal": "high"}, "due": "4h"}


def settings_with(
    *written: Mapping[str, object], calendars: Mapping[str, object] | None = None, **keys: object
) -> DecideSettings:
    """The example, its one playbook replaced by these steps and keys."""
    times = {name: Calendar.model_validate(each) for name, each in (calendars or {}).items()}
    config = example().config.model_copy(update={"calendars": times})
    playbook = Playbook.model_validate({"steps": list(written), **keys})
    return replace(
        example_settings(),
        playbooks=books(config.model_copy(update={"playbooks": {"service-recovery": playbook}}), ACCOUNTS),
        book_of=book_of,
        notify_within=HOUR * 4,
    )


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    store = empty_store(tmp_path, VirtualClock(NOON))
    yield store
    store.close()


def opened(db: Database, settings: DecideSettings) -> None:
    """A recovery whose ticket is 501."""
    known_contact(db)
    feed(db, answer("1"))
    decide_all(db, settings)
    for row in planned(db, WriteKind.TICKET):
        pretend_confirmed(db, row, "501")


def ticks(db: Database, settings: DecideSettings, until: datetime) -> datetime | None:
    """What the timers do until then: they are run when they say they are due, and not otherwise."""
    due: datetime | None = None
    for _ in range(50):
        hold = take_lane(db, LANE)
        due = TimersLane(db=db, settings=lambda: replace(settings, score=None)).drain(hold)
        with db.write() as tx:
            lanes.finish(tx, hold.hold, due)
        if due is None or due > until:
            break
        clock_of(db).advance(due - db.clock.now())
    clock_of(db).advance(max(until - db.clock.now(), timedelta(0)))
    return due


def seen(db: Database, settings: DecideSettings, status: str = "open", **keys: object) -> None:
    """The helpdesk reports the ticket so, now."""
    values = keys.pop("values", {})
    assert isinstance(values, dict)
    ticket = Ticket(
        account=DESK,
        id="501",
        status=status,
        requester_email="ada@example.org",
        key="zendesk:acme/mark",
        url="https://desk.example/501",
        updated_at=db.clock.now(),
        values={"status": status, **values},
        **keys,  # type: ignore[arg-type]  # assigned and fields
    )
    with db.write() as tx:
        take_ticket(tx, ticket, settings, db.clock.now())


def rows(db: Database) -> list[StepRow]:
    with db.read() as tx:
        return steps.of(tx, 1)


def messages(db: Database) -> list[IntentRow]:
    """The messages of the recovery's steps, without those of rules and to operators."""
    return [row for row in planned(db, WriteKind.ALERT) if row.object.startswith("recovery/")]


def events(db: Database, event: str) -> list[dict[str, Json]]:
    with db.read() as tx:
        found = [entry.detail for entry in history.for_recovery(tx, 1) if entry.event == event]
    return [detail for detail in found if isinstance(detail, dict)]


def test_a_step_nobody_takes_climbs_its_ladder_once_and_never_early(db: Database) -> None:
    settings = settings_with({"ticket": TICKET}, {"expect": REVIEW})
    opened(db, settings)
    assert ticks(db, settings, NOON + 30 * MINUTE - timedelta(seconds=1)) == NOON + 30 * MINUTE
    assert messages(db) == []
    ticks(db, settings, NOON + 45 * MINUTE)
    [first] = messages(db)
    assert first.fields["channel"] == "#leads"
    assert "supervisor review by the supervisor is late" in str(first.fields["text"])
    assert first.planned_at == NOON + 30 * MINUTE
    assert first.cause_at < NOON, "an old copy of the store looks whether it was told before"
    ticks(db, settings, NOON + 5 * HOUR)
    assert [row.fields["channel"] for row in messages(db)] == ["#leads", "#heads"]
    assert messages(db)[1].planned_at == NOON + HOUR
    [row] = rows(db)
    assert (row.state, row.missed, row.rung, row.rung_at) == (StepState.WAITING, True, 2, None)


def test_a_rung_may_raise_the_severity_and_hand_the_recovery_over(db: Database) -> None:
    settings = settings_with({"ticket": TICKET}, {"expect": REVIEW})
    opened(db, settings)
    ticks(db, settings, NOON + 2 * HOUR)
    with db.read() as tx:
        recovery = recoveries.get(tx, 1)
    assert recovery is not None
    assert (recovery.severity, recovery.owner) == (Severity.CRITICAL, "grace")
    [urgent] = planned(db, WriteKind.TICKET_UPDATE)
    assert (urgent.fields, urgent.target) == ({"priority": "urgent"}, "recovery/1/ticket/1")


def test_what_the_ticket_shows_ends_the_step_and_nothing_is_late(db: Database) -> None:
    settings = settings_with({"ticket": TICKET}, {"expect": REVIEW})
    opened(db, settings)
    clock_of(db).advance(10 * MINUTE)
    seen(db, settings, assigned=True)
    ticks(db, settings, NOON + 5 * HOUR)
    [row] = rows(db)
    assert (row.state, row.missed, row.done_at, row.proof) == (
        StepState.DONE, False, NOON + 10 * MINUTE, "somebody is assigned",
    )  # fmt: skip
    assert messages(db) == []
    with db.read() as tx:
        recovery = recoveries.get(tx, 1)
    assert recovery is not None
    assert (recovery.stage, recovery.touched_at) == (Stage.IN_PROGRESS, NOON + 10 * MINUTE)


def test_after_downtime_every_rung_is_climbed_once_and_says_how_late(db: Database) -> None:
    settings = settings_with({"ticket": TICKET}, {"expect": REVIEW})
    opened(db, settings)
    clock_of(db).advance(3 * HOUR)
    ticks(db, settings, NOON + 4 * HOUR)
    first, second = messages(db)
    assert "(told 2 h 30 min late" in str(first.fields["text"])
    assert "(told 2 h late" in str(second.fields["text"])
    assert [event["late"] for event in events(db, "rung_climbed")] == [True, True]


def test_open_time_counts_not_the_night(db: Database) -> None:
    desk = {"hours": {"mon-fri": ["08:00-12:00", "13:00-18:00"]}, "time_zone": "UTC"}
    week = {"ticket": TICKET}, {"expect": {**REVIEW, "within": "7h"}}
    settings = settings_with(*week, calendars={"desk": desk}, calendar="desk")
    opened(db, settings)
    [row] = rows(db)
    assert row.due_at == NOON.replace(day=3, hour=10), "five hours on Monday, two on Tuesday"


def test_while_it_is_the_customers_turn_the_deadline_stands_still(db: Database) -> None:
    settings = settings_with({"ticket": TICKET}, {"expect": REVIEW}, pause_while=["pending"])
    opened(db, settings)
    clock_of(db).advance(20 * MINUTE)
    seen(db, settings, "pending")
    [row] = rows(db)
    assert (row.state, row.remaining, row.due_at) == (StepState.PAUSED, 10 * MINUTE, None)
    ticks(db, settings, NOON + 6 * HOUR)
    assert messages(db) == []
    seen(db, settings, "open")
    [row] = rows(db)
    assert row.due_at == NOON + 6 * HOUR + 10 * MINUTE
    ticks(db, settings, NOON + 6 * HOUR + 11 * MINUTE)
    assert len(messages(db)) == 1


def test_a_step_after_another_begins_when_that_is_done(db: Database) -> None:
    call = {"name": "call", "within": "1h", "until": {"tag": "called"}, "after": "supervisor review"}
    told = {**SLACK, "channel": "#team", "text": "reviewed, {{ recovery.owner }}", "after": "supervisor review"}
    settings = settings_with(
        {"ticket": TICKET}, {"expect": REVIEW}, {"expect": call}, {"notify": told}, owner={"turn": ["ada", "grace"]}
    )
    opened(db, settings)
    assert [row.state for row in rows(db)] == [StepState.WAITING, StepState.EXPECTED]
    clock_of(db).advance(10 * MINUTE)
    seen(db, settings, assigned=True, values={"tags": ["called"]})
    review, following = rows(db)
    assert (review.state, following.state, following.due_at) == (StepState.DONE, StepState.WAITING, NOON + 70 * MINUTE)
    assert [row.fields["text"] for row in messages(db)] == ["reviewed, ada"]
    clock_of(db).advance(MINUTE)
    seen(db, settings, assigned=True, values={"tags": ["called"]})
    assert [row.state for row in rows(db)] == [StepState.DONE, StepState.DONE]


def test_a_completed_task_ends_its_step(db: Database) -> None:
    task = {"connection": "salesforce", "due": "48h", "name": "call", "late": [{"severity": "critical"}]}
    settings = settings_with({"ticket": TICKET}, {"task": task})
    opened(db, settings)
    [row] = rows(db)
    assert row.due_at == NOON + 48 * HOUR
    with db.write() as tx:
        task_done(tx, 1, 1, NOON + HOUR, settings)
        task_done(tx, 1, 1, NOON + 2 * HOUR, settings)
    [row] = rows(db)
    assert (row.state, row.done_at) == (StepState.DONE, NOON + HOUR)
    assert len(events(db, "step_done")) == 1


def test_a_solved_ticket_closes_only_when_the_cause_is_known(db: Database) -> None:
    asked = {**SLACK, "channel": "#team", "text": "why did it happen? {{ ticket.url }}"}
    close = {
        "needs": ["root_cause", "action_taken"], "root_causes": ["Parts", "Waiting time"],
        "root_cause_field": "custom_field_7", "action_field": "custom_field_8", "ask": asked,
    }  # fmt: skip
    settings = settings_with({"ticket": TICKET}, {"expect": REVIEW}, close=close)
    opened(db, settings)
    for second in range(3):
        clock_of(db).advance(MINUTE)
        seen(db, settings, "solved", fields={"custom_field_7": "who knows"}, values={"subject": f"{second}"})
    assert [row.fields["channel"] for row in messages(db)] == ["#team"], "asked once, whatever else is seen"
    clock_of(db).advance(MINUTE)
    seen(db, settings, "solved", fields={"custom_field_7": "parts", "custom_field_8": "new brakes, no charge"})
    with db.read() as tx:
        recovery, action = recoveries.get(tx, 1), recoveries.action_taken(tx, 1)
    assert recovery is not None
    assert (recovery.state, recovery.root_cause, action) == (RecoveryState.CLOSED, "Parts", "new brakes, no charge")
    assert [row.state for row in rows(db)] == [StepState.SKIPPED]
    assert ticks(db, settings, NOON + 9 * HOUR) is None
    assert len(messages(db)) == 1


def test_what_was_skipped_is_to_be_done_when_the_recovery_goes_on(db: Database) -> None:
    settings = settings_with({"ticket": TICKET}, {"expect": REVIEW})
    opened(db, settings)
    clock_of(db).advance(MINUTE)
    seen(db, settings, "solved")
    with db.write() as tx:
        assert recoveries.reopen(tx, 1)
    ticks(db, settings, NOON + 2 * MINUTE)
    [row] = rows(db)
    assert (row.state, row.due_at) == (StepState.WAITING, NOON + 31 * MINUTE)


def test_a_recovery_keeps_its_ladder_when_the_file_changes(db: Database) -> None:
    settings = settings_with({"ticket": TICKET}, {"expect": REVIEW})
    opened(db, settings)
    other = settings_with({"ticket": TICKET}, {"expect": {**REVIEW, "within": "5h", "late": []}})
    ticks(db, other, NOON + 45 * MINUTE)
    assert [row.fields["channel"] for row in messages(db)] == ["#leads"]


def test_at_night_a_message_waits_unless_it_is_critical(db: Database) -> None:
    settings = settings_with({"ticket": TICKET}, {"expect": REVIEW})
    settings = replace(settings, quiet=Night(begins=time(0), ends=time(18)), time_zone=ZoneInfo("UTC"))
    opened(db, settings)
    ticks(db, settings, NOON + 2 * HOUR)
    first, second = messages(db)
    assert first.not_before == NOON.replace(hour=18)
    assert first.give_up_at == NOON.replace(hour=22)
    assert second.not_before == NOON + HOUR, "the second rung made it critical"


def test_owners_take_turns(db: Database) -> None:
    settings = settings_with({"ticket": TICKET}, owner={"turn": ["ada", "grace"]})
    for number in range(3):
        feed(db, answer(str(number), email=f"p{number}@example.org", interaction=Interaction(id=f"R-{number}")))
    decide_all(db, settings)
    with db.read() as tx:
        owners = [known.owner for number in (1, 2, 3) if (known := recoveries.get(tx, number)) is not None]
    assert owners == ["ada", "grace", "ada"]


def test_a_connection_that_is_called_otherwise_is_the_same_one(db: Database) -> None:
    settings = settings_with({"ticket": TICKET}, {"expect": REVIEW})
    opened(db, settings)
    names = {"slack": "chat", "zendesk": "desk", "salesforce": "crm"}
    other = settings_with({"ticket": TICKET}, {"expect": {**REVIEW, "within": "5h"}})
    renamed = replace(other, targets={names[name]: target for name, target in other.targets.items()}, answers_to=())
    ticks(db, renamed, NOON + 2 * HOUR)
    assert [row.fields["channel"] for row in messages(db)] == ["#leads", "#heads"]
    [urgent] = planned(db, WriteKind.TICKET_UPDATE)
    assert urgent.account == DESK


def test_a_ladder_nobody_can_climb_stops_no_other_and_the_operators_hear_of_it(db: Database) -> None:
    settings = settings_with({"ticket": TICKET}, {"expect": REVIEW})
    opened(db, settings)
    feed(db, answer("2", email="ben@example.org", interaction=Interaction(id="R-2")))
    decide_all(db, settings)
    book = settings.playbooks["service-recovery"]
    never = domain.Calendar(zone=ZoneInfo("UTC"), week=((),) * 7)
    with db.write() as tx:
        tx.execute(update(recovery).where(recovery.c.id == 1).values(calendar="never"))
    broken = replace(settings, playbooks={"service-recovery": replace(book, calendars={"never": never})})
    ticks(db, broken, NOON + 2 * HOUR)
    assert [row.recovery_id for row in messages(db)] == [2, 2]
    told = [str(row.fields["text"]) for row in planned(db, WriteKind.ALERT) if row.object.startswith("operators/")]
    assert [text.partition(":")[0] for text in told if "cannot be climbed" in text] == ["recovery 1"]
