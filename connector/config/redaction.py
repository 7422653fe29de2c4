"""A configuration that can be shown."""

from __future__ import annotations

import re
from typing import Any, Final

from pydantic import BaseModel

from connector.config.connections import Connection
from connector.config.model import Config
from connector.secret import HIDDEN

_USER_INFO: Final = re.compile(r"(?<=://)[^/@\s]+(?=@)")  # postgresql://user:password@host


def redacted(config: Config) -> dict[str, Any]:
    """The configuration in the file's own words, with every secret and every password in a URL as `…`."""
    shown = config.model_dump(mode="json", by_alias=True, exclude={"connections"}, exclude_none=True)
    shown["connections"] = {name: _connection(each) for name, each in config.connections.items()}
    hidden: dict[str, Any] = _hide(shown)
    return hidden


def _connection(connection: Connection) -> dict[str, Any]:
    common = connection.model_dump(
        mode="json", by_alias=True, exclude={"name", "roles", "options"}, exclude_none=True, warnings=False
    )
    options: BaseModel = connection.options
    return common | options.model_dump(mode="json", by_alias=True, exclude_none=True)


def _hide(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _hide(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_hide(item) for item in value]
    return _USER_INFO.sub(HIDDEN, value) if isinstance(value, str) else value
