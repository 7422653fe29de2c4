"""A published API description, and what does not fit it: OpenAPI 3.0 as Zendesk writes it, Swagger 2 as Slack does.

Stricter than the descriptions, which allow whatever they do not mention: a name they do not know is a problem, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from jsonschema.protocols import Validator
from openapi_schema_validator import OAS30ReadValidator, OAS30WriteValidator
from referencing import Registry
from referencing.jsonschema import DRAFT4

Json = Any
_JSON = "application/json"
_COMBINED = ("allOf", "anyOf", "oneOf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and its reply. `body` and `reply` are parsed JSON or form fields, None where there is none."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Json
    status: int
    reply: Json


@dataclass(slots=True)
class Description:
    """One vendor's description.

    `unspoken` are parameters that carry the token, which travels in a header instead.
    """

    document: Mapping[str, Any]
    unspoken: frozenset[str] = frozenset()
    _registry: Registry[Any] = field(init=False)

    def __post_init__(self) -> None:
        resource = DRAFT4.create_resource(dict(self.document))
        self._registry = Registry().with_resource("urn:description", resource)

    @classmethod
    def read(cls, folder: Path, unspoken: frozenset[str] = frozenset()) -> Description:
        """The one JSON file in `folder`."""
        (file,) = sorted(folder.glob("*.json"))
        return cls(json.loads(file.read_text(encoding="utf-8")), unspoken)

    def problems(self, exchange: Exchange) -> Iterator[str]:
        """What of an exchange does not fit, each in one line that names no value."""
        found = self._operation(exchange.method, exchange.path)
        if found is None:
            yield f"{exchange.method} {_anonymous(exchange.path)}: not described"
            return
        template, operation, parameters = found
        where = f"{exchange.method} {template}"
        for problem in self._query(exchange, parameters):
            yield f"{where}: query {problem}"
        if exchange.body is not None:
            for problem in self._body(exchange.body, operation, parameters):
                yield f"{where}: body {problem}"
        for problem in self._reply(exchange, operation):
            yield f"{where}: {exchange.status} {problem}"

    def _operation(self, method: str, path: str) -> tuple[str, Json, list[Json]] | None:
        tidy = path.removeprefix(str(self.document.get("basePath", "")))
        known: Mapping[str, Json] = self.document["paths"]
        fitting = [each for each in known if _fits(each, tidy) and method.lower() in known[each]]
        if not fitting:
            return None
        template = min(fitting, key=lambda each: each.count("{"))
        item = known[template]
        operation = item[method.lower()]
        declared = [*item.get("parameters", ()), *operation.get("parameters", ())]
        return template, operation, [self._resolved(each) for each in declared]

    def _query(self, exchange: Exchange, parameters: list[Json]) -> Iterator[str]:
        declared = {each["name"]: each for each in parameters if each["in"] == "query"}
        for name, text in exchange.query.items():
            if name not in declared:
                yield f"{name} is not described"
                continue
            schema = declared[name].get("schema") or {key: declared[name][key] for key in ("type",)}
            for error in self._errors(_typed(text, self._resolved(schema)), schema, OAS30WriteValidator):
                yield f"{name}{error}"
        for name, each in declared.items():
            if each.get("required") and name not in exchange.query and name not in self.unspoken:
                yield f"{name} is missing"

    def _body(self, body: Json, operation: Json, parameters: list[Json]) -> Iterator[str]:
        form = {each["name"]: each for each in parameters if each["in"] == "formData"}
        if form:
            yield from self._form(body, form)
            return
        schema = operation.get("requestBody", {}).get("content", {}).get(_JSON, {}).get("schema")
        if schema is None:
            yield "is not described"
            return
        yield from self._against(body, schema, OAS30WriteValidator)

    def _form(self, body: Json, form: Mapping[str, Json]) -> Iterator[str]:
        """Form fields, of which a JSON body may carry the values as what they are."""
        for name, value in body.items():
            if name not in form:
                yield f".{name} is not described"
                continue
            kinds = {"string": (str,), "boolean": (bool,), "integer": (int,), "number": (int, float)}
            if not isinstance(value, kinds[form[name]["type"]]):
                yield f".{name} is no {form[name]['type']}"
        for name, each in form.items():
            if each.get("required") and name not in body and name not in self.unspoken:
                yield f".{name} is missing"

    def _reply(self, exchange: Exchange, operation: Json) -> Iterator[str]:
        responses = operation["responses"]
        refused = isinstance(exchange.reply, dict) and exchange.reply.get("ok") is False
        response = responses.get("default" if refused else str(exchange.status))
        if response is None:
            # Refusals are described for few operations; what is answered 2xx has to be.
            if exchange.status < 300 and not refused:
                yield "is not described"
            return
        response = self._resolved(response)
        schema = response.get("schema") or response.get("content", {}).get(_JSON, {}).get("schema")
        if schema is not None and exchange.reply is not None:
            yield from self._against(exchange.reply, schema, OAS30ReadValidator)

    def _against(self, value: Json, schema: Json, kind: type[Validator]) -> Iterator[str]:
        yield from self._errors(value, schema, kind)
        for place in self._strangers(value, schema):
            yield f"{place} is not described"

    def _errors(self, value: Json, schema: Json, kind: type[Validator]) -> Iterator[str]:
        validator = kind(_absolute(schema), registry=self._registry)
        for error in validator.iter_errors(value):
            place = "".join("[]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
            yield f"{place} fails {error.validator} {_wanted(error)}".rstrip()

    def _strangers(self, value: Json, schema: Json, place: str = "") -> Iterator[str]:
        """Names in `value` that no part of the schema knows, as far as it says which there are."""
        if isinstance(value, list):
            items = [part["items"] for part in self._parts(schema) if isinstance(part.get("items"), dict)]
            for one in value if items else ():
                yield from self._strangers(one, {"anyOf": items}, f"{place}[]")
            return
        if not isinstance(value, dict):
            return
        parts = list(self._parts(schema))
        known: dict[str, list[Json]] = {}
        for part in parts:
            for name, inner in part.get("properties", {}).items():
                known.setdefault(name, []).append(inner)
        is_open = not known or any(isinstance(part.get("additionalProperties"), dict) for part in parts)
        for name, inner in value.items():
            if name in known:
                yield from self._strangers(inner, {"anyOf": known[name]}, f"{place}.{name}")
            elif not is_open:
                yield f"{place}.{name}"

    def _parts(self, schema: Json) -> Iterator[Json]:
        """The schema and everything it is combined of, references followed."""
        resolved = self._resolved(schema)
        yield resolved
        for word in _COMBINED:
            for part in resolved.get(word, ()):
                yield from self._parts(part)

    def _resolved(self, schema: Json) -> Json:
        while "$ref" in schema:
            found: Json = self.document
            for step in schema["$ref"].removeprefix("#/").split("/"):
                found = found[unquote(step).replace("~1", "/").replace("~0", "~")]
            schema = found
        return schema


def _fits(template: str, path: str) -> bool:
    return re.fullmatch(re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(template)), path) is not None


def _typed(text: str, schema: Json) -> Json:
    """A value of a query as the type it is declared as, where it can be one."""
    try:
        if schema.get("type") in {"integer", "number"}:
            return json.loads(text)
    except ValueError:
        return text
    return {"true": True, "false": False}.get(text, text) if schema.get("type") == "boolean" else text


def _absolute(schema: Json) -> Json:
    """The schema with references into the description."""
    text = json.dumps(schema).replace('"$ref": "#/', '"$ref": "urn:description#/')
    return json.loads(text)


def _anonymous(path: str) -> str:
    return re.sub(r"/(\d+|job\d+)(?=/|$)", "/{id}", path)


def _wanted(error: Any) -> str:
    """What would have fitted, as far as it names no value."""
    wanted = error.validator_value
    return str(wanted) if error.validator in {"type", "format", "required", "enum", "pattern"} else ""
