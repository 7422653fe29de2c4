"""A bare org: a field that was made is seen by nobody before a permission set that names it is assigned."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connector.simulator.salesforce import CLIENT_ID, CLIENT_SECRET, Salesforce
from connector.simulator.salesforce_org import INTEGRATION_USER
from tests.unit.simulator_calls import FORM_TYPE, Caller, Got, calling, new_clock

DATA = "/services/data/v67.0"


@pytest.fixture
def caller() -> Iterator[Caller]:
    org = Salesforce(new_clock(), bare=True)
    with calling(org.start()) as made:
        form = f"grant_type=client_credentials&client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}"
        made.token = made.send("POST", "/services/oauth2/token", raw=form, headers=FORM_TYPE).data["access_token"]
        yield made
    org.stop()


def fields(caller: Caller, name: str) -> set[str]:
    described = caller.send("GET", f"{DATA}/sobjects/{name}/describe").data["fields"]
    return {field["name"] for field in described if field["name"].startswith("CSAT_")}


def write(caller: Caller) -> Got:
    return caller.send("POST", f"{DATA}/sobjects/Task", {"Subject": "Call", "CSAT_Key__c": "k1"})


def test_a_field_on_activity_is_seen_on_tasks_by_whom_a_permission_set_shows_it(caller: Caller) -> None:
    assert (fields(caller, "Contact"), fields(caller, "Task")) == (set(), set())
    metadata = {"type": "Text", "label": "Key", "length": 255, "unique": True, "externalId": True}
    body = {"FullName": "Activity.CSAT_Key__c", "Metadata": metadata}
    assert caller.send("POST", f"{DATA}/tooling/sobjects/CustomField", body).status == 201
    assert fields(caller, "Task") == set(), "nobody sees it yet"
    assert write(caller).data[0]["errorCode"] == "INVALID_FIELD"
    soql = "SELECT+DeveloperName+FROM+CustomField+WHERE+TableEnumOrId+=+'Activity'"
    made = caller.send("GET", f"{DATA}/tooling/query?q={soql}").data["records"]
    assert made == [{"DeveloperName": "CSAT_Key"}]
    parent = caller.send("POST", f"{DATA}/sobjects/PermissionSet", {"Name": "CSAT", "Label": "CSAT"}).data["id"]
    permission = {
        "ParentId": parent,
        "SobjectType": "Task",
        "Field": "Task.CSAT_Key__c",
        "PermissionsRead": True,
        "PermissionsEdit": True,
    }
    assert caller.send("POST", f"{DATA}/sobjects/FieldPermissions", permission).status == 201
    again = caller.send("POST", f"{DATA}/sobjects/FieldPermissions", permission)
    assert again.data[0]["errorCode"] == "DUPLICATE_VALUE"
    assert fields(caller, "Task") == set(), "the permission set is nobody's yet"
    assignment = {"AssigneeId": INTEGRATION_USER, "PermissionSetId": parent}
    assert caller.send("POST", f"{DATA}/sobjects/PermissionSetAssignment", assignment).status == 201
    assert fields(caller, "Task") == {"CSAT_Key__c"}
    assert write(caller).status == 201
