"""No statement of the daily work reads more than it is asked for, however much the store holds: how SQLite would find
what each asks for is looked at, with no figures about the tables, as in every store of ours.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from connector.domain.model.intent import FINAL_STATES
from connector.domain.model.transitions import OPEN
from connector.store import prepared
from connector.store.schema import IS_UNSETTLED, metadata
from connector.sync.importing import Columns, Import
from connector.sync.tables import Table
from connector.wiring.importing import Importer
from tests.acceptance.test_import import housed, write_answers
from tests.unit.samples import NOON

pytestmark = pytest.mark.slow

ROWS = 24
WHOLE = re.compile(r"SCAN (\w+)")
BY_LITTLE = re.compile(
    r"SEARCH (\w+) USING (?:COVERING )?INDEX \w+ \((?:account=\?|state=\?|account=\? AND state=\?)\)"
)
"""What an account or a state has is as much as there is."""
BOUNDED = {
    "pause": "connections an operator paused",
    "undoing": "runs that are taken back",
    "erasure": "people who are being erased",
    "recovery_step": "steps that are open: one look at them for each poll of the tasks",
    "write": "requests under way",
    "quota": "kinds of calls to one account",
}
"""Tables, or those of their rows that are asked for, that stay small whatever comes in."""
KNOWN = {
    "UPDATE person SET scored_at": "when weights change",
}
"""What goes through much, and when."""
ELSEWHERE = {"retention", "figures"}
"""Lanes that go through everything, once a day or once in a store's life."""


@contextmanager
def statements() -> Iterator[dict[str, Any]]:
    """Every statement that reads, with the values it was last run with."""
    seen: dict[str, Any] = {}

    def note(text: str, values: Any, is_many: bool) -> None:
        if text.lstrip().startswith(("SELECT", "UPDATE", "DELETE")):
            seen[text] = values[0] if is_many else values

    def before(_conn: Any, _cursor: Any, text: str, values: Any, _context: Any, is_many: bool) -> None:
        note(text, values, is_many)

    execute = prepared._Plan._execute

    def noted(plan: Any, connection: Any, how: str, values: Any) -> Any:
        note(plan._text, values, how == "executemany")
        return execute(plan, connection, how, values)

    event.listen(Engine, "before_cursor_execute", before)
    prepared._Plan._execute = noted  # type: ignore[method-assign, assignment]
    try:
        yield seen
    finally:
        prepared._Plan._execute = execute  # type: ignore[method-assign]
        event.remove(Engine, "before_cursor_execute", before)


def complaints(path: str, seen: Mapping[str, Any]) -> list[str]:
    """The statements that go through what may be much, each with how."""
    store, found = sqlite3.connect(path), []
    of_open = {state.value for state in OPEN}
    try:
        for said, values in seen.items():
            text = " ".join(said.split())
            steps = [step for *_, step in store.execute(f"EXPLAIN QUERY PLAN {text}", values)]
            if text.startswith(tuple(KNOWN)) or ("LIMIT" in text and "USE TEMP B-TREE FOR ORDER BY" not in steps):
                continue  # known, or it walks along an index until it has enough
            for step in steps:
                through = WHOLE.match(step) or BY_LITTLE.match(step)
                if through is None or through[1] not in metadata.tables or through[1] in BOUNDED:
                    continue
                if through[1] == "intent" and "state=?" in step and of_open & set(values):
                    continue  # requests under way
                if "ix_response_version_record_only" in step or "ix_inbox_record_only" in step:
                    continue  # whether there is any: the first is enough
                if "kind NOT IN" in text and "ix_intent_planned (account=?)" in step:
                    continue  # kinds nobody can write: once a turn, by an index that knows the kinds
                found.append(f"{step}: {text}")
    finally:
        store.close()
    return found


def test_no_statement_reads_more_than_it_is_asked_for(tmp_path: Path) -> None:
    with housed(tmp_path, ceiling="6/h") as house:
        for name in ELSEWHERE:
            house.front._drains.pop(name)
        file = tmp_path / "old.csv"
        write_answers(file, ROWS, until=NOON, people=ROWS // 2, unhappy=0.5)
        into = Importer(house.loaded, house.db, house.clock).into("old", None)
        columns = Columns(id="response_id", time="submitted_at", zone=ZoneInfo("UTC"))
        taken = Import(house.db, into, columns, act=True, mode="live", config="digest")
        with statements() as seen:
            with Table(file) as table:
                *_, tally = taken.take(table)
            house.rest()
            house.pass_time(timedelta(hours=1))
        assert tally.accepted == ROWS
        assert house.tickets() > 6, "the ceiling stopped some, and they went on"
        assert len(seen) > 120
        assert complaints(house.db.url.removeprefix("sqlite:///"), seen) == []


def test_what_is_not_settled_is_said_in_the_words_of_the_states() -> None:
    final = ", ".join(f"'{state.value}'" for state in sorted(FINAL_STATES))
    assert f"state NOT IN ({final})" == IS_UNSETTLED
