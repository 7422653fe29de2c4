"""Taking back what was written to HubSpot, and the look at it just before, against the strict simulator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from connector.adapters.hubspot import HubSpot
from connector.clock import VirtualClock
from connector.domain.model.intent import Item, Json, WriteKind
from connector.ports.taking_back import Retractable
from connector.simulator import hubspot as simulator
from connector.sync.outlet import Replan
from connector.sync.unchanged import CHANGED
from tests.unit.samples import empty_store
from tests.unit.test_adapter_hubspot import connect, held, item, running, task, write
from tests.unit.test_unchanged import NOON, Looked, send

WHY = "Undone with run 2"
TASK: Mapping[str, Json] = {
    "hs_task_subject": "Call back: Kim <kim@mail.example>",
    "hs_task_body": "Score 20 & falling\nIt squeaks <loudly>.",
    "hs_task_status": "NOT_STARTED",
    "hs_timestamp": "2026-11-22T09:00:00Z",
}
NOTE: Mapping[str, Json] = {
    "hs_note_body": "Survey answer: 1 of 5\nIt squeaks.",
    "hs_timestamp": "2026-11-21T12:00:00Z",
}
SCORE: Mapping[str, Json] = {"csat_band": "critical", "csat_health": 20.5, "csat_as_of": "2026-11-21T12:00:00Z"}
BACK: Mapping[str, Json] = dict.fromkeys(SCORE)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOON)


@pytest.fixture(params=[True, False], ids=["keyed", "marked"])
def account(clock: VirtualClock, request: pytest.FixtureRequest) -> Iterator[simulator.HubSpot]:
    yield from running(simulator.HubSpot(clock, task_key=request.param))


@pytest.fixture
def hubspot(account: simulator.HubSpot, clock: VirtualClock) -> HubSpot:
    made = connect(account, clock)
    made.prepare()
    return made


@pytest.fixture
def crm(hubspot: HubSpot, clock: VirtualClock, tmp_path: Path) -> Iterator[Looked]:
    store = empty_store(tmp_path, clock)
    yield Looked(db=store, writer=hubspot, others=[])
    store.close()


def test_what_takes_a_record_back_says_why(hubspot: HubSpot) -> None:
    assert isinstance(hubspot, Retractable)
    assert hubspot.retract(WriteKind.TASK, TASK, WHY) == {
        "hs_task_status": "COMPLETED",
        "hs_task_subject": f"{WHY}: {TASK['hs_task_subject']}",
        "hs_task_body": f"{WHY}.\n\n{TASK['hs_task_body']}",
    }
    bare = {"hs_task_status": "COMPLETED", "hs_task_subject": WHY, "hs_task_body": f"{WHY}."}
    assert hubspot.retract(WriteKind.TASK, {}, WHY) == bare
    assert hubspot.retract(WriteKind.ACTIVITY, NOTE, WHY) == {"hs_note_body": f"{WHY}.\n\n{NOTE['hs_note_body']}"}
    assert hubspot.retract(WriteKind.CONTACT, {"lastname": "Lovelace"}, WHY) == {}
    assert hubspot.retract(WriteKind.CONTACT_FIELDS, SCORE, WHY) == {}


def test_a_task_nobody_touched_is_completed_and_is_still_known_by_its_key(
    crm: Looked, hubspot: HubSpot, account: simulator.HubSpot
) -> None:
    contact = account.add_contact(lastname="Lovelace")
    made = send(crm, WriteKind.TASK, None, {**TASK, "contact_id": contact})
    change = hubspot.retract(WriteKind.TASK, TASK, WHY)
    answer = crm.about(WriteKind.TASK, made, change, {**TASK, "contact_id": contact})
    assert isinstance(answer, Item)
    assert send(crm, WriteKind.TASK, made, answer.fields) == made
    row = held(account, "tasks")[made]
    assert (row["hs_task_status"], row["hs_task_subject"]) == ("COMPLETED", f"{WHY}: {TASK['hs_task_subject']}")
    assert row["hs_task_body"].startswith(f"{WHY}.<br><br>Score 20 &amp; falling<br>It squeaks &lt;loudly&gt;.")
    [found] = hubspot.ask(WriteKind.TASK, [task("made/1", contact)])
    assert [one.remote_id for one in found.receipts] == [made]


@pytest.mark.parametrize(
    "work",
    [
        {"hs_task_status": "COMPLETED"},
        {"hs_task_subject": "Called, all is well"},
        {"hs_timestamp": "2026-11-29T09:00:00Z"},
        {"hs_task_body": "Called them."},
    ],
    ids=["status", "subject", "due", "text"],
)
def test_a_task_somebody_worked_on_is_theirs(
    crm: Looked, hubspot: HubSpot, account: simulator.HubSpot, work: Mapping[str, str]
) -> None:
    made = send(crm, WriteKind.TASK, None, {**TASK, "contact_id": account.add_contact(lastname="Lovelace")})
    change = hubspot.retract(WriteKind.TASK, TASK, WHY)
    account.human_update(made, "tasks", hs_task_priority="LOW")
    assert isinstance(crm.about(WriteKind.TASK, made, change, TASK), Item), "what we never wrote is not looked at"
    account.human_update(made, "tasks", **work)
    assert crm.about(WriteKind.TASK, made, change, TASK) == Replan(reason=CHANGED)
    account.human_delete(made, "tasks")
    assert crm.about(WriteKind.TASK, made, change, TASK) == Replan(reason="it is gone")


@pytest.mark.parametrize("added", ["<br>Robin: they were right.", '<img src="https://app.hubspot.com/a.png">'])
def test_a_note_is_withdrawn_unless_somebody_added_to_it(
    crm: Looked, hubspot: HubSpot, account: simulator.HubSpot, added: str
) -> None:
    made = send(crm, WriteKind.ACTIVITY, None, {**NOTE, "contact_id": account.add_contact(lastname="Lovelace")})
    change = hubspot.retract(WriteKind.ACTIVITY, NOTE, WHY)
    text = held(account, "notes")[made]["hs_note_body"]
    account.human_update(made, "notes", hs_note_body=f'<div style="" dir="auto"><p>{text}</p></div>')
    assert isinstance(crm.about(WriteKind.ACTIVITY, made, change, NOTE), Item), "an editor's layout is nobody's word"
    account.human_update(made, "notes", hs_note_body=text + added)
    assert crm.about(WriteKind.ACTIVITY, made, change, NOTE) == Replan(reason=CHANGED)


def test_a_property_a_person_changed_is_left_and_the_others_go_back(crm: Looked, account: simulator.HubSpot) -> None:
    contact = account.add_contact(lastname="Lovelace")
    send(crm, WriteKind.CONTACT_FIELDS, contact, SCORE)
    whole = crm.about(WriteKind.CONTACT_FIELDS, contact, BACK, SCORE)
    assert isinstance(whole, Item)
    assert whole.fields == BACK
    account.human_update(contact, csat_band="healthy")
    rest = crm.about(WriteKind.CONTACT_FIELDS, contact, BACK, SCORE)
    assert isinstance(rest, Item)
    assert set(rest.fields) == {"csat_health", "csat_as_of"}
    account.human_update(contact, csat_health="90", csat_as_of="")
    assert crm.about(WriteKind.CONTACT_FIELDS, contact, BACK, SCORE) == Replan(reason=CHANGED)
    account.human_delete(contact)
    assert crm.about(WriteKind.CONTACT_FIELDS, contact, BACK, SCORE) == Replan(reason="it is gone")


def test_contacts_are_read_a_hundred_a_call_and_a_survivor_answers_for_whom_it_won_against(
    hubspot: HubSpot, account: simulator.HubSpot
) -> None:
    ids = [account.add_contact(lastname=f"Sample{number}") for number in range(101)]
    write(hubspot, WriteKind.CONTACT_FIELDS, item("k", ids[0], csat_health=20, csat_band="critical"))
    survivor = account.merge(ids[0], ids[1])
    asked = len(account.requests)
    read = hubspot.read_records(WriteKind.CONTACT_FIELDS, [*ids, "999"], ["csat_health", "csat_band"])
    paths = [call.path.rsplit("/", 1)[1] for call in account.requests.entries(asked)]
    assert [path for path in paths if path == "read"] == ["read"] * 2
    assert set(read) == set(ids)
    assert read[ids[1]] == read[survivor] == {"csat_health": 20, "csat_band": "critical"}
    assert read[ids[2]] == {"csat_health": None, "csat_band": None}


def test_nothing_is_asked_about_no_records(hubspot: HubSpot, account: simulator.HubSpot) -> None:
    asked = len(account.requests)
    assert hubspot.read_records(WriteKind.TASK, [], ["hs_task_status"]) == {}
    assert len(account.requests) == asked
