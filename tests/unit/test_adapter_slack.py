from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from connector.adapters.slack import EVENT_TYPE, PROMISES, Options, Slack, _links, escape
from connector.clock import VirtualClock
from connector.domain.model.intent import Item, Receipt, WriteKind
from connector.errors import Gone, InDoubt, Rejected, RemoteError, Throttled, Transient, Unauthorized
from connector.ports import Writer
from connector.simulator.slack import Slack as Simulator
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit
from tests.unit.loopback import Play, Seen, Vendor, reply, vendor

NOW = datetime(2026, 11, 20, 18, 10, tzinfo=UTC)
CAUSE = NOW - timedelta(hours=1)
CHANNELS = {"csat-safety": "C1", "csat-ops": "C2"}


class Workspace:
    """As much of Slack as the adapter uses: posts, updates, paged history and channels."""

    def __init__(self) -> None:
        self.messages: dict[str, list[dict[str, Any]]] = {"C1": [], "C2": []}
        self.instead: dict[str, Play] = {}
        self.page = 2

    def answer(self, seen: Seen) -> Play:
        method = seen.path.removeprefix("/api/")
        assert seen.headers["authorization"] == "Bearer xoxb-simulator"
        if method in self.instead:
            return self.instead[method]
        match method:
            case "chat.postMessage" | "chat.update":
                assert seen.headers["content-type"] == "application/json; charset=utf-8"
                return self.write(method, json.loads(seen.body))
            case "conversations.list":
                return self.paged("channels", [{"name": n, "id": i} for n, i in CHANNELS.items()], seen.query, size=1)
            case "conversations.history":
                assert seen.query["include_all_metadata"] == "true"
                since = float(seen.query["oldest"])
                held = [m for m in self.messages[seen.query["channel"]] if float(m["ts"]) >= since]
                return self.paged("messages", held[::-1], seen.query, size=self.page)
        return reply(200, {"ok": False, "error": "unknown_method"})

    def write(self, method: str, message: dict[str, Any]) -> Play:
        if method == "chat.update":
            held = next((m for m in self.messages[message["channel"]] if m["ts"] == message["ts"]), None)
            if held is None:
                return reply(200, {"ok": False, "error": "message_not_found"})
            held.update(message)
            return reply(200, {"ok": True, "channel": message["channel"], "ts": held["ts"]})
        channel = CHANNELS.get(message["channel"].removeprefix("#"), message["channel"])
        ts = f"{NOW.timestamp() + len(self.messages[channel]):.6f}"
        self.messages[channel].append({**message, "ts": ts})
        return reply(200, {"ok": True, "channel": channel, "ts": ts}, X_Slack_Req_Id="s-1")

    @staticmethod
    def paged(name: str, held: list[dict[str, Any]], query: Mapping[str, str], size: int) -> Play:
        start = int(query.get("cursor", "0"))
        following = str(start + size) if start + size < len(held) else ""
        metadata = {"response_metadata": {"next_cursor": following}}
        return reply(200, {"ok": True, name: held[start : start + size], **metadata})


@pytest.fixture
def workspace() -> Workspace:
    return Workspace()


@pytest.fixture
def here(workspace: Workspace) -> Iterator[Vendor]:
    with vendor(workspace.answer) as made:
        yield made


@pytest.fixture
def slack(here: Vendor) -> Slack:
    return _slack(here, workspace="acme")


def _slack(here: Vendor, **options: str) -> Slack:
    return _slack_at(here.url, **options)


def _slack_at(base_url: str, **options: str) -> Slack:
    clock = VirtualClock(NOW)
    made = Options.model_validate({"token": "xoxb-simulator", "base_url": base_url, **options})
    return Slack("slack", made, Kit(clock=clock, token_store=MemoryTokens(clock)))


def item(key: str = "k-1", *, text: str = "hello", channel: str = "#csat-safety", target: str | None = None) -> Item:
    return Item(key=key, target=target, fields={"channel": channel, "text": text}, cause_at=CAUSE)


def post(slack: Slack, *items: Item) -> list[str]:
    return [send(slack, one).remote_id for one in items]


def send(slack: Slack, one: Item) -> Receipt:
    outcomes = slack.send(WriteKind.ALERT, slack.render(WriteKind.ALERT, [one]), 1)
    assert isinstance(outcomes, tuple)
    (outcome,) = outcomes
    assert isinstance(outcome, Receipt)
    return outcome


