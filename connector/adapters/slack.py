"""Slack: messages to people, updated rather than repeated. See docs/vendors/slack.md."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict, Field

from connector.domain.model.account import Demand
from connector.domain.model.intent import Found, Item, Json, Promise, Receipt, Request, WriteKind
from connector.errors import Gone, InDoubt, Rejected, RemoteError, Throttled, Transient, Unauthorized
from connector.ports import Finding, Job, Outcome
from connector.ports.erasing import Erased, Fate, Subject
from connector.secret import Secret
from connector.transport import replies
from connector.transport.client import Reply
from connector.transport.grants import StaticBearer
from connector.transport.kit import Kit
from connector.transport.shapes import expecting

ROLES = frozenset({"notifier"})

BASE_URL = "https://slack.com"
TEST = "/api/auth.test"
POST, UPDATE = "/api/chat.postMessage", "/api/chat.update"
DELETE, REPLIES = "/api/chat.delete", "/api/conversations.replies"
HISTORY, CHANNELS = "/api/conversations.history", "/api/conversations.list"
JSON_TYPE = {"Content-Type": "application/json; charset=utf-8"}
EVENT_TYPE = "csat_connector_alert"
PAGE = 200  # what Slack recommends at most for a page
LONGEST = 3000  # characters; Slack advises 4,000 and cuts or refuses at 40,000
SKEW = timedelta(minutes=5)  # how far Slack's clock and ours may be apart

# What `"error"` in a reply of HTTP 200 means. Anything not named here will never work as sent.
CREDENTIALS = frozenset(
    {
        "access_denied",
        "account_inactive",
        "ekm_access_denied",
        "invalid_auth",
        "missing_scope",
        "no_permission",
        "not_allowed_token_type",
        "not_authed",
        "org_login_required",
        "token_expired",
        "token_revoked",
        "two_factor_setup_required",
    }
)
FORBIDDEN = frozenset({"missing_scope", "no_permission", "not_allowed_token_type"})
TOO_FAST = frozenset({"message_limit_exceeded", "rate_limited", "ratelimited"})
# Slack failed after it had the request; nothing says whether the message is there.
MAYBE_DONE = frozenset({"fatal_error", "internal_error", "request_timeout", "service_unavailable", "unreadable"})
VANISHED = frozenset({"message_not_found"})
_CODE = re.compile(r"[a-z][a-z0-9_]{0,60}")
FIELDS = {
    "channel_not_found": "channel",
    "not_in_channel": "channel",
    "is_archived": "channel",
    "msg_too_long": "text",
    "no_text": "text",
}

# What the app needs to be allowed, and what does not work without it.
SCOPES: Mapping[str, str] = MappingProxyType(
    {
        "chat:write": "it can post nothing",
        "channels:read": "it cannot find channels by name",
        "channels:history": "a message whose answer was lost cannot be looked for",
    }
)

PROMISES: Mapping[WriteKind, Promise] = MappingProxyType(
    {
        WriteKind.ALERT: Promise(
            native=False,
            can_ask=True,
            batch=1,
            endpoint_class="chat",
            settle=timedelta(seconds=30),
            lookup_lag=timedelta(seconds=5),
            residual=(
                "Slack takes no idempotency key: a message whose answer was lost is looked for in the channel's "
                "history, so it can be posted twice when someone deleted it or it lands later than half a minute. "
                "Where the app may not read that history it is given up, told of in the channel, and may be there; one "
                "that an old copy of the store plans again is posted again."
            ),
        )
    }
)


class Options(BaseModel):
    """What the YAML says about a Slack connection."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    token: Secret = Field(description="The app's bot token (xoxb-…).")
    workspace: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9][a-z0-9-]*$",
        description="`acme` of acme.slack.com: makes links to messages, and tells two workspaces apart.",
    )
    base_url: str = Field(default=BASE_URL, description="Where the API is; another one for a simulator.")
    timeout: float = Field(default=20, gt=0, le=120, description="Seconds to wait for an answer.")

    @property
    def account(self) -> str:
        """Which workspace this is, whatever the YAML calls the connection."""
        return f"slack:{self.workspace or 'default'}"


