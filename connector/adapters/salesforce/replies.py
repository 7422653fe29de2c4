"""What Salesforce's error codes mean. The HTTP status says little: a lock comes as 400 or as 500, a quota as 403.

Vendor texts are not quoted, since many repeat the value that was refused; the code and the field names are kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from connector.clock import Clock
from connector.domain.model.intent import Json
from connector.errors import (
    Conflict,
    Gone,
    Locked,
    QuotaExhausted,
    Rejected,
    RemoteError,
    Throttled,
    Transient,
    Unauthorized,
)
from connector.transport.client import QuotaReading
from connector.transport.replies import ReplyTable

_WORDS: Mapping[str, tuple[type[RemoteError], str]] = MappingProxyType(
    {
        "UNABLE_TO_LOCK_ROW": (Locked, "another transaction holds the record"),
        "ENTITY_IS_LOCKED": (Locked, "an approval process holds the record"),
        "DUPLICATE_VALUE": (Conflict, "a unique value is taken by another record"),
        "DUPLICATE_EXTERNAL_ID": (Conflict, "several records carry this external id"),
        "DUPLICATES_DETECTED": (Conflict, "a duplicate rule found similar records"),
        "ENTITY_IS_DELETED": (Gone, "the record was deleted or merged"),
        "NOT_FOUND": (Gone, "there is no such record"),
        "QUERY_TIMEOUT": (Transient, "the query took too long there"),
        "SERVER_UNAVAILABLE": (Transient, "the server is overloaded"),
        "TXN_SECURITY_METERING_ERROR": (Transient, "transaction security was not available"),
        "INVALID_SESSION_ID": (Unauthorized, "the token was refused"),
        "API_DISABLED_FOR_ORG": (Unauthorized, "the org has no API access"),
        "API_CURRENTLY_DISABLED": (Unauthorized, "the API is switched off for this user"),
        "INVALID_LOGIN": (Unauthorized, "the run-as user was refused"),
        "STRING_TOO_LONG": (Rejected, "the text is longer than the field"),
        "REQUIRED_FIELD_MISSING": (Rejected, "a required field is missing"),
        "INVALID_FIELD": (Rejected, "the object has no such field, or the run-as user may not see it"),
        "INVALID_FIELD_FOR_INSERT_UPDATE": (Rejected, "the run-as user may not write the field"),
        "INVALID_TYPE_ON_FIELD_IN_RECORD": (Rejected, "the value has the wrong type"),
        "JSON_PARSER_ERROR": (Rejected, "a value has the wrong type"),
        "INVALID_EMAIL_ADDRESS": (Rejected, "it is no e-mail address there"),
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": (Rejected, "the picklist has no such value"),
        "FIELD_CUSTOM_VALIDATION_EXCEPTION": (Rejected, "a validation rule of the org refused it"),
        "FIELD_INTEGRITY_EXCEPTION": (Rejected, "the values do not go together"),
        "NUMBER_OUTSIDE_VALID_RANGE": (Rejected, "the number is out of range"),
        "STORAGE_LIMIT_EXCEEDED": (Rejected, "the org is out of storage"),
    }
)
# Whole-record failures that a trigger can wrap around a lock; the text is the only place that says so.
_WRAPPERS = frozenset({"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "CANNOT_EXECUTE_FLOW_TRIGGER"})
_KNOWN = frozenset({*_WORDS, *_WRAPPERS, "REQUEST_LIMIT_EXCEEDED", "INVALID_CROSS_REFERENCE_KEY"})
"""Codes that say by themselves that nothing was committed, whatever the HTTP status."""
_DAY = re.compile(r"TotalRequests|daily|24", re.IGNORECASE)
_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,79}")
_NAME = re.compile(r"[A-Za-z]\w{0,79}", re.ASCII)
_RECORD_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
# No header says when room returns: the day's window rolls, and a long-running call ends within ten minutes.
_DAY_PAUSE = timedelta(hours=1)
_BUSY_PAUSE = timedelta(seconds=30)


def reply_table(clock: Clock) -> ReplyTable:
    """The override for whole replies: a JSON array of errors, the first of which decides."""

    def read(status: int, headers: Mapping[str, str], body: bytes) -> RemoteError | None:
        del headers
        found = _first(body)
        if found is None or status == 401:
            return None  # the shared table knows these, and how to refresh a token
        code = found.get("errorCode")
        if not isinstance(code, str) or code == "UNKNOWN_EXCEPTION":
            return None  # of a whole call nobody says how far it got
        if status >= 500 and code not in _KNOWN:
            return None
        error = meaning(found, clock.now())
        error.reply = _label(found)
        return error

    return read


def meaning(error: Mapping[str, Json], now: datetime) -> RemoteError:
    """The error one entry means: `errorCode` in single replies, `statusCode` in rows of a collection."""
    code = _code(error)
    text = str(error.get("message") or "")
    fields = _fields(error)
    if code == "REQUEST_LIMIT_EXCEEDED":
        return _quota(text, now)
    if code in _WRAPPERS:
        if "UNABLE_TO_LOCK_ROW" in text:
            return Locked("a trigger met a locked record")
        return Rejected(f"a trigger or flow of the org refused it ({code})", field=_one(fields))
    if code == "INVALID_CROSS_REFERENCE_KEY" and set(fields) <= {"Id", "WhoId"}:
        return Gone("the record, or the contact it belongs to, does not exist any more")
    if code == "NOT_FOUND" and "external id field" in text.lower():
        return Rejected("the object has no such external id field, or the run-as user may not see it (NOT_FOUND)")
    if code == "UNKNOWN_EXCEPTION":
        return Transient("an unexpected error rolled the record back (UNKNOWN_EXCEPTION)")
    kind, words = _WORDS.get(code, (Rejected, "refused"))
    message = f"{words} ({_label(error)})"
    if code == "DUPLICATES_DETECTED":
        message += _similar(error)
    return Rejected(message, field=_one(fields)) if kind is Rejected else kind(message)


def usage(headers: Mapping[str, str]) -> QuotaReading | None:
    """Read `Sforce-Limit-Info: api-usage=18/5000`; the header names no reset, since the day's window rolls."""
    found = re.search(r"(?<!per-app-)api-usage=(\d+)/(\d+)", headers.get("sforce-limit-info", ""))
    if found is None:
        return None
    used, limit = int(found.group(1)), int(found.group(2))
    return QuotaReading(endpoint_class="api", remaining=max(limit - used, 0), limit=limit)


