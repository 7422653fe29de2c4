"""Every refusal of the Jira simulator, provoked by the bad request itself, and what people do there."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from connector.clock import VirtualClock
from connector.simulator.jira import EMAIL, REFUSALS, TOKEN, Jira
from tests.unit.simulator_calls import Caller, Got, calling, new_clock

ISSUE, SEARCH = "/rest/api/3/issue", "/rest/api/3/search/jql"
TEXT = {"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": [{"type": "text", "text": "slow"}]}]}


class Rig:
    """A site that takes twelve calls a minute, and a caller with its credentials."""

    def __init__(self, clock: VirtualClock, there: Jira, caller: Caller) -> None:
        self.clock, self.there, self.caller = clock, there, caller
        self.token = TOKEN

    def send(self, method: str = "POST", path: str = ISSUE, data: Any = None, **more: Any) -> Got:
        coded = base64.b64encode(f"{EMAIL}:{self.token}".encode()).decode()
        return self.caller.send(method, path, data, headers={"Authorization": f"Basic {coded}"}, **more)

    def issue(self, **changes: Any) -> Got:
        fields = {"project": {"key": "SHOP"}, "issuetype": {"name": "Bug"}, "summary": "Waiting", **changes}
        return self.send(data={"fields": {name: value for name, value in fields.items() if value is not None}})

    def search(self, jql: str) -> Got:
        return self.send(path=SEARCH, data={"jql": jql, "fields": ["summary"]})


@pytest.fixture
def rig() -> Iterator[Rig]:
    clock = new_clock()
    there = Jira(clock, per_minute=12)
    with calling(there.start()) as caller:
        yield Rig(clock, there, caller)
    there.stop()


def bad_token(rig: Rig) -> Got:
    rig.token = "wrong"
    return rig.issue()


def too_fast(rig: Rig) -> Got:
    for _ in range(12):
        rig.issue()
    got = rig.issue()
    assert got.headers["retry-after"] == "60"
    return got


def may_not(rig: Rig) -> Got:
    rig.there.permissions = frozenset()
    return rig.issue()


def transition_to_where_it_is(rig: Rig) -> Got:
    number = rig.issue().data["id"]
    return rig.send(path=f"{ISSUE}/{number}/transitions", data={"transition": {"id": "11"}})


CASES: dict[str, Callable[[Rig], Got]] = {
    "unknown-route": lambda rig: rig.send("GET", "/rest/api/3/nothing"),
    "unknown-method": lambda rig: rig.send("PUT"),
    "bad-credentials": bad_token,
    "throttled": too_fast,
    "no-issue": lambda rig: rig.send("GET", f"{ISSUE}/4711"),
    "no-project": lambda rig: rig.send("GET", "/rest/api/3/project/{}"),
    "not-json": lambda rig: rig.send(raw="{"),
    "invalid": lambda rig: rig.send(data={"fields": {"summary": "{}", "{}": 1}}),
    "bad-transition": transition_to_where_it_is,
    "bad-jql": lambda rig: rig.search("order by created"),
    "removed": lambda rig: rig.send("GET", "/rest/api/3/search"),
    "may-not": may_not,
}


@pytest.mark.parametrize("name", sorted(REFUSALS))
def test_refused(rig: Rig, name: str) -> None:
    got = CASES[name](rig)
    row = REFUSALS[name]
    said = [*got.data["errorMessages"], *got.data["errors"].values()]
    assert got.status == row.status
    assert said
    if "{}" not in row.text:
        assert said == [row.text]


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("project", {"key": "OTHER"}),
        ("project", None),
        ("issuetype", {"name": "Wish"}),
        ("summary", " "),
        ("summary", "x" * 256),
        ("summary", None),
        ("description", "plain text"),
        ("description", {"type": "doc", "version": 1, "content": [{"type": "marquee"}]}),
        ("description", {"type": "doc", "version": 1, "content": [{"type": "text", "text": ""}]}),
        ("labels", ["two words"]),
        ("labels", "csat"),
        ("duedate", "2026-11-21"),
    ],
)
def test_a_field_that_does_not_fit_is_named(rig: Rig, field: str, wrong: Any) -> None:
    got = rig.issue(**{field: wrong})
    assert (got.status, list(got.data["errors"])) == (400, [field])
    assert rig.there.issues == {}


def test_what_is_new_is_searched_for_in_vain_at_first(rig: Rig) -> None:
    rig.there.search_lag = timedelta(seconds=30)
    rig.issue(labels=["csat-1"], description=TEXT)
    wanted = 'project = "SHOP" AND labels = "csat-1"'
    assert rig.search(wanted).data == {"issues": [], "isLast": True}
    rig.clock.advance(timedelta(seconds=30))
    assert [row["key"] for row in rig.search(wanted).data["issues"]] == ["SHOP-1"]


def test_an_issue_moves_and_says_since_when(rig: Rig) -> None:
    number = rig.issue().data["id"]
    rig.clock.advance(timedelta(minutes=1))
    assert rig.send(path=f"{ISSUE}/{number}/transitions", data={"transition": {"id": "31"}}).status == 204
    fields = rig.send("GET", f"{ISSUE}/{number}").data["fields"]
    assert fields["status"]["statusCategory"]["key"] == "done"
    assert fields["statuscategorychangedate"] == "2026-11-20T12:01:00.000+0000"
    left = rig.send("GET", f"{ISSUE}/{number}/transitions").data["transitions"]
    assert [one["name"] for one in left] == ["To Do", "In Progress"]


def test_people_can_read_it(rig: Rig) -> None:
    number = rig.issue(description=TEXT).data["id"]
    assert rig.send(path=f"{ISSUE}/{number}/comment", data={"body": "plain"}).status == 400
    assert rig.send(path=f"{ISSUE}/{number}/comment", data={"body": TEXT, "public": True}).status == 400
    assert rig.send(path=f"{ISSUE}/{number}/comment", data={"body": TEXT}).status == 201
    assert rig.send("GET", f"{ISSUE}/{number}/comment?orderBy=up").status == 400
    assert rig.send("GET", "/browse/SHOP-1").data.count("slow") == 2
