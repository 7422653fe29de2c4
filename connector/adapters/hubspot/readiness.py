"""Is the account ready for us? Compares what the mappings write with the properties it has. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from connector.adapters.hubspot.names import CONTACT_ID, CONTACTS, ENGAGEMENTS, KEY, OBJECT, PERSON
from connector.adapters.hubspot.replies import rows_of
from connector.domain.model.intent import Json, WriteKind
from connector.ports import Finding

SETUP = "`connector setup --apply` makes it"
Properties = Mapping[str, Mapping[str, Any]]

SHIPPED_TYPES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "csat_health": frozenset({"number"}),
        "csat_trend": frozenset({"number"}),
        "csat_answers": frozenset({"number"}),
        "csat_as_of": frozenset({"datetime"}),
        "csat_reason": frozenset({"string"}),
        "csat_band": frozenset({"string", "enumeration"}),
    }
)
"""What the properties of the shipped mapping have to be."""
_SAID: Mapping[str, str] = MappingProxyType(
    {"number": "number", "datetime": "date and time picker", "string": "single-line text", "enumeration": "drop-down"}
)


def properties_of(body: Json) -> Properties:
    """The properties of a reply, by name."""
    return {row["name"]: row for row in rows_of(body)}


def is_key(one: Mapping[str, Any] | None) -> bool:
    """True when the property makes a second record with the same value impossible."""
    return bool(one and one.get("hasUniqueValue") is True and not one.get("archived"))


def findings(wanted: Mapping[WriteKind, frozenset[str]], had: Mapping[str, Properties]) -> Iterator[Finding]:
    """What is missing, kind by kind. `had` has the properties of contacts, notes and tasks."""
    for kind, names in wanted.items():
        for name in sorted(names - ({CONTACT_ID} if kind in ENGAGEMENTS else set())):
            yield from _property(kind, name, had[OBJECT[kind]].get(name))
    if WriteKind.CONTACT in wanted and not is_key(had[CONTACTS].get(PERSON)):
        yield _key(CONTACTS, PERSON, "contacts are created under this key, so that a repeat finds the first", True)
    for kind in sorted(ENGAGEMENTS & wanted.keys()):
        if CONTACT_ID not in wanted[kind]:
            yield Finding(
                subject=kind.value,
                message=f"the mapping writes no {CONTACT_ID}, so these {OBJECT[kind]} hang on no contact",
                fix=f"add `{CONTACT_ID}: {{value: contact.id}}` to the mapping's `{kind.value}` section",
                blocking=False,
            )
        if not is_key(had[OBJECT[kind]].get(KEY)):
            weaker = f"without this key {OBJECT[kind]} are known by a line in their text, which is weaker and slower"
            yield _key(OBJECT[kind], KEY, weaker, False)


def lacking(object_type: str, scopes: str) -> Finding:
    """The credentials may not even read what an object's properties are."""
    return Finding(
        subject=f"scopes for {object_type}",
        message=scopes,
        fix="give the service key or app the missing scopes, and connect again with what it then shows",
        blocking=True,
    )


def _property(kind: WriteKind, name: str, one: Mapping[str, Any] | None) -> Iterator[Finding]:
    where = f"{OBJECT[kind]}.{name}"
    if one is None or one.get("archived"):
        yield Finding(
            subject=where,
            message=f"`{kind.value}` writes it, and the account has no such property",
            fix=(SETUP if name in SHIPPED_TYPES else "create it in Settings, Properties")
            + f"{_as_what(name)}, or correct the name in the mapping",
            blocking=True,
        )
        return
    if (one.get("modificationMetadata") or {}).get("readOnlyValue") or one.get("calculated"):
        yield Finding(
            subject=where,
            message=f"`{kind.value}` writes it, and HubSpot lets nobody do so",
            fix="map the value to another property",
            blocking=True,
        )
        return
    types = SHIPPED_TYPES.get(name)
    if types is not None and one.get("type") not in types:
        yield Finding(
            subject=where,
            message=f"it is of type {one.get('type')!s:.40}, and what is written to it would be refused or altered",
            fix=f"create it anew{_as_what(name)}",
            blocking=True,
        )
    elif one.get("type") == "enumeration" and not one.get("options") and not one.get("externalOptions"):
        yield Finding(
            subject=where,
            message="it is a drop-down without options, so every value is refused",
            fix="give it an option for each value the mapping writes, or make it single-line text",
            blocking=True,
        )


def _as_what(name: str) -> str:
    types = SHIPPED_TYPES.get(name, frozenset())
    return f" as {' or '.join(_SAID[one] for one in sorted(types, reverse=True))}" if types else ""


def _key(object_type: str, name: str, why: str, blocking: bool) -> Finding:  # noqa: FBT001  # named in the dataclass
    return Finding(
        subject=f"{object_type}.{name}",
        message=why,
        fix=f"{SETUP}; by hand: single-line text, with the rule that values are unique (it cannot be added later)",
        blocking=blocking,
    )