class Slack:
    """One Slack workspace. `Item.fields` of an alert are `channel` (name or id) and `text`; ids are `channel:ts`."""

    kind = "slack"
    residual = "Notifications that went to people's devices and e-mail, and exports of the workspace, are not reached."
    promises = PROMISES

    def __init__(self, name: str, options: Options, kit: Kit) -> None:
        self.account = options.account
        self._links = _links(options)
        self._clock = kit.clock
        self._api = kit.api(name, options.base_url, StaticBearer(options.token), options.timeout)
        self._channels: dict[str, str] = {}

    def render(self, kind: WriteKind, items: Sequence[Item]) -> Request:  # alerts are all it writes
        """Post the message, or update the one that `target` names."""
        (item,) = items
        payload: dict[str, Json] = {"key": item.key, **({"also": list(item.also)} if item.also else {})}
        message: dict[str, Json] = {
            "text": escape(str(item.fields["text"])),
            "metadata": {"event_type": EVENT_TYPE, "event_payload": payload},
        }
        if item.target is None:
            message |= {"channel": item.fields["channel"], "unfurl_links": False, "unfurl_media": False}
        else:
            # Which channel the target says: of an update only the fields that change come here. chat.update knows no
            # unfurling: what was unfurled stays, what was not is left alone.
            channel, _, ts = item.target.partition(":")
            message |= {"channel": channel, "ts": ts}
        return Request(
            method="POST",
            path=POST if item.target is None else UPDATE,
            body=json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode(),
        )

    def send(self, kind: WriteKind, request: Request, count: int) -> Sequence[Outcome] | Job:
        """Send the one message. Raises RemoteError."""
        reply = self._api.call(
            request.method, request.path, body=request.body, headers=JSON_TYPE, endpoint_class="chat", write=True
        )
        found = self._ok(reply)
        channel, ts = found.get("channel"), found.get("ts")
        if not isinstance(channel, str) or not isinstance(ts, str):
            raise InDoubt("Slack said ok and not which message", **reply.context())
        return (self._receipt(channel, ts, created=request.path == POST, request_id=reply.request_id),)

    def poll(self, kind: WriteKind, job: str, count: int) -> Sequence[Outcome] | Job:
        """Slack has no jobs."""
        raise Gone("Slack has no jobs")

    def ask(self, kind: WriteKind, items: Sequence[Item]) -> Sequence[Found]:
        """Look through the channels' histories, back to the oldest cause, for messages that carry the items' keys."""
        found: dict[str, list[Receipt]] = {item.key: [] for item in items}
        for name in {str(item.fields["channel"]) for item in items}:
            oldest = min(item.cause_at for item in items if item.fields["channel"] == name)
            with expecting("which messages there are"):
                channel = self._channel(name)
                for keys, ts in self._messages(channel, oldest - SKEW):
                    for key in keys & found.keys():
                        found[key].append(self._receipt(channel, ts, created=None))
        return [Found(receipts=found[item.key]) for item in items]

    def inspect(self, demand: Demand) -> Sequence[Finding]:
        """Scopes of the token, and whether every channel the configuration names is there and can be posted to."""
        reply = self._api.call("GET", TEST, endpoint_class="lookup", write=False)
        user = str(self._ok(reply).get("user") or "the app")
        given = {scope.strip() for scope in reply.headers.get("x-oauth-scopes", ",".join(SCOPES)).split(",")}
        found = [_lacking(scope) for scope in SCOPES if scope not in given]
        if not demand.channels or "channels:read" not in given:
            return found
        with expecting("which channels there are"):
            known = dict(self._listed(private="groups:read" in given))
        return [*found, *(one for name in sorted(demand.channels) for one in _channel_findings(name, known, user))]

    def _listed(self, *, private: bool) -> Iterator[tuple[str, dict[str, Json]]]:
        """Every channel the app sees, archived ones included, by `#name` and by id."""
        types = "public_channel,private_channel" if private else "public_channel"
        for page in self._pages(CHANNELS, {"types": types, "limit": PAGE}):
            for entry in _objects(page.get("channels")):
                yield f"#{entry['name']}", entry
                yield str(entry["id"]), entry

    def erase(self, subject: Subject) -> Sequence[Erased]:
        """Delete our messages about them. Raises RemoteError."""
        told: list[Erased] = []
        for one in subject.records.get(WriteKind.ALERT, ()):
            channel, _, ts = one.partition(":")
            if replies := self._replies(channel, ts):
                why = "only who wrote them can delete them"
                told.append(Erased(object=f"{replies} replies to message {one}", fate=Fate.KEPT, why=why))
            told.append(self._delete(one, channel, ts))
        return told

    def _replies(self, channel: str, ts: str) -> int:
        """How many people answered in a message's thread; 0 where it is gone or may not be read."""
        query: dict[str, str | int] = {"channel": channel, "ts": ts, "limit": PAGE}
        try:
            pages = list(self._pages(REPLIES, query))
        except (Gone, Rejected, Unauthorized):
            return 0
        return sum("bot_id" not in message for page in pages for message in _objects(page.get("messages")))

    def _delete(self, one: str, channel: str, ts: str) -> Erased:
        name = f"message {one}"
        try:
            body: Json = {"channel": channel, "ts": ts}
            reply = self._api.call("POST", DELETE, json=body, headers=JSON_TYPE, endpoint_class="chat", write=True)
            self._ok(reply)
        except Gone as gone:
            return Erased(object=name, fate=Fate.ERASED, why="it was gone already", request_id=gone.request_id)
        except Rejected as refused:
            return Erased(object=name, fate=Fate.KEPT, why=str(refused), request_id=refused.request_id)
        return Erased(object=name, fate=Fate.ERASED, request_id=reply.request_id)

    def _messages(self, channel: str, oldest: datetime) -> Iterator[tuple[frozenset[str], str]]:
        """Keys and timestamp of each of our messages since `oldest`, newest first."""
        query: dict[str, str | int] = {
            "channel": channel,
            "oldest": f"{oldest.timestamp():.6f}",
            "include_all_metadata": "true",
            "limit": PAGE,
        }
        for page in self._pages(HISTORY, query):
            for message in _objects(page.get("messages")):
                metadata = message.get("metadata")
                if isinstance(metadata, dict) and metadata.get("event_type") == EVENT_TYPE:
                    yield _keys(metadata.get("event_payload")), str(message["ts"])

    def _channel(self, name: str) -> str:
        """The id of a channel. Posting takes names, reading the history does not. Raises Rejected."""
        if not name.startswith("#"):
            return name
        if name not in self._channels:
            query: dict[str, str | int] = {
                "types": "public_channel,private_channel",
                "exclude_archived": "true",
                "limit": PAGE,
            }
            for page in self._pages(CHANNELS, query):
                self._channels |= {f"#{entry['name']}": str(entry["id"]) for entry in _objects(page.get("channels"))}
        if name not in self._channels:
            raise Rejected("the app sees no such channel; invite it there", field="channel")
        return self._channels[name]

    def _pages(self, path: str, query: Mapping[str, str | int]) -> Iterator[dict[str, Json]]:
        cursor = ""
        while True:
            params = {**query, "cursor": cursor} if cursor else query
            reply = self._api.call("GET", path, params=params, endpoint_class="lookup", write=False)
            page = self._ok(reply)
            yield page
            metadata = page.get("response_metadata")
            following = str(metadata.get("next_cursor") or "") if isinstance(metadata, dict) else ""
            if not following:
                return
            if following == cursor:
                raise Transient("Slack gave the same page twice", **reply.context())
            cursor = following

    def _ok(self, reply: Reply) -> dict[str, Json]:
        """The reply's object. Slack says 200 and `"ok": false` for nearly everything that went wrong."""
        found = reply.json()
        if isinstance(found, dict) and found.get("ok") is True:
            return found
        code = found.get("error") if isinstance(found, dict) else None
        raise self._error(_code(code), reply)

    def _error(self, code: str, reply: Reply) -> RemoteError:
        context = reply.context()
        if code in CREDENTIALS:
            # Slack says 200; whoever may do one thing and not another is told apart by what HTTP would say.
            context["status"] = 403 if code in FORBIDDEN else 401
            return Unauthorized(f"Slack refused the token ({code})", **context)
        if code in TOO_FAST:
            when = replies.retry_at(reply.headers, self._clock.now())
            return Throttled("too many messages", retry_at=when, **context)
        if code in MAYBE_DONE:
            return (InDoubt if reply.write else Transient)(f"Slack failed ({code})", **context)
        if code in VANISHED:
            return Gone("the message is gone", **context)
        return Rejected(f"Slack refused it ({code})", field=FIELDS.get(code), **context)

    def _receipt(self, channel: str, ts: str, *, created: bool | None, request_id: str = "") -> Receipt:
        return Receipt(
            remote_id=f"{channel}:{ts}",
            url=f"{self._links}/archives/{channel}/p{ts.replace('.', '')}" if self._links else None,
            created=created,
            request_id=request_id,
        )


