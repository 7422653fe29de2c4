"""Golden pairs: a delivery as it arrives, and the response the mapping makes of it, kept as YAML beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any

import yaml

from connector.domain.model.response import Response
from connector.errors import ConnectorError

SUFFIX = ".expected.yaml"


def plain(value: object) -> Any:
    """A response as YAML holds it: what is None is left out."""
    if is_dataclass(value):
        value = {each.name: getattr(value, each.name) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, str) else value


def golden_of(sample: Path) -> Path:
    """The file with the response that belongs to a sample."""
    return sample.with_name(sample.name.removesuffix(sample.suffix) + SUFFIX)


def read_golden(sample: Path) -> dict[str, Any] | None:
    """The response that was accepted for a sample; None when there is none yet. Raises ConnectorError."""
    path = golden_of(sample)
    if not path.is_file():
        return None
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        raise ConnectorError(f"{path} is not YAML; `connector mapping accept` writes it anew") from None
    return found if isinstance(found, dict) else {}


def write_golden(sample: Path, mapping: str, response: Response) -> None:
    """Accept what the mapping makes of a sample now."""
    head = f"# What {mapping} makes of {sample.name}, received at {response.received_at.isoformat()}."
    golden_of(sample).write_text(f"{head} What is unknown is left out.\n{as_text(plain(response))}", encoding="utf-8")


def as_text(tree: object) -> str:
    """A response as YAML text."""
    return str(yaml.safe_dump(tree, sort_keys=False, allow_unicode=True))


def differences(expected: object, found: object, place: str = "") -> Iterator[tuple[str, object, object]]:
    """Where two responses differ: the place, what was accepted and what is now; None where there is nothing."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in dict.fromkeys([*expected, *found]):
            yield from differences(expected.get(key), found.get(key), f"{place}.{key}".lstrip("."))
    elif isinstance(expected, list) and isinstance(found, list):
        for number, (one, other) in enumerate(zip_longest(expected, found)):
            yield from differences(one, other, f"{place}[{number}]")
    elif expected != found:
        yield place, expected, found
