"""Requests to Zendesk and what its answers to them mean. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from connector.adapters.zendesk import payload
from connector.adapters.zendesk.directory import Directory
from connector.adapters.zendesk.names import TICKETS, idempotency_key, marker
from connector.adapters.zendesk.replies import job_error
from connector.domain.model.intent import Found, Item, Json, Receipt, Request, WriteKind
from connector.errors import InDoubt
from connector.ports import Failed, Job, Outcome
from connector.transport.client import Reply

UPDATE_MANY = f"{TICKETS}/update_many"
_RUNNING = frozenset({"queued", "working"})


def render(kind: WriteKind, items: Sequence[Item], directory: Directory) -> Request:
    """A create, an update of one ticket, or an update of several, which Zendesk does as a job.

    Adding tags also takes the job, since an update of one ticket can only replace them.
    """
    if kind is WriteKind.TICKET:
        (item,) = items
        return Request(
            method="POST",
            path=TICKETS,
            body=_bytes({"ticket": payload.create(item, directory)}),
            idempotency_key=idempotency_key(item.key, item.revision),
        )
    changes = [payload.update(item, directory) for item in items]
    if len(changes) == 1 and "additional_tags" not in changes[0]:
        ticket = changes[0].pop("id")
        return Request(method="PUT", path=f"{TICKETS}/{ticket}", body=_bytes({"ticket": changes[0]}))
    return Request(method="PUT", path=UPDATE_MANY, body=_bytes({"tickets": list(changes)}))


def written(reply: Reply, directory: Directory, agent_url: str) -> Receipt:
    """The receipt of one created or updated ticket. Raises InDoubt when the answer does not name it."""
    answer = reply.json()
    ticket = answer.get("ticket") if isinstance(answer, dict) else None
    if not isinstance(answer, dict) or not isinstance(ticket, dict) or "id" not in ticket:
        raise InDoubt("the answer does not name the ticket", **reply.context())
    comment = _comment_of(answer.get("audit")) if not _is_create(reply) else None
    return Receipt(
        remote_id=comment or str(ticket["id"]),
        url=f"{agent_url}/{ticket['id']}",
        created=reply.headers.get("x-idempotency-lookup") != "hit" if _is_create(reply) else None,
        request_id=reply.request_id,
        values=directory.describe(ticket),
    )


def job_of(reply: Reply) -> Job:
    """The job that was started. Raises InDoubt when the answer does not name one."""
    answer = reply.json()
    status = answer.get("job_status") if isinstance(answer, dict) else None
    if not isinstance(status, dict) or not status.get("id"):
        raise InDoubt("the answer does not name the job", **reply.context())
    return Job(id=str(status["id"]))


def job_outcomes(reply: Reply, job: str, count: int, agent_url: str) -> Sequence[Outcome] | Job:
    """What became of each record, in order; a record the job says nothing about is in doubt."""
    answer = reply.json()
    status = answer.get("job_status") if isinstance(answer, dict) else None
    if not isinstance(status, dict):
        raise InDoubt("the answer describes no job", **reply.context())
    if status.get("status") in _RUNNING:
        return Job(id=job)
    found = status.get("results")
    rows = found if isinstance(found, list) else []
    by_index = {_index(row, position): row for position, row in enumerate(rows) if isinstance(row, dict)}
    return [_job_outcome(by_index.get(number), reply, agent_url) for number in range(count)]


def note_found(item: Item, comments: Sequence[Mapping[str, Any]], agent_url: str) -> Found:
    """The comments, of its ticket, that hold the item's marker as a line of its own."""
    line = marker(item.key)
    hits = [comment for comment in comments if line in str(comment.get("body") or "").splitlines()]
    return Found(
        receipts=tuple(Receipt(remote_id=str(comment["id"]), url=f"{agent_url}/{item.target}") for comment in hits)
    )


def tickets_found(tickets: Sequence[Mapping[str, Any]], directory: Directory, agent_url: str) -> Found:
    """The tickets that carry a key, oldest first."""
    return Found(
        receipts=tuple(
            Receipt(
                remote_id=str(ticket["id"]),
                url=f"{agent_url}/{ticket['id']}",
                created=False,
                values=directory.describe(ticket),
            )
            for ticket in sorted(tickets, key=lambda ticket: int(ticket["id"]))
        )
    )


def _job_outcome(row: Mapping[str, Any] | None, reply: Reply, agent_url: str) -> Outcome:
    if not row:
        return Failed(error=InDoubt("the job ended without a word about this record", **reply.context()))
    if row.get("success"):
        if not row.get("id"):
            return Failed(error=InDoubt("the job does not name the ticket of this record", **reply.context()))
        return Receipt(remote_id=str(row["id"]), url=f"{agent_url}/{row['id']}", request_id=reply.request_id)
    error = job_error(str(row.get("error") or row.get("status") or ""), str(row.get("details") or ""))
    error.connection = reply.connection
    error.operation = reply.operation
    error.request_id = reply.request_id
    return Failed(error=error)


def _index(row: Mapping[str, Any], position: int) -> int:
    index = row.get("index")
    return index if isinstance(index, int) else position


def _is_create(reply: Reply) -> bool:
    return reply.operation.startswith("POST ")


def _comment_of(audit: Json) -> str | None:
    """The id of the comment an update added."""
    events = audit.get("events") if isinstance(audit, dict) else None
    for event in events if isinstance(events, list) else []:
        if isinstance(event, dict) and event.get("type") == "Comment":
            return str(event["id"])
    return None


def _bytes(body: Json) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
