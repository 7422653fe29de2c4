"""Zendesk holds what every helpdesk must hold."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from connector.ports import Hook
from connector.simulator.zendesk import Zendesk
from connector.simulator.zendesk_hooks import sign
from connector.testing.effect import mail
from connector.testing.feeds import Feed, TicketsSuite
from connector.testing.world import Stand
from connector.testing.writing import WriterSuite
from tests.durability.effects import ZENDESK, desk


def there(stand: Stand) -> Zendesk:
    assert isinstance(stand.account, Zendesk)
    return stand.account


def hook(stand: Stand, ticket: str, at: datetime) -> Hook:
    body = json.dumps({"type": "zen:event-type:ticket.status_changed", "detail": {"id": ticket}}).encode()
    stamp = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    headers = {"x-zendesk-webhook-signature": sign(stamp, body), "x-zendesk-webhook-signature-timestamp": stamp}
    return Hook(method="POST", path="/hooks/zendesk", headers=headers, body=body, received_at=at)


class TestWrites(WriterSuite):
    cases = ZENDESK
    lacks = {
        "C13 note": "A job says that a record was refused, and not because of which field.",
        "C13 ticket_update": "A job says that a record was refused, and not because of which field.",
    }


class TestTickets(TicketsSuite):
    cases = {
        "tickets": Feed(
            page="zendesk",
            vendor=desk,
            read=lambda helpdesk, cursor: helpdesk.tickets_since(cursor),
            id_of=lambda ticket: ticket.id,
            add=lambda stand, number: str(there(stand).add_ticket(requester_email=mail(number))),
            calls="GET /api/v2/incremental/tickets/cursor",
            delete=lambda stand, ticket: there(stand).human_delete(int(ticket)),
            sign=hook,
            lag=timedelta(minutes=1),
        )
    }
