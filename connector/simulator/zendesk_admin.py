"""What an administrator of the Zendesk account sets up: statuses, ticket fields, groups, business rules, webhooks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol

from connector.simulator.parts import Answer, Call, Fields, Refused, Route, Site
from connector.simulator.zendesk_desk import STATUSES, Desk
from connector.simulator.zendesk_hooks import HOOK_SECRET
from connector.simulator.zendesk_requests import paged, read_body

LABEL_LIMIT = 48
FIELD_TYPES = frozenset(
    {"text", "textarea", "integer", "decimal", "checkbox", "date", "regexp", "tagger", "multiselect"}
)
EVENT = re.compile(r"conditional_ticket_events|zen:event-type:[a-z_.]+")
_STATUS = {"agent_label": str, "end_user_label": str, "description": str, "status_category": str, "active": bool}
_FIELD = {"type": str, "title": str, "description": str, "active": bool, "tag": str, "visible_in_portal": bool}
_WEBHOOK = {
    "name": str,
    "description": str,
    "endpoint": str,
    "http_method": str,
    "request_format": str,
    "status": str,
    "subscriptions": list,
}


class Owner(Protocol):
    """The simulator these routes belong to."""

    site: Site
    desk: Desk
    hook_url: str | None


class Admin:
    """The set-up side of one account. Every account begins with Zendesk's three standard triggers."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self.triggers: list[Fields] = []
        self.automations: list[Fields] = []
        self.webhooks: dict[str, Fields] = {}
        for title, conditions, whom in _STANDARD:
            self.add_trigger(title, conditions, [{"field": "notification_user", "value": [whom, "Subject", "Body"]}])

    def add_trigger(self, title: str, conditions: Fields, actions: list[Fields], *, active: bool = True) -> int:
        """A trigger as an administrator writes it; conditions and actions as in the API. Returns its id."""
        return _rule(self.triggers, 700, title, conditions, actions, active=active)

    def add_automation(self, title: str, conditions: Fields, actions: list[Fields], *, active: bool = True) -> int:
        """The same for an automation."""
        return _rule(self.automations, 800, title, conditions, actions, active=active)

    def add_group(self, name: str) -> int:
        """A group of agents; returns its id."""
        groups = self._owner.desk.groups
        groups[max(groups) + 1] = name
        return max(groups)

    def routes(self) -> list[Route]:
        """To stand beside the routes of tickets."""

        def api(method: str, pattern: str, act: Any, scope: str) -> Route:
            return Route(method=method, pattern=f"/api/v2{pattern}", act=act, write=method != "GET", scope=scope)

        return [
            api("GET", "/custom_statuses", self._statuses, "tickets:read"),
            api("POST", "/custom_statuses", self._add_status, "write"),
            api("GET", "/groups", self._groups, "read"),
            api("GET", "/ticket_fields", self._fields, "read"),
            api("POST", "/ticket_fields", self._add_field, "write"),
            api("GET", "/triggers/active", self._active_triggers, "read"),
            api("GET", "/automations/active", self._active_automations, "read"),
            api("GET", "/webhooks", self._webhooks, "read"),
            api("POST", "/webhooks", self._add_webhook, "write"),
            api("PATCH", "/webhooks/{id}", self._change_webhook, "write"),
            api("GET", "/webhooks/{id}/signing_secret", self._secret, "read"),
        ]

    def _statuses(self, call: Call) -> Answer:
        return Answer(data={"custom_statuses": [dict(status) for status in self._owner.desk.statuses.values()]})

    def _add_status(self, call: Call) -> Answer:
        desk = self._owner.desk
        if not desk.has_custom_statuses:
            raise Refused("statuses-off")
        status = _read(call, "custom_status", _STATUS)
        label = str(status.get("agent_label", "")).strip()
        if not label or len(label) > LABEL_LIMIT:
            raise Refused("status-label", field="agent_label")
        if status.get("status_category") not in STATUSES[:-1]:
            raise Refused("status", str(status.get("status_category")), field="status_category")
        if any(known["agent_label"].casefold() == label.casefold() for known in desk.statuses.values()):
            raise Refused("taken", label, field="agent_label")
        key = max(desk.statuses) + 1
        desk.statuses[key] = {"active": True, **status, "id": key, "default": False}
        self._wrote("custom_status", key, status, call)
        return Answer(status=201, data={"custom_status": dict(desk.statuses[key])})

    def _groups(self, call: Call) -> Answer:
        rows = [{"id": key, "name": name, "deleted": False} for key, name in self._owner.desk.groups.items()]
        return self._paged(call, "groups", rows)

    def _fields(self, call: Call) -> Answer:
        fields = self._owner.desk.fields.items()
        rows = [{"id": key, "type": "text", "title": title, "active": True} for key, title in fields]
        return self._paged(call, "ticket_fields", rows)

    def _add_field(self, call: Call) -> Answer:
        fields, field = self._owner.desk.fields, _read(call, "ticket_field", _FIELD)
        if field.get("type") not in FIELD_TYPES:
            raise Refused("field-type", str(field.get("type")), field="type")
        if not str(field.get("title", "")).strip():
            raise Refused("field-title", field="title")
        # Zendesk takes a second field of one title without a word; whoever makes fields looks first.
        key = max(fields) + 1
        fields[key] = field["title"]
        self._wrote("ticket_field", key, field, call)
        return Answer(status=201, data={"ticket_field": {"active": True, **field, "id": key}})

    def _active_triggers(self, call: Call) -> Answer:
        return self._paged(call, "triggers", [rule for rule in self.triggers if rule["active"]])

    def _active_automations(self, call: Call) -> Answer:
        return self._paged(call, "automations", [rule for rule in self.automations if rule["active"]])

    def _webhooks(self, call: Call) -> Answer:
        return Answer(data={"webhooks": list(self.webhooks.values()), "meta": {"has_more": False}})

    def _add_webhook(self, call: Call) -> Answer:
        webhook = _read(call, "webhook", _WEBHOOK)
        for name in ("name", "endpoint", "http_method", "request_format", "status"):
            if not webhook.get(name):
                raise Refused("webhook", f"{name} is required", field=name)
        _check_webhook(webhook)
        key = f"01SIMWEBHOOK{len(self.webhooks) + 1:014d}"
        self.webhooks[key] = {"subscriptions": [], **webhook, "id": key}
        self._posts(webhook)
        self._wrote("webhook", key, webhook, call)
        return Answer(status=201, data={"webhook": dict(self.webhooks[key])})

    def _change_webhook(self, call: Call) -> Answer:
        webhook = self._webhook(call)
        changed = _read(call, "webhook", _WEBHOOK)
        _check_webhook({**webhook, **changed})
        webhook.update(changed)
        self._posts(webhook)
        self._wrote("webhook", webhook["id"], changed, call)
        return Answer(status=204)

    def _secret(self, call: Call) -> Answer:
        self._webhook(call)
        return Answer(data={"signing_secret": {"algorithm": "SHA256", "secret": HOOK_SECRET}})

    def _webhook(self, call: Call) -> Fields:
        found = self.webhooks.get(call.params["id"])
        if found is None:
            raise Refused("not-found", call.params["id"])
        return found

    def _posts(self, webhook: Fields) -> None:
        """What people change from now on is told to this webhook."""
        if webhook["status"] == "active" and any("ticket.status" in each for each in webhook.get("subscriptions", [])):
            self._owner.hook_url = webhook["endpoint"]

    def _wrote(self, kind: str, key: object, values: Fields, call: Call) -> None:
        self._owner.site.truth.kind(kind)[str(key)] = dict(values)
        self._owner.site.truth.wrote(kind, str(key), "create", "api", values, call.at)

    def _paged(self, call: Call, name: str, rows: list[Fields]) -> Answer:
        page, extra = paged(call, rows, self._owner.site.base_url)
        return Answer(data={name: page, **extra})


