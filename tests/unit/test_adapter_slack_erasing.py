"""Messages about an erased person are deleted in Slack; what people answered is said to stay."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from connector.adapters.slack import Options, Slack
from connector.domain.model.intent import Item, Receipt, WriteKind
from connector.errors import Unauthorized
from connector.ports.erasing import Erasing, Fate, Subject
from connector.simulator.slack import TOKEN
from connector.simulator.slack import Slack as Simulator
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit
from tests.unit.simulator_calls import new_clock

WORDS = "zwitscherzwitscher"


@pytest.fixture
def workspace() -> Iterator[Simulator]:
    made = Simulator(new_clock())
    made.start()
    yield made
    made.stop()


@pytest.fixture
def slack(workspace: Simulator) -> Slack:
    options = Options.model_validate({"token": TOKEN, "base_url": workspace.site.base_url})
    return Slack("chat", options, Kit(clock=workspace.clock, token_store=MemoryTokens(workspace.clock)))


def posted(slack: Slack, text: str) -> str:
    item = Item(key=text, target=None, fields={"channel": "#csat-ops", "text": text}, cause_at=new_clock().now())
    (outcome,) = slack.send(WriteKind.ALERT, slack.render(WriteKind.ALERT, [item]), 1)  # type: ignore[misc]
    assert isinstance(outcome, Receipt)
    return outcome.remote_id


def test_our_messages_go_and_others_stay(workspace: Simulator, slack: Slack) -> None:
    assert isinstance(slack, Erasing)
    theirs, other = posted(slack, WORDS), posted(slack, "something else")
    for _ in range(2):
        (told,) = slack.erase(Subject(records={WriteKind.ALERT: (theirs,)}))
        assert told.fate is Fate.ERASED
    assert WORDS not in json.dumps(workspace.truth)
    assert list(workspace.truth["objects"]["message"]) == [other]


def test_replies_of_people_are_listed(workspace: Simulator, slack: Slack) -> None:
    message = posted(slack, WORDS)
    workspace.human_post("csat-ops", "I call her", thread_ts=message.partition(":")[2])
    kept, gone = slack.erase(Subject(records={WriteKind.ALERT: (message,)}))
    assert (kept.fate, gone.fate) == (Fate.KEPT, Fate.ERASED)
    assert kept.object.startswith("1 replies")


def test_a_message_that_is_not_ours_is_kept_and_said(workspace: Simulator, slack: Slack) -> None:
    channel = workspace.channels["csat-ops"]
    human = workspace.human_post("csat-ops", "Mine")
    *_, told = slack.erase(Subject(records={WriteKind.ALERT: (f"{channel}:{human}",)}))
    assert told.fate is Fate.KEPT
    assert "cant_delete_message" in told.why


def test_a_refused_token_is_trouble_and_not_an_end(workspace: Simulator, slack: Slack) -> None:
    message = posted(slack, WORDS)
    workspace.token_works = False
    with pytest.raises(Unauthorized):
        slack.erase(Subject(records={WriteKind.ALERT: (message,)}))
