"""docs/config.md, written from the models, so that it cannot drift from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from connector.config.connections import ConnectionKeys
from connector.config.findings import bare
from connector.config.mapping_files import FieldKeys, FieldsFile, SurveyFile
from connector.config.model import Settings
from connector.config.quantities import Listen, Rate, written
from connector.domain.filters import FILTERS
from connector.domain.model.context import plain, rule_names, survey_names
from connector.domain.model.response import Scale
from connector.ports import KindSpec
from connector.secret import Secret

INTRODUCTION = """# Configuration

Written from the models by `connector.config.reference`; a test keeps it true. `config.example.yaml` shows it at work.

One YAML file. Unknown keys are errors. `${NAME}`, `${NAME:-default}` and `${file:/path}` are filled in from the
environment and from files (`$${` is a plain `${`). `CONNECTOR__SECTION__KEY=value` in the environment overrides a key,
for example `CONNECTOR__MODE=live` or `CONNECTOR__CONNECTIONS__ZENDESK__BASE_URL=http://127.0.0.1:9000`; items of a list
go by their number from 0. Durations are `10s`, `5m`, `4h`, `7d`; shares `50%`; rates `200/h`; scales `1-5`. Relative
paths start from the file's folder.
"""
LANGUAGE = """Rules, texts and mappings speak one language: Jinja's, without calls. `and or not`, comparisons, `in`,
`+ - * /`, `~`, `a if b else c`, `is defined`; texts add `{{ … }}`, `{% if %}` and `{% for %}`. In a rule a missing
value makes it not act; in texts and mappings it is false and prints nothing, so `a or b` works. What customers wrote
is a value, never part of an expression."""
NAMED_IN = """Not every name has a value everywhere, and one that never has is refused: `step.*` belongs to a
playbook's steps and to the sections `ticket` and `task`; `ticket.*` to messages, `task` steps and the sections `task`
and `note`; `message.code` to messages of playbooks, `message.reference` and `message.link` to their `follow_up`; the
section `contact_fields` has `score.*`, `contact.id` and what respondents said of themselves. So is a
comparison that can never hold: `sentiment == "negativ"`, or `in themes` with a word that is no theme."""
WORDS: Mapping[Any, str] = {
    date: "date",
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Path: "path",
    Secret: "secret",
    Scale: "scale",
    Rate: "rate",
    Listen: "host:port",
}


def reference(kinds: Mapping[str, KindSpec]) -> str:
    """The whole page. Imports every adapter in `kinds`."""
    parts = [INTRODUCTION, *_section("The file", Settings)]
    parts += _section("connections.*", ConnectionKeys)
    for kind in sorted(kinds):
        parts += _section(f"connections.* of kind {kind}", kinds[kind].options)
    parts += _section("Survey mappings", SurveyFile)
    parts += _section("Field mappings", FieldsFile)
    parts += _section("Each field", FieldKeys)
    parts += _language()
    return "\n".join(parts).rstrip() + "\n"


def _section(title: str, model: type) -> list[str]:
    """A table of one model's keys, then those of the models inside it."""
    assert issubclass(model, BaseModel)
    lines = [f"## {title}", "", *_documented(model), "| key | value | default | |", "|---|---|---|---|"]
    below: list[tuple[str, type[BaseModel]]] = []
    for name, field in model.model_fields.items():
        key = field.alias or name
        lines.append(f"| `{key}` | {_word(field.annotation)} | {_default(field)} | {field.description or ''} |")
        path = key if title[0].isupper() else f"{title}.{key}"
        below += [(path + suffix, inner) for suffix, inner in _models(field.annotation)]
    lines.append("")
    for path, inner in below:
        if inner is not FieldKeys:
            lines += _section(path, inner)
    return lines


def _documented(model: type[BaseModel]) -> list[str]:
    return [" ".join(model.__doc__.split()), ""] if model.__doc__ else []


def _models(annotation: Any, suffix: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """The models inside an annotation, with `.*` for each group and list on the way."""
    inner = bare(annotation)
    if inner in WORDS:
        return
    if isinstance(inner, type) and issubclass(inner, BaseModel):
        yield suffix, inner
    elif get_origin(inner) in {dict, list, tuple}:
        yield from _models([each for each in get_args(inner) if each is not Ellipsis][-1], suffix + ".*")


def _word(annotation: Any) -> str:
    """What may stand there, in a word or a list of words."""
    if get_origin(annotation) is Annotated:
        return _word(get_args(annotation)[0])
    if get_origin(annotation) in {Union, UnionType}:
        return " or ".join(dict.fromkeys(_word(each) for each in get_args(annotation) if each is not NoneType))
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{each}`" for each in get_args(annotation))
    if get_origin(annotation) in {list, tuple, frozenset}:
        return f"list of {_word(get_args(annotation)[0])}"
    if get_origin(annotation) is dict:
        key, value = get_args(annotation)
        return f"{_word(key)} → {_word(value)}"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return ", ".join(f"`{each.value}`" for each in annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation not in WORDS:
        return "keys below"
    return WORDS.get(annotation, "duration")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value in ({}, ()) or (isinstance(value, BaseModel) and not isinstance(value, Listen)):
        return ""
    return f"`{_shown(value)}`"


def _shown(value: Any) -> str:
    if isinstance(value, Listen):
        return f"{value.host}:{value.port}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(_shown(each) for each in value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    return written(value) if hasattr(value, "total_seconds") else str(getattr(value, "value", value))


def _language() -> list[str]:
    def listed(names: tuple[str, ...]) -> str:
        return ", ".join(f"`{name}`" for name in names)

    names = rule_names(["*"], {"place": plain("*"), "staff": plain("*")})
    return [
        "## Expressions",
        "",
        LANGUAGE,
        "",
        f"Filters: {listed(tuple(sorted([*FILTERS, 'default'])))}.",
        "",
        f"Names in rules, texts and field mappings: {listed(names.paths())}.",
        "",
        NAMED_IN,
        "",
        f"Names in survey mappings: {listed(survey_names().paths())}.",
    ]
