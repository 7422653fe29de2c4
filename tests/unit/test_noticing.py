"""Who leads somebody, or a place, is told when figures give reason to: once, about what is theirs, never in a storm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from connector.clock import VirtualClock
from connector.domain.expressions import compile_expression, compile_template
from connector.domain.model.context import Names, rule_names
from connector.domain.model.directory import Directory, enrol
from connector.domain.model.intent import IntentState, WriteKind
from connector.domain.model.response import Interaction, Metric, Response, Understanding
from connector.domain.recovery.night import Night
from connector.domain.reporting import noticing
from connector.domain.reporting.names import names_in
from connector.store import lanes
from connector.store.database import Database
from connector.store.intents import IntentRow
from connector.sync.figures import FiguresLane
from connector.sync.settings import (
    CoachingRule,
    DecideSettings,
    FiguresPolicy,
    MailRule,
    Operators,
    Rule,
    SendAlert,
    StormPolicy,
    TrendRule,
)
from tests.unit.deciding import CHAT, clock_of, decide_all, example_settings, feed, planned, take_lane
from tests.unit.figuring import said
from tests.unit.samples import NOON, answer, empty_store

DAY = timedelta(days=1)
LISTS = {"place": Names(open=True), "staff": Names(open=True)}
OPS = Operators(connection="slack", channel="#csat-ops")


@pytest.fixture
def db(tmp_path: Path) -> Database:
    return empty_store(tmp_path, VirtualClock(NOON))


def alert(place: str, channel: str, text: str) -> SendAlert:
    names = names_in(place, (), LISTS)
    return SendAlert(
        connection="slack",
        channel=compile_template(channel, names, "absent"),
        text=compile_template(text, names, "absent"),
    )


def settings(policy: FiguresPolicy) -> DecideSettings:
    base = example_settings()
    return replace(base, rules=(), figures=policy, operators=OPS, storm=None, answers_to=(), score=None)


def coaching(*, channel: str = "#leads", **about: object) -> DecideSettings:
    wanted: Mapping[str, object] = {"by": "staff", "low": 3, "within": 7 * DAY, "minimum": 3, "not_for": ("price",)}
    when = noticing.Coaching(**{**wanted, **about})  # type: ignore[arg-type]  # as given above
    text = "{{ coaching.value }}: {{ coaching.low }} of {{ coaching.answers }} in {{ coaching.days }} days"
    return settings(FiguresPolicy(coaching=(CoachingRule(when=when, alert=alert("coaching", channel, text)),)))


def by(number: int, stars: float, at: datetime, staff: str = "t.berg") -> Response:
    return said(number, stars, at, staff=staff)


def told(db: Database) -> list[IntentRow]:
    return planned(db, WriteKind.ALERT)


def three_low(db: Database, how: DecideSettings, first: int = 0, *, themes: tuple[str, ...] = ()) -> None:
    now = db.clock.now()
    feed(
        db,
        *(by(first + each, 1, now - timedelta(minutes=3 - each)) for each in range(3)),
        understanding=Understanding(themes=themes),
    )
    decide_all(db, how)


def test_the_third_low_score_in_a_week_tells_who_leads_them(db: Database) -> None:
    three_low(db, coaching())
    (one,) = told(db)
    assert one.fields == {"channel": "#leads", "text": "t.berg: 3 of 3 in 7 days"}
    assert one.account == CHAT
    assert one.key.startswith(f"{CHAT}/typeform/aB3dE9/2/coaching/")
    assert one.response_id is not None, "what holds, undoes or erases the answer's effects finds it"


def test_two_low_scores_or_three_of_several_people_tell_nobody(db: Database) -> None:
    how = coaching()
    feed(db, by(1, 1, NOON), by(2, 1, NOON), by(3, 1, NOON, "k.lund"), by(4, 5, NOON), by(5, 1, NOON - 8 * DAY))
    decide_all(db, replace(how, answered_within=30 * DAY))
    assert told(db) == []


def test_nobody_is_told_twice_of_the_same_person_in_that_time(db: Database) -> None:
    how = coaching()
    three_low(db, how)
    three_low(db, how, 10)
    assert len(told(db)) == 1
    clock_of(db).advance(8 * DAY)
    three_low(db, how, 20)
    assert len(told(db)) == 2
    assert len({row.object for row in told(db)}) == 2


def test_what_is_not_theirs_to_change_does_not_count(db: Database) -> None:
    how = coaching()
    three_low(db, how, themes=("price", "waiting"))
    assert told(db) == []
    feed(db, *(by(10 + each, 1, NOON - timedelta(seconds=9 - each)) for each in range(2)))
    decide_all(db, how)
    assert told(db) == [], "the three about the price do not count for these two either"
    feed(db, by(20, 1, NOON))
    decide_all(db, how)
    assert [row.fields["text"] for row in told(db)] == ["t.berg: 3 of 3 in 7 days"]


def test_of_few_answers_nothing_is_concluded(db: Database) -> None:
    how = coaching(minimum=5)
    three_low(db, how)
    assert told(db) == []
    feed(db, by(10, 5, NOON), by(11, 5, NOON), by(12, 1, NOON + timedelta(seconds=1)))
    decide_all(db, how)
    assert [row.fields["text"] for row in told(db)] == ["t.berg: 4 of 6 in 7 days"]


def test_where_nobody_is_named_the_operators_are_told_and_why(db: Database) -> None:
    three_low(db, coaching(channel="{{ staff.manager }}"))
    (one,) = told(db)
    assert one.fields["channel"] == "#csat-ops"
    assert str(one.fields["text"]).endswith("(Nobody is named who should be told; so you are.)")


def listed() -> Directory:
    staff = enrol(["id", "manager"], [{"id": "t.berg", "manager": "@mara"}], key="id")
    places = enrol(["name", "manager"], [{"name": "Hamburg", "manager": "@jo"}], key="name")
    return Directory(places=places, staff=staff)


def test_the_directory_says_who_leads_whom(db: Database) -> None:
    three_low(db, replace(coaching(channel="{{ staff.manager }}"), directory=listed()))
    assert [row.fields["channel"] for row in told(db)] == ["@mara"]


def test_the_directory_says_who_leads_a_place(db: Database) -> None:
    weekly(db, (2, 2))
    drain(db, replace(falling(channel="{{ place.manager }}", below=3.0), directory=listed()))
    assert [row.fields["channel"] for row in told(db)] == ["@jo"]


def test_old_answers_and_imports_tell_nobody(db: Database) -> None:
    how = coaching()
    feed(db, *(by(each, 1, NOON - DAY + timedelta(minutes=each)) for each in range(3)))
    decide_all(db, how)
    assert told(db) == [], "they are older than notify_within"


def test_in_a_storm_the_message_is_held_with_everything_else(db: Database) -> None:
    how = replace(coaching(), storm=StormPolicy(answers=10, unhappy_share=0.7))
    feed(db, *(by(each, 1, NOON - timedelta(minutes=20 - each), f"s{each}") for each in range(10)))
    decide_all(db, how)
    three_low(db, how, 20)
    coach = [row for row in told(db) if "/coaching/" in row.key]
    assert [row.state for row in coach] == [IntentState.HELD]


def test_an_edited_answer_does_not_write_over_the_message(db: Database) -> None:
    """A rule's own message to the same channel is another one, whatever the answer becomes."""
    when = compile_expression("rating == 2", rule_names(()))
    rule = Rule(name="two", when=when, actions=(alert("coaching", "#leads", "unhappy {{ rating }}"),))
    how = replace(coaching(), rules=(rule,))
    three_low(db, how)
    feed(db, replace(by(2, 2, NOON), comment="not quite so bad"))
    decide_all(db, how)
    coach, own = told(db)
    assert "/coaching/" in coach.object
    assert own.object == "response/typeform/aB3dE9/2/alert/0"
    assert own.target is None


