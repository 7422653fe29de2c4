"""Environment variables override the file: `CONNECTOR__MODE=live`, `CONNECTOR__CONNECTIONS__ZENDESK__BASE_URL=…`.

Names are matched without regard to case, `_` also to `-`; items of a list by their number from 0. A value that starts
with `[` or `{` is JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import create_model
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource

from connector.config.document import Document, Mark, Path_
from connector.domain.model.nearest import nearest

PREFIX: Final = "CONNECTOR__"
DELIMITER: Final = "__"


class _Source(EnvSettingsSource):
    """pydantic-settings' reader over a given mapping instead of the process's own environment."""

    def __init__(self, settings: type[BaseSettings], environ: Mapping[str, str]) -> None:
        self._environ = {name.lower(): value for name, value in environ.items()}
        super().__init__(settings, env_prefix=PREFIX.lower(), env_nested_delimiter=DELIMITER, case_sensitive=False)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return dict(self._environ)

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """JSON only where it looks like JSON: a token of digits stays a text. Raises ValueError for torn JSON."""
        return json.loads(value) if isinstance(value, str) and value.lstrip().startswith(("[", "{")) else value


def overrides(document: Document, top_level: Iterable[str], environ: Mapping[str, str]) -> dict[str, Any]:
    """What the environment overrides, as a tree. Unknown names at the top are noted in the document."""
    known = sorted(top_level)
    ours = {name: value for name, value in environ.items() if name.upper().startswith(PREFIX)}
    for name in sorted(ours):
        first = name[len(PREFIX) :].partition(DELIMITER)[0].lower()
        if first not in known:
            document.report(Mark(name, 1, 1), f"there is no setting {first!r}", nearest(first, known))
    fields: dict[str, Any] = dict.fromkeys(known, (dict[str, Any] | list[Any] | str | None, None))
    model = create_model("Overrides", __base__=BaseSettings, **fields)
    found: dict[str, Any] = _Source(model, ours)()
    return found


def override(document: Document, changes: Mapping[str, Any], environ: Mapping[str, str]) -> None:
    """Put `changes` into the document's tree; their places become the variables' names."""
    names = {name.upper(): name for name in environ}
    document.tree = _merged(document, document.tree, changes, (), names)


def _merged(document: Document, tree: Any, change: Any, path: Path_, names: Mapping[str, str]) -> Any:
    if isinstance(change, Mapping) and isinstance(tree, dict):
        merged = dict(tree)
        for name, value in change.items():
            key = next((known for known in tree if _folded(known) == _folded(name)), name)
            merged[key] = _merged(document, tree.get(key), value, (*path, key), names)
        return merged
    if isinstance(change, Mapping) and isinstance(tree, list) and all(name.isdigit() for name in change):
        items = list(tree)
        for name, value in change.items():
            if int(name) < len(items):
                items[int(name)] = _merged(document, items[int(name)], value, (*path, int(name)), names)
        return items
    if isinstance(change, Mapping):
        return {name: _merged(document, None, value, (*path, name), names) for name, value in change.items()}
    variable = PREFIX + DELIMITER.join(str(part) for part in path).upper().replace("-", "_")
    document.keys[path] = document.values[path] = Mark(names.get(variable, variable), 1, 1)
    return change


def _folded(name: str) -> str:
    return name.lower().replace("-", "_")
