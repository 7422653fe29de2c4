"""Do the account's properties take what the mappings will write: type, and the options of drop-downs? Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from connector.adapters.hubspot.names import CONTACTS, OBJECT
from connector.adapters.hubspot.readiness import SHIPPED_TYPES, Properties
from connector.adapters.hubspot.writes import as_text
from connector.domain.model.account import Demand, FieldUse, Shape
from connector.ports import Finding

_TEXTS = frozenset({"string", "enumeration", "phone_number"})
_TAKES: Mapping[Shape, frozenset[str]] = MappingProxyType(
    {
        Shape.TEXT: _TEXTS,
        Shape.NUMBER: frozenset({"number", "string"}),
        Shape.DATE: frozenset({"date", "datetime", "string"}),
        Shape.INSTANT: frozenset({"datetime", "string"}),
        Shape.BOOLEAN: frozenset({"bool", "enumeration", "string"}),
    }
)
_WORDS: Mapping[Shape, str] = MappingProxyType(
    {
        Shape.TEXT: "a text",
        Shape.NUMBER: "a number",
        Shape.DATE: "a date",
        Shape.INSTANT: "a date with a time",
        Shape.BOOLEAN: "yes or no",
    }
)


def misfits(demand: Demand, had: Mapping[str, Properties]) -> Iterator[Finding]:
    """Properties that are there and would refuse what is written. What is missing `readiness` says."""
    for use in demand.fields:
        home = OBJECT.get(use.kind, "")
        one = had[home].get(use.name) if home in had else None
        if one is not None and use.name not in SHIPPED_TYPES:
            yield from _property(f"{home}.{use.name}", use, one)
    if CONTACTS in had:
        for read in sorted(demand.reads - had[CONTACTS].keys()):
            yield Finding(
                subject=f"{CONTACTS}.{read}",
                message="the health score reads it, and the account has no such property",
                fix="correct `field` in `health_score.components`",
                blocking=True,
            )


def _property(where: str, use: FieldUse, one: Mapping[str, Any]) -> Iterator[Finding]:
    kind = one.get("type")
    takes = _TAKES.get(use.shape)
    if takes is not None and kind not in takes:
        yield Finding(
            subject=where,
            message=f"`{use.kind.value}` writes {_WORDS[use.shape]}; the property is of type {kind!s:.40}",
            fix="map the value to a property of a fitting type",
            blocking=True,
        )
    elif kind == "enumeration" and not one.get("externalOptions"):
        options = {str(option.get("value")) for option in one.get("options") or []}
        absent = sorted({as_text(value) for value in use.values} - options - {""})
        if absent:
            yield Finding(
                subject=where,
                message=f"the drop-down has no option {', '.join(map(repr, absent))}, so the write is refused",
                fix=f"add it in Settings, Properties, or map one of: {', '.join(sorted(options)[:10])}",
                blocking=True,
            )