def test_it_is_a_writer_of_alerts(slack: Slack) -> None:
    assert isinstance(slack, Writer)
    assert set(slack.promises) == {WriteKind.ALERT}
    assert slack.promises is PROMISES
    assert slack.account == "slack:acme"


def test_an_account_is_not_named_by_the_yaml(here: Vendor) -> None:
    assert _slack(here).account == "slack:default"


def test_customer_text_can_call_nobody_and_stays_readable() -> None:
    assert escape("<!channel> a & b <@U1>") == "&lt;!channel&gt; a &amp; b &lt;@U1&gt;"
    assert escape("x" * 3000) == "x" * 3000
    assert escape("x" * 3001) == "x" * 2999 + "…"
    assert escape("&" * 9000).count("&amp;") == 2999


def test_rendering_is_pure_and_the_same_each_time(slack: Slack, here: Vendor) -> None:
    first, second = (slack.render(WriteKind.ALERT, [item(text="<b> ü")]) for _ in range(2))
    assert first == second
    assert here.seen == []
    assert (first.method, first.path, first.idempotency_key) == ("POST", "/api/chat.postMessage", None)
    assert json.loads(first.body) == {
        "channel": "#csat-safety",
        "text": "&lt;b&gt; ü",
        "unfurl_links": False,
        "unfurl_media": False,
        "metadata": {"event_type": EVENT_TYPE, "event_payload": {"key": "k-1"}},
    }


def test_a_message_is_posted_and_its_receipt_links_to_it(slack: Slack, workspace: Workspace, here: Vendor) -> None:
    outcome = send(slack, item())
    ts = workspace.messages["C1"][0]["ts"]
    assert outcome.remote_id == f"C1:{ts}"
    assert outcome.url == f"{here.url}/archives/C1/p{ts.replace('.', '')}"
    assert (outcome.created, outcome.request_id) == (True, "s-1")


def test_a_later_alert_updates_the_first(slack: Slack, workspace: Workspace) -> None:
    (first,) = post(slack, item())
    (second,) = post(slack, item(text="now critical", target=first))
    assert second == first
    (message,) = workspace.messages["C1"]
    assert message["text"] == "now critical"
    assert message["metadata"]["event_payload"] == {"key": "k-1"}


def test_a_message_that_was_deleted_is_gone(slack: Slack) -> None:
    with pytest.raises(Gone):
        post(slack, item(target="C1:1.000000"))


def test_asking_finds_a_message_by_its_key_on_a_later_page(slack: Slack, workspace: Workspace, here: Vendor) -> None:
    (wanted,) = post(slack, item("k-0"))
    post(slack, *(item(f"other-{number}") for number in range(5)))
    workspace.messages["C1"][-1]["metadata"] = {"event_type": "another_app", "event_payload": {"key": "k-0"}}
    workspace.messages["C1"][-2].pop("metadata")
    found, missing = slack.ask(WriteKind.ALERT, [item("k-0"), item("k-none")])
    assert [receipt.remote_id for receipt in found.receipts] == [wanted]
    assert missing.receipts == []
    assert here.paths().count("/api/conversations.history") == 3


def test_asking_finds_both_where_there_are_two(slack: Slack) -> None:
    two = post(slack, item(), item())
    (found,) = slack.ask(WriteKind.ALERT, [item()])
    assert sorted(receipt.remote_id for receipt in found.receipts) == sorted(two)


def test_asking_looks_back_to_the_cause_and_into_each_channel_once(slack: Slack, here: Vendor) -> None:
    post(slack, item("a"), item("b", channel="C2"))
    found = slack.ask(WriteKind.ALERT, [item("b", channel="C2"), item("a"), item("c")])
    assert [len(answer.receipts) for answer in found] == [1, 1, 0]
    histories = [seen.query for seen in here.seen if seen.path.endswith("history")]
    assert sorted(query["channel"] for query in histories) == ["C1", "C2"]
    assert float(histories[0]["oldest"]) == (CAUSE - timedelta(minutes=5)).timestamp()


def test_channel_names_are_looked_up_once(slack: Slack, here: Vendor) -> None:
    for _ in range(2):
        slack.ask(WriteKind.ALERT, [item(channel="#csat-ops")])
    assert here.paths().count("/api/conversations.list") == 2  # two pages
    with pytest.raises(Rejected) as caught:
        slack.ask(WriteKind.ALERT, [item(channel="#nowhere")])
    assert caught.value.field == "channel"


