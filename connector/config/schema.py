"""The configuration as JSON Schema, for editors that complete and check while one types."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from connector.config.connections import ConnectionKeys
from connector.config.inert import shared_keys
from connector.config.model import Settings
from connector.ports import KindSpec

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_REF: Final = "#/$defs/{model}"


def json_schema(kinds: Mapping[str, KindSpec]) -> dict[str, Any]:
    """The schema of the file, each kind of connection with its own options. Imports every adapter in `kinds`."""
    _, shared = models_json_schema([(Settings, "validation"), (ConnectionKeys, "validation")], ref_template=_REF)
    definitions: dict[str, Any] = shared["$defs"]
    settings, common = definitions.pop("Settings"), definitions.pop("ConnectionKeys")
    variants = []
    for name in sorted(kinds):
        variants.append({"$ref": _REF.format(model=f"connection_{name}")})
        definitions |= _connection(name, kinds[name], common)
    settings["properties"]["connections"] = {
        "type": "object",
        "minProperties": 1,
        "description": "The systems to connect, by names of your own.",
        "additionalProperties": {"oneOf": variants},
    }
    settings["required"] = sorted([*settings["required"], "connections"])
    return {"$schema": DIALECT, **settings, "title": "CSAT Connector", "$defs": dict(sorted(definitions.items()))}


def schema_text(kinds: Mapping[str, KindSpec]) -> str:
    """The schema as a file holds it."""
    return json.dumps(json_schema(kinds), indent=2, ensure_ascii=False) + "\n"


def _connection(name: str, spec: KindSpec, common: Mapping[str, Any]) -> dict[str, Any]:
    """The definitions of one kind: its options among the keys every connection takes."""
    # Each adapter calls its model `Options`; the kind keeps them apart.
    own = spec.options.model_json_schema(ref_template="#/$defs/" + name + "_{model}")  # type: ignore[attr-defined]  # a pydantic model
    inner = {f"{name}_{model}": definition for model, definition in own.pop("$defs", {}).items()}
    shared = {key: each for key, each in common["properties"].items() if key in shared_keys(spec)}
    properties = {**shared, **own.get("properties", {}), "kind": {"const": name}}
    connection = {
        "type": "object",
        "description": own.get("description", ""),
        "properties": properties,
        "required": ["kind", *own.get("required", [])],
        "additionalProperties": False,
    }
    return {**inner, f"connection_{name}": connection}
