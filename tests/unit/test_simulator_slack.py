"""What the Slack simulator does when nothing is wrong: posts, updates, the history and its metadata, channels."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from connector.clock import VirtualClock
from connector.simulator.slack import TOKEN, Slack
from tests.unit.simulator_calls import Caller, calling, new_clock

METADATA = {"event_type": "alert", "event_payload": {"key": "k1"}}


class Rig:
    """A running workspace and a caller with its token."""

    def __init__(self, slack: Slack, caller: Caller, clock: VirtualClock) -> None:
        self.slack = slack
        self.caller = caller
        self.clock = clock
        self.ops = slack.channels["csat-ops"]

    def post(self, **fields: Any) -> Any:
        data = {"channel": "#csat-ops", "text": "Hello", **fields}
        return self.caller.send("POST", "/api/chat.postMessage", data).data

    def history(self, query: str = "") -> Any:
        return self.caller.send("GET", f"/api/conversations.history?channel={self.ops}&{query}").data


@pytest.fixture
def rig() -> Iterator[Rig]:
    clock = new_clock()
    slack = Slack(clock)
    with calling(slack.start()) as caller:
        caller.token = TOKEN
        yield Rig(slack, caller, clock)
    slack.stop()


def test_messages_of_one_instant_have_their_own_timestamps(rig: Rig) -> None:
    stamps = [rig.post()["ts"] for _ in range(3)]
    assert len(set(stamps)) == 3
    assert stamps == sorted(stamps)


def test_the_history_is_newest_first_and_shows_metadata_when_asked(rig: Rig) -> None:
    rig.post(text="one", metadata=METADATA)
    rig.post(text="two")
    assert [message["text"] for message in rig.history()["messages"]] == ["two", "one"]
    assert "metadata" not in rig.history()["messages"][1]
    assert rig.history("include_all_metadata=true")["messages"][1]["metadata"] == METADATA


def test_the_history_starts_after_oldest_and_comes_in_pages(rig: Rig) -> None:
    first = rig.post()["ts"]
    later = [rig.post()["ts"] for _ in range(3)]
    page = rig.history(f"oldest={first}&limit=2")
    assert page["has_more"]
    rest = rig.history(f"oldest={first}&limit=2&cursor={page['response_metadata']['next_cursor']}")
    found = [message["ts"] for message in page["messages"] + rest["messages"]]
    assert found == later[::-1]
    assert rest["response_metadata"]["next_cursor"] == ""


def test_the_history_can_be_made_to_lag(rig: Rig) -> None:
    rig.slack.history_lag = timedelta(seconds=5)
    rig.post()
    assert rig.history()["messages"] == []
    rig.clock.advance(timedelta(seconds=6))
    assert len(rig.history()["messages"]) == 1


def test_an_update_changes_the_one_message(rig: Rig) -> None:
    ts = rig.post()["ts"]
    got = rig.caller.send("POST", "/api/chat.update", {"channel": rig.ops, "ts": ts, "text": "Changed"})
    assert (got.data["ok"], got.data["ts"]) == (True, ts)
    (message,) = rig.slack.truth["objects"]["message"].values()
    assert (message["text"], message["channel"]) == ("Changed", "csat-ops")
    assert [write["action"] for write in rig.slack.truth["writes"]] == ["create", "update"]


@pytest.mark.parametrize(
    ("text", "calls"), [("<!channel> look", ["<!channel>"]), ("&lt;!channel&gt; look", []), ("<@U0SIM>", ["<@U0SIM>"])]
)
def test_the_truth_says_whom_a_message_called(rig: Rig, text: str, calls: list[str]) -> None:
    rig.post(text=text)
    (message,) = rig.slack.truth["objects"]["message"].values()
    assert message["calls"] == calls


def test_channels_are_listed_without_archived_ones_when_asked(rig: Rig) -> None:
    rig.slack.add_channel("old", archived=True)
    names = [
        [entry["name"] for entry in rig.caller.send("GET", f"/api/conversations.list?{query}").data["channels"]]
        for query in ("", "exclude_archived=true&types=public_channel")
    ]
    ours = ["csat-leads", "csat-ops", "csat-safety"]
    assert names == [[*ours, "old"], ours]


def test_a_channel_can_be_read_in_a_browser(rig: Rig) -> None:
    rig.post(text="<b>x</b>")
    page = str(rig.caller.send("GET", f"/archives/{rig.ops}").data)
    assert "&lt;b&gt;x&lt;/b&gt;" in page
