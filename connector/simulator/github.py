"""GitHub Issues on loopback: one repository, its issues and comments. Public token: `github-simulator`.

What it does and refuses: docs.github.com/en/rest/issues and …/using-the-rest-api/rate-limits-for-the-rest-api.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from connector.clock import Clock
from connector.simulator import pages
from connector.simulator.parts import Answer, Call, Fields, Refusal, Refused, Route, Site, Window, bearer_token

TOKEN = "github-simulator"  # public, for loopback
REPOSITORY = "acme/shop"
ROOT = "/repos/{owner}/{repo}"
LONGEST_TITLE, LONGEST_BODY, LONGEST_LABEL = 256, 65_536, 50
REASONS = frozenset({"completed", "not_planned", "duplicate", "reopened", None})
_SECONDARY = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."

REFUSALS = {
    "unknown-route": Refusal(404, "", "Not Found"),
    "unknown-method": Refusal(404, "", "Not Found"),
    "not-found": Refusal(404, "", "Not Found"),
    "bad-credentials": Refusal(401, "", "Bad credentials"),
    "no-user-agent": Refusal(403, "", "Request forbidden by administrative rules."),
    "used-up": Refusal(403, "", "API rate limit exceeded for user ID 1."),
    "throttled": Refusal(403, "", _SECONDARY),
    "may-not-label": Refusal(403, "", "You do not have permission to create labels on this repository."),
    "deleted": Refusal(410, "", "This issue was deleted"),
    "no-issues": Refusal(410, "", "Issues has been disabled in this repository."),
    "not-json": Refusal(400, "", "Problems parsing JSON"),
    "missing": Refusal(422, "missing_field", "Validation Failed"),
    "invalid": Refusal(422, "invalid", "Validation Failed"),
    "too-long": Refusal(422, "custom", "Validation Failed"),
}
"""By id. Every one is provoked by a test that sends the bad request."""


class GitHub:
    """A strict repository, `acme/shop`.

    Args:
        clock: quotas, timestamps and lags follow it.
        per_hour: requests in an hour.
        per_minute: issues and comments made in a minute, the secondary limit.
        list_lag: how long what is new stays out of lists.
    """

    def __init__(
        self, clock: Clock, *, per_hour: int = 5000, per_minute: int = 80, list_lag: timedelta = timedelta(0)
    ) -> None:
        self.clock = clock
        self.list_lag = list_lag
        self.token_works = True
        self.may_push = True
        self.has_issues = True
        self.labels = {"bug"}
        self._deleted: set[str] = set()
        self._numbers = 0
        self._hour, self._minute = Window(per_hour, 3600), Window(per_minute, 60)
        actions: dict[str, Callable[..., Any]] = {
            "human_issue": self.human_issue,
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
        """The issues there are, by number."""
        return self.site.truth.kind("issue")

    def human_issue(self, title: str, **fields: Any) -> str:
        """A person writes an issue; returns its number."""
        with self.site.lock:
            return str(self._store({"title": title, **fields}, "human")["number"])

    def human_update(self, number: str, **fields: Any) -> None:
        """A person closes an issue (`state="closed"`), opens it again, or changes its title, body or labels."""
        with self.site.lock:
            self._change(self.issues[number], fields, "human")

    def human_delete(self, number: str) -> None:
        """An administrator deletes an issue."""
        with self.site.lock:
            del self.issues[number]
            self._deleted.add(number)
            self.site.truth.wrote("issue", number, "delete", "human", {}, self.clock.now())

    def _routes(self) -> list[Route]:
        issue = f"{ROOT}/issues/{{number}}"
        return [
            Route(method="GET", pattern=ROOT, act=self._repository),
            Route(method="GET", pattern=f"{ROOT}/issues", act=self._list),
            Route(method="POST", pattern=f"{ROOT}/issues", act=self._create, write=True, quota="content"),
            Route(method="GET", pattern=issue, act=self._show),
            Route(method="PATCH", pattern=issue, act=self._update, write=True),
            Route(method="GET", pattern=f"{issue}/comments", act=self._comments),
            Route(method="POST", pattern=f"{issue}/comments", act=self._comment, write=True, quota="content"),
            Route(method="GET", pattern="/{owner}/{repo}/issues/{number}", act=self._page, scope=None),
        ]

    def _gate(self, call: Call, route: Route) -> Mapping[str, str]:
        if route.scope is None:
            return {}
        if not call.headers.get("user-agent"):
            raise Refused("no-user-agent")
        if not self.token_works or bearer_token(call.headers.get("authorization", "")) != TOKEN:
            raise Refused("bad-credentials")
        is_left = self._hour.spend(call.at)
        spent = {
            "X-RateLimit-Limit": str(self._hour.limit),
            "X-RateLimit-Remaining": str(self._hour.remaining(call.at)),
            "X-RateLimit-Reset": str(int(call.at.timestamp()) + self._hour.resets_in(call.at)),
            "X-RateLimit-Resource": "core",
        }
        if not is_left:
            raise Refused("used-up", headers=spent)
        if route.quota and not self._minute.spend(call.at):
            raise Refused("throttled", headers={**spent, "Retry-After": str(self._minute.resets_in(call.at))})
        if f"{call.path}/".split("/repos/")[1].split("/")[:2] != REPOSITORY.split("/"):
            raise Refused("not-found", headers=spent)
        return spent

    def _repository(self, _call: Call) -> Answer:
        can = {"admin": False, "maintain": False, "push": self.may_push, "triage": self.may_push, "pull": True}
        return Answer(
            data={"id": 1, "full_name": REPOSITORY, "private": True, "has_issues": self.has_issues, "permissions": can}
        )

    def _create(self, call: Call) -> Answer:
        if not self.has_issues:
            raise Refused("no-issues")
        data = _read(call)
        if "title" not in data:
            raise Refused("missing", field="title")
        _check(data)
        labels = list(data.get("labels") or [])
        if not self.may_push:
            if set(labels) - self.labels:
                raise Refused("may-not-label")
            labels = []
        return Answer(status=201, data=self._shown(self._store({**data, "labels": labels}, "api")))

    def _store(self, data: Fields, by: str) -> Fields:
        self._numbers += 1
        now = _stamp(self.clock.now())
        issue: Fields = {
            "number": self._numbers,
            "title": data["title"],
            "body": data.get("body"),
            "labels": list(data.get("labels") or []),
            "state": "open",
            "state_reason": None,
            "comments": [],
            "created_at": now,
            "updated_at": now,
            "closed_at": None,
            "by": by,
            "seen_from": self.clock.now().timestamp(),
        }
        self.labels |= set(issue["labels"])
        number = str(self._numbers)
        self.issues[number] = issue
        self.site.truth.wrote("issue", number, "create", by, data, self.clock.now())
        return issue

    def _update(self, call: Call) -> Answer:
        issue, data = self._issue(call), _read(call)
        _check(data)
        self._change(issue, data, "api")
        return Answer(data=self._shown(issue))

    def _change(self, issue: Fields, data: Fields, by: str) -> None:
        known: Fields = {
            name: data[name] for name in ("title", "body", "state", "state_reason", "labels") if name in data
        }
        was = issue["state"]
        issue.update(known)
        now = _stamp(self.clock.now())
        issue["updated_at"] = now
        if issue["state"] != was:
            issue["closed_at"] = now if issue["state"] == "closed" else None
        self.site.truth.wrote("issue", str(issue["number"]), "update", by, known, self.clock.now())

    def _show(self, call: Call) -> Answer:
        return Answer(data=self._shown(self._issue(call)))

    def _list(self, call: Call) -> Answer:
        wanted = set(filter(None, call.query.get("labels", "").split(",")))
        state = call.query.get("state", "open")
        if state not in {"open", "closed", "all"}:
            raise Refused("invalid", field="state")
        found = [
            issue
            for issue in self._visible(call, list(self.issues.values()))
            if wanted <= set(issue["labels"]) and state in {"all", issue["state"]}
        ]
        return self._paged(call, [self._shown(issue) for issue in reversed(found)])

    def _comment(self, call: Call) -> Answer:
        issue, data = self._issue(call), _read(call)
        if not str(data.get("body") or "").strip():
            raise Refused("missing", field="body")
        _check(data)
        self._numbers += 1
        now = _stamp(self.clock.now())
        seen = self.clock.now().timestamp()
        row = {"id": 9_000_000 + self._numbers, "body": data["body"], "created_at": now, "updated_at": now}
        issue["comments"].append({**row, "seen_from": seen})
        issue["updated_at"] = now
        self.site.truth.wrote("comment", str(row["id"]), "create", "api", row, self.clock.now())
        return Answer(status=201, data=self._shown_comment(issue, row))

    def _comments(self, call: Call) -> Answer:
        issue = self._issue(call)
        found = self._visible(call, issue["comments"])
        return self._paged(call, [self._shown_comment(issue, row) for row in found])

    def _visible(self, call: Call, rows: list[Fields]) -> list[Fields]:
        """Those changed since `since`, and old enough to be listed."""
        since = call.query.get("since")
        try:
            start = "" if since is None else _stamp(datetime.fromisoformat(since))
        except ValueError:
            raise Refused("invalid", field="since") from None
        horizon = (self.clock.now() - self.list_lag).timestamp()
        return [row for row in rows if row["updated_at"] >= start and row["seen_from"] <= horizon]

    def _paged(self, call: Call, rows: list[Fields]) -> Answer:
        size, page = call.query.get("per_page", "30"), call.query.get("page", "1")
        if not size.isdigit() or not page.isdigit() or not 1 <= int(size) <= 100 or int(page) < 1:
            raise Refused("invalid", field="per_page")
        start = (int(page) - 1) * int(size)
        return Answer(data=rows[start : start + int(size)])

    def _issue(self, call: Call) -> Fields:
        number = call.params["number"]
        if number in self._deleted:
            raise Refused("deleted")
        if number not in self.issues:
            raise Refused("not-found")
        return self.issues[number]

    def _shown(self, issue: Fields) -> Fields:
        shown = {name: value for name, value in issue.items() if name not in {"seen_from", "by", "labels", "comments"}}
        labels = [{"id": 1, "name": name, "color": "ededed"} for name in issue["labels"]]
        return {
            **shown,
            "id": 1_000_000 + issue["number"],
            "html_url": self._url(issue),
            "labels": labels,
            "comments": len(issue["comments"]),
        }

    def _shown_comment(self, issue: Fields, row: Fields) -> Fields:
        shown = {name: value for name, value in row.items() if name != "seen_from"}
        return {**shown, "html_url": f"{self._url(issue)}#issuecomment-{row['id']}"}

    def _url(self, issue: Fields) -> str:
        return f"{self.site.base_url}/{REPOSITORY}/issues/{issue['number']}"

    def _page(self, call: Call) -> Answer:
        issue = self._issue(call)
        rows = {"State": issue["state"], "Labels": ", ".join(issue["labels"])}
        texts = [pages.block("Issue", str(issue["body"] or ""))]
        texts += [pages.block(f"Comment, {row['created_at']}", row["body"]) for row in issue["comments"]]
        return pages.page(f"#{issue['number']} {issue['title']}", pages.table(rows), *texts)


def _read(call: Call) -> Fields:
    try:
        data = json.loads(call.body)
    except ValueError:
        raise Refused("not-json") from None
    if not isinstance(data, dict):
        raise Refused("not-json")
    return data


def _check(data: Fields) -> None:
    """What GitHub takes of an issue's or comment's fields. Raises Refused."""
    if "title" in data and (not isinstance(data["title"], str) or not data["title"].strip()):
        raise Refused("invalid", field="title")
    if len(data.get("title") or "") > LONGEST_TITLE:
        raise Refused("too-long", field="title")
    body = data.get("body")
    if body is not None and not isinstance(body, str):
        raise Refused("invalid", field="body")
    if len(body or "") > LONGEST_BODY:
        raise Refused("too-long", field="body")
    labels = data.get("labels", [])
    if not isinstance(labels, list) or not all(isinstance(one, str) and one.strip() for one in labels):
        raise Refused("invalid", field="labels")
    if any(len(one) > LONGEST_LABEL or "," in one for one in labels):
        raise Refused("too-long", field="labels")
    if data.get("state", "open") not in {"open", "closed"}:
        raise Refused("invalid", field="state")
    if data.get("state_reason") not in REASONS:
        raise Refused("invalid", field="state_reason")


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _say(row: Refusal, refused: Refused) -> Answer:
    data: Fields = {"message": row.text, "documentation_url": "https://docs.github.com/rest", "status": str(row.status)}
    if refused.field:
        data["errors"] = [{"resource": "Issue", "field": refused.field, "code": row.code}]
    return Answer(status=row.status, data=data)
