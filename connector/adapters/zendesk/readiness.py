"""Is the account ready for us? Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from connector.adapters.zendesk.names import CUSTOM_FIELD, KNOWN_FIELDS
from connector.domain.model.intent import Json, WriteKind
from connector.ports import Finding


def findings(
    wanted: Mapping[WriteKind, frozenset[str]], user: Json, ticket_fields: Sequence[Mapping[str, Any]]
) -> Iterator[Finding]:
    """What is missing: mapped fields, and the rights of the user the OAuth client acts as."""
    active = {f"custom_field_{field['id']}" for field in ticket_fields if field.get("active", True)}
    for kind, names in wanted.items():
        for name in sorted(names - KNOWN_FIELDS.get(kind, frozenset()) - active):
            known = re.fullmatch(CUSTOM_FIELD, name)
            yield Finding(
                subject=f"{kind.value}.{name}",
                message="the account has no active ticket field with this id" if known else "it is no ticket field",
                fix="take the id from Admin Center, Objects and rules, Tickets, Fields"
                if known
                else "correct the name",
                blocking=True,
            )
    role = user.get("role") if isinstance(user, dict) else None
    if role not in {"admin", "agent"}:
        yield Finding(
            subject="OAuth client",
            message="the user it acts as is no agent, so it can write no private comments",
            fix="connect the OAuth client to an agent or, better, an admin",
            blocking=True,
        )
    elif role != "admin":
        yield Finding(
            subject="OAuth client",
            message="the user it acts as is no admin, so it cannot read the export of changed tickets",
            fix="connect the OAuth client to an admin",
            blocking=False,
        )
