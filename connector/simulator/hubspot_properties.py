"""HubSpot's properties as this simulator has them: definitions, what each type accepts, and how it is stored.

Every value is a string on the wire, in both directions. What comes back is not always what was sent: addresses are
lower-cased, numbers lose trailing zeros, instants get milliseconds and a Z.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from connector.simulator.parts import Fields, Refused

KINDS = ("contacts", "tasks", "notes", "communications")
TYPES: Mapping[str, frozenset[str]] = {
    "string": frozenset({"text", "textarea", "phonenumber", "html", "calculation_equation"}),
    "number": frozenset({"number", "calculation_equation"}),
    "date": frozenset({"date"}),
    "datetime": frozenset({"date"}),
    "enumeration": frozenset({"select", "radio", "checkbox", "booleancheckbox"}),
    "bool": frozenset({"booleancheckbox"}),
}
"""What `fieldType` each `type` goes with; a definition that mixes them is refused."""
LONGEST = 65_536
STAGES = ("subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity", "customer", "other")
"""Of a contact's life, in the order in which they follow each other."""
_EMAIL = re.compile(r"[^@\s,;<>]+@[^@\s,;<>.]+(\.[^@\s,;<>.]+)+")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """One property of an object. `options` are the values an enumeration takes."""

    name: str
    type: str = "string"
    field_type: str = "text"
    label: str = ""
    group: str = "csat"
    unique: bool = False
    read_only: bool = False
    required: bool = False
    hubspot: bool = False
    options: tuple[str, ...] = ()

    def describe(self) -> Fields:
        """The definition as the properties API shows it."""
        return {
            "name": self.name,
            "label": self.label or self.name.replace("_", " "),
            "groupName": self.group,
            "type": self.type,
            "fieldType": self.field_type,
            "description": "",
            "options": [
                {"label": value, "value": value, "displayOrder": at, "hidden": False}
                for at, value in enumerate(self.options)
            ],
            "externalOptions": self.name == "hubspot_owner_id",
            "hasUniqueValue": self.unique,
            "hidden": False,
            "hubspotDefined": self.hubspot,
            "calculated": self.field_type == "calculation_equation",
            "archived": False,
            "formField": False,
            "modificationMetadata": {
                "archivable": not self.hubspot,
                "readOnlyDefinition": self.hubspot,
                "readOnlyValue": self.read_only,
            },
        }


def standard(kind: str) -> list[Property]:
    """The properties HubSpot itself defines for one kind of object, as far as anybody here reads or writes them."""
    if kind == "contacts":
        return [*_contact(), *_system("createdate", "lastmodifieddate")]
    return [*_ENGAGEMENTS[kind], *_engagement(), *_system("hs_createdate", "hs_lastmodifieddate")]


def custom(kind: str, *, task_key: bool, bare: bool = False) -> list[Property]:
    """The properties an administrator made for the connector. `task_key`: a unique one on tasks and notes, too."""
    if bare:
        return []
    if kind != "contacts":
        return [Property(name="csat_key", unique=True)] if task_key else []
    return [
        Property(name="csat_person", unique=True),
        *(Property(name=name, type="number", field_type="number") for name in ("csat_health", "csat_trend")),
        Property(name="csat_answers", type="number", field_type="number"),
        Property(name="csat_band"),
        Property(name="csat_reason", field_type="textarea"),
        Property(name="csat_as_of", type="datetime", field_type="date"),
        Property(name="last_service", type="date", field_type="date"),
    ]


def accept(known: Property, value: Any) -> str:
    """The value as it will be stored; empty clears the property. Raises Refused."""
    if not isinstance(value, str):
        shape = type(value).__name__
        raise Refused("not-text", f"Cannot deserialize value of type `java.lang.String` from {shape}", field=known.name)
    if known.read_only:
        raise Refused("read-only", f"{known.name} is a read only property; its value cannot be set", field=known.name)
    text = value.strip()
    if not text:
        return ""
    if len(value) > LONGEST:
        raise Refused("too-long", f"{known.name} is longer than {LONGEST} characters", field=known.name)
    if known.name == "email":
        return _email(text)
    return _READ.get(known.type, _as_given)(known, value)


def instant(text: str) -> datetime:
    """An instant in ISO 8601 with a zone, or in milliseconds since 1970. Raises ValueError."""
    if text.lstrip("-").isdigit():
        return datetime.fromtimestamp(int(text) / 1000, UTC)
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("an instant needs a zone")
    return at.astimezone(UTC)


