"""What the HubSpot adapter reads: the feed of contacts, errors and quotas, and what an account lacks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest

from connector.adapters.hubspot import HubSpot, contacts
from connector.adapters.hubspot.names import KNOWN_FIELDS
from connector.adapters.hubspot.replies import meaning, reply_table, usage
from connector.clock import VirtualClock
from connector.domain.model.intent import Json, WriteKind
from connector.domain.model.person import Contact
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
    Unauthorized,
)
from connector.ports import Page
from connector.simulator import hubspot as simulator
from connector.simulator.faults import Fault, FaultKind
from tests.unit.test_adapter_hubspot import NOON, connect, item, running, write

MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOON)


@pytest.fixture
def account(clock: VirtualClock) -> Iterator[simulator.HubSpot]:
    yield from running(simulator.HubSpot(clock, searches=1000))


@pytest.fixture
def crm(account: simulator.HubSpot, clock: VirtualClock) -> HubSpot:
    return connect(account, clock)


def sweep(crm: HubSpot, cursor: str | None, *fields: str) -> tuple[list[Contact], str]:
    """Pages until the feed rests."""
    records: list[Contact] = []
    for _ in range(100):
        page: Page[Contact] = crm.contacts_since(cursor, fields)
        records += page.records
        cursor = page.cursor
        if not page.more:
            return records, cursor
    raise AssertionError("the feed never rests")


def test_the_first_read_lists_everybody_and_the_next_only_what_changed(
    crm: HubSpot, account: simulator.HubSpot, clock: VirtualClock
) -> None:
    ids = [account.add_contact(lastname=f"S{number}", email=f"p{number}@mail.example") for number in range(230)]
    clock.advance(10 * MINUTE)
    first, cursor = sweep(crm, None)
    assert [contact.id for contact in first] == ids
    assert account.requests.counts()["GET /crm/objects/{version}/{kind}"] == 3
    clock.advance(MINUTE)
    nothing, cursor = sweep(crm, cursor)
    assert nothing == []
    assert crm.contacts_since(None, ()).as_of is None, "a list shows the records themselves"
    account.human_update(ids[7], phone="+49 30 5550100")
    clock.advance(MINUTE)
    page = crm.contacts_since(cursor, ())
    assert page.as_of == clock.now() - 2 * MINUTE, "what was written since may not show in the index"
    changed, cursor = sweep(crm, cursor)
    assert [(contact.id, contact.phone) for contact in changed] == [(ids[7], "+49 30 5550100")]
    clock.advance(10 * MINUTE)
    again, cursor = sweep(crm, cursor)
    assert len(again) == 1, "pages overlap"
    clock.advance(10 * MINUTE)
    assert sweep(crm, cursor)[0] == []


def test_a_contact_is_read_with_values_of_their_types(crm: HubSpot, account: simulator.HubSpot) -> None:
    contact = account.add_contact(
        firstname="Kim",
        lastname="Sample",
        email="Kim@Mail.example",
        mobilephone="+49 170 5550100",
        company="Sample Logistics",
        zip="10115",
        csat_health="81.50",
        csat_answers="3",
        csat_as_of="2026-11-20T10:00:00Z",
        last_service="2026-10-01",
    )
    (read,), _ = sweep(crm, None, "csat_health", "csat_answers", "csat_as_of", "last_service", "csat_band")
    assert (read.id, read.name, read.email, read.phone) == (
        contact,
        "Kim Sample",
        "kim@mail.example",
        "+49 170 5550100",
    )
    assert (read.company, read.postcode) == ("Sample Logistics", "10115")
    assert read.url == f"https://app.hubspot.com/contacts/4711/record/0-1/{contact}"
    assert read.modified_at == NOON
    assert read.values == {
        "csat_health": 81.5,
        "csat_answers": 3,
        "csat_as_of": "2026-11-20T10:00:00.000Z",
        "last_service": "2026-10-01",
        "csat_band": None,
    }


def test_what_we_wrote_reads_back_as_we_wrote_it(crm: HubSpot, account: simulator.HubSpot) -> None:
    contact = account.add_contact(lastname="Sample")
    wrote: dict[str, Json] = {"csat_health": 77, "csat_trend": -3.25, "csat_band": "healthy", "csat_answers": 4}
    write(crm, WriteKind.CONTACT_FIELDS, item("k", contact, **wrote))
    (read,), _ = sweep(crm, None, *wrote)
    assert read.values == wrote


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("", "number", None),
        ("-0.5", "number", -0.5),
        ("true", "bool", True),
        ("1763632800000", "datetime", "2025-11-20T10:00:00+00:00"),
        ("1763596800000", "date", "2025-11-20"),
        ("2026-10-01T00:00:00Z", "date", "2026-10-01"),
        ("17", "string", "17"),
        (None, "string", None),
    ],
)
def test_values_by_type(text: str | None, kind: str, value: Json) -> None:
    assert contacts.typed(text, kind) == value


def test_a_merge_names_its_losers_and_the_survivor(
    crm: HubSpot, account: simulator.HubSpot, clock: VirtualClock
) -> None:
    winner, loser, third = (account.add_contact(lastname=f"S{number}") for number in range(3))
    _, cursor = sweep(crm, None)
    account.merge(winner, loser)
    account.merge(winner, third)
    clock.advance(MINUTE)
    seen, _ = sweep(crm, cursor)
    assert {(one.id, one.merged_into) for one in seen if one.merged_into} == {(loser, winner), (third, winner)}
    assert not any(one.deleted for one in seen)


def test_deleted_contacts_are_noticed_within_the_hour(
    crm: HubSpot, account: simulator.HubSpot, clock: VirtualClock
) -> None:
    stays, goes = (account.add_contact(lastname=f"S{number}") for number in range(2))
    _, cursor = sweep(crm, None)
    account.human_delete(goes)
    gone: set[str] = set()
    for _ in range(62):
        clock.advance(MINUTE)
        seen, cursor = sweep(crm, cursor)
        gone |= {one.id for one in seen if one.deleted}
    assert gone == {goes}
    assert account.requests.counts()["GET /crm/objects/{version}/{kind}"] == 2, "the first read, and one in the hour"
    assert stays not in gone


def test_the_hourly_look_at_deleted_contacts_follows_the_other_at_once(
    crm: HubSpot, account: simulator.HubSpot, clock: VirtualClock
) -> None:
    goes = account.add_contact(lastname="S")
    _, cursor = sweep(crm, None)
    account.human_delete(goes)
    clock.advance(61 * MINUTE)
    seen, _ = sweep(crm, cursor)
    assert [(one.id, one.deleted) for one in seen] == [(goes, True)]


def test_more_than_a_search_can_count_is_read_though_all_changed_in_one_instant(
    clock: VirtualClock,
) -> None:
    for account in running(simulator.HubSpot(clock, searches=1000, burst=100_000)):
        crm = connect(account, clock)
        _, cursor = sweep(crm, None)
        ids = {account.add_contact(lastname="S") for _ in range(10_050)}
        clock.advance(MINUTE)
        seen, _ = sweep(crm, cursor)
        assert {one.id for one in seen} == ids
        assert len(seen) == len(ids)


def test_whoever_changes_while_a_sweep_runs_is_read_by_it_or_the_next(
    account: simulator.HubSpot, crm: HubSpot, clock: VirtualClock
) -> None:
    _, cursor = sweep(crm, None)
    clock.advance(10 * MINUTE)
    ids = [account.add_contact(lastname="S") for _ in range(500)]
    clock.advance(MINUTE)
    one = crm.contacts_since(cursor, ())
    assert one.more
    account.human_update(ids[0], lastname="Changed")
    clock.advance(30 * MINUTE)  # a slow sweep
    rest, cursor = sweep(crm, one.cursor)
    assert {contact.id for contact in [*one.records, *rest]} == set(ids)
    clock.advance(MINUTE)
    later, _ = sweep(crm, cursor)
    assert "Changed" in {contact.name for contact in later}


def test_the_earlier_clock_counts() -> None:
    theirs = {"date": "Sat, 21 Nov 2026 11:00:00 GMT"}
    assert contacts.earlier(NOON, theirs) == NOON - timedelta(hours=1)
    assert contacts.earlier(NOON - timedelta(hours=2), theirs) == NOON - timedelta(hours=2)
    assert contacts.earlier(NOON, {}) == contacts.earlier(NOON, {"date": "soon"}) == NOON


@pytest.mark.parametrize(("lag", "minutes"), [(1, 4), (30, 125)])
def test_a_late_index_hides_nobody(
    account: simulator.HubSpot, crm: HubSpot, clock: VirtualClock, lag: int, minutes: int
) -> None:
    """Whom the search shows within two minutes is read at once, whom it shows later within two hours."""
    account.portal.search_lag = lag * MINUTE
    _, cursor = sweep(crm, None)
    clock.advance(10 * MINUTE)
    contact = account.add_contact(lastname="Late")
    seen: set[str] = set()
    for _ in range(minutes):
        clock.advance(MINUTE)
        records, cursor = sweep(crm, cursor)
        seen |= {one.id for one in records}
    assert seen == {contact}


def body(**parts: object) -> bytes:
    return json.dumps({"status": "error", "message": "words about Kim Lund", **parts}).encode()


@pytest.mark.parametrize(
    ("status", "headers", "parts", "kind", "wait"),
    [
        (429, {}, {"policyName": "SECONDLY"}, Throttled, timedelta(seconds=1)),
        (429, {}, {"policyName": "TEN_SECONDLY_ROLLING"}, Throttled, timedelta(seconds=10)),
        (429, {"retry-after": "999999"}, {"policyName": "TEN_SECONDLY_ROLLING"}, Throttled, timedelta(hours=1)),
        (429, {}, {}, Throttled, timedelta(seconds=10)),
        (429, {"retry-after": "7"}, {"policyName": "SECONDLY"}, Throttled, timedelta(seconds=7)),
        (429, {}, {"policyName": "DAILY"}, QuotaExhausted, timedelta(hours=1)),
        (423, {}, {}, Throttled, timedelta(seconds=2)),
        (477, {"retry-after": "43200"}, {}, Throttled, timedelta(hours=12)),
        (477, {"retry-after": "999999"}, {}, Throttled, timedelta(hours=24)),
        (477, {}, {}, Throttled, timedelta(hours=1)),
    ],
)
def test_when_to_come_back(
    clock: VirtualClock,
    status: int,
    headers: dict[str, str],
    parts: dict[str, str],
    kind: type[Throttled | QuotaExhausted],
    wait: timedelta,
) -> None:
    error = reply_table(clock)(status, headers, body(**parts))
    assert type(error) is kind
    until = error.retry_at if isinstance(error, Throttled) else error.until
    assert until - NOON == wait


TAKEN = {"category": "VALIDATION_ERROR", "message": 'Cannot set propertyName=csat_key. "7" already has that value.'}
NOT_A_NUMBER = (
    'Property values were not valid: [{"isValid":false,"message":"was not","error":"INVALID_DOUBLE","name":"x_y"}]'
)


@pytest.mark.parametrize(
    ("status", "parts", "kind"),
    [
        (400, {"category": "VALIDATION_ERROR"}, Rejected),
        (400, TAKEN, Conflict),
        (409, {"category": "CONFLICT"}, Conflict),
        (409, {}, Conflict),
        (404, {"category": "OBJECT_NOT_FOUND"}, Gone),
        (400, {"category": "VALIDATION_ERROR", "subCategory": "crm.associations.INVALID_OBJECT_IDS"}, Gone),
        (403, {"category": "MISSING_SCOPES"}, Unauthorized),
        (401, {"category": "EXPIRED_AUTHENTICATION"}, None),
        (500, {"category": "INTERNAL_ERROR"}, None),
        (502, {}, None),
        (524, {}, None),
    ],
)
def test_whole_replies(clock: VirtualClock, status: int, parts: dict[str, str], kind: type[RemoteError] | None) -> None:
    error = reply_table(clock)(status, {}, body(**parts))
    assert error is None if kind is None else type(error) is kind


@pytest.mark.parametrize(
    ("parts", "kind"),
    [
        ({"category": "VALIDATION_ERROR"}, Rejected),
        ({"category": "CONFLICT"}, Conflict),
        ({"category": "OBJECT_ALREADY_EXISTS"}, Conflict),
        ({"category": "OBJECT_NOT_FOUND"}, Gone),
        ({"category": "MISSING_SCOPES"}, Unauthorized),
        ({"category": "RATE_LIMITS"}, Locked),
        ({"category": "INTERNAL_ERROR"}, InDoubt),
        ({"category": "SOMETHING_NEW"}, Rejected),
        ({}, Rejected),
    ],
)
def test_single_records(parts: dict[str, str], kind: type[RemoteError]) -> None:
    assert type(meaning(parts)) is kind


def test_the_property_and_the_code_are_told_wherever_they_stand(clock: VirtualClock) -> None:
    read = reply_table(clock)
    inside = read(400, {}, body(category="VALIDATION_ERROR", message=NOT_A_NUMBER))
    listed = read(
        400, {}, body(errors=[{"code": "INVALID_DOUBLE", "context": {"propertyName": ["x_y"]}, "message": "Kim Lund"}])
    )
    for error in (inside, listed):
        assert isinstance(error, Rejected)
        assert error.field == "x_y"
        assert "INVALID_DOUBLE" in str(error)
    scopes = read(403, {}, body(category="MISSING_SCOPES", context={"missingScopes": ["crm.objects.contacts.write"]}))
    assert "crm.objects.contacts.write" in str(scopes)


def test_the_limit_with_least_room_is_the_reading(clock: VirtualClock) -> None:
    read = usage(clock)
    burst = {
        "x-hubspot-ratelimit-max": "190",
        "x-hubspot-ratelimit-remaining": "100",
        "x-hubspot-ratelimit-interval-milliseconds": "10000",
    }
    day = {"x-hubspot-ratelimit-daily": "1000", "x-hubspot-ratelimit-daily-remaining": "10"}
    nearly_over = read({**burst, **day})
    assert nearly_over is not None
    assert (nearly_over.remaining, nearly_over.limit, nearly_over.resets_at) == (10, 1000, None)
    busy = read({**burst, **day, "x-hubspot-ratelimit-daily-remaining": "900"})
    assert busy is not None
    assert (busy.remaining, busy.limit) == (100, 190)
    assert read({}) is None


def test_an_account_that_is_ready_has_no_findings(crm: HubSpot) -> None:
    written = {
        WriteKind.CONTACT: frozenset({"lastname", "email"}),
        WriteKind.CONTACT_FIELDS: frozenset({"csat_health", "csat_band", "csat_as_of"}),
        WriteKind.ACTIVITY: frozenset({"contact_id", "hs_note_body"}),
        WriteKind.TASK: frozenset({"contact_id", "hs_task_subject"}),
    }
    assert list(crm.describe(written)) == []


def test_what_an_account_lacks_is_found(clock: VirtualClock) -> None:
    for account in running(simulator.HubSpot(clock, bare=True)):
        crm = connect(account, clock)
        found = crm.describe(
            {
                WriteKind.CONTACT: frozenset({"email", "lastmodifieddate"}),
                WriteKind.CONTACT_FIELDS: frozenset({"csat_health"}),
                WriteKind.TASK: frozenset({"hs_task_subject"}),
            }
        )
        assert {(one.subject, one.blocking) for one in found} == {
            ("contacts.lastmodifieddate", True),
            ("contacts.csat_health", True),
            ("contacts.csat_person", True),
            ("task", False),
            ("tasks.csat_key", False),
        }
        assert all(one.fix for one in found)
        assert any("as number" in one.fix for one in found)


def test_types_and_drop_downs_are_judged(crm: HubSpot, account: simulator.HubSpot) -> None:
    properties = [
        {"name": "csat_health", "type": "string"},
        {"name": "csat_band", "type": "enumeration", "options": []},
        {"name": "csat_person", "type": "string", "hasUniqueValue": False},
        {"name": "email", "type": "string"},
    ]
    answer = json.dumps({"results": properties})
    headers = {"Content-Type": "application/json", "Content-Length": str(len(answer))}
    account.faults.add(
        Fault(match="GET */properties/*/contacts", kind=FaultKind.REPLY, message=answer, headers=headers)
    )
    wanted = {
        WriteKind.CONTACT_FIELDS: frozenset({"csat_health", "csat_band"}),
        WriteKind.CONTACT: frozenset({"email"}),
    }
    found = crm.describe(wanted)
    assert [one.subject for one in found] == ["contacts.csat_band", "contacts.csat_health", "contacts.csat_person"]
    assert all(one.blocking for one in found)


def test_missing_scopes_are_a_finding_and_refused_credentials_are_an_error(clock: VirtualClock) -> None:
    for account in running(simulator.HubSpot(clock, scopes=frozenset({"crm.objects.contacts.read"}))):
        found = connect(account, clock).describe({WriteKind.CONTACT: frozenset({"email"})})
        assert [one.subject for one in found] == ["scopes for contacts", "scopes for notes", "scopes for tasks"]
        assert all("crm.schemas.contacts.read" in one.message for one in found)
        with pytest.raises(Unauthorized):
            connect(account, clock, token="pat-na1-another").describe({})


def test_what_cannot_be_read_now_is_read_later(crm: HubSpot, account: simulator.HubSpot) -> None:
    account.faults.add(Fault(match="GET *", kind=FaultKind.REFUSE, status=502, times=None))
    with pytest.raises(Transient):
        crm.contacts_since(None, ())


def test_our_word_for_the_contact_is_a_field_of_what_hangs_on_one() -> None:
    assert {kind for kind, names in KNOWN_FIELDS.items() if "contact_id" in names} == {
        WriteKind.ACTIVITY,
        WriteKind.TASK,
    }
