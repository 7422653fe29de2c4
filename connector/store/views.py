"""The figures as SQL views, for Grafana, Tableau, Looker and whoever writes a query. Their names and columns are kept.

Instants are `timestamptz` at a PostgreSQL, ISO 8601 text in UTC with milliseconds in a SQLite file: both compare with
`'2026-11-01T00:00:00.000Z'`. Days are UTC's. Nothing in a view names a customer. docs/figures.md describes the columns.

Views are made anew whenever the tables are brought to this version: SQLite cannot rebuild a table that a view reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, inspect, text

from connector.domain.reporting.measure import SATISFIED
from connector.store.recoveries import MERGED

ERASED: Final = "the person was erased"
"""The cause of the recovery of somebody who was erased; `connector.store.forgetting` sets it."""
CALLED_OFF: Final = (MERGED, ERASED, "answer changed", "undone")
"""Causes of recoveries that count in no figure: nobody worked on them, they count elsewhere, or they are nobody's."""

_CAUSES: Final = ", ".join(f"'{cause}'" for cause in CALLED_OFF)
_WORDS: Final = {
    "satisfied": str(SATISFIED),
    "nps": "metric = 'nps' AND lowest = 0 AND highest = 10",
    "counted": f"(recovery.cause IS NULL OR recovery.cause NOT IN ({_CAUSES}))",
}

VIEWS: Final[Mapping[str, str]] = {
    "figures_ratings": """
        SELECT rated.response_id, rated.number, rated.survey, rated.metric, rated.about,
            rated.value, rated.lowest AS scale_lowest, rated.highest AS scale_highest, rated.satisfaction,
            CASE WHEN rated.satisfaction >= {satisfied} THEN 1 ELSE 0 END AS satisfied,
            CASE WHEN {nps} THEN CASE WHEN value >= 9 THEN 100 WHEN value <= 6 THEN -100 ELSE 0 END END AS nps,
            CASE WHEN rated.unhappy THEN 1 ELSE 0 END AS unhappy,
            {instant:rated.event_at} AS answered_at, {day:rated.event_at} AS answered_on, response.person_id
        FROM rated JOIN response ON response.id = rated.response_id""",
    "figures_slices": "SELECT response_id, name AS segment, value FROM sliced",
    "figures_themes": "SELECT response_id, theme FROM themed",
    "figures_by_day": """
        SELECT answered_on AS day, survey, metric, about, COUNT(*) AS answers, AVG(value) AS mean,
            AVG(satisfaction) AS satisfaction, SUM(satisfied) AS satisfied, 1.0 * SUM(satisfied) / COUNT(*) AS
            share_satisfied, AVG(1.0 * nps) AS nps, SUM(unhappy) AS unhappy
        FROM figures_ratings GROUP BY answered_on, survey, metric, about""",
    "figures_by_day_and_slice": """
        SELECT answered_on AS day, segment, figures_slices.value AS slice, metric, about, COUNT(*) AS answers,
            AVG(figures_ratings.value) AS mean, AVG(satisfaction) AS satisfaction, SUM(satisfied) AS satisfied,
            1.0 * SUM(satisfied) / COUNT(*) AS share_satisfied, AVG(1.0 * nps) AS nps, SUM(unhappy) AS unhappy
        FROM figures_ratings JOIN figures_slices ON figures_slices.response_id = figures_ratings.response_id
        GROUP BY answered_on, segment, figures_slices.value, metric, about""",
    "figures_recoveries": """
        SELECT recovery.id AS recovery_id, response.id AS response_id, playbook, severity, state, stage, owner,
            root_cause, {instant:opened_at} AS opened_at, {instant:touched_at} AS touched_at,
            {instant:closed_at} AS closed_at, (touched_at - opened_at) / 1000000.0 AS first_touch_seconds,
            (closed_at - opened_at) / 1000000.0 AS resolution_seconds,
            CASE WHEN state = 'closed' THEN CASE WHEN stage = 'won_back' THEN 1 ELSE 0 END END AS won_back
        FROM recovery LEFT JOIN response ON response.key = recovery.opened_by WHERE {counted}""",
    "figures_steps": """
        SELECT recovery_step.recovery_id, number, name, recovery_step.state, {instant:began_at} AS began_at,
            {instant:due_at} AS due_at, {instant:done_at} AS done_at,
            CASE WHEN missed THEN 0 WHEN recovery_step.state = 'done' AND due_at IS NOT NULL THEN 1 END AS in_time
        FROM recovery_step JOIN recovery ON recovery.id = recovery_step.recovery_id WHERE {counted}""",
    "figures_followups": """
        SELECT follow_up.recovery_id, number, kind, {instant:planned_at} AS planned_at,
            {instant:answered_at} AS answered_at, CASE WHEN answered_at IS NULL THEN 0 ELSE 1 END AS answered
        FROM follow_up JOIN recovery ON recovery.id = follow_up.recovery_id WHERE {counted}""",
}
"""Name → its query, in an order in which they can be made. What is in braces differs
between the stores, or is said once below."""

_INSTANTS: Final = {
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%fZ', {column} / 1000000.0, 'unixepoch')",
    "postgresql": "to_timestamp({column} / 1000000.0)",
}
_DAYS: Final = {
    "sqlite": "strftime('%Y-%m-%d', {column} / 1000000.0, 'unixepoch')",
    "postgresql": "(to_timestamp({column} / 1000000.0) AT TIME ZONE 'UTC')::date",
}


def drop(connection: Connection) -> None:
    """Take the views away, so that tables can be changed."""
    there = set(inspect(connection).get_view_names())
    for name in reversed(list(VIEWS)):
        if name in there:
            connection.execute(text(f"DROP VIEW {name}"))


def make(connection: Connection) -> None:
    """Make every view; none of them is there."""
    for name, query in VIEWS.items():
        connection.exec_driver_sql(f"CREATE VIEW {name} AS {_in_words_of(connection.dialect.name, query)}")


def _in_words_of(dialect: str, query: str) -> str:
    for word, forms in (("instant", _INSTANTS), ("day", _DAYS)):
        before, *parts = query.split(f"{{{word}:")
        query = before
        for part in parts:
            column, _, rest = part.partition("}")
            query += forms[dialect].format(column=column) + rest
    for word, said in _WORDS.items():
        query = query.replace(f"{{{word}}}", said)
    return query
