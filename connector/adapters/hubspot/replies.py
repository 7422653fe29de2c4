"""What HubSpot's errors mean, of whole calls and of single records, and what its replies say of quotas.

Vendor texts are not quoted, since many repeat the value that was refused; codes and names of properties are kept.
Every part of an error body is optional.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from connector.adapters.hubspot.names import DEFAULT
from connector.clock import Clock
from connector.domain.model.intent import Json
from connector.errors import (
    Conflict,
    Gone,
    InDoubt,
    Locked,
    QuotaExhausted,
    Rejected,
    RemoteError,
    Throttled,
    Unauthorized,
)
from connector.transport.client import QuotaReading
from connector.transport.replies import ReplyTable, retry_at

_POLICIES: Mapping[str, timedelta] = MappingProxyType(
    {"SECONDLY": timedelta(seconds=1), "TEN_SECONDLY_ROLLING": timedelta(seconds=10)}
)
"""How long each limit lasts; no Retry-After says so."""
_BUSY_PAUSE = timedelta(seconds=10)
# The day ends at midnight of the account's time zone, which no reply names.
_DAY_PAUSE = timedelta(hours=1)
_LOCKED_PAUSE = timedelta(seconds=2)  # as the vendor asks, between requests, while it synchronises in bulk
_LONGEST_MOVE = timedelta(hours=24)  # an account on its way to another data centre is back by then
_MOVE_PAUSE = timedelta(hours=1)
_MOVING = 477
_CODE = re.compile(r"(?:[a-z]{1,40}\.){0,4}[A-Z][A-Z0-9_]{1,79}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,249}")
_SCOPE = re.compile(r"[a-z][a-z0-9_.-]{1,79}")
# Some messages carry the refused properties as JSON, and some only words, in which the property stands like this.
_NAMED = re.compile(r'"name":"([a-z][a-z0-9_]{0,249})"|propertyName=([a-z][a-z0-9_]{0,249})')
_REASON = re.compile(r'"error":"([A-Z][A-Z0-9_]{0,79})"')
_TAKEN = re.compile(r"already (?:has|have) that value|already exists|CONFLICTING_UNIQUE_VALUE", re.IGNORECASE)
_NO_TARGET = "crm.associations.INVALID_OBJECT_IDS"


def reply_table(clock: Clock) -> ReplyTable:
    """The override for whole replies."""

    def read(status: int, headers: Mapping[str, str], body: bytes) -> RemoteError | None:
        found = _object(body)
        now = clock.now()
        if status == 429:
            return _too_fast(found, headers, now)
        if status == 423:
            return Throttled("HubSpot synchronises in bulk and asks for pauses", retry_at=now + _LOCKED_PAUSE)
        if status == _MOVING:
            wait = _retry_after(headers) or _MOVE_PAUSE
            return Throttled("the account is being moved", retry_at=now + wait)
        if status in {401, 408} or status >= 500 or not found:
            return None
        error = _forbidden(found) if status == 403 else _refused(found, status)
        error.reply = _label(found)
        return error

    return read


def meaning(error: Mapping[str, Json]) -> RemoteError:
    """The error that a batch's answer has for one record."""
    category = _word(error.get("category"))
    if category == "INTERNAL_ERROR" or category.startswith("TRANSIENT"):
        return InDoubt(f"HubSpot failed at this record ({_label(error)})")
    if category in {"LOCKED", "RATE_LIMITS"}:
        return Locked(f"HubSpot takes no change of this record now ({_label(error)})")
    return _forbidden(error) if category == "MISSING_SCOPES" else _refused(error, None)


def usage(clock: Clock) -> Callable[[Mapping[str, str]], QuotaReading | None]:
    """Read the limit that leaves least room: of ten seconds, or of the day. Search replies and OAuth say less."""

    def read(headers: Mapping[str, str]) -> QuotaReading | None:
        window = _whole(headers, "x-hubspot-ratelimit-interval-milliseconds")
        burst = _limit(headers, "x-hubspot-ratelimit-max", "x-hubspot-ratelimit-remaining")
        day = _limit(headers, "x-hubspot-ratelimit-daily", "x-hubspot-ratelimit-daily-remaining")
        if burst is not None and window is not None and (day is None or _room(burst) < _room(day)):
            resets_at = clock.now() + timedelta(milliseconds=window)
            return QuotaReading(endpoint_class=DEFAULT, remaining=burst[1], limit=burst[0], resets_at=resets_at)
        if day is not None:
            return QuotaReading(endpoint_class=DEFAULT, remaining=day[1], limit=day[0])
        return None

    return read


def object_of(body: Json) -> Mapping[str, Any]:
    """The object a reply is. Raises TypeError, for `expecting`, when it is anything else."""
    if not isinstance(body, dict):
        raise TypeError
    return body


