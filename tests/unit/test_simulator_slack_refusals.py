"""Every refusal of the Slack simulator, provoked by the bad request itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connector.simulator.slack import REFUSALS, TOKEN, Slack
from tests.unit.simulator_calls import FORM_TYPE, Caller, Got, calling, new_clock

HISTORY = "/api/conversations.history"
Case = Callable[["Rig"], Got]


class Rig:
    """A running workspace that allows three messages a minute, and a caller with its token."""

    def __init__(self, slack: Slack, caller: Caller) -> None:
        self.slack = slack
        self.caller = caller
        self.ops = slack.channels["csat-ops"]

    def post(self, **changes: Any) -> Got:
        return self.caller.send("POST", "/api/chat.postMessage", {"channel": "#csat-ops", "text": "Hello", **changes})

    def update(self, ts: str) -> Got:
        return self.caller.send("POST", "/api/chat.update", {"channel": self.ops, "ts": ts, "text": "Changed"})

    def delete(self, ts: str) -> Got:
        return self.caller.send("POST", "/api/chat.delete", {"channel": self.ops, "ts": ts})

    def history(self, query: str) -> Got:
        return self.caller.send("GET", f"{HISTORY}?channel={self.ops}&{query}")

    def raw(self, body: str, kind: str = "application/json") -> Got:
        return self.caller.send("POST", "/api/chat.postMessage", raw=body, headers={"Content-Type": kind})


@pytest.fixture
def rig() -> Iterator[Rig]:
    slack = Slack(new_clock(), per_minute=3)
    with calling(slack.start()) as caller:
        caller.token = TOKEN
        yield Rig(slack, caller)
    slack.stop()


def with_token(token: str) -> Case:
    def case(rig: Rig) -> Got:
        rig.caller.token = token
        return rig.post()

    return case


def unscoped(rig: Rig) -> Got:
    rig.slack.scopes = frozenset({"chat:write"})
    return rig.history("limit=1")


def too_fast(rig: Rig) -> Got:
    for _ in range(3):
        assert rig.post().data["ok"]
    return rig.post()


def uninvited(rig: Rig) -> Got:
    rig.slack.add_channel("private", member=False)
    return rig.post(channel="#private")


def archived(rig: Rig) -> Got:
    rig.slack.add_channel("old", archived=True)
    return rig.post(channel="#old")


CASES: dict[str, Case] = {
    "not_authed": with_token(""),
    "invalid_auth": with_token("xoxb-other"),
    "missing_scope": unscoped,
    "throttled": too_fast,
    "unknown-route": lambda rig: rig.caller.send("POST", "/api/chat.postMesage", {}),
    "unknown-method": lambda rig: rig.caller.send("PUT", "/api/chat.postMessage", {}),
    "invalid_post_type": lambda rig: rig.caller.send("POST", HISTORY, {"channel": rig.ops}),
    "invalid_json": lambda rig: rig.raw("{"),
    "json_not_object": lambda rig: rig.raw("[]"),
    "invalid_arg_name": lambda rig: rig.post(txt="x"),
    "invalid_arguments": lambda rig: rig.post(text=5),
    "channel_not_found": lambda rig: rig.caller.send("GET", f"{HISTORY}?channel=%23csat-ops"),
    "not_in_channel": uninvited,
    "is_archived": archived,
    "no_text": lambda rig: rig.post(text=""),
    "msg_too_long": lambda rig: rig.post(text="x" * 40_001),
    "invalid_blocks": lambda rig: rig.post(blocks=[{"type": "divider"}] * 51),
    "invalid_metadata_format": lambda rig: rig.post(metadata={"event_type": "alert", "event_payload": "k"}),
    "message_not_found": lambda rig: rig.update("1.000001"),
    "cant_delete_message": lambda rig: rig.delete(rig.slack.human_post("csat-ops", "Mine")),
    "thread_not_found": lambda rig: rig.caller.send(
        "GET", f"/api/conversations.replies?channel={rig.slack.channels['csat-ops']}&ts=1.000001"
    ),
    "cant_update_message": lambda rig: rig.update(rig.slack.human_post("csat-ops", "Mine")),
    "invalid_ts_oldest": lambda rig: rig.history("oldest=yesterday"),
    "invalid_limit": lambda rig: rig.history("limit=0"),
    "invalid_cursor": lambda rig: rig.history("cursor=zzz"),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_slack_refuses(rig: Rig, refusal: str) -> None:
    got = CASES[refusal](rig)
    row = REFUSALS[refusal]
    assert (got.status, got.data["ok"], got.data["error"]) == (row.status, False, row.code)
    assert rig.slack.requests.entries()[-1].refusal == refusal
    made = [write for write in rig.slack.truth["writes"] if write["by"] == "api"]
    assert len(made) == (3 if refusal == "throttled" else 0), "a refused request changes nothing"


def test_no_case_is_left_over() -> None:
    assert set(CASES) == set(REFUSALS)


def test_a_throttled_reply_says_when_to_come_back(rig: Rig) -> None:
    assert int(too_fast(rig).headers["retry-after"]) >= 1


def test_a_form_is_as_good_as_json(rig: Rig) -> None:
    got = rig.caller.send("POST", "/api/chat.postMessage", raw="channel=%23csat-ops&text=Hi", headers=FORM_TYPE)
    assert got.data["ok"]