def _rule(
    rules: list[Fields], first: int, title: str, conditions: Fields, actions: list[Fields], *, active: bool
) -> int:
    both = {"all": [], "any": [], **conditions}
    rules.append(
        {"id": first + len(rules), "title": title, "active": active, "conditions": both, "actions": list(actions)}
    )
    return int(rules[-1]["id"])


def _read(call: Call, name: str, shapes: Mapping[str, type]) -> Fields:
    data = read_body(call).get(name)
    if not isinstance(data, dict) or not data:
        raise Refused("no-ticket", name)
    for part, value in data.items():
        if part not in shapes:
            raise Refused("unknown-field", part, field=part)
        if not isinstance(value, shapes[part]):
            raise Refused("wrong-type", part, field=part)
    return dict(data)


def _check_webhook(webhook: Fields) -> None:
    if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", webhook["endpoint"]):
        raise Refused("webhook", "endpoint is not a valid URL", field="endpoint")
    if webhook["status"] not in {"active", "inactive"} or webhook["http_method"] not in {"GET", "POST", "PUT", "PATCH"}:
        raise Refused("webhook", "status or http_method is invalid", field="status")
    events = webhook.get("subscriptions", [])
    if not all(isinstance(each, str) and EVENT.fullmatch(each) for each in events):
        raise Refused("webhook", "subscriptions are invalid", field="subscriptions")
    if "conditional_ticket_events" in events and len(events) > 1:
        raise Refused("webhook", "a webhook has either ticket conditions or event subscriptions", field="subscriptions")


_STANDARD: tuple[tuple[str, Fields, str], ...] = (
    (
        "Notify requester and CCs of received request",
        {
            "all": [
                {"field": "update_type", "operator": "is", "value": "Create"},
                {"field": "status", "operator": "is_not", "value": "solved"},
                {"field": "ticket_is_public", "operator": "is", "value": "public"},
            ]
        },
        "requester_and_ccs",
    ),
    (
        "Notify requester and CCs of comment update",
        {
            "all": [
                {"field": "update_type", "operator": "is", "value": "Change"},
                {"field": "comment_is_public", "operator": "is", "value": "true"},
            ]
        },
        "requester_and_ccs",
    ),
    (
        "Notify assignee of comment update",
        {"all": [{"field": "comment_is_public", "operator": "is", "value": "not_relevant"}]},
        "assignee_id",
    ),
)
"""Title, conditions, who is told."""
