"""What Zendesk calls things, and what it can promise. Sources: docs/vendors/zendesk.md."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from connector.domain.model.intent import Promise, WriteKind

TICKETS = "/api/v2/tickets"
TOKEN_PATH = "/oauth/tokens"  # noqa: S105  # a path
SCOPE = "read write"

SYSTEM_STATUSES = frozenset({"new", "open", "pending", "hold", "solved"})
"""Statuses every account has and an API call may set; `closed` comes by itself."""
OWN_TAG = "csat-connector"
"""On every ticket we open: tells ours from customers' own, and keeps survey automations away from them."""
FALLBACK_PRIORITY = "high"
"""Stands in, with a tag, for a custom status the account does not have."""

ACCOUNT = "account"  # requests per minute of the whole account, by plan
UPDATES = "tickets-update"  # 100 a minute, 20 on trials and sandboxes

PROMISES: Mapping[WriteKind, Promise] = MappingProxyType(
    {
        WriteKind.TICKET: Promise(
            native=False,
            can_ask=True,
            batch=1,  # create_many takes no idempotency key and answers with a job
            endpoint_class=ACCOUNT,
            key_window=timedelta(hours=2),
            residual=(
                "After two hours only the list by external_id is left to ask, and it does not show archived tickets: "
                "a ticket archived (closed for 120 days) before its write was settled could be created again."
            ),
        ),
        WriteKind.TICKET_UPDATE: Promise(
            native=True, can_ask=False, batch=100, endpoint_class=UPDATES, outcome="job", settle=timedelta(seconds=60)
        ),
        WriteKind.NOTE: Promise(
            native=False,
            can_ask=True,
            batch=100,
            endpoint_class=UPDATES,
            outcome="job",
            settle=timedelta(seconds=60),
            residual=(
                "Notes take no key: one that lands, or whose job runs, later than a minute after we sent it without "
                "getting an answer can appear twice. "
                "The same when 100 newer comments hide it, or an agent redacts its last line, before we ask."
            ),
        ),
    }
)

_CHANGES = frozenset({"status", "priority", "group", "due_at", "type", "add_tags"})
KNOWN_FIELDS: Mapping[WriteKind, frozenset[str]] = MappingProxyType(
    {
        WriteKind.TICKET: frozenset(
            {
                "comment",
                "due_at",
                "follow_up_of",
                "group",
                "priority",
                "requester_email",
                "requester_name",
                "status",
                "subject",
                "tags",
                "type",
            }
        ),
        WriteKind.NOTE: _CHANGES | {"text"},
        WriteKind.TICKET_UPDATE: _CHANGES | {"subject"},
    }
)
CUSTOM = "custom_field_"
CUSTOM_FIELD = CUSTOM + r"\d+"
"""A ticket field by its id, as Zendesk's own exports name it."""


def external_id(key: str) -> str:
    """`key` as a ticket's external_id: itself, or its SHA-256 where it is longer than the 255 characters there are."""
    return key if len(key) <= 255 else hashlib.sha256(key.encode()).hexdigest()


def idempotency_key(key: str, revision: int) -> str:
    """The Idempotency-Key of a create: the same while the same request is meant, whatever its text."""
    return hashlib.sha256(f"{key}\n{revision}".encode()).hexdigest()


def marker(key: str) -> str:
    """The last line of a note, by which we know it again."""
    return f"csat-connector {external_id(key)}"


def slug(name: str) -> str:
    """A name as a tag: lower case, no blanks."""
    return re.sub(r"\W+", "-", name.casefold()).strip("-")
