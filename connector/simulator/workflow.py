"""A receiver of signed events on loopback, as strict as the Standard Webhooks specification lets it be.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md: what is signed is
`id.timestamp.body`; timestamps are at most five minutes off; an id that was seen is answered and nothing happens again.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from connector.clock import Clock
from connector.simulator import pages
from connector.simulator.parts import Answer, Call, Fields, Keys, Refusal, Refused, Route, Site, Window

SECRET = "whsec_c2ltdWxhdG9yLXdvcmtmbG93LWtleQ=="  # public, for loopback
HOOK = "/catch/1234/abcd"
API_KEY = "sim-workflow-key"
WINDOW = timedelta(minutes=5)
REMEMBERED = timedelta(days=7)

REFUSALS = {
    "unknown-route": Refusal(404, "not_found", "no hook here"),
    "unknown-method": Refusal(405, "method_not_allowed", ""),
    "gone": Refusal(410, "gone", "the hook was switched off"),
    "throttled": Refusal(429, "too_many_requests", ""),
    "missing-header": Refusal(400, "missing_header", "{}"),
    "bad-signature": Refusal(401, "invalid_signature", ""),
    "stale": Refusal(401, "stale_timestamp", ""),
    "no-api-key": Refusal(403, "forbidden", ""),
    "not-json": Refusal(400, "invalid_json", ""),
    "not-an-event": Refusal(422, "invalid_event", "{}"),
    "another-body": Refusal(409, "conflict", "another event had this id"),
}
"""By id. Every one is provoked by a test that sends the bad request."""


class Workflow:
    """A strict receiver.

    Args:
        clock: timestamps and quotas follow it.
        per_minute: events taken in a minute.
        forgetful: it does not remember ids, so that a repeated event happens twice.
    """

    def __init__(self, clock: Clock, *, per_minute: int = 600, forgetful: bool = False) -> None:
        self.clock = clock
        self.forgetful = forgetful
        self.is_gone = False
        self.key_works = True
        self._pace = Window(per_minute, 60)
        self._seen = Keys(clock, REMEMBERED)
        routes = [
            Route(method="POST", pattern=HOOK, act=self._take, write=True),
            Route(method="GET", pattern=HOOK, act=self._page, scope=None),
        ]
        self.site = Site(clock, routes, refusals=REFUSALS, say=_say, gate=self._gate, actions={})
        self.requests = self.site.requests
        self.faults = self.site.faults

    def start(self, port: int = 0) -> str:
        """Listen on loopback; returns the base URL."""
        return self.site.start(port)

    def stop(self) -> None:
        """Stop listening."""
        self.site.stop()

    @property
    def url(self) -> str:
        """Where events are posted."""
        return f"{self.site.base_url}{HOOK}?zap=1"

    @property
    def events(self) -> list[Fields]:
        """What arrived, each once: type, timestamp, data, and the id it came under."""
        return list(self.site.truth.kind("event").values())

    def _gate(self, call: Call, route: Route) -> Mapping[str, str]:
        if route.scope is None:
            return {}
        if self.is_gone:
            raise Refused("gone")
        if not self.key_works or call.headers.get("x-api-key") != API_KEY:
            raise Refused("no-api-key")
        if not self._pace.spend(call.at):
            raise Refused("throttled", headers={"Retry-After": str(self._pace.resets_in(call.at))})
        return {}

    def _take(self, call: Call) -> Answer:
        message = _verified(call)
        try:
            event = json.loads(call.body)
        except ValueError:
            raise Refused("not-json") from None
        _check(event)
        if not self.forgetful:
            try:
                known = self._seen.find(message, call.body)
            except ValueError:
                raise Refused("another-body") from None
            if known is not None:
                return known
        held = self.site.truth.kind("event")
        key = f"{message}#{len(held)}"
        held[key] = {**event, "id": message}
        self.site.truth.wrote("event", key, "create", "api", event, self.clock.now())
        answer = Answer(status=202, data={"status": "taken"})
        self._seen.keep(message, call.body, answer)
        return answer

    def _page(self, _call: Call) -> Answer:
        blocks = [pages.block(str(event["type"]), json.dumps(event["data"], indent=2)) for event in self.events]
        return pages.page("Events", *blocks)


def _verified(call: Call) -> str:
    """The id of the message. Raises Refused."""
    headers = {}
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        if not call.headers.get(name):
            raise Refused("missing-header", name)
        headers[name] = call.headers[name]
    message, stamp = headers["webhook-id"], headers["webhook-timestamp"]
    if not stamp.isdigit() or abs(datetime.fromtimestamp(int(stamp), call.at.tzinfo) - call.at) > WINDOW:
        raise Refused("stale")
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    mine = base64.b64encode(hmac.new(key, f"{message}.{stamp}.".encode() + call.body, hashlib.sha256).digest()).decode()
    if not any(hmac.compare_digest(f"v1,{mine}", given) for given in headers["webhook-signature"].split()):
        raise Refused("bad-signature")
    return message


def _check(event: Any) -> None:
    if not isinstance(event, dict) or set(event) != {"type", "timestamp", "data"}:
        raise Refused("not-an-event", "type, timestamp and data")
    if not isinstance(event["type"], str) or not event["type"]:
        raise Refused("not-an-event", "type")
    if not isinstance(event["data"], dict):
        raise Refused("not-an-event", "data")
    try:
        has_zone = datetime.fromisoformat(event["timestamp"]).tzinfo is not None
    except (TypeError, ValueError):
        has_zone = False
    if not has_zone:
        raise Refused("not-an-event", "timestamp")


def _say(row: Refusal, refused: Refused) -> Answer:
    return Answer(status=row.status, data={"error": row.code, "detail": row.text.format(refused.detail)})
