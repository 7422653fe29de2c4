"""What pydantic and our own checks found, in words for the person who edits the file. No value is ever repeated."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from connector.config.document import Document, Path_
from connector.config.part import Misspelt
from connector.domain.model.nearest import nearest

_WORDS: Final[Mapping[str, str]] = {
    "model_type": "expected a group of keys",
    "model_attributes_type": "expected a group of keys",
    "dict_type": "expected a group of keys",
    "tuple_type": "expected a list",
    "list_type": "expected a list",
    "string_type": "expected a text",
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "float_type": "expected a number",
    "float_parsing": "expected a number",
    "int_type": "expected a whole number",
    "int_parsing": "expected a whole number",
    "too_short": "expected at least one entry",
}


class Findings:
    """Mistakes in one document. An unknown key that is probably a missing one counts once."""

    def __init__(self, document: Document, silent: Iterable[Path_] = ()) -> None:
        self._document = document
        self._silent = frozenset(silent)
        self._missing: dict[Path_, None] = {}
        self._meant: set[Path_] = set()

    def add(self, path: Path_, message: str, suggestion: str | None = None, *, line: int | None = None) -> None:
        """Something is wrong with the value at `path`; `line` counts within it, from 1."""
        if path not in self._silent:
            mark = self._document.place(path) if line is None else self._document.text_line(path, line)
            self._document.report(mark, message, suggestion)

    def unknown(self, path: Path_, what: str, known: Iterable[str]) -> None:
        """The key at `path` does not exist. What its neighbours are called already was not meant."""
        name, mark = str(path[-1]), self._document.key_place(path)
        if mark.file != self._document.file:  # a variable, which may well have meant what the file has
            self._document.report(mark, f"there is no {what} {name!r}", nearest(name, known))
            return
        taken = {place[-1] for place in self._document.keys if place[:-1] == path[:-1]}
        suggestion = nearest(name, [each for each in known if each not in taken])
        if suggestion is not None:
            self._meant.add((*path[:-1], suggestion))
        self._document.report(mark, f"there is no {what} {name!r}", suggestion)

    def was_meant(self, path: Path_) -> bool:
        """Whether the key at `path` is there under a misspelt name."""
        return path in self._meant

    def missing(self, path: Path_) -> None:
        """The key at `path` is needed."""
        self._missing[path] = None

    def close(self) -> None:
        """Report the missing keys that are not there under a misspelt name."""
        for path in self._missing:
            if path not in self._meant:
                self._document.report(self._document.place(path[:-1]), f"{path[-1]!r} is missing")

    def validation(
        self, errors: Iterable[ErrorDetails], model: type[BaseModel], root: Path_ = (), also: Iterable[str] = ()
    ) -> None:
        """Take over pydantic's errors about `model` at `root`; `also` are keys valid there besides the model's."""
        found = list(errors)
        for error in found:
            # pydantic counts only sound entries: a list with one broken entry is "too short" for it, not for a person.
            place = error["loc"]
            inside = any(each["loc"][: len(place)] == place and each["loc"] != place for each in found)
            if error["type"] != "too_short" or not inside:
                self._one(error, model, root, tuple(also))

    def _one(self, error: ErrorDetails, model: type[BaseModel], root: Path_, also: Sequence[str]) -> None:
        place: Path_ = error["loc"]
        kind, context = error["type"], error.get("ctx", {})
        if kind == "extra_forbidden":
            known = [*keys_of(_model_at(model, place[:-1])), *(also if len(place) == 1 else ())]
            self.unknown((*root, *place), "key", known)
        elif kind == "missing":
            self.missing((*root, *place))
        elif place and place[-1] == "[key]":
            self.unknown((*root, *place[:-1]), "key", _expected(context))
        elif kind in {"literal_error", "enum"}:
            choices = _expected(context) or [str(context.get("expected"))]
            given = error["input"]
            suggestion = nearest(given, choices) if isinstance(given, str) else None
            self.add((*root, *place), f"expected one of {', '.join(choices)}", suggestion)
        elif kind == "value_error":
            said = context["error"]
            self.add((*root, *place), str(said), said.suggestion if isinstance(said, Misspelt) else None)
        elif kind == "string_pattern_mismatch":
            self.add((*root, *place), f"does not look like {context['pattern']}")
        else:
            self.add((*root, *place), _WORDS.get(kind) or error["msg"].replace("Input should be", "expected", 1))


def _expected(context: Mapping[str, Any]) -> list[str]:
    return re.findall(r"'([^']*)'", str(context.get("expected", "")))


def keys_of(model: type[BaseModel] | None) -> list[str]:
    """The keys a model takes, as written in the file; none without a model."""
    return [] if model is None else [field.alias or name for name, field in model.model_fields.items()]


def _model_at(model: type[BaseModel], place: Sequence[str | int]) -> type[BaseModel] | None:
    """The model that stands at `place` below `model`."""
    current: Any = model
    for part in place:
        if isinstance(current, type) and issubclass(current, BaseModel):
            fields = {field.alias or name: field.annotation for name, field in current.model_fields.items()}
            current = bare(fields.get(str(part)))
        else:
            current = bare(next(reversed([each for each in get_args(current) if each is not Ellipsis]), None))
    return current if isinstance(current, type) and issubclass(current, BaseModel) else None


def bare(annotation: Any) -> Any:
    """An annotation without `Annotated` and `| None`."""
    if get_origin(annotation) is Annotated:
        return bare(get_args(annotation)[0])
    if get_origin(annotation) in {Union, UnionType}:
        return bare(next(each for each in get_args(annotation) if each is not NoneType))
    return annotation


def matches(tree: Any, pattern: Sequence[str], path: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    """Every place of `tree` that `pattern` describes, with its value; `*` is any key or item."""
    if not pattern:
        yield path, tree
        return
    first, rest = pattern[0], pattern[1:]
    if isinstance(tree, dict):
        for key in tree if first == "*" else [first] if first in tree else []:
            yield from matches(tree[key], rest, (*path, key))
    elif isinstance(tree, list) and first == "*":
        for number, item in enumerate(tree):
            yield from matches(item, rest, (*path, number))
