"""What the Salesforce simulator does when nothing is wrong: upserts, collections, SOQL, merges, describe, usage."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from connector.clock import VirtualClock
from connector.simulator.parts import Fault, FaultKind
from connector.simulator.salesforce import CLIENT_ID, CLIENT_SECRET, Salesforce
from tests.unit.simulator_calls import FORM_TYPE, Caller, Got, calling, new_clock

DATA = "/services/data/v67.0"
COLLECTIONS = f"{DATA}/composite/sobjects"
UPSERT = f"{COLLECTIONS}/Contact/CSAT_Person__c"
LOGIN = f"grant_type=client_credentials&client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}"


class Rig:
    """A running org and a caller that is signed in."""

    def __init__(self, salesforce: Salesforce, caller: Caller, clock: VirtualClock) -> None:
        self.org = salesforce
        self.caller = caller
        self.clock = clock
        got = caller.send("POST", "/services/oauth2/token", raw=LOGIN, headers=FORM_TYPE)
        assert got.data["instance_url"] == salesforce.site.base_url
        caller.token = got.data["access_token"]

    def collection(self, method: str, path: str, *records: dict[str, Any], kind: str = "Contact") -> Got:
        typed = [{"attributes": {"type": kind}, **record} for record in records]
        return self.caller.send(method, path, {"allOrNone": False, "records": typed})

    def query(self, soql: str, *, everything: bool = False) -> Any:
        got = self.caller.send("GET", f"{DATA}/{'queryAll' if everything else 'query'}/?q={quote(soql)}")
        assert got.status == 200
        return got.data

    def ids(self, soql: str, *, everything: bool = False) -> list[str]:
        return [row["Id"] for row in self.query(soql, everything=everything)["records"]]

    def contact(self, key: str) -> dict[str, Any]:
        return dict(self.org.truth["objects"]["Contact"][key])


@pytest.fixture
def rig() -> Iterator[Rig]:
    clock = new_clock()
    salesforce = Salesforce(clock)
    with calling(salesforce.start()) as caller:
        yield Rig(salesforce, caller, clock)
    salesforce.stop()


def test_an_upsert_inserts_once_and_updates_afterwards(rig: Rig) -> None:
    rows = [{"CSAT_Person__c": "p1", "LastName": "Abend"}, {"CSAT_Person__c": "p2", "LastName": "Bergmann"}]
    first = rig.collection("PATCH", UPSERT, *rows).data
    again = rig.collection("PATCH", UPSERT, *rows).data
    assert [row["created"] for row in first + again] == [True, True, False, False]
    assert [row["id"] for row in first] == [row["id"] for row in again]


def test_one_bad_record_does_not_spoil_the_others(rig: Rig) -> None:
    got = rig.collection("PATCH", UPSERT, {"CSAT_Person__c": "p1"}, {"CSAT_Person__c": "p2", "LastName": "B"})
    assert got.status == 200
    assert [row["success"] for row in got.data] == [False, True]
    assert got.data[0]["errors"] == [
        {
            "statusCode": "REQUIRED_FIELD_MISSING",
            "message": "Required fields are missing: [LastName]",
            "fields": ["LastName"],
        }
    ]


def test_a_record_that_cannot_be_read_fails_the_whole_request(rig: Rig) -> None:
    got = rig.collection("PATCH", UPSERT, {"CSAT_Person__c": "p1", "LastName": "A"}, {"CSAT_Persn__c": "p2"})
    assert (got.status, got.data[0]["errorCode"]) == (400, "INVALID_FIELD")
    assert rig.org.truth["writes"] == []


def test_records_fail_on_request(rig: Rig) -> None:
    order = Fault(match="PATCH */composite/sobjects/Contact/*", kind=FaultKind.RECORD_ERRORS, records=(1,))
    rig.org.faults.add(order)
    got = rig.collection("PATCH", UPSERT, *({"CSAT_Person__c": str(n), "LastName": "A"} for n in range(3)))
    assert [row["success"] for row in got.data] == [True, False, True]
    assert got.data[1]["errors"][0]["statusCode"] == "UNABLE_TO_LOCK_ROW"


def test_values_are_stored_as_their_fields_hold_them(rig: Rig) -> None:
    contact = rig.org.add_contact(LastName="Abend")
    values = {"CSAT_Health__c": 61.005, "CSAT_As_Of__c": "2026-11-20T13:00:00+01:00", "CSAT_Band__c": "", "Phone": None}
    got = rig.collection("PATCH", COLLECTIONS, {"id": contact, **values})
    assert got.data == [{"id": contact, "success": True, "errors": []}]
    held = rig.contact(contact)
    assert (held["CSAT_Health__c"], held["CSAT_As_Of__c"]) == (61.01, "2026-11-20T12:00:00.000+0000")
    assert (held["CSAT_Band__c"], held["Phone"], held["Name"]) == (None, None, "Abend")


def test_single_records_are_created_shown_changed_and_upserted(rig: Rig) -> None:
    made = rig.caller.send("POST", f"{DATA}/sobjects/Contact", {"LastName": "Abend", "FirstName": "Ada"})
    path = f"{DATA}/sobjects/Contact/{made.data['id']}"
    assert (made.status, rig.caller.send("GET", path).data["Name"]) == (201, "Ada Abend")
    changed = rig.caller.send("PATCH", path, {"FirstName": "Ida"})
    assert (changed.status, changed.data) == (204, None)
    key = f"{DATA}/sobjects/Contact/CSAT_Person__c/{quote('p/1', safe='')}"
    assert [rig.caller.send("PATCH", key, {"LastName": "B"}).status for _ in range(2)] == [201, 200]
    assert rig.caller.send("GET", key).data["CSAT_Person__c"] == "p/1"


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("Email IN ('ADA@example.com', 'x@example.com')", "a"),
        ("CSAT_Person__c = 'pb'", "b"),
        ("CSAT_Person__c IN ('pb') OR Email = 'ada@example.com'", "ab"),
        ("LastName LIKE 'ab%' AND NOT (Email = null)", "a"),
        ("CSAT_Health__c >= 50 AND CSAT_Health__c < 90.5", "b"),
        ("Email = null", "c"),
        ("Email != null AND CSAT_Person__c NOT IN ('pa')", "b"),
        ("Last_Service__c > 2026-01-31", "c"),
        ("CreatedDate > 2026-11-20T12:00:00.000Z OR (CreatedDate = 2026-11-20T12:00:00Z AND IsDeleted = false)", "abc"),
        ("LastName = 'O\\'Hara'", "c"),
    ],
)
def test_soql_conditions(rig: Rig, where: str, found: str) -> None:
    names = {
        rig.org.add_contact(LastName="Abend", Email="ada@example.com", CSAT_Person__c="pa", CSAT_Health__c=91): "a",
        rig.org.add_contact(LastName="Bergmann", Email="ben@example.com", CSAT_Person__c="pb", CSAT_Health__c=50): "b",
        rig.org.add_contact(LastName="O'Hara", Last_Service__c="2026-02-01"): "c",
    }
    assert "".join(sorted(names[key] for key in rig.ids(f"SELECT Id FROM Contact WHERE {where}"))) == found


def test_a_query_orders_limits_and_shows_parents(rig: Rig) -> None:
    for name in ("Bergmann", "Abend", "Castro"):
        rig.org.add_contact(LastName=name)
        rig.clock.advance(timedelta(seconds=1))
    soql = "SELECT LastName, Owner.Name FROM Contact ORDER BY LastName DESC, Id LIMIT 2"
    rows = rig.query(soql)["records"]
    assert [row["LastName"] for row in rows] == ["Castro", "Bergmann"]
    assert rows[0]["Owner"]["Name"] == "Robin Agent"


def test_a_long_answer_comes_in_pages(rig: Rig) -> None:
    rig.org.page = 2
    ids = [rig.org.add_contact(LastName=str(number)) for number in range(5)]
    page = rig.query("SELECT Id FROM Contact ORDER BY Id")
    found = [row["Id"] for row in page["records"]]
    while not page["done"]:
        page = rig.caller.send("GET", page["nextRecordsUrl"]).data
        found += [row["Id"] for row in page["records"]]
    assert (found, page["totalSize"]) == (ids, 5)


def test_a_merge_deletes_the_loser_and_moves_its_tasks(rig: Rig) -> None:
    winner, loser = rig.org.add_contact(LastName="A"), rig.org.add_contact(LastName="B", Email="b@example.com")
    task = rig.caller.send("POST", f"{DATA}/sobjects/Task", {"Subject": "Call", "WhoId": loser}).data["id"]
    rig.clock.advance(timedelta(seconds=5))
    rig.org.merge(winner, loser)
    assert rig.ids("SELECT Id FROM Contact") == [winner]
    soql = f"SELECT Id, MasterRecordId FROM Contact WHERE Id IN ('{loser}') AND IsDeleted = true"
    assert rig.query(soql, everything=True)["records"][0]["MasterRecordId"] == winner
    assert rig.ids("SELECT Id FROM Contact WHERE SystemModstamp >= 2026-11-20T12:00:05Z", everything=True) == [
        winner,
        loser,
    ]
    assert rig.org.truth["objects"]["Task"][task]["WhoId"] == winner
    got = rig.collection(
        "PATCH", COLLECTIONS, {"id": loser, "LastName": "C"}, {"id": "0035g0000009999", "LastName": "D"}
    )
    codes = [row["errors"][0]["statusCode"] for row in got.data]
    assert codes == ["ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY"]


def test_a_deleted_record_frees_its_keys(rig: Rig) -> None:
    contact = rig.org.add_contact(LastName="A", CSAT_Person__c="p1")
    rig.org.human_delete(contact)
    assert rig.collection("PATCH", UPSERT, {"CSAT_Person__c": "p1", "LastName": "A"}).data[0]["created"]


def test_a_human_edit_moves_the_stamp_and_bears_their_name(rig: Rig) -> None:
    contact = rig.org.add_contact(LastName="A")
    rig.clock.advance(timedelta(minutes=1))
    rig.org.human_update(contact, Phone="+49 30 1234")
    assert rig.contact(contact)["SystemModstamp"] == "2026-11-20T12:01:00.000+0000"
    assert rig.org.truth["writes"][-1]["by"] == "human"


def test_describe_tells_keys_from_other_fields() -> None:
    for with_key in (True, False):
        org = Salesforce(new_clock(), task_key=with_key)
        with calling(org.start()) as caller:
            made = Rig(org, caller, new_clock())
            fields = {f["name"]: f for f in made.caller.send("GET", f"{DATA}/sobjects/Task/describe").data["fields"]}
        org.stop()
        assert ("CSAT_Key__c" in fields) is with_key
        assert not fields["Subject"]["externalId"]
        assert not with_key or (fields["CSAT_Key__c"]["externalId"] and fields["CSAT_Key__c"]["unique"])


def test_a_removed_field_is_unknown(rig: Rig) -> None:
    rig.org.org.remove_field("Contact", "CSAT_Health__c")
    got = rig.caller.send("POST", f"{DATA}/sobjects/Contact", {"LastName": "A", "CSAT_Health__c": 5})
    assert got.data[0]["errorCode"] == "INVALID_FIELD"


def test_every_call_costs_one_of_the_day(rig: Rig) -> None:
    first = rig.collection("PATCH", UPSERT, *({"CSAT_Person__c": str(n), "LastName": "A"} for n in range(200)))
    second = rig.caller.send("GET", f"{DATA}/limits")
    assert first.headers["sforce-limit-info"] == "api-usage=1/100000"
    assert second.data["DailyApiRequests"] == {"Max": 100_000, "Remaining": 99_998}


def test_new_rows_can_be_hidden_from_queries_for_a_while(rig: Rig) -> None:
    rig.org.org.query_lag = timedelta(seconds=10)
    rig.collection("PATCH", UPSERT, {"CSAT_Person__c": "p1", "LastName": "A"})
    assert rig.ids("SELECT Id FROM Contact") == []
    rig.clock.advance(timedelta(seconds=10))
    assert len(rig.ids("SELECT Id FROM Contact")) == 1


@pytest.mark.parametrize("path", ["/lightning/r/Contact/{}/view", "/{}"])
def test_a_person_can_open_a_record(rig: Rig, path: str) -> None:
    contact = rig.org.add_contact(LastName="<i>Abend</i>")
    page = str(rig.caller.send("GET", path.format(contact)).data)
    assert "&lt;i&gt;Abend" in page
    assert "<i>" not in page
    assert rig.caller.send("GET", path.format("0035g0000009999AAA")).status == 404
