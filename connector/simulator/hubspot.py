"""HubSpot on loopback: service keys and OAuth, objects and batches by dated paths, search with its lag, associations.

What it refuses and how is REFUSALS; the facts behind it are on `docs/vendors/hubspot`. Public credentials:
`pat-na1-sim-hubspot`, or `sim-hubspot` / `sim-hubspot-secret` with the refresh token `sim-hubspot-refresh`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

from connector.clock import Clock
from connector.simulator import pages
from connector.simulator.hubspot_associations import Associations
from connector.simulator.hubspot_batches import Batches, read_associations, read_body, show, written
from connector.simulator.hubspot_definitions import Definitions
from connector.simulator.hubspot_gate import (
    CLIENT_ID,
    CLIENT_SECRET,
    PORTAL_ID,
    REFRESH_TOKEN,
    SCOPES,
    SERVICE_KEY,
    Gate,
)
from connector.simulator.hubspot_portal import Portal
from connector.simulator.hubspot_properties import stamp
from connector.simulator.hubspot_refusals import REFUSALS, say
from connector.simulator.hubspot_search import read_search, run_search
from connector.simulator.parts import Answer, Call, Fields, Refused, Route, Site

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "PORTAL_ID", "REFRESH_TOKEN", "REFUSALS", "SERVICE_KEY", "HubSpot"]

OBJECTS = "/crm/objects/{version}/{kind}"
PROPERTIES = "/crm/properties/{version}/{kind}"
PAIRS = "/crm/associations/{version}/{kind}/{to}"
LIST_PAGE = 100
READ, WRITE = "crm.objects.contacts.read", "crm.objects.contacts.write"
SCHEMA_READ, SCHEMA_WRITE = "crm.schemas.contacts.read", "crm.schemas.contacts.write"
_CREATE_KEYS = frozenset({"properties", "associations", "objectWriteTraceId"})


class HubSpot:
    """A strict HubSpot account.

    Args:
        clock: expiries, quotas and lag follow it.
        task_key: whether tasks, notes and communications can have a unique property, and have `csat_key`.
        merge_mints: whether the survivor of a merge gets a new id.
        multi_status: the batch operations that answer record by record when every input carries a trace id; elsewhere
            one bad record refuses its whole batch.
        search_lag: how long a change stays invisible to the search.
        burst, daily, searches: calls in ten seconds, in a day, searches in a second.
        scopes: what service key and app may do.
        rotate: whether a refresh answers with a new refresh token.
        bare: an account in which nothing of ours was set up yet.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        task_key: bool = True,
        merge_mints: bool = False,
        multi_status: frozenset[str] = frozenset({"create"}),
        search_lag: timedelta = timedelta(seconds=2),
        burst: int = 190,
        daily: int = 650_000,
        searches: int = 5,
        scopes: frozenset[str] = SCOPES,
        rotate: bool = True,
        bare: bool = False,
    ) -> None:
        self.clock = clock
        self.multi_status = multi_status
        self.gate = Gate(clock, burst=burst, daily=daily, searches=searches, scopes=scopes, rotate=rotate)
        actions: dict[str, Callable[..., Any]] = {
            "add_contact": self.add_contact,
            "add_owner": self.add_owner,
            "human_update": self.human_update,
            "human_delete": self.human_delete,
            "merge": self.merge,
            "lock": self.gate.lock,
            "migrate": self.gate.migrate,
            "add_rule": self.add_rule,
        }
        self.site = Site(clock, self._routes(), refusals=REFUSALS, say=say, gate=self.gate.admit, actions=actions)
        self.requests = self.site.requests
        self.faults = self.site.faults
        self.portal = Portal(
            clock,
            self.site.truth,
            task_key=task_key,
            merge_mints=merge_mints,
            search_lag=search_lag,
            bare=bare,
        )
        self.add_owner("robin@acme.example", "Robin", "Agent")

    def start(self, port: int = 0) -> str:
        """Listen on loopback; returns the base URL."""
        return self.site.start(port)

    def stop(self) -> None:
        """Stop listening."""
        self.site.stop()

    @property
    def truth(self) -> Fields:
        """{"objects": {"contacts": {id: {"id", "properties", …}}, …}, "writes": […]}, a copy."""
        return self.site.snapshot()

    def add_contact(self, **properties: str) -> str:
        """A contact somebody entered; returns its id."""
        with self.site.lock:
            return self.portal.create("contacts", self.portal.prepare("contacts", properties), by="human")

    def add_owner(self, email: str, first: str, last: str) -> str:
        """A user who can own records; returns the owner's id."""
        with self.site.lock:
            return self.portal.add_owner(email, first, last)

    def add_rule(self, kind: str, name: str, pattern: str) -> None:
        """An administrator sets a rule for a property; from version 2026-09 on it holds for every write by API, too."""
        with self.site.lock:
            self.portal.rules[kind, name] = re.compile(pattern)

    def human_update(self, record: str, kind: str = "contacts", **properties: str) -> None:
        """A person edits a record."""
        with self.site.lock:
            self.portal.update(kind, record, self.portal.prepare(kind, properties), by="human")

    def human_delete(self, record: str, kind: str = "contacts") -> None:
        """A person deletes a record; it can still be listed as archived."""
        with self.site.lock:
            self.portal.archive(kind, record, by="human")

    def merge(self, winner: str, loser: str) -> str:
        """A person merges two contacts; returns the survivor's id."""
        with self.site.lock:
            return self.portal.merge(winner, loser)

    def _routes(self) -> list[Route]:
        def route(
            method: str,
            pattern: str,
            act: Callable[[Call], Answer],
            scope: str | None,
            quota: str = "",
            *,
            write: bool = False,
        ) -> Route:
            return Route(method=method, pattern=pattern, act=act, scope=scope, quota=quota, write=write)

        owners, account = "/crm/owners/{version}", "/account-info/{version}"
        return [
            route("POST", "/oauth/2026-03/token", self.gate.token, None),
            route("GET", "/contacts/{portal}/record/{type}/{id}", self._page, None),
            route("GET", owners, self._owners, "crm.objects.owners.read"),
            route("GET", f"{owners}/{{id}}", self._owner, "crm.objects.owners.read"),
            route("GET", f"{account}/details", self._details, "oauth"),
            route("GET", f"{account}/api-usage/daily/private-apps", self._usage, "oauth"),
            *self._object_routes(route),
            *self._schema_routes(route),
        ]

    def _object_routes(self, route: Callable[..., Route]) -> list[Route]:
        batches, pairs = Batches(self), Associations(self)
        one = f"{OBJECTS}/{{id}}"
        return [
            route("POST", f"{OBJECTS}/batch/create", batches.create, WRITE, write=True),
            route("POST", f"{OBJECTS}/batch/update", batches.update, WRITE, write=True),
            route("POST", f"{OBJECTS}/batch/upsert", batches.upsert, WRITE, write=True),
            route("POST", f"{OBJECTS}/batch/archive", batches.archive, WRITE, write=True),
            route("POST", f"{OBJECTS}/batch/read", batches.read, READ),
            route("POST", f"{OBJECTS}/search", self._search, READ, "search"),
            route("POST", f"{OBJECTS}/merge", self._merge, WRITE, write=True),
            route("POST", f"{OBJECTS}/gdpr-delete", self._erase, WRITE, write=True),
            route("GET", OBJECTS, self._list, READ),
            route("POST", OBJECTS, self._create, WRITE, write=True),
            route("GET", one, self._show, READ),
            route("PATCH", one, self._update, WRITE, write=True),
            route("DELETE", one, self._delete, WRITE, write=True),
            route("PUT", f"{one}/associations/default/{{to}}/{{target}}", pairs.put, WRITE, write=True),
            route("GET", f"{one}/associations/{{to}}", pairs.show, READ),
            route("POST", f"{PAIRS}/batch/associate/default", pairs.create, WRITE, write=True),
            route("POST", f"{PAIRS}/batch/create", pairs.create, WRITE, write=True),
            route("POST", f"{PAIRS}/batch/read", pairs.read, READ),
            route("GET", f"{PAIRS}/labels", pairs.labels, READ),
        ]

    def _schema_routes(self, route: Callable[..., Route]) -> list[Route]:
        definitions = Definitions(self)
        named = f"{PROPERTIES}/{{name}}"
        return [
            route("GET", PROPERTIES, definitions.every, SCHEMA_READ),
            route("POST", PROPERTIES, definitions.create, SCHEMA_WRITE, write=True),
            route("POST", f"{PROPERTIES}/batch/create", definitions.create_many, SCHEMA_WRITE, write=True),
            route("POST", f"{PROPERTIES}/batch/read", definitions.read_many, SCHEMA_READ),
            route("GET", named, definitions.show, SCHEMA_READ),
            route("PATCH", named, definitions.update, SCHEMA_WRITE, write=True),
            route("DELETE", named, definitions.archive, SCHEMA_WRITE, write=True),
        ]

    def _live(self, call: Call) -> str:
        kind, text = call.params["kind"], unquote(call.params["id"])
        key = self.portal.find(kind, text, call.query.get("idProperty", ""))
        if key is None and call.query.get("archived") == "true":
            row = self.portal.rows(kind).get(text)
            key = text if row is not None and row["archived"] else None
        if key is None:
            raise Refused("not-found", text)
        return key

    def _show(self, call: Call) -> Answer:
        kind = call.params["kind"]
        row = self.portal.rows(kind)[self._live(call)]
        shown = show(row, _asked(call), kind)
        for other in filter(None, call.query.get("associations", "").split(",")):
            ends = [{"id": end, "type": f"{kind}_to_{other}"} for end in row["associations"].get(other, [])]
            shown.setdefault("associations", {})[other] = {"results": ends}
        return Answer(data=shown)

    def _list(self, call: Call) -> Answer:
        """By id, which is not by time."""
        kind = call.params["kind"]
        archived = call.query.get("archived") == "true"
        limit, after = call.query.get("limit", "10"), call.query.get("after", "0")
        if not limit.isdigit() or not 1 <= int(limit) <= LIST_PAGE:
            raise Refused("page-size", str(LIST_PAGE))
        if not after.isdigit():
            raise Refused("cursor", after)
        found = [r for r in self.portal.rows(kind).values() if r["archived"] is archived and int(r["id"]) > int(after)]
        found.sort(key=lambda row: int(row["id"]))
        page = found[: int(limit)]
        data: Fields = {"results": [show(row, _asked(call), kind) for row in page]}
        if len(found) > len(page):
            data["paging"] = {"next": {"after": page[-1]["id"], "link": f"{call.path}?after={page[-1]['id']}"}}
        return Answer(data=data)

    def _create(self, call: Call) -> Answer:
        kind, body = call.params["kind"], read_body(call)
        self.portal.rows(kind)
        if unknown := set(body) - _CREATE_KEYS:
            raise Refused("unknown-input", ", ".join(sorted(unknown)))
        values = self.portal.prepare(kind, body.get("properties", {}))
        key = self.portal.create(kind, values, read_associations(body.get("associations"), kind))
        return Answer(status=201, data=written(self.portal.rows(kind)[key]))

    def _update(self, call: Call) -> Answer:
        kind, body = call.params["kind"], read_body(call)
        if unknown := set(body) - {"properties", "objectWriteTraceId"}:
            raise Refused("unknown-input", ", ".join(sorted(unknown)))
        key = self._live(call)
        self.portal.update(kind, key, self.portal.prepare(kind, body.get("properties", {})))
        return Answer(data=written(self.portal.rows(kind)[key]))

    def _delete(self, call: Call) -> Answer:
        self.portal.archive(call.params["kind"], self._live(call))
        return Answer(status=204)

    def _search(self, call: Call) -> Answer:
        kind = call.params["kind"]
        self.portal.rows(kind)
        search = read_search(read_body(call), self.portal.schemas[kind])
        found = run_search(search, self.portal.searchable(kind), self.portal.schemas[kind])
        page = found[search.start : search.start + search.limit]
        data: Fields = {"total": len(found), "results": [show(row, search.properties, kind) for row in page]}
        if search.start + search.limit < len(found):
            data["paging"] = {"next": {"after": str(search.start + search.limit)}}
        return Answer(data=data)

    def _merge(self, call: Call) -> Answer:
        body = read_body(call)
        ids = [str(body.get(name) or "") for name in ("primaryObjectId", "objectIdToMerge")]
        if call.params["kind"] != "contacts":
            raise Refused("unknown-object", call.params["kind"])
        found = [self.portal.find("contacts", one) for one in ids]
        if None in found:
            raise Refused("not-found", ids[found.index(None)])
        if found[0] == found[1]:
            raise Refused("merge-self", ids[0])
        survivor = self.portal.merge(str(found[0]), str(found[1]), by="api")
        return Answer(data=written(self.portal.rows("contacts")[survivor]))

    def _erase(self, call: Call) -> Answer:
        body = read_body(call)
        if call.params["kind"] != "contacts":
            raise Refused("unknown-object", call.params["kind"])
        text, by = str(body.get("objectId") or ""), str(body.get("idProperty") or "")
        key = self.portal.find("contacts", text, by)
        if key is not None:
            self.portal.erase(key)
        elif by == "email":
            self.portal.blocked.add(text.strip().lower())
        else:
            raise Refused("not-found", text)
        return Answer(status=204)

    def _owners(self, call: Call) -> Answer:
        email = call.query.get("email", "").lower()
        found = [row for row in self.portal.owners.values() if not email or row["email"].lower() == email]
        return Answer(data={"results": [_owner(row) for row in found]})

    def _owner(self, call: Call) -> Answer:
        row = self.portal.owners.get(call.params["id"])
        if row is None:
            raise Refused("not-found", call.params["id"])
        return Answer(data=_owner(row))

    def _details(self, call: Call) -> Answer:
        return Answer(
            data={
                "portalId": PORTAL_ID,
                "accountType": "STANDARD",
                "timeZone": "Europe/Berlin",
                "companyCurrency": "EUR",
                "uiDomain": "app.hubspot.com",
                "dataHostingLocation": "na1",
            }
        )

    def _usage(self, call: Call) -> Answer:
        daily = self.gate.daily
        row = {
            "name": "private-apps-api-calls-daily",
            "usageLimit": daily.limit,
            "currentUsage": daily.used(call.at),
            "collectedAt": stamp(call.at),
            "fetchStatus": "SUCCESS",
            "resetsAt": stamp(call.at + timedelta(seconds=daily.resets_in(call.at))),
        }
        return Answer(data={"results": [row]})

    def _page(self, call: Call) -> Answer:
        kind = {"0-1": "contacts", "0-27": "tasks", "0-46": "notes"}.get(call.params["type"], "")
        key = self.portal.find(kind, call.params["id"]) if kind else None
        if key is None:
            raise Refused("not-found", call.params["id"])
        row = self.portal.rows(kind)[key]
        held = row["properties"]
        title = held.get("hs_task_subject") or f"{held.get('firstname', '')} {held.get('lastname', '')}".strip() or key
        tasks = [(end, self.portal.rows("tasks")[end]["properties"]) for end in row["associations"].get("tasks", [])]
        subjects = [
            (f"/contacts/{PORTAL_ID}/record/0-27/{end}", task.get("hs_task_subject", end)) for end, task in tasks
        ]
        return pages.page(title, pages.table(held), pages.links(subjects))


def _asked(call: Call) -> tuple[str, ...] | None:
    return tuple(name for name in call.query.get("properties", "").split(",") if name) or None


def _owner(row: Fields) -> Fields:
    return {**row, "type": "PERSON", "userIdIncludingInactive": row["userId"], "archived": False, "teams": []}