def _quota(text: str, now: datetime) -> RemoteError:
    if _DAY.search(text):
        return QuotaExhausted("the org's API requests of the last 24 hours are used up", until=now + _DAY_PAUSE)
    return Throttled("too many long-running requests at once", retry_at=now + _BUSY_PAUSE)


def _first(body: bytes) -> dict[str, Any] | None:
    try:
        entries = json.loads(body)
    except ValueError:
        return None
    if isinstance(entries, list) and entries and isinstance(entries[0], dict):
        return entries[0]
    return None


def _fields(error: Mapping[str, Json]) -> Sequence[str]:
    fields = error.get("fields")
    return (
        [name for name in fields if isinstance(name, str) and _NAME.fullmatch(name)] if isinstance(fields, list) else []
    )


def _one(fields: Sequence[str]) -> str | None:
    return fields[0] if fields else None


def _code(error: Mapping[str, Json]) -> str:
    """The code; what does not look like one may repeat a value, and is not quoted."""
    code = error.get("errorCode") or error.get("statusCode")
    return code if isinstance(code, str) and _CODE.fullmatch(code) else "UNKNOWN"


def _label(error: Mapping[str, Json]) -> str:
    return " ".join([_code(error), *_fields(error)])[:200]


def _similar(error: Mapping[str, Any]) -> str:
    """The ids of the records a duplicate rule named, as far as it did."""
    ids: list[str] = []
    with suppress(AttributeError, TypeError):
        found = (error.get("duplicateResult") or error.get("duplicateResut") or {}).get("matchResults") or []
        ids += [str(match["record"].get("Id")) for one in found for match in one.get("matchRecords") or []]
    known = [record for record in ids if _RECORD_ID.fullmatch(record)]
    return f": {', '.join(known[:5])}" if known else ""
