"""Zendesk's feed of tickets, its signed webhook, and whether an account is ready."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from connector.adapters.zendesk import Options, Zendesk, feed
from connector.clock import VirtualClock
from connector.domain.model.intent import Item, Receipt, WriteKind
from connector.errors import Forged, MappingError
from connector.ports import Hook, Ticket
from connector.secret import Secret
from connector.simulator import zendesk as simulator
from connector.simulator.zendesk_desk import RECOVERY_STATUS
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
EVENT = json.dumps({"type": "zen:event-type:ticket.status_changed", "detail": {"id": "10001"}}).encode()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOON)


@pytest.fixture
def desk(clock: VirtualClock) -> Iterator[simulator.Zendesk]:
    desk = simulator.Zendesk(clock)
    desk.start()
    yield desk
    desk.stop()


@pytest.fixture
def helpdesk(desk: simulator.Zendesk, clock: VirtualClock) -> Zendesk:
    options = Options(
        subdomain="acme",
        client_id=simulator.CLIENT_ID,
        client_secret=Secret(simulator.CLIENT_SECRET),
        webhook_secret=(Secret("an-older-secret"), Secret(simulator.HOOK_SECRET)),
        base_url=desk.site.base_url,
    )
    return Zendesk("desk", options, Kit(clock=clock, token_store=MemoryTokens(clock)))


def open_ours(helpdesk: Zendesk) -> str:
    fields = {"subject": "S", "comment": "C", "requester_email": "kim@mail.example", "group": "Service Recovery"}
    item = Item(key="recovery-1", target=None, fields={**fields, "status": RECOVERY_STATUS}, cause_at=NOON)
    helpdesk.prepare()
    outcomes = helpdesk.send(WriteKind.TICKET, helpdesk.render(WriteKind.TICKET, [item]), 1)
    assert isinstance(outcomes, list)
    (receipt,) = outcomes
    assert isinstance(receipt, Receipt)
    return receipt.remote_id


def sweep(helpdesk: Zendesk, cursor: str | None) -> tuple[dict[str, Ticket], str]:
    found: dict[str, Ticket] = {}
    while True:
        page = helpdesk.tickets_since(cursor)
        found |= {ticket.id: ticket for ticket in page.records}
        cursor = page.cursor
        if not page.more:
            return found, cursor


def test_the_feed_begins_a_quarter_back_and_tells_ours_from_theirs(
    helpdesk: Zendesk, desk: simulator.Zendesk, clock: VirtualClock
) -> None:
    desk.add_ticket(requester_email="ancient@mail.example")
    clock.advance(timedelta(days=91))
    old = str(desk.add_ticket(requester_email="old@mail.example"))
    clock.advance(timedelta(days=80))
    seen, cursor = sweep(helpdesk, None)
    assert set(seen) == {old}
    ours = open_ours(helpdesk)
    theirs = str(desk.add_ticket(requester_email="lee@mail.example", external_id="somebody-elses"))
    clock.advance(timedelta(minutes=2))
    seen, _ = sweep(helpdesk, cursor)
    assert {number: ticket.key for number, ticket in seen.items()} == {ours: "recovery-1", theirs: None}
    assert seen[ours].requester_email == "kim@mail.example"
    assert seen[ours].status == "open"
    assert (seen[ours].values["status"], seen[ours].values["group"]) == (RECOVERY_STATUS, "Service Recovery")
    assert seen[ours].account == "zendesk:acme"
    assert seen[ours].url == f"{desk.site.base_url}/agent/tickets/{ours}"


def test_what_people_do_comes_after_the_cursor(helpdesk: Zendesk, desk: simulator.Zendesk, clock: VirtualClock) -> None:
    _, cursor = sweep(helpdesk, None)
    solved, deleted, quiet = (desk.add_ticket(requester_email="kim@mail.example") for _ in range(3))
    clock.advance(timedelta(minutes=2))
    seen, cursor = sweep(helpdesk, cursor)
    assert set(seen) == {str(solved), str(deleted), str(quiet)}
    desk.human_update(solved, status="solved")
    desk.human_delete(deleted)
    clock.advance(timedelta(minutes=2))
    seen, cursor = sweep(helpdesk, cursor)
    assert {number: ticket.status for number, ticket in seen.items()} == {
        str(solved): "solved",
        str(deleted): "deleted",
    }
    assert sweep(helpdesk, cursor) == ({}, cursor)


def test_pages_of_the_export_are_followed(
    helpdesk: Zendesk, desk: simulator.Zendesk, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "PAGE", 2)
    _, cursor = sweep(helpdesk, None)
    numbers = {str(desk.add_ticket(requester_email="kim@mail.example")) for _ in range(5)}
    clock.advance(timedelta(minutes=2))
    assert helpdesk.tickets_since(cursor).more
    assert set(sweep(helpdesk, cursor)[0]) == numbers


def test_tickets_are_read_by_id_a_hundred_a_call(helpdesk: Zendesk, desk: simulator.Zendesk) -> None:
    numbers = [str(desk.add_ticket(requester_email="kim@mail.example")) for _ in range(101)]
    desk.human_delete(int(numbers[0]))
    before = len(desk.requests)
    found = helpdesk.read_tickets([*numbers, "999999"])
    assert set(found) == set(numbers[1:])
    assert desk.requests.counts(before)["GET /api/v2/tickets/show_many"] == 2
    assert found[numbers[-1]].requester_email == "kim@mail.example"


def hook(body: bytes, at: datetime, *, secret: str = simulator.HOOK_SECRET, stamp: str | None = None) -> Hook:
    stamp = at.strftime("%Y-%m-%dT%H:%M:%SZ") if stamp is None else stamp
    signature = base64.b64encode(hmac.new(secret.encode(), stamp.encode() + body, hashlib.sha256).digest()).decode()
    headers = {"x-zendesk-webhook-signature": signature, "x-zendesk-webhook-signature-timestamp": stamp}
    return Hook(method="POST", path="/hooks/zendesk", headers=headers, body=body, received_at=NOON)


@pytest.mark.parametrize("late", [timedelta(0), timedelta(minutes=4), timedelta(minutes=-4)])
@pytest.mark.parametrize("secret", [simulator.HOOK_SECRET, "an-older-secret"])
def test_a_signed_fresh_webhook_is_believed(helpdesk: Zendesk, late: timedelta, secret: str) -> None:
    helpdesk.verify(hook(EVENT, NOON - late, secret=secret))
    assert helpdesk.read_hook(EVENT) == ["10001"]


def test_forged_and_stale_webhooks_are_not(helpdesk: Zendesk) -> None:
    good = hook(EVENT, NOON)
    swapped = Hook(method="POST", path="", headers=good.headers, body=EVENT + b" ", received_at=NOON)
    bare = Hook(method="POST", path="", headers={}, body=EVENT, received_at=NOON)
    stale = hook(EVENT, NOON - timedelta(minutes=6))
    for forged in (swapped, bare, stale, hook(EVENT, NOON, secret="guess"), hook(EVENT, NOON, stamp="yesterday")):
        with pytest.raises(Forged):
            helpdesk.verify(forged)


def test_a_trigger_body_names_its_ticket_too(helpdesk: Zendesk) -> None:
    assert helpdesk.read_hook(b'{"ticket_id": "42"}') == ["42"]
    assert helpdesk.read_hook(b'{"ticket_id": 42}') == ["42"]


@pytest.mark.parametrize("body", [b"", b"[1]", b"{}", b'{"detail": {"id": "x"}}', b'{"detail": 7}'])
def test_a_webhook_about_nothing_is_quarantined(helpdesk: Zendesk, body: bytes) -> None:
    with pytest.raises(MappingError):
        helpdesk.read_hook(body)


def test_a_ready_account_has_no_findings_and_a_wrong_field_is_one(helpdesk: Zendesk) -> None:
    assert helpdesk.describe({WriteKind.TICKET: frozenset({"subject", "group", "status"})}) == []
    (finding,) = helpdesk.describe({WriteKind.NOTE: frozenset({"text", "subjekt"})})
    assert (finding.subject, finding.blocking) == ("note.subjekt", True)


def test_a_user_without_rights_is_a_finding(helpdesk: Zendesk, desk: simulator.Zendesk) -> None:
    with desk.site.lock:
        desk.desk.users["1001"]["role"] = "agent"
    assert [finding.blocking for finding in helpdesk.describe({})] == [False]
    with desk.site.lock:
        desk.desk.users["1001"]["role"] = "end-user"
    assert [finding.blocking for finding in helpdesk.describe({})] == [True]
