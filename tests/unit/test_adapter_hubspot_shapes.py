"""A HubSpot that answers 200 and JSON of the wrong shape: a typed error each time, never a crash and never a guess."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from connector.adapters.hubspot import HubSpot
from connector.adapters.hubspot.replies import meaning, reply_table
from connector.clock import VirtualClock
from connector.domain.model.intent import Item, Json, WriteKind
from connector.errors import InDoubt, RemoteError, Transient
from connector.ports import Failed, Outcome
from connector.simulator import hubspot as simulator
from connector.simulator.faults import Fault
from tests.unit.test_adapter_hubspot import NOON, connect, item, running, says
from tests.unit.test_adapter_shapes import CANARY, NOTHING


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOON)


@pytest.fixture
def account(clock: VirtualClock) -> Iterator[simulator.HubSpot]:
    yield from running(simulator.HubSpot(clock))


@pytest.fixture
def crm(account: simulator.HubSpot, clock: VirtualClock) -> HubSpot:
    return connect(account, clock)


def answers(match: str, body: object) -> Fault:
    return replace(says(match, body), times=None)


def looks_changed(crm: HubSpot) -> object:
    """The search, after an honest first read."""
    return crm.contacts_since('{"sweep":"changed","begun":0,"swept":0}', ["email"])


READS: dict[str, Callable[[HubSpot], object]] = {
    "list": lambda crm: crm.contacts_since(None, ["email"]),
    "search": looks_changed,
    "ask for a contact": lambda crm: crm.ask(WriteKind.CONTACT, [item("k", email="kim@example.com")]),
    "ask for a task": lambda crm: crm.ask(WriteKind.TASK, [item("k", contact_id="101")]),
    "describe": lambda crm: crm.describe({WriteKind.CONTACT: frozenset({"email"})}),
    "prepare": lambda crm: crm.prepare(),
}
ROWS: list[Json] = [
    {"results": None},
    {"results": {"id": CANARY}},
    {"results": [None]},
    {"results": [CANARY]},
]


@pytest.mark.parametrize("body", [*NOTHING, *ROWS], ids=json.dumps)
@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_misshapen_reply_to_a_read_is_tried_again(
    crm: HubSpot, account: simulator.HubSpot, read: Callable[[HubSpot], object], body: Json
) -> None:
    account.faults.add(answers("GET *", body))
    account.faults.add(answers("POST *", body))
    with pytest.raises(Transient) as caught:
        read(crm)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "errors", [CANARY, [None], [{"category": "VALIDATION_ERROR", "message": CANARY}]], ids=json.dumps
)
@pytest.mark.parametrize("name", ["ask for a contact", "ask for a task"])
def test_nothing_counts_as_absent_because_it_was_left_out(
    crm: HubSpot, account: simulator.HubSpot, name: str, errors: Json
) -> None:
    """It would be written a second time."""
    account.faults.add(answers("POST *", {"results": [], "errors": errors}))
    with pytest.raises(Transient) as caught:
        READS[name](crm)
    assert CANARY not in str(caught.value)


MISTIMED: Json = {"id": "1", "properties": {"lastmodifieddate": CANARY}}
NAMELESS: Json = {"id": None, "properties": {"csat_person": "k"}}
UNTIMED: list[Json] = [{}, {"id": "1"}, {"id": "1", "properties": None}]


@pytest.mark.parametrize("row", [*UNTIMED, MISTIMED], ids=json.dumps)
def test_a_contact_without_an_id_or_a_time_is_no_page(crm: HubSpot, account: simulator.HubSpot, row: Json) -> None:
    account.faults.add(answers("GET */contacts", {"results": [row]}))
    account.faults.add(answers("GET */properties/*", {"results": []}))
    with pytest.raises(Transient) as caught:
        READS["list"](crm)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("row", [*UNTIMED, NAMELESS], ids=json.dumps)
def test_a_contact_that_cannot_be_told_is_not_absent(crm: HubSpot, account: simulator.HubSpot, row: Json) -> None:
    account.faults.add(answers("POST */batch/read", {"results": [row]}))
    with pytest.raises(Transient):
        READS["ask for a contact"](crm)


@pytest.mark.parametrize("listed", [None, {}, [None], [{}], [{"to": [{}]}], [{"to": CANARY}]], ids=json.dumps)
def test_associations_that_cannot_be_read_are_no_answer(clock: VirtualClock, listed: Json) -> None:
    for account in running(simulator.HubSpot(clock, task_key=False)):
        crm = connect(account, clock)
        crm.prepare()
        account.faults.add(answers("POST /crm/associations/*", {"results": listed}))
        with pytest.raises(Transient) as caught:
            crm.ask(WriteKind.TASK, [item("k", contact_id="101")])
        assert CANARY not in str(caught.value)


def sent(crm: HubSpot) -> Sequence[Outcome]:
    items = [Item(key=f"k{target}", target=target, fields={"csat_health": 1}, cause_at=NOON) for target in ("8", "9")]
    return crm.send(WriteKind.CONTACT_FIELDS, crm.render(WriteKind.CONTACT_FIELDS, items), 2)


EMPTY: dict[str, Json] = {}
UNSAID: list[Json] = [{"id": None}, {"id": [CANARY]}, {"properties": EMPTY}]
DONE: Json = {"id": "9", "properties": EMPTY}


@pytest.mark.parametrize("row", [*NOTHING, *UNSAID], ids=json.dumps)
def test_a_record_the_answer_says_nothing_of_is_in_doubt_and_the_others_are_not(
    crm: HubSpot, account: simulator.HubSpot, row: Json
) -> None:
    account.faults.add(answers("POST */batch/update", {"results": [row, DONE]}))
    lost, made = sent(crm)
    assert isinstance(lost, Failed)
    assert isinstance(lost.error, InDoubt)
    assert CANARY not in str(lost.error)
    assert not isinstance(made, Failed)


@pytest.mark.parametrize("body", [*NOTHING, {"results": None}, {"results": [], "errors": CANARY}], ids=json.dumps)
def test_a_misshapen_answer_to_a_write_is_in_doubt(crm: HubSpot, account: simulator.HubSpot, body: Json) -> None:
    account.faults.add(answers("POST */batch/update", body))
    with pytest.raises(InDoubt) as caught:
        sent(crm)
    assert CANARY not in str(caught.value)


SENTENCE = "Kim Lund of Lund & Sons is taken"


@pytest.mark.parametrize("words", [SENTENCE, "kim", [SENTENCE], {SENTENCE: 1}, 7, None])
def test_codes_and_names_are_quoted_and_nothing_else(clock: VirtualClock, words: object) -> None:
    part = {
        "code": words,
        "in": words,
        "context": {"propertyName": words, "missingScopes": [words]},
        "message": SENTENCE,
    }
    entry = {"category": words, "subCategory": words, "message": SENTENCE, "context": words, "errors": [part, words]}
    given = json.loads(json.dumps(entry))
    found = [
        meaning(given),
        *(reply_table(clock)(status, {}, json.dumps(entry).encode()) for status in (400, 403, 409)),
    ]
    for error in found:
        assert isinstance(error, RemoteError)
        assert "Lund" not in f"{error} {error.reply} {vars(error)}"


@pytest.mark.parametrize("entry", [[], [1], "x", {"errors": {}}, {"context": []}, {"errors": [[]]}], ids=json.dumps)
def test_a_misshapen_error_is_an_error_all_the_same(clock: VirtualClock, entry: Json) -> None:
    for status in (400, 403, 404, 409, 429, 500):
        found = reply_table(clock)(status, {}, json.dumps(entry).encode())
        assert found is None or isinstance(found, RemoteError)
