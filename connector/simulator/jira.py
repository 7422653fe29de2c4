"""Jira Cloud on loopback: one project, its issues, transitions and comments, and a search that lags.

Public credentials: `csat@example.com` and `jira-simulator`. What it does and refuses: the published description of the
platform's REST API v3, and developer.atlassian.com/cloud/jira/platform (search-and-reconcile, rate-limiting).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from connector.clock import Clock
from connector.simulator import pages
from connector.simulator.parts import Answer, Call, Fields, Refusal, Refused, Route, Site, Window, basic_credentials

EMAIL, TOKEN = "csat@example.com", "jira-simulator"
PROJECT: Final = "SHOP"
TYPES: Final = frozenset({"Bug", "Task", "Story"})
STATUSES: Final = {"To Do": "new", "In Progress": "indeterminate", "Done": "done"}
TRANSITIONS: Final = {"11": "To Do", "21": "In Progress", "31": "Done"}
PERMISSIONS: Final = frozenset({"BROWSE_PROJECTS", "CREATE_ISSUES", "EDIT_ISSUES", "ADD_COMMENTS", "TRANSITION_ISSUES"})
SETTABLE: Final = frozenset({"project", "issuetype", "summary", "description", "labels"})
LONGEST_SUMMARY, LONGEST_TEXT, LONGEST_LABEL = 255, 32_767, 255
_NO_DOCUMENT: Final = "Operation value must be an Atlassian Document (see the documentation)"
_BLOCKS: Final = frozenset({"paragraph", "blockquote", "bulletList", "listItem", "text"})
_JQL: Final = re.compile(r'project = "(?P<project>[A-Z0-9_]+)" AND labels = "(?P<label>[^"\s]+)"')

REFUSALS = {
    "unknown-route": Refusal(404, "", "dead link"),
    "unknown-method": Refusal(405, "", "Method Not Allowed"),
    "bad-credentials": Refusal(401, "", "Client must be authenticated to access this resource."),
    "throttled": Refusal(429, "", "Rate limit exceeded."),
    "no-issue": Refusal(404, "", "Issue does not exist or you do not have permission to see it."),
    "no-project": Refusal(404, "", "No project could be found with key '{}'."),
    "not-json": Refusal(400, "", "There was an error parsing JSON. Check that your request body is valid."),
    "invalid": Refusal(400, "", "{}"),
    "bad-transition": Refusal(400, "", "Transition id '{}' is not valid for this issue."),
    "bad-jql": Refusal(400, "", "Unbounded JQL queries are not allowed here. Please add a search restriction."),
    "removed": Refusal(410, "", "The requested API has been removed. Please migrate to /rest/api/3/search/jql."),
    "may-not": Refusal(403, "", "You do not have permission to do this in this project."),
}
"""By id. Every one is provoked by a test that sends the bad request."""


class Jira:
    """A strict site with one project, `SHOP`.

    Args:
        clock: quotas, timestamps and lags follow it.
        per_minute: requests in a minute.
        search_lag: how long what is new stays out of the search.
        comment_lag: how long a new comment stays out of its issue's list.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        per_minute: int = 600,
        search_lag: timedelta = timedelta(0),
        comment_lag: timedelta = timedelta(0),
    ) -> None:
        self.clock = clock
        self.search_lag = search_lag
        self.comment_lag = comment_lag
        self.token_works = True
        self.sees_project = True
        self.permissions = PERMISSIONS
        self._numbers = 0
        self._pace = Window(per_minute, 60)
        actions: dict[str, Callable[..., Any]] = {
            "human_issue": self.human_issue,
            "human_move": self.human_move,
            "human_update": self.human_update,
            "human_delete": self.human_delete,
        }
        self.site = Site(clock, self._routes(), refusals=REFUSALS, say=_say, gate=self._gate, actions=actions)
        self.requests = self.site.requests
        self.faults = self.site.faults

    def start(self, port: int = 0) -> str:
        """Listen on loopback; returns the base URL."""
        return self.site.start(port)

    def stop(self) -> None:
        """Stop listening."""
        self.site.stop()

    @property
    def issues(self) -> dict[str, Fields]:
        """The issues there are, by id."""
        return self.site.truth.kind("issue")

    def human_issue(self, summary: str) -> str:
        """A person writes an issue; returns its id."""
        with self.site.lock:
            return str(self._store({"summary": summary, "issuetype": {"name": "Bug"}}, "human")["id"])

    def human_move(self, number: str, status: str) -> None:
        """A person moves an issue to `To Do`, `In Progress` or `Done`."""
        with self.site.lock:
            self._move(self.issues[number], status, "human")

    def human_update(self, number: str, **fields: Any) -> None:
        """A person changes the summary or the labels of an issue."""
        with self.site.lock:
            self._change(self.issues[number], fields, "human")

    def human_delete(self, number: str) -> None:
        """An administrator deletes an issue."""
        with self.site.lock:
            del self.issues[number]
            self.site.truth.wrote("issue", number, "delete", "human", {}, self.clock.now())

    def _routes(self) -> list[Route]:
        root = "/rest/api/3"
        issue = f"{root}/issue/{{number}}"
        return [
            Route(method="POST", pattern=f"{root}/issue", act=self._create, write=True, scope="CREATE_ISSUES"),
            Route(method="GET", pattern=issue, act=self._show),
            Route(method="PUT", pattern=issue, act=self._update, write=True, scope="EDIT_ISSUES"),
            Route(method="GET", pattern=f"{issue}/transitions", act=self._transitions),
            Route(method="POST", pattern=f"{issue}/transitions", act=self._go, write=True, scope="TRANSITION_ISSUES"),
            Route(method="GET", pattern=f"{issue}/comment", act=self._comments),
            Route(method="POST", pattern=f"{issue}/comment", act=self._comment, write=True, scope="ADD_COMMENTS"),
            Route(method="POST", pattern=f"{root}/search/jql", act=self._search),
            Route(method="GET", pattern=f"{root}/search", act=self._removed),
            Route(method="POST", pattern=f"{root}/search", act=self._removed),
            Route(method="GET", pattern=f"{root}/project/{{key}}", act=self._project),
            Route(method="GET", pattern=f"{root}/mypermissions", act=self._mine),
            Route(method="GET", pattern="/browse/{key}", act=self._page, scope=None),
        ]

    def _gate(self, call: Call, route: Route) -> Mapping[str, str]:
        if route.scope is None:
            return {}
        given = basic_credentials(call.headers.get("authorization", ""))
        if not self.token_works or given != (EMAIL, TOKEN):
            raise Refused("bad-credentials")
        if not self._pace.spend(call.at):
            raise Refused("throttled", headers={"Retry-After": str(self._pace.resets_in(call.at))})
        if route.scope and route.scope not in self.permissions:
            raise Refused("may-not")
        return {}

    def _create(self, call: Call) -> Answer:
        fields = _fields(call)
        for name in ("project", "issuetype", "summary"):
            if name not in fields:
                raise Refused("invalid", f"{name} is required.", field=name)
        self._check(fields)
        issue = self._store(fields, "api")
        data = {"id": issue["id"], "key": issue["key"], "self": self._self(issue)}
        return Answer(status=201, data=data)

    def _check(self, fields: Fields) -> None:
        for name in fields:
            if name not in SETTABLE:
                detail = f"Field '{name}' cannot be set. It is not on the appropriate screen, or unknown."
                raise Refused("invalid", detail, field=name)
        if "project" in fields and (fields["project"] != {"key": PROJECT} or not self.sees_project):
            raise Refused("invalid", "Specify a valid project ID or key", field="project")
        if "issuetype" in fields and (fields["issuetype"] or {}).get("name") not in TYPES:
            raise Refused("invalid", "Specify a valid issue type", field="issuetype")
        _check_texts(fields)

    def _store(self, fields: Fields, by: str) -> Fields:
        self._numbers += 1
        number = str(10_000 + self._numbers)
        issue: Fields = {
            "id": number,
            "key": f"{PROJECT}-{self._numbers}",
            "summary": fields["summary"],
            "description": fields.get("description"),
            "labels": list(fields.get("labels") or []),
            "type": fields["issuetype"]["name"],
            "status": "To Do",
            "moved_at": self._now(),
            "comments": [],
            "seen_from": self.clock.now().timestamp(),
        }
        self.issues[number] = issue
        self.site.truth.wrote("issue", number, "create", by, fields, self.clock.now())
        return issue

    def _update(self, call: Call) -> Answer:
        issue, fields = self._issue(call), _fields(call)
        self._check(fields)
        self._change(issue, fields, "api")
        return Answer(status=204)

    def _change(self, issue: Fields, fields: Fields, by: str) -> None:
        issue.update({name: fields[name] for name in ("summary", "description", "labels") if name in fields})
        self.site.truth.wrote("issue", issue["id"], "update", by, fields, self.clock.now())

    def _show(self, call: Call) -> Answer:
        issue = self._issue(call)
        wanted = call.query.get("fields", "*all").split(",")
        shown = {
            "summary": issue["summary"],
            "description": issue["description"],
            "labels": issue["labels"],
            "status": self._status(issue["status"]),
            "statuscategorychangedate": issue["moved_at"],
        }
        fields = {name: value for name, value in shown.items() if "*all" in wanted or name in wanted}
        return Answer(data={"id": issue["id"], "key": issue["key"], "self": self._self(issue), "fields": fields})

    def _status(self, name: str) -> Fields:
        category = {"id": 4, "key": STATUSES[name], "colorName": "blue-gray", "name": name}
        return {"id": "1", "name": name, "statusCategory": category}

    def _transitions(self, call: Call) -> Answer:
        here = self._issue(call)["status"]
        found = [{"id": number, "name": to, "to": self._status(to)} for number, to in TRANSITIONS.items() if to != here]
        return Answer(data={"expand": "transitions", "transitions": found})

    def _go(self, call: Call) -> Answer:
        issue, data = self._issue(call), _read(call)
        number = str((data.get("transition") or {}).get("id", ""))
        if not number.isdigit():
            raise Refused("invalid", "'transition' identifier must be an integer", field="transition")
        if TRANSITIONS.get(number, issue["status"]) == issue["status"]:
            raise Refused("bad-transition", number)
        self._move(issue, TRANSITIONS[number], "api")
        return Answer(status=204)

    def _move(self, issue: Fields, status: str, by: str) -> None:
        if STATUSES[status] != STATUSES[issue["status"]]:
            issue["moved_at"] = self._now()
        issue["status"] = status
        self.site.truth.wrote("issue", issue["id"], "update", by, {"status": status}, self.clock.now())

    def _comment(self, call: Call) -> Answer:
        issue, data = self._issue(call), _read(call)
        if set(data) - {"body", "visibility", "properties"}:
            raise Refused("invalid", "Invalid request payload. Refer to the REST API documentation and try again.")
        _check_document(data.get("body"), "comment")
        self._numbers += 1
        row = {"id": str(20_000 + self._numbers), "body": data["body"], "created": self._now()}
        issue["comments"].append({**row, "seen_from": self.clock.now().timestamp()})
        self.site.truth.wrote("comment", row["id"], "create", "api", data, self.clock.now())
        return Answer(status=201, data={**row, "self": f"{self._self(issue)}/comment/{row['id']}"})

    def _comments(self, call: Call) -> Answer:
        issue, query = self._issue(call), call.query
        size = query.get("maxResults", "50")
        if not size.isdigit() or query.get("orderBy", "created") not in {"created", "-created", "+created"}:
            raise Refused("invalid", "Invalid paging or order.")
        horizon = (self.clock.now() - self.comment_lag).timestamp()
        rows = [
            {n: v for n, v in row.items() if n != "seen_from"}
            for row in issue["comments"]
            if row["seen_from"] <= horizon
        ]
        if query.get("orderBy", "").startswith("-"):
            rows.reverse()
        most = min(int(size), 5000)
        return Answer(data={"startAt": 0, "maxResults": most, "total": len(rows), "comments": rows[:most]})

    def _search(self, call: Call) -> Answer:
        data = _read(call)
        match = _JQL.fullmatch(str(data.get("jql") or ""))
        if match is None:
            raise Refused("bad-jql")
        size = data.get("maxResults", 50)
        if not isinstance(size, int) or not isinstance(data.get("fields", []), list) or "startAt" in data:
            raise Refused("invalid", "Invalid request payload. Refer to the REST API documentation and try again.")
        horizon = (self.clock.now() - self.search_lag).timestamp()
        found = [
            {"id": issue["id"], "key": issue["key"], "self": self._self(issue), "fields": {"summary": issue["summary"]}}
            for issue in self.issues.values()
            if match["project"] == PROJECT and match["label"] in issue["labels"] and issue["seen_from"] <= horizon
        ]
        if not data.get("fields"):
            found = [{"id": row["id"]} for row in found]
        return Answer(data={"issues": found[:size], "isLast": len(found) <= size})

    def _removed(self, _call: Call) -> Answer:
        raise Refused("removed")

    def _project(self, call: Call) -> Answer:
        if call.params["key"] != PROJECT or not self.sees_project:
            raise Refused("no-project", call.params["key"])
        return Answer(data={"id": "10000", "key": PROJECT, "name": "Shop", "self": f"{self.site.base_url}/project"})

    def _mine(self, call: Call) -> Answer:
        names = call.query.get("permissions", "").split(",")
        given = {
            name: {"id": "1", "key": name, "name": name.title(), "havePermission": name in self.permissions}
            for name in names
            if name
        }
        if not given:
            raise Refused("invalid", "The 'permissions' query parameter is required.")
        return Answer(data={"permissions": given})

    def _issue(self, call: Call) -> Fields:
        number = call.params["number"]
        found = self.issues.get(number) or next((i for i in self.issues.values() if i["key"] == number), None)
        if found is None or not self.sees_project:
            raise Refused("no-issue")
        return found

    def _self(self, issue: Fields) -> str:
        return f"{self.site.base_url}/rest/api/3/issue/{issue['id']}"

    def _now(self) -> str:
        return self.clock.now().strftime("%Y-%m-%dT%H:%M:%S.000+0000")

    def _page(self, call: Call) -> Answer:
        issue = next((one for one in self.issues.values() if one["key"] == call.params["key"]), None)
        if issue is None:
            raise Refused("no-issue")
        texts = [pages.block("Description", plain(issue["description"]))]
        texts += [pages.block(f"Comment, {row['created']}", plain(row["body"])) for row in issue["comments"]]
        rows = {"Status": issue["status"], "Labels": ", ".join(issue["labels"])}
        return pages.page(f"{issue['key']} {issue['summary']}", pages.table(rows), *texts)