def _keys(payload: Json) -> frozenset[str]:
    """The key of a message of ours, and those of the others it holds."""
    if not isinstance(payload, dict):
        return frozenset()
    also = payload.get("also")
    return frozenset({str(payload.get("key")), *(map(str, also) if isinstance(also, list) else ())})


def _lacking(scope: str) -> Finding:
    return Finding(
        subject=f"scope {scope}",
        message=f"the app is not allowed it: {SCOPES[scope]}",
        fix=f"api.slack.com/apps › OAuth & Permissions › Bot Token Scopes: add {scope}, reinstall the app",
        blocking=scope == "chat:write",
    )


def _channel_findings(name: str, known: Mapping[str, Mapping[str, Json]], user: str) -> Iterator[Finding]:
    entry = known.get(name)
    if entry is None:
        message, fix = "the app sees no such channel", f"create it, or invite the app there: /invite @{user}"
    elif entry.get("is_archived"):
        message, fix = "the channel is archived", "unarchive it, or name another in the configuration"
    elif not entry.get("is_member"):
        message, fix = "the app is not in it, so it cannot post there", f"in that channel: /invite @{user}"
    else:
        return
    yield Finding(subject=name, message=message, fix=fix, blocking=True)


def _code(error: Json) -> str:
    """Slack's word for what went wrong; what is no word may repeat a message, and is not quoted."""
    if not error:
        return "unreadable"
    return error if isinstance(error, str) and _CODE.fullmatch(error) else "no code"


def _links(options: Options) -> str | None:
    """Where links to messages begin: Slack's own permalinks need the workspace's name, a simulator serves its own."""
    if options.base_url != BASE_URL:
        return options.base_url.rstrip("/")
    return f"https://{options.workspace}.slack.com" if options.workspace else None


def escape(text: str) -> str:
    """Text as Slack shows it literally, so that a customer's `<!channel>` calls nobody; cut where it gets too long."""
    cut = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
    return cut.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _objects(listed: Json) -> list[dict[str, Json]]:
    return [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
