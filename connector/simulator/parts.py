"""What every simulator is built from: quotas, tokens, idempotency keys and cursors here, the rest re-exported."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from connector.clock import Clock
from connector.simulator.faults import Fault, FaultKind, Faults
from connector.simulator.records import Fields, Logged, RequestLog, Truth
from connector.simulator.server import Answer, Call, Refusal, Refused, Route, Site

__all__ = [
    "Answer",
    "Call",
    "Fault",
    "FaultKind",
    "Faults",
    "Fields",
    "Grant",
    "Keys",
    "Logged",
    "Refusal",
    "Refused",
    "RequestLog",
    "Route",
    "Site",
    "Tokens",
    "Truth",
    "Window",
    "basic_credentials",
    "bearer_token",
    "cursor_at",
    "cursor_position",
]


class Window:
    """So many calls in so many seconds, counted in fixed windows by the simulator's clock."""

    def __init__(self, limit: int, seconds: int) -> None:
        self.limit = limit
        self.seconds = seconds
        self._used = 0
        self._ends: datetime | None = None

    def spend(self, now: datetime) -> bool:
        """Take one call out of the window; False when it is empty."""
        self._turn(now)
        if self._used >= self.limit:
            return False
        self._used += 1
        return True

    def used(self, now: datetime) -> int:
        """Calls taken in the current window."""
        self._turn(now)
        return self._used

    def remaining(self, now: datetime) -> int:
        """Calls left in the current window."""
        return self.limit - self.used(now)

    def resets_in(self, now: datetime) -> int:
        """Whole seconds, at least one, until the next window."""
        self._turn(now)
        return max(1, -int((now - self._ends).total_seconds() // 1)) if self._ends else self.seconds

    def _turn(self, now: datetime) -> None:
        if self._ends is None or now >= self._ends:
            self._ends = now + timedelta(seconds=self.seconds)
            self._used = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One issued access token."""

    token: str
    scopes: frozenset[str]
    expires_at: datetime


class Tokens:
    """Access tokens issued and still good by the simulator's clock."""

    def __init__(self, clock: Clock, prefix: str) -> None:
        self._clock = clock
        self._prefix = prefix
        self._grants: dict[str, Grant] = {}

    def issue(self, scopes: Iterable[str], life: timedelta) -> Grant:
        """A fresh token."""
        grant = Grant(
            token=f"{self._prefix}{secrets.token_urlsafe(24)}",
            scopes=frozenset(scopes),
            expires_at=self._clock.now() + life,
        )
        self._grants[grant.token] = grant
        return grant

    def find(self, token: str) -> Grant | None:
        """The grant behind a token; None when unknown, revoked or expired."""
        grant = self._grants.get(token)
        if grant is not None and grant.expires_at <= self._clock.now():
            del self._grants[token]
            return None
        return grant

    def revoke(self) -> None:
        """No token that was issued is good any more."""
        self._grants.clear()

    @property
    def alive(self) -> int:
        """How many tokens are known, expired ones that nobody showed again included."""
        return len(self._grants)


def bearer_token(header: str) -> str:
    """The token of an `Authorization: Bearer …` header, else an empty string."""
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def basic_credentials(header: str) -> tuple[str, str] | None:
    """User and password of an `Authorization: Basic …` header, else None."""
    scheme, _, coded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(coded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return user, password


class Keys:
    """Idempotency keys with the answers given under them, remembered for `life`."""

    def __init__(self, clock: Clock, life: timedelta) -> None:
        self._clock = clock
        self._life = life
        self._kept: dict[str, tuple[datetime, str, Answer]] = {}

    def find(self, key: str, request: bytes) -> Answer | None:
        """The first answer under `key`, None when it is new. Raises ValueError when the request differs from then."""
        now = self._clock.now()
        # Insertion order is age order, so forgetting is cheap.
        while self._kept and next(iter(self._kept.values()))[0] <= now:
            del self._kept[next(iter(self._kept))]
        if key not in self._kept:
            return None
        _, fingerprint, answer = self._kept[key]
        if fingerprint != _fingerprint(request):
            raise ValueError("another request under this key")
        return answer

    def keep(self, key: str, request: bytes, answer: Answer) -> None:
        """Remember the answer of the first request under `key`."""
        self._kept[key] = (self._clock.now() + self._life, _fingerprint(request), answer)


def _fingerprint(request: bytes) -> str:
    return hashlib.sha256(request).hexdigest()


def cursor_at(position: int) -> str:
    """An opaque page cursor for a position."""
    return base64.urlsafe_b64encode(f"position:{position}".encode()).decode().rstrip("=")


def cursor_position(cursor: str) -> int:
    """The position in a page cursor. Raises ValueError for anything else."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except UnicodeDecodeError as error:
        raise ValueError("not a cursor") from error
    if not text.startswith("position:"):
        raise ValueError("not a cursor")
    return int(text.removeprefix("position:"))
