"""GitHub Issues: one issue for each defect, comments when it grows, its state. See docs/vendors/github.md."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from connector.clock import Clock
from connector.domain.model.account import Demand
from connector.domain.model.intent import Found, Item, Json, Promise, Receipt, Request, WriteKind
from connector.errors import Gone, InDoubt, Rejected, RemoteError, Throttled, Unauthorized
from connector.ports import Finding, Job, Outcome
from connector.ports.tracking import Issue
from connector.secret import Secret
from connector.transport import replies
from connector.transport.client import READ, QuotaReading, Reply
from connector.transport.grants import StaticBearer
from connector.transport.kit import Kit
from connector.transport.shapes import expecting

ROLES = frozenset({"tracker"})
READS_QUOTA = True

BASE_URL = "https://api.github.com"
HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
CORE = "core"
LABEL = "csat-connector"
"""On every issue of ours: by it they are listed, which unlike the search does not lag."""
PAGE = 100
LONGEST_TITLE, LONGEST_BODY = 256, 65_000  # characters; GitHub takes 65,536, the marker included
# After a refusal that names no time GitHub wants at least a minute of silence.
SILENCE = timedelta(minutes=1)
_FIELD = re.compile(r"[a-z][a-z_]{0,40}")
_REASONS = {"open": "reopened", "closed": "completed"}

_KEYLESS = (
    "GitHub takes no idempotency key: {what} whose answer was lost is looked for {where}, so it can be there twice if "
    "it lands later than half a minute, or when somebody removed {trace} meanwhile."
)
PROMISES: Mapping[WriteKind, Promise] = MappingProxyType(
    {
        WriteKind.ISSUE: Promise(
            native=False,
            can_ask=True,
            batch=1,
            endpoint_class=CORE,
            lookup_lag=timedelta(seconds=5),
            residual=_KEYLESS.format(
                what="an issue",
                where=f"among those with the label `{LABEL}`",
                trace="that label or the comment that is our marker",
            ),
        ),
        WriteKind.ISSUE_STATE: Promise(native=True, can_ask=False, batch=1, endpoint_class=CORE),
        WriteKind.ISSUE_NOTE: Promise(
            native=False,
            can_ask=True,
            batch=1,
            endpoint_class=CORE,
            lookup_lag=timedelta(seconds=5),
            residual=_KEYLESS.format(what="a comment", where="on its issue", trace="the comment"),
        ),
    }
)


class Options(BaseModel):
    """What the YAML says about a repository whose issues are used."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repository: str = Field(pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$", description="Where issues go: `acme/shop`.")
    token: Secret = Field(description="A fine-grained token with Issues: read and write, of somebody who may push.")
    base_url: str = Field(default=BASE_URL, description="Where the API is; GitHub Enterprise: https://host/api/v3.")
    timeout: float = Field(default=READ, gt=0, le=120, description="Seconds to wait for an answer.")

    @property
    def account(self) -> str:
        """Which repository this is, whatever the YAML calls the connection."""
        return f"github:{self.repository.lower()}"


