"""Events leave signed as Standard Webhooks wants it, once where ids are remembered, and never show where they go."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from pydantic import ValidationError

from connector.adapters.workflow import Options, Workflow
from connector.clock import VirtualClock
from connector.domain.model.intent import Item, Receipt, Request, WriteKind
from connector.errors import InDoubt, Rejected, Throttled, Unauthorized
from connector.ports import Writer
from connector.simulator import workflow as simulator
from connector.simulator.faults import Fault, FaultKind
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit
from tests.unit.samples import NOON

URL = "https://hooks.example.com/catch/1234/abcd?zap=1"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOON)


@pytest.fixture
def receiver(clock: VirtualClock) -> Iterator[simulator.Workflow]:
    made = simulator.Workflow(clock, per_minute=5)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def adapter(receiver: simulator.Workflow, clock: VirtualClock) -> Workflow:
    return connect(receiver.url, clock)


def connect(url: str, clock: VirtualClock, *, read_only: bool = False, **options: object) -> Workflow:
    written = {"url": url, "secret": simulator.SECRET, "headers": {"X-Api-Key": simulator.API_KEY}, **options}
    kit = Kit(clock=clock, token_store=MemoryTokens(clock), read_only=read_only)
    return Workflow("zap", Options.model_validate(written), kit)


def item(key: str = "k1", **data: object) -> Item:
    fields = {"event": "unhappy", "data": {"rating": 1, "said": "ä <b>", "owner": None, **data}}
    return Item(key=key, target=None, fields=fields, cause_at=NOON)  # type: ignore[arg-type]  # JSON all the same


def request(adapter: Workflow, key: str = "k1", **data: object) -> Request:
    return adapter.render(WriteKind.EVENT, [item(key, **data)])


def send(adapter: Workflow, wanted: Request) -> Receipt:
    outcomes = adapter.send(WriteKind.EVENT, wanted, 1)
    assert isinstance(outcomes, tuple)
    (receipt,) = outcomes
    assert isinstance(receipt, Receipt)
    return receipt


def test_an_event_arrives_signed_with_its_values_as_they_are(adapter: Workflow, receiver: simulator.Workflow) -> None:
    assert isinstance(adapter, Writer)
    assert set(adapter.promises) == {WriteKind.EVENT}
    receipt = send(adapter, request(adapter))
    (event,) = receiver.events
    assert event["id"] == receipt.remote_id
    assert (event["type"], event["timestamp"]) == ("unhappy", NOON.isoformat())
    assert event["data"] == {"rating": 1, "said": "ä <b>", "owner": None}


def test_a_repeat_has_the_same_id_and_a_fresh_signature(
    adapter: Workflow, receiver: simulator.Workflow, clock: VirtualClock
) -> None:
    wanted = request(adapter)
    send(adapter, wanted)
    clock.advance(timedelta(hours=1))  # the first signature would be stale by now
    send(adapter, wanted)
    assert len(receiver.events) == 1
    assert request(adapter).idempotency_key == wanted.idempotency_key != request(adapter, "k2").idempotency_key


def test_rendering_is_pure_and_says_nothing_of_the_address(adapter: Workflow) -> None:
    first, second = request(adapter), request(adapter)
    assert first == second
    assert "catch" not in repr(first)
    assert set(json.loads(first.body)) == {"type", "timestamp", "data"}


def test_a_receiver_that_is_gone_or_moved_is_a_matter_of_the_connection(
    adapter: Workflow, receiver: simulator.Workflow, clock: VirtualClock
) -> None:
    receiver.is_gone = True
    with pytest.raises(Unauthorized, match="url"):
        send(adapter, request(adapter))
    wrong = connect(f"{receiver.site.base_url}/catch/other", clock)
    with pytest.raises(Unauthorized, match="url"):
        send(wrong, request(wrong))


def test_refusals_are_typed(adapter: Workflow, receiver: simulator.Workflow, clock: VirtualClock) -> None:
    unsigned = connect(receiver.url, clock, secret="another secret of ours")
    with pytest.raises(Unauthorized):
        send(unsigned, request(unsigned))
    send(adapter, request(adapter))
    with pytest.raises(Rejected, match="another event with this id"):
        send(adapter, request(adapter, rating=2))
    with pytest.raises(Rejected):
        send(
            adapter,
            adapter.render(
                WriteKind.EVENT, [Item(key="x", target=None, fields={"event": "", "data": {}}, cause_at=NOON)]
            ),
        )
    send(adapter, request(adapter, "the last that is taken"))
    with pytest.raises(Throttled) as full:
        send(adapter, request(adapter, "one too many"))
    assert full.value.retry_at > clock.now()


def test_an_answer_that_never_came_is_in_doubt(adapter: Workflow, receiver: simulator.Workflow) -> None:
    receiver.faults.add(Fault(match="POST *", kind=FaultKind.RESET_AFTER_COMMIT, times=1))
    with pytest.raises(InDoubt):
        send(adapter, request(adapter))
    send(adapter, request(adapter))
    assert len(receiver.events) == 1


def test_no_error_shows_where_events_go(clock: VirtualClock) -> None:
    adapter = connect("http://127.0.0.1:1/catch/1234/secretpath?zapikey=secretkey", clock)
    with pytest.raises(Exception, match="no connection") as failed:
        send(adapter, request(adapter))
    told = f"{failed.value!r} {failed.value} {vars(failed.value)} {adapter.account}"
    assert "secretpath" not in told
    assert "secretkey" not in told


def test_the_account_is_the_receiver_whatever_it_is_called() -> None:
    first, other = (
        Options.model_validate({"url": url, "secret": simulator.SECRET}).account for url in (URL, f"{URL}&more=1")
    )
    assert first.startswith("workflow:hooks.example.com/")
    assert first != other
    assert "abcd" not in first


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "hooks.example.com/x"},
        {"url": "https://user:pass@hooks.example.com/x"},
        {"secret": "whsec_???"},
        {"secret": "short"},
        {"unknown": 1},
    ],
)
def test_options_that_cannot_work_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Options.model_validate({"url": URL, "secret": simulator.SECRET, **wrong})


def test_nothing_leaves_in_observe_mode(receiver: simulator.Workflow, clock: VirtualClock) -> None:
    adapter = connect(receiver.url, clock, read_only=True)
    with pytest.raises(Exception, match="observe"):
        send(adapter, request(adapter))
    assert not receiver.requests.writes()
