from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import requests
from simple_salesforce.api import Salesforce

from connector.clock import VirtualClock
from connector.errors import InDoubt, Rejected, Throttled, Transient
from connector.secret import Secret
from connector.transport.bridge import session
from connector.transport.client import Api
from connector.transport.grants import StaticBearer
from tests.unit.loopback import RESET, Vendor, reply, vendor

NOW = datetime(2026, 11, 20, 18, 10, tzinfo=UTC)


@pytest.fixture
def here() -> Iterator[Vendor]:
    with vendor(lambda _: reply(200, {"ok": "ü"}, X_Left="5", Set_Cookie="a=b; Path=/")) as made:
        yield made


def over(here: Vendor, *, read_only: bool = False) -> requests.Session:
    auth = StaticBearer(Secret("tok-of-acme"))
    api = Api(connection="acme", base_url=here.url, auth=auth, clock=VirtualClock(NOW), read_only=read_only)
    return session(api)


def test_an_sdk_call_goes_out_over_our_client(here: Vendor) -> None:
    response = over(here).post(
        "https://acme.zendesk.example/api/x?a=b%20c",
        params={"d": "e"},
        json={"n": 1},
        headers={"Authorization": "Basic c2RrOnNkaw==", "X-Key": "k"},
        auth=("sdk", "sdk"),
    )
    assert (response.status_code, response.json(), response.headers["X-Left"]) == (200, {"ok": "ü"}, "5")
    assert response.ok
    assert list(response.iter_content(3))
    (seen,) = here.seen
    assert (seen.method, seen.target, seen.body) == ("POST", "/api/x?a=b%20c&d=e", b'{"n": 1}')
    assert seen.headers["authorization"] == "Bearer tok-of-acme"
    assert seen.headers["x-key"] == "k"
    assert seen.headers["user-agent"].startswith("csat-connector/")


def test_failures_leave_as_our_errors(here: Vendor) -> None:
    calls = over(here)
    here.answer = lambda _: reply(422, {"error": "no"})
    with pytest.raises(Rejected):
        calls.get("https://acme.zendesk.example/x")
    here.answer = lambda _: reply(429, {}, Retry_After="1")
    with pytest.raises(Throttled):
        calls.post("https://acme.zendesk.example/x", json={})
    here.answer = lambda _: RESET
    with pytest.raises(InDoubt):
        calls.put("https://acme.zendesk.example/x", json={})
    with pytest.raises(Transient):
        calls.get("https://acme.zendesk.example/x")


def test_observe_mode_holds_for_an_sdk_too(here: Vendor) -> None:
    with pytest.raises(Transient, match="observe"):
        over(here, read_only=True).delete("https://acme.zendesk.example/x")
    assert here.seen == []


def test_simple_salesforce_rides_on_it(here: Vendor) -> None:
    here.answer = lambda _: reply(200, {"totalSize": 0, "done": True, "records": []})
    salesforce = Salesforce(
        instance_url="https://acme.my.salesforce.com", session_id="unused", version="62.0", session=over(here)
    )
    assert salesforce.query("SELECT Id FROM Contact")["records"] == []
    assert here.seen[0].target == "/services/data/v62.0/query/?q=SELECT+Id+FROM+Contact"
    assert here.seen[0].headers["authorization"] == "Bearer tok-of-acme"
