"""Every refusal of the Salesforce simulator, provoked by the bad request itself."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from connector.simulator.salesforce import CLIENT_ID, CLIENT_SECRET, REFUSALS, Salesforce
from connector.simulator.salesforce_fields import Field
from tests.unit.simulator_calls import FORM_TYPE, Caller, Got, calling, new_clock

DATA = "/services/data/v67.0"
CONTACTS = f"{DATA}/sobjects/Contact"
UPSERT = f"{DATA}/composite/sobjects/Contact/CSAT_Person__c"
NOBODY = "0035g0000009999AAA"
EVERYBODY = "SELECT Id FROM Contact"
Case = Callable[["Rig"], Got]


class Rig:
    """A running org and a caller that is signed in."""

    def __init__(self, salesforce: Salesforce, caller: Caller) -> None:
        self.org = salesforce
        self.caller = caller

    def login(self, body: str = "grant_type=client_credentials", client: str = CLIENT_ID, secret: str = "") -> Got:
        pair = base64.b64encode(f"{client}:{secret or CLIENT_SECRET}".encode()).decode()
        self.caller.token = ""
        headers = {**FORM_TYPE, "Authorization": f"Basic {pair}"}
        got = self.caller.send("POST", "/services/oauth2/token", raw=body, headers=headers)
        if got.status == 200:
            self.caller.token = got.data["access_token"]
        return got

    def create(self, **fields: Any) -> Got:
        return self.caller.send("POST", CONTACTS, {"LastName": "Abend", **fields})

    def task(self, **fields: Any) -> Got:
        return self.caller.send("POST", f"{DATA}/sobjects/Task", {"Subject": "Call", **fields})

    def query(self, soql: str) -> Got:
        return self.caller.send("GET", f"{DATA}/query?q={quote(soql)}")

    def collection(self, method: str, *records: dict[str, Any], path: str = "", together: bool = False) -> Got:
        typed = [{"attributes": {"type": "Contact"}, **record} for record in records]
        body = {"allOrNone": together, "records": typed}
        return self.caller.send(method, path or f"{DATA}/composite/sobjects", body)

    def composite(self, *queries: str, together: bool = False, **more: Any) -> Got:
        wanted = [
            {"method": "GET", "url": f"{DATA}/query?q={quote(soql)}", "referenceId": f"q{number}", **more}
            for number, soql in enumerate(queries)
        ]
        return self.caller.send("POST", f"{DATA}/composite", {"allOrNone": together, "compositeRequest": wanted})

    def two_with_one_key(self) -> None:
        self.org.org.add_field("Contact", Field(name="Legacy__c", external_id=True))
        for _ in range(2):
            self.org.add_contact(LastName="Abend", Legacy__c="L1")


@pytest.fixture
def rig() -> Iterator[Rig]:
    salesforce = Salesforce(new_clock(), daily_calls=5)
    with calling(salesforce.start()) as caller:
        made = Rig(salesforce, caller)
        made.login()
        yield made
    salesforce.stop()


def expired(rig: Rig) -> Got:
    rig.org.clock.advance(timedelta(hours=2))  # type: ignore[attr-defined]  # it is the virtual clock
    return rig.create()


def unscoped(rig: Rig) -> Got:
    rig.org.scopes = frozenset({"openid"})
    rig.login()
    return rig.create()


def spent(rig: Rig) -> Got:
    for _ in range(5):
        assert rig.caller.send("GET", f"{DATA}/limits").status == 200
    return rig.create()


def deleted(rig: Rig) -> Got:
    contact = rig.org.add_contact(LastName="Abend")
    rig.org.human_delete(contact)
    return rig.caller.send("PATCH", f"{CONTACTS}/{contact}", {"LastName": "Bergmann"})


def several(rig: Rig) -> Got:
    rig.two_with_one_key()
    return rig.caller.send("PATCH", f"{CONTACTS}/Legacy__c/L1", {"LastName": "Castro"})


def several_records(rig: Rig) -> Got:
    rig.two_with_one_key()
    path = f"{DATA}/composite/sobjects/Contact/Legacy__c"
    return rig.collection("PATCH", {"Legacy__c": "L1", "LastName": "Castro"}, path=path)


def taken(rig: Rig) -> Got:
    assert rig.create(CSAT_Person__c="p1").status == 201
    return rig.create(CSAT_Person__c="P1")


def similar(rig: Rig) -> Got:
    rig.org.org.duplicate_rule = True
    rig.org.add_contact(LastName="Abend", Email="ada@example.com")
    return rig.create(Email="Ada@Example.com")


def custom_field(rig: Rig, name: str = "Contact.CSAT_New__c", **metadata: Any) -> Got:
    body = {"FullName": name, "Metadata": {"type": "Text", "label": "New", "length": 40, **metadata}}
    return rig.caller.send("POST", f"{DATA}/tooling/sobjects/CustomField", body)


def without_rights(rig: Rig) -> Got:
    rig.org.setup.allowed = False
    return custom_field(rig)


CASES: dict[str, Case] = {
    "insufficient-access": without_rights,
    "full-name": lambda rig: custom_field(rig, "Task.CSAT_New__c"),
    "duplicate-name": lambda rig: custom_field(rig, "Contact.CSAT_Health__c"),
    "field-type": lambda rig: custom_field(rig, length=0),
    "integrity": lambda rig: rig.caller.send(
        "POST",
        f"{DATA}/sobjects/FieldPermissions",
        {"ParentId": NOBODY, "SobjectType": "Task", "Field": "Task.CSAT_Key__c", "PermissionsEdit": True},
    ),
    "oauth-grant": lambda rig: rig.login(body="grant_type=password"),
    "oauth-client": lambda rig: rig.login(client="somebody"),
    "oauth-secret": lambda rig: rig.login(secret="wrong"),
    "session": expired,
    "scope": unscoped,
    "throttled": spent,
    "uri-too-long": lambda rig: rig.query("SELECT Id FROM Contact WHERE Email = '" + "x" * 16_384 + "'"),
    "unknown-route": lambda rig: rig.caller.send("GET", f"{DATA}/sobject/Contact"),
    "unknown-method": lambda rig: rig.caller.send("DELETE", f"{DATA}/limits"),
    "unknown-object": lambda rig: rig.caller.send("POST", f"{DATA}/sobjects/Kontact", {"LastName": "A"}),
    "media-type": lambda rig: rig.caller.send("POST", CONTACTS, raw="LastName=A", headers=FORM_TYPE),
    "json": lambda rig: rig.caller.send("POST", CONTACTS, raw="{", headers={"Content-Type": "application/json"}),
    "wrong-type": lambda rig: rig.create(CSAT_As_Of__c="yesterday"),
    "unknown-field": lambda rig: rig.create(CSAT_Helth__c=1),
    "external-in-body": lambda rig: rig.caller.send(
        "PATCH", f"{CONTACTS}/CSAT_Person__c/p1", {"LastName": "A", "CSAT_Person__c": "p1"}
    ),
    "external-id": lambda rig: rig.caller.send("PATCH", f"{CONTACTS}/Email/ada@example.com", {"LastName": "A"}),
    "not-found": lambda rig: rig.caller.send("PATCH", f"{CONTACTS}/{NOBODY}", {"LastName": "A"}),
    "deleted": deleted,
    "malformed-id": lambda rig: rig.caller.send("GET", f"{CONTACTS}/00T5g0000000001AAA"),
    "several": several,
    "read-only": lambda rig: rig.create(SystemModstamp="2026-11-20T12:00:00Z"),
    "id-in-insert": lambda rig: rig.create(Id=NOBODY),
    "required": lambda rig: rig.caller.send("POST", CONTACTS, {"FirstName": "Ada"}),
    "too-long": lambda rig: rig.create(CSAT_Reason__c="x" * 256),
    "out-of-range": lambda rig: rig.create(CSAT_Health__c=1000),
    "picklist": lambda rig: rig.task(Status="Nearly"),
    "bad-email": lambda rig: rig.create(Email="ada@example"),
    "bad-reference": lambda rig: rig.task(WhoId=NOBODY),
    "duplicate-value": taken,
    "duplicates-detected": similar,
    "too-many": lambda rig: rig.collection("POST", *({"LastName": str(n)} for n in range(201))),
    "record-type": lambda rig: rig.caller.send("POST", f"{DATA}/composite/sobjects", {"records": [{"LastName": "A"}]}),
    "no-id": lambda rig: rig.collection("PATCH", {"LastName": "A"}),
    "twice": lambda rig: Got(
        status=200,
        data=rig.collection(
            "PATCH", *({"CSAT_Person__c": key, "LastName": "A"} for key in ("p1", "P1")), path=UPSERT
        ).data[1:],
        headers={},
    ),
    "several-records": several_records,
    "rolled-back": lambda rig: rig.collection("POST", {"LastName": "A"}, {"FirstName": "B"}, together=True),
    "malformed-query": lambda rig: rig.query("SELECT Id FROM Contact WHERE"),
    "unknown-type": lambda rig: rig.query("SELECT Id FROM Kontact"),
    "unknown-column": lambda rig: rig.query("SELECT Id FROM Contact WHERE Mail = 'x'"),
    "not-filterable": lambda rig: rig.query("SELECT Id FROM Task WHERE Description = 'x'"),
    "wrong-literal": lambda rig: rig.query("SELECT Id FROM Contact WHERE CreatedDate > '2026-11-20T00:00:00Z'"),
    "locator": lambda rig: rig.caller.send("GET", f"{DATA}/query/01gNONE-2000"),
    "too-many-requests": lambda rig: rig.composite(*[EVERYBODY] * 26),
    "too-many-queries": lambda rig: rig.composite(*[EVERYBODY] * 6),
    "reference": lambda rig: rig.composite(EVERYBODY, url=f"{DATA}/sobjects/Contact/@{{other.id}}"),
    "reference-twice": lambda rig: rig.composite(*[EVERYBODY] * 2, referenceId="same"),
    "composite-header": lambda rig: rig.composite(EVERYBODY, httpHeaders={"Accept": "application/json"}),
    "halted": lambda rig: rig.composite(EVERYBODY, "SELECT Id FROM Kontact", together=True),
}
PER_RECORD = {"no-id", "twice", "several-records", "rolled-back"}
IN_COMPOSITE = {"too-many-requests", "too-many-queries", "halted"}
"""What the resource says inside an answer that is 200 as a whole."""


@pytest.mark.parametrize("refusal", sorted(IN_COMPOSITE))
def test_salesforce_refuses_in_a_composite(rig: Rig, refusal: str) -> None:
    got = CASES[refusal](rig)
    first = got.data["compositeResponse"][0]
    assert (got.status, first["httpStatusCode"]) == (200, REFUSALS[refusal].status)
    assert first["body"][0]["errorCode"] == REFUSALS[refusal].code


def test_queries_of_one_call_are_answered_each_for_itself_and_cost_one(rig: Rig) -> None:
    ada = rig.org.add_contact(LastName="Abend")
    got = rig.composite(EVERYBODY, "SELECT Id FROM Kontact", EVERYBODY)
    told = got.data["compositeResponse"]
    assert [(one["referenceId"], one["httpStatusCode"]) for one in told] == [("q0", 200), ("q1", 400), ("q2", 200)]
    assert [row["Id"] for row in told[0]["body"]["records"]] == [ada]
    assert told[1]["body"][0]["errorCode"] == "INVALID_TYPE"
    assert got.headers["sforce-limit-info"] == "api-usage=1/5"


def test_descriptions_travel_beside_queries_and_are_none(rig: Rig) -> None:
    """Five queries at most; what an object has is no query."""
    paths = [f"{DATA}/sobjects/{name}/describe" for name in ("Contact", "Kontact", "Task")]
    queries = [f"{DATA}/query?q={quote(EVERYBODY)}"] * 5
    wanted = [
        {"method": "GET", "url": path, "referenceId": f"q{number}"} for number, path in enumerate([*paths, *queries])
    ]
    told = rig.caller.send("POST", f"{DATA}/composite", {"compositeRequest": wanted}).data["compositeResponse"]
    assert [one["httpStatusCode"] for one in told] == [200, 404, *[200] * 6]
    assert told[0]["body"] == rig.caller.send("GET", paths[0]).data


@pytest.mark.parametrize("refusal", sorted(set(REFUSALS) - PER_RECORD - IN_COMPOSITE - {"several"}))
def test_salesforce_refuses(rig: Rig, refusal: str) -> None:
    before = len(rig.org.truth["writes"])
    got = CASES[refusal](rig)
    row = REFUSALS[refusal]
    code = got.data["error"] if refusal.startswith("oauth-") else got.data[0]["errorCode"]
    assert (got.status, code) == (row.status, row.code)
    assert rig.org.requests.entries()[-1].refusal == refusal
    made = [write for write in rig.org.truth["writes"][before:] if write["by"] == "api"]
    assert len(made) == (1 if refusal == "duplicate-value" else 0), "a refused request changes nothing"


@pytest.mark.parametrize("refusal", sorted(PER_RECORD))
def test_salesforce_refuses_a_record(rig: Rig, refusal: str) -> None:
    got = CASES[refusal](rig)
    assert got.status == 200
    assert not got.data[0]["success"]
    assert got.data[0]["errors"][0]["statusCode"] == REFUSALS[refusal].code


def test_salesforce_refuses_an_upsert_that_several_records_match(rig: Rig) -> None:
    got = CASES["several"](rig)
    assert got.status == 300
    assert [address.startswith(f"{CONTACTS}/003") for address in got.data] == [True, True]
    assert rig.org.requests.entries()[-1].refusal == "several"


def test_no_case_is_left_over() -> None:
    assert set(CASES) == set(REFUSALS)


def test_a_rolled_back_collection_leaves_nothing(rig: Rig) -> None:
    CASES["rolled-back"](rig)
    assert rig.org.truth["objects"].get("Contact", {}) == {}
    assert rig.create(CSAT_Person__c="p1").status == 201


def test_a_duplicate_rule_can_be_overridden(rig: Rig) -> None:
    got = similar(rig)
    assert got.data[0]["duplicateResult"]["matchResults"][0]["matchRecords"][0]["record"]["Id"].startswith("003")
    insisting = {"Sforce-Duplicate-Rule-Header": "allowSave=true"}
    body = {"LastName": "Abend", "Email": "ada@example.com"}
    assert rig.caller.send("POST", CONTACTS, body, headers=insisting).status == 201
