"""The Salesforce adapter's writes and questions, against the strict simulator."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from connector.adapters.salesforce import Options, Salesforce
from connector.adapters.salesforce.names import KEY_FIELD, PERSON_FIELD
from connector.clock import VirtualClock
from connector.domain.model.intent import Item, Json, Receipt, WriteKind
from connector.errors import (
    Conflict,
    Gone,
    InDoubt,
    Locked,
    QuotaExhausted,
    Rejected,
    RemoteError,
    Throttled,
    Transient,
)
from connector.ports import Contacts, Describable, Failed, Outcome, Preparing, Writer
from connector.secret import Secret
from connector.simulator import salesforce as simulator
from connector.simulator.faults import Fault, FaultKind
from connector.transport.client import QuotaReading
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
CANARY = "canary-7431@mail.example"
COLLECTIONS = "/services/data/v67.0/composite/sobjects"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOON)


@pytest.fixture
def org(clock: VirtualClock) -> Iterator[simulator.Salesforce]:
    org = simulator.Salesforce(clock)
    org.start()
    yield org
    org.stop()


def connect(
    org: simulator.Salesforce, clock: VirtualClock, readings: list[QuotaReading] | None = None, **options: object
) -> Salesforce:
    given = Options.model_validate(
        {
            "domain": "acme.my.salesforce.com",
            "client_id": simulator.CLIENT_ID,
            "client_secret": simulator.CLIENT_SECRET,
            "base_url": org.site.base_url,
            "timeout": 5,
            **options,
        }
    )
    seen = [] if readings is None else readings
    kit = Kit(clock=clock, token_store=MemoryTokens(clock), on_reading=lambda _, reading: seen.append(reading))
    return Salesforce("crm", given, kit)


@pytest.fixture
def crm(org: simulator.Salesforce, clock: VirtualClock) -> Salesforce:
    return connect(org, clock)


def item(key: str, target: str | None = None, **fields: Json) -> Item:
    return Item(key=key, target=target, fields=fields, cause_at=NOON)


def person(number: int, **fields: Json) -> Item:
    values: dict[str, Json] = {"LastName": f"Sample{number}", "Email": f"p{number}@mail.example", **fields}
    return Item(key=f"person-{number}", target=None, fields=values, cause_at=NOON)


def task(key: str, contact: str, **fields: Json) -> Item:
    return Item(key=key, target=None, fields={"WhoId": contact, **fields}, cause_at=NOON)


def write(crm: Salesforce, kind: WriteKind, *items: Item) -> list[Outcome]:
    request = crm.render(kind, items)
    return list(crm.send(kind, request, len(items)))


def receipt(outcome: Outcome) -> Receipt:
    assert isinstance(outcome, Receipt)
    return outcome


def failure(outcome: Outcome) -> RemoteError:
    assert isinstance(outcome, Failed)
    return outcome.error


def held(org: simulator.Salesforce, name: str) -> Mapping[str, Mapping[str, object]]:
    found: Mapping[str, Mapping[str, object]] = org.truth["objects"].get(name, {})
    return {key: row for key, row in found.items() if not row.get("IsDeleted")}


def test_it_fills_its_roles(crm: Salesforce) -> None:
    for role in (Writer, Contacts, Describable, Preparing):
        assert isinstance(crm, role)
    assert crm.account == "salesforce:acme"


def test_a_sandbox_is_another_account() -> None:
    given = Options(domain="acme--uat.sandbox.my.salesforce.com", client_id="x", client_secret=Secret("secret"))
    assert given.account == "salesforce:acme--uat.sandbox"
    assert given.url == "https://acme--uat.sandbox.my.salesforce.com"


def test_contacts_are_upserted_in_one_call_and_the_same_person_twice_is_one_contact(
    crm: Salesforce, org: simulator.Salesforce
) -> None:
    first = write(crm, WriteKind.CONTACT, person(1), person(2))
    again = write(crm, WriteKind.CONTACT, person(1), person(2))
    assert [receipt(outcome).created for outcome in first] == [True, True]
    assert [receipt(outcome).created for outcome in again] == [False, False]
    assert [receipt(outcome).remote_id for outcome in first] == [receipt(outcome).remote_id for outcome in again]
    assert len(held(org, "Contact")) == 2
    assert [call.endpoint for call in org.requests.writes()] == [
        "PATCH /services/data/{version}/composite/sobjects/{object}/{field}"
    ] * 2


def test_a_receipt_names_the_record_its_page_and_the_values_it_holds(crm: Salesforce) -> None:
    made = receipt(write(crm, WriteKind.CONTACT, person(1, Phone="+49 30 5550100"))[0])
    assert made.url is not None
    assert made.url.endswith(f"/lightning/r/Contact/{made.remote_id}/view")
    assert made.values == {"LastName": "Sample1", "Email": "p1@mail.example", "Phone": "+49 30 5550100"}


def test_each_record_of_a_batch_has_its_own_outcome(crm: Salesforce, org: simulator.Salesforce) -> None:
    long = person(2, FirstName="x" * 60)
    nameless = item("person-3", Email="p3@mail.example")
    outcomes = write(crm, WriteKind.CONTACT, person(1), long, nameless, person(4))
    assert isinstance(outcomes[0], Receipt)
    assert isinstance(outcomes[3], Receipt)
    for outcome, field in ((outcomes[1], "FirstName"), (outcomes[2], "LastName")):
        error = failure(outcome)
        assert isinstance(error, Rejected)
        assert error.field == field
    assert len(held(org, "Contact")) == 2


def test_errors_repeat_no_value_that_was_sent(crm: Salesforce, org: simulator.Salesforce) -> None:
    refused = [
        failure(write(crm, WriteKind.CONTACT, person(1, FirstName=CANARY * 3))[0]),
        failure(write(crm, WriteKind.CONTACT, item("person-2", LastName="S", Email=f"{CANARY} oops"))[0]),
    ]
    with pytest.raises(Rejected) as caught:
        write(crm, WriteKind.CONTACT, person(3, No_Such__c=CANARY))
    org.faults.add(
        Fault(
            match="PATCH *", kind=FaultKind.REFUSE, status=400, code="STRING_TOO_LONG", message="too large: Canary Kim"
        )
    )
    with pytest.raises(Rejected) as quoted:
        write(crm, WriteKind.CONTACT, person(4))
    for error in [*refused, caught.value, quoted.value]:
        assert isinstance(error, Rejected)
        assert "canary" not in f"{error} {error.reply} {error.field} {error!r}".lower()


def test_null_clears_a_field_and_absent_leaves_it(crm: Salesforce, org: simulator.Salesforce) -> None:
    contact = org.add_contact(LastName="Sample", CSAT_Band__c="at_risk", CSAT_Reason__c="late")
    (outcome,) = write(crm, WriteKind.CONTACT_FIELDS, item("k", contact, CSAT_Band__c=None, CSAT_Health__c=71.25))
    row = held(org, "Contact")[contact]
    assert (row["CSAT_Band__c"], row["CSAT_Reason__c"], row["CSAT_Health__c"]) == (None, "late", 71.25)
    assert receipt(outcome).values == {"CSAT_Band__c": None, "CSAT_Health__c": 71.25}


def test_fields_of_a_merged_contact_come_back_as_gone_with_its_successor(
    crm: Salesforce, org: simulator.Salesforce
) -> None:
    winner, loser, alive, deleted = (org.add_contact(LastName=f"S{number}") for number in range(4))
    org.merge(winner, loser)
    org.human_delete(deleted)
    outcomes = write(
        crm, WriteKind.CONTACT_FIELDS, *(item(key, key, CSAT_Health__c=50) for key in (loser, alive, deleted))
    )
    assert isinstance(outcomes[1], Receipt)
    moved, vanished = failure(outcomes[0]), failure(outcomes[2])
    assert isinstance(moved, Gone)
    assert (moved.moved_from, moved.moved_to) == (loser, winner)
    assert isinstance(vanished, Gone)
    assert vanished.moved_to is None


@pytest.mark.parametrize("is_keyed", [True, False])
def test_a_task_is_not_taken_for_the_contact_it_hangs_on(clock: VirtualClock, is_keyed: bool) -> None:
    org = simulator.Salesforce(clock, task_key=is_keyed)
    org.start()
    try:
        crm = connect(org, clock)
        winner, loser = (org.add_contact(LastName=f"S{number}") for number in range(2))
        crm.prepare()
        (made,) = write(crm, WriteKind.ACTIVITY, task("answer-1", loser, Subject="CSAT 2 of 5"))
        org.merge(winner, loser)
        change = replace(task("answer-1", loser, Subject="CSAT 5 of 5"), target=receipt(made).remote_id)
        (outcome,) = write(crm, WriteKind.ACTIVITY, change)
    finally:
        org.stop()
    gone = failure(outcome)
    assert isinstance(gone, Gone)
    assert (gone.moved_from, gone.moved_to) == (loser, winner)


def test_a_failing_look_for_the_successor_hides_no_outcome(crm: Salesforce, org: simulator.Salesforce) -> None:
    winner, loser = org.add_contact(LastName="W"), org.add_contact(LastName="L")
    org.merge(winner, loser)
    org.faults.add(Fault(match="GET *queryAll*", kind=FaultKind.REFUSE, status=503, times=None))
    outcomes = write(
        crm, WriteKind.CONTACT_FIELDS, item("l", loser, CSAT_Health__c=1), item("w", winner, CSAT_Health__c=2)
    )
    again = failure(outcomes[0])
    assert isinstance(again, Transient), "deleted or merged, nobody knows yet: it must not be given up"
    assert again.request_id
    assert isinstance(outcomes[1], Receipt)


def test_tasks_are_upserted_by_our_key_and_hang_on_the_contact(crm: Salesforce, org: simulator.Salesforce) -> None:
    contact = org.add_contact(LastName="Sample")
    crm.prepare()
    assert crm.promises[WriteKind.TASK].native
    first = write(crm, WriteKind.TASK, task("step-1", contact, Subject="Call back", ActivityDate="2026-11-23"))
    again = write(crm, WriteKind.TASK, task("step-1", contact, Subject="Call back", ActivityDate="2026-11-24"))
    assert receipt(first[0]).remote_id == receipt(again[0]).remote_id
    (row,) = held(org, "Task").values()
    assert (row["WhoId"], row["ActivityDate"], row[KEY_FIELD]) == (contact, "2026-11-24", "step-1")


def test_an_edited_answer_replaces_the_text_on_the_timeline(crm: Salesforce, org: simulator.Salesforce) -> None:
    contact = org.add_contact(LastName="Sample")
    for text in ("2 of 5", "5 of 5"):
        write(crm, WriteKind.ACTIVITY, task("answer-1", contact, Subject=text, Status="Completed", Priority="Normal"))
    assert [row["Subject"] for row in held(org, "Task").values()] == ["5 of 5"]


def test_without_our_key_tasks_carry_a_marker_and_are_found_by_it(clock: VirtualClock) -> None:
    org = simulator.Salesforce(clock, task_key=False)
    org.start()
    try:
        crm = connect(org, clock)
        contact = org.add_contact(LastName="Sample")
        one, two = (
            task(f"step-{n}", contact, Subject="Call back", Description="Said: no\nThemes: none") for n in (1, 2)
        )
        assert crm.promises[WriteKind.TASK].ask_first
        assert [found.receipts for found in crm.ask(WriteKind.TASK, [one, two])] == [(), ()]
        made = receipt(write(crm, WriteKind.TASK, one)[0])
        found, missing = crm.ask(WriteKind.TASK, [one, two])
        assert [hit.remote_id for hit in found.receipts] == [made.remote_id]
        assert missing.receipts == ()
        assert not crm.promises[WriteKind.TASK].native
        assert str(held(org, "Task")[made.remote_id]["Description"]).splitlines()[-1] == "csat-connector step-1"
        write(crm, WriteKind.TASK, item("step-1", made.remote_id, Description="Said: yes"))
        write(crm, WriteKind.TASK, item("step-1", made.remote_id, Subject="Done"))
        (row,) = held(org, "Task").values()
        assert (row["Subject"], row["Description"]) == ("Done", "Said: yes\n\ncsat-connector step-1")
    finally:
        org.stop()


def test_an_upsert_rendered_before_the_org_was_known_is_not_sent_without_the_key(clock: VirtualClock) -> None:
    org = simulator.Salesforce(clock, task_key=False)
    org.start()
    try:
        crm = connect(org, clock)
        contact = org.add_contact(LastName="Sample")
        early = crm.render(WriteKind.TASK, [task("step-1", contact, Subject="x")])
        with pytest.raises(Transient):
            crm.send(WriteKind.TASK, early, 1)
        assert org.requests.writes() == []
        write(crm, WriteKind.TASK, task("step-1", contact, Subject="x"))
        assert len(held(org, "Task")) == 1
    finally:
        org.stop()


@pytest.mark.parametrize("kind", [WriteKind.CONTACT, WriteKind.TASK, WriteKind.ACTIVITY])
def test_a_write_whose_answer_was_lost_is_found_by_asking(
    crm: Salesforce, org: simulator.Salesforce, kind: WriteKind
) -> None:
    contact = org.add_contact(LastName="Sample")
    thing = person(1) if kind is WriteKind.CONTACT else task("thing-1", contact, Subject="x")
    crm.prepare()
    org.faults.add(Fault(match=f"PATCH {COLLECTIONS}/*", kind=FaultKind.RESET_AFTER_COMMIT))
    with pytest.raises(InDoubt):
        write(crm, kind, thing)
    (found,) = crm.ask(kind, [thing])
    again = receipt(write(crm, kind, thing)[0])
    assert [hit.remote_id for hit in found.receipts] == [again.remote_id]
    assert again.created is False


def test_a_contact_is_found_by_its_address_in_any_case_and_two_of_them_are_two(
    crm: Salesforce, org: simulator.Salesforce
) -> None:
    known = org.add_contact(LastName="Known", Email="P1@Mail.example")
    twins = {org.add_contact(LastName="Twin", Email="p2@mail.example") for _ in range(2)}
    loud = person(1, Email="p1@MAIL.example")
    one, two, three = crm.ask(WriteKind.CONTACT, [loud, person(2), person(3)])
    assert [hit.remote_id for hit in one.receipts] == [known]
    assert {hit.remote_id for hit in two.receipts} == twins
    assert three.receipts == ()


def test_our_key_decides_before_the_address(crm: Salesforce, org: simulator.Salesforce) -> None:
    ours = org.add_contact(LastName="Ours", Email="old@mail.example", **{PERSON_FIELD: "person-1"})
    org.add_contact(LastName="Other", Email="p1@mail.example")
    (found,) = crm.ask(WriteKind.CONTACT, [person(1)])
    assert [hit.remote_id for hit in found.receipts] == [ours]


def crowd(count: int) -> list[Item]:
    return [
        item(f"{n:064d}", LastName="S", Email=f"somebody.with.a.long.name.{n}@subsidiary.example") for n in range(count)
    ]


def asked(org: simulator.Salesforce) -> list[str]:
    """The ends of the endpoints at which something was asked."""
    ends = [call.endpoint.rpartition("/")[2] for call in org.requests.entries()]
    return [end for end in ends if end in {"query", "composite"}]


@pytest.mark.parametrize(("count", "calls"), [(60, ["query"]), (200, ["composite"]), (600, ["composite"] * 2)])
def test_a_question_about_many_people_fits_the_uri_of_each_query_and_takes_few_calls(
    crm: Salesforce, org: simulator.Salesforce, count: int, calls: list[str]
) -> None:
    people = crowd(count)
    known = [org.add_contact(LastName="S", Email=str(people[n].fields["Email"])) for n in (0, -1)]
    answers = crm.ask(WriteKind.CONTACT, people)
    assert len(answers) == count
    assert [[hit.remote_id for hit in answers[n].receipts] for n in (0, -1)] == [[one] for one in known]
    assert sum(len(answer.receipts) for answer in answers) == 2
    assert asked(org) == calls


def test_tasks_are_asked_for_together_too(crm: Salesforce, org: simulator.Salesforce) -> None:
    contact = org.add_contact(LastName="S")
    tasks = [item(f"{n:0100d}", Subject="Call", WhoId=contact) for n in range(200)]
    made = receipt(write(crm, WriteKind.TASK, tasks[-1])[0])
    answers = crm.ask(WriteKind.TASK, tasks)
    assert [[hit.remote_id for hit in answer.receipts] for answer in answers] == [[]] * 199 + [[made.remote_id]]
    assert asked(org) == ["composite"]


def test_answers_to_queries_of_one_call_may_have_further_pages(crm: Salesforce, org: simulator.Salesforce) -> None:
    org.page = 2
    people = crowd(200)
    for one in people[:5]:
        org.add_contact(LastName="S", Email=str(one.fields["Email"]))
    answers = crm.ask(WriteKind.CONTACT, people)
    assert [len(answer.receipts) for answer in answers] == [1] * 5 + [0] * 195


def test_a_query_refused_among_others_leaves_the_question_unanswered(
    crm: Salesforce, org: simulator.Salesforce
) -> None:
    del org.org.schemas["Contact"][PERSON_FIELD]
    with pytest.raises(Rejected) as caught:
        crm.ask(WriteKind.CONTACT, crowd(200))
    assert caught.value.operation == "POST /services/data/v67.0/composite"
    assert caught.value.request_id
    assert asked(org) == ["composite"]


@pytest.mark.parametrize("body", ["[]", "{}", '{"compositeResponse":[]}', '{"compositeResponse":[{}]}', "7", "null"])
def test_an_answer_to_several_queries_of_another_shape_is_none(
    crm: Salesforce, org: simulator.Salesforce, body: str
) -> None:
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    org.faults.add(Fault(match="POST */composite", kind=FaultKind.REPLY, message=body, headers=headers))
    with pytest.raises(Transient):
        crm.ask(WriteKind.CONTACT, crowd(200))


def test_what_looks_like_a_reference_travels_apart(crm: Salesforce, org: simulator.Salesforce) -> None:
    people = [*crowd(200), item("person-1", LastName="S", Email="x@{q0.records}.example")]
    assert not any(answer.receipts for answer in crm.ask(WriteKind.CONTACT, people))
    assert set(asked(org)) == {"query"}


def test_quotes_in_a_value_are_data(crm: Salesforce, org: simulator.Salesforce) -> None:
    org.add_contact(LastName="Other", Email="other@mail.example")
    tricky = item("person-1", LastName="O'Sample", Email="x' OR Email LIKE '%")
    (found,) = crm.ask(WriteKind.CONTACT, [tricky])
    assert found.receipts == ()


@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        (500, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record", Locked),
        (400, "UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record", Locked),
        (403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", QuotaExhausted),
        (403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded.", Throttled),
        (503, "SERVER_UNAVAILABLE", "server unavailable", Transient),
        (500, "UNKNOWN_EXCEPTION", "An unexpected error occurred", InDoubt),
        (404, "NOT_FOUND", "Provided external ID field does not exist or is not accessible", Rejected),
    ],
)
def test_a_whole_refusal_is_read_by_its_code(
    crm: Salesforce, org: simulator.Salesforce, status: int, code: str, message: str, kind: type[RemoteError]
) -> None:
    org.faults.add(
        Fault(match=f"PATCH {COLLECTIONS}/*", kind=FaultKind.REFUSE, status=status, code=code, message=message)
    )
    with pytest.raises(kind) as caught:
        write(crm, WriteKind.CONTACT, person(1))
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        ("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access", Locked),
        ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "trigger: UNABLE_TO_LOCK_ROW", Locked),
        ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "trigger: no", Rejected),
        ("DUPLICATE_VALUE", "duplicate value found", Conflict),
        ("UNKNOWN_EXCEPTION", "x", Transient),
        ("SOMETHING_NEW", "x", Rejected),
    ],
)
def test_a_refused_record_is_read_by_its_code(
    crm: Salesforce, org: simulator.Salesforce, code: str, message: str, kind: type[RemoteError]
) -> None:
    org.faults.add(
        Fault(match=f"PATCH {COLLECTIONS}/*", kind=FaultKind.RECORD_ERRORS, records=(1,), code=code, message=message)
    )
    first, second = write(crm, WriteKind.CONTACT, person(1), person(2))
    assert isinstance(first, Receipt)
    assert type(failure(second)) is kind


def test_a_duplicate_rule_is_a_conflict(clock: VirtualClock) -> None:
    org = simulator.Salesforce(clock, duplicate_rule=True)
    org.start()
    try:
        org.add_contact(LastName="Known", Email="p1@mail.example")
        (outcome,) = write(connect(org, clock), WriteKind.CONTACT, person(1))
        assert isinstance(failure(outcome), Conflict)
    finally:
        org.stop()


def test_an_answer_that_covers_fewer_records_leaves_the_write_in_doubt(
    crm: Salesforce, org: simulator.Salesforce
) -> None:
    request = crm.render(WriteKind.CONTACT, [person(1), person(2)])
    with pytest.raises(InDoubt):
        crm.send(WriteKind.CONTACT, request, 3)


def test_a_torn_answer_leaves_a_write_in_doubt_and_fails_a_question_as_ours(
    crm: Salesforce, org: simulator.Salesforce
) -> None:
    org.faults.add(Fault(match=f"PATCH {COLLECTIONS}/*", kind=FaultKind.TORN))
    with pytest.raises(InDoubt):
        write(crm, WriteKind.CONTACT, person(1))
    org.faults.add(Fault(match="GET */query*", kind=FaultKind.TORN, times=None))
    with pytest.raises(Transient):
        crm.ask(WriteKind.CONTACT, [person(1)])


def test_usage_is_read_from_every_reply(org: simulator.Salesforce, clock: VirtualClock) -> None:
    readings: list[QuotaReading] = []
    crm = connect(org, clock, readings)
    write(crm, WriteKind.CONTACT, person(1))
    crm.ask(WriteKind.CONTACT, [person(1)])
    assert [(reading.endpoint_class, reading.remaining, reading.limit) for reading in readings] == [
        ("api", 99_999, 100_000),
        ("api", 99_998, 100_000),
    ]


def test_an_expired_session_is_renewed_under_a_write(
    crm: Salesforce, org: simulator.Salesforce, clock: VirtualClock
) -> None:
    write(crm, WriteKind.CONTACT, person(1))
    clock.advance(timedelta(hours=3))
    write(crm, WriteKind.CONTACT, person(2))
    assert len(held(org, "Contact")) == 2


def test_a_rendered_body_is_the_same_bytes_each_time(crm: Salesforce) -> None:
    request = crm.render(WriteKind.CONTACT, [person(1, FirstName="Zoë")])
    assert request == crm.render(WriteKind.CONTACT, [person(1, FirstName="Zoë")])
    assert json.loads(request.body) == {
        "allOrNone": False,
        "records": [
            {
                "attributes": {"type": "Contact"},
                PERSON_FIELD: "person-1",
                "LastName": "Sample1",
                "Email": "p1@mail.example",
                "FirstName": "Zoë",
            }
        ],
    }


@pytest.mark.parametrize("key", ["Person-1", "x" * 65])
def test_a_key_the_field_would_confuse_is_hashed(crm: Salesforce, key: str) -> None:
    (record,) = json.loads(crm.render(WriteKind.CONTACT, [item(key, LastName="S")]).body)["records"]
    assert len(record[PERSON_FIELD]) == 64
    assert record[PERSON_FIELD] != key
