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
from connector.simulator.demo_world import crm_of
from connector.testing.rehearsal import Rehearsal
from connector.wiring.status import Status
from tests.acceptance.answers import desk_delivery
from tests.acceptance.stages import Stage, staged

pytestmark = pytest.mark.slow

PEOPLE = 8
Row = Mapping[str, Any]


@pytest.mark.parametrize("crm", ["salesforce", "hubspot"])
def test_undo_of_a_flipped_scale_leaves_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], crm: str
) -> None:
    with staged(tmp_path, dated=False, crm=crm) as stage:
        for name, value in stage.rehearsal.environ.items():
            monkeypatch.setenv(name, value)
        config = str(stage.rehearsal.config)
        rehearsal, mapping = stage.rehearsal, stage.folder / "mappings/surveys/typeform-desk.yaml"
        for number in range(PEOPLE):
            crm_of(stage.simulators).add("", f"Person {number}", _email(number))
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
            assert before[_email(number)]
            edited = {human["field"]: "Ask Robin"} if _email(number) == human["email"] else {}
            assert after[_email(number)] == {**before[_email(number)], **edited}, number
        tickets = _tickets(stage)
        assert {key for key in flood if tickets[key]["status"] not in {"solved", "closed"}} == {human["ticket"]}
        assert tickets[human["ticket"]]["assignee_id"] == 1002
        tasks = _tasks(stage, flood)
        assert tasks.pop(human["task"]) == human["left"]
        assert tasks
        assert all(row["status"].upper() == "COMPLETED" for row in tasks.values())
        assert all(row["subject"].startswith("Undone with run 2: Call back") for row in tasks.values())
        assert _withdrawn(stage) == PEOPLE
        assert rehearsal.status().responses["undone"] == PEOPLE

        replay(run=2, config=config)
        rehearsal.settle()
        rehearsal.pause(3)
        rehearsal.settle()
        assert rehearsal.status().responses["decided"] == 2 * PEOPLE
        assert set(_tickets(stage)) == {*tickets_before, *flood}, "read the right way round nobody is unhappy"
        again = _scores(stage)
        assert float(again[_email(0)]["answers"]) == 2
        assert float(again[_email(0)]["health"]) >= float(before[_email(0)]["health"])


def _email(number: int) -> str:
    return f"person{number}@example.com"


def _answer(stage: Stage, token: str, number: int, rating: int) -> None:
    at: datetime = SystemClock().now() - timedelta(minutes=2)
    assert stage.rehearsal.deliver("typeform", desk_delivery(token, at, _email(number), rating).encode()) == 200


def _meddle(stage: Stage, flood: list[str]) -> dict[str, Any]:
    """What people do before anybody notices: edit a field, work on a ticket, complete a task."""
    desk = stage.simulators.zendesk
    contacts = {row.get("email"): key for key, row in _contacts(stage).items()}
    desk.human_update(int(flood[0]), assignee_id=1002, comment={"body": "I called them.", "public": True})
    task = next(key for key, row in _tasks(stage, flood).items() if row["contact"] == contacts[_email(5)])
    if stage.simulators.crm == "hubspot":
        stage.simulators.hubspot.human_update(contacts[_email(3)], csat_reason="Ask Robin")
        stage.simulators.hubspot.human_update(task, "tasks", hs_task_status="COMPLETED")
    else:
        stage.simulators.salesforce.human_update(contacts[_email(3)], CSAT_Reason__c="Ask Robin")
        stage.simulators.salesforce.human_update(task, Status="Completed")
    left = _tasks(stage, flood)[task]
    return {"email": _email(3), "field": "reason", "ticket": flood[0], "task": task, "left": left}


def _contacts(stage: Stage) -> dict[str, Row]:
    """The e-mail address and the score of each contact, by its id, in words the CRMs share."""
    if stage.simulators.crm == "hubspot":
        rows = stage.simulators.hubspot.truth["objects"]["contacts"].items()
        held = {key: row["properties"] for key, row in rows}
    else:
        held = stage.simulators.salesforce.truth["objects"]["Contact"]
    return {key: _plain(row) for key, row in held.items()}


def _plain(row: Row) -> Row:
    """What is set of an address and a score."""
    names = {name: name.lower().removeprefix("csat_").removesuffix("__c") for name in row}
    kept = ("email", "health", "band", "reason", "trend", "as_of", "answers")
    return {short: row[name] for name, short in names.items() if short in kept and row[name] is not None}


def _scores(stage: Stage) -> dict[str, Row]:
    return {row["email"]: row for row in _contacts(stage).values() if "email" in row}


def _tickets(stage: Stage) -> dict[str, Row]:
    rows = stage.simulators.zendesk.site.snapshot()["objects"]["ticket"]
    return {key: row for key, row in rows.items() if row["external_id"]}


def _tasks(stage: Stage, tickets: list[str]) -> dict[str, Row]:
    """The tasks that go with some tickets: the last line of their texts names them."""
    if stage.simulators.crm == "hubspot":
        rows = stage.simulators.hubspot.truth["objects"].get("tasks", {}).items()
        tasks = {
            key: {
                **{name: row["properties"][f"hs_task_{name}"] for name in ("subject", "status")},
                "contact": row["associations"]["contacts"][0],
                "text": row["properties"]["hs_task_body"].replace("<br>", "\n"),
            }
            for key, row in rows
        }
    else:
        words = {"subject": "Subject", "status": "Status", "contact": "WhoId", "text": "Description"}
        found = stage.simulators.salesforce.truth["objects"].get("Task", {}).items()
        tasks = {key: {word: row[name] for word, name in words.items()} for key, row in found}
    return {
        key: row
        for key, row in tasks.items()
        if any(str(row["text"]).splitlines()[-1].endswith(f"/{ticket}") for ticket in tickets)
    }


def _withdrawn(stage: Stage) -> int:
    """How many answers on timelines say that they were withdrawn."""
    if stage.simulators.crm == "hubspot":
        notes = stage.simulators.hubspot.truth["objects"]["notes"].values()
        return sum(row["properties"]["hs_note_body"].startswith("Undone with run 2.<br><br>Survey") for row in notes)
    tasks = stage.simulators.salesforce.truth["objects"]["Task"].values()
    return sum(row["Subject"].startswith("Undone with run 2: Survey answer") for row in tasks)


def _writes(stage: Stage) -> list[str]:
    return [
        entry.path
        for site in (crm_of(stage.simulators).site, stage.simulators.zendesk.site, stage.simulators.slack.site)
        for entry in site.requests.writes()
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
