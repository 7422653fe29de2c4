"""What the HubSpot simulator does when nothing is wrong: batches, search and its lag, merges, associations, OAuth."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from connector.simulator.hubspot import PORTAL_ID, SERVICE_KEY
from connector.simulator.parts import Fault, FaultKind
from tests.unit.hubspot_rig import CONTACTS, DUE, OBJECTS, PAIRS, PROPERTIES, TASKS, Rig, rigged

LAG = timedelta(seconds=2)


@pytest.fixture
def rig() -> Iterator[Rig]:
    with rigged() as made:
        yield made


def task(rig: Rig, contact: str, key: str = "k1") -> Any:
    kind = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 204}
    tied = {"to": {"id": contact}, "types": [kind]}
    properties = {"hs_timestamp": DUE, "hs_task_subject": "Call", "csat_key": key}
    one = {"properties": properties, "associations": [tied], "objectWriteTraceId": key}
    return rig.batch("create", one, kind="tasks").data


def test_an_upsert_creates_once_and_updates_afterwards(rig: Rig) -> None:
    first = rig.upsert("p1", "p2", firstname="Ada")
    again = rig.upsert("p1", "p2", firstname="Ada")
    assert (first.status, again.status, first.data["status"]) == (200, 200, "COMPLETE")
    assert [row["new"] for row in first.data["results"] + again.data["results"]] == [True, True, False, False]
    assert {row["id"] for row in first.data["results"]} == {row["id"] for row in again.data["results"]}


def test_results_are_in_another_order_than_the_inputs(rig: Rig) -> None:
    got = rig.upsert("p1", "p2", "p3", firstname="Ada")
    assert [row["properties"]["csat_person"] for row in got.data["results"]] == ["p3", "p2", "p1"]


def test_stored_values_differ_from_sent_ones(rig: Rig) -> None:
    got = rig.create(
        email="Ada@Example.com",
        csat_health="81.50",
        last_service="1763596800000",
        csat_as_of="2026-11-20T13:00:00+01:00",
        firstname="Ada",
    )
    held = {
        "email": "ada@example.com",
        "csat_health": "81.5",
        "last_service": "2025-11-20",
        "csat_as_of": "2026-11-20T12:00:00.000Z",
    }
    assert rig.contact(got.data["id"]).items() >= held.items()
    assert got.data["properties"].items() >= held.items()


def test_an_empty_value_clears_and_an_absent_one_does_not(rig: Rig) -> None:
    key = rig.create(email="ada@example.com", phone="1", firstname="Ada").data["id"]
    rig.caller.send("PATCH", f"{CONTACTS}/{key}", {"properties": {"phone": ""}})
    assert "phone" not in rig.contact(key)
    assert rig.contact(key)["firstname"] == "Ada"
    rig.caller.send("PATCH", f"{CONTACTS}/{key}", {"properties": {"email": "ada.new@example.com"}})
    assert rig.create(email="ada@example.com").status == 201, "an address that was given up is free"


def test_a_stage_of_life_leads_back_only_when_it_was_cleared(rig: Rig) -> None:
    key = rig.hubspot.add_contact(email="ada@example.com", lifecyclestage="customer")
    path = f"{CONTACTS}/{key}"
    for stage, held in (("lead", "customer"), ("", None), ("lead", "lead"), ("customer", "customer")):
        assert rig.caller.send("PATCH", path, {"properties": {"lifecyclestage": stage}}).status == 200
        assert rig.contact(key).get("lifecyclestage") == held


def test_one_bad_record_refuses_its_batch_and_writes_nothing(rig: Rig) -> None:
    rows: list[dict[str, Any]] = [
        {"id": key, "idProperty": "csat_person", "objectWriteTraceId": key, "properties": {"csat_health": health}}
        for key, health in (("p1", "40"), ("p2", "forty"))
    ]
    assert rig.batch("upsert", *rows).status == 400
    assert rig.hubspot.truth["objects"].get("contacts", {}) == {}
    assert rig.upsert("p1", firstname="Ada").data["results"][0]["new"], "its unique value is free again"


def test_a_refused_batch_leaves_updated_records_as_they_were(rig: Rig) -> None:
    key = rig.upsert("p1", firstname="Ada", phone="1").data["results"][0]["id"]
    before = rig.hubspot.truth
    rows = [
        {"id": key, "properties": {"csat_person": "p9", "phone": "2"}},
        {"id": rig.hubspot.add_contact(firstname="Ben"), "properties": {"email": "ben"}},
    ]
    assert rig.batch("update", *rows).status == 400
    assert rig.hubspot.truth["objects"]["contacts"][key] == before["objects"]["contacts"][key]
    assert [write for write in rig.hubspot.truth["writes"] if write["by"] == "api"] == before["writes"]
    assert not rig.upsert("p1", phone="3").data["results"][0]["new"]
    assert rig.search({"propertyName": "phone", "operator": "EQ", "value": "2"}).data["total"] == 0


def test_a_create_answers_record_by_record_when_all_are_traced(rig: Rig) -> None:
    rows: list[dict[str, Any]] = [
        {"properties": {"email": email}, "objectWriteTraceId": trace}
        for email, trace in (("ada@example.com", "a"), ("ben", "b"), ("ada@example.com", "c"))
    ]
    got = rig.batch("create", *rows)
    assert (got.status, got.data["status"], got.data["numErrors"]) == (207, "COMPLETE", 2)
    assert [row["objectWriteTraceId"] for row in got.data["results"]] == ["a"]
    told = {tuple(one["context"]["objectWriteTraceId"]): one["category"] for one in got.data["errors"]}
    assert told == {("b",): "VALIDATION_ERROR", ("c",): "CONFLICT"}
    del rows[0]["objectWriteTraceId"]
    assert rig.batch("create", *rows[:2]).status == 409


def test_an_upsert_answers_record_by_record_where_the_account_does() -> None:
    with rigged(multi_status=frozenset({"upsert"})) as rig:
        rig.hubspot.add_contact(email="ada@example.com")
        rows = [
            {
                "id": key,
                "idProperty": "csat_person",
                "objectWriteTraceId": key,
                "properties": {"email": "ada@example.com" if key == "p1" else "ben@example.com"},
            }
            for key in ("p1", "p2")
        ]
        got = rig.batch("upsert", *rows)
        assert (got.status, len(got.data["results"])) == (207, 1)
        assert got.data["errors"][0]["message"] == "Contact already exists. Existing ID: 101"
        assert got.data["errors"][0]["context"] == {"objectWriteTraceId": ["p1"]}


def test_an_update_writes_the_others_when_one_does_not_exist(rig: Rig) -> None:
    key = rig.hubspot.add_contact(email="ada@example.com")
    got = rig.batch("update", *({"id": one, "properties": {"phone": "1"}} for one in (key, "987")))
    assert (got.status, [row["id"] for row in got.data["results"]]) == (207, [key])
    assert got.data["errors"][0]["category"] == "OBJECT_NOT_FOUND"
    assert got.data["errors"][0]["context"] == {"ids": ["987"]}


def test_a_batch_read_finds_by_address_and_names_what_is_missing(rig: Rig) -> None:
    key = rig.hubspot.add_contact(email="ada@example.com")
    inputs = [{"id": "Ada@Example.com"}, {"id": "ben@example.com"}]
    got = rig.post(f"{CONTACTS}/batch/read", {"inputs": inputs, "idProperty": "email", "properties": ["csat_person"]})
    assert (got.status, [row["id"] for row in got.data["results"]]) == (207, [key])
    assert got.data["results"][0]["properties"] == {"csat_person": None, "hs_object_id": key}
    assert got.data["errors"][0]["context"]["ids"] == ["ben@example.com"]


def test_ids_repeat_between_kinds(rig: Rig) -> None:
    contact = rig.hubspot.add_contact(email="ada@example.com")
    made = task(rig, contact)["results"][0]
    assert made["id"] == contact


def test_a_task_is_tied_to_its_contact_both_ways(rig: Rig) -> None:
    rig.hubspot.add_contact(email="nobody@example.com")
    contact = rig.hubspot.add_contact(email="ada@example.com")
    made = task(rig, contact)["results"][0]["id"]
    ends = rig.get(f"{CONTACTS}/{contact}/associations/tasks").data["results"]
    assert ends == [
        {
            "toObjectId": made,
            "associationTypes": [{"category": "HUBSPOT_DEFINED", "typeId": 203, "label": None}],
        }
    ]
    got = rig.post(f"{PAIRS}/tasks/contacts/batch/read", {"inputs": [{"id": made}]})
    assert got.data["results"][0]["to"][0]["toObjectId"] == contact
    shown = rig.get(f"{TASKS}/{made}?associations=contacts&properties=hs_task_subject").data
    assert shown["associations"] == {"contacts": {"results": [{"id": contact, "type": "tasks_to_contacts"}]}}
    assert rig.get(f"{PAIRS}/tasks/contacts/labels").data["results"][0]["typeId"] == 204


def test_associating_twice_is_harmless(rig: Rig) -> None:
    contact = rig.hubspot.add_contact(email="ada@example.com")
    made = rig.post(TASKS, {"properties": {"hs_timestamp": DUE}}).data["id"]
    body = {"inputs": [{"from": {"id": made}, "to": {"id": contact}}]}
    for _ in range(2):
        assert rig.post(f"{PAIRS}/tasks/contacts/batch/associate/default", body).status == 201
        path = f"{TASKS}/{made}/associations/default/contacts/{contact}"
        assert rig.caller.send("PUT", path).data["results"][0]["associationSpec"]["associationTypeId"] == 204
    assert len(rig.get(f"{CONTACTS}/{contact}/associations/tasks").data["results"]) == 1
    assert rig.caller.send("DELETE", f"{TASKS}/{made}").status == 204
    assert rig.get(f"{CONTACTS}/{contact}/associations/tasks").data["results"] == []
    assert rig.post(f"{PAIRS}/tasks/contacts/batch/associate/default", body).status == 400


def test_a_second_task_under_one_key_is_refused(rig: Rig) -> None:
    contact = rig.hubspot.add_contact(email="ada@example.com")
    task(rig, contact)
    again = task(rig, contact)
    assert again["errors"][0]["category"] == "CONFLICT"
    assert len(rig.hubspot.truth["objects"]["tasks"]) == 1
    found = rig.post(f"{TASKS}/batch/read", {"inputs": [{"id": "k1"}], "idProperty": "csat_key", "properties": []})
    assert len(found.data["results"]) == 1


def test_the_search_lags(rig: Rig) -> None:
    rig.create(email="ada@example.com", csat_band="healthy")
    by_band = {"propertyName": "csat_band", "operator": "EQ", "value": "healthy"}
    assert rig.search(by_band).data["total"] == 0
    rig.clock.advance(LAG)
    got = rig.search(by_band, properties=["email"])
    assert got.data["results"][0]["properties"]["email"] == "ada@example.com"
    assert not [name for name in got.headers if "ratelimit" in name]
    rig.caller.send("PATCH", f"{CONTACTS}/ada@example.com?idProperty=email", {"properties": {"csat_band": "critical"}})
    assert rig.search(by_band).data["total"] == 1, "the index still has the older value"
    rig.clock.advance(LAG)
    assert rig.search(by_band).data["total"] == 0


def test_the_search_pages_in_order_of_change(rig: Rig) -> None:
    keys = []
    for number in range(5):
        keys.append(rig.hubspot.add_contact(email=f"c{number}@example.com"))
        rig.clock.advance(timedelta(seconds=1))
    rig.hubspot.human_update(keys[0], phone="1")
    rig.clock.advance(LAG)
    order = {"sorts": [{"propertyName": "lastmodifieddate", "direction": "ASCENDING"}], "limit": 3}
    first = rig.search(**order).data
    second = rig.search(**order, after=first["paging"]["next"]["after"]).data
    assert [row["id"] for row in first["results"] + second["results"]] == [*keys[1:], keys[0]]
    assert (first["total"], "paging" in second) == (5, False)
    since = rig.contact(keys[3])["lastmodifieddate"]
    late = {"propertyName": "lastmodifieddate", "operator": "GTE", "value": since}
    rig.clock.advance(timedelta(seconds=1))
    assert {row["id"] for row in rig.search(late).data["results"]} == {keys[3], keys[4], keys[0]}


def test_numbers_are_compared_as_numbers(rig: Rig) -> None:
    keys = [rig.hubspot.add_contact(firstname="Ada", csat_health=health) for health in ("9", "10", "100")]
    rig.clock.advance(LAG)
    above = {"propertyName": "csat_health", "operator": "GT", "value": "9.5"}
    order = [{"propertyName": "csat_health", "direction": "DESCENDING"}]
    assert [row["id"] for row in rig.search(above, sorts=order).data["results"]] == [keys[2], keys[1]]
    between = {"propertyName": "csat_health", "operator": "BETWEEN", "value": "9", "highValue": "10"}
    assert rig.search(between).data["total"] == 2


def test_a_list_of_addresses_must_be_in_small_letters(rig: Rig) -> None:
    rig.create(email="ada@example.com")
    rig.clock.advance(LAG)
    for value, total in (("Ada@example.com", 0), ("ada@example.com", 1)):
        listed = {"propertyName": "email", "operator": "IN", "values": [value]}
        assert rig.search(listed).data["total"] == total


def test_a_merged_contact_answers_under_its_old_id(rig: Rig) -> None:
    winner = rig.hubspot.add_contact(email="ada@example.com")
    loser = rig.hubspot.add_contact(email="ben@example.com", phone="1")
    made = task(rig, loser)["results"][0]["id"]
    rig.clock.advance(timedelta(minutes=1))
    got = rig.post(f"{CONTACTS}/merge", {"primaryObjectId": winner, "objectIdToMerge": loser})
    assert (got.status, got.data["id"]) == (200, winner)
    held = rig.contact(winner)
    assert (held["hs_merged_object_ids"], held["phone"]) == (loser, "1")
    assert held["hs_calculated_merged_vids"].startswith(f"{loser}:")
    assert held["hs_additional_emails"] == "ben@example.com"
    assert held["lastmodifieddate"] == "2026-11-20T12:01:00.000Z"
    for address in (loser, "ben@example.com?idProperty=email"):
        assert rig.get(f"{CONTACTS}/{address}").data["id"] == winner
    update = rig.batch("update", {"id": loser, "properties": {"firstname": "Ada"}})
    assert (update.data["results"][0]["id"], rig.contact(winner)["firstname"]) == (winner, "Ada")
    assert rig.get(f"{CONTACTS}/{winner}/associations/tasks").data["results"][0]["toObjectId"] == made
    assert rig.get(f"{TASKS}/{made}/associations/contacts").data["results"][0]["toObjectId"] == winner
    assert [row["id"] for row in rig.get(f"{CONTACTS}?limit=100").data["results"]] == [winner]
    assert rig.get(f"{CONTACTS}?archived=true").data["results"] == []


def test_a_merge_can_mint_a_new_id() -> None:
    with rigged(merge_mints=True) as rig:
        first = rig.hubspot.add_contact(email="ada@example.com")
        second = rig.hubspot.add_contact(email="ben@example.com")
        made = task(rig, first)["results"][0]["id"]
        survivor = rig.hubspot.merge(first, second)
        third = rig.hubspot.add_contact(email="cleo@example.com")
        last = rig.hubspot.merge(third, survivor)
        assert len({first, second, survivor, third, last}) == 5
        for old in (first, second, survivor, third):
            assert rig.get(f"{CONTACTS}/{old}").data["id"] == last
        assert rig.get(f"{TASKS}/{made}/associations/contacts").data["results"][0]["toObjectId"] == last
        held = rig.contact(last)
        assert {first, second, survivor, third} == set(held["hs_merged_object_ids"].split(";"))
        assert held["hs_object_id"] == last


def test_deleted_contacts_are_listed_as_archived(rig: Rig) -> None:
    key = rig.hubspot.add_contact(email="ada@example.com")
    rig.hubspot.human_delete(key)
    assert rig.get(f"{CONTACTS}/{key}").status == 404
    assert rig.get(f"{CONTACTS}/{key}?archived=true").data["archived"]
    listed = rig.get(f"{CONTACTS}?archived=true&properties=email").data["results"]
    assert [(row["id"], row["properties"]["email"]) for row in listed] == [(key, "ada@example.com")]
    rig.clock.advance(LAG)
    assert rig.search().data["total"] == 0
    assert rig.create(email="ada@example.com").status == 201


def test_an_erased_contact_leaves_nothing_and_cannot_come_back(rig: Rig) -> None:
    key = rig.create(email="ada@example.com", firstname="Ada").data["id"]
    task(rig, key)
    rig.clock.advance(LAG)
    body = {"objectId": "ada@example.com", "idProperty": "email"}
    assert rig.post(f"{CONTACTS}/gdpr-delete", body).status == 204
    assert rig.get(f"{CONTACTS}?archived=true").data["results"] == []
    assert rig.search().data["total"] == 0
    assert "Ada" not in str(rig.hubspot.truth)
    assert rig.create(email="ada@example.com").status == 400
    assert rig.post(f"{CONTACTS}/gdpr-delete", {"objectId": "ben@example.com", "idProperty": "email"}).status == 204
    assert rig.create(email="ben@example.com").data["subCategory"] == "CONTACT_GDPR_DELETED"
    assert rig.post(f"{CONTACTS}/gdpr-delete", {"objectId": key}).status == 404


def test_listing_pages_by_id(rig: Rig) -> None:
    keys = [rig.hubspot.add_contact(firstname=str(number)) for number in range(3)]
    first = rig.get(f"{CONTACTS}?limit=2").data
    rest = rig.get(f"{CONTACTS}?limit=2&after={first['paging']['next']['after']}").data
    assert [row["id"] for row in first["results"] + rest["results"]] == keys
    assert "paging" not in rest


def test_properties_are_defined_over_the_api() -> None:
    with rigged(bare=True) as rig:
        assert rig.create(firstname="Ada", csat_health="40").status == 400
        field = {"label": "Health", "groupName": "csat", "type": "number", "fieldType": "number"}
        person = {"name": "csat_person", "label": "Key", "groupName": "csat", "type": "string", "fieldType": "text"}
        inputs = [{"name": "csat_health", **field}, {**person, "hasUniqueValue": True}]
        assert rig.post(f"{PROPERTIES}/contacts/batch/create", {"inputs": inputs}).status == 201
        again = rig.post(f"{PROPERTIES}/contacts/batch/create", {"inputs": inputs})
        assert (again.status, again.data["numErrors"]) == (207, 2)
        known = rig.post(f"{PROPERTIES}/contacts/batch/read", {"inputs": [{"name": "csat_person"}, {"name": "x"}]})
        assert (known.status, known.data["results"][0]["hasUniqueValue"]) == (207, True)
        assert rig.upsert("p1", firstname="Ada", csat_health="40").data["results"][0]["new"]
        changed = rig.caller.send("PATCH", f"{PROPERTIES}/contacts/csat_health", {"label": "Score"})
        assert changed.data["label"] == "Score"
        assert rig.caller.send("DELETE", f"{PROPERTIES}/contacts/csat_health").status == 204
        assert rig.upsert("p1", csat_health="40").status == 400
        listed = {one["name"]: one for one in rig.get(f"{PROPERTIES}/contacts").data["results"]}
        assert listed["lastmodifieddate"]["modificationMetadata"]["readOnlyValue"]
        assert "NEW" in [option["value"] for option in listed["hs_lead_status"]["options"]]


def test_the_account_tells_its_usage(rig: Rig) -> None:
    got = rig.get("/account-info/2026-03/details")
    assert got.data["portalId"] == PORTAL_ID
    left = int(got.headers["x-hubspot-ratelimit-daily-remaining"])
    (row,) = rig.get("/account-info/2026-03/api-usage/daily/private-apps").data["results"]
    assert (row["currentUsage"], row["usageLimit"] - row["currentUsage"]) == (2, left - 1)
    assert got.headers["x-hubspot-ratelimit-interval-milliseconds"] == "10000"


def test_oauth_tokens_last_half_an_hour_and_tell_nothing_of_the_day(rig: Rig) -> None:
    first = rig.refresh()
    assert first.data["expires_in"] == 1800
    rig.caller.token = first.data["access_token"]
    got = rig.get(CONTACTS)
    assert "x-hubspot-ratelimit-remaining" in got.headers
    assert "x-hubspot-ratelimit-daily" not in got.headers
    again = rig.refresh()
    assert again.status == 200, "an answer that was lost can be asked for again"
    rig.caller.token = SERVICE_KEY


def test_owners_are_found_by_address(rig: Rig) -> None:
    owner = rig.hubspot.add_owner("kim@acme.example", "Kim", "Lead")
    (found,) = rig.get("/crm/owners/2026-03/?email=KIM@acme.example").data["results"]
    assert (found["id"], found["userId"] != owner) == (owner, True)
    assert rig.get(f"/crm/owners/2026-03/{owner}").data["email"] == "kim@acme.example"
    assert rig.create(email="ada@example.com", hubspot_owner_id=owner).status == 201


def test_records_can_be_refused_on_request(rig: Rig) -> None:
    fault = Fault(match=f"POST {OBJECTS}/*/batch/upsert", kind=FaultKind.RECORD_ERRORS, records=(1,), code="CONFLICT")
    rig.hubspot.faults.add(fault)
    got = rig.upsert("p1", "p2", firstname="Ada")
    assert (got.status, len(got.data["results"])) == (207, 1)
    assert got.data["errors"][0]["context"] == {"ids": ["p2"]}


def test_a_lost_answer_was_committed(rig: Rig) -> None:
    rig.hubspot.faults.add(Fault(match="POST */batch/upsert", kind=FaultKind.RESET_AFTER_COMMIT))
    with pytest.raises(ConnectionError):
        rig.upsert("p1", firstname="Ada")
    rig.caller.close()
    assert not rig.upsert("p1", firstname="Ada").data["results"][0]["new"]


def test_people_find_a_page(rig: Rig) -> None:
    contact = rig.hubspot.add_contact(firstname="<b>Ada", email="ada@example.com")
    task(rig, contact)
    rig.caller.token = ""
    page = rig.get(f"/contacts/{PORTAL_ID}/record/0-1/{contact}")
    assert (page.status, "&lt;b&gt;Ada" in page.data, "record/0-27/" in page.data) == (200, True, True)
    assert rig.get(f"/contacts/{PORTAL_ID}/record/0-1/999").status == 404