class GitHub:
    """One repository. `Item.fields`: `title`, `body`, `labels` of an issue, its `state`, `text` of a comment."""

    kind = "github"
    promises = PROMISES
    read_class = CORE

    def __init__(self, name: str, options: Options, kit: Kit) -> None:
        self.account = options.account
        self._root = f"/repos/{options.repository}"
        self._api = kit.api(
            name,
            options.base_url,
            StaticBearer(options.token),
            options.timeout,
            replies=_reply_table(kit.clock),
            on_reply=_quota_of,
        )

    def render(self, kind: WriteKind, items: Sequence[Item]) -> Request:
        """One create, one change or one comment. Texts are plain: what they say calls nobody and links nothing."""
        (item,) = items
        fields, path = item.fields, f"{self._root}/issues"
        if kind is WriteKind.ISSUE_NOTE:
            body: dict[str, Json] = {"body": markdown(str(fields["text"]), item.key)}
            return _request("POST", f"{path}/{item.target}/comments", body)
        if kind is WriteKind.ISSUE_STATE:
            state = str(fields["state"])
            return _request("PATCH", f"{path}/{item.target}", {"state": state, "state_reason": _REASONS.get(state)})
        texts: dict[str, Json] = {}
        if "title" in fields:
            texts["title"] = " ".join(str(fields["title"]).split())[:LONGEST_TITLE]
        if "body" in fields:
            texts["body"] = markdown(str(fields["body"] or ""), item.key)
        if item.target is not None:
            return _request("PATCH", f"{path}/{item.target}", texts)
        given = fields.get("labels")
        labels: list[Json] = [LABEL, *(given if isinstance(given, list) else [])]
        return _request("POST", path, {**texts, "labels": labels})

    def send(self, kind: WriteKind, request: Request, count: int) -> Sequence[Outcome] | Job:
        """Send it. Raises RemoteError."""
        try:
            reply = self._api.call(
                request.method, request.path, body=request.body, headers=HEADERS, endpoint_class=CORE, write=True
            )
        except Gone as gone:
            if request.path.endswith("/issues"):  # not an issue but the repository is out of sight
                raise Unauthorized("the token sees no such repository, or it has no issues", **_where(gone)) from None
            raise
        with expecting("what was written", InDoubt, **reply.context()):
            row: Any = reply.json()
            if kind is WriteKind.ISSUE_NOTE:
                return (Receipt(remote_id=str(row["id"]), url=row["html_url"], request_id=reply.request_id),)
            return (_receipt(row, created=reply.status == 201 or None, request_id=reply.request_id),)

    def poll(self, kind: WriteKind, job: str, count: int) -> Sequence[Outcome] | Job:
        """GitHub has no jobs."""
        raise Gone("GitHub has no jobs")

    def ask(self, kind: WriteKind, items: Sequence[Item]) -> Sequence[Found]:
        """Issues among all with our label, comments on their issues, by marker: they may be older than their cause."""
        if kind is WriteKind.ISSUE and items:
            rows = list(self._pages(f"{self._root}/issues", labels=LABEL, state="all"))
            with expecting("which issues there are"):
                return [Found(receipts=[_receipt(row) for row in rows if _carries(row, item.key)]) for item in items]
        if kind is WriteKind.ISSUE_NOTE:
            return [self._notes(item) for item in items]
        return [Found(receipts=()) for _ in items]

    def read_issues(self, ids: Sequence[str]) -> Mapping[str, Issue]:
        """How these issues are now; one that was deleted is absent. Raises RemoteError."""
        found: dict[str, Issue] = {}
        for one in ids:
            try:
                reply = self._get(f"{self._root}/issues/{one}")
            except Gone as gone:
                if gone.status != 410:
                    raise  # out of sight, which says nothing about the issue
                continue
            with expecting("how the issue is", **reply.context()):
                row: Any = reply.json()
                closed = row.get("closed_at")
                found[one] = Issue(
                    id=one,
                    state="closed" if row["state"] == "closed" else "open",
                    title=str(row["title"]),
                    url=str(row["html_url"]),
                    closed_at=None if closed is None else datetime.fromisoformat(closed).astimezone(UTC),
                )
        return found

    def inspect(self, demand: Demand) -> Sequence[Finding]:
        """Whether the repository has issues and the token may label them. Raises RemoteError."""
        reply = self._get(self._root)
        with expecting("what the repository is", **reply.context()):
            row: Any = reply.json()
            may_push, has_issues = bool(row["permissions"]["push"]), bool(row["has_issues"])
        found = []
        if not has_issues:
            fix = "github.com › the repository › Settings › General › Features: tick Issues"
            found.append(Finding(subject="issues", message="the repository has none", fix=fix, blocking=True))
        if not may_push:
            message = "whoever the token belongs to may not push, so labels are refused or dropped"
            fix = "github.com › the repository › Settings › Collaborators: give them the role Write"
            found.append(Finding(subject="token", message=message, fix=fix, blocking=True))
        return found

    def _notes(self, item: Item) -> Found:
        try:
            rows = list(self._pages(f"{self._root}/issues/{item.target}/comments"))
        except Gone:
            return Found(receipts=())
        with expecting("which comments there are"):
            return Found(
                receipts=[
                    Receipt(remote_id=str(row["id"]), url=row["html_url"]) for row in rows if _carries(row, item.key)
                ]
            )

    def _pages(self, path: str, **params: str) -> Iterator[dict[str, Any]]:
        page = 1
        while True:
            reply = self._get(path, **params, per_page=PAGE, page=page)
            with expecting("a list", **reply.context()):
                rows: Any = reply.json()
                if not isinstance(rows, list):
                    raise TypeError(type(rows).__name__)  # an object is not an empty list
                yield from (row for row in rows if "pull_request" not in row)
                if len(rows) < PAGE:
                    return
            page += 1

    def _get(self, path: str, **params: str | int) -> Reply:
        return self._api.call("GET", path, params=params or None, headers=HEADERS, endpoint_class=CORE, write=False)


