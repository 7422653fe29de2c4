"""Typeform's API on loopback: forms and webhooks. Public token: `tfp_simulator`.

Errors are `{"code", "description"}`; REFUSALS lists what is refused. Names: Typeform's Create and Webhooks API pages.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connector.clock import Clock
from connector.simulator.parts import Answer, Call, Fields, Refusal, Refused, Route, Site, Window, bearer_token

TOKEN = "tfp_simulator"
SCOPES = frozenset(
    {"accounts:read", "forms:read", "responses:read", "responses:write", "webhooks:read", "webhooks:write"}
)
PER_SECOND = 2
_TAG = re.compile(r"[A-Za-z0-9_-]{1,100}")
_WEBHOOK = {"url": str, "enabled": bool, "secret": str, "verify_ssl": bool, "event_types": dict}

REFUSALS = {
    "token": Refusal(403, "AUTHENTICATION_FAILED", "Authentication credentials not found on the Request Headers"),
    "scope": Refusal(403, "AUTHENTICATION_FAILED", "The token lacks the scope {}"),
    "throttled": Refusal(429, "RATE_LIMIT", "Too many requests"),
    "unknown-route": Refusal(404, "NOT_FOUND", "no such resource"),
    "unknown-method": Refusal(405, "METHOD_NOT_ALLOWED", "method not allowed"),
    "no-form": Refusal(404, "FORM_NOT_FOUND", "Non existing form with uid {}"),
    "no-webhook": Refusal(404, "NOT_FOUND", "webhook not found"),
    "json": Refusal(400, "VALIDATION_ERROR", "the request body is not valid JSON"),
    "property": Refusal(400, "VALIDATION_ERROR", "{} is not a valid property of a webhook"),
    "url": Refusal(400, "VALIDATION_ERROR", "url is required and has to be a valid URL"),
    "tag": Refusal(400, "VALIDATION_ERROR", "the tag may have letters, digits, - and _"),
}
"""By id. Every one is provoked by a test that sends the bad request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question of a form. `type` is Typeform's name of it, `title` what people read.

    `steps` and `start_at_one` shape an opinion scale or a rating; `labels` are the words at its ends.
    """

    ref: str
    type: str
    title: str
    steps: int | None = None
    start_at_one: bool | None = None
    labels: tuple[str, str] | None = None
    inside: tuple[Question, ...] = ()

    def shown(self, form: str) -> Fields:
        """The field as the Create API shows it."""
        properties: Fields = {}
        if self.steps is not None:
            properties["steps"] = self.steps
        if self.start_at_one is not None:
            properties["start_at_one"] = self.start_at_one
        if self.labels is not None:
            properties["labels"] = {"left": self.labels[0], "right": self.labels[1]}
        if self.inside:
            properties["fields"] = [one.shown(form) for one in self.inside]
        return {
            "id": field_id(form, self.ref),
            "ref": self.ref,
            "type": self.type,
            "title": self.title,
            "properties": properties,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A survey as its author made it; `hidden` are the names that may travel with the link."""

    id: str
    title: str
    questions: tuple[Question, ...]
    hidden: tuple[str, ...] = ()

    def shown(self) -> Fields:
        """The form as the Create API shows it."""
        return {
            "id": self.id,
            "type": "form",
            "title": self.title,
            "hidden": list(self.hidden),
            "fields": [one.shown(self.id) for one in self.questions],
        }


def field_id(form: str, ref: str) -> str:
    """The id Typeform gave a question."""
    return hashlib.sha256(f"{form}/{ref}".encode()).hexdigest()[:12]


