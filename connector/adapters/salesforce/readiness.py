"""Is the org ready for us? Compares what the mappings write with what the org's describe says. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from connector.adapters.salesforce.definitions import DEFINITIONS
from connector.adapters.salesforce.names import KEY_FIELD, OBJECTS, PERSON_FIELD, TASKS
from connector.domain.model.intent import WriteKind
from connector.ports import Finding

SETUP = "`connector setup --apply` makes it and opens it to the run-as user"
Fields = Mapping[str, Mapping[str, Any]]


def fields_of(description: Mapping[str, Any]) -> Fields:
    """The fields of an sObject describe, by name."""
    return {field["name"]: field for field in description["fields"]}


def is_key(field: Mapping[str, Any] | None) -> bool:
    """True when the field makes an upsert safe: external id and unique."""
    return bool(field and field.get("externalId") and field.get("unique"))


def findings(wanted: Mapping[WriteKind, frozenset[str]], described: Mapping[str, Fields]) -> Iterator[Finding]:
    """What is missing, kind by kind. `described` has the fields of `Contact` and `Task`."""
    for kind, names in wanted.items():
        for name in sorted(names):
            yield from _field(kind, name, described[OBJECTS[kind]].get(name))
    if WriteKind.CONTACT in wanted:
        yield from _person_key(described["Contact"].get(PERSON_FIELD))
        if "LastName" not in wanted[WriteKind.CONTACT]:
            yield Finding(
                subject="contact",
                message="Salesforce refuses a contact without a last name, and the mapping writes none",
                fix="add LastName with a default to the mapping's `contact` section",
                blocking=True,
            )
    for kind in sorted(TASKS & wanted.keys()):
        if "WhoId" not in wanted[kind]:
            yield Finding(
                subject=kind.value,
                message="the mapping writes no WhoId, so these tasks hang on no contact",
                fix=f"add `WhoId: {{value: contact.id}}` to the mapping's `{kind.value}` section",
                blocking=False,
            )
    if TASKS & wanted.keys():
        yield from _task_key(described["Task"].get(KEY_FIELD))


def _field(kind: WriteKind, name: str, field: Mapping[str, Any] | None) -> Iterator[Finding]:
    where = f"{OBJECTS[kind]}.{name}"
    if field is None:
        yield Finding(
            subject=where,
            message=f"`{kind.value}` writes it; the org has no such field, or the run-as user cannot see it",
            fix=SETUP
            if name in DEFINITIONS
            else "create the field, or give the run-as user's permission set read and edit access to it",
            blocking=True,
        )
    elif not field.get("updateable" if kind is WriteKind.CONTACT_FIELDS else "createable"):
        yield Finding(
            subject=where,
            message=f"`{kind.value}` writes it; the run-as user may only read it",
            fix="give the run-as user's permission set edit access to it",
            blocking=True,
        )


def _person_key(field: Mapping[str, Any] | None) -> Iterator[Finding]:
    if not is_key(field):
        yield Finding(
            subject=f"Contact.{PERSON_FIELD}",
            message="the org lacks this key (External ID, Unique), by which a repeated create finds the first contact",
            fix=f"{SETUP}; by hand: {DEFINITIONS[PERSON_FIELD].words}",
            blocking=True,
        )


def _task_key(field: Mapping[str, Any] | None) -> Iterator[Finding]:
    if not is_key(field):
        yield Finding(
            subject=f"Task.{KEY_FIELD}",
            message="without this key tasks are recognised by a line in their description, which is weaker and slower",
            fix=f"{SETUP}; by hand on Activity: {DEFINITIONS[KEY_FIELD].words}",
            blocking=False,
        )