def markdown(text: str, key: str) -> str:
    """Plain text as Markdown that shows it as it is, quotes and lists aside, and ends in an invisible marker."""
    lines = [
        f"{line[:2]}{_inert(line[2:])}" if line[:2] in {"> ", "- "} else _inert(line) for line in text.splitlines()
    ]
    return f"{chr(10).join(lines)[:LONGEST_BODY]}\n\n{marker(key)}"


def marker(key: str) -> str:
    """What tells our issues and comments apart; a customer's words cannot hold it, since `<` is escaped."""
    return f"<!-- {LABEL} {key} -->"


def _inert(line: str) -> str:
    """No mention, reference, link, formatting or HTML; web addresses stay as they are."""
    return " ".join(word if word.startswith("https://") else _literal(word) for word in line.split(" "))


def _literal(word: str) -> str:
    shown = word.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    shown = re.sub(r"([\\`*_\[\]~|!])", r"\\\1", shown)
    return re.sub(r"([@#])(?=\w)|(?<=\w)(-)(?=\d)", lambda match: f"{match.group()}\u200b", shown)


def _carries(row: Mapping[str, Any], key: str) -> bool:
    return marker(key) in str(row.get("body") or "")


def _receipt(row: Mapping[str, Any], *, created: bool | None = None, request_id: str = "") -> Receipt:
    return Receipt(
        remote_id=str(row["number"]),
        url=str(row["html_url"]),
        created=created,
        request_id=request_id,
        values={"title": str(row["title"]), "state": str(row["state"])},
    )


def _request(method: str, path: str, body: Mapping[str, Json]) -> Request:
    return Request(method=method, path=path, body=json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode())


def _where(error: RemoteError) -> dict[str, Any]:
    return {
        "connection": error.connection,
        "operation": error.operation,
        "status": error.status,
        "request_id": error.request_id,
    }


def _quota_of(headers: Mapping[str, str]) -> QuotaReading | None:
    """What is left of the hour's calls."""
    given = [headers.get(f"x-ratelimit-{name}", "") for name in ("remaining", "limit", "reset")]
    if not all(value.isdecimal() for value in given):
        return None
    remaining, limit, reset = map(int, given)
    at = datetime.fromtimestamp(reset, UTC)
    return QuotaReading(endpoint_class=CORE, remaining=remaining, limit=limit, resets_at=at)


def _reply_table(clock: Clock) -> Callable[[int, Mapping[str, str], bytes], RemoteError | None]:
    """Too fast is said with 403 as well as 429; which field was wrong stands in `errors`."""

    def read(status: int, headers: Mapping[str, str], body: bytes) -> RemoteError | None:
        if status in {403, 429}:
            if "retry-after" in headers:
                return Throttled("too many requests", retry_at=replies.retry_at(headers, clock.now()))
            if headers.get("x-ratelimit-remaining") == "0":
                return Throttled("the hour's requests are used up", retry_at=_reset(headers, clock.now()))
            if status == 429 or b"secondary rate limit" in body.lower():
                return Throttled("too many requests", retry_at=clock.now() + SILENCE)
        if status == 422:
            field = _wrong_field(body)
            return Rejected(f"a value was refused ({field or 'no field'})", field=field)
        return None

    return read


def _reset(headers: Mapping[str, str], now: datetime) -> datetime:
    """When the hour is over, by GitHub's own clock where it tells it."""
    given = headers.get("x-ratelimit-reset", "")
    if not given.isdecimal():
        return now + SILENCE
    try:
        theirs = parsedate_to_datetime(headers.get("date", ""))
    except ValueError:
        theirs = now
    wait = datetime.fromtimestamp(int(given), UTC) - theirs
    return now + min(max(wait, timedelta(seconds=1)), replies.PATIENCE_CAP)


def _wrong_field(body: bytes) -> str | None:
    try:
        errors = json.loads(body)["errors"]
        fields = [str(one["field"]) for one in errors if isinstance(one, dict) and "field" in one]
    except (ValueError, LookupError, TypeError):
        return None
    return next((field for field in fields if _FIELD.fullmatch(field)), None)
