"""How calls are authorised: fixed tokens, and grants whose tokens expire.

A grant refreshes single-flight: one thread of a process by a lock, one process of all by a lease in the token store.
A new token is stored before it is used, since some vendors kill the old one with the refresh. Whoever loses the race
reads the winner's token from the store. `expires_at` is kept with the margin taken off, so nothing compares margins.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, Protocol
from urllib.parse import quote_plus, urlencode

from connector.clock import Clock
from connector.errors import RemoteError, Throttled, Transient, Unauthorized
from connector.ports import Token, TokenStore
from connector.secret import Secret
from connector.transport import replies

__all__ = [
    "Answer",
    "Auth",
    "ClientCredentials",
    "MemoryTokens",
    "RefreshToken",
    "StaticBearer",
    "Token",
    "TokenStore",
    "Wire",
]

REFRESH_LEASE = timedelta(seconds=90)
"""Longer than the two tries of a token call with their time-outs."""
MARGIN = timedelta(seconds=60)
"""How long before its end a token is no longer used; a fifth of its life when that is shorter."""
LOOK_AGAIN = 0.2
"""Seconds between looks at the store while another process refreshes."""
PATIENCE = 5.0
"""Seconds that one call goes on looking: most refreshes are over by then, and a lane that waits longer cannot stop."""

Style = Literal["form", "json", "basic"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A reply of any status, read to its end. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """What a grant needs to fetch tokens. `post(url, headers, body)` raises RemoteError when no answer came."""

    connection: str
    post: Callable[[str, Mapping[str, str], bytes], Answer]
    clock: Clock
    tokens: TokenStore


class Auth(Protocol):
    """Makes the headers that authorise a call."""

    def headers(self, wire: Wire) -> Mapping[str, str]:
        """Headers for the next call, fetching a token first where needed. Raises RemoteError."""
        ...

    def renew(self, wire: Wire, refused: Mapping[str, str]) -> bool:
        """The call with these headers met a 401. True when `headers` has better ones now. Raises RemoteError."""
        ...


class MemoryTokens:
    """A TokenStore that forgets with its process. Thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens: dict[str, Token] = {}
        self._leases: dict[str, datetime] = {}

    def load(self, grant: str) -> Token | None:
        """The newest token of `grant`."""
        with self._lock:
            return self._tokens.get(grant)

    def lease(self, grant: str, generation: int, lease: timedelta) -> bool:
        """Reserve the refresh that follows `generation`."""
        with self._lock:
            now = self._clock.now()
            if self._generation(grant) != generation or self._leases.get(grant, now) > now:
                return False
            self._leases[grant] = now + lease
            return True

    def save(self, grant: str, token: Token) -> bool:
        """Keep `token` when it follows the stored one, and end the reservation."""
        with self._lock:
            if token.generation != self._generation(grant) + 1:
                return False
            self._tokens[grant] = token
            self._leases.pop(grant, None)
            return True

    def release(self, grant: str, generation: int) -> None:
        """Give up the reservation that followed `generation`."""
        with self._lock:
            if self._generation(grant) == generation:
                self._leases.pop(grant, None)

    def _generation(self, grant: str) -> int:
        token = self._tokens.get(grant)
        return token.generation if token else 0


class StaticBearer:
    """A token that does not expire, sent as `Authorization: <scheme> <token>`."""

    def __init__(self, token: Secret, scheme: str = "Bearer") -> None:
        self._token = token
        self._scheme = scheme

    def headers(self, wire: Wire) -> Mapping[str, str]:
        """The one header there is."""
        return {"Authorization": f"{self._scheme} {self._token.reveal()}"}

    def renew(self, wire: Wire, refused: Mapping[str, str]) -> bool:
        """Nothing to renew."""
        return False