def test_who_handled_it_is_who_the_record_names(db: Database) -> None:
    """Segments win over the interaction: a record that says better is what counts."""
    how, now = coaching(), db.clock.now()
    answers = [
        replace(
            answer(str(each), stars=1, at=now, email=f"a{each}@example.com", segments={"staff": "record"}),
            interaction=Interaction(id=f"R{each}", staff="form"),
        )
        for each in range(3)
    ]
    feed(db, *answers)
    decide_all(db, how)
    assert [row.fields["text"] for row in told(db)] == ["record: 3 of 3 in 7 days"]


def drain(db: Database, how: DecideSettings) -> datetime | None:
    hold = take_lane(db, "figures")
    due = FiguresLane(db=db, settings=lambda: how).drain(hold)
    with db.write() as tx:
        lanes.finish(tx, hold.hold, due)
    return due


def falling(*, channel: str = "#brakes", **about: object) -> DecideSettings:
    wanted: dict[str, object] = {"by": ("service", "location"), "metric": Metric.CSAT, "weeks": 2, "minimum": 3}
    when = noticing.Trend(**{**wanted, **(about or {"below": 3.0})})  # type: ignore[arg-type]  # as given above
    text = "{{ trend.value }} {{ trend.now }}{{ trend.before }} in {{ trend.weeks }} weeks, {{ trend.answers }} answers"
    return settings(FiguresPolicy(trends=(TrendRule(when=when, alert=alert("trend", channel, text)),)))


