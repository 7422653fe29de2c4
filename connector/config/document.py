"""A YAML file as plain values, with the place of every key and value.

YAML 1.2's rules for plain scalars: only `true` and `false` are booleans, so `no` is Norwegian and `on` is a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from connector.errors import ConfigError, Problem

Path_ = tuple[str | int, ...]

MOST_NODES: Final = 50_000  # no honest configuration comes near; aliases that multiply do
DEEPEST: Final = 50
_SCALARS: Final = (
    ("tag:yaml.org,2002:bool", re.compile(r"true|True|TRUE|false|False|FALSE"), list("tTfF")),
    ("tag:yaml.org,2002:null", re.compile(r"~|null|Null|NULL|"), ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:int", re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})"), list("-+0123456789")),
    (
        "tag:yaml.org,2002:float",
        re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"),
        list("-+.0123456789"),
    ),
)


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a file; lines and columns count from 1. `block`: the text begins on the next line (`|`, `>`)."""

    file: str
    line: int
    column: int
    block: bool = False


@dataclass(slots=True)
class Document:
    """A parsed file. `keys` and `values` give the place of the key, and of the value, at each path."""

    file: str
    tree: Any = None
    keys: dict[Path_, Mark] = field(default_factory=dict)
    values: dict[Path_, Mark] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def place(self, path: Path_) -> Mark:
        """Where to point for `path`: its value when it begins on the key's line, else its key, else its parent's."""
        key, value = self.keys.get(path), self.values.get(path)
        if key is not None:
            return value if value is not None and value.line == key.line and value.file == key.file else key
        if value is not None:
            return value
        return self.place(path[:-1]) if path else Mark(self.file, 1, 1)

    def key_place(self, path: Path_) -> Mark:
        """The key itself, where there is one."""
        return self.keys.get(path) or self.place(path)

    def text_line(self, path: Path_, line: int) -> Mark:
        """The place of the `line`-th line (from 1) of the text at `path`."""
        mark = self.values.get(path) or self.place(path)
        if line == 1 and not mark.block:
            return mark
        return Mark(mark.file, mark.line + line - (0 if mark.block else 1), 1)

    def report(self, mark: Mark, message: str, suggestion: str | None = None) -> None:
        """Note one mistake."""
        self.problems.append(
            Problem(file=mark.file, line=mark.line, column=mark.column, message=message, suggestion=suggestion)
        )


# libyaml's parser is ten times as fast; where PyYAML was built without it, its own does.
_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_SafeLoader):  # type: ignore[misc]  # either of two classes with one interface
    """A safe loader whose plain scalars follow YAML 1.2."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  # as the parent declares


for _tag, _pattern, _first in _SCALARS:
    _Loader.add_implicit_resolver(_tag, re.compile(rf"(?:{_pattern.pattern})\Z"), _first)


def read(path: Path, shown: str) -> Document:
    """Parse the file at `path`, called `shown` in problems. Raises ConfigError when it is no YAML at all."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise _unreadable(shown, 1, 1, f"cannot be read: {reason}") from None
    document = Document(shown)
    try:
        node = _Loader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise _unreadable(shown, line, column, f"is no YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, RecursionError):
        raise _unreadable(
            shown, 1, 1, "is no YAML: it holds a character YAML does not allow, or nests too deeply"
        ) from None
    if node is not None:
        document.tree = _Reader(document).value(node, ())
    return document


def _unreadable(file: str, line: int, column: int, message: str) -> ConfigError:
    return ConfigError([Problem(file=file, line=line, column=column, message=message)])


class _Reader:
    """Turns nodes into values and notes their places."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._scalars = yaml.constructor.SafeConstructor()
        self._left = MOST_NODES

    def value(self, node: yaml.Node, path: Path_) -> Any:
        """The value of `node`. Raises ConfigError when the file is out of all proportion."""
        mark = self._mark(node)
        self._left -= 1
        if self._left < 0 or len(path) > DEEPEST:
            raise _unreadable(mark.file, mark.line, mark.column, "the file is too large or nests too deeply")
        self._document.values[path] = mark
        if isinstance(node, yaml.MappingNode):
            return dict(self._entries(node, path))
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, number)) for number, item in enumerate(node.value)]
        return self._scalar(node, mark)

    def _scalar(self, node: yaml.Node, mark: Mark) -> Any:
        if node.tag not in {tag for tag, _, _ in _SCALARS}:
            if node.tag != "tag:yaml.org,2002:str":
                self._document.report(mark, f"the tag {node.tag!r} is not used here")
            return node.value
        return self._scalars.construct_object(node)

    def _entries(self, node: yaml.MappingNode, path: Path_) -> Iterator[tuple[str, Any]]:
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            mark = self._mark(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self._document.report(mark, "a key is a plain word")
                continue
            key = str(key_node.value)
            if key in seen:
                self._document.report(mark, f"{key!r} is written twice, first in line {seen[key]}")
                continue
            seen[key] = mark.line
            self._document.keys[*path, key] = mark
            yield key, self.value(value_node, (*path, key))

    def _mark(self, node: yaml.Node) -> Mark:
        start = node.start_mark
        block = isinstance(node, yaml.ScalarNode) and node.style in {"|", ">"}
        return Mark(self._document.file, start.line + 1, start.column + 1, block)
