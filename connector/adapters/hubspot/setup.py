"""Making what the account lacks: custom properties, those of ours with unique values among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

from connector.adapters.hubspot.names import BODY, CONTACTS, ENGAGEMENTS, KEY, OBJECT, PERSON, PROPERTIES
from connector.adapters.hubspot.readiness import Properties, is_key
from connector.domain.model.account import Change, Demand
from connector.domain.model.intent import Json, WriteKind
from connector.errors import Conflict
from connector.transport.client import Api


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A property of ours: HubSpot's `type` and `field_type`, what its form calls them, and its label."""

    label: str
    type: str
    field_type: str
    words: str
    unique: bool = False


def _text(label: str, *, unique: bool = False) -> Definition:
    words = "single-line text" + (", unique values" if unique else "")
    return Definition(label=label, type="string", field_type="text", words=words, unique=unique)


def _number(label: str) -> Definition:
    return Definition(label=label, type="number", field_type="number", words="number")


DEFINITIONS: Mapping[str, Definition] = MappingProxyType(
    {
        PERSON: _text("CSAT person", unique=True),
        KEY: _text("CSAT key", unique=True),
        "csat_health": _number("CSAT health"),
        "csat_trend": _number("CSAT trend"),
        "csat_answers": _number("CSAT answers"),
        "csat_band": _text("CSAT band"),
        "csat_reason": _text("CSAT reason"),
        "csat_as_of": Definition(label="CSAT as of", type="datetime", field_type="date", words="date and time picker"),
    }
)


def changes(demand: Demand, had: Mapping[str, Properties]) -> Iterator[Change]:
    """What is missing, in the order to make it. `had` has the properties of contacts, notes and tasks."""
    for name, home in dict.fromkeys(_needed(demand)):
        one = had[home].get(name)
        known = DEFINITIONS.get(name)
        words = known.words if known else "of a type that takes what the mapping writes"
        by_hand = f"Settings › Properties › {home.capitalize()} › Create property: {name}, {words}"
        if one is None:
            yield Change(
                subject=f"{home}.{name}",
                message=f"custom property, {words}",
                by_hand=by_hand,
                only_by_hand=known is None,
                details={} if known is None else {"home": home, "name": name, "group": _group(home, had[home])},
            )
        elif known is not None and known.unique and not is_key(one):
            yield Change(
                subject=f"{home}.{name}",
                message="its values need not be unique, which cannot be changed",
                by_hand=f"archive it, then {by_hand}",
                only_by_hand=True,
            )


def make(api: Api, change: Change) -> str:
    """Make one property. Raises RemoteError."""
    details = cast("Mapping[str, str]", change.details)
    known = DEFINITIONS[details["name"]]
    body: dict[str, Json] = {
        "name": details["name"],
        "label": known.label,
        "groupName": details["group"],
        "type": known.type,
        "fieldType": known.field_type,
    }
    if known.unique:
        body["hasUniqueValue"] = True
    try:
        api.call("POST", f"{PROPERTIES}/{details['home']}", json=body, write=True)
    except Conflict:
        return "was there already"
    return f"custom property, {known.words}"


def _needed(demand: Demand) -> Iterator[tuple[str, str]]:
    """Every custom property we will use, and the object it is made on."""
    if WriteKind.CONTACT in demand.names:
        yield PERSON, CONTACTS
    for kind in sorted(ENGAGEMENTS & demand.names.keys()):
        yield KEY, OBJECT[kind]
    for use in demand.fields:
        if use.name.startswith("csat_") and use.kind in OBJECT:
            yield use.name, OBJECT[use.kind]


def _group(home: str, properties: Properties) -> str:
    """The group of a property that everybody has: what HubSpot calls it differs between objects."""
    return str(properties["email" if home == CONTACTS else BODY[home]]["groupName"])