def weekly(db: Database, stars: tuple[float, ...], service: str = "brakes") -> None:
    """Three answers in each of the last whole weeks before that of NOON, the oldest first."""
    monday = NOON - timedelta(days=NOON.weekday())
    answers = []
    for week, each in enumerate(stars):
        at = monday - timedelta(weeks=len(stars) - week) + DAY
        answers += [said(100 * week + n, each, at + timedelta(hours=n), service=service) for n in range(3)]
    feed(db, *answers)
    decide_all(db, replace(example_settings(), rules=(), storm=None, score=None))


def test_a_place_that_is_low_for_weeks_is_told_of_once_and_again_when_it_stays_so(db: Database) -> None:
    how = falling()
    weekly(db, (5, 2, 2))
    assert drain(db, how) is not None
    assert drain(db, how) is not None
    (one,) = told(db)
    assert one.fields == {"channel": "#brakes", "text": "brakes, Hamburg 2 in 2 weeks, 6 answers"}
    assert one.response_id is None
    monday = NOON - timedelta(days=NOON.weekday())
    for week in range(1, 3):
        feed(db, *(said(1000 * week + n, 2, monday + timedelta(weeks=week - 1, hours=n)) for n in range(20, 23)))
        decide_all(db, replace(how, answered_within=90 * DAY, figures=FiguresPolicy()))
        clock_of(db).advance(timedelta(weeks=1))
        drain(db, how)
        assert len(told(db)) == week, "within the two weeks nobody is told again"


def test_at_night_it_waits_for_the_morning(db: Database) -> None:
    weekly(db, (5, 2, 2))
    drain(db, replace(falling(), quiet=Night(begins=time(0), ends=time(18)), time_zone=ZoneInfo("UTC")))
    (one,) = told(db)
    assert one.not_before == NOON.replace(hour=18)


def test_a_week_is_looked_at_once(db: Database) -> None:
    how = falling()
    drain(db, how)
    weekly(db, (2, 2))
    drain(db, how)
    assert told(db) == [], "what comes in late is seen with the next week"


def test_a_drop_says_what_it_was_before(db: Database) -> None:
    how = falling(drop=1.0)
    weekly(db, (5, 5, 3, 4))
    drain(db, how)
    assert [row.fields["text"] for row in told(db)] == ["brakes, Hamburg 3.55 in 2 weeks, 6 answers"]


def test_a_week_is_looked_at_from_six_in_the_morning_on(tmp_path: Path) -> None:
    monday = NOON.replace(hour=5)  # 06:00 in Berlin, in winter
    db = empty_store(tmp_path, VirtualClock(monday - timedelta(minutes=1)))
    how = falling()
    weekly(db, (2, 2))
    assert drain(db, how) == monday
    assert told(db) == []
    clock_of(db).advance(timedelta(minutes=1))
    assert drain(db, how) == monday + DAY
    assert len(told(db)) == 1
    db.close()


def test_reports_are_sent_for_each_place_with_enough_answers_once_a_period(db: Database) -> None:
    to = compile_template("{{ report.value }}@example.com", names_in("report", ()), "absent")
    mail = MailRule(connection="slack", to=to, every="week", by="service")
    how = settings(FiguresPolicy(mails=(mail,), minimum=3))
    weekly(db, (2, 2))
    feed(db, said(9, 5, NOON - timedelta(days=4), service="tires"))
    decide_all(db, replace(how, figures=FiguresPolicy()))
    drain(db, how)
    drain(db, how)
    (one,) = told(db)
    assert one.fields["channel"] == "brakes@example.com"
    assert "2026-W09" in str(one.fields["text"])
    assert "3 answers" in str(one.fields["text"])
    assert "tires" not in str(one.fields["text"])
    clock_of(db).advance(timedelta(weeks=1))
    drain(db, how)
    assert len(told(db)) == 1, "that week had no answers"


def test_with_nothing_to_tell_the_lane_comes_back_tomorrow_morning(db: Database) -> None:
    due = drain(db, settings(FiguresPolicy()))
    assert due is not None
    assert due.astimezone(example_settings().time_zone).strftime("%a %H:%M") == "Tue 06:00"
