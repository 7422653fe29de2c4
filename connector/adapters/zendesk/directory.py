"""The account's groups and custom statuses, by the names people use in the YAML. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connector.adapters.zendesk.names import FALLBACK_PRIORITY, SYSTEM_STATUSES, slug
from connector.domain.model.intent import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """Ids by case-folded name, and names by id."""

    groups: Mapping[str, int] = field(default_factory=dict)
    statuses: Mapping[str, int] = field(default_factory=dict)
    names: Mapping[int, str] = field(default_factory=dict)

    def change(self, fields: Mapping[str, Json]) -> tuple[dict[str, Json], list[str]]:
        """What sets the `status` and `group` named in `fields`, and tags that stand in for what the account lacks."""
        values: dict[str, Json] = {}
        tags: list[str] = []
        if "status" in fields:
            tags += self._status(str(fields["status"] or ""), fields, values)
        if "group" in fields:
            name = str(fields["group"] or "")
            known = self.groups.get(name.casefold())
            if known is not None or not name:
                values["group_id"] = known
            else:
                tags.append(slug(name))
        return values, tags

    def _status(self, name: str, fields: Mapping[str, Json], values: dict[str, Json]) -> list[str]:
        if name.casefold() in SYSTEM_STATUSES:
            values["status"] = name.casefold()
            return []
        known = self.statuses.get(name.casefold())
        if known is not None:
            values["custom_status_id"] = known
            return []
        if not name:
            return []
        values["priority"] = fields.get("priority") or FALLBACK_PRIORITY
        return [slug(name)]

    def describe(self, ticket: Mapping[str, Any]) -> dict[str, Json]:
        """A ticket's fields under the names we write them by."""
        status = self.names.get(ticket.get("custom_status_id") or 0, ticket.get("status"))
        return {
            "subject": ticket.get("subject"),
            "status": status,
            "group": self.names.get(ticket.get("group_id") or 0),
            "priority": ticket.get("priority"),
            "due_at": ticket.get("due_at"),
            "tags": list(ticket.get("tags") or []),
        }


def read_directory(groups: Sequence[Mapping[str, Any]], statuses: Sequence[Mapping[str, Any]]) -> Directory:
    """From the vendor's lists. Deleted groups and inactive statuses cannot be set; default statuses are system ones."""
    live = [group for group in groups if not group.get("deleted")]
    custom = [status for status in statuses if status.get("active", True) and not status.get("default")]
    return Directory(
        groups={str(group["name"]).casefold(): group["id"] for group in live},
        statuses={str(status["agent_label"]).casefold(): status["id"] for status in custom},
        names={group["id"]: group["name"] for group in live}
        | {status["id"]: status["agent_label"] for status in custom},
    )
