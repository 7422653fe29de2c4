"""Do the org's fields take what the mappings will write: type, length, digits, picklist values? Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from connector.adapters.salesforce.names import OBJECTS
from connector.adapters.salesforce.readiness import Fields
from connector.domain.model.account import Demand, FieldUse, Shape
from connector.ports import Finding

_NUMBERS = frozenset({"double", "currency", "percent", "int"})
_TEXTS = frozenset(
    {"string", "textarea", "picklist", "multipicklist", "combobox", "email", "phone", "url", "encryptedstring"}
)
_TAKES: Mapping[Shape, frozenset[str]] = MappingProxyType(
    {
        Shape.TEXT: _TEXTS | {"id", "reference"},
        Shape.NUMBER: _NUMBERS,
        Shape.DATE: frozenset({"date"}) | _TEXTS,
        Shape.INSTANT: frozenset({"datetime"}) | _TEXTS,
        Shape.BOOLEAN: frozenset({"boolean"}),
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


def misfits(demand: Demand, described: Mapping[str, Fields]) -> Iterator[Finding]:
    """Fields that are there and would refuse what is written. What is missing `readiness` says."""
    for use in demand.fields:
        name = OBJECTS.get(use.kind)
        field = described[name].get(use.name) if name else None
        if field is not None:
            yield from _field(f"{name}.{use.name}", use, field)
    for read in sorted(demand.reads - described["Contact"].keys()):
        yield Finding(
            subject=f"Contact.{read}",
            message="the health score reads it; the org has no such field, or the run-as user cannot see it",
            fix="correct `field` in `health_score.components`, or give the run-as user read access to it",
            blocking=True,
        )


def _field(where: str, use: FieldUse, field: Mapping[str, Any]) -> Iterator[Finding]:
    kind = field.get("type")
    takes = _TAKES.get(use.shape)
    if takes is not None and kind not in takes:
        yield Finding(
            subject=where,
            message=f"`{use.kind.value}` writes {_WORDS[use.shape]}; the field is of type {kind}",
            fix="map it to a field of a fitting type, or change the field's type in Object Manager",
            blocking=True,
        )
        return
    yield from _too_long(where, use, field)
    yield from _too_large(where, use, field)
    yield from _not_in_list(where, use, field)


def _too_long(where: str, use: FieldUse, field: Mapping[str, Any]) -> Iterator[Finding]:
    length = field.get("length") or 0
    longest = max([use.longest or 0, *(len(each) for each in use.values if isinstance(each, str))])
    if field.get("type") in _TEXTS and 0 < length < longest:
        yield Finding(
            subject=where,
            message=f"`{use.kind.value}` writes up to {longest} characters; the field takes {length}",
            fix=f"make it {longest} characters long in Object Manager",
            blocking=True,
        )


def _too_large(where: str, use: FieldUse, field: Mapping[str, Any]) -> Iterator[Finding]:
    digits = (field.get("precision") or 18) - (field.get("scale") or 0)
    if field.get("type") == "double" and use.largest is not None and use.largest >= 10**digits:
        yield Finding(
            subject=where,
            message=f"`{use.kind.value}` writes up to {use.largest:g}; the field has {digits} digits before the point",
            fix="give it one more digit in Object Manager",
            blocking=True,
        )


def _not_in_list(where: str, use: FieldUse, field: Mapping[str, Any]) -> Iterator[Finding]:
    if not field.get("restrictedPicklist"):
        return
    known = {each.get("value") for each in field.get("picklistValues") or [] if each.get("active", True)}
    for value in use.values:
        if isinstance(value, str) and value not in known:
            yield Finding(
                subject=where,
                message=f"`{use.kind.value}` writes {value!r}, which is no active value of the picklist",
                fix=f"write one of its values in the mapping: {', '.join(sorted(map(str, known))[:5])}",
                blocking=True,
            )