class Account:
    """The API of one Typeform account, strict about tokens, scopes and what a webhook may say.

    Args:
        clock: quotas and timestamps follow it.
        forms: what the account has.
        installed: called with form, and the webhook as it was put, whenever one is.
        is_on: whether a webhook of a form is still switched on.
        scopes: what the token may do.
        per_second: calls a second.
        routes: further endpoints of this account.
        actions: what people do there, callable through the control endpoints.
        refusals: what they refuse besides.
    """

    def __init__(
        self,
        clock: Clock,
        forms: Sequence[Form],
        *,
        installed: Callable[[str, Fields], None],
        is_on: Callable[[str, Fields], bool],
        scopes: frozenset[str] = SCOPES,
        per_second: int = PER_SECOND,
        routes: Sequence[Route] = (),
        actions: Mapping[str, Callable[..., Any]] | None = None,
        refusals: Mapping[str, Refusal] | None = None,
    ) -> None:
        self.clock = clock
        self.forms = {form.id: form for form in forms}
        self.token_works = True
        self.webhooks: dict[tuple[str, str], Fields] = {}
        self.scopes = scopes
        self._installed = installed
        self._is_on = is_on
        self._pace = Window(per_second, 1)
        own = self._routes()
        refused = {**REFUSALS, **(refusals or {})}
        self.site = Site(clock, [*own, *routes], refusals=refused, say=_say, gate=self._gate, actions=actions or {})

    def pace(self, per_second: int) -> None:
        """Allow so many calls a second from now on."""
        self._pace = Window(per_second, 1)

    def _routes(self) -> list[Route]:
        hook = "/forms/{form}/webhooks/{tag}"
        return [
            Route(method="GET", pattern="/me", act=self._me, scope="accounts:read"),
            Route(method="GET", pattern="/forms/{form}", act=self._form, scope="forms:read"),
            Route(method="GET", pattern="/forms/{form}/webhooks", act=self._list, scope="webhooks:read"),
            Route(method="GET", pattern=hook, act=self._show, scope="webhooks:read"),
            Route(method="PUT", pattern=hook, act=self._put, write=True, scope="webhooks:write"),
            Route(method="DELETE", pattern=hook, act=self._delete, write=True, scope="webhooks:write"),
        ]

    def _gate(self, call: Call, route: Route) -> Mapping[str, str]:
        if not self.token_works or bearer_token(call.headers.get("authorization", "")) != TOKEN:
            raise Refused("token")
        if route.scope and route.scope not in self.scopes:
            raise Refused("scope", route.scope)
        if not self._pace.spend(call.at):
            raise Refused("throttled", headers={"Retry-After": str(self._pace.resets_in(call.at))})
        return {}

    def _me(self, call: Call) -> Answer:
        return Answer(data={"alias": "Acme", "email": "surveys@acme.example", "language": "en"})

    def _found(self, call: Call) -> Form:
        form = self.forms.get(call.params["form"])
        if form is None:
            raise Refused("no-form", call.params["form"])
        return form

    def _form(self, call: Call) -> Answer:
        return Answer(data=self._found(call).shown())

    def _told(self, form: str, webhook: Fields) -> Fields:
        """The webhook as it is shown: never with its secret, switched off where deliveries made it so."""
        shown = {name: value for name, value in webhook.items() if name != "secret"}
        return {**shown, "enabled": webhook["enabled"] and self._is_on(form, webhook)}

    def _list(self, call: Call) -> Answer:
        form = self._found(call).id
        return Answer(data={"items": [self._told(form, hook) for (of, _), hook in self.webhooks.items() if of == form]})

    def _show(self, call: Call) -> Answer:
        form = self._found(call).id
        webhook = self.webhooks.get((form, call.params["tag"]))
        if webhook is None:
            raise Refused("no-webhook")
        return Answer(data=self._told(form, webhook))

    def _put(self, call: Call) -> Answer:
        form, tag = self._found(call).id, call.params["tag"]
        data = _read(call)
        if not _TAG.fullmatch(tag):
            raise Refused("tag")
        before = self.webhooks.get((form, tag), {})
        now = call.at.isoformat()
        webhook: Fields = {
            "id": before.get("id", f"01SIM{len(self.webhooks) + 1:05d}"),
            "form_id": form,
            "tag": tag,
            "enabled": False,
            "verify_ssl": True,
            "event_types": {"form_response": True},
            "created_at": before.get("created_at", now),
            **before,
            **data,
            "updated_at": now,
        }
        self.webhooks[form, tag] = webhook
        self.site.truth.kind("webhook")[f"{form}/{tag}"] = {n: v for n, v in webhook.items() if n != "secret"}
        self.site.truth.wrote("webhook", f"{form}/{tag}", "update" if before else "create", "api", {}, call.at)
        self._installed(form, webhook)
        return Answer(data=self._told(form, webhook))

    def _delete(self, call: Call) -> Answer:
        if self.webhooks.pop((self._found(call).id, call.params["tag"]), None) is None:
            raise Refused("no-webhook")
        return Answer(status=204)


def _read(call: Call) -> Fields:
    try:
        data = json.loads(call.body)
    except ValueError as error:
        raise Refused("json") from error
    if not isinstance(data, dict):
        raise Refused("json")
    for name, value in data.items():
        if name not in _WEBHOOK or not isinstance(value, _WEBHOOK[name]):
            raise Refused("property", name)
    if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", data.get("url", "")):
        raise Refused("url")
    return dict(data)


def _say(row: Refusal, refused: Refused) -> Answer:
    return Answer(status=row.status, data={"code": row.code, "description": row.text.format(refused.detail)})