def rows_of(body: Json) -> list[Mapping[str, Any]]:
    """The objects under `results` in a reply. Raises TypeError or KeyError, for `expecting`."""
    rows = object_of(body)["results"]
    if not isinstance(rows, list):
        raise TypeError
    return [object_of(row) for row in rows]


def is_absent(error: Json) -> bool:
    """Whether an entry of a batch read's `errors` says that there is no such record, or nothing associated with it."""
    if not isinstance(error, dict):
        return False
    sub = error.get("subCategory")
    return error.get("category") == "OBJECT_NOT_FOUND" or sub == "crm.associations.NO_ASSOCIATIONS_FOUND"


def _too_fast(found: Mapping[str, Any], headers: Mapping[str, str], now: datetime) -> RemoteError:
    policy = _word(found.get("policyName"))
    if policy == "DAILY":
        wait = _retry_after(headers) or _DAY_PAUSE
        return QuotaExhausted("the account's API requests of today are used up", until=now + wait)
    # These limits last seconds: a wait of days is a slip over there, and is believed as far as anybody's.
    until = retry_at(headers, now, _POLICIES.get(policy, _BUSY_PAUSE))
    return Throttled(f"too many requests ({policy})", retry_at=until)


def _forbidden(found: Mapping[str, Any]) -> RemoteError:
    scopes = sorted({scope for part in _parts(found) for scope in _scopes(part)})
    missing = f"; missing scopes: {', '.join(scopes)}" if scopes else ""
    return Unauthorized(f"the credentials do not permit this ({_label(found)}){missing}")


def _refused(found: Mapping[str, Any], status: int | None) -> RemoteError:
    """A record or call that HubSpot says was not carried out, by its category; `status` where it is of a whole call."""
    category = _word(found.get("category"))
    label = _label(found)
    texts = " ".join(str(part.get("message") or "") for part in _parts(found))
    if category == "OBJECT_NOT_FOUND" or status in {404, 410}:
        return Gone(f"there is no such record ({label})")
    if any(part.get("subCategory") == _NO_TARGET for part in _parts(found)):
        return Gone(f"the contact it belongs to does not exist any more ({label})")
    if status == 409 or category in {"CONFLICT", "OBJECT_ALREADY_EXISTS"} or _TAKEN.search(f"{texts} {label}"):
        return Conflict(f"it exists already, or a unique value is taken ({label})")
    return Rejected(f"refused ({label})", field=next(_fields(found), None))


def _parts(found: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The error itself and those it lists."""
    yield found
    listed = found.get("errors")
    yield from (part for part in (listed if isinstance(listed, list) else []) if isinstance(part, dict))


def _fields(found: Mapping[str, Any]) -> Iterator[str]:
    """The properties it names, wherever it does."""
    for part in _parts(found):
        context = part.get("context")
        named = context.get("propertyName") if isinstance(context, dict) else None
        for name in [part.get("in"), part.get("name"), *(named if isinstance(named, list) else [named])]:
            if isinstance(name, str) and _NAME.fullmatch(name):
                yield name
    for part in _parts(found):
        for match in _NAMED.finditer(str(part.get("message") or "")):
            yield match.group(1) or match.group(2)


def _scopes(part: Mapping[str, Any]) -> Iterator[str]:
    context = part.get("context")
    for name in ("missingScopes", "requiredGranularScopes"):
        listed = context.get(name) if isinstance(context, dict) else None
        for scope in listed if isinstance(listed, list) else []:
            if isinstance(scope, str) and _SCOPE.fullmatch(scope):
                yield scope


def _label(found: Mapping[str, Any]) -> str:
    """Its codes and the properties they are about."""
    words = [_word(found.get("category"))]
    for part in _parts(found):
        words += [word for name in ("subCategory", "code") if (word := _word(part.get(name))) != "UNKNOWN"]
        words += _REASON.findall(str(part.get("message") or ""))
    return " ".join(dict.fromkeys([*words, *_fields(found)]))[:200]


def _word(code: object) -> str:
    """A code; what does not look like one may repeat a value, and is not quoted."""
    return code if isinstance(code, str) and _CODE.fullmatch(code) else "UNKNOWN"


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _retry_after(headers: Mapping[str, str]) -> timedelta | None:
    seconds = _whole(headers, "retry-after")
    return None if seconds is None else min(max(timedelta(seconds=seconds), timedelta(seconds=1)), _LONGEST_MOVE)


def _limit(headers: Mapping[str, str], most: str, left: str) -> tuple[int, int] | None:
    limit, remaining = _whole(headers, most), _whole(headers, left)
    return None if not limit or remaining is None else (limit, remaining)


def _whole(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name, "").strip()
    return int(text) if re.fullmatch(r"\d{1,12}", text) else None


def _room(limit: tuple[int, int]) -> float:
    return limit[1] / limit[0]
