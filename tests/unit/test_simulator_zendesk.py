"""What the Zendesk simulator does when nothing is wrong: keys, look-ups, lag, jobs, the export, the webhook."""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from connector.clock import VirtualClock
from connector.simulator.parts import Fault, FaultKind
from connector.simulator.zendesk import CLIENT_ID, CLIENT_SECRET, HOOK_SECRET, Zendesk
from connector.simulator.zendesk_desk import RECOVERY_STATUS
from tests.unit.simulator_calls import Caller, Got, calling, new_clock

TICKETS = "/api/v2/tickets"
EXPORT = "/api/v2/incremental/tickets/cursor"
LOGIN = {
    "grant_type": "client_credentials",
    "client_id": CLIENT_ID,
    "client_secret": CLIENT_SECRET,
    "scope": "read write",
    "expires_in": 172_800,
}


class Rig:
    """A running account and a caller that is signed in for two days."""

    def __init__(self, zendesk: Zendesk, caller: Caller, clock: VirtualClock) -> None:
        self.zendesk = zendesk
        self.caller = caller
        self.clock = clock
        caller.token = caller.send("POST", "/oauth/tokens", LOGIN).data["access_token"]

    def pass_seconds(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    def get(self, path: str) -> Any:
        got = self.caller.send("GET", path)
        assert got.status == 200
        return got.data

    def create(self, key: str = "", **fields: Any) -> Got:
        ticket = {"comment": {"body": "Call back", "public": False}, **fields}
        headers = {"Idempotency-Key": key} if key else {}
        return self.caller.send("POST", TICKETS, {"ticket": ticket}, headers=headers)

    def update(self, ticket: int, **fields: Any) -> Any:
        got = self.caller.send("PUT", f"{TICKETS}/{ticket}", {"ticket": fields})
        assert got.status == 200
        return got.data

    def job(self, *tickets: dict[str, Any]) -> str:
        got = self.caller.send("PUT", f"{TICKETS}/update_many", {"tickets": list(tickets)})
        return str(got.data["job_status"]["id"])

    def tickets(self) -> dict[str, Any]:
        return dict(self.zendesk.truth["objects"]["ticket"])


@pytest.fixture
def rig() -> Iterator[Rig]:
    clock = new_clock()
    zendesk = Zendesk(clock)
    with calling(zendesk.start()) as caller:
        yield Rig(zendesk, caller, clock)
    zendesk.stop()


def test_a_key_replays_the_first_answer_for_two_hours(rig: Rig) -> None:
    first = rig.create("k", external_id="e")
    rig.pass_seconds(7199)
    again = rig.create("k", external_id="e")
    assert (first.headers["x-idempotency-lookup"], again.headers["x-idempotency-lookup"]) == ("miss", "hit")
    assert again.data == first.data
    rig.pass_seconds(1)
    assert rig.create("k", external_id="e").headers["x-idempotency-lookup"] == "miss"
    assert len(rig.tickets()) == 2


def test_a_refused_create_leaves_its_key_unused(rig: Rig) -> None:
    assert rig.create("k", priority="highest").status == 422
    assert rig.create("k").status == 201


def test_an_external_id_is_not_unique_and_the_list_shows_it_at_once(rig: Rig) -> None:
    ids = [rig.create(external_id="e").data["ticket"]["id"] for _ in range(2)]
    found = rig.get(f"{TICKETS}.json?external_id=e")["tickets"]
    assert [ticket["id"] for ticket in found] == ids


def test_search_lags_by_the_clock(rig: Rig) -> None:
    rig.create(external_id="e")
    rig.pass_seconds(119)
    assert rig.get("/api/v2/search?query=external_id:e")["results"] == []
    rig.pass_seconds(1)
    assert len(rig.get("/api/v2/search?query=external_id:e")["results"]) == 1


def test_the_lookup_can_be_made_to_lag(rig: Rig) -> None:
    rig.zendesk.lookup_lag = timedelta(seconds=30)
    rig.create(external_id="e")
    assert rig.get(f"{TICKETS}?external_id=e")["tickets"] == []
    rig.pass_seconds(30)
    assert len(rig.get(f"{TICKETS}?external_id=e")["tickets"]) == 1


def test_archived_tickets_leave_the_list_and_can_still_be_shown(rig: Rig) -> None:
    ticket = rig.create(external_id="e").data["ticket"]["id"]
    rig.zendesk.archive(ticket)
    assert rig.get(f"{TICKETS}?external_id=e")["tickets"] == []
    assert rig.get(f"{TICKETS}/{ticket}")["ticket"]["id"] == ticket


def test_a_requester_is_found_by_address_or_made(rig: Rig) -> None:
    requesters = [
        rig.create(requester={"email": email, "name": "Ada"}).data["ticket"]["requester_id"]
        for email in ("ada@example.com", "Ada@Example.com", "ben@example.com")
    ]
    assert requesters[0] == requesters[1] != requesters[2]
    shown = rig.get(f"{TICKETS}/show_many?ids=10001,10003,99&include=users")
    assert [user["email"] for user in shown["users"]] == ["ada@example.com", "ben@example.com"]
    assert shown["count"] == 2


def test_a_custom_status_sets_its_category(rig: Rig) -> None:
    statuses = {status["agent_label"]: status["id"] for status in rig.get("/api/v2/custom_statuses")["custom_statuses"]}
    ticket = rig.create(custom_status_id=statuses[RECOVERY_STATUS]).data["ticket"]
    assert (ticket["status"], ticket["custom_status_id"]) == ("open", statuses[RECOVERY_STATUS])


def test_an_account_without_custom_statuses_has_the_default_ones() -> None:
    zendesk = Zendesk(new_clock(), custom_statuses=False)
    assert all(status["default"] for status in zendesk.desk.statuses.values())


def test_only_tasks_have_a_due_date(rig: Rig) -> None:
    due = "2026-11-20T16:00:00Z"
    assert rig.create(due_at=due).data["ticket"]["due_at"] is None
    assert rig.create(due_at=due, type="task").data["ticket"]["due_at"] == due


def test_tags_are_replaced_added_and_removed(rig: Rig) -> None:
    ticket = rig.create(tags=["One", "two words"]).data["ticket"]["id"]
    path = f"{TICKETS}/{ticket}/tags"
    assert rig.get(path)["tags"] == ["one", "two_words"]
    assert rig.caller.send("PUT", path, {"tags": ["three"]}).data["tags"] == ["one", "two_words", "three"]
    assert rig.caller.send("DELETE", path, {"tags": ["one"]}).data["tags"] == ["two_words", "three"]
    assert rig.update(ticket, tags=["only"])["ticket"]["tags"] == ["only"]


def test_comments_come_back_newest_first_when_asked_and_by_page(rig: Rig) -> None:
    ticket = rig.create().data["ticket"]["id"]
    answer = rig.update(ticket, comment={"body": "second", "public": False}, metadata={"key": "k"})
    comments = rig.get(f"{TICKETS}/{ticket}/comments?sort_order=desc")["comments"]
    assert [comment["body"] for comment in comments] == ["second", "Call back"]
    assert comments[0]["metadata"]["custom"] == {"key": "k"}
    assert [event["id"] for event in answer["audit"]["events"]] == [comments[0]["id"]]
    page = rig.get(f"{TICKETS}/{ticket}/comments?page%5Bsize%5D=1")
    assert page["meta"]["has_more"]
    rest = rig.get(f"{TICKETS}/{ticket}/comments?page%5Bsize%5D=1&page%5Bafter%5D={page['meta']['after_cursor']}")
    assert [comment["body"] for comment in rest["comments"]] == ["second"]
    assert not rest["meta"]["has_more"]


def test_a_follow_up_points_at_its_closed_source(rig: Rig) -> None:
    source = rig.zendesk.add_ticket(requester_email="ada@example.com", status="closed")
    ticket = rig.create(via_followup_source_id=source).data["ticket"]
    assert ticket["via_followup_source_id"] == source
    assert rig.get(f"{TICKETS}/{source}")["ticket"]["followup_ids"] == [ticket["id"]]


def test_a_job_runs_later_and_answers_per_record(rig: Rig) -> None:
    good = rig.zendesk.add_ticket(requester_email="ada@example.com")
    closed = rig.zendesk.add_ticket(requester_email="ada@example.com", status="closed")
    job = rig.job({"id": good, "additional_tags": ["vip"]}, {"id": closed, "priority": "high"}, {"id": 99, "tags": []})
    assert rig.get(f"/api/v2/job_statuses/{job}")["job_status"]["status"] == "queued"
    assert rig.tickets()[str(good)]["tags"] == []
    rig.pass_seconds(1)
    status = rig.get(f"/api/v2/job_statuses/{job}.json")["job_status"]
    assert status["status"] == "completed"
    assert [row.get("error") for row in status["results"]] == [None, "RecordInvalid", "RecordNotFound"]
    assert rig.tickets()[str(good)]["tags"] == ["vip"]


@pytest.mark.parametrize(
    ("records", "state", "errors"), [((), "failed", None), ((0,), "completed", ["UpdateConflict"])]
)
def test_a_job_fails_late_on_request(rig: Rig, records: tuple[int, ...], state: str, errors: list[str] | None) -> None:
    ticket = rig.zendesk.add_ticket(requester_email="ada@example.com")
    order = Fault(match=f"PUT {TICKETS}/update_many", kind=FaultKind.LATE_JOB_FAILURE, records=records)
    rig.zendesk.faults.add(order)
    job = rig.job({"id": ticket, "priority": "high"})
    rig.pass_seconds(1)
    status = rig.get(f"/api/v2/job_statuses/{job}")["job_status"]
    assert (status["status"], status["results"] and [row["error"] for row in status["results"]]) == (state, errors)
    assert rig.tickets()[str(ticket)]["priority"] is None


def test_a_job_is_forgotten_after_an_hour(rig: Rig) -> None:
    ticket = rig.zendesk.add_ticket(requester_email="ada@example.com")
    job = rig.job({"id": ticket, "priority": "high"})
    rig.pass_seconds(3601)
    assert rig.caller.send("GET", f"/api/v2/job_statuses/{job}").status == 404


def test_the_export_leaves_out_the_last_minute_and_repeats_what_changed(rig: Rig) -> None:
    start = int(rig.clock.now().timestamp())
    ticket = rig.zendesk.add_ticket(requester_email="ada@example.com")
    other = rig.zendesk.add_ticket(requester_email="ben@example.com")
    rig.pass_seconds(60)
    page = rig.get(f"{EXPORT}?start_time={start}&include=users&per_page=1")
    assert [row["id"] for row in page["tickets"]] == [ticket]
    assert [user["email"] for user in page["users"]] == ["ada@example.com"]
    assert not page["end_of_stream"]
    page = rig.get(f"{EXPORT}?cursor={page['after_cursor']}")
    assert ([row["id"] for row in page["tickets"]], page["end_of_stream"]) == ([other], True)
    rig.zendesk.human_update(ticket, priority="low")
    rig.zendesk.human_update(ticket, status="solved")
    rig.zendesk.human_delete(other)
    assert rig.get(f"{EXPORT}?cursor={page['after_cursor']}")["tickets"] == []
    rig.pass_seconds(60)
    changed = rig.get(f"{EXPORT}?cursor={page['after_cursor']}")["tickets"]
    assert [(row["id"], row["status"]) for row in changed] == [(ticket, "solved"), (other, "deleted")]


def test_a_reply_of_the_customer_reopens_a_solved_ticket(rig: Rig) -> None:
    ticket = rig.zendesk.add_ticket(requester_email="ada@example.com", status="solved")
    rig.zendesk.customer_reply(ticket, "Still broken")
    row = rig.tickets()[str(ticket)]
    assert (row["status"], row["comments"][-1]["author_id"]) == ("open", row["requester_id"])


def test_quota_headers_count_down(rig: Rig) -> None:
    ticket = rig.zendesk.add_ticket(requester_email="ada@example.com")
    got = rig.caller.send("PUT", f"{TICKETS}/{ticket}", {"ticket": {"priority": "high"}})
    assert (got.headers["x-rate-limit"], got.headers["x-rate-limit-remaining"]) == ("700", "699")
    assert got.headers["ratelimit-remaining"] == "699"
    assert got.headers["zendesk-ratelimit-tickets-update"].startswith("total=100; remaining=99; resets=")


def test_a_token_of_the_narrow_scope_is_enough(rig: Rig) -> None:
    rig.caller.token = rig.caller.send("POST", "/oauth/tokens", {**LOGIN, "scope": "tickets:read"}).data["access_token"]
    assert rig.caller.send("GET", TICKETS).status == 200
    assert rig.caller.send("GET", "/api/v2/users/me").status == 403


def test_the_truth_tells_people_from_the_api(rig: Rig) -> None:
    ticket = rig.create(subject="Ours").data["ticket"]["id"]
    rig.zendesk.human_update(ticket, priority="low")
    writes = rig.zendesk.truth["writes"]
    assert [(write["action"], write["by"]) for write in writes] == [("create", "api"), ("update", "human")]


def test_an_agent_sees_the_ticket_escaped(rig: Rig) -> None:
    ticket = rig.create(subject="<b>bold</b>", comment={"body": "<script>alert(1)</script>", "public": False})
    page = str(rig.get(f"/agent/tickets/{ticket.data['ticket']['id']}"))
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "private" in page
    assert "&lt;b&gt;bold&lt;/b&gt;" in str(rig.get("/agent/tickets"))


class Inbox(HTTPServer):
    """Receives webhooks, answering with the statuses it was given, then 200."""

    def __init__(self, statuses: list[int]) -> None:
        super().__init__(("127.0.0.1", 0), _Receiver)
        self.statuses = statuses
        self.received: list[tuple[dict[str, str], bytes]] = []


class _Receiver(BaseHTTPRequestHandler):
    server: Inbox

    def do_POST(self) -> None:  # http.server's name
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(("statuses", "tries"), [([], 1), ([503, 503], 3), ([503] * 9, 4), ([400], 1)])
def test_the_webhook_is_signed_and_tried_again(rig: Rig, statuses: list[int], tries: int) -> None:
    with Inbox(list(statuses)) as inbox:
        threading.Thread(target=inbox.serve_forever, args=(0.01,), daemon=True).start()
        rig.zendesk.hook_url = f"http://127.0.0.1:{inbox.server_port}/hooks/zendesk"
        ticket = rig.zendesk.add_ticket(requester_email="ada@example.com")
        rig.zendesk.human_update(ticket, status="solved")
        inbox.shutdown()
    assert len(inbox.received) == len(rig.zendesk.hook_deliveries) == tries
    headers, body = inbox.received[0]
    stamp = headers["x-zendesk-webhook-signature-timestamp"]
    expected = base64.b64encode(hmac.new(HOOK_SECRET.encode(), stamp.encode() + body, hashlib.sha256).digest())
    assert headers["x-zendesk-webhook-signature"] == expected.decode()
    assert len({headers["x-zendesk-webhook-invocation-id"] for headers, _ in inbox.received}) == 1
    assert f'"id": "{ticket}"'.encode() in body