def stamp(at: datetime) -> str:
    """An instant the way HubSpot writes it, so that text order is time order."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def milliseconds(at: datetime) -> int:
    """Since 1970."""
    return int(at.timestamp() * 1000)


def read_definition(data: Mapping[str, Any], groups: frozenset[str]) -> Property:
    """A new property from a request. Raises Refused."""
    missing = [name for name in ("name", "label", "groupName", "type", "fieldType") if not data.get(name)]
    if missing:
        raise Refused("definition", f"Some required fields were not set: [{', '.join(missing)}]", field=missing[0])
    name, kind, field_type = str(data["name"]), str(data["type"]), str(data["fieldType"])
    if not _NAME.fullmatch(name) or name.startswith("hs_"):
        raise Refused("definition", f"{name} is no name for a property", field="name")
    if field_type not in TYPES.get(kind, frozenset()):
        raise Refused("definition", f"fieldType {field_type} does not go with type {kind}", field="fieldType")
    if data["groupName"] not in groups:
        raise Refused("definition", f"property group {data['groupName']} does not exist", field="groupName")
    unique = data.get("hasUniqueValue", False)
    if unique and kind not in {"string", "number"}:
        raise Refused("definition", f"a property of type {kind} cannot be unique", field="hasUniqueValue")
    options = tuple(str(option["value"]) for option in data.get("options") or ())
    if kind == "enumeration" and not options:
        raise Refused("definition", "an enumeration needs options", field="options")
    return Property(
        name=name,
        label=str(data["label"]),
        group=str(data["groupName"]),
        type=kind,
        field_type=field_type,
        unique=bool(unique),
        options=options,
    )


def _email(text: str) -> str:
    if not _EMAIL.fullmatch(text):
        raise Refused("bad-email", f"Email address {text} is invalid", field="email")
    return text.lower()


def _as_given(_: Property, value: str) -> str:
    return value


def _number(known: Property, value: str) -> str:
    try:
        number = Decimal(value.strip())
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise Refused("bad-number", f"{value} was not a valid number.", field=known.name)
    return f"{number:f}".rstrip("0").rstrip(".") if "." in f"{number:f}" else f"{number:f}"


def _date(known: Property, value: str) -> str:
    try:
        if not value.strip().lstrip("-").isdigit():
            return date.fromisoformat(value.strip()).isoformat()
        at = instant(value.strip())
    except (ValueError, OverflowError, OSError) as error:
        raise Refused("bad-date", f"{value} was not a valid long.", field=known.name) from error
    if at.time() != datetime.min.time():
        raise Refused("bad-date", f"{value} is at {at.time()} UTC, not midnight!", field=known.name)
    return at.date().isoformat()


def _datetime(known: Property, value: str) -> str:
    try:
        return stamp(instant(value.strip()))
    except (ValueError, OverflowError, OSError) as error:
        raise Refused("bad-date", f"{value} was not a valid long.", field=known.name) from error


def _option(known: Property, value: str) -> str:
    chosen = value.split(";") if known.field_type == "checkbox" else [value]
    if any(one not in known.options for one in chosen):
        allowed = ", ".join(known.options)
        raise Refused("bad-option", f"{value} was not one of the allowed options: [{allowed}]", field=known.name)
    return value


def _bool(known: Property, value: str) -> str:
    if value.lower() not in {"true", "false"}:
        raise Refused("bad-option", f"{value} was not one of the allowed options: [true, false]", field=known.name)
    return value.lower()


_READ = {"number": _number, "date": _date, "datetime": _datetime, "enumeration": _option, "bool": _bool}


def _system(created: str, modified: str) -> list[Property]:
    stamps = [_own(name, type="datetime", field_type="date", read_only=True) for name in (created, modified)]
    return [_own("hs_object_id", type="number", field_type="number", read_only=True), *stamps]


def _contact() -> list[Property]:
    statuses = ("NEW", "OPEN", "IN_PROGRESS", "OPEN_DEAL", "UNQUALIFIED", "ATTEMPTED_TO_CONTACT", "CONNECTED")
    return [
        _own("email", unique=True),
        *(_own(name) for name in ("firstname", "lastname", "company", "jobtitle", "city", "zip", "country", "website")),
        *(_own(name, field_type="phonenumber") for name in ("phone", "mobilephone")),
        _own("lifecyclestage", type="enumeration", field_type="radio", options=STAGES),
        _own("hs_lead_status", type="enumeration", field_type="radio", options=statuses),
        _own("hubspot_owner_id", type="enumeration", field_type="select"),
        *(_own(n, read_only=True) for n in ("hs_additional_emails", "hs_merged_object_ids")),
        _own("hs_calculated_merged_vids", read_only=True),
    ]


def _engagement() -> list[Property]:
    return [
        _own("hs_timestamp", type="datetime", field_type="date", required=True),
        _own("hubspot_owner_id", type="enumeration", field_type="select"),
    ]


def _own(name: str, **more: Any) -> Property:
    return Property(name=name, group="contactinformation", hubspot=True, **more)


_ENGAGEMENTS: Mapping[str, list[Property]] = {
    "tasks": [
        _own("hs_task_subject"),
        _own("hs_task_body", field_type="html"),
        _own(
            "hs_task_status",
            type="enumeration",
            field_type="select",
            options=("NOT_STARTED", "IN_PROGRESS", "WAITING", "COMPLETED", "DEFERRED"),
        ),
        _own("hs_task_priority", type="enumeration", field_type="select", options=("NONE", "LOW", "MEDIUM", "HIGH")),
        _own("hs_task_type", type="enumeration", field_type="select", options=("TODO", "CALL", "EMAIL")),
    ],
    "notes": [_own("hs_note_body", field_type="html")],
    "communications": [
        _own("hs_communication_body", field_type="html"),
        _own(
            "hs_communication_channel_type",
            type="enumeration",
            field_type="select",
            options=("SMS", "WHATS_APP", "LINKEDIN_MESSAGE", "CUSTOM_CHANNEL_CONVERSATION"),
        ),
        _own("hs_communication_logged_from", type="enumeration", field_type="select", options=("CRM",)),
    ],
}
