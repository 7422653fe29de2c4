"""Which kinds of connection exist. A kind's module is imported when the configuration first names it.

A kind is the name of its module here and of the `kind` in the YAML. The module exports, in plain sight:

- `Options`: a frozen pydantic model that refuses unknown keys;
- `ROLES`: any of source, crm, helpdesk, notifier, messenger, workflow, interactions;
- the class, called with `(name, options, kit)`, whose `kind` is the kind;
- where it writes, `PROMISES` by kind of write, and `KNOWN_FIELDS` and `CUSTOM_FIELD` where fields can be
  checked offline, and `READS_QUOTA` where its replies say what is left of a quota;
- where answers can be fetched, `POLLS_WITH`, the option it takes.

Other people's adapters join through the entry point group `csat_connector.adapters`, in the same `module:Class` form.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from connector.errors import ConfigError, Problem
from connector.ports import KindSpec
from connector.transport.kit import Kit

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "csv": "connector.adapters.csv:Csv",
        "file": "connector.adapters.file:File",
        "hubspot": "connector.adapters.hubspot:HubSpot",
        "salesforce": "connector.adapters.salesforce:Salesforce",
        "slack": "connector.adapters.slack:Slack",
        "smtp": "connector.adapters.smtp:Smtp",
        "sql": "connector.adapters.sql:Sql",
        "typeform": "connector.adapters.typeform:Typeform",
        "webhook": "connector.adapters.webhook:Webhook",
        "workflow": "connector.adapters.workflow:Workflow",
        "zendesk": "connector.adapters.zendesk:Zendesk",
    }
)
GROUP = "csat_connector.adapters"


@dataclass(frozen=True, slots=True)
class Kinds(Mapping[str, KindSpec]):
    """The kinds there are, by name. Looking one up imports its module; listing them imports nothing."""

    places: Mapping[str, str]

    def __getitem__(self, kind: str) -> KindSpec:
        return _spec(kind, self.places[kind])

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)

    def __contains__(self, kind: object) -> bool:
        return kind in self.places


def kinds() -> Kinds:
    """Our own kinds and those of installed packages; an installed one cannot take the name of one of ours."""
    installed = {point.name: point.value for point in entry_points(group=GROUP)}
    return Kinds(MappingProxyType({**installed, **KINDS}))


def build(kind: str, name: str, options: BaseModel, kit: Kit) -> object:
    """The adapter of one connection. `name` is the YAML's; the options were validated by the kind's own model.

    Raises ConfigError when there is no such kind or its package cannot be imported.
    """
    # What else is installed is only read from the disk for a kind that is not ours: it cannot take one of our names.
    place = KINDS.get(kind) or kinds().places.get(kind)
    if place is None:
        raise _unusable(kind, "there is no such kind of connection")
    _, adapter = _load(kind, place)
    return adapter(name, options, kit)


def _spec(kind: str, place: str) -> KindSpec:
    exports, _ = _load(kind, place)
    return KindSpec(
        kind=kind,
        options=exports["Options"],
        roles=frozenset(exports["ROLES"]),
        writes=frozenset(exports.get("PROMISES", ())),
        known_fields=exports.get("KNOWN_FIELDS"),
        custom_field=exports.get("CUSTOM_FIELD"),
        reads_quota=bool(exports.get("READS_QUOTA", False)),
        polls_with=exports.get("POLLS_WITH"),
    )


def _load(kind: str, place: str) -> tuple[dict[str, Any], type]:
    """What the module exports, and the adapter's class. Raises ConfigError."""
    module_name, _, class_name = place.partition(":")
    try:
        exports = vars(import_module(module_name))
    except ImportError as error:
        raise _unusable(kind, f"its adapter cannot be imported ({error.name or module_name} is missing)") from error
    adapter = exports.get(class_name)
    if not isinstance(adapter, type) or getattr(adapter, "kind", None) != kind:
        raise _unusable(kind, f"{place} is not the adapter of this kind")
    return exports, adapter


def _unusable(kind: str, why: str) -> ConfigError:
    return ConfigError([Problem(file="connector", line=1, column=1, message=f"kind {kind!r}: {why}")])
