"""Zendesk's door: OAuth tokens and scopes, and how many calls fit into a minute."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from connector.clock import Clock
from connector.simulator.parts import Answer, Call, Refused, Route, Tokens, Window, bearer_token

CLIENT_ID = "sim-zendesk"
CLIENT_SECRET = "sim-zendesk-secret"
KNOWN_SCOPES = frozenset({"read", "write", "tickets:read", "tickets:write", "users:read", "users:write"})
DEFAULT_LIFE = 30 * 60
"""Seconds a token lives when the client does not ask for another life."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotas:
    """Calls a minute, except `per_ticket` (updates of one ticket in ten minutes) and `jobs` (open at once)."""

    account: int = 700
    updates: int = 100
    per_ticket: int = 30
    searches: int = 100
    exports: int = 10
    jobs: int = 30


class Gate:
    """Issues tokens and lets calls in."""

    def __init__(self, clock: Clock, quotas: Quotas, scopes: frozenset[str]) -> None:
        self.tokens = Tokens(clock, "sim-zd-")
        self.quotas = quotas
        self.scopes = scopes
        self._account = Window(quotas.account, 60)
        self._endpoints = {
            "tickets-update": Window(quotas.updates, 60),
            "search-index": Window(quotas.searches, 60),
            "incremental-exports": Window(quotas.exports, 60),
        }
        self._tickets: dict[int, Window] = {}

    def admit(self, call: Call, route: Route) -> Mapping[str, str]:
        """Check token and scope, spend the quotas; returns their headers. Raises Refused."""
        if route.scope is None:
            return {}
        header = call.headers.get("authorization", "")
        if not header:
            raise Refused("no-token")
        grant = self.tokens.find(bearer_token(header))
        if grant is None:
            raise Refused("token")
        if route.scope and not {route.scope, route.scope.rpartition(":")[2]} & grant.scopes:
            raise Refused("scope", route.scope)
        allowed = self._account.spend(call.at)
        headers = self._account_headers(call.at)
        if not allowed:
            raise Refused("throttled", headers={**headers, "Retry-After": str(self._account.resets_in(call.at))})
        if route.quota:
            window = self._endpoints[route.quota]
            allowed = window.spend(call.at)
            left, wait = window.remaining(call.at), window.resets_in(call.at)
            headers[f"Zendesk-RateLimit-{route.quota}"] = f"total={window.limit}; remaining={left}; resets={wait}"
            if not allowed:
                raise Refused("throttled-endpoint", route.quota, headers={**headers, "Retry-After": str(wait)})
        return headers

    def spend_ticket(self, number: int, now: datetime) -> None:
        """Count one update of one ticket. Raises Refused."""
        window = self._tickets.setdefault(number, Window(self.quotas.per_ticket, 600))
        if not window.spend(now):
            raise Refused("throttled-ticket", str(number), headers={"Retry-After": str(window.resets_in(now))})

    def token(self, call: Call) -> Answer:
        """`POST /oauth/tokens` with client credentials. Raises Refused."""
        try:
            data = json.loads(call.body)
        except ValueError:
            data = call.form()
        if not isinstance(data, dict):
            raise Refused("json")
        if data.get("grant_type") != "client_credentials":
            raise Refused("oauth-grant")
        if data.get("client_id") != CLIENT_ID or data.get("client_secret") != CLIENT_SECRET:
            raise Refused("oauth-client")
        scopes = frozenset(str(data.get("scope", "read")).split())
        if not scopes or scopes - KNOWN_SCOPES or not self._may_have(scopes):
            raise Refused("oauth-scope", " ".join(sorted(scopes)))
        life = data.get("expires_in", DEFAULT_LIFE)
        if isinstance(life, bool) or not isinstance(life, int) or not 300 <= life <= 172_800:
            raise Refused("oauth-expiry")
        grant = self.tokens.issue(scopes, timedelta(seconds=life))
        return Answer(
            data={
                "access_token": grant.token,
                "token_type": "bearer",
                "scope": " ".join(sorted(scopes)),
                "expires_in": life,
            }
        )

    def _may_have(self, scopes: frozenset[str]) -> bool:
        return all({scope, scope.rpartition(":")[2]} & self.scopes for scope in scopes)

    def _account_headers(self, now: datetime) -> dict[str, str]:
        left, wait = self._account.remaining(now), self._account.resets_in(now)
        return {
            "X-Rate-Limit": str(self._account.limit),
            "X-Rate-Limit-Remaining": str(left),
            "ratelimit-limit": str(self._account.limit),
            "ratelimit-remaining": str(left),
            "ratelimit-reset": str(wait),
        }
