"""Every way a simulator misbehaves on request, seen from the wire and from the truth."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from connector.clock import VirtualClock
from connector.simulator.parts import Fault, FaultKind
from connector.simulator.slack import TOKEN, Slack
from tests.unit.simulator_calls import Caller, Got, calling, new_clock

POST = "/api/chat.postMessage"
MATCH = f"POST {POST}"


class Rig:
    """A Slack simulator, because posting there is the simplest write."""

    def __init__(self, slack: Slack, caller: Caller, clock: VirtualClock) -> None:
        self.slack = slack
        self.caller = caller
        self.clock = clock

    def order(self, kind: FaultKind, **fields: Any) -> None:
        self.slack.faults.add(Fault(match=MATCH, kind=kind, **fields))

    def post(self, text: str = "Hello") -> Got:
        return self.caller.send("POST", POST, {"channel": "#csat-ops", "text": text})

    def held(self) -> int:
        return len(self.slack.truth["objects"].get("message", {}))


@pytest.fixture
def rig() -> Iterator[Rig]:
    clock = new_clock()
    slack = Slack(clock)
    with calling(slack.start()) as caller:
        caller.token = TOKEN
        yield Rig(slack, caller, clock)
    slack.stop()


def test_refuse_answers_in_the_vendors_shape_and_commits_nothing(rig: Rig) -> None:
    rig.order(FaultKind.REFUSE, status=503, code="service_unavailable")
    got = rig.post()
    assert (got.status, got.data) == (503, {"ok": False, "error": "service_unavailable"})
    assert rig.held() == 0


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "7"}], ids=["bare", "with a header"])
def test_a_reply_is_answered_as_ordered_and_commits_nothing(rig: Rig, headers: dict[str, str]) -> None:
    rig.caller.connection.timeout = 2
    rig.order(FaultKind.REPLY, status=404, message='{"error":"gone"}', headers=headers)
    got = rig.post()
    assert (got.status, got.data, got.headers.get("retry-after")) == (
        404,
        {"error": "gone"},
        headers.get("Retry-After"),
    )
    assert rig.held() == 0


@pytest.mark.parametrize(("wait", "header"), [(None, None), (7, "7")])
def test_throttle_comes_with_and_without_retry_after(rig: Rig, wait: int | None, header: str | None) -> None:
    rig.order(FaultKind.THROTTLE, retry_after=wait)
    got = rig.post()
    assert (got.status, got.headers.get("retry-after"), rig.held()) == (429, header, 0)


@pytest.mark.parametrize(
    ("kind", "held"),
    [(FaultKind.RESET_BEFORE, 0), (FaultKind.RESET_AFTER_COMMIT, 1), (FaultKind.COMMIT_LATE, 0)],
)
def test_a_reset_breaks_the_connection(rig: Rig, kind: FaultKind, held: int) -> None:
    rig.order(kind, seconds=20)
    with pytest.raises(ConnectionResetError) as caught:
        rig.post()
    # An orderly end would be RemoteDisconnected, a subclass.
    assert caught.type is ConnectionResetError
    assert rig.held() == held
    assert rig.slack.requests.entries()[-1].status == 0


def test_a_late_commit_happens_when_the_clock_gets_there(rig: Rig) -> None:
    rig.order(FaultKind.COMMIT_LATE, seconds=20)
    with pytest.raises(ConnectionResetError):
        rig.post("late")
    rig.clock.advance(timedelta(seconds=19))
    assert rig.held() == 0
    rig.clock.advance(timedelta(seconds=1))
    assert rig.held() == 1


def test_an_error_after_the_commit_hides_it(rig: Rig) -> None:
    rig.order(FaultKind.ERROR_AFTER_COMMIT)
    assert rig.post().status == 500
    assert rig.held() == 1


@pytest.mark.parametrize(("kind", "held"), [(FaultKind.SLOW, 0), (FaultKind.SLOW_ANSWER, 1)])
def test_slowness_before_and_after_the_commit(rig: Rig, kind: FaultKind, held: int) -> None:
    rig.order(kind, seconds=30)
    rig.caller.connection.timeout = 0.2
    with pytest.raises(TimeoutError):
        rig.post()
    assert rig.held() == held


def test_a_slow_call_is_handled_in_the_end(rig: Rig) -> None:
    rig.order(FaultKind.SLOW, seconds=0.05)
    assert rig.post().data["ok"]


def test_torn_json_is_a_complete_reply_that_cannot_be_read(rig: Rig) -> None:
    rig.order(FaultKind.TORN)
    got = rig.post()
    assert got.status == 200
    assert isinstance(got.data, str)
    assert rig.held() == 1


def test_a_cut_reply_ends_before_its_announced_length(rig: Rig) -> None:
    rig.order(FaultKind.CUT)
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        rig.post()
    assert rig.held() == 1


def test_a_fault_spares_hits_and_ends_as_ordered(rig: Rig) -> None:
    rig.order(FaultKind.REFUSE, after=1, times=2)
    assert [rig.post().status for _ in range(4)] == [200, 400, 400, 200]


def test_a_fault_may_ask_for_words_in_the_body(rig: Rig) -> None:
    rig.order(FaultKind.REFUSE, contains="brakes", times=None)
    assert [rig.post(text).status for text in ("tyres", "brakes", "brakes")] == [200, 400, 400]


def test_a_refused_call_does_not_use_up_a_fault_after_the_commit(rig: Rig) -> None:
    rig.order(FaultKind.ERROR_AFTER_COMMIT)
    assert rig.post("").data["error"] == "no_text"
    assert rig.post().status == 500


def test_faults_truth_and_requests_can_be_reached_over_http(rig: Rig) -> None:
    order = {"match": MATCH, "kind": "refuse", "status": 502}
    assert rig.caller.send("POST", "/__simulator__/faults", order).status == 204
    assert rig.caller.send("GET", "/__simulator__/faults").data[0]["status"] == 502
    assert rig.post().status == 502
    assert rig.post().status == 200
    truth = rig.caller.send("GET", "/__simulator__/truth").data
    assert [write["action"] for write in truth["writes"]] == ["create"]
    logged = rig.caller.send("GET", "/__simulator__/requests?since=1").data
    assert [(entry["endpoint"], entry["status"], entry["write"]) for entry in logged] == [(MATCH, 200, True)]
    assert rig.caller.send("GET", "/__simulator__/counts").data == {MATCH: 2}
    rig.caller.send("POST", "/__simulator__/faults", order)
    assert rig.caller.send("DELETE", "/__simulator__/faults").status == 204
    assert rig.post().status == 200


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("faults", {"match": MATCH, "kind": "refuse", "tims": 1}, 400),
        ("faults", {"match": MATCH, "kind": "explode"}, 400),
        ("faults", {"kind": "refuse"}, 400),
        ("do/fly", {}, 404),
        ("do/human_post", {"chanel": "csat-ops"}, 400),
        ("nothing", {}, 404),
    ],
)
def test_the_back_door_says_what_it_does_not_understand(rig: Rig, path: str, body: Any, status: int) -> None:
    assert rig.caller.send("POST", f"/__simulator__/{path}", body).status == status


def test_people_can_act_over_http_too(rig: Rig) -> None:
    said = rig.caller.send("POST", "/__simulator__/do/human_post", {"channel": "csat-ops", "text": "Mine"})
    assert said.status == 200
    (write,) = rig.slack.truth["writes"]
    assert write["by"] == "human"


def test_the_log_keeps_the_order_of_answers_and_a_digest_of_the_body(rig: Rig) -> None:
    rig.post("one")
    rig.post("one")
    rig.post("two")
    first, second, third = (entry.digest for entry in rig.slack.requests.writes())
    assert first == second != third
    assert json.dumps([entry.as_json() for entry in rig.slack.requests.entries()])
