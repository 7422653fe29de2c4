"""The dashboard of deploy/grafana/: every query runs, on both stores, and shows what the report says."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connector.clock import VirtualClock
from connector.domain.reporting.period import dated
from connector.store.database import Database
from connector.sync.reporting import Asked, count
from tests.unit.deciding import example_settings
from tests.unit.figuring import SERVICES, weeks, worked_on
from tests.unit.samples import NOON, empty_store

pytestmark = pytest.mark.both_stores

DASHBOARD = Path(__file__).parents[2] / "deploy" / "grafana" / "figures.json"


def dashboard() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return read


def filled(query: str) -> str:
    """What Grafana makes of a query, as its documentation of global and formatted variables says."""
    chosen = ", ".join(f"'{name}'" for name in SERVICES)
    given = {
        "${__from:date:iso}": iso(NOON - timedelta(days=60)),
        "${__to:date:iso}": iso(NOON + timedelta(days=1)),
        "${segment}": "service",
        "${slice:sqlstring}": chosen,
    }
    for name, value in given.items():
        query = query.replace(name, value)
    assert "$" not in query, query
    return query


def iso(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.000Z"


def run(db: Database, query: str) -> list[dict[str, Any]]:
    with db._reader.connect() as connection:
        return [dict(row) for row in connection.exec_driver_sql(filled(query)).mappings()]


@pytest.fixture
def db(tmp_path: Path) -> Database:
    made = empty_store(tmp_path, VirtualClock(NOON))
    weeks(made, 60)
    worked_on(made)
    return made


def test_every_panel_shows_something_and_what_the_report_says(db: Database) -> None:
    found = {}
    for panel in dashboard()["panels"]:
        (target,) = panel["targets"]
        found[panel["title"]] = rows = run(db, target["rawSql"])
        assert rows or panel["type"] == "timeseries", panel["title"]
    for variable in dashboard()["templating"]["list"][1:]:
        assert run(db, variable["query"])
    with db.read() as tx:
        report = count(tx, example_settings(), Asked(period=dated("2026-01-02/2026-03-02")))
    said = {each.id: each.value for each in report.figures}
    shown = {
        "csat": "CSAT, mean",
        "share_satisfied": "Satisfied",
        "nps": "NPS",
        "recovery_rate": "Won back",
        "steps_in_time": "Steps in time",
    }
    for name, title in shown.items():
        (value,) = found[title][0].values()
        assert float(value) == pytest.approx(said[name]), title
    assert sum(row["answers"] for row in found["By ${segment}"]) == 60


def test_no_panel_shows_figures_of_fewer_than_five(db: Database) -> None:
    for panel in dashboard()["panels"]:
        query = panel["targets"][0]["rawSql"]
        if "AVG(" in query:
            assert ">= 5" in query, panel["title"]
