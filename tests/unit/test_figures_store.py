"""What figures are counted from: written with the decision, replaced by an edit, gone with whoever is erased."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from connector.clock import VirtualClock
from connector.domain.model.interaction import InteractionRecord
from connector.domain.model.response import Interaction, Polarity, Rating, Scale, Understanding
from connector.domain.reporting.figures import Figure, Unit
from connector.domain.reporting.period import dated
from connector.domain.reporting.report import Report
from connector.store import cursors, figures, forgetting, interactions, lanes, responses, retention, subjects, views
from connector.store.database import Database
from connector.store.runs import Run, RunKind
from connector.store.schema import dependency, intent, rated, recovery, sliced, themed
from connector.sync import undo, winning_back
from connector.sync.figures import FiguresLane
from connector.sync.identify import blinds_of
from connector.sync.reporting import Asked, count
from tests.unit.deciding import clock_of, decide_all, example_settings, feed, take_lane
from tests.unit.figuring import said, weeks, worked_on
from tests.unit.samples import NOON, answer, empty_store

pytestmark = pytest.mark.both_stores


@pytest.fixture
def db(tmp_path: Path) -> Database:
    return empty_store(tmp_path, VirtualClock(NOON))


def rows(db: Database, table: Any) -> list[dict[str, Any]]:
    with db.read() as tx:
        return [dict(row) for row in tx.execute(select(table).order_by(*table.primary_key)).mappings()]


def query(db: Database, text: str) -> list[dict[str, Any]]:
    """What a program that reads the views gets."""
    with db._reader.connect() as connection:
        return [dict(row) for row in connection.exec_driver_sql(text).mappings()]


def test_a_decided_answer_is_counted_with_its_slices_and_themes(db: Database) -> None:
    order = Interaction(service=" brakes\u0000 \n front", location="Kiel", staff="t.berg", channel="chat")
    feed(db, answer("1", interaction=order, segments={"tier": "gold"}), understanding=Understanding(themes=("price",)))
    decide_all(db, example_settings())
    (one,) = rows(db, rated)
    assert (one["metric"], one["value"], one["satisfaction"], one["unhappy"]) == ("csat", 2, 25, True)
    assert {row["name"]: row["value"] for row in rows(db, sliced)} == {
        "service": "brakes front", "location": "Kiel", "staff": "t.berg", "channel": "chat", "tier": "gold",
        "survey": "service",
    }  # fmt: skip
    assert [row["theme"] for row in rows(db, themed)] == ["price"]


def test_a_scale_whose_low_end_is_best_is_kept_as_if_high_were(db: Database) -> None:
    grades = Rating(metric=answer().ratings[0].metric, value=2, scale=Scale.parse("1-6", Polarity.LOW_IS_BEST))
    feed(db, replace(answer(), ratings=(grades,)))
    decide_all(db, example_settings())
    (one,) = rows(db, rated)
    assert (one["value"], one["lowest"], one["highest"], one["satisfaction"]) == (5, 1, 6, 80)


def test_an_edit_replaces_what_its_answer_counted(db: Database) -> None:
    feed(db, answer("1", stars=1, segments={"service": "brakes", "tier": "gold"}))
    decide_all(db, example_settings())
    feed(db, answer("1", stars=5, at=NOON - timedelta(minutes=1), segments={"service": "tires"}))
    assert rows(db, rated)[0]["value"] == 1, "the old one counts until the new one is decided"
    decide_all(db, example_settings())
    (one,) = rows(db, rated)
    assert (one["version"], one["value"], one["unhappy"]) == (2, 5, False)
    assert {row["name"]: row["value"] for row in rows(db, sliced)} == {"service": "tires", "survey": "service"}


def test_what_an_import_brings_counts_too(db: Database) -> None:
    old = answer("1", at=NOON - timedelta(days=400))
    with db.write() as tx:
        responses.record(tx, old, Understanding(), blinds=blinds_of(tx, old), record_only=True)
    decide_all(db, example_settings())
    assert [row["event_at"] for row in rows(db, rated)] == [old.event_at]


def test_an_undone_answer_counts_as_its_earlier_version_or_not_at_all(db: Database) -> None:
    feed(db, answer("1", stars=1), answer("2"))
    decide_all(db, example_settings())
    feed(db, answer("1", stars=5, at=NOON - timedelta(minutes=1)))
    decide_all(db, example_settings())
    with db.write() as tx:
        for number in (1, 2):
            version = responses.get(tx, number)
            assert version is not None
            with tx.under(None):
                undo.withdraw(tx, version, a_run(), example_settings())
    assert [(row["response_id"], row["version"], row["value"], row["unhappy"]) for row in rows(db, rated)] == [
        (1, 1, 1, True)
    ]
    assert {row["response_id"] for row in rows(db, sliced)} == {1}


def a_run() -> Any:
    return Run(id=1, kind=RunKind.START, began_at=NOON, ended_at=None, mode="live", config="", undone_at=None)


def test_whoever_is_erased_is_counted_no_more(db: Database) -> None:
    feed(db, answer("1"), said(2, 5, NOON), understanding=Understanding(themes=("price",)))
    decide_all(db, example_settings())
    with db.write() as tx:
        forgetting.stop(tx, subjects.of_address(tx, email="ada@example.org"))
    assert all({row["response_id"] for row in rows(db, table)} == {2} for table in figures.TABLES)


def test_an_answer_that_became_nobodys_counts_on_without_who_served_it(db: Database) -> None:
    order = Interaction(service="brakes", staff="t.berg")
    feed(db, replace(answer("1", interaction=order, stars=5), received_at=NOON))
    decide_all(db, example_settings())
    clock_of(db).advance(timedelta(days=1000))
    with db.write() as tx:
        forget_intents(tx)
        assert retention.make_anonymous(tx, tx.now, 10) == 1
    assert {row["name"] for row in rows(db, sliced)} == {"service", "survey"}
    assert query(db, "SELECT value, person_id FROM figures_ratings") == [{"value": 5, "person_id": None}]


def forget_intents(tx: Any) -> None:
    tx.execute(delete(dependency))
    tx.execute(delete(intent))


def drained(db: Database) -> datetime | None:
    hold = take_lane(db, "figures")
    due = FiguresLane(db=db, settings=example_settings).drain(hold)
    with db.write() as tx:
        lanes.finish(tx, hold.hold, due)
    return due


def test_answers_decided_before_there_were_figures_are_counted_once(db: Database) -> None:
    weeks(db, 70)
    before = [rows(db, table) for table in figures.TABLES]
    with db.write() as tx:
        for table in figures.TABLES:
            tx.execute(delete(table).where(table.c.response_id <= 60))
        assert figures.fill(tx, lambda one: {"service": one.interaction.service or ""}, limit=50)
        assert cursors.get(tx, "figures/answers") == "50"
    drained(db)
    after = [rows(db, table) for table in figures.TABLES]
    assert [len(each) for each in after[::2]] == [len(each) for each in before[::2]]
    assert after[0] == before[0]
    with db.write() as tx:
        tx.execute(delete(rated))
    drained(db)
    assert rows(db, rated) == [], "what is counted is not read again"


NOVEMBER = Asked(period=dated("2026-02-01/2026-03-31"), by=("service", "location"))


def test_the_views_say_what_the_report_says(db: Database) -> None:
    weeks(db)
    number = worked_on(db)
    with db.read() as tx:
        report = count(tx, replace(example_settings(), storm=None), NOVEMBER)
    assert (report.answers, report.recoveries) == (120, number)
    one = query(
        db,
        "SELECT AVG(CASE WHEN metric = 'csat' THEN value END) AS csat, AVG(1.0 * nps) AS nps, "
        "AVG(CASE WHEN metric = 'csat' THEN 1.0 * satisfied END) AS share_satisfied, "
        "AVG(CASE WHEN metric = 'csat' THEN 1.0 * unhappy END) AS unhappy FROM figures_ratings",
    )[0]
    for name, value in one.items():
        assert figure(report, name).value == pytest.approx(float(value)), name
    recovered = query(db, "SELECT AVG(1.0 * won_back) AS rate FROM figures_recoveries")[0]["rate"]
    assert figure(report, "recovery_rate").value == pytest.approx(float(recovered))
    in_time = query(db, "SELECT AVG(1.0 * in_time) AS rate, COUNT(in_time) AS n FROM figures_steps")[0]
    assert figure(report, "steps_in_time").value == pytest.approx(float(in_time["rate"]))
    assert figure(report, "steps_in_time").n == in_time["n"]
    replied = query(db, "SELECT AVG(1.0 * answered) AS rate FROM figures_followups")[0]["rate"]
    assert figure(report, "engagement").value == pytest.approx(float(replied))
    touched = sorted(
        float(row["first_touch_seconds"]) for row in query(db, "SELECT first_touch_seconds FROM figures_recoveries")
    )
    assert touched[0] <= (figure(report, "first_touch").value or 0) <= touched[-1]
    assert figure(report, "first_touch").value == pytest.approx((touched[(number - 1) // 2] + touched[number // 2]) / 2)


def figure(report: Report, name: str) -> Figure:
    return next(each for each in report.figures if each.id == name)


def test_the_views_by_day_and_slice_add_up_to_the_ratings(db: Database) -> None:
    weeks(db)
    whole = query(db, "SELECT COUNT(*) AS n, SUM(unhappy) AS unhappy FROM figures_ratings")[0]
    by_day = query(db, "SELECT SUM(answers) AS n, SUM(unhappy) AS unhappy FROM figures_by_day")[0]
    assert (whole["n"], whole["unhappy"]) == (by_day["n"], by_day["unhappy"])
    found = query(
        db,
        "SELECT slice, SUM(answers) AS n, SUM(mean * answers) / SUM(answers) AS mean FROM figures_by_day_and_slice "
        "WHERE segment = 'service' AND metric = 'csat' GROUP BY slice ORDER BY slice",
    )
    with db.read() as tx:
        report = count(tx, example_settings(), NOVEMBER)
    told: dict[str, object] = {
        one.name: (one.answers, next(f.value for f in one.figures if f.id == "csat"))
        for one in report.breakdowns[0].slices
    }
    assert told == {row["slice"]: (row["n"], pytest.approx(row["mean"])) for row in found}


def test_instants_of_views_compare_with_iso_texts(db: Database) -> None:
    feed(db, said(1, 5, NOON))
    decide_all(db, example_settings())
    within = "answered_at >= '2026-03-02T12:00:00.000Z' AND answered_at < '2026-03-02T12:00:00.001Z'"
    assert len(query(db, f"SELECT * FROM figures_ratings WHERE {within}")) == 2
    assert {str(row["answered_on"]) for row in query(db, "SELECT answered_on FROM figures_ratings")} == {"2026-03-02"}


def test_recoveries_nobody_worked_on_are_counted_nowhere(db: Database) -> None:
    assert set(views.CALLED_OFF) >= {forgetting.CAUSE, winning_back.ANSWER_CHANGED, undo.UNDONE}
    weeks(db, 60)
    number = worked_on(db)
    with db.write() as tx:
        tx.execute(update(recovery).where(recovery.c.id == 2).values(cause=undo.UNDONE))
    with db.read() as tx:
        report = count(tx, example_settings(), NOVEMBER)
    assert report.recoveries == number - 1
    assert len(query(db, "SELECT * FROM figures_recoveries")) == number - 1
    assert len(query(db, "SELECT * FROM figures_steps")) == 2 * (number - 1)


def test_a_report_narrowed_to_a_slice_is_about_nothing_else(db: Database) -> None:
    weeks(db)
    worked_on(db)
    asked = replace(NOVEMBER, where={"service": "brakes", "location": "Kiel"}, by=())
    with db.read() as tx:
        report = count(tx, example_settings(), asked)
        whole = count(tx, example_settings(), NOVEMBER)
    assert report.answers is not None
    assert whole.answers is not None
    assert 0 < report.answers < whole.answers
    share = figure(report, "unhappy")
    assert (share.value, share.unit) == (1, Unit.SHARE)
    assert report.recoveries is not None
    assert whole.recoveries is not None
    assert 0 < report.recoveries < whole.recoveries


def test_records_of_interactions_say_who_was_invited_and_who_came_again(db: Database) -> None:
    weeks(db, 10)
    since = NOON - timedelta(days=20)
    with db.write() as tx:
        for number in range(12):
            record = InteractionRecord(
                account="csv:shop",
                id=f"R-{number}",
                kind="repair_order",
                occurred_at=since,
                service=("brakes", "tires")[number % 2],
                invited_at=since + timedelta(hours=number),
                email=f"kim{number % 8}@example.com",
            )
            interactions.put(tx, record)
        for number in range(1, 4):
            version = responses.get(tx, number)
            assert version is not None
            interactions.note_answer(tx, number, version.response.interaction)
    with db.read() as tx:
        report = count(tx, example_settings(), NOVEMBER)
        narrowed = count(tx, example_settings(), replace(NOVEMBER, where={"service": "brakes"}, by=()))
    rate, again = figure(report, "response_rate"), figure(report, "repeat_rate")
    assert (rate.value, rate.n) == (0.25, 12)
    assert (again.value, again.n) == (0.5, 8), "of those we know"
    assert figure(narrowed, "response_rate").n == 6
    assert figure(narrowed, "repeat_rate").why == "not known: no interactions"
