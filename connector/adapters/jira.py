"""Jira Cloud: one issue for each defect, comments when it grows, its transitions. See docs/vendors/jira.md."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from connector.domain.model.account import Demand
from connector.domain.model.intent import Found, Item, Json, Promise, Receipt, Request, WriteKind
from connector.errors import Gone, InDoubt, Rejected, RemoteError
from connector.ports import Finding, Job, Outcome
from connector.ports.tracking import Issue
from connector.secret import Secret
from connector.transport.client import READ, Reply
from connector.transport.grants import StaticBearer
from connector.transport.kit import Kit
from connector.transport.shapes import expecting

ROLES = frozenset({"tracker"})

ISSUE, SEARCH = "/rest/api/3/issue", "/rest/api/3/search/jql"
LABEL = "csat-connector"
"""On every issue of ours; a second label, of its own, is what each is found by."""
CORE = "core"
LONGEST_SUMMARY, LONGEST_TEXT = 255, 30_000  # characters; Jira takes 32,767 of a text
NOTES = 100
FIELDS: Mapping[str, str] = MappingProxyType({"summary": "title", "description": "body", "transition": "state"})
"""Jira's names of what we call otherwise."""
NEEDED: Mapping[str, str] = MappingProxyType(
    {
        "BROWSE_PROJECTS": "it sees no issues",
        "CREATE_ISSUES": "it can open none",
        "EDIT_ISSUES": "it cannot write one anew without somebody who was erased",
        "ADD_COMMENTS": "it cannot tell of growth",
        "TRANSITION_ISSUES": "it cannot open one again",
    }
)
_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,60}")

PROMISES: Mapping[WriteKind, Promise] = MappingProxyType(
    {
        WriteKind.ISSUE: Promise(
            native=False,
            can_ask=True,
            batch=1,
            endpoint_class=CORE,
            lookup_lag=timedelta(minutes=2),
            residual=(
                "Jira takes no idempotency key and its search lags: an issue whose answer was lost is looked for by a "
                "label of its own two minutes later, so it can be there twice when the search lags longer, or when "
                "somebody removed that label meanwhile."
            ),
        ),
        WriteKind.ISSUE_STATE: Promise(native=True, can_ask=False, batch=1, endpoint_class=CORE),
        WriteKind.ISSUE_NOTE: Promise(
            native=False,
            can_ask=True,
            batch=1,
            endpoint_class=CORE,
            lookup_lag=timedelta(seconds=5),
            residual=(
                "Jira takes no idempotency key: a comment whose answer was lost is looked for among the newest "
                f"{NOTES} of its issue, so it can be there twice when it lands later than half a minute, "
                "or was deleted."
            ),
        ),
    }
)


