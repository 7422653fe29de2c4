"""Ticket bodies, built with zenpy's models. The one module that imports zenpy (GPLv3, see docs/decisions/003).

zenpy's models serialise what was set and nothing else. Its sessions, caches and retry loops are not used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from zenpy.lib import api_objects as zenpy

from connector.adapters.zendesk.directory import Directory
from connector.adapters.zendesk.names import CUSTOM, OWN_TAG, external_id, marker
from connector.domain.model.intent import Item, Json

# Written as they are; everything else in an item's fields means something else there than here.
_PLAIN = ("subject", "priority", "due_at", "type")
_PLACEHOLDER = re.compile(r"\{(?=[{%])")


def create(item: Item, directory: Directory) -> dict[str, Json]:
    """A new ticket with a private first comment."""
    fields = item.fields
    values, tags = directory.change(fields)
    parts: dict[str, Any] = {
        **_plain(fields),
        **values,
        "external_id": external_id(item.key),
        "comment": zenpy.Comment(body=inert(str(fields.get("comment") or "")), public=False),
        "tags": sorted({OWN_TAG, *_texts(fields.get("tags")), *tags}),
    }
    email = fields.get("requester_email")
    if email:  # without an address Zendesk would make a new nameless user each time; our own user asks then
        parts["requester"] = zenpy.User(email=email, name=inert(str(fields.get("requester_name") or email)))
    if fields.get("follow_up_of"):
        parts["via_followup_source_id"] = int(str(fields["follow_up_of"]))
    return _body(parts)


def update(item: Item, directory: Directory) -> dict[str, Json]:
    """A change of an existing ticket, with a private note where the item has a text; its `id` is part of it.

    Tags are added, never set: Zendesk's `tags` replaces the whole list, other people's tags with it.
    """
    fields = item.fields
    values, tags = directory.change(fields)
    parts: dict[str, Any] = {"id": int(item.target or 0), **_plain(fields), **values}
    added = sorted({*_texts(fields.get("add_tags")), *tags})
    if added:
        parts["additional_tags"] = added
    if "text" in fields:
        text = str(fields["text"] or "").strip()
        parts["comment"] = zenpy.Comment(body=f"{inert(text)}\n\n{marker(item.key)}", public=False)
    return _body(parts)


def inert(text: str) -> str:
    """Text in which Zendesk finds no placeholder: `{{ticket.requester.email}}` would be filled in, and mailed on.

    An invisible space between the braces keeps it readable.
    """
    return _PLACEHOLDER.sub("{\u200b", text)


def _inert(value: Json) -> Json:
    return inert(value) if isinstance(value, str) else value


def _plain(fields: Mapping[str, Json]) -> dict[str, Json]:
    values = {name: _inert(fields[name]) for name in _PLAIN if name in fields}
    if values.get("due_at"):
        values.setdefault("type", "task")  # only tickets of this type have a due date
    custom: list[Json] = [
        {"id": int(name.removeprefix(CUSTOM)), "value": _inert(value)}
        for name, value in fields.items()
        if name.startswith(CUSTOM)
    ]
    return {**values, "custom_fields": custom} if custom else values


def _body(parts: Mapping[str, Any]) -> dict[str, Json]:
    # Given at once: set one by one, `requester` would also put a null `requester_id` into the body.
    ticket = zenpy.Ticket(**parts)
    for name, value in parts.items():
        if value is None:
            setattr(ticket, name, None)  # the constructor takes None as "not given", and here it clears
    return cast("dict[str, Json]", _without_empty_ids(ticket.to_dict(serialize=True)))


def _without_empty_ids(value: Any) -> Any:
    """zenpy sends the id of everything, null for what has none yet."""
    if not isinstance(value, dict):
        return value
    return {name: _without_empty_ids(part) for name, part in value.items() if not (name == "id" and part is None)}


def _texts(value: Json) -> list[str]:
    return [str(part) for part in value] if isinstance(value, list) else []
