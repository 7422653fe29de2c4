"""The receiver of events: every refusal, provoked by the bad request itself."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from connector.clock import VirtualClock
from connector.simulator.workflow import API_KEY, HOOK, REFUSALS, SECRET, Workflow
from tests.unit.simulator_calls import Caller, Got, calling, new_clock

EVENT = {"type": "unhappy", "timestamp": "2026-11-20T18:00:00+00:00", "data": {"rating": 1}}


class Rig:
    """A running receiver that takes three events a minute."""

    def __init__(self, clock: VirtualClock, receiver: Workflow, caller: Caller) -> None:
        self.clock = clock
        self.receiver = receiver
        self.caller = caller

    def send(
        self,
        body: str | None = None,
        *,
        path: str = HOOK,
        method: str = "POST",
        stamp: int | None = None,
        message: str = "msg_1",
        secret: str = SECRET,
        key: str = API_KEY,
        without: str = "",
    ) -> Got:
        text = json.dumps(EVENT) if body is None else body
        at = str(int(self.clock.now().timestamp()) if stamp is None else stamp)
        digest = hmac.new(
            base64.b64decode(secret.removeprefix("whsec_")), f"{message}.{at}.{text}".encode(), hashlib.sha256
        ).digest()
        headers = {
            "webhook-id": message,
            "webhook-timestamp": at,
            "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
            "X-Api-Key": key,
            "Content-Type": "application/json",
        }
        headers.pop(without, None)
        return self.caller.send(method, path, raw=text, headers=headers)


@pytest.fixture
def rig() -> Iterator[Rig]:
    clock = new_clock()
    receiver = Workflow(clock, per_minute=3)
    with calling(receiver.start()) as caller:
        yield Rig(clock, receiver, caller)
    receiver.stop()


def gone(rig: Rig) -> Got:
    rig.receiver.is_gone = True
    return rig.send()


def too_fast(rig: Rig) -> Got:
    for number in range(3):
        rig.send(message=f"msg_{number}")
    return rig.send(message="msg_4")


def another(rig: Rig) -> Got:
    rig.send()
    return rig.send(json.dumps({**EVENT, "type": "happy"}))


def old(rig: Rig) -> Got:
    return rig.send(stamp=int((rig.clock.now() - timedelta(minutes=6)).timestamp()))


CASES: dict[str, Callable[[Rig], Got]] = {
    "unknown-route": lambda rig: rig.send(path="/catch/other"),
    "unknown-method": lambda rig: rig.send(method="PUT"),
    "gone": gone,
    "throttled": too_fast,
    "missing-header": lambda rig: rig.send(without="webhook-id"),
    "bad-signature": lambda rig: rig.send(secret=base64.b64encode(b"another key of mine").decode()),
    "stale": old,
    "no-api-key": lambda rig: rig.send(key="wrong"),
    "not-json": lambda rig: rig.send("{"),
    "not-an-event": lambda rig: rig.send(json.dumps({**EVENT, "timestamp": "yesterday"})),
    "another-body": another,
}


@pytest.mark.parametrize("name", sorted(REFUSALS))
def test_refused(rig: Rig, name: str) -> None:
    before = len(rig.receiver.events)
    got = CASES[name](rig)
    assert (got.status, got.data["error"]) == (REFUSALS[name].status, REFUSALS[name].code)
    taken = {"throttled": 3, "another-body": 1}.get(name, 0)
    assert len(rig.receiver.events) == before + taken


@pytest.mark.parametrize(
    "wrong",
    [
        "[]",
        '{"type": "x", "timestamp": "2026-11-20T18:00:00+00:00"}',
        json.dumps({**EVENT, "type": ""}),
        json.dumps({**EVENT, "data": []}),
    ],
)
def test_what_is_no_event_is_refused(rig: Rig, wrong: str) -> None:
    assert rig.send(wrong).status == 422


def test_an_id_that_was_seen_happens_once(rig: Rig) -> None:
    assert [rig.send().status, rig.send().status] == [202, 202]
    (event,) = rig.receiver.events
    assert event["data"] == {"rating": 1}


def test_a_receiver_that_forgets_does_it_twice(rig: Rig) -> None:
    rig.receiver.forgetful = True
    assert [rig.send().status, rig.send().status] == [202, 202]
    assert len(rig.receiver.events) == 2
