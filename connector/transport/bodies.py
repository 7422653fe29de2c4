"""JSON that came from outside, read strictly: what passes here can be stored and compared anywhere."""

from __future__ import annotations

import json
from datetime import datetime
from typing import NoReturn

from connector.domain.model.intent import Json
from connector.errors import MappingError


def read_object(payload: bytes) -> dict[str, Json]:
    """The JSON object in `payload`. Raises MappingError when it is anything else.

    NaN and Infinity are no JSON. Lone surrogates become U+FFFD and NUL characters vanish: neither can be stored.
    """
    try:
        found = json.loads(payload, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise MappingError("is not JSON", field="body") from None
    if not isinstance(found, dict):
        raise MappingError("is not a JSON object", field="body")
    cleaned = _clean(found)
    assert isinstance(cleaned, dict)
    return cleaned


def part(parent: dict[str, Json], name: str, path: str = "") -> dict[str, Json]:
    """The object under `name`, empty when absent or null. Raises MappingError when it is something else."""
    found = parent.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise MappingError("is not an object", field=f"{path}{name}")
    return found


def text(parent: dict[str, Json], name: str, path: str = "") -> str:
    """The text or whole number under `name`, as text. Raises MappingError when absent, blank or something else."""
    found = parent.get(name)
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    if not isinstance(found, str) or not found.strip():
        raise MappingError("is missing or not a text", field=f"{path}{name}")
    return found.strip()


def instant(parent: dict[str, Json], name: str, path: str = "") -> datetime:
    """The ISO 8601 instant with zone under `name`. Raises MappingError."""
    try:
        found = datetime.fromisoformat(text(parent, name, path))
    except ValueError:
        raise MappingError("is not an ISO 8601 time", field=f"{path}{name}") from None
    if found.tzinfo is None:
        raise MappingError("has no time zone", field=f"{path}{name}")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _clean(value: Json) -> Json:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace").replace("\0", "")
    if isinstance(value, list):
        return [_clean(entry) for entry in value]
    if isinstance(value, dict):
        return {str(_clean(name)): _clean(entry) for name, entry in value.items()}
    return value
