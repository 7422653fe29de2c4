"""From a reply to what happens next: one table, and one small function per vendor for what it does differently.

A vendor's function gets `(status, headers, body)` of every reply that is not 2xx, headers in lower case, and returns an
error or None for "as everybody else". It need not fill in connection, operation, status, reply or request id.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from connector.errors import Conflict, Gone, InDoubt, Locked, Rejected, RemoteError, Throttled, Transient, Unauthorized
from connector.secret import redact

Headers = Mapping[str, str]
ReplyTable = Callable[[int, Headers, bytes], RemoteError | None]

REQUEST_ID_HEADERS = (
    "x-zendesk-request-id",
    "x-slack-req-id",
    "x-sfdc-request-id",
    "x-hubspot-correlation-id",
    "x-request-id",
)
PATIENCE_CAP = timedelta(hours=1)
"""The longest wait believed from a Retry-After header; a longer one is a clock or a bug on the other side."""
PATIENCE_DEFAULT = timedelta(seconds=30)
"""How long to stay away when a vendor says "too fast" and not until when."""
EXCERPT = 300

_TABLE: Mapping[int, tuple[type[RemoteError], str]] = {
    400: (Rejected, "the request was refused as malformed"),
    401: (Unauthorized, "the credentials were refused"),
    403: (Unauthorized, "the credentials do not permit this"),
    404: (Gone, "there is no such object"),
    405: (Rejected, "the endpoint does not take this method"),
    409: (Conflict, "it exists already or changed meanwhile"),
    410: (Gone, "the object is gone"),
    412: (Conflict, "it changed meanwhile"),
    413: (Rejected, "the request is too large"),
    415: (Rejected, "the endpoint does not take this content type"),
    422: (Rejected, "a value was refused"),
    423: (Locked, "another writer holds the record"),
    425: (Transient, "the vendor asks to send it again"),
}
# 408 and every 5xx can come from a gateway in front of a server that did the work.
_MAYBE_DONE = frozenset({408, *range(500, 600)})
_WORDS = frozenset(
    {
        "code",
        "description",
        "detail",
        "details",
        "error",
        "error_description",
        "errorcode",
        "errors",
        "fields",
        "message",
        "messages",
        "reason",
        "title",
    }
)
_TAG = re.compile(r"<[^>]*>|\s+")


def read(
    status: int, headers: Headers, body: bytes, *, write: bool, now: datetime, override: ReplyTable | None
) -> RemoteError | None:
    """The error a reply means, without its context; None for 2xx."""
    if 200 <= status < 300:
        return None
    special = override(status, headers, body) if override else None
    if special is not None:
        return special
    if status == 429 or (status == 503 and "retry-after" in headers):
        return Throttled("too many requests", retry_at=retry_at(headers, now))
    if status in _MAYBE_DONE:
        if write:
            return InDoubt("the vendor failed after it had the request")
        return Transient("the vendor failed")
    if 300 <= status < 400:
        return Rejected("the vendor redirected; redirects are not followed, check the base URL")
    kind, message = _TABLE.get(status, (Rejected, "the request was refused"))
    return kind(message)


def retry_at(headers: Headers, now: datetime, default: timedelta = PATIENCE_DEFAULT) -> datetime:
    """When a Retry-After header allows the next try: seconds or an HTTP date, at least one second, at most one hour.

    A date is measured against the reply's own Date header where there is one, so a wrong clock here does not count.
    """
    wait = _wait(headers, now)
    return now + (default if wait is None else min(max(wait, timedelta(seconds=1)), PATIENCE_CAP))


def _wait(headers: Headers, now: datetime) -> timedelta | None:
    given = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", given):
        return timedelta(seconds=min(float(given), PATIENCE_CAP.total_seconds()))
    until = _http_date(given)
    return None if until is None else until - (_http_date(headers.get("date", "")) or now)


def _http_date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return date if date.tzinfo else None


def request_id(headers: Headers) -> str:
    """The vendor's own id of the request, empty where it gives none; a header may repeat what was sent."""
    return next((redact(headers[name][:1000])[:100] for name in REQUEST_ID_HEADERS if name in headers), "")


def excerpt(body: bytes) -> str:
    """The vendor's words about what went wrong, at most 300 characters, without personal data or secrets.

    Of a JSON reply only the parts that speak about errors are kept, since the rest may repeat a customer's record.
    """
    text = body[:65536].decode(errors="replace")
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return _short(_TAG.sub(" ", text))
    words = _prune(parsed)
    return "" if words is None else _short(json.dumps(words, ensure_ascii=False))


def _short(text: str) -> str:
    """Redacted, then cut; what a first cut may have split in two is dropped with the second."""
    hidden = redact(text[: 8 * EXCERPT]).strip()
    return (hidden if len(text) <= 8 * EXCERPT else hidden[:-EXCERPT])[:EXCERPT]


def _prune(value: object) -> object:
    if isinstance(value, list):
        kept = [part for part in map(_prune, value[:10]) if part is not None]
        return kept or None
    if isinstance(value, dict):
        named = {
            name: part if name.lower() in _WORDS else _prune(part) for name, part in value.items() if part is not None
        }
        return {name: part for name, part in named.items() if part is not None} or None
    return None
