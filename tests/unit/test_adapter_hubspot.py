"""The HubSpot adapter's writes and questions, against the strict simulator."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from connector.adapters.hubspot import HubSpot, Options, bodies, questions
from connector.adapters.hubspot.names import KEY, PERSON
from connector.clock import VirtualClock
from connector.domain.model.intent import Item, Json, Receipt, WriteKind
from connector.errors import Conflict, Gone, InDoubt, Rejected, RemoteError, Transient
from connector.ports import Contacts, Describable, Failed, Outcome, Preparing, Writer
from connector.simulator import hubspot as simulator
from connector.simulator.faults import Fault, FaultKind
from connector.transport.client import QuotaReading
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
CANARY = "canary-7431@mail.example"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOON)


@pytest.fixture
def account(clock: VirtualClock) -> Iterator[simulator.HubSpot]:
    yield from running(simulator.HubSpot(clock))


def running(account: simulator.HubSpot) -> Iterator[simulator.HubSpot]:
    account.start()
    yield account
    account.stop()


@pytest.fixture
def unkeyed(clock: VirtualClock) -> Iterator[simulator.HubSpot]:
    yield from running(simulator.HubSpot(clock, task_key=False))


def connect(
    account: simulator.HubSpot, clock: VirtualClock, readings: list[QuotaReading] | None = None, **options: object
) -> HubSpot:
    given = Options.model_validate(
        {"portal": "4711", "token": simulator.SERVICE_KEY, "base_url": account.site.base_url, "timeout": 5, **options}
    )
    seen = [] if readings is None else readings
    kit = Kit(clock=clock, token_store=MemoryTokens(clock), on_reading=lambda _, reading: seen.append(reading))
    return HubSpot("crm", given, kit)


@pytest.fixture
def crm(account: simulator.HubSpot, clock: VirtualClock) -> HubSpot:
    return connect(account, clock)


def item(key: str, target: str | None = None, **fields: Json) -> Item:
    return Item(key=key, target=target, fields=fields, cause_at=NOON)


def person(number: int, **fields: Json) -> Item:
    values: dict[str, Json] = {"lastname": f"Sample{number}", "email": f"p{number}@mail.example", **fields}
    return Item(key=f"person-{number}", target=None, fields=values, cause_at=NOON)


def task(key: str, contact: str, **fields: Json) -> Item:
    return Item(key=key, target=None, fields={"contact_id": contact, **fields}, cause_at=NOON)


def write(crm: HubSpot, kind: WriteKind, *items: Item) -> list[Outcome]:
    request = crm.render(kind, items)
    return list(crm.send(kind, request, len(items)))


def receipt(outcome: Outcome) -> Receipt:
    assert isinstance(outcome, Receipt), outcome
    return outcome


def failure(outcome: Outcome) -> RemoteError:
    assert isinstance(outcome, Failed), outcome
    return outcome.error


def held(account: simulator.HubSpot, kind: str) -> Mapping[str, Mapping[str, str]]:
    """Properties by id, of what is not archived."""
    found = account.truth["objects"].get(kind, {})
    return {key: row["properties"] for key, row in found.items() if not row["archived"]}


def hangs_on(account: simulator.HubSpot, kind: str) -> list[list[str]]:
    return [row["associations"].get("contacts", []) for row in account.truth["objects"].get(kind, {}).values()]


def test_it_fills_its_roles(crm: HubSpot) -> None:
    for role in (Writer, Contacts, Describable, Preparing):
        assert isinstance(crm, role)
    assert crm.account == "hubspot:4711"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"client_id": "id", "client_secret": "secret-1"},
        {"token": "token-1", "client_id": "id", "client_secret": "secret-1", "refresh_token": "refresh-1"},
        {"token": "token-1", "portal": "acme"},
    ],
)
def test_options_name_one_way_in_and_a_number(options: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Options.model_validate({"portal": "4711", **options})


def test_contacts_are_made_in_one_call_and_the_same_person_twice_is_one_contact(
    crm: HubSpot, account: simulator.HubSpot
) -> None:
    first = write(crm, WriteKind.CONTACT, person(1), person(2))
    again = write(crm, WriteKind.CONTACT, person(1), person(3), person(2))
    ids = [receipt(outcome).remote_id for outcome in first]
    assert [receipt(outcome).created for outcome in first] == [True, True]
    assert [isinstance(failure(again[n]), Conflict) for n in (0, 2)] == [True, True]
    assert receipt(again[1]).created, "who is new is made all the same"
    asked = crm.ask(WriteKind.CONTACT, [person(1), person(2)])
    assert [[one.remote_id for one in found.receipts] for found in asked] == [[one] for one in ids]
    rows = held(account, "contacts")
    assert [rows[one]["email"] for one in ids] == ["p1@mail.example", "p2@mail.example"]
    assert sorted(row[PERSON] for row in rows.values()) == ["person-1", "person-2", "person-3"]
    assert [call.path for call in account.requests.writes()] == ["/crm/objects/2026-09/contacts/batch/create"] * 2


def test_what_a_person_changed_in_a_contact_of_ours_outlives_its_being_made_again(
    crm: HubSpot, account: simulator.HubSpot
) -> None:
    """As an old copy of the store would: nothing there says that it was made already."""
    made = receipt(write(crm, WriteKind.CONTACT, person(1))[0]).remote_id
    account.human_update(made, lastname="Married", email="new@mail.example")
    (again,) = write(crm, WriteKind.CONTACT, person(1))
    assert isinstance(failure(again), Conflict)
    assert [one.remote_id for one in crm.ask(WriteKind.CONTACT, [person(1)])[0].receipts] == [made]
    assert held(account, "contacts")[made]["lastname"] == "Married"


def test_no_contact_is_made_where_nothing_would_refuse_a_second(clock: VirtualClock) -> None:
    for account in running(simulator.HubSpot(clock, bare=True)):
        crm = connect(account, clock)
        with pytest.raises(Rejected) as caught:
            write(crm, WriteKind.CONTACT, person(1))
        assert caught.value.field == PERSON
        assert not account.requests.writes()


def test_a_receipt_names_the_record_and_its_page(crm: HubSpot) -> None:
    made = receipt(write(crm, WriteKind.CONTACT, person(1))[0])
    assert made.url == f"https://app.hubspot.com/contacts/4711/record/0-1/{made.remote_id}"
    assert made.request_id


def test_values_travel_as_text_and_null_clears(crm: HubSpot, account: simulator.HubSpot) -> None:
    contact = account.add_contact(lastname="Sample", csat_band="at_risk", csat_reason="late")
    change = item("k", contact, csat_band=None, csat_health=71.25, csat_answers=3, csat_as_of="2026-11-20T10:00:00Z")
    (outcome,) = write(crm, WriteKind.CONTACT_FIELDS, change)
    row = held(account, "contacts")[contact]
    assert receipt(outcome).remote_id == contact
    assert "csat_band" not in row
    assert (row["csat_reason"], row["csat_health"], row["csat_answers"]) == ("late", "71.25", "3")
    assert row["csat_as_of"] == "2026-11-20T10:00:00.000Z"


def test_one_bad_record_refuses_its_batch_and_nothing_is_written(crm: HubSpot, account: simulator.HubSpot) -> None:
    good, bad = (account.add_contact(lastname=f"S{number}") for number in range(2))
    with pytest.raises(Rejected) as caught:
        write(crm, WriteKind.CONTACT_FIELDS, item("a", good, csat_health=1), item("b", bad, csat_health="many"))
    assert caught.value.field == "csat_health"
    assert "VALIDATION_ERROR" in str(caught.value)
    assert all("csat_health" not in row for row in held(account, "contacts").values())


def test_where_the_vendor_answers_per_record_so_do_we(clock: VirtualClock) -> None:
    for account in running(simulator.HubSpot(clock, multi_status=frozenset({"create", "update", "upsert"}))):
        crm = connect(account, clock)
        ids = [account.add_contact(lastname=f"S{number}") for number in range(4)]
        values: list[Json] = [1, "many", 3, 4]
        account.human_delete(ids[2])
        changes = [item(f"k{one}", one, csat_health=value) for one, value in zip(ids, values, strict=True)]
        outcomes = write(crm, WriteKind.CONTACT_FIELDS, *changes)
        assert [receipt(outcomes[n]).remote_id for n in (0, 3)] == [ids[0], ids[3]]
        bad, gone = failure(outcomes[1]), failure(outcomes[2])
        assert isinstance(bad, Rejected)
        assert bad.field == "csat_health"
        assert isinstance(gone, Gone)
        assert gone.moved_to is None
        assert bad.operation == "POST /crm/objects/2026-09/contacts/batch/update"


def test_errors_repeat_no_value_that_was_sent(crm: HubSpot, account: simulator.HubSpot) -> None:
    contact = account.add_contact(lastname="Sample")
    account.add_contact(email=CANARY)
    provoked: list[RemoteError] = []
    for kind, wanted in (
        (WriteKind.CONTACT_FIELDS, item("k", contact, csat_health=CANARY)),
        (WriteKind.CONTACT_FIELDS, item("k", contact, csat_health="canary of Kim")),
        (WriteKind.CONTACT_FIELDS, item("k", contact, no_such=CANARY)),
    ):
        with pytest.raises(RemoteError) as caught:
            write(crm, kind, wanted)
        provoked.append(caught.value)
    for wanted in (person(3, email=f"{CANARY} oops"), person(3, email=CANARY)):
        provoked += [failure(outcome) for outcome in write(crm, WriteKind.CONTACT, wanted)]
    assert [type(error) for error in provoked] == [Rejected, Rejected, Rejected, Rejected, Conflict]
    for error in provoked:
        assert "canary" not in f"{error} {error.reply} {vars(error)} {error!r}".lower()


def test_fields_of_a_merged_contact_are_written_and_tell_its_successor(
    crm: HubSpot, account: simulator.HubSpot
) -> None:
    winner, loser, alive, deleted = (account.add_contact(lastname=f"S{number}") for number in range(4))
    account.merge(winner, loser)
    account.human_delete(deleted)
    changes = [item(key, key, csat_health=50) for key in (loser, alive, deleted)]
    outcomes = write(crm, WriteKind.CONTACT_FIELDS, *changes)
    assert receipt(outcomes[1]).remote_id == alive
    moved, vanished = failure(outcomes[0]), failure(outcomes[2])
    assert isinstance(moved, Gone)
    assert (moved.moved_from, moved.moved_to) == (loser, winner)
    assert isinstance(vanished, Gone)
    assert vanished.moved_to is None
    assert held(account, "contacts")[winner]["csat_health"] == "50"


def test_a_merge_that_mints_a_new_contact_is_followed(clock: VirtualClock) -> None:
    for account in running(simulator.HubSpot(clock, merge_mints=True)):
        crm = connect(account, clock)
        one, other = (account.add_contact(lastname=f"S{number}") for number in range(2))
        survivor = account.merge(one, other)
        crm.prepare()
        before = sum(account.requests.counts().values())
        for lost in (one, other):
            error = failure(write(crm, WriteKind.CONTACT_FIELDS, item("k", lost, csat_health=1))[0])
            assert isinstance(error, Gone)
            assert (error.moved_from, error.moved_to) == (lost, survivor)
        assert sum(account.requests.counts().values()) == before + 2, "the answer says it: nothing more is asked"


def test_tasks_are_created_under_our_key_and_hang_on_the_contact(crm: HubSpot, account: simulator.HubSpot) -> None:
    contact, other = account.add_contact(lastname="Sample"), account.add_contact(lastname="Other")
    crm.prepare()
    assert crm.promises[WriteKind.TASK].native
    first = write(
        crm,
        WriteKind.TASK,
        task("step-1", contact, hs_task_subject="Call back", hs_timestamp="2026-11-23T09:00:00Z"),
        task("step-2", other, hs_task_subject="Call", hs_task_priority="HIGH", hs_task_status="NOT_STARTED"),
    )
    rows = held(account, "tasks")
    assert [rows[receipt(one).remote_id][KEY] for one in first] == ["step-1", "step-2"]
    assert [receipt(one).created for one in first] == [True, True]
    assert sorted(hangs_on(account, "tasks")) == sorted([[contact], [other]])
    assert rows[receipt(first[0]).remote_id]["hs_timestamp"] == "2026-11-23T09:00:00.000Z"
    assert rows[receipt(first[1]).remote_id]["hs_timestamp"] == "2026-11-21T12:00:00.000Z", "of the cause"


def test_a_task_created_twice_conflicts_alone_and_is_found(crm: HubSpot, account: simulator.HubSpot) -> None:
    contact = account.add_contact(lastname="Sample")
    one, two = (task(f"step-{n}", contact, hs_task_subject="Call") for n in (1, 2))
    made = receipt(write(crm, WriteKind.TASK, one)[0])
    again, new = write(crm, WriteKind.TASK, one, two)
    assert isinstance(failure(again), Conflict)
    assert receipt(new).remote_id != made.remote_id
    found = crm.ask(WriteKind.TASK, [two, one, task("step-3", contact)])
    assert [[one.remote_id for one in answer.receipts] for answer in found] == [
        [receipt(new).remote_id],
        [made.remote_id],
        [],
    ]
    assert len(held(account, "tasks")) == 2


def test_an_edited_answer_replaces_the_text_on_the_timeline(crm: HubSpot, account: simulator.HubSpot) -> None:
    contact = account.add_contact(lastname="Sample")
    first = task("answer-1", contact, hs_note_body="2 of 5: <b>bad</b> & slow\nreally")
    made = receipt(write(crm, WriteKind.ACTIVITY, first)[0])
    assert [row["hs_note_body"] for row in held(account, "notes").values()] == [
        "2 of 5: &lt;b&gt;bad&lt;/b&gt; &amp; slow<br>really"
    ]
    edited = replace(task("answer-1", contact, hs_note_body="5 of 5"), target=made.remote_id)
    assert receipt(write(crm, WriteKind.ACTIVITY, edited)[0]).remote_id == made.remote_id
    assert [row["hs_note_body"] for row in held(account, "notes").values()] == ["5 of 5"]
    assert hangs_on(account, "notes") == [[contact]]


def test_creates_and_updates_never_share_a_request(crm: HubSpot) -> None:
    crm.prepare()
    for kind in (WriteKind.TASK, WriteKind.ACTIVITY):
        assert not crm.promises[kind].mixed
        assert crm.promises[kind].batch == 100


def test_without_our_key_tasks_carry_a_marker_and_are_found_by_it(
    unkeyed: simulator.HubSpot, clock: VirtualClock
) -> None:
    crm = connect(unkeyed, clock)
    contact = unkeyed.add_contact(lastname="Sample")
    one, two = (task(f"step-{n}/<a>", contact, hs_task_body="Said: no\nThemes: none") for n in (1, 2))
    assert crm.promises[WriteKind.TASK].ask_first
    assert [found.receipts for found in crm.ask(WriteKind.TASK, [one, two])] == [(), ()]
    made = receipt(write(crm, WriteKind.TASK, one)[0])
    assert not crm.promises[WriteKind.TASK].native
    found = crm.ask(WriteKind.TASK, [two, one])
    assert [[each.remote_id for each in answer.receipts] for answer in found] == [[], [made.remote_id]]
    changed = replace(one, target=made.remote_id, fields={"hs_task_body": "New", "hs_task_subject": "S"})
    write(crm, WriteKind.TASK, changed)
    assert crm.ask(WriteKind.TASK, [one])[0].receipts, "the line survives an update"
    assert all(KEY not in row for row in held(unkeyed, "tasks").values())


def test_marked_tasks_of_one_batch_are_told_apart_and_found_among_very_many(
    unkeyed: simulator.HubSpot, clock: VirtualClock
) -> None:
    crm = connect(unkeyed, clock)
    contact = unkeyed.add_contact(lastname="Sample")
    crm.prepare()
    made: dict[str, str] = {}
    for start in range(0, 600, 100):
        items = [task(f"step-{start + number}", contact) for number in range(100)]
        outcomes = write(crm, WriteKind.TASK, *items)
        made |= {one.key: receipt(outcome).remote_id for one, outcome in zip(items, outcomes, strict=True)}
    rows = held(unkeyed, "tasks")
    assert all(rows[made[key]]["hs_task_body"] == f"csat-connector {key}" for key in made)
    asked = [task(key, contact) for key in ("step-0", "step-550", "step-600")]
    found = [[one.remote_id for one in answer.receipts] for answer in crm.ask(WriteKind.TASK, asked)]
    assert found == [[made["step-0"]], [made["step-550"]], []]


def test_a_marked_task_is_found_though_its_contact_was_merged(unkeyed: simulator.HubSpot, clock: VirtualClock) -> None:
    crm = connect(unkeyed, clock)
    winner, loser = (unkeyed.add_contact(lastname=f"S{number}") for number in range(2))
    crm.prepare()
    made = receipt(write(crm, WriteKind.TASK, task("step-1", loser))[0])
    unkeyed.merge(winner, loser)
    assert [one.remote_id for one in crm.ask(WriteKind.TASK, [task("step-1", loser)])[0].receipts] == [made.remote_id]


def test_a_keyed_request_is_not_sent_to_an_account_without_the_key(
    unkeyed: simulator.HubSpot, clock: VirtualClock
) -> None:
    crm = connect(unkeyed, clock)
    contact = unkeyed.add_contact(lastname="Sample")
    request = crm.render(WriteKind.TASK, [task("step-1", contact)])
    with pytest.raises(Transient):
        crm.send(WriteKind.TASK, request, 1)
    assert not unkeyed.requests.writes()


def test_a_task_of_a_deleted_contact_is_gone_and_of_a_merged_one_hangs_on_the_survivor(
    crm: HubSpot, account: simulator.HubSpot
) -> None:
    winner, loser, deleted = (account.add_contact(lastname=f"S{number}") for number in range(3))
    account.merge(winner, loser)
    account.human_delete(deleted)
    moved, gone = write(crm, WriteKind.TASK, task("step-1", loser), task("step-2", deleted))
    assert receipt(moved)
    assert hangs_on(account, "tasks") == [[winner]]
    error = failure(gone)
    assert isinstance(error, Gone)
    assert error.moved_to is None


def test_a_contact_that_only_a_look_shows_to_be_merged_is_followed(crm: HubSpot, account: simulator.HubSpot) -> None:
    """Where HubSpot does not write through an old id, it still resolves."""
    winner, loser = (account.add_contact(lastname=f"S{number}") for number in range(2))
    account.merge(winner, loser)
    refused = {"category": "OBJECT_NOT_FOUND", "context": {"ids": [loser]}, "status": "error"}
    request = crm.render(WriteKind.CONTACT_FIELDS, [item("k", loser, csat_health=1)])
    account.faults.add(says("POST */batch/update", {"status": "COMPLETE", "results": [], "errors": [refused]}))
    error = failure(crm.send(WriteKind.CONTACT_FIELDS, request, 1)[0])
    assert isinstance(error, Gone)
    assert (error.moved_from, error.moved_to) == (loser, winner)


def test_a_failing_look_for_the_successor_hides_no_outcome(crm: HubSpot, account: simulator.HubSpot) -> None:
    alive, deleted = (account.add_contact(lastname=f"S{number}") for number in range(2))
    account.human_delete(deleted)
    account.faults.add(Fault(match="POST */batch/read", kind=FaultKind.REFUSE, status=503, times=None))
    outcomes = write(crm, WriteKind.CONTACT_FIELDS, item("d", deleted, csat_health=1), item("a", alive, csat_health=2))
    assert isinstance(failure(outcomes[0]), Transient), "deleted or merged, nobody knows yet: it must not be given up"
    assert isinstance(outcomes[1], Receipt)


def test_contacts_are_found_by_key_then_by_any_of_their_addresses(crm: HubSpot, account: simulator.HubSpot) -> None:
    ours = receipt(write(crm, WriteKind.CONTACT, person(1))[0]).remote_id
    account.human_update(ours, email="moved@mail.example")
    typed, second = account.add_contact(email="p2@mail.example"), account.add_contact(email="p3@mail.example")
    account.merge(typed, second)
    found = crm.ask(
        WriteKind.CONTACT,
        [person(4), person(3, email="P3@Mail.example"), person(1), person(2), item("person-9", lastname="None")],
    )
    assert [[one.remote_id for one in answer.receipts] for answer in found] == [[], [typed], [ours], [typed], []]


def test_a_contact_found_under_another_spelling_is_the_one_that_is_left() -> None:
    rows = [
        {"id": "1", "properties": {"email": "kim@xn--mller-kva.example"}},
        {"id": "2", "properties": {"email": "b@c"}},
    ]
    assert questions.by_email(rows, ["b@c", "kim@müller.example", ""])["kim@müller.example"] == ["1"]
    assert questions.by_email(rows[:1], ["kim@müller.example", "d@e"]).keys() == {"kim@xn--mller-kva.example"}
    assert "d@e" not in questions.by_email(rows[1:], ["b@c", "d@e"])


def test_a_key_that_case_could_confuse_is_written_as_its_digest(crm: HubSpot, account: simulator.HubSpot) -> None:
    items = [replace(person(number), key=key) for number, key in enumerate(("AbC", "aBc", "k" * 300))]
    outcomes = write(crm, WriteKind.CONTACT, *items)
    keys = {row[PERSON] for row in held(account, "contacts").values()}
    assert len(keys) == 3
    assert all(len(key) == 64 and key == key.lower() for key in keys)
    found = crm.ask(WriteKind.CONTACT, [replace(one, fields={}) for one in items])
    assert [answer.receipts[0].remote_id for answer in found] == [receipt(one).remote_id for one in outcomes]


def test_what_is_not_given_is_not_in_a_body() -> None:
    assert json.loads(bodies.reads(["1"], ["email"])).keys() == {"inputs", "properties", "propertiesWithHistory"}
    search = json.loads(bodies.search([("hs_object_id", "GT", "7")], ["email"], sort="hs_object_id", limit=9))
    assert search["filterGroups"] == [{"filters": [{"propertyName": "hs_object_id", "operator": "GT", "value": "7"}]}]


def test_a_question_is_asked_in_pieces_of_a_hundred(crm: HubSpot, account: simulator.HubSpot) -> None:
    last = account.add_contact(email="p249@mail.example")
    found = crm.ask(WriteKind.CONTACT, [person(number) for number in range(250)])
    assert [one.remote_id for one in found[249].receipts] == [last]
    assert sum(account.requests.counts().values()) == 6


def test_a_question_that_was_answered_in_part_is_no_answer(crm: HubSpot, account: simulator.HubSpot) -> None:
    part = {"status": "COMPLETE", "results": [], "errors": [{"category": "INTERNAL_ERROR", "status": "error"}]}
    account.faults.add(says("POST */batch/read", part))
    with pytest.raises(Transient):
        crm.ask(WriteKind.CONTACT, [person(1)])


def test_records_are_known_whatever_the_answer_names_them_by(crm: HubSpot, account: simulator.HubSpot) -> None:
    ids = [account.add_contact(lastname=f"S{number}") for number in range(3)]
    changes = [item(f"k{one}", one, csat_health=1) for one in ids]
    request = crm.render(WriteKind.CONTACT_FIELDS, changes)
    body: dict[str, object] = {
        "status": "COMPLETE",
        "results": [{"id": ids[2], "properties": {}}, {"id": ids[0], "properties": {}}],
        "errors": [{"category": "VALIDATION_ERROR", "status": "error", "context": {"ids": [ids[1]]}}],
    }
    account.faults.add(says("POST */batch/update", body))
    outcomes = crm.send(WriteKind.CONTACT_FIELDS, request, 3)
    assert [receipt(outcomes[n]).remote_id for n in (0, 2)] == [ids[0], ids[2]]
    assert isinstance(failure(outcomes[1]), Rejected)


def test_new_contacts_are_known_by_our_key_where_the_answer_names_nothing_else(
    crm: HubSpot, account: simulator.HubSpot
) -> None:
    crm.prepare()
    rows = [{"id": f"5{number}", "properties": {PERSON: f"person-{number}"}} for number in (2, 1)]
    account.faults.add(says("POST */batch/create", {"status": "COMPLETE", "results": rows}))
    outcomes = write(crm, WriteKind.CONTACT, person(1), person(2))
    assert [receipt(outcome).remote_id for outcome in outcomes] == ["51", "52"]


def test_a_record_the_answer_leaves_out_is_in_doubt_and_the_last_unnamed_row_is_its(
    crm: HubSpot, account: simulator.HubSpot
) -> None:
    ids = [account.add_contact(lastname=f"S{number}") for number in range(3)]
    changes = [item(f"k{one}", one, csat_health=1) for one in ids]
    request = crm.render(WriteKind.CONTACT_FIELDS, changes)
    unnamed = {"category": "VALIDATION_ERROR", "status": "error"}
    one = {"id": ids[0], "properties": {}}
    account.faults.add(says("POST */batch/update", {"results": [one], "errors": [unnamed]}))
    doubtful = crm.send(WriteKind.CONTACT_FIELDS, request, 3)
    assert [type(failure(outcome)) for outcome in doubtful[1:]] == [InDoubt, InDoubt]
    account.faults.add(says("POST */batch/update", {"results": [one, {"id": ids[1]}], "errors": [unnamed]}))
    told = crm.send(WriteKind.CONTACT_FIELDS, request, 3)
    assert isinstance(failure(told[2]), Rejected)


def test_oauth_tokens_are_refreshed_and_the_newest_refresh_token_is_kept(
    account: simulator.HubSpot, clock: VirtualClock
) -> None:
    oauth = {
        "token": None,
        "client_id": simulator.CLIENT_ID,
        "client_secret": simulator.CLIENT_SECRET,
        "refresh_token": simulator.REFRESH_TOKEN,
    }
    crm = connect(account, clock, None, **oauth)
    for number in range(3):
        assert receipt(write(crm, WriteKind.CONTACT, person(number))[0])
        clock.advance(timedelta(minutes=31))
    assert account.requests.counts()["POST /oauth/2026-03/token"] == 3


def test_what_is_left_of_the_quotas_is_read(account: simulator.HubSpot, clock: VirtualClock) -> None:
    readings: list[QuotaReading] = []
    crm = connect(account, clock, readings)
    write(crm, WriteKind.CONTACT_FIELDS, item("k", account.add_contact(lastname="Sample"), csat_health=1))
    assert [(one.endpoint_class, one.remaining, one.limit) for one in readings] == [("default", 189, 190)]
    assert readings[0].resets_at == NOON + timedelta(seconds=10)


def says(match: str, body: object) -> Fault:
    text = json.dumps(body)
    headers = {"Content-Type": "application/json", "Content-Length": str(len(text))}
    return Fault(match=match, kind=FaultKind.REPLY, message=text, headers=headers)
