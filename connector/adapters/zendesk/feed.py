"""Tickets as others changed them: cursor of the incremental export, rows read as tickets, the webhook's hint. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar, cast

from connector.adapters.zendesk.directory import Directory
from connector.adapters.zendesk.names import CUSTOM, OWN_TAG
from connector.domain.mapping.contacts import email, phone
from connector.domain.model.intent import Json
from connector.domain.model.interaction import InteractionRecord, Unreadable
from connector.errors import MappingError, Transient
from connector.ports import Page, Ticket
from connector.ports.conversations import Said
from connector.transport.client import Reply

PAGE = 1000
# How many tickets somebody had lately is a signal, so the first read goes back a quarter.
_START = timedelta(days=90)
WITH_METRICS: Final = "users,metric_sets"
"""What the export gives beside tickets where they are read as interactions: a metric set knows when one was solved."""
_OVER: Final = frozenset({"solved", "closed"})

T = TypeVar("T")


def where(cursor: str | None, now: datetime) -> dict[str, str | int]:
    """Parameters of the export's next page. A cursor is `<parameter>=<value>`; None starts 90 days ago."""
    name, _, value = (cursor or f"start_time={int((now - _START).timestamp())}").partition("=")
    return {name: value, "per_page": PAGE, "include": "users"}


def page(reply: Reply, cursor: str | None, now: datetime, found: Sequence[T]) -> Page[T]:
    """What was read in a page of the export, and where to go on."""
    answer = cast("dict[str, Json]", reply.json())
    after = answer.get("after_cursor")
    # An export that was empty so far has no cursor: start again from the same instant.
    unmoved = cursor or f"start_time={where(None, now)['start_time']}"
    return Page(
        records=found,
        cursor=f"cursor={after}" if after else unmoved,
        more=answer.get("end_of_stream") is False,
    )


def tickets(reply: Reply, account: str, url: str, directory: Directory) -> list[Ticket]:
    """The tickets of a reply that has their users beside them. Raises Transient when it lists none at all."""
    listed = rows(reply, "tickets")
    beside: Any = reply.json()
    emails = {user["id"]: user.get("email") for user in beside.get("users") or []}
    return [_ticket(row, emails, account, url, directory) for row in listed]


def records(reply: Reply, account: str, directory: Directory) -> list[InteractionRecord | Unreadable]:
    """The tickets that customers opened, oldest change first, with the group and the agent who has each.

    What we opened ourselves is none, nor is what an agent asks for. Nothing that was written is in it, the subject
    included. Raises Transient when the reply lists no tickets at all.
    """
    beside: Any = reply.json()
    users = {user["id"]: user for user in beside.get("users") or []}
    theirs = [row for row in rows(reply, "tickets") if OWN_TAG not in (row.get("tags") or [])]
    read = (_record(row, users, account, directory) for row in sorted(theirs, key=lambda row: str(row["updated_at"])))
    return [one for one in read if one is not None]


def _record(
    row: Mapping[str, Any], users: Mapping[int, Mapping[str, Any]], account: str, directory: Directory
) -> InteractionRecord | None:
    customer: Mapping[str, Any] = users.get(row.get("requester_id") or 0, {})
    agent: Mapping[str, Any] = users.get(row.get("assignee_id") or 0, {})
    is_gone = row["status"] == "deleted"
    if customer.get("role") != "end-user" and not is_gone:
        return None
    solved = (row.get("metric_set") or {}).get("solved_at") if row["status"] in _OVER else None
    return InteractionRecord(
        account=account,
        id=str(row["id"]),
        kind="ticket",
        occurred_at=_instant(row["created_at"]),
        ended_at=None if solved is None else _instant(solved),
        changed_at=_instant(row["updated_at"]),
        location=directory.names.get(row.get("group_id") or 0),
        staff=agent.get("email"),
        channel=(row.get("via") or {}).get("channel"),
        email=email(customer.get("email") or ""),
        phone=phone(customer.get("phone") or "", None),
        is_gone=is_gone,
        is_listed=True,
    )


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def rows(reply: Reply, name: str) -> list[dict[str, Any]]:
    """The list under `name`. Raises Transient when there is none: that is not the same as an empty one."""
    answer = reply.json()
    found = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise Transient(f"the reply is not a list of {name}", **reply.context())
    return cast("list[dict[str, Any]]", found)


def said(reply: Reply) -> list[Said]:
    """What end users wrote publicly, oldest first, of a list of comments with their users beside it, newest first."""
    beside: Any = reply.json()
    customers = {user["id"] for user in beside["users"] if user["role"] == "end-user"}
    return [
        Said(at=datetime.fromisoformat(row["created_at"]).astimezone(UTC), text=str(row["body"]))
        for row in reversed(rows(reply, "comments"))
        if row["public"] and row["author_id"] in customers
    ]


def hook_ids(body: bytes) -> Sequence[str]:
    """The tickets a webhook speaks of: an event subscription's `detail.id`, or the `ticket_id` of a trigger's body."""
    try:
        event = json.loads(body)
    except ValueError:
        raise MappingError("it is not JSON", field="body") from None
    if not isinstance(event, dict):
        raise MappingError("it is not an object", field="body")
    detail = event.get("detail")
    known = event.get("ticket_id") or (detail.get("id") if isinstance(detail, dict) else None)
    if not str(known or "").isdigit():
        raise MappingError("it names no ticket", field="detail.id")
    return [str(known)]


def is_work(audit: Mapping[str, Any], me: int) -> bool:
    """Whether one change of a ticket was a person's: not `me`, and none of the account's triggers and automations."""
    via = audit.get("via") or {}
    return audit["author_id"] != me and via.get("channel") != "rule" and audit["author_id"] > 0


def _ticket(
    row: Mapping[str, Any], emails: Mapping[int, str | None], account: str, url: str, directory: Directory
) -> Ticket:
    tags = row.get("tags") or []
    return Ticket(
        account=account,
        id=str(row["id"]),
        status=str(row["status"]),
        requester_email=emails.get(row.get("requester_id") or 0),
        key=row.get("external_id") if OWN_TAG in tags else None,
        url=f"{url}/{row['id']}",
        updated_at=datetime.fromisoformat(row["updated_at"]).astimezone(UTC),
        values=directory.describe(row),
        assigned=row.get("assignee_id") is not None,
        fields={
            f"{CUSTOM}{each['id']}": str(each["value"])
            for each in row.get("custom_fields") or []
            if each.get("value") not in (None, "", False)
        },
    )
