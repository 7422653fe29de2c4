"""Environment variables override the file: `CONNECTOR__MODE=live`, `CONNECTOR__CONNECTIONS__ZENDESK__BASE_URL=…`.

Names are matched without regard to case, `_` also to `-`; items of a list by their number from 0. A value that starts
with `[` or `{` is JSON.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from pydantic import create_model
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource

from connector.config.document import Document, Mark, Path_
from connector.domain.model.nearest import nearest

PREFIX: Final = "CONNECTOR__"
DELIMITER: Final = "__"
_NAMED_BY_AUTHOR: Final = frozenset(
    {("connections",), ("surveys",), ("playbooks",), ("calendars",), ("health_score", "components")}
)


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


def overrides(
    document: Document, top_level: Iterable[str], environ: Mapping[str, str], referred: Collection[str] = ()
) -> dict[str, Any]:
    """What the environment overrides, as a tree. Unknown names at the top are noted in the document.

    `referred` are variables the file itself reads: what those are called is its own business.
    """
    known = sorted(top_level)
    ours = {name: value for name, value in environ.items() if name.upper().startswith(PREFIX)}
    for name in sorted(environ):
        rest = name.upper().removeprefix("CONNECTOR_").lower()
        if name.upper() == f"CONNECTOR_{rest.upper()}" and rest in known and name not in referred:
            document.report(Mark(name, 1, 1), "overrides have two underscores", f"{PREFIX}{rest.upper()}")
    for name in sorted(ours):
        first = name[len(PREFIX) :].partition(DELIMITER)[0].lower()
        if first not in known:
            document.report(Mark(name, 1, 1), f"there is no setting {first!r}", nearest(first, known))
    fields: dict[str, Any] = dict.fromkeys(known, (dict[str, Any] | list[Any] | str | None, None))
    model = create_model("Overrides", __base__=BaseSettings, **fields)
    return {name: _opened(value) for name, value in _Source(model, ours)().items()}


def _opened(value: Any) -> Any:
    """JSON below the top level, which pydantic-settings leaves as text. What is no JSON, as a template, is a text."""
    if isinstance(value, dict):
        return {name: _opened(part) for name, part in value.items()}
    if not isinstance(value, str) or not value.lstrip().startswith(("[", "{")):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def override(document: Document, changes: Mapping[str, Any], environ: Mapping[str, str]) -> dict[Path_, str]:
    """Put `changes` into the document's tree; their places become the variables' names, which are returned."""
    merging = _Merging(document, {name.upper(): name for name in environ})
    document.tree = merging.merged(document.tree, changes, ())
    return merging.variables


class _Merging:
    """One merge of the environment's tree into the document's."""

    def __init__(self, document: Document, names: Mapping[str, str]) -> None:
        self._document = document
        self._names = names
        self.variables: dict[Path_, str] = {}

    def merged(self, tree: Any, change: Any, path: Path_) -> Any:
        """`tree`, the document's part at `path`, with `change`."""
        if isinstance(change, Mapping) and isinstance(tree, dict):
            merged = dict(tree)
            for name, value in change.items():
                key = next((known for known in tree if _folded(known) == _folded(name)), name)
                if key in tree or not self._is_unknown_name(tree, (*path, key), value):
                    merged[key] = self.merged(tree.get(key), value, (*path, key))
            return merged
        if isinstance(change, Mapping) and isinstance(tree, list) and all(name.isdigit() for name in change):
            items = list(tree)
            for name, value in change.items():
                if int(name) < len(items):
                    items[int(name)] = self.merged(items[int(name)], value, (*path, int(name)))
                else:
                    count = f"the file lists {len(items)} here, counted from 0"
                    self._document.report(self._mark((*path, name), value), f"there is no item {name}: {count}")
            return items
        mark = self._mark(path, change)
        self._document.keys[path] = mark
        if isinstance(change, Mapping):
            return {name: self.merged(None, value, (*path, name)) for name, value in change.items()}
        self._document.values[path] = mark
        self.variables[path] = mark.file
        return change

    def _is_unknown_name(self, tree: Mapping[str, Any], path: Path_, value: Any) -> bool:
        """Whether a variable names an entry the file does not have, of a group whose names are its author's own.

        A whole entry, as JSON, may be added; half of one is a slip of the pen.
        """
        if path[:-1] not in _NAMED_BY_AUTHOR:
            return False
        mark = self._mark(path, value)
        whole = isinstance(value, Mapping) and mark.file.upper() == _variable(path)
        if not whole:
            words = f"there is no {path[-1]!r} in {'.'.join(str(part) for part in path[:-1])}"
            self._document.report(mark, words, nearest(str(path[-1]), tree))
        return not whole

    def _mark(self, path: Path_, change: Any) -> Mark:
        """The variable that `change` at `path` comes from: of a group the first of its parts."""
        part, inner = path, change
        while _variable(part) not in self._names and isinstance(inner, Mapping) and inner:
            name, inner = next(iter(inner.items()))
            part = (*part, name)
        ends = (part[:length] for length in range(len(part), 0, -1))  # a value inside JSON has no name of its own
        found = next((each for each in map(_variable, ends) if each in self._names), None)
        return Mark(_variable(path) if found is None else self._names[found], 1, 1)


def _variable(path: Path_) -> str:
    return PREFIX + DELIMITER.join(str(part) for part in path).upper().replace("-", "_")


def _folded(name: str) -> str:
    return name.lower().replace("-", "_")
