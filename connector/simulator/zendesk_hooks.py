"""Zendesk's webhook: an event about a ticket, signed, tried up to four times."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import datetime

from connector.simulator.outgoing import UNREACHABLE, post
from connector.simulator.parts import Fields
from connector.simulator.zendesk_desk import iso

HOOK_SECRET = "sim-zendesk-hook"
AGAIN = frozenset({UNREACHABLE, 409, 429, 503})
TRIES = 4


def announce(url: str, ticket: Fields, before: str, event_id: str, now: datetime) -> list[tuple[str, int]]:
    """Tell `url` that a ticket left status `before`; returns (invocation id, HTTP status) of each try."""
    body = json.dumps(_event(ticket, before, event_id, now)).encode()
    stamp = iso(now)
    headers = {
        "Content-Type": "application/json",
        "X-Zendesk-Webhook-Signature": sign(stamp, body),
        "X-Zendesk-Webhook-Signature-Timestamp": stamp,
        "X-Zendesk-Webhook-Id": "01SIMWEBHOOK",
        "X-Zendesk-Webhook-Invocation-Id": event_id,
    }
    tries: list[tuple[str, int]] = []
    while len(tries) < TRIES:
        tries.append((event_id, post(url, body, headers)))
        if tries[-1][1] not in AGAIN:
            break
    return tries


def sign(stamp: str, body: bytes) -> str:
    """The signature over timestamp and raw body."""
    return base64.b64encode(hmac.new(HOOK_SECRET.encode(), stamp.encode() + body, hashlib.sha256).digest()).decode()


def _event(ticket: Fields, before: str, event_id: str, now: datetime) -> Fields:
    status = str(ticket["status"]).upper()
    return {
        "type": "zen:event-type:ticket.status_changed",
        "id": event_id,
        "time": iso(now),
        "account_id": 1,
        "subject": f"zen:ticket:{ticket['id']}",
        "zendesk_event_version": "2022-11-06",
        "event": {"previous": before.upper(), "current": status},
        "detail": {"id": str(ticket["id"]), "status": status, "updated_at": ticket["updated_at"]},
    }
