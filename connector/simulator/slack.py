"""Slack on loopback: post, update, history with metadata, channels. Public token: `xoxb-simulator`.

Slack answers HTTP 200 and `"ok": false` to nearly everything it refuses; REFUSALS lists what. Names of errors: the
methods' pages on api.slack.com.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

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
    Window,
    bearer_token,
    cursor_at,
    cursor_position,
)

BOT_ID = "B0SIMULATOR"
TOKEN = "xoxb-simulator"
SCOPES = frozenset({"chat:write", "channels:history", "channels:read"})
TEXT_LIMIT = 40_000
_CALLS_PEOPLE = re.compile(r"<(?:!(?:channel|here|everyone)|@[UW]\w+)[^>]*>")
_TS = re.compile(r"\d{1,10}(\.\d{1,6})?")
_POST = frozenset({"text", "metadata", "blocks", "unfurl_links", "unfurl_media", "mrkdwn", "thread_ts", "channel"})
_UPDATE = frozenset({"channel", "ts", "text", "metadata", "blocks"})
_DELETE = frozenset({"channel", "ts", "as_user"})
_JSON = (_POST, _UPDATE, _DELETE)

REFUSALS = {
    "not_authed": Refusal(200, "not_authed", ""),
    "invalid_auth": Refusal(200, "invalid_auth", ""),
    "missing_scope": Refusal(200, "missing_scope", "{}"),
    "throttled": Refusal(429, "ratelimited", ""),
    "unknown-route": Refusal(200, "unknown_method", ""),
    "unknown-method": Refusal(200, "unknown_method", ""),
    "invalid_post_type": Refusal(200, "invalid_post_type", ""),
    "invalid_json": Refusal(200, "invalid_json", ""),
    "json_not_object": Refusal(200, "json_not_object", ""),
    "invalid_arg_name": Refusal(200, "invalid_arg_name", ""),
    "invalid_arguments": Refusal(200, "invalid_arguments", ""),
    "channel_not_found": Refusal(200, "channel_not_found", ""),
    "not_in_channel": Refusal(200, "not_in_channel", ""),
    "is_archived": Refusal(200, "is_archived", ""),
    "no_text": Refusal(200, "no_text", ""),
    "msg_too_long": Refusal(200, "msg_too_long", ""),
    "invalid_blocks": Refusal(200, "invalid_blocks", ""),
    "invalid_metadata_format": Refusal(200, "invalid_metadata_format", ""),
    "message_not_found": Refusal(200, "message_not_found", ""),
    "cant_update_message": Refusal(200, "cant_update_message", ""),
    "cant_delete_message": Refusal(200, "cant_delete_message", ""),
    "thread_not_found": Refusal(200, "thread_not_found", ""),
    "invalid_ts_oldest": Refusal(200, "invalid_ts_oldest", ""),
    "invalid_limit": Refusal(200, "invalid_limit", ""),
    "invalid_cursor": Refusal(200, "invalid_cursor", ""),
}
"""By id. Every one is provoked by a test that sends the bad request."""


class Slack:
    """A strict Slack workspace.

    Args:
        clock: quotas and timestamps follow it.
        per_minute: messages per minute in one channel; Slack allows about one a second, with short bursts.
        history_lag: how long a message stays out of the history.
        scopes: what the app may do.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        per_minute: int = 60,
        history_lag: timedelta = timedelta(0),
        scopes: frozenset[str] = SCOPES,
    ) -> None:
        self.clock = clock
        self.per_minute = per_minute
        self.history_lag = history_lag
        self.scopes = scopes
        self.token_works = True
        self.channels: dict[str, str] = {}
        self._facts: dict[str, Fields] = {}
        self._messages: dict[str, list[Fields]] = {}
        self._paces: dict[str, Window] = {}
        self._last_ts = 0
        actions: dict[str, Callable[..., Any]] = {"add_channel": self.add_channel, "human_post": self.human_post}
        self.site = Site(clock, self._routes(), refusals=REFUSALS, say=_say, gate=self._gate, actions=actions)
        self.requests = self.site.requests
        self.faults = self.site.faults
        for name in ("csat-leads", "csat-ops", "csat-safety"):
            self.add_channel(name)

    def start(self, port: int = 0) -> str:
        """Listen on loopback; returns the base URL."""
        return self.site.start(port)

    def stop(self) -> None:
        """Stop listening."""
        self.site.stop()

    @property
    def truth(self) -> Fields:
        """{"objects": {"message": {"channel:ts": fields}}, "writes": […]}, a copy."""
        return self.site.snapshot()

    def add_channel(self, name: str, *, member: bool = True, archived: bool = False) -> str:
        """A channel (without `#`); `member`: the app was invited. Returns its id."""
        key = f"C0SIM{len(self.channels) + 1:05d}"
        self.channels[name] = key
        self._facts[key] = {
            "id": key,
            "name": name,
            "is_channel": True,
            "is_private": False,
            "is_archived": archived,
            "is_member": member,
        }
        self._messages[key] = []
        return key

    def human_post(self, channel: str, text: str, *, thread_ts: str | None = None) -> str:
        """A person writes in a channel, or in the thread of a message; returns the message's `ts`."""
        with self.site.lock:
            data = {"text": text} if thread_ts is None else {"text": text, "thread_ts": thread_ts}
            return str(self._store(self.channels[channel], data, "human")["ts"])

    def _routes(self) -> list[Route]:
        def method(name: str, act: Callable[[Call], Answer], scope: str, *, write: bool = False) -> list[Route]:
            verbs = ("POST",) if write else ("GET", "POST")
            return [Route(method=v, pattern=f"/api/{name}", act=act, write=write, scope=scope) for v in verbs]

        return [
            *method("chat.postMessage", self._post, "chat:write", write=True),
            *method("chat.update", self._update, "chat:write", write=True),
            *method("chat.delete", self._delete, "chat:write", write=True),
            *method("conversations.replies", self._replies, "channels:history"),
            *method("conversations.history", self._history, "channels:history"),
            *method("conversations.list", self._list, "channels:read"),
            *method("auth.test", self._test, ""),
            Route(method="GET", pattern="/archives/{channel}", act=self._page, scope=None),
            Route(method="GET", pattern="/archives/{channel}/{message}", act=self._page, scope=None),
        ]

    def _gate(self, call: Call, route: Route) -> Mapping[str, str]:
        if route.scope is None:
            return {}
        token = bearer_token(call.headers.get("authorization", ""))
        if not token:
            raise Refused("not_authed")
        if token != TOKEN or not self.token_works:
            raise Refused("invalid_auth")
        if route.scope and route.scope not in self.scopes:
            raise Refused("missing_scope", route.scope)
        return {}

    def _post(self, call: Call) -> Answer:
        data = _arguments(call, _POST)
        channel = self._channel(data.get("channel"), names=True)
        if self._facts[channel]["is_archived"]:
            raise Refused("is_archived")
        if not self._facts[channel]["is_member"]:
            raise Refused("not_in_channel")
        self._pace(channel, call)
        _check_message(data)
        message = self._store(channel, data, "api")
        return Answer(data={"ok": True, "channel": channel, "ts": message["ts"], "message": dict(message)})

    def _pace(self, channel: str, call: Call) -> None:
        pace = self._paces.setdefault(channel, Window(self.per_minute, 60))
        if not pace.spend(call.at):
            raise Refused("throttled", headers={"Retry-After": str(pace.resets_in(call.at))})

    def _store(self, channel: str, data: Fields, by: str) -> Fields:
        # Timestamps identify messages, so two in one instant must differ.
        self._last_ts = max(self._last_ts + 1, int(self.clock.now().timestamp() * 1_000_000))
        ts = f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"
        message: Fields = {"type": "message", "ts": ts, "text": data.get("text", "")}
        if by == "api":
            message["bot_id"] = BOT_ID
            message.update({name: data[name] for name in ("metadata", "blocks", "thread_ts") if name in data})
        else:
            message["user"] = "U0SIM"
            message.update({name: data[name] for name in ("thread_ts",) if name in data})
        self._messages[channel].append(message)
        key = f"{channel}:{ts}"
        self.site.truth.kind("message")[key] = self._told(channel, message)
        self.site.truth.wrote("message", key, "create", by, {"text": message["text"]}, self.clock.now())
        return message

    def _told(self, channel: str, message: Fields) -> Fields:
        """What the truth says of a message: also its channel's name and whom it called."""
        return {
            **message,
            "channel": self._facts[channel]["name"],
            "calls": _CALLS_PEOPLE.findall(message["text"]),
        }

    def _update(self, call: Call) -> Answer:
        data = _arguments(call, _UPDATE)
        channel = self._channel(data.get("channel"), names=False)
        message = next((m for m in self._messages[channel] if m["ts"] == data.get("ts")), None)
        if message is None:
            raise Refused("message_not_found")
        if "bot_id" not in message:
            raise Refused("cant_update_message")
        self._pace(channel, call)
        _check_message(data)
        message.update({n: data[n] for n in ("text", "metadata", "blocks") if n in data})
        message["edited"] = {"user": BOT_ID, "ts": data["ts"]}
        key = f"{channel}:{message['ts']}"
        self.site.truth.kind("message")[key] = self._told(channel, message)
        self.site.truth.wrote("message", key, "update", "api", {"text": message["text"]}, self.clock.now())
        shown = {"ok": True, "channel": channel, "ts": message["ts"], "text": message["text"]}
        return Answer(data={**shown, "message": dict(message)})

    def _delete(self, call: Call) -> Answer:
        data = _arguments(call, _DELETE)
        channel = self._channel(data.get("channel"), names=False)
        message = next((m for m in self._messages[channel] if m["ts"] == data.get("ts")), None)
        if message is None:
            raise Refused("message_not_found")
        if "bot_id" not in message:
            raise Refused("cant_delete_message")
        self._messages[channel].remove(message)
        key = f"{channel}:{message['ts']}"
        del self.site.truth.kind("message")[key]
        self.site.truth.forget("message", key)
        self.site.truth.wrote("message", key, "delete", "api", {}, self.clock.now())
        return Answer(data={"ok": True, "channel": channel, "ts": message["ts"]})

    def _replies(self, call: Call) -> Answer:
        data = _arguments(call, frozenset({"channel", "ts", "limit", "cursor"}))
        channel = self._channel(data.get("channel"), names=False)
        thread = data.get("ts")
        found = [m for m in self._messages[channel] if thread in {m["ts"], m.get("thread_ts")}]
        if not found:
            raise Refused("thread_not_found")
        size, start = _limit(data, 100, 999), _start(data)
        end = start + size
        return _page_of("messages", [dict(m) for m in found[start:end]], end, len(found), has_more=end < len(found))

    def _history(self, call: Call) -> Answer:
        data = _arguments(
            call, frozenset({"channel", "oldest", "latest", "inclusive", "limit", "cursor", "include_all_metadata"})
        )
        channel = self._channel(data.get("channel"), names=False)
        if not self._facts[channel]["is_member"]:
            raise Refused("not_in_channel")
        oldest, latest = str(data.get("oldest", "0")), str(data.get("latest", "9999999999"))
        if not _TS.fullmatch(oldest) or not _TS.fullmatch(latest):
            raise Refused("invalid_ts_oldest")
        size, start = _limit(data, 100, 999), _start(data)
        horizon = min(float(latest), (self.clock.now() - self.history_lag).timestamp() if self.history_lag else 1e11)
        found = [m for m in reversed(self._messages[channel]) if float(oldest) < float(m["ts"]) <= horizon]
        metadata = str(data.get("include_all_metadata", "")).lower() in {"true", "1"}
        page = [{n: v for n, v in m.items() if metadata or n != "metadata"} for m in found[start : start + size]]
        about = {"pin_count": 0, "channel_actions_ts": None, "channel_actions_count": 0}
        return _page_of("messages", page, start + size, len(found), has_more=start + size < len(found), **about)

    def _list(self, call: Call) -> Answer:
        data = _arguments(call, frozenset({"types", "exclude_archived", "limit", "cursor", "team_id"}))
        hide = str(data.get("exclude_archived", "")).lower() in {"true", "1"}
        found = [dict(facts) for facts in self._facts.values() if not (hide and facts["is_archived"])]
        size, start = _limit(data, 100, 999), _start(data)
        return _page_of("channels", found[start : start + size], start + size, len(found))

    def _test(self, call: Call) -> Answer:
        data = {"ok": True, "team": "Acme", "team_id": "T0SIM", "user_id": "U0BOT", "user": "csat", "bot_id": BOT_ID}
        data["url"] = f"{self.site.base_url}/"
        return Answer(data=data, headers={"X-OAuth-Scopes": ",".join(sorted(self.scopes))})

    def _channel(self, given: object, *, names: bool) -> str:
        """The id of a channel. Posting takes names, everything else ids only."""
        text = str(given or "")
        if names and (known := self.channels.get(text.removeprefix("#"))):
            return known
        if text not in self._facts:
            raise Refused("channel_not_found")
        return text

    def _page(self, call: Call) -> Answer:
        channel = self._channel(call.params["channel"], names=True)
        messages = [pages.block(str(message["ts"]), str(message["text"])) for message in self._messages[channel]]
        return pages.page(f"#{self._facts[channel]['name']}", *messages)