def plain(document: Any) -> str:
    """An Atlassian document as text, a line for each paragraph."""
    if not isinstance(document, dict):
        return ""
    if document["type"] == "text":
        return str(document["text"])
    parts = [plain(part) for part in document.get("content", [])]
    return ("" if document["type"] == "paragraph" else "\n").join(parts)


def _read(call: Call) -> Fields:
    try:
        data = json.loads(call.body)
    except ValueError:
        raise Refused("not-json") from None
    if not isinstance(data, dict):
        raise Refused("not-json")
    return data


def _fields(call: Call) -> Fields:
    fields = _read(call).get("fields")
    if not isinstance(fields, dict):
        raise Refused("invalid", "one of 'fields' or 'update' required")
    return fields


def _check_texts(fields: Fields) -> None:
    summary = fields.get("summary", "x")
    if not isinstance(summary, str) or not summary.strip():
        raise Refused("invalid", "You must specify a summary of the issue.", field="summary")
    if len(summary) > LONGEST_SUMMARY or "\n" in summary:
        raise Refused("invalid", "Summary must be one line of less than 255 characters.", field="summary")
    if fields.get("description") is not None:
        _check_document(fields["description"], "description")
    labels = fields.get("labels", [])
    if not isinstance(labels, list) or not all(isinstance(one, str) and one for one in labels):
        raise Refused("invalid", "data was not an array", field="labels")
    for label in labels:
        if re.search(r"\s", label) or len(label) > LONGEST_LABEL:
            raise Refused("invalid", f"The label '{label}' contains spaces which is invalid.", field="labels")


def _check_document(found: Any, field: str) -> None:
    """A document of the nodes we know. Raises Refused."""
    if not isinstance(found, dict) or (found.get("type"), found.get("version")) != ("doc", 1):
        raise Refused("invalid", _NO_DOCUMENT, field=field)
    waiting = list(found.get("content") or [])
    while waiting:
        node = waiting.pop()
        is_known = isinstance(node, dict) and node.get("type") in _BLOCKS
        if not is_known or (node["type"] == "text" and not node.get("text")):
            raise Refused("invalid", _NO_DOCUMENT, field=field)
        waiting += node.get("content") or []
    if len(plain(found)) > LONGEST_TEXT:
        raise Refused("invalid", "The entered text is too long. It exceeds the allowed limit.", field=field)


def _say(row: Refusal, refused: Refused) -> Answer:
    text = row.text.format(refused.detail)
    if refused.field:
        return Answer(status=row.status, data={"errorMessages": [], "errors": {refused.field: text}})
    return Answer(status=row.status, data={"errorMessages": [text], "errors": {}})