class Options(BaseModel):
    """What the YAML says about a project whose issues are used."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    site: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$", description="The `acme` of acme.atlassian.net.")
    project: str = Field(pattern=r"^[A-Z][A-Z0-9_]+$", description="The project's key: `SHOP` of SHOP-12.")
    issue_type: str = Field(default="Bug", min_length=1, description="What kind of issue a new one is.")
    email: str = Field(pattern=r"^[^@\s:]+@[^@\s]+$", description="Whose API token it is.")
    token: Secret = Field(description="The API token, of id.atlassian.com.")
    reopen_with: str = Field(
        default="11", pattern=r"^\d+$", description="The transition that opens an issue again, by the workflow's id."
    )
    close_with: str = Field(
        default="31", pattern=r"^\d+$", description="The transition that closes one; used by `connector undo` alone."
    )
    base_url: str | None = Field(default=None, description="Instead of https://<site>.atlassian.net, for a simulator.")
    timeout: float = Field(default=READ, gt=0, le=120, description="Seconds to wait for an answer.")

    @property
    def url(self) -> str:
        """Where the site answers, without a trailing slash."""
        return (self.base_url or f"https://{self.site}.atlassian.net").rstrip("/")

    @property
    def account(self) -> str:
        """Which project this is, whatever the YAML calls the connection."""
        return f"jira:{self.site.lower()}/{self.project}"


class Jira:
    """One project. `Item.fields`: `title`, `body`, `labels` of an issue, its `state`, `text` of a comment."""

    kind = "jira"
    promises = PROMISES
    read_class = CORE

    def __init__(self, name: str, options: Options, kit: Kit) -> None:
        self.account = options.account
        self._options = options
        coded = base64.b64encode(f"{options.email}:{options.token.reveal()}".encode()).decode()
        auth = StaticBearer(Secret(coded), "Basic")
        self._api = kit.api(name, options.url, auth, options.timeout, replies=_reply)

    def render(self, kind: WriteKind, items: Sequence[Item]) -> Request:
        """One create, one change, one transition or one comment."""
        (item,) = items
        fields, path = item.fields, f"{ISSUE}/{item.target}"
        if kind is WriteKind.ISSUE_NOTE:
            return _request("POST", f"{path}/comment", {"body": document(f"{fields['text']}\n\n{mark(item.key)}")})
        if kind is WriteKind.ISSUE_STATE:
            ways = {"open": self._options.reopen_with, "closed": self._options.close_with}
            return _request("POST", f"{path}/transitions", {"transition": {"id": ways.get(str(fields["state"]), "")}})
        texts: dict[str, Json] = {}
        if "title" in fields:
            texts["summary"] = " ".join(str(fields["title"]).split())[:LONGEST_SUMMARY]
        if "body" in fields:
            texts["description"] = document(str(fields["body"] or ""))
        if item.target is not None:
            return _request("PUT", path, {"fields": texts})
        given = fields.get("labels")
        labels: list[Json] = [LABEL, mark(item.key), *(given if isinstance(given, list) else [])]
        whose: dict[str, Json] = {
            "project": {"key": self._options.project},
            "issuetype": {"name": self._options.issue_type},
        }
        return _request("POST", ISSUE, {"fields": {**whose, **texts, "labels": labels}})

    def send(self, kind: WriteKind, request: Request, count: int) -> Sequence[Outcome] | Job:
        """Send it. A transition that is refused on an issue that is where it leads to is done. Raises RemoteError."""
        number = request.path.removeprefix(f"{ISSUE}/").partition("/")[0]
        try:
            reply = self._api.call(request.method, request.path, body=request.body, endpoint_class=CORE, write=True)
        except Rejected as refused:
            if kind is not WriteKind.ISSUE_STATE:
                raise
            leads_to = {self._options.reopen_with: "open", self._options.close_with: "closed"}
            wanted = leads_to.get(json.loads(request.body)["transition"]["id"])
            seen = self.read_issues([number]).get(number)
            if seen is None or seen.state != wanted:
                raise
            return (Receipt(remote_id=number, url=seen.url, request_id=refused.request_id),)
        with expecting("what was written", InDoubt, **reply.context()):
            row: Any = reply.json()
            if kind is WriteKind.ISSUE_NOTE:
                return (Receipt(remote_id=str(row["id"]), request_id=reply.request_id),)
            if request.path != ISSUE:
                return (Receipt(remote_id=number, request_id=reply.request_id),)
            url = self._link(row["key"])
            return (Receipt(remote_id=str(row["id"]), url=url, created=True, request_id=reply.request_id),)

    def poll(self, kind: WriteKind, job: str, count: int) -> Sequence[Outcome] | Job:
        """Jira has no jobs for what we write."""
        raise Gone("Jira has no jobs")

    def ask(self, kind: WriteKind, items: Sequence[Item]) -> Sequence[Found]:
        """Issues by the label of their own, through the search that lags; comments among the newest of their issue."""
        if kind is WriteKind.ISSUE:
            return [self._labelled(mark(item.key)) for item in items]
        if kind is WriteKind.ISSUE_NOTE:
            return [self._notes(item) for item in items]
        return [Found(receipts=()) for _ in items]

    def read_issues(self, ids: Sequence[str]) -> Mapping[str, Issue]:
        """How these issues are now; one that was deleted is absent. Raises RemoteError."""
        found: dict[str, Issue] = {}
        for one in ids:
            try:
                reply = self._get(f"{ISSUE}/{one}", fields="summary,status,statuscategorychangedate")
            except Gone:
                self._get(f"/rest/api/3/project/{self._options.project}")  # is it the issue that is out of sight?
                continue
            with expecting("how the issue is", **reply.context()):
                row: Any = reply.json()
                fields = row["fields"]
                is_closed = fields["status"]["statusCategory"]["key"] == "done"
                since = fields.get("statuscategorychangedate")
                found[one] = Issue(
                    id=one,
                    state="closed" if is_closed else "open",
                    title=str(fields["summary"]),
                    url=self._link(row["key"]),
                    closed_at=datetime.fromisoformat(since).astimezone(UTC) if is_closed and since else None,
                )
        return found

    def inspect(self, demand: Demand) -> Sequence[Finding]:
        """Whether the token may do in the project what is done there. Raises RemoteError."""
        reply = self._get(
            "/rest/api/3/mypermissions", projectKey=self._options.project, permissions=",".join(sorted(NEEDED))
        )
        with expecting("what is permitted", **reply.context()):
            answer: Any = reply.json()
            given = {name for name, one in answer["permissions"].items() if one["havePermission"]}
        return [
            Finding(
                subject=f"permission {name}",
                message=f"the token is not allowed it: {why}",
                fix="the project › Project settings › Access: give whoever the token belongs to the role Member",
                blocking=name in {"BROWSE_PROJECTS", "CREATE_ISSUES"},
            )
            for name, why in sorted(NEEDED.items())
            if name not in given
        ]

    def _labelled(self, label: str) -> Found:
        wanted: dict[str, Json] = {
            "jql": f'project = "{self._options.project}" AND labels = "{label}"',
            "fields": ["summary"],
            "maxResults": 50,
        }
        reply = self._api.call("POST", SEARCH, json=wanted, endpoint_class=CORE, write=False)
        with expecting("which issues there are", **reply.context()):
            answer: Any = reply.json()
            rows = answer["issues"]
            return Found(receipts=[Receipt(remote_id=str(row["id"]), url=self._link(row["key"])) for row in rows])

    def _notes(self, item: Item) -> Found:
        try:
            reply = self._get(f"{ISSUE}/{item.target}/comment", orderBy="-created", maxResults=NOTES)
        except Gone:
            return Found(receipts=())
        with expecting("which comments there are", **reply.context()):
            answer: Any = reply.json()
            rows = [row for row in answer["comments"] if mark(item.key) in json.dumps(row["body"])]
            return Found(receipts=[Receipt(remote_id=str(row["id"])) for row in rows])

    def _link(self, key: str) -> str:
        return f"{self._options.url}/browse/{key}"

    def _get(self, path: str, **params: str | int) -> Reply:
        return self._api.call("GET", path, params=params or None, endpoint_class=CORE, write=False)


def mark(key: str) -> str:
    """What tells an issue or a comment of ours apart: a label, or the last line of a text."""
    return f"csat-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def document(text: str) -> dict[str, Json]:
    """Plain text as an Atlassian document: paragraphs, quotes and lists, web addresses as links, and nothing else."""
    content: list[Json] = []
    for prefix, lines in _runs(text[:LONGEST_TEXT]):
        paragraphs: list[Json] = [{"type": "paragraph", "content": list(_words(line))} for line in lines]
        if prefix == "> ":
            content.append({"type": "blockquote", "content": paragraphs})
        elif prefix == "- ":
            items: list[Json] = [{"type": "listItem", "content": [one]} for one in paragraphs]
            content.append({"type": "bulletList", "content": items})
        else:
            content += paragraphs
    return {"type": "doc", "version": 1, "content": content}


def _runs(text: str) -> Iterator[tuple[str, list[str]]]:
    """Lines that begin alike, without the mark that says so; empty ones are left out."""
    prefix, lines = "", list[str]()
    for line in filter(str.strip, text.splitlines()):
        mine = line[:2] if line[:2] in {"> ", "- "} and line[2:].strip() else ""
        if mine != prefix and lines:
            yield prefix, lines
            lines = []
        prefix = mine
        lines.append(line.removeprefix(mine))
    if lines:
        yield prefix, lines


def _words(line: str) -> Iterator[Json]:
    """A line as text nodes; an address is one with a link."""
    for part in re.split(r"(https://\S+)", line):
        if part.startswith("https://"):
            yield {"type": "text", "text": part, "marks": [{"type": "link", "attrs": {"href": part}}]}
        elif part:
            yield {"type": "text", "text": part}


def _request(method: str, path: str, body: Mapping[str, Json]) -> Request:
    return Request(method=method, path=path, body=json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())


def _reply(status: int, headers: Mapping[str, str], body: bytes) -> RemoteError | None:
    """Which field was refused stands in `errors`, in Jira's words."""
    if status != 400:
        return None
    try:
        errors = json.loads(body)["errors"]
        names = [str(name) for name in errors if _FIELD.fullmatch(str(name))]
    except (ValueError, LookupError, TypeError):
        names = []
    field = FIELDS.get(names[0], names[0]) if names else None
    return Rejected(f"a value was refused ({field or 'no field'})", field=field)
