"""What Zendesk's errors mean where they differ from the shared table.

Descriptions are not quoted, since many repeat the value that was refused; codes and field names are kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from connector.adapters.zendesk.names import ACCOUNT
from connector.clock import Clock
from connector.errors import Conflict, Gone, InDoubt, Locked, Rejected, RemoteError
from connector.transport.client import QuotaReading

CLOSED = "the ticket is closed and takes no changes; a follow-up has to be opened"
"""The message of the Conflict an update of a closed ticket ends in; whoever planned it re-reads the ticket."""

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,60}")
_ENDPOINT = re.compile(r"zendesk-ratelimit-(?P<name>[a-z0-9-]+)")
_READING = re.compile(r"total=(?P<total>\d+);\s*remaining=(?P<remaining>\d+);\s*resets=(?P<resets>\d+)")


def read(status: int, headers: Mapping[str, str], body: bytes) -> RemoteError | None:
    """The override of the shared table."""
    del headers
    found = _parse(body)
    code = _code(found.get("error"))
    if status == 400 and code == "IdempotentRequestError":
        return _labelled(Conflict("this idempotency key was used with another body"), code)
    if status == 409:
        # Somebody updates the same ticket, or the first request with this key still runs. Nothing was committed, and
        # we send absolute values, so there is nothing to read again first.
        return _labelled(Locked("another request works on the ticket"), code)
    if status == 422:
        return _invalid(found, code)
    return None


def job_error(code: str, details: str) -> RemoteError:
    """What the error of one record in a job means."""
    word = _code(code)
    if "closed" in details.lower():
        return Conflict(CLOSED)
    if "NotFound" in word:
        return Gone(f"there is no such ticket ({word})")
    if "Conflict" in word:
        return Locked(f"another request works on the ticket ({word})")
    if re.search(r"Timeout|Server|Internal|Unknown|Killed", word):
        return InDoubt(f"the job failed on this record ({word})")
    return Rejected(f"the job refused this record ({word or 'no code'})")


def quota_reader(clock: Clock) -> Callable[[Mapping[str, str]], QuotaReading | None]:
    """Reads the endpoint's own header where a reply has one, since it is the narrower; else the account's."""

    def on_reply(headers: Mapping[str, str]) -> QuotaReading | None:
        for header, value in headers.items():
            name, reading = _ENDPOINT.fullmatch(header), _READING.search(value)
            if name and reading:
                return QuotaReading(
                    endpoint_class=name["name"],
                    remaining=int(reading["remaining"]),
                    limit=int(reading["total"]),
                    resets_at=clock.now() + timedelta(seconds=int(reading["resets"])),
                )
        remaining = _number(headers, "ratelimit-remaining", "x-rate-limit-remaining")
        if remaining is None:
            return None
        resets = _number(headers, "ratelimit-reset")
        return QuotaReading(
            endpoint_class=ACCOUNT,
            remaining=remaining,
            limit=_number(headers, "ratelimit-limit", "x-rate-limit"),
            resets_at=None if resets is None else clock.now() + timedelta(seconds=resets),
        )

    return on_reply


def _invalid(found: Mapping[str, Any], code: str) -> RemoteError:
    details = found.get("details")
    problems = details if isinstance(details, dict) else {}
    if "closed" in str(problems.get("status") or "").lower():
        return _labelled(Conflict(CLOSED), code)
    field = next((str(name) for name in problems if _CODE.fullmatch(str(name))), None)
    return _labelled(Rejected(f"a value was refused ({' '.join(filter(None, [code, field]))})", field=field), code)


def _labelled(error: RemoteError, code: str) -> RemoteError:
    error.reply = code
    return error


def _parse(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _code(error: object) -> str:
    """The error's code: a word, sometimes nested as a title; sentences are left out."""
    word = error.get("title") if isinstance(error, dict) else error
    return word if isinstance(word, str) and _CODE.fullmatch(word) else ""


def _number(headers: Mapping[str, str], *names: str) -> int | None:
    return next((int(headers[name]) for name in names if headers.get(name, "").isdecimal()), None)
