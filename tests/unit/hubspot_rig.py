"""A running HubSpot account and somebody who speaks to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from connector.clock import VirtualClock
from connector.simulator.hubspot import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, SERVICE_KEY, HubSpot
from tests.unit.simulator_calls import FORM_TYPE, Caller, Got, calling, new_clock

OBJECTS = "/crm/objects/2026-09"
CONTACTS = f"{OBJECTS}/contacts"
TASKS = f"{OBJECTS}/tasks"
PROPERTIES = "/crm/properties/2026-09"
PAIRS = "/crm/associations/2026-09"
DUE = "2026-11-21T09:00:00Z"


class Rig:
    """One account, and a caller with its service key."""

    def __init__(self, hubspot: HubSpot, caller: Caller, clock: VirtualClock) -> None:
        self.hubspot = hubspot
        self.caller = caller
        self.clock = clock
        caller.token = SERVICE_KEY

    def refresh(self, **form: str) -> Got:
        """A token by refresh token; `form` replaces parts of the right request."""
        right = {
            "grant_type": "refresh_token",
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "refresh_token": REFRESH_TOKEN,
        }
        self.caller.token = ""
        return self.caller.send("POST", "/oauth/2026-03/token", raw=urlencode({**right, **form}), headers=FORM_TYPE)

    def post(self, path: str, data: Any) -> Got:
        return self.caller.send("POST", path, data)

    def get(self, path: str) -> Got:
        return self.caller.send("GET", path)

    def create(self, **properties: Any) -> Got:
        return self.post(CONTACTS, {"properties": properties})

    def batch(self, operation: str, *inputs: dict[str, Any], kind: str = "contacts") -> Got:
        return self.post(f"{OBJECTS}/{kind}/batch/{operation}", {"inputs": list(inputs)})

    def upsert(self, *keys: str, **properties: Any) -> Got:
        """One contact for each key, by the unique property an administrator made."""
        return self.batch(
            "upsert", *({"id": key, "idProperty": "csat_person", "properties": properties} for key in keys)
        )

    def search(self, *filters: dict[str, Any], **more: Any) -> Got:
        groups = [{"filters": list(filters)}] if filters else []
        return self.post(f"{CONTACTS}/search", {"filterGroups": groups, **more})

    def contact(self, key: str) -> dict[str, Any]:
        """What the account really holds."""
        return dict(self.hubspot.truth["objects"]["contacts"][key]["properties"])


@contextmanager
def rigged(**options: Any) -> Iterator[Rig]:
    """A rig on an account made with `options`."""
    clock = new_clock()
    hubspot = HubSpot(clock, **options)
    with calling(hubspot.start()) as caller:
        yield Rig(hubspot, caller, clock)
    hubspot.stop()
