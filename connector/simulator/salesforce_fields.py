"""Salesforce's objects as this simulator has them: fields, their types, and what they refuse to store."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from connector.simulator.parts import Fields, Refused

PREFIXES = {"Contact": "003", "Task": "00T", "User": "005", "Account": "001"} | {
    "PermissionSet": "0PS",
    "FieldPermissions": "01k",
    "PermissionSetAssignment": "0Pa",
}
_EMAIL = re.compile(r"[^@\s,;<>]+@[^@\s,;<>.]+(\.[^@\s,;<>.]+)+")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_JSON_NAMES = {str: "VALUE_STRING", bool: "VALUE_TRUE", int: "VALUE_NUMBER_INT", float: "VALUE_NUMBER_FLOAT"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of an object. `length` counts characters; `precision` and `scale` digits, as in Number(5,2)."""

    name: str
    type: str = "string"
    length: int = 255
    precision: int = 18
    scale: int = 0
    required: bool = False
    writable: bool = True
    unique: bool = False
    external_id: bool = False
    filterable: bool = True
    values: tuple[str, ...] = ()
    restricted: bool = False
    to: tuple[str, ...] = ()

    @property
    def indexed(self) -> bool:
        """True where a look-up by value must be quick."""
        return self.external_id or self.unique or self.name in {"Email", "WhoId"}

    def describe(self) -> Fields:
        """The field as `describe` shows it."""
        text = self.type in {"string", "email", "phone", "textarea", "picklist", "combobox", "reference", "id"}
        return {
            "name": self.name,
            "label": self.name.removesuffix("__c").replace("_", " "),
            "type": self.type,
            "custom": self.name.endswith("__c"),
            "length": (18 if self.type in {"id", "reference"} else self.length) if text else 0,
            "precision": self.precision if self.type == "double" else 0,
            "scale": self.scale if self.type == "double" else 0,
            "nillable": not self.required and self.name not in {"Id", "OwnerId", "SystemModstamp"},
            "createable": self.writable,
            "updateable": self.writable,
            "defaultedOnCreate": self.name in {"OwnerId", "Status", "Priority"},
            "unique": self.unique,
            "externalId": self.external_id,
            "idLookup": self.external_id or self.name in {"Id", "Email"},
            "caseSensitive": False,
            "filterable": self.filterable,
            "sortable": self.filterable,
            "restrictedPicklist": self.restricted,
            "picklistValues": [{"value": v, "label": v, "active": True, "defaultValue": False} for v in self.values],
            "referenceTo": list(self.to),
        }


def _system() -> list[Field]:
    stamps = ("CreatedDate", "LastModifiedDate", "SystemModstamp")
    return [
        Field(name="Id", type="id", writable=False),
        Field(name="IsDeleted", type="boolean", writable=False),
        Field(name="OwnerId", type="reference", to=("User",)),
        Field(name="CreatedById", type="reference", to=("User",), writable=False),
        Field(name="LastModifiedById", type="reference", to=("User",), writable=False),
        *(Field(name=name, type="datetime", writable=False) for name in stamps),
    ]


def contact_fields(*, bare: bool) -> list[Field]:
    """A Contact with the custom fields the connector's documentation asks an administrator for, or, bare, without."""
    fields = _contact_fields()
    return [field for field in fields if not field.name.startswith("CSAT_")] if bare else fields


def _contact_fields() -> list[Field]:
    return [
        *_system(),
        Field(name="MasterRecordId", type="reference", to=("Contact",), writable=False),
        Field(name="LastName", length=80, required=True),
        Field(name="FirstName", length=40),
        Field(name="Name", length=121, writable=False),
        Field(name="Email", type="email", length=80),
        Field(name="Phone", type="phone", length=40),
        Field(name="MobilePhone", type="phone", length=40),
        Field(name="Title", length=128),
        Field(name="AccountId", type="reference", to=("Account",)),
        Field(name="MailingPostalCode", length=20),
        Field(name="LeadSource", type="picklist", length=255, values=("Web", "Phone Inquiry", "Other")),
        Field(name="Description", type="textarea", length=32000, filterable=False),
        Field(name="CSAT_Person__c", length=64, unique=True, external_id=True),
        Field(name="CSAT_Health__c", type="double", precision=5, scale=2),
        Field(name="CSAT_Band__c", length=40),
        Field(name="CSAT_Reason__c", length=255),
        Field(name="CSAT_Trend__c", type="double", precision=6, scale=2),
        Field(name="CSAT_As_Of__c", type="datetime"),
        Field(name="CSAT_Answers__c", type="double", precision=8),
        Field(name="Last_Service__c", type="date"),
    ]


def task_fields(*, with_key: bool) -> list[Field]:
    """A Task. `with_key`: the administrator added the external id to Activity; otherwise only a marker can tell."""
    statuses = ("Not Started", "In Progress", "Completed", "Waiting on someone else", "Deferred")
    fields = [
        *_system(),
        Field(name="Subject", type="combobox", length=255),
        Field(name="Description", type="textarea", length=32000, filterable=False),
        Field(name="Status", type="picklist", values=statuses, restricted=True),
        Field(name="Priority", type="picklist", values=("High", "Normal", "Low"), restricted=True),
        Field(name="ActivityDate", type="date"),
        Field(name="WhoId", type="reference", to=("Contact",)),
        Field(name="WhatId", type="reference", to=("Account",)),
        Field(name="IsClosed", type="boolean", writable=False),
        Field(name="AccountId", type="reference", to=("Account",), writable=False),
    ]
    key = Field(name="CSAT_Key__c", length=255, unique=True, external_id=True)
    return [*fields, key] if with_key else fields


