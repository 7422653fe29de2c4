"""The custom fields the connector can make, as the Tooling API takes them. Sources: docs/vendors/salesforce.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from connector.adapters.salesforce.names import KEY_FIELD, KEY_LENGTHS, PERSON_FIELD
from connector.domain.model.intent import Json

PERMISSION_SET = "CSAT_Connector"
HOMES: Mapping[str, str] = MappingProxyType({"Contact": "Contact", "Activity": "Task"})
"""Where a custom field is made → the object it is seen on and permissions name it by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One custom field: `home` is the object it is made on, `metadata` what the Tooling API is told."""

    home: str
    words: str
    label: str
    metadata: Mapping[str, Json] = field(default_factory=dict)


def _text(length: int) -> Mapping[str, Json]:
    return {"type": "Text", "length": length}


def _number(precision: int, scale: int) -> Mapping[str, Json]:
    return {"type": "Number", "precision": precision, "scale": scale}


def _key(name: str, home: str, label: str) -> Definition:
    length = KEY_LENGTHS[name]
    unique: Mapping[str, Json] = {"unique": True, "externalId": True, "caseSensitive": False}
    return Definition(
        home=home, words=f"Text({length}), External ID, Unique", label=label, metadata={**_text(length), **unique}
    )


DEFINITIONS: Mapping[str, Definition] = MappingProxyType(
    {
        PERSON_FIELD: _key(PERSON_FIELD, "Contact", "CSAT Person"),
        KEY_FIELD: _key(KEY_FIELD, "Activity", "CSAT Key"),
        "CSAT_Health__c": Definition(home="Contact", words="Number(5,2)", label="CSAT Health", metadata=_number(5, 2)),
        "CSAT_Band__c": Definition(home="Contact", words="Text(40)", label="CSAT Band", metadata=_text(40)),
        "CSAT_Reason__c": Definition(home="Contact", words="Text(255)", label="CSAT Reason", metadata=_text(255)),
        "CSAT_Trend__c": Definition(home="Contact", words="Number(6,2)", label="CSAT Trend", metadata=_number(6, 2)),
        "CSAT_As_Of__c": Definition(
            home="Contact", words="Date/Time", label="CSAT As Of", metadata={"type": "DateTime"}
        ),
        "CSAT_Answers__c": Definition(
            home="Contact", words="Number(8,0)", label="CSAT Answers", metadata=_number(8, 0)
        ),
    }
)
"""By API name."""


def click_path(home: str, name: str, words: str) -> str:
    """How a person makes the field."""
    return f"Setup › Object Manager › {home} › Fields & Relationships › New: {name.removesuffix('__c')}, {words}"
