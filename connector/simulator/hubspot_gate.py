"""HubSpot's door: service keys and OAuth tokens, scopes, versions, and how many calls fit into what time."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta

from connector.clock import Clock
from connector.simulator.parts import Answer, Call, Refused, Route, Tokens, Window, bearer_token

SERVICE_KEY = "pat-na1-sim-hubspot"
CLIENT_ID = "sim-hubspot"
CLIENT_SECRET = "sim-hubspot-secret"
REFRESH_TOKEN = "sim-hubspot-refresh"
PORTAL_ID = 4711
VERSIONS = frozenset({"2026-03", "2026-09"})
SCOPES = frozenset(
    {
        "oauth",
        "crm.objects.contacts.read",
        "crm.objects.contacts.write",
        "crm.schemas.contacts.read",
        "crm.schemas.contacts.write",
        "crm.objects.owners.read",
    }
)
TOKEN_LIFE = timedelta(minutes=30)
INTERVAL = 10
"""Seconds of the rolling window that ordinary calls share."""


class Gate:
    """Issues tokens and lets calls in.

    Args:
        burst: calls in ten seconds, searches included.
        daily: calls in a day.
        searches: searches in a second.
        scopes: what service key and app may do.
        rotate: whether a refresh answers with a new refresh token; the old one dies when the new one is first used.
    """

    def __init__(
        self, clock: Clock, *, burst: int, daily: int, searches: int, scopes: frozenset[str], rotate: bool
    ) -> None:
        self._clock = clock
        self.scopes = scopes
        self.rotate = rotate
        self.burst = Window(burst, INTERVAL)
        self.daily = Window(daily, 24 * 60 * 60)
        self._searches = Window(searches, 1)
        self._tokens = Tokens(clock, "sim-hs-")
        self._issued: set[str] = set()
        self._refresh: dict[str, str] = {REFRESH_TOKEN: ""}
        self._locked_until: datetime | None = None
        self._moved_until: datetime | None = None
        self.revoked = False

    def lock(self, seconds: float) -> None:
        """Refuse writes for so long, as during a bulk sync."""
        self._locked_until = self._clock.now() + timedelta(seconds=seconds)

    def migrate(self, seconds: float) -> None:
        """Refuse everything for so long, as while an account moves to another data centre."""
        self._moved_until = self._clock.now() + timedelta(seconds=seconds)

    def admit(self, call: Call, route: Route) -> Mapping[str, str]:
        """Check token, version and scope, spend the quotas; returns their headers. Raises Refused."""
        if route.scope is None:
            return {}
        static = self._authenticate(call)
        headers = self._spend(call, static=static, searching=route.quota == "search")
        if self._moved_until is not None and call.at < self._moved_until:
            wait = int((self._moved_until - call.at).total_seconds())
            raise Refused("migration", headers={**headers, "Retry-After": str(wait)})
        version = call.path.split("/")[route.pattern.split("/").index("{version}")]
        if version not in VERSIONS:
            raise Refused("unknown-version", version, headers=headers)
        if route.scope not in self.scopes:
            raise Refused("scope", route.scope, headers=headers)
        if route.write and self._locked_until is not None and call.at < self._locked_until:
            raise Refused("locked", headers=headers)
        return headers

    def token(self, call: Call) -> Answer:
        """`POST /oauth/2026-03/token` with a refresh token; parameters are read from the form alone. Raises Refused."""
        form = call.form()
        if form.get("grant_type") != "refresh_token":
            raise Refused("oauth-grant")
        if form.get("client_id") != CLIENT_ID:
            raise Refused("oauth-client")
        if form.get("client_secret") != CLIENT_SECRET:
            raise Refused("oauth-secret")
        shown = form.get("refresh_token", "")
        if shown not in self._refresh:
            raise Refused("oauth-refresh")
        self._refresh.pop(self._refresh[shown], None)
        following = shown
        if self.rotate:
            following = f"sim-hs-refresh-{secrets.token_urlsafe(12)}"
            self._refresh[following] = shown
        grant = self._tokens.issue(self.scopes, TOKEN_LIFE)
        self._issued.add(grant.token)
        return Answer(
            data={
                "token_type": "bearer",
                "access_token": grant.token,
                "refresh_token": following,
                "expires_in": int(TOKEN_LIFE.total_seconds()),
                "hub_id": PORTAL_ID,
                "user_id": 9101,
                "scopes": sorted(self.scopes),
            }
        )

    def _authenticate(self, call: Call) -> bool:
        """True for a service key, False for an OAuth token. Raises Refused."""
        shown = bearer_token(call.headers.get("authorization", ""))
        if not shown:
            raise Refused("no-token")
        if shown == SERVICE_KEY and not self.revoked:
            return True
        if self._tokens.find(shown) is None:
            raise Refused("expired" if shown in self._issued else "token")
        return False

    def _spend(self, call: Call, *, static: bool, searching: bool) -> dict[str, str]:
        """Replies to searches carry no rate headers."""
        room, today = self.burst.spend(call.at), self.daily.spend(call.at)
        if searching and not self._searches.spend(call.at):
            raise Refused("throttled-search")
        headers = {} if searching else self._headers(call, static=static)
        if not today:
            raise Refused("daily", headers=headers)
        if not room:
            raise Refused("throttled", headers=headers)
        return headers

    def _headers(self, call: Call, *, static: bool) -> dict[str, str]:
        headers = {
            "X-HubSpot-RateLimit-Max": str(self.burst.limit),
            "X-HubSpot-RateLimit-Remaining": str(self.burst.remaining(call.at)),
            "X-HubSpot-RateLimit-Interval-Milliseconds": str(INTERVAL * 1000),
        }
        if static:
            left = str(self.daily.remaining(call.at))
            headers |= {"X-HubSpot-RateLimit-Daily": str(self.daily.limit), "X-HubSpot-RateLimit-Daily-Remaining": left}
        return headers
