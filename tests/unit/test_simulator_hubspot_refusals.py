"""Every refusal of the HubSpot simulator, provoked by the bad request itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from connector.simulator.hubspot import REFUSALS
from connector.simulator.hubspot_refusals import POLICIES, SUB_CATEGORIES, VALUES
from tests.unit.hubspot_rig import CONTACTS, DUE, OBJECTS, PAIRS, PROPERTIES, TASKS, Rig, rigged
from tests.unit.simulator_calls import FORM_TYPE, JSON_TYPE, Got

Case = Callable[[Rig], Got]
NOBODY = "987654"
FIELD = {"name": "csat_new", "label": "New", "groupName": "csat", "type": "string", "fieldType": "text"}


@pytest.fixture
def rig() -> Iterator[Rig]:
    with rigged(burst=12, daily=30, searches=2) as made:
        yield made


def expired(rig: Rig) -> Got:
    rig.caller.token = rig.refresh().data["access_token"]
    assert rig.get(CONTACTS).status == 200
    rig.clock.advance(timedelta(minutes=30))
    return rig.create(email="ada@example.com")


def revoked(rig: Rig) -> Got:
    rig.hubspot.gate.revoked = True
    return rig.create(email="ada@example.com")


def nobody(rig: Rig) -> Got:
    rig.caller.token = ""
    return rig.create(email="ada@example.com")


def used_refresh(rig: Rig) -> Got:
    newer = rig.refresh().data["refresh_token"]
    assert rig.refresh(refresh_token=newer).status == 200
    return rig.refresh()


def unscoped(rig: Rig) -> Got:
    rig.hubspot.gate.scopes = frozenset({"crm.objects.contacts.read"})
    return rig.create(email="ada@example.com")


def too_fast(rig: Rig) -> Got:
    for _ in range(12):
        assert rig.get(CONTACTS).status == 200
    return rig.create(email="ada@example.com")


def spent(rig: Rig) -> Got:
    for number in range(30):
        if number % 10 == 0:
            rig.clock.advance(timedelta(seconds=10))
        assert rig.get(CONTACTS).status == 200
    rig.clock.advance(timedelta(seconds=10))
    return rig.create(email="ada@example.com")


def searching_too_fast(rig: Rig) -> Got:
    assert [rig.search().status for _ in range(2)] == [200, 200]
    return rig.search()


def locked(rig: Rig) -> Got:
    rig.hubspot.gate.lock(5)
    assert rig.get(CONTACTS).status == 200
    return rig.create(email="ada@example.com")


def moving(rig: Rig) -> Got:
    rig.hubspot.gate.migrate(3600)
    return rig.create(email="ada@example.com")


def taken(rig: Rig) -> Got:
    rig.hubspot.add_contact(email="ada@example.com")
    return rig.create(email="Ada@Example.com")


def erased(rig: Rig) -> Got:
    rig.hubspot.site.lock.acquire()
    rig.hubspot.portal.blocked.add("ada@example.com")
    rig.hubspot.site.lock.release()
    return rig.create(email="ada@example.com")


def ruled(rig: Rig) -> Got:
    rig.hubspot.add_rule("contacts", "phone", r"\+\d+")
    return rig.create(email="ada@example.com", phone="030 123")


def partial_by_email(rig: Rig) -> Got:
    rig.hubspot.add_contact(email="ada@example.com", phone="+4930123")
    one = {"id": "ada@example.com", "idProperty": "email", "properties": {"csat_health": "40"}}
    return rig.batch("upsert", one)


def the_same_person_twice(rig: Rig) -> Got:
    first = rig.hubspot.add_contact(email="ada@example.com")
    second = rig.hubspot.add_contact(email="ben@example.com")
    rig.hubspot.merge(first, second)
    return rig.batch("update", *({"id": key, "properties": {"phone": "1"}} for key in (first, second)))


def merge_with_itself(rig: Rig) -> Got:
    one = rig.hubspot.add_contact(email="ada@example.com")
    return rig.post(f"{CONTACTS}/merge", {"primaryObjectId": one, "objectIdToMerge": one})


def eleventh_unique(rig: Rig) -> Got:
    for number in range(9):
        data = {**FIELD, "name": f"key_{number}", "hasUniqueValue": True}
        assert rig.post(f"{PROPERTIES}/contacts", data).status == 201
    return rig.post(f"{PROPERTIES}/contacts", {**FIELD, "hasUniqueValue": True})


def unique_task(rig: Rig) -> Got:
    rig.hubspot.portal.task_key = False
    return rig.post(f"{PROPERTIES}/tasks", {**FIELD, "hasUniqueValue": True})


def pair(rig: Rig, target: str = NOBODY) -> Got:
    one = rig.hubspot.add_contact(email="ada@example.com")
    return rig.caller.send("PUT", f"{CONTACTS}/{one}/associations/default/tasks/{target}")


def wrong_end(rig: Rig) -> Got:
    kind = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 202}
    tied = {"to": {"id": NOBODY}, "types": [kind]}
    return rig.post(TASKS, {"properties": {"hs_timestamp": DUE}, "associations": [tied]})


CASES: dict[str, Case] = {
    "oauth-grant": lambda rig: rig.refresh(grant_type="client_credentials"),
    "oauth-client": lambda rig: rig.refresh(client_id="somebody"),
    "oauth-secret": lambda rig: rig.refresh(client_secret="wrong"),
    "oauth-refresh": used_refresh,
    "no-token": nobody,
    "token": revoked,
    "expired": expired,
    "scope": unscoped,
    "throttled": too_fast,
    "throttled-search": searching_too_fast,
    "daily": spent,
    "locked": locked,
    "migration": moving,
    "unknown-route": lambda rig: rig.get("/crm/v3/objects/contacts"),
    "unknown-method": lambda rig: rig.caller.send("DELETE", f"{CONTACTS}/batch/read"),
    "unknown-version": lambda rig: rig.post(
        "/crm/objects/2026-10/contacts", {"properties": {"email": "a@example.com"}}
    ),
    "unknown-object": lambda rig: rig.post(f"{OBJECTS}/kontacts", {"properties": {"email": "a@example.com"}}),
    "media-type": lambda rig: rig.caller.send("POST", CONTACTS, raw="email=a", headers=FORM_TYPE),
    "json": lambda rig: rig.caller.send("POST", CONTACTS, raw="{", headers=JSON_TYPE),
    "not-text": lambda rig: rig.create(email="ada@example.com", csat_health=40),
    "unknown-input": lambda rig: rig.batch(
        "upsert", {"id": "p1", "idProperty": "csat_person", "properties": {}, "associations": []}
    ),
    "unknown-property": lambda rig: rig.create(email="ada@example.com", csat_helth="40"),
    "read-only": lambda rig: rig.create(email="ada@example.com", lastmodifieddate=DUE),
    "too-long": lambda rig: rig.create(email="ada@example.com", csat_reason="x" * 65_537),
    "bad-email": lambda rig: rig.create(email="ada@example"),
    "bad-number": lambda rig: rig.create(email="ada@example.com", csat_health="forty"),
    "bad-date": lambda rig: rig.create(email="ada@example.com", last_service="1763632800000"),
    "bad-option": lambda rig: rig.create(email="ada@example.com", lifecyclestage="fan"),
    "bad-owner": lambda rig: rig.create(email="ada@example.com", hubspot_owner_id="9101"),
    "rule": ruled,
    "required": lambda rig: rig.post(TASKS, {"properties": {"hs_task_subject": "Call"}}),
    "erased": erased,
    "conflict": taken,
    "not-found": lambda rig: rig.caller.send("PATCH", f"{CONTACTS}/{NOBODY}", {"properties": {"phone": "1"}}),
    "no-id": lambda rig: rig.batch("update", {"properties": {"phone": "1"}}),
    "bad-id": lambda rig: rig.get(f"{CONTACTS}/ada@example.com"),
    "not-unique": lambda rig: rig.batch("upsert", {"id": "1", "idProperty": "phone", "properties": {}}),
    "partial-by-email": partial_by_email,
    "twice": the_same_person_twice,
    "no-inputs": lambda rig: rig.batch("create"),
    "too-many": lambda rig: rig.batch("create", *({"properties": {"firstname": str(n)}} for n in range(101))),
    "bad-association": pair,
    "bad-association-type": wrong_end,
    "no-associations": lambda rig: rig.post(f"{PAIRS}/contacts/tasks/batch/read", {"inputs": [{"id": NOBODY}]}),
    "merge-self": merge_with_itself,
    "filters": lambda rig: rig.search({"propertyName": "email", "operator": "LIKE", "value": "a"}),
    "deep-paging": lambda rig: rig.search(limit=200, after="9801"),
    "page-size": lambda rig: rig.search(limit=201),
    "cursor": lambda rig: rig.get(f"{CONTACTS}?after=next"),
    "definition": lambda rig: rig.post(f"{PROPERTIES}/contacts", {**FIELD, "fieldType": "date"}),
    "property-exists": lambda rig: rig.post(f"{PROPERTIES}/contacts", {**FIELD, "name": "csat_band"}),
    "too-many-unique": eleventh_unique,
    "unique-on-object": unique_task,
    "immutable": lambda rig: rig.caller.send("PATCH", f"{PROPERTIES}/contacts/csat_person", {"hasUniqueValue": False}),
    "hubspot-defined": lambda rig: rig.caller.send("DELETE", f"{PROPERTIES}/contacts/email"),
    "no-property": lambda rig: rig.get(f"{PROPERTIES}/contacts/csat_helth"),
}
PER_RECORD = {"no-associations"}


@pytest.mark.parametrize("refusal", sorted(set(REFUSALS) - PER_RECORD))
def test_hubspot_refuses(rig: Rig, refusal: str) -> None:
    got = CASES[refusal](rig)
    row = REFUSALS[refusal]
    assert got.status == row.status
    if refusal in POLICIES:
        assert (got.data["errorType"], got.data["policyName"]) == ("RATE_LIMIT", POLICIES[refusal])
        assert "retry-after" not in got.headers
    elif refusal.startswith("oauth-"):
        assert got.data["status"] == row.code
    else:
        assert (got.data["status"], got.data["category"]) == ("error", row.code)
        assert got.data["correlationId"]
        assert got.data.get("subCategory") == SUB_CATEGORIES.get(refusal)
    assert rig.hubspot.requests.entries()[-1].refusal == refusal
    assert not [write for write in rig.hubspot.truth["writes"] if write["by"] == "api"], "it changes nothing"


@pytest.mark.parametrize("refusal", sorted(VALUES))
def test_a_refused_value_names_its_property(rig: Rig, refusal: str) -> None:
    data = CASES[refusal](rig).data
    head, _, listed = data["message"].partition(": ")
    (told,) = json.loads(listed)
    assert head == "Property values were not valid"
    assert told["error"] == data["errors"][0]["code"] == VALUES[refusal]
    assert data["errors"][0]["context"]["propertyName"] == [told["name"]]


def test_records_without_associations_are_named_one_by_one(rig: Rig) -> None:
    got = CASES["no-associations"](rig)
    assert (got.status, got.data["numErrors"], got.data["results"]) == (207, 1, [])
    assert got.data["errors"][0]["subCategory"] == SUB_CATEGORIES["no-associations"]
    assert got.data["errors"][0]["context"] == {"fromObjectId": [NOBODY]}


def test_no_case_is_left_over() -> None:
    assert set(CASES) == set(REFUSALS)


def test_a_missing_scope_is_named(rig: Rig) -> None:
    got = unscoped(rig)
    assert got.data["context"]["missingScopes"] == ["crm.objects.contacts.write"]


def test_what_is_refused_too_fast_works_after_the_window(rig: Rig) -> None:
    assert too_fast(rig).status == 429
    rig.clock.advance(timedelta(seconds=10))
    assert rig.create(email="ada@example.com").status == 201
    assert searching_too_fast(rig).status == 429
    rig.clock.advance(timedelta(seconds=1))
    assert rig.search().status == 200


def test_a_lock_and_a_move_end(rig: Rig) -> None:
    got = moving(rig)
    assert got.headers["retry-after"] == "3600"
    rig.clock.advance(timedelta(hours=1))
    assert locked(rig).status == 423
    rig.clock.advance(timedelta(seconds=5))
    assert rig.create(email="ada@example.com").status == 201


def test_too_many_filters_are_refused(rig: Rig) -> None:
    one: dict[str, Any] = {"propertyName": "email", "operator": "HAS_PROPERTY"}
    assert rig.search(*[one] * 7).status == 400
    rig.clock.advance(timedelta(seconds=1))
    assert rig.search(filterGroups=[{"filters": [one]}] * 6).status == 400
    assert rig.search(filterGroups=[{"filters": [one] * 5}] * 4).status == 400
    rig.clock.advance(timedelta(seconds=1))
    assert rig.search(filterGroups=[{"filters": [one] * 6}] * 3).status == 200
