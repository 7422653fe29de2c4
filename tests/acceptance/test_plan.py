"""`connector plan` says exactly what the next live run writes, and leaves no trace anywhere."""

from __future__ import annotations

import html
import json
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from connector.cli.demo import play
from connector.domain.model.intent import Receipt
from connector.simulator.demo_input import DemoInput
from connector.simulator.parts import Site
from connector.simulator.suite import Simulators
from connector.store import receipts
from connector.testing.rehearsal import Rehearsal
from tests.acceptance.stages import Stage, staged

pytestmark = pytest.mark.slow

EVERY = 30
"""Every so many of the demo's deliveries: enough of each sort."""
_TO_COME = re.compile("‹(id|address) of ([^›]+)›")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-][\d:]+)")
_MARKER = re.compile(r"\n*csat-connector \S+$")


def sites(simulators: Simulators) -> tuple[Site, ...]:
    return (simulators.salesforce.site, simulators.zendesk.site, simulators.slack.site)


def dump(store: Path) -> list[str]:
    """Every table as SQL, the write-ahead log included."""
    with closing(sqlite3.connect(store)) as original, closing(sqlite3.connect(":memory:")) as copy:
        original.backup(copy)
        return list(copy.iterdump())


def planned(rehearsal: Rehearsal) -> Any:
    """What the command prints, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "connector", "plan", "--json", "--config", str(rehearsal.config)],
        cwd=rehearsal.folder,
        env=rehearsal.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_next_live_run_makes_exactly_the_planned_writes(tmp_path: Path) -> None:
    with staged(tmp_path / "stage", overrides={"CONNECTOR__MODE": "observe"}, dated=False) as stage:
        rehearsal = stage.rehearsal
        rehearsal.start()
        play(rehearsal, some_of(stage))
        assert rehearsal.stop() == 0
        assert not [entry for site in sites(stage.simulators) for entry in site.requests.writes()]

        store = rehearsal.folder / "connector.db"
        before, asked = dump(store), [site.requests.entries() for site in sites(stage.simulators)]
        there = {path.name for path in rehearsal.folder.iterdir()}
        plan = planned(rehearsal)
        assert {path.name for path in rehearsal.folder.iterdir()} == there
        assert dump(store) == before
        assert [site.requests.entries() for site in sites(stage.simulators)] == asked
        assert {one["kind"] for one in plan["writes"]} == {"contact", *KINDS}

        rehearsal.environ["CONNECTOR__MODE"] = "live"
        rehearsal.close()
        rehearsal.start()
        rehearsal.pause(3)  # lingers last up to two seconds
        rehearsal.settle(120)
        assert rehearsal.stop() == 0
        names = _names(rehearsal, plan["writes"])
        expected, made = Counter(_wanted(one, names) for one in plan["writes"]), Counter(_made(stage.simulators))
        assert list((expected - made).elements()) == [], "planned, not made"
        assert list((made - expected).elements()) == [], "made, not planned"


KINDS = ("contact_fields", "activity", "task", "ticket", "note", "alert")


def some_of(stage: Stage) -> DemoInput:
    """A part of the demo's world: every so many of its answers, and all that change one."""
    kept = [one for number, one in enumerate(stage.world.deliveries) if one.wave > 1 or number % EVERY == 0]
    return replace(stage.world, deliveries=tuple(kept))


def _names(rehearsal: Rehearsal, planned_writes: Iterable[Mapping[str, Any]]) -> dict[str, Receipt]:
    """What the objects of a plan are called there by now."""
    text = json.dumps(planned_writes, ensure_ascii=False)
    wanted = {match[1] for match in _TO_COME.findall(text)}
    for one in planned_writes:
        wanted |= {one["object"]} | ({one["target"]} if one["target"] else set())
    with rehearsal.db.read() as tx:
        return receipts.of_objects(tx, wanted)


def _wanted(one: Mapping[str, Any], names: Mapping[str, Receipt]) -> tuple[str, ...]:
    """A planned write as the account it is meant for will remember it."""

    def known(match: re.Match[str]) -> str:
        receipt = names[match[2]]
        return receipt.remote_id if match[1] == "id" else str(receipt.url)

    def filled(value: Any) -> Any:
        return _TO_COME.sub(known, value) if isinstance(value, str) else value

    fields = {change["field"]: filled(change["value"]) for change in one["changes"]}
    about = names[one["target"] or one["object"]].remote_id
    if one["remote_id"] is not None:
        assert one["remote_id"] == about
    if one["account"].startswith("zendesk"):
        return _ticket(about, "create" if one["target"] is None else "update", fields)
    if one["account"].startswith("slack"):
        return ("message", about, fields["channel"].removeprefix("#"), fields["text"])
    name = "Contact" if one["kind"].startswith("contact") else "Task"
    return _record(name, about, "create" if one["target"] is None else "update", fields)


def _made(simulators: Simulators) -> Iterator[tuple[str, ...]]:
    """What the accounts remember of us."""
    for one in _ours(simulators.salesforce.site):
        yield _record(one["kind"], one["id"], one["action"], one["fields"])
    for one in _ours(simulators.zendesk.site):
        data = one["fields"]
        comment = data.get("comment") or {}
        assert not comment.get("public")
        text = _MARKER.sub("", comment.get("body") or "")
        said = {"comment": text} if one["action"] == "create" else {"text": text}
        requester = data.get("requester") or {}
        yield _ticket(
            one["id"], one["action"], {**data, "comment": "", **said, "requester_email": requester.get("email")}
        )
    told = simulators.slack.site.truth.kind("message")
    for one in _ours(simulators.slack.site):
        yield ("message", one["id"], told[one["id"]]["channel"], html.unescape(one["fields"]["text"]))


def _ours(site: Site) -> list[dict[str, Any]]:
    return [one for one in site.truth.writes if one["by"] == "api"]


def _record(name: str, number: str, action: str, fields: Mapping[str, Any]) -> tuple[str, ...]:
    # Our keys are addresses. A field nobody fills is not there in a new record.
    shown = {
        field: _alike(value)
        for field, value in fields.items()
        if field not in {"CSAT_Person__c", "CSAT_Key__c"} and (action == "update" or value is not None)
    }
    return (name, number, action, json.dumps(shown, sort_keys=True, default=str))


def _alike(value: Any) -> Any:
    """Numbers and instants have several spellings."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and _INSTANT.fullmatch(value):
        return datetime.fromisoformat(value).isoformat(timespec="milliseconds")
    return value


def _ticket(number: str, action: str, fields: Mapping[str, Any]) -> tuple[str, ...]:
    texts = [str(fields.get(name) or "").strip() for name in ("subject", "comment", "text", "requester_email")]
    return ("ticket", number, action, *texts, str(fields.get("priority") or ""), str(fields.get("due_at") or ""))
