"""Taking back what was written to HubSpot: what makes a task or note count for nothing, and what records hold now."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from connector.adapters.hubspot import bodies, questions
from connector.adapters.hubspot.contacts import typed
from connector.adapters.hubspot.names import BATCH, BODY, CONTACT_ID, CONTACTS, ENGAGEMENTS, OBJECT, OBJECTS, TASKS
from connector.domain.model.intent import Json, WriteKind
from connector.transport.client import Reply

DONE: Mapping[str, Json] = MappingProxyType({"hs_task_status": "COMPLETED"})
SUBJECT = "hs_task_subject"
# Tags that only lay text out. Any other, as a link or a picture, is something a person put there.
_LAYOUT = re.compile(r"</?(?:br|p|div|span)\b[^>]*>", re.IGNORECASE)


def retraction(kind: WriteKind, fields: Mapping[str, Json], why: str) -> dict[str, Json]:
    """What makes a task one that nobody acts on, or a note one that nobody believes; nothing for other kinds."""
    if kind not in ENGAGEMENTS:
        return {}
    changes: dict[str, Json] = {}
    if OBJECT[kind] == TASKS:
        subject = fields.get(SUBJECT)
        changes = {**DONE, SUBJECT: f"{why}: {subject}" if subject else why}
    body = BODY[OBJECT[kind]]
    text = fields.get(body)
    return {**changes, body: f"{why}.\n\n{text}" if text else f"{why}."}


def held(
    ask: Callable[[str, bytes], Reply], name: str, ids: Sequence[str], fields: Sequence[str], types: Mapping[str, str]
) -> dict[str, Mapping[str, Json]]:
    """What these properties of the records hold now, by id: of the type they have there, text without its layout.

    A contact that lost a merge holds what its survivor does; what is archived is absent. Which contact a task or note
    hangs on is no property, and is not looked at.
    """
    wanted = [one for one in fields if one != CONTACT_ID]
    asked = [*wanted, questions.MERGED] if name == CONTACTS else wanted
    found: dict[str, Mapping[str, Json]] = {}
    for piece in questions.pieces(ids, BATCH):
        rows = questions.answers(ask(f"{OBJECTS}/{name}/batch/read", bodies.reads(piece, asked)).json())
        values = {str(row["id"]): {one: _value(name, one, row, types) for one in wanted} for row in rows}
        standing = questions.survivors(rows, piece) if name == CONTACTS else {one: one for one in values}
        found |= {one: values[survivor] for one, survivor in standing.items()}
    return found


def _value(name: str, field: str, row: questions.Row, types: Mapping[str, str]) -> Json:
    value = row["properties"].get(field)
    if field == BODY.get(name) and isinstance(value, str):
        return html.unescape(_LAYOUT.sub("\n", value))
    return typed(value, types.get(field, "string"))
