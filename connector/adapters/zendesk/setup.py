"""What an account lacks of what the playbooks name, and making it; its webhook. Its own rules are never edited."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from connector.adapters.zendesk.names import ACCOUNT, SYSTEM_STATUSES
from connector.domain.model.account import Change, Demand, InstalledHook
from connector.domain.model.intent import Json
from connector.errors import InDoubt
from connector.ports import Finding
from connector.secret import Secret
from connector.transport.client import Api, Reply
from connector.transport.shapes import expecting

Rows = Callable[[str, str], list[dict[str, Any]]]
STATUSES, GROUPS, WEBHOOKS = "/api/v2/custom_statuses", "/api/v2/groups", "/api/v2/webhooks"
EVENT = "zen:event-type:ticket.status_changed"
NAME = "CSAT Connector"
LABEL_LIMIT = 48  # characters of a status's agent label
STATUS_PATH = "Admin Center › Objects and rules › Tickets › Ticket statuses › Create status"
GROUP_PATH = "Admin Center › People › Team › Groups › Create group"
SECRET_PATH = "Admin Center › Apps and integrations › Webhooks › CSAT Connector › Reveal secret"  # noqa: S105  # a path


class Preparation:
    """What is missing in one account, and making it. `rows(path, name)` reads every row of a short list."""

    def __init__(self, api: Api, rows: Rows) -> None:
        self._api = api
        self._rows = rows

    def wanted(self, demand: Demand) -> Sequence[Change]:
        """Statuses and groups the playbooks name. Raises RemoteError."""
        statuses, groups = self.missing(demand)
        return [*map(_status_change, statuses), *map(_group_change, groups)]

    def missing(self, demand: Demand) -> tuple[list[str], list[str]]:
        """Names of statuses and of groups that are named and not there. Raises RemoteError."""
        with expecting("which groups and statuses there are"):
            statuses = [row for row in self._rows(STATUSES, "custom_statuses") if row.get("active", True)]
            groups = [row for row in self._rows(GROUPS, "groups") if not row.get("deleted")]
            wanted = {name for name in demand.statuses if name.casefold() not in SYSTEM_STATUSES}
            return (
                _absent(wanted, (row["agent_label"] for row in statuses)),
                _absent(demand.groups, (row["name"] for row in groups)),
            )

    def apply(self, change: Change) -> str:
        """Make the status. Raises RemoteError."""
        label = str(change.details["status"])
        if not _absent([label], (row["agent_label"] for row in self._rows(STATUSES, "custom_statuses"))):
            return "was there already"
        status: dict[str, Json] = {"agent_label": label, "status_category": "open", "active": True}
        self._post(STATUSES, {"custom_status": status})
        return "custom status, in the category Open"

    def hooks(self, demand: Demand) -> Sequence[InstalledHook]:
        """Webhooks that post to our path, wherever that is. Raises RemoteError."""
        return [
            InstalledHook(place=str(row.get("name")), url=str(row.get("endpoint")), enabled=_is_on(row))
            for row in self._ours(demand)
        ]

    def hook_changes(self, demand: Demand) -> Sequence[Change]:
        """One webhook that posts there. Raises RemoteError."""
        ours = self._ours(demand)
        if any(row.get("endpoint") == demand.hook_url and _is_on(row) for row in ours):
            return []
        known = ours[0]["id"] if ours else None
        return [
            Change(
                subject=f"webhook {NAME}",
                message=f"posts status changes to {demand.hook_url}{'' if known is None else ', instead of elsewhere'}",
                by_hand="Admin Center › Apps and integrations › Webhooks › Create webhook: Zendesk events, "
                "Ticket status changed",
                details={"id": known, "url": demand.hook_url},
            )
        ]

    def install(self, change: Change) -> str:
        """Make or change it. Raises RemoteError."""
        known = change.details["id"]
        webhook: dict[str, Json] = {
            "name": NAME,
            "endpoint": change.details["url"],
            "http_method": "POST",
            "request_format": "json",
            "status": "active",
            "subscriptions": [EVENT],
        }
        if known is None:
            self._post(WEBHOOKS, {"webhook": webhook})
        else:
            path = f"{WEBHOOKS}/{known}"
            self._api.call("PATCH", path, json={"webhook": webhook}, endpoint_class=ACCOUNT, write=True)
        return f"its signing secret goes into `webhook_secret`: {SECRET_PATH}"

    def hook_findings(self, demand: Demand, secrets: Sequence[Secret]) -> Iterator[Finding]:
        """Whether our webhook is on, and signs with a secret we know. Raises RemoteError."""
        if demand.hook_url is None:
            return
        if self.hook_changes(demand):
            yield Finding(
                subject="webhook",
                message="none posts status changes to us; they are noticed a minute or two later, by reading",
                fix="`connector webhooks install`",
                blocking=False,
            )
            return
        row = next(row for row in self._ours(demand) if row.get("endpoint") == demand.hook_url)
        reply = self._get(f"{WEBHOOKS}/{row['id']}/signing_secret")
        with expecting("the signing secret"):
            signing = str(cast("dict[str, Any]", reply.json())["signing_secret"]["secret"])
        if not any(secret.matches(signing) for secret in secrets):
            yield Finding(
                subject="webhook",
                message="it signs with another secret than `webhook_secret`: what it posts is answered 401",
                fix=f"copy its secret: {SECRET_PATH}",
                blocking=False,
            )

    def _ours(self, demand: Demand) -> list[dict[str, Any]]:
        reply = self._get(f"{WEBHOOKS}?page[size]=100&filter[name_contains]={NAME.replace(' ', '%20')}")
        with expecting("which webhooks there are"):
            rows = cast("dict[str, Any]", reply.json())["webhooks"]
            return [row for row in rows if str(row["endpoint"]).endswith(f"/hooks/{demand.connection}")]

    def _get(self, path: str) -> Reply:
        return self._api.call("GET", path, endpoint_class=ACCOUNT, write=False)

    def _post(self, path: str, body: dict[str, Json]) -> None:
        reply = self._api.call("POST", path, json=body, endpoint_class=ACCOUNT, write=True)
        with expecting("what was made", InDoubt, **reply.context()):
            if not isinstance(reply.json(), dict):
                raise TypeError


def lacking(statuses: Iterable[str], groups: Iterable[str]) -> Iterator[Finding]:
    """What stands in for it meanwhile, and how to make it."""
    for name in statuses:
        yield Finding(
            subject=f"status {name!r}",
            message="the account has no such active status: a tag and the priority stand in for it",
            fix="`connector setup --apply` makes it",
            blocking=False,
        )
    for name in groups:
        yield Finding(
            subject=f"group {name!r}",
            message="the account has no such group: tickets go where its own rules send them, with a tag",
            fix=GROUP_PATH,
            blocking=False,
        )


def _absent(wanted: Iterable[str], there: Iterable[str]) -> list[str]:
    known = {str(name).casefold() for name in there}
    return sorted(name for name in wanted if name.casefold() not in known)


def _is_on(row: Mapping[str, Any]) -> bool:
    return row.get("status") == "active" and EVENT in (row.get("subscriptions") or [])


def _status_change(name: str) -> Change:
    too_long = len(name) > LABEL_LIMIT
    return Change(
        subject=f"status {name!r}",
        message=f"longer than the {LABEL_LIMIT} characters there are: shorten it in the playbook"
        if too_long
        else "custom status, in the category Open",
        by_hand=STATUS_PATH,
        only_by_hand=too_long,
        details={"status": name},
    )


def _group_change(name: str) -> Change:
    return Change(
        subject=f"group {name!r}",
        message="a group, and who works in it",
        by_hand=GROUP_PATH,
        only_by_hand=True,
    )