def user_fields() -> list[Field]:
    """A User, readable only."""
    return [*(Field(name=name, writable=False) for name in ("Name", "Email", "Username")), *_system()]


def account_fields() -> list[Field]:
    """An Account, readable only."""
    return [Field(name="Name", writable=False), *_system()]


def permission_schemas() -> dict[str, list[Field]]:
    """The fields of the objects that say who may see what."""
    stamps = [Field(name=name, type="datetime", writable=False) for name in ("CreatedDate", "SystemModstamp")]
    who = [Field(name=n, type="reference", to=("User",), writable=False) for n in ("CreatedById", "LastModifiedById")]
    row = [Field(name="Id", type="id", writable=False), Field(name="IsDeleted", type="boolean", writable=False)]
    parent = Field(name="ParentId", type="reference", to=("PermissionSet",), required=True)
    return {
        "PermissionSet": [
            *row,
            *stamps,
            *who,
            Field(name="Name", length=80, required=True),
            Field(name="Label", length=80, required=True),
            Field(name="Description", length=255),
        ],
        "FieldPermissions": [
            *row,
            *stamps,
            parent,
            Field(name="SobjectType", required=True),
            Field(name="Field", required=True),
            Field(name="PermissionsRead", type="boolean"),
            Field(name="PermissionsEdit", type="boolean"),
        ],
        "PermissionSetAssignment": [
            *row,
            *stamps,
            Field(name="AssigneeId", type="reference", to=("User",), required=True),
            Field(name="PermissionSetId", type="reference", to=("PermissionSet",), required=True),
        ],
    }


def stamp(instant: datetime) -> str:
    """An instant the way Salesforce writes it, so that text order is time order."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03d}+0000"


def parse_instant(text: str) -> datetime:
    """An instant in ISO 8601 with a zone. Raises ValueError."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError("an instant needs a zone")
    return instant.astimezone(UTC)


def deserialize(field: Field, value: Any) -> Any:
    """The value as the field's type; what JSON cannot express makes the whole request fail. Raises Refused."""
    if value is None or value == "":
        return None
    kind = field.type
    try:
        if kind == "double" and isinstance(value, (int, float)) and not isinstance(value, bool):
            return value
        if kind == "double" and isinstance(value, str):
            return float(value)
        if kind == "boolean" and isinstance(value, bool):
            return value
        if kind == "datetime" and isinstance(value, str):
            return stamp(parse_instant(value))
        if kind == "date" and isinstance(value, str):
            # The time of day is ignored, the day must exist.
            return date.fromisoformat(value[:10]).isoformat() if _DATE.match(value) else _wrong(field, value)
        if kind not in {"double", "boolean", "datetime", "date"} and isinstance(value, str):
            return value.strip() or None
    except ValueError:
        _wrong(field, value)
    return _wrong(field, value)


def _wrong(field: Field, value: Any) -> Any:
    shape = _JSON_NAMES.get(type(value), "START_OBJECT")
    raise Refused("wrong-type", f"{field.type} from {shape} value {str(value)[:40]}", field=field.name)


def check(field: Field, value: Any) -> Any:
    """What would be stored, or a refusal of this one record. Raises Refused."""
    if not field.writable:
        raise Refused("read-only", field.name, field=field.name)
    if value is None:
        if field.required:
            raise Refused("required", field.name, field=field.name)
        return None
    if field.type == "double":
        return _rounded(field, value)
    if isinstance(value, str) and field.type not in {"datetime", "date", "reference"} and len(value) > field.length:
        raise Refused(
            "too-long",
            f"{field.name}: data value too large: {value[:20]} (max length={field.length})",
            field=field.name,
        )
    if field.type == "email" and not _EMAIL.fullmatch(value):
        raise Refused("bad-email", f"{field.name}: invalid email address: {value}", field=field.name)
    if field.restricted and value not in field.values:
        raise Refused("picklist", f"{field.name}: bad value for restricted picklist field: {value}", field=field.name)
    return value


def _rounded(field: Field, value: float) -> float | int:
    exact = Decimal(str(value)).quantize(Decimal(1).scaleb(-field.scale), rounding=ROUND_HALF_UP)
    if abs(exact) >= Decimal(10) ** (field.precision - field.scale):
        raise Refused(
            "out-of-range",
            f"{field.name}: value outside of valid range on numeric field: {value}",
            field=field.name,
        )
    return float(exact) if field.scale else int(exact)


_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def record_id(object_name: str, number: int) -> str:
    """An 18-character id: prefix, number, and the suffix that makes it safe to compare without case."""
    return long_id(f"{PREFIXES[object_name]}5g{number:010d}")


def long_id(short: str) -> str:
    """The 18-character form of a 15-character id: one letter per five, its bits saying which are capitals."""
    blocks: Iterable[str] = (short[start : start + 5] for start in (0, 5, 10))
    return short + "".join(_DIGITS[sum(1 << i for i, c in enumerate(block) if c.isupper())] for block in blocks)
