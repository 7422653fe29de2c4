"""The plain shape of an answer: what an in-house system posts, and what a row of a file becomes."""

from __future__ import annotations

import json
from collections.abc import Mapping

from connector.domain.model.intent import Json
from connector.ports import Record, Row
from connector.transport import bodies

ANSWERS, HIDDEN = "answers.", "hidden."


def read_record(payload: bytes) -> Record | None:
    """`{"id", "form", "submitted_at", "answers", "hidden", "metadata"}`; None for an empty object.

    Raises MappingError.
    """
    found = bodies.read_object(payload)
    if not found:
        return None
    return Record(
        id=bodies.text(found, "id"),
        form=bodies.text(found, "form"),
        submitted_at=bodies.instant(found, "submitted_at"),
        answers=bodies.part(found, "answers"),
        hidden=bodies.part(found, "hidden"),
        metadata=bodies.part(found, "metadata"),
    )


def deliver(row: Row) -> bytes:
    """The row in that shape."""
    answers, hidden = split(row.values)
    return dumps(
        {
            "id": row.id,
            "form": row.form,
            "submitted_at": row.submitted_at.isoformat(),
            "answers": answers,
            "hidden": hidden,
        }
    )


def split(values: Mapping[str, Json]) -> tuple[dict[str, Json], dict[str, Json]]:
    """What a mapping sees as `answers` and as `hidden`.

    A column `answers.x` or `hidden.x` is the one or the other, and so is an object of that name; every other column is
    both, since a file does not say which values travelled with the link.
    """
    answers: dict[str, Json] = {}
    hidden: dict[str, Json] = {}
    for name, value in values.items():
        if name in {"answers", "hidden"} and isinstance(value, dict):
            (answers if name == "answers" else hidden).update(value)
        elif name.startswith(ANSWERS):
            answers[name.removeprefix(ANSWERS)] = value
        elif name.startswith(HIDDEN):
            hidden[name.removeprefix(HIDDEN)] = value
        else:
            answers.setdefault(name, value)
            hidden.setdefault(name, value)
    return answers, hidden


def dumps(found: Mapping[str, Json]) -> bytes:
    """The same bytes for the same content, whatever the order of its names."""
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode("utf-8", "surrogatepass")