def test_a_history_that_gives_the_same_page_for_ever_ends(slack: Slack, workspace: Workspace, here: Vendor) -> None:
    stuck = {"ok": True, "messages": [], "response_metadata": {"next_cursor": "again"}}
    workspace.instead["conversations.history"] = reply(200, stuck)
    with pytest.raises(Transient, match="same page"):
        slack.ask(WriteKind.ALERT, [item(channel="C1")])
    assert len(here.seen) == 2


@pytest.mark.parametrize(
    ("code", "of_post", "of_history"),
    [
        ("invalid_auth", Unauthorized, Unauthorized),
        ("missing_scope", Unauthorized, Unauthorized),
        ("account_inactive", Unauthorized, Unauthorized),
        ("ratelimited", Throttled, Throttled),
        ("internal_error", InDoubt, Transient),
        ("fatal_error", InDoubt, Transient),
        ("channel_not_found", Rejected, Rejected),
        ("not_in_channel", Rejected, Rejected),
        ("msg_too_long", Rejected, Rejected),
        ("something_new", Rejected, Rejected),
    ],
)
def test_every_error_code_has_one_meaning(
    slack: Slack, workspace: Workspace, code: str, of_post: type[RemoteError], of_history: type[RemoteError]
) -> None:
    refusal = reply(200, {"ok": False, "error": code}, X_Slack_Req_Id="s-2", Retry_After="11")
    workspace.instead = {"chat.postMessage": refusal, "conversations.history": refusal}
    with pytest.raises(RemoteError) as caught:
        post(slack, item())
    assert type(caught.value) is of_post
    assert (caught.value.connection, caught.value.request_id) == ("slack", "s-2")
    assert code in caught.value.reply
    with pytest.raises(RemoteError) as caught:
        slack.ask(WriteKind.ALERT, [item(channel="C1")])
    assert type(caught.value) is of_history


def test_slack_says_when_to_come_back(slack: Slack, workspace: Workspace) -> None:
    for play in (reply(429, {"ok": False, "error": "ratelimited"}, Retry_After="11"),) * 2:
        workspace.instead["chat.postMessage"] = play
        with pytest.raises(Throttled) as caught:
            post(slack, item())
        assert caught.value.retry_at == NOW + timedelta(seconds=11)


@pytest.mark.parametrize("body", [b"", b"ok", b"[]", b"{}", b'{"ok": true', b'{"ok": true}', b'{"ok": true, "ts": 1}'])
def test_an_answer_that_cannot_be_read_is_in_doubt(slack: Slack, workspace: Workspace, body: bytes) -> None:
    workspace.instead["chat.postMessage"] = reply(200, body)
    with pytest.raises(InDoubt):
        post(slack, item())


def test_links_lead_to_the_workspace() -> None:
    assert _links(Options.model_validate({"token": "x", "workspace": "acme"})) == "https://acme.slack.com"
    assert _links(Options.model_validate({"token": "x"})) is None


def test_slack_has_no_jobs(slack: Slack) -> None:
    with pytest.raises(Gone):
        slack.poll(WriteKind.ALERT, "1", 1)


@pytest.mark.parametrize(
    "options", [{}, {"token": ""}, {"token": "x", "chanel": "y"}, {"token": "x", "workspace": "A b"}]
)
def test_options_refuse_what_they_cannot_use(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Options.model_validate(options)


@pytest.fixture
def simulated() -> Iterator[Simulator]:
    made = Simulator(VirtualClock(NOW))
    made.start()
    yield made
    made.stop()


def test_the_strict_simulator_takes_what_the_adapter_sends(simulated: Simulator) -> None:
    slack = _slack_at(simulated.site.base_url)
    first = send(slack, item(text="<!channel> hello"))
    again = send(slack, item(text="now critical", target=first.remote_id))
    assert again.remote_id == first.remote_id
    found, missing = slack.ask(WriteKind.ALERT, [item(), item("k-none")])
    assert [receipt.remote_id for receipt in found.receipts] == [first.remote_id]
    assert missing.receipts == []
    (held,) = simulated.truth["objects"]["message"].values()
    assert (held["text"], held["channel"], held["calls"]) == ("now critical", "csat-safety", [])
