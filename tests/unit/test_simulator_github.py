"""Every refusal of the GitHub simulator, provoked by the bad request itself, and what people do there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from connector.clock import VirtualClock
from connector.simulator.github import REFUSALS, TOKEN, GitHub
from tests.unit.simulator_calls import Caller, Got, calling, new_clock

ISSUES = "/repos/acme/shop/issues"
AGENT = {"User-Agent": "tests"}


class Rig:
    """A repository that takes twelve calls an hour and three new things a minute, and a caller with its token."""

    def __init__(self, clock: VirtualClock, there: GitHub, caller: Caller) -> None:
        self.clock, self.there, self.caller = clock, there, caller

    def send(self, method: str = "POST", path: str = ISSUES, data: Any = None, **more: Any) -> Got:
        return self.caller.send(method, path, data, headers=AGENT, **more)

    def issue(self, **changes: Any) -> Got:
        return self.send(data={"title": "Waiting", **changes})


@pytest.fixture
def rig() -> Iterator[Rig]:
    clock = new_clock()
    there = GitHub(clock, per_hour=12, per_minute=3)
    with calling(there.start()) as caller:
        caller.token = TOKEN
        yield Rig(clock, there, caller)
    there.stop()


def bad_token(rig: Rig) -> Got:
    rig.caller.token = "wrong"
    return rig.issue()


def used_up(rig: Rig) -> Got:
    for _ in range(12):
        rig.send("GET")
    got = rig.send("GET")
    assert got.headers["x-ratelimit-remaining"] == "0"
    return got


def too_fast(rig: Rig) -> Got:
    for _ in range(3):
        rig.issue()
    got = rig.issue()
    assert got.headers["retry-after"] == "60"
    return got


def may_not_label(rig: Rig) -> Got:
    rig.there.may_push = False
    assert rig.issue(labels=["bug"]).data["labels"] == [], "known labels are dropped without a word"
    return rig.issue(labels=["new"])


def deleted(rig: Rig) -> Got:
    rig.there.human_delete(rig.there.human_issue("gone"))
    return rig.send("GET", f"{ISSUES}/1")


def no_issues(rig: Rig) -> Got:
    rig.there.has_issues = False
    return rig.issue()


CASES: dict[str, Callable[[Rig], Got]] = {
    "unknown-route": lambda rig: rig.send("GET", "/repos/acme"),
    "unknown-method": lambda rig: rig.send("DELETE", f"{ISSUES}/1"),
    "not-found": lambda rig: rig.send("GET", "/repos/acme/other/issues"),
    "bad-credentials": bad_token,
    "no-user-agent": lambda rig: rig.caller.send("GET", ISSUES),
    "used-up": used_up,
    "throttled": too_fast,
    "may-not-label": may_not_label,
    "deleted": deleted,
    "no-issues": no_issues,
    "not-json": lambda rig: rig.send(raw="{"),
    "missing": lambda rig: rig.send(data={"body": "x"}),
    "invalid": lambda rig: rig.issue(labels="csat"),
    "too-long": lambda rig: rig.issue(title="x" * 257),
}


@pytest.mark.parametrize("name", sorted(REFUSALS))
def test_refused(rig: Rig, name: str) -> None:
    got = CASES[name](rig)
    row = REFUSALS[name]
    assert (got.status, got.data["message"]) == (row.status, row.text)
    if row.code:
        assert got.data["errors"][0]["code"] == row.code


@pytest.mark.parametrize(
    "wrong", [{"title": ""}, {"body": 7}, {"body": "x" * 70_000}, {"labels": [" "]}, {"state": "done"}]
)
def test_what_is_no_issue_is_refused(rig: Rig, wrong: dict[str, Any]) -> None:
    number = rig.issue().data["number"]
    assert rig.send("PATCH", f"{ISSUES}/{number}", wrong).status == 422
    assert rig.issue(**wrong).status == 422 or "state" in wrong


@pytest.mark.parametrize("query", ["since=noon", "per_page=0", "per_page=101", "state=gone"])
def test_a_list_that_cannot_be_is_refused(rig: Rig, query: str) -> None:
    assert rig.send("GET", f"{ISSUES}?{query}").status == 422


def test_lists_have_what_changed_since_and_carries_every_label(rig: Rig) -> None:
    first, second = rig.there.human_issue("one", labels=["a", "b"]), rig.there.human_issue("two", labels=["a"])
    rig.clock.advance(timedelta(minutes=1))
    rig.there.human_update(second, state="closed")
    assert [row["number"] for row in rig.send("GET", f"{ISSUES}?labels=a,b&state=all").data] == [int(first)]
    since = rig.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    rows = rig.send("GET", f"{ISSUES}?state=all&since={since}").data
    assert [(row["number"], row["closed_at"]) for row in rows] == [(int(second), since)]
    assert rig.send("GET", f"{ISSUES}?state=all&per_page=1&page=2").data[0]["number"] == int(first)


def test_people_can_read_it(rig: Rig) -> None:
    number = rig.issue(body="<b>slow</b>").data["number"]
    assert rig.send(path=f"{ISSUES}/{number}/comments", data={"body": ""}).status == 422
    rig.send(path=f"{ISSUES}/{number}/comments", data={"body": "more"})
    page = rig.send("GET", f"/acme/shop/issues/{number}").data
    assert "&lt;b&gt;slow" in page
    assert "more" in page
