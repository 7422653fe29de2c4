"""Salesforce on loopback: OAuth client credentials, SOQL, describe, single records, collections and upserts.

What it refuses and how is REFUSALS; the facts behind it are on `docs/vendors/salesforce`. Public credentials:
`sim-salesforce` / `sim-salesforce-secret`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

from connector.clock import Clock
from connector.simulator import pages
from connector.simulator.parts import (
    Answer,
    Call,
    Fields,
    Refusal,
    Refused,
    Route,
    Site,
    Tokens,
    Window,
    basic_credentials,
    bearer_token,
)
from connector.simulator.salesforce_batches import WRITABLE, Collections, insists, read_body, writable
from connector.simulator.salesforce_composite import Composite
from connector.simulator.salesforce_fields import PREFIXES
from connector.simulator.salesforce_org import HUMAN_USER, Org
from connector.simulator.salesforce_refusals import REFUSALS
from connector.simulator.salesforce_setup import Setup
from connector.simulator.soql import parse

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "REFUSALS", "Salesforce"]

CLIENT_ID = "sim-salesforce"
CLIENT_SECRET = "sim-salesforce-secret"
DATA = "/services/data/{version}"
URI_LIMIT = 16_384


class Salesforce:
    """A strict Salesforce org.

    Args:
        clock: expiries, quotas and lag follow it.
        task_key: whether Activity has the external id `CSAT_Key__c`; without it only a marker can find a task.
        duplicate_rule: refuse a second contact with one e-mail unless the caller insists by header.
        daily_calls: the org's calls per 24 hours.
        token_life: how long a session lasts.
        query_lag: how long a new row stays invisible to queries.
        scopes: what the connected app may do.
        page: records per query page.
        bare: an org in which nobody made our custom fields yet.
        setup_rights: the run-as user may make fields and permission sets.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        task_key: bool = True,
        duplicate_rule: bool = False,
        daily_calls: int = 100_000,
        token_life: timedelta = timedelta(hours=2),
        query_lag: timedelta = timedelta(0),
        scopes: frozenset[str] = frozenset({"api"}),
        page: int = 2000,
        bare: bool = False,
        setup_rights: bool = True,
    ) -> None:
        self.clock = clock
        self.tokens = Tokens(clock, "00Dsim!")
        self.token_life = token_life
        self.scopes = scopes
        self.page = page
        self.daily = Window(daily_calls, 24 * 60 * 60)
        self._locators: dict[str, tuple[str, list[Fields]]] = {}
        actions: dict[str, Callable[..., Any]] = {
            "add_contact": self.add_contact,
            "human_update": self.human_update,
            "human_delete": self.human_delete,
            "merge": self.merge,
        }
        self.setup = Setup(self, allowed=setup_rights)
        self.site = Site(
            clock,
            [*self.setup.routes(), *self._routes()],
            refusals=REFUSALS,
            say=_say,
            gate=self._gate,
            actions=actions,
        )
        self.requests = self.site.requests
        self.faults = self.site.faults
        self.org = Org(
            clock,
            self.site.truth,
            task_key=task_key,
            duplicate_rule=duplicate_rule,
            query_lag=query_lag,
            bare=bare,
        )

    def start(self, port: int = 0) -> str:
        """Listen on loopback; returns the base URL."""
        return self.site.start(port)

    def stop(self) -> None:
        """Stop listening."""
        self.site.stop()

    @property
    def truth(self) -> Fields:
        """{"objects": {"Contact": {id: fields}, …}, "writes": […]}, a copy."""
        return self.site.snapshot()

    def add_contact(self, **fields: Any) -> str:
        """A contact somebody entered; `LastName` is needed. Returns its id."""
        with self.site.lock:
            return self.org.create("Contact", self.org.prepare("Contact", fields), by=HUMAN_USER, insist=True)

    def human_update(self, record: str, **fields: Any) -> None:
        """A person edits a Contact or Task."""
        name = "Task" if record.startswith("00T") else "Contact"
        with self.site.lock:
            self.org.update(name, record, self.org.prepare(name, fields), by=HUMAN_USER)

    def human_delete(self, record: str) -> None:
        """A person deletes a Contact or Task."""
        with self.site.lock:
            self.org.delete("Task" if record.startswith("00T") else "Contact", record)

    def merge(self, winner: str, loser: str) -> None:
        """A person merges two contacts."""
        with self.site.lock:
            self.org.merge(winner, loser)

    def _routes(self) -> list[Route]:
        def open_to(scope: str | None) -> Callable[..., Route]:
            return lambda method, pattern, act, write=False: Route(
                method=method, pattern=pattern, act=act, write=write, scope=scope
            )

        public, api, batches = open_to(None), open_to("api"), Collections(self)
        record, external = f"{DATA}/sobjects/{{object}}/{{id}}", f"{DATA}/sobjects/{{object}}/{{field}}/{{value}}"
        return [
            public("POST", "/services/oauth2/token", self._token),
            public("GET", "/services/data", self._versions),
            public("GET", "/lightning/r/{object}/{id}/view", self._page),
            public("GET", "/{id}", self._page),
            api("GET", f"{DATA}/limits", self._limits),
            api("GET", f"{DATA}/query", self._query),
            api("GET", f"{DATA}/queryAll", self._query),
            api("GET", f"{DATA}/query/{{locator}}", self._more),
            api("POST", f"{DATA}/composite", Composite(self._query, self._describe).act),
            api("POST", f"{DATA}/composite/sobjects", batches.write, True),
            api("PATCH", f"{DATA}/composite/sobjects", batches.write, True),
            api("DELETE", f"{DATA}/composite/sobjects", batches.delete, True),
            api("PATCH", f"{DATA}/composite/sobjects/{{object}}/{{field}}", batches.upsert, True),
            api("GET", f"{DATA}/sobjects/{{object}}/describe", self._describe),
            api("POST", f"{DATA}/sobjects/{{object}}", self._create, True),
            api("GET", record, self._show),
            api("PATCH", record, self._update, True),
            api("GET", external, self._show_external),
            api("PATCH", external, self._upsert, True),
        ]

    def _gate(self, call: Call, route: Route) -> Mapping[str, str]:
        if sum(len(n) + len(v) for n, v in call.headers.items()) + len(call.path) + _length(call.query) > URI_LIMIT:
            raise Refused("uri-too-long")
        if route.scope is None:
            return {}
        version = call.path.split("/")[3]
        if not (version.startswith("v") and version.endswith(".0") and 46 <= int(version[1:-2] or 0) <= 68):
            raise Refused("unknown-route", call.path)
        grant = self.tokens.find(bearer_token(call.headers.get("authorization", "")))
        if grant is None:
            raise Refused("session")
        if route.scope not in grant.scopes:
            raise Refused("scope")
        allowed = self.daily.spend(call.at)
        usage = {"Sforce-Limit-Info": f"api-usage={self.daily.used(call.at)}/{self.daily.limit}"}
        if not allowed:
            raise Refused("throttled", headers=usage)
        return usage

    def _token(self, call: Call) -> Answer:
        form = call.form()
        if form.get("grant_type") != "client_credentials":
            raise Refused("oauth-grant")
        pair = basic_credentials(call.headers.get("authorization", ""))
        client, secret = pair or (form.get("client_id", ""), form.get("client_secret", ""))
        if client != CLIENT_ID:
            raise Refused("oauth-client")
        if secret != CLIENT_SECRET:
            raise Refused("oauth-secret")
        grant = self.tokens.issue(self.scopes, self.token_life)
        base = self.site.base_url
        return Answer(
            data={
                "access_token": grant.token,
                "scope": " ".join(sorted(grant.scopes)),
                "instance_url": base,
                "id": f"{base}/id/00D5g0000000001/0055g0000000001",
                "token_type": "Bearer",
                "issued_at": str(int(call.at.timestamp() * 1000)),
            }
        )

    def _versions(self, call: Call) -> Answer:
        return Answer(data=[{"label": "Summer '26", "url": "/services/data/v67.0", "version": "67.0"}])

    def _limits(self, call: Call) -> Answer:
        left = self.daily.remaining(call.at)
        return Answer(data={"DailyApiRequests": {"Max": self.daily.limit, "Remaining": left}})

    def _query(self, call: Call) -> Answer:
        query = parse(call.query.get("q", ""), self.org.schemas)
        rows = self.org.select(query, deleted_too=call.path.endswith("queryAll"))
        names = tuple(dict.fromkeys(query.fields))
        base = call.path.rpartition("/")[0]
        shown = [
            {
                "attributes": {"type": query.object, "url": f"{base}/sobjects/{query.object}/{row['Id']}"},
                **self.org.shown(query.object, row, names),
            }
            for row in rows
        ]
        return self._paged(base, shown, 0)

    def _paged(self, base: str, rows: list[Fields], start: int) -> Answer:
        end = start + self.page
        data: Fields = {"totalSize": len(rows), "done": end >= len(rows), "records": rows[start:end]}
        if end < len(rows):
            locator = f"01gSIM{len(self._locators):09d}-{end}"
            self._locators[locator] = (base, rows)
            data["nextRecordsUrl"] = f"{base}/query/{locator}"
        return Answer(data=data)

    def _more(self, call: Call) -> Answer:
        locator = call.params["locator"]
        if locator not in self._locators:
            raise Refused("locator", locator)
        base, rows = self._locators[locator]
        return self._paged(base, rows, int(locator.rpartition("-")[2]))

    def _describe(self, call: Call) -> Answer:
        name = call.params["object"]
        self.org.rows(name)
        fields = [field.describe() for field in self.org.schemas[name].values()]
        return Answer(
            data={"name": name, "label": name, "queryable": True, "createable": name in WRITABLE, "fields": fields}
        )

    def _create(self, call: Call) -> Answer:
        name = writable(call.params["object"])
        key = self.org.create(name, self.org.prepare(name, read_body(call)), insist=insists(call))
        return Answer(status=201, data={"id": key, "success": True, "errors": []})

    def _show(self, call: Call) -> Answer:
        name = call.params["object"]
        self.org.rows(name)
        row = self.org.live(name, call.params["id"])
        return Answer(data={"attributes": {"type": name, "url": f"{call.path}"}, **row})

    def _update(self, call: Call) -> Answer:
        name = writable(call.params["object"])
        self.org.update(name, call.params["id"], self.org.prepare(name, read_body(call)))
        return Answer(status=204)

    def _show_external(self, call: Call) -> Answer:
        name, field, value = (unquote(call.params[part]) for part in ("object", "field", "value"))
        self.org.refuse_internal(name, field)
        found = self._single(call, name, field, value)
        if found is None:
            raise Refused("not-found", value)
        return Answer(data={"attributes": {"type": name}, **self.org.live(name, found)})

    def _single(self, call: Call, name: str, field: str, value: str) -> str | None:
        found = self.org.find(name, field, value)
        if len(found) > 1:
            base = call.path.rpartition("/sobjects/")[0]
            raise Refused("several", " ".join(f"{base}/sobjects/{name}/{key}" for key in found))
        return found[0] if found else None

    def _upsert(self, call: Call) -> Answer:
        name, field, value = (unquote(call.params[part]) for part in ("object", "field", "value"))
        writable(name)
        self.org.refuse_internal(name, field)
        values = self.org.prepare(name, read_body(call))
        if field in values:
            raise Refused("external-in-body", field, field=field)
        found = self._single(call, name, field, value)
        if found is not None:
            self.org.update(name, found, values)
            return Answer(data={"id": found, "success": True, "errors": [], "created": False})
        key = self.org.create(name, {**values, field: value}, insist=insists(call))
        return Answer(status=201, data={"id": key, "success": True, "errors": [], "created": True})

    def _page(self, call: Call) -> Answer:
        key = call.params["id"]
        name = call.params.get("object") or next((n for n, prefix in PREFIXES.items() if key.startswith(prefix)), "")
        row = self.org.live(name, key) if name in self.org.schemas else {}
        if not row:
            raise Refused("not-found", key)
        tasks = self.org.find("Task", "WhoId", key) if name == "Contact" else []
        subjects = [(f"/lightning/r/Task/{task}/view", str(self.org.rows("Task")[task]["Subject"])) for task in tasks]
        title = str(row.get("Name") or row.get("Subject") or key)
        return pages.page(title, pages.table(row), pages.links(subjects))


def _length(query: Mapping[str, str]) -> int:
    return sum(len(name) + len(value) + 2 for name, value in query.items())


def _say(row: Refusal, refused: Refused) -> Answer:
    message = row.text.format(refused.detail)
    if refused.refusal.startswith("oauth-"):
        return Answer(status=row.status, data={"error": row.code, "error_description": message})
    if row.status == 300:
        return Answer(status=300, data=refused.detail.split())
    error: Fields = {"message": message, "errorCode": row.code}
    if refused.field:
        error["fields"] = [refused.field]
    if refused.refusal == "duplicates-detected":
        matches = [{"record": {"Id": key}} for key in refused.detail.rpartition(" ")[2].split(",")]
        error["duplicateResult"] = {"allowSave": True, "matchResults": [{"matchRecords": matches}]}
    return Answer(status=row.status, data=[error])