class _InvalidGrantError(Exception):
    """The token endpoint says the refresh token is used up or revoked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Endpoint:
    """A token endpoint and how it wants the client to identify itself."""

    url: str
    client_id: str
    client_secret: Secret
    style: Style = "form"
    extra: Mapping[str, str | int] = field(default_factory=dict)

    def fetch(self, wire: Wire, fields: Mapping[str, str | int]) -> Mapping[str, object]:
        """Ask for a token. Raises _InvalidGrantError, Unauthorized, Throttled or Transient; never tells the request."""
        named: dict[str, str | int] = {**fields, **self.extra}
        headers = {"Accept": "application/json"}
        if self.style == "basic":
            pair = f"{quote_plus(self.client_id)}:{quote_plus(self.client_secret.reveal())}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        else:
            named |= {"client_id": self.client_id, "client_secret": self.client_secret.reveal()}
        if self.style == "json":
            headers["Content-Type"] = "application/json"
            body = json.dumps(named).encode()
        else:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode(named).encode()
        return self._read(wire, wire.post(self.url, headers, body))

    def _read(self, wire: Wire, answer: Answer) -> Mapping[str, object]:
        try:
            parsed = json.loads(answer.body)
        except ValueError:
            parsed = None
        found = parsed if isinstance(parsed, dict) else {}
        if answer.status == 200 and isinstance(found.get("access_token"), str):
            return found
        if found.get("error") == "invalid_grant":
            raise _InvalidGrantError
        raise self._error(wire, answer)

    def _error(self, wire: Wire, answer: Answer) -> RemoteError:
        error: RemoteError
        if answer.status == 429 or "retry-after" in answer.headers:
            error = Throttled("too many token requests", retry_at=replies.retry_at(answer.headers, wire.clock.now()))
        elif answer.status in {400, 401, 403}:
            error = Unauthorized("the token endpoint refused the client's credentials")
        else:
            error = Transient("the token endpoint gave no token")
        error.connection = wire.connection
        error.operation = "fetching a token"
        error.status = answer.status
        error.reply = replies.excerpt(answer.body)
        error.request_id = replies.request_id(answer.headers)
        return error


class _Refreshing:
    """The single-flight of one grant. `ask` fetches from the vendor, given the token that is stored now."""

    def __init__(self, grant: str, scheme: str, ask: Callable[[Wire, Token | None], Mapping[str, object]]) -> None:
        self.grant = grant
        self._scheme = scheme
        self._ask = ask
        self._lock = threading.Lock()
        self._current: Token | None = None

    def headers(self, wire: Wire) -> Mapping[str, str]:
        return self._header(self._token(wire, refused={}))

    def renew(self, wire: Wire, refused: Mapping[str, str]) -> bool:
        self._token(wire, refused=refused)
        return True

    def _header(self, token: Token) -> Mapping[str, str]:
        return {"Authorization": f"{self._scheme} {token.access.reveal()}"}

    def _usable(self, wire: Wire, token: Token | None, refused: Mapping[str, str]) -> bool:
        if token is None or self._header(token) == refused:
            return False
        return token.expires_at is None or wire.clock.now() < token.expires_at

    def _token(self, wire: Wire, refused: Mapping[str, str]) -> Token:
        current = self._current
        if current is not None and self._usable(wire, current, refused):
            return current
        with self._lock:
            self._current = self._settle(wire, refused)
            return self._current

    def _settle(self, wire: Wire, refused: Mapping[str, str]) -> Token:
        """The store's token when it will do, else a new one: fetched here, or by whoever holds the reservation."""
        until = wire.clock.monotonic() + PATIENCE
        never = threading.Event()
        while True:
            stored = wire.tokens.load(self.grant)
            if stored is not None and self._usable(wire, stored, refused):
                return stored
            generation = stored.generation if stored else 0
            if wire.tokens.lease(self.grant, generation, REFRESH_LEASE):
                return self._refresh(wire, stored, generation)
            if wire.clock.monotonic() >= until:
                raise Transient("another process is refreshing the token", connection=wire.connection)
            wire.clock.wait(never, LOOK_AGAIN)

    def _refresh(self, wire: Wire, stored: Token | None, generation: int) -> Token:
        try:
            found = self._ask(wire, stored)
        except _InvalidGrantError:
            return self._second_look(wire, generation)
        except RemoteError:
            wire.tokens.release(self.grant, generation)
            raise
        token = _token(found, stored, generation + 1, wire.clock.now())
        if wire.tokens.save(self.grant, token):
            return token
        # The reservation ran out and someone else was faster: theirs is the valid one.
        return wire.tokens.load(self.grant) or token

    def _second_look(self, wire: Wire, generation: int) -> Token:
        """A refresh token that was used up elsewhere meanwhile is no reason to stop; a revoked one is."""
        stored = wire.tokens.load(self.grant)
        if stored is not None and stored.generation > generation:
            return stored
        wire.tokens.release(self.grant, generation)
        raise Unauthorized(
            "the grant was revoked or has expired; authorise the connection again", connection=wire.connection
        )


