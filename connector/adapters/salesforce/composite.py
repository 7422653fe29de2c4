"""Several questions in one call, by the composite resource: the call costs one of the day's requests. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from connector.adapters.salesforce.names import DATA
from connector.adapters.salesforce.replies import meaning
from connector.errors import RemoteError
from connector.transport.client import Reply

PATH = f"{DATA}/composite"
QUERIES = 5
"""Queries one call may carry."""
_REFERENCE = "@{"


def takes(soql: str) -> bool:
    """Whether a query may be among others: what looks like a reference to another's answer might be taken for one."""
    return _REFERENCE not in soql


def query(soql: str) -> str:
    """Where a query is asked."""
    return f"{DATA}/query?q={quote(soql, safe='')}"


def description(name: str) -> str:
    """Where the fields of an object are asked."""
    return f"{DATA}/sobjects/{name}/describe"


def asking(paths: Sequence[str]) -> bytes:
    """The body of the call that gets these paths; each is answered whatever becomes of the others."""
    wanted = [{"method": "GET", "url": path, "referenceId": f"q{number}"} for number, path in enumerate(paths)]
    return json.dumps({"allOrNone": False, "compositeRequest": wanted}, separators=(",", ":")).encode()


def answers(reply: Reply, count: int, now: datetime) -> list[Mapping[str, Any]]:
    """What each path holds, in their order; of a query the first page. Raises RemoteError when one was refused.

    Raises TypeError or KeyError, for `expecting`, when it is no such answer.
    """
    body: Any = reply.json()
    told: list[dict[str, Any]] = body["compositeResponse"]
    for one in told:
        if not 200 <= one["httpStatusCode"] < 300:
            raise _refusal(one["body"], reply, now)
    found = {one["referenceId"]: one["body"] for one in told}
    return [found[f"q{number}"] for number in range(count)]


def _refusal(body: Any, reply: Reply, now: datetime) -> RemoteError:
    error = meaning(body[0], now)
    error.connection = reply.connection
    error.operation = reply.operation
    error.status = reply.status
    error.request_id = reply.request_id
    return error
