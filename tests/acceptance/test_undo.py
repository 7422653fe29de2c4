"""A run that read a scale the wrong way round is taken back: what it wrote is gone, what people did is not."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connector.cli.replay import replay
from connector.cli.undo import undo
from connector.clock import SystemClock
from connector.testing.rehearsal import Rehearsal
from connector.wiring.status import Status
from tests.acceptance.answers import desk_delivery
from tests.acceptance.stages import Stage, staged

pytestmark = pytest.mark.slow

PEOPLE = 8
SCORE = ("CSAT_Health__c", "CSAT_Band__c", "CSAT_Reason__c", "CSAT_Trend__c", "CSAT_As_Of__c", "CSAT_Answers__c")
Row = Mapping[str, Any]


def test_undo_of_a_flipped_scale_leaves_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with staged(tmp_path, dated=False) as stage:
        for name, value in stage.rehearsal.environ.items():
            monkeypatch.setenv(name, value)
        config = str(stage.rehearsal.config)
        rehearsal, mapping = stage.rehearsal, stage.folder / "mappings/surveys/typeform-desk.yaml"
        for number in range(PEOPLE):
            stage.simulators.salesforce.add_contact(LastName=f"Person {number}", Email=_email(number))
        right = mapping.read_text()
        assert "best: low" in right

        rehearsal.start()
        for number in range(PEOPLE):  # 1 is best: everybody is happy, one is not
            _answer(stage, f"a{number}", number, 5 if number == 7 else 1)
        rehearsal.settle()
        before, tickets_before = _scores(stage), _tickets(stage)
        assert len(tickets_before) == 1
        _edit(rehearsal, mapping, right.replace(", best: low", ""), run=2)
        for number in range(PEOPLE):
            _answer(stage, f"b{number}", number, 1)
        rehearsal.settle()
        flood = [key for key in _tickets(stage) if key not in tickets_before]
        assert len(flood) >= PEOPLE - 1, "everybody happy got a ticket"
        wrong = _scores(stage)
        assert all(wrong[_email(number)] != before[_email(number)] for number in range(PEOPLE))
        human = _meddle(stage, flood)

        _edit(rehearsal, mapping, right, run=3)
        capsys.readouterr()
        undo(2, dry_run=True, config=config, as_json=True)
        dry = json.loads(capsys.readouterr().out)
        assert dry["to_do"]["tickets closed, zendesk:acme"] == len(flood)
        assert dry["to_do"]["answers that stop counting"] == PEOPLE
        undo(2, config=config)
        _until(rehearsal, lambda now: not now.undoing)
        rehearsal.settle()
        written = len(_writes(stage))
        undo(2, config=config)
        rehearsal.pause(1)
        rehearsal.settle()
        assert len(_writes(stage)) == written, "undone twice is undone once"

        after = _scores(stage)
        for number in range(PEOPLE):
            for name in SCORE:
                edited = (_email(number), name) == human["field"]
                expected = "Ask Robin" if edited else before[_email(number)][name]
                assert after[_email(number)][name] == expected, (number, name)
        tickets = _tickets(stage)
        assert {key for key in flood if tickets[key]["status"] not in {"solved", "closed"}} == {human["ticket"]}
        assert tickets[human["ticket"]]["assignee_id"] == 1002
        task = stage.simulators.salesforce.truth["objects"]["Task"][human["task"]]
        assert (task["Status"], task["Subject"]) == ("Completed", human["subject"])
        assert all(row["Status"] == "Completed" for row in _tasks(stage, flood).values())
        assert rehearsal.status().responses["undone"] == PEOPLE

        replay(run=2, config=config)
        rehearsal.settle()
        rehearsal.pause(3)
        rehearsal.settle()
        assert rehearsal.status().responses["decided"] == 2 * PEOPLE
        assert set(_tickets(stage)) == {*tickets_before, *flood}, "read the right way round nobody is unhappy"
        again = _scores(stage)
        assert again[_email(0)]["CSAT_Answers__c"] == 2
        assert again[_email(0)]["CSAT_Health__c"] >= before[_email(0)]["CSAT_Health__c"]


def _email(number: int) -> str:
    return f"person{number}@example.com"


def _answer(stage: Stage, token: str, number: int, rating: int) -> None:
    at: datetime = SystemClock().now() - timedelta(minutes=2)
    assert stage.rehearsal.deliver("typeform", desk_delivery(token, at, _email(number), rating).encode()) == 200


def _meddle(stage: Stage, flood: list[str]) -> dict[str, Any]:
    """What people do before anybody notices: edit a field, work on a ticket, complete a task."""
    crm, desk = stage.simulators.salesforce, stage.simulators.zendesk
    contacts = {row["Email"]: key for key, row in crm.truth["objects"]["Contact"].items()}
    crm.human_update(contacts[_email(3)], CSAT_Reason__c="Ask Robin")
    desk.human_update(int(flood[0]), assignee_id=1002, comment={"body": "I called them.", "public": True})
    tasks = _tasks(stage, flood)
    task = next(key for key, row in tasks.items() if row["WhoId"] == contacts[_email(5)])
    crm.human_update(task, Status="Completed")
    return {
        "field": (_email(3), "CSAT_Reason__c"),
        "ticket": flood[0],
        "task": task,
        "subject": tasks[task]["Subject"],
    }


def _scores(stage: Stage) -> dict[str, Row]:
    rows = stage.simulators.salesforce.truth["objects"]["Contact"].values()
    return {row["Email"]: {name: row.get(name) for name in SCORE} for row in rows}


def _tickets(stage: Stage) -> dict[str, Row]:
    rows = stage.simulators.zendesk.site.snapshot()["objects"]["ticket"]
    return {key: row for key, row in rows.items() if row["external_id"]}


def _tasks(stage: Stage, tickets: list[str]) -> dict[str, Row]:
    """The tasks that go with some tickets: their descriptions name them."""
    rows = stage.simulators.salesforce.truth["objects"].get("Task", {})
    return {
        key: row
        for key, row in rows.items()
        if any(str(row["Description"]).splitlines()[-1].endswith(f"/{ticket}") for ticket in tickets)
    }


def _writes(stage: Stage) -> list[str]:
    return [
        entry.path
        for simulator in (stage.simulators.salesforce, stage.simulators.zendesk, stage.simulators.slack)
        for entry in simulator.site.requests.writes()
    ]


def _edit(rehearsal: Rehearsal, mapping: Path, text: str, *, run: int) -> None:
    """Another mapping takes over in the running daemon, and another run begins."""
    mapping.write_text(text)
    rehearsal.hang_up()
    _until(rehearsal, lambda now: now.run is not None and now.run.id == run)


def _until(rehearsal: Rehearsal, happened: Callable[[Status], bool]) -> None:
    clock = SystemClock()
    deadline = clock.monotonic() + 60
    while not happened(rehearsal.status()):
        assert clock.monotonic() < deadline, rehearsal.log.read_text()[-3000:]
        rehearsal.pause(0.1)