def _token(found: Mapping[str, object], stored: Token | None, generation: int, now: datetime) -> Token:
    refresh = found.get("refresh_token")
    kept = stored.refresh if stored else None
    return Token(
        access=Secret(str(found["access_token"])),
        refresh=Secret(refresh) if isinstance(refresh, str) and refresh else kept,
        generation=generation,
        expires_at=_expiry(found.get("expires_in"), now),
    )


def _expiry(expires_in: object, now: datetime) -> datetime | None:
    """When to stop using a token that lives `expires_in` seconds from `now`; some vendors send it as text."""
    try:
        life = timedelta(seconds=float(str(expires_in)))
    except (ValueError, OverflowError):
        return None
    return now + life - min(MARGIN, life / 5) if life > timedelta(0) else None


def _grant_name(*parts: str) -> str:
    """A grant is named by what it is, never by what the YAML calls the connection, so a rename keeps its tokens."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:40]


class ClientCredentials:
    """OAuth 2 client credentials (RFC 6749 §4.4): the client itself is the grant; there is no refresh token.

    `style` says how the endpoint takes the client's identity: `form` and `json` fields, or `basic` (RFC 6749 §2.3.1).
    `extra` are further fields of the request. `token_url` is absolute.
    """

    def __init__(
        self,
        *,
        token_url: str,
        client_id: str,
        client_secret: Secret,
        scope: str = "",
        style: Style = "form",
        extra: Mapping[str, str | int] | None = None,
        scheme: str = "Bearer",
    ) -> None:
        endpoint = _Endpoint(
            url=token_url, client_id=client_id, client_secret=client_secret, style=style, extra=extra or {}
        )
        fields = {"grant_type": "client_credentials"} | ({"scope": scope} if scope else {})
        self._flow = _Refreshing(
            _grant_name("client_credentials", token_url, client_id, scope),
            scheme,
            lambda wire, _stored: endpoint.fetch(wire, fields),
        )

    def headers(self, wire: Wire) -> Mapping[str, str]:
        """The current token, fetched first where there is none."""
        return self._flow.headers(wire)

    def renew(self, wire: Wire, refused: Mapping[str, str]) -> bool:
        """Fetch a new token unless someone has meanwhile."""
        return self._flow.renew(wire, refused)


class RefreshToken:
    """OAuth 2 refresh token (RFC 6749 §6). A rotated refresh token is stored before the new access token is used.

    `refresh_token` is the one an operator configured; a new one there starts a new grant and forgets the rotated one.
    """

    def __init__(
        self,
        *,
        token_url: str,
        client_id: str,
        client_secret: Secret,
        refresh_token: Secret,
        style: Style = "form",
        extra: Mapping[str, str | int] | None = None,
        scheme: str = "Bearer",
    ) -> None:
        endpoint = _Endpoint(
            url=token_url, client_id=client_id, client_secret=client_secret, style=style, extra=extra or {}
        )

        def ask(wire: Wire, stored: Token | None) -> Mapping[str, object]:
            current = stored.refresh if stored and stored.refresh else refresh_token
            return endpoint.fetch(wire, {"grant_type": "refresh_token", "refresh_token": current.reveal()})

        self._flow = _Refreshing(
            _grant_name("refresh_token", token_url, client_id, refresh_token.reveal()), scheme, ask
        )

    def headers(self, wire: Wire) -> Mapping[str, str]:
        """The current token, refreshed first where it has run out."""
        return self._flow.headers(wire)

    def renew(self, wire: Wire, refused: Mapping[str, str]) -> bool:
        """Refresh unless someone has meanwhile."""
        return self._flow.renew(wire, refused)