def _arguments(call: Call, known: frozenset[str]) -> Fields:
    if call.method == "GET":
        data: Any = dict(call.query)
    else:
        kind = call.headers.get("content-type", "").partition(";")[0]
        if kind == "application/json" and known in _JSON:
            data = _parse(call.body)
        elif kind == "application/x-www-form-urlencoded":
            data = {n: _parse(v.encode()) if n in {"metadata", "blocks"} else v for n, v in call.form().items()}
        else:
            raise Refused("invalid_post_type")
    if not isinstance(data, dict):
        raise Refused("json_not_object")
    if set(data) - known:
        raise Refused("invalid_arg_name")
    return data


def _parse(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise Refused("invalid_json") from error


def _check_message(data: Fields) -> None:
    text, blocks, metadata = data.get("text"), data.get("blocks"), data.get("metadata")
    if not isinstance(text, (str, type(None))):
        raise Refused("invalid_arguments")
    if not text and not blocks:
        raise Refused("no_text")
    if len(text or "") > TEXT_LIMIT:
        raise Refused("msg_too_long")
    if blocks is not None and (not isinstance(blocks, list) or len(blocks) > 50):
        raise Refused("invalid_blocks")
    if metadata is not None and not (
        isinstance(metadata, dict)
        and isinstance(metadata.get("event_type"), str)
        and isinstance(metadata.get("event_payload"), dict)
    ):
        raise Refused("invalid_metadata_format")


def _limit(data: Fields, usual: int, most: int) -> int:
    text = str(data.get("limit", usual))
    if not text.isdigit() or not 1 <= int(text) <= most:
        raise Refused("invalid_limit")
    return int(text)


def _start(data: Fields) -> int:
    try:
        return cursor_position(str(data["cursor"])) if data.get("cursor") else 0
    except ValueError as error:
        raise Refused("invalid_cursor") from error


def _page_of(name: str, rows: list[Fields], end: int, total: int, **about: object) -> Answer:
    following = cursor_at(end) if end < total else ""
    return Answer(data={"ok": True, name: rows, **about, "response_metadata": {"next_cursor": following}})


def _say(row: Refusal, refused: Refused) -> Answer:
    data: Fields = {"ok": False, "error": row.code}
    if refused.refusal == "missing_scope":
        data |= {"needed": refused.detail, "provided": ""}
    return Answer(status=row.status, data=data)
