"""Every refusal of the Zendesk simulator, provoked by the bad request itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from connector.simulator.zendesk import CLIENT_ID, CLIENT_SECRET, REFUSALS, Quotas, Zendesk
from connector.simulator.zendesk_desk import RECOVERY_STATUS
from tests.unit.simulator_calls import FORM_TYPE, Caller, Got, calling, new_clock

TICKETS = "/api/v2/tickets"
COMMENT = {"body": "Please call back", "public": False}
Case = Callable[["Rig"], Got]


class Rig:
    """A running account with small quotas and a caller that is signed in."""

    def __init__(self, zendesk: Zendesk, caller: Caller) -> None:
        self.zendesk = zendesk
        self.caller = caller

    def login(self, **changes: Any) -> Got:
        data = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        got = self.caller.send("POST", "/oauth/tokens", {**data, "scope": "read write", **changes})
        if got.status == 200:
            self.caller.token = got.data["access_token"]
        return got

    def create(self, **fields: Any) -> Got:
        return self.caller.send("POST", TICKETS, {"ticket": {"comment": COMMENT, **fields}})

    def update(self, ticket: int, **fields: Any) -> Got:
        return self.caller.send("PUT", f"{TICKETS}/{ticket}", {"ticket": fields})

    def a_ticket(self, status: str = "open") -> int:
        return self.zendesk.add_ticket(requester_email="ada@example.com", status=status)

    def keyed(self, key: str, subject: str) -> Got:
        data = {"ticket": {"comment": COMMENT, "subject": subject}}
        return self.caller.send("POST", TICKETS, data, headers={"Idempotency-Key": key})

    def many(self, count: int) -> Got:
        tickets = [{"id": number, "priority": "high"} for number in range(1, count + 1)]
        return self.caller.send("PUT", f"{TICKETS}/update_many", {"tickets": tickets})

    def repeat(self, times: int, act: Callable[[], Got]) -> Got:
        for _ in range(times):
            assert act().status < 300
        return act()


@pytest.fixture
def rig() -> Iterator[Rig]:
    quotas = Quotas(account=8, updates=3, per_ticket=2, searches=2, exports=2, jobs=2)
    zendesk = Zendesk(new_clock(), quotas=quotas)
    with calling(zendesk.start()) as caller:
        made = Rig(zendesk, caller)
        made.login()
        yield made
    zendesk.stop()


def bare(rig: Rig) -> Got:
    rig.caller.token = ""
    return rig.caller.send("GET", TICKETS)


def expired(rig: Rig) -> Got:
    rig.zendesk.clock.advance(timedelta(minutes=30))  # type: ignore[attr-defined]  # it is the virtual clock
    return rig.caller.send("GET", TICKETS)


def reader(rig: Rig) -> Got:
    rig.login(scope="read")
    return rig.create()


def endpoint_spent(rig: Rig) -> Got:
    tickets = [rig.a_ticket() for _ in range(4)]
    for ticket in tickets[:3]:
        assert rig.update(ticket, priority="high").status == 200
    return rig.update(tickets[3], priority="high")


def ticket_spent(rig: Rig) -> Got:
    ticket = rig.a_ticket()
    return rig.repeat(2, lambda: rig.update(ticket, priority="high"))


def reused(rig: Rig) -> Got:
    assert rig.keyed("k", "one").status == 201
    return rig.keyed("k", "two")


def stale(rig: Rig) -> Got:
    ticket = rig.a_ticket()
    return rig.update(ticket, safe_update=True, updated_stamp="2026-01-01T00:00:00Z", priority="high")


def taken(rig: Rig) -> Got:
    for email, expected in (("ada@example.com", 201), ("ben@example.com", 422)):
        data = {"user": {"email": email, "name": "A", "external_id": "P1"}}
        got = rig.caller.send("POST", "/api/v2/users/create_or_update", data)
        assert got.status == expected
    return got


def add(rig: Rig, kind: str, path: str, **fields: Any) -> Got:
    return rig.caller.send("POST", f"/api/v2/{path}", {kind: fields})


def without_statuses(rig: Rig) -> Got:
    rig.zendesk.desk.has_custom_statuses = False
    return add(rig, "custom_status", "custom_statuses", agent_label="Late", status_category="open")


def requester_of(rig: Rig, ticket: int) -> int:
    return int(rig.zendesk.truth["objects"]["ticket"][str(ticket)]["requester_id"])


def elsewhere_redacted(rig: Rig) -> Got:
    ticket = rig.a_ticket()
    comment = rig.zendesk.truth["objects"]["ticket"][str(ticket)]["comments"][0]["id"]
    body = {"ticket_id": ticket, "html_body": "<redact>other words</redact>"}
    return rig.caller.send("PUT", f"/api/v2/comment_redactions/{comment}", body)


CASES: dict[str, Case] = {
    "statuses-off": without_statuses,
    "status-label": lambda rig: add(rig, "custom_status", "custom_statuses", agent_label="x" * 49),
    "taken": lambda rig: add(
        rig, "custom_status", "custom_statuses", agent_label=RECOVERY_STATUS.upper(), status_category="open"
    ),
    "field-type": lambda rig: add(rig, "ticket_field", "ticket_fields", type="word", title="A"),
    "field-title": lambda rig: add(rig, "ticket_field", "ticket_fields", type="text", title=" "),
    "webhook": lambda rig: add(rig, "webhook", "webhooks", name="A", endpoint="nowhere"),
    "oauth-client": lambda rig: rig.login(client_secret="wrong"),
    "oauth-grant": lambda rig: rig.login(grant_type="password"),
    "oauth-scope": lambda rig: rig.login(scope="read tickets:destroy"),
    "oauth-expiry": lambda rig: rig.login(expires_in=60),
    "no-token": bare,
    "token": expired,
    "scope": reader,
    "throttled": lambda rig: rig.repeat(8, lambda: rig.caller.send("GET", "/api/v2/groups")),
    "throttled-endpoint": endpoint_spent,
    "throttled-ticket": ticket_spent,
    "too-many-jobs": lambda rig: rig.repeat(2, lambda: rig.many(1)),
    "unknown-route": lambda rig: rig.caller.send("GET", "/api/v2/tikcets"),
    "unknown-method": lambda rig: rig.caller.send("PATCH", TICKETS),
    "not-found": lambda rig: rig.caller.send("GET", f"{TICKETS}/99"),
    "media-type": lambda rig: rig.caller.send("POST", TICKETS, raw="ticket=1", headers=FORM_TYPE),
    "json": lambda rig: rig.caller.send(
        "POST", TICKETS, raw='{"ticket":', headers={"Content-Type": "application/json"}
    ),
    "no-ticket": lambda rig: rig.caller.send("POST", TICKETS, {"comment": COMMENT}),
    "unknown-field": lambda rig: rig.create(prioriti="high"),
    "wrong-type": lambda rig: rig.create(group_id="502"),
    "bulk-only": lambda rig: rig.update(rig.a_ticket(), additional_tags=["a"]),
    "create-only": lambda rig: rig.update(rig.a_ticket(), via_followup_source_id=1),
    "blank-comment": lambda rig: rig.create(comment={"body": " ", "public": False}),
    "long-comment": lambda rig: rig.create(comment={"body": "x" * 65_536}),
    "status": lambda rig: rig.create(status="opened"),
    "priority": lambda rig: rig.create(priority="highest"),
    "type": lambda rig: rig.create(type="chore"),
    "group": lambda rig: rig.create(group_id=9),
    "custom-status": lambda rig: rig.create(custom_status_id=306),  # exists, switched off
    "custom-field": lambda rig: rig.create(custom_fields=[{"id": 9, "value": "x"}]),
    "user": lambda rig: rig.create(requester_id=9),
    "requester-email": lambda rig: rig.create(requester={"name": "Ada", "email": "ada@example"}),
    "requester-name": lambda rig: rig.create(requester={"name": "", "email": "new@example.com"}),
    "closed": lambda rig: rig.update(rig.a_ticket("closed"), priority="high"),
    "follow-up": lambda rig: rig.create(via_followup_source_id=rig.a_ticket("solved")),
    "stale": stale,
    "no-stamp": lambda rig: rig.update(rig.a_ticket(), safe_update=True, priority="high"),
    "key-too-long": lambda rig: rig.keyed("k" * 256, "one"),
    "key-reuse": reused,
    "too-many": lambda rig: rig.many(101),
    "no-ids": lambda rig: rig.caller.send("GET", f"{TICKETS}/show_many?ids=a"),
    "page-size": lambda rig: rig.caller.send("GET", f"{TICKETS}?page%5Bsize%5D=101"),
    "cursor": lambda rig: rig.caller.send("GET", f"{TICKETS}?page%5Bafter%5D=zzz"),
    "no-start": lambda rig: rig.caller.send("GET", "/api/v2/incremental/tickets/cursor"),
    "recent-start": lambda rig: rig.caller.send(
        "GET", f"/api/v2/incremental/tickets/cursor?start_time={int(rig.zendesk.clock.now().timestamp()) - 30}"
    ),
    "search": lambda rig: rig.caller.send("GET", "/api/v2/search?query=hello"),
    "external-id": taken,
    "delete-agent": lambda rig: rig.caller.send("DELETE", "/api/v2/users/1002"),
    "open-tickets": lambda rig: rig.caller.send("DELETE", f"/api/v2/users/{requester_of(rig, rig.a_ticket())}"),
    "redaction": elsewhere_redacted,
}


def code_of(data: Any) -> str:
    error = data["error"]
    return str(error["title"] if isinstance(error, dict) else error)


@pytest.mark.parametrize("refusal", REFUSALS)
def test_zendesk_refuses(rig: Rig, refusal: str) -> None:
    before = len(rig.zendesk.truth["writes"])
    got = CASES[refusal](rig)
    row = REFUSALS[refusal]
    assert (got.status, code_of(got.data)) == (row.status, row.code)
    assert rig.zendesk.requests.entries()[-1].refusal == refusal
    made = [write for write in rig.zendesk.truth["writes"][before:] if write["by"] == "api"]
    allowed = {"throttled-endpoint": 3, "throttled-ticket": 2, "key-reuse": 1, "too-many-jobs": 0}
    assert len(made) == allowed.get(refusal, 0), "a refused request changes nothing"


def test_no_case_is_left_over() -> None:
    assert set(CASES) == set(REFUSALS)


@pytest.mark.parametrize("refusal", ["throttled", "throttled-endpoint", "throttled-ticket", "too-many-jobs"])
def test_a_throttled_reply_says_when_to_come_back(rig: Rig, refusal: str) -> None:
    assert int(CASES[refusal](rig).headers["retry-after"]) >= 1


def test_a_window_opens_again(rig: Rig) -> None:
    wait = int(CASES["throttled"](rig).headers["retry-after"])
    rig.zendesk.clock.advance(timedelta(seconds=wait))  # type: ignore[attr-defined]  # it is the virtual clock
    assert rig.caller.send("GET", "/api/v2/groups").status == 200
