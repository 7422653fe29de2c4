"""What a ticket in a request to Zendesk may look like: names and types of its fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.simulator.parts import Fields, Refused

_SHAPES: Mapping[str, tuple[type, ...]] = {
    "id": (int,),
    "subject": (str,),
    "comment": (dict,),
    "requester": (dict,),
    "requester_id": (int,),
    "submitter_id": (int,),
    "assignee_id": (int, type(None)),
    "group_id": (int, type(None)),
    "priority": (str, type(None)),
    "status": (str,),
    "custom_status_id": (int,),
    "type": (str, type(None)),
    "due_at": (str, type(None)),
    "tags": (list,),
    "additional_tags": (list,),
    "remove_tags": (list,),
    "custom_fields": (list,),
    "external_id": (str, type(None)),
    "metadata": (dict,),
    "via_followup_source_id": (int,),
    "safe_update": (bool,),
    "updated_stamp": (str,),
}
_COMMENT_SHAPES: Mapping[str, tuple[type, ...]] = {
    "body": (str,),
    "html_body": (str,),
    "public": (bool,),
    "author_id": (int,),
}
_BULK_ONLY = {"additional_tags", "remove_tags", "id"}
_CREATE_ONLY = {"via_followup_source_id", "submitter_id"}


def read_ticket(data: Any, *, new: bool, bulk: bool = False) -> Fields:
    """Check names and types of a ticket in a request body. Raises Refused."""
    if not isinstance(data, dict) or not data:
        raise Refused("no-ticket", "ticket")
    for name, value in data.items():
        if name not in _SHAPES:
            raise Refused("unknown-field", name, field=name)
        if name in _BULK_ONLY and not bulk:
            raise Refused("bulk-only", name, field=name)
        if name in _CREATE_ONLY and not new:
            raise Refused("create-only", name, field=name)
        _check_shape(name, value, _SHAPES[name])
    for name, value in data.get("comment", {}).items():
        if name not in _COMMENT_SHAPES:
            raise Refused("unknown-field", f"comment.{name}", field=name)
        _check_shape(f"comment.{name}", value, _COMMENT_SHAPES[name])
    for name in ("tags", "additional_tags", "remove_tags"):
        if not all(isinstance(tag, str) for tag in data.get(name, [])):
            raise Refused("wrong-type", name, field=name)
    return dict(data)


def _check_shape(name: str, value: Any, allowed: tuple[type, ...]) -> None:
    # True is an int to Python and a boolean to everybody else.
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
        raise Refused("wrong-type", name, field=name)
