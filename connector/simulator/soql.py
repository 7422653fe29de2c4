"""The part of SOQL the simulator understands; everything else is refused, as a typo would be.

    SELECT fields FROM Object [WHERE conditions] [ORDER BY field [ASC|DESC], …] [LIMIT n]

Conditions: `= != < <= > >= LIKE IN NOT IN` over literals, `AND`, `OR`, `NOT` and parentheses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connector.simulator.parts import Fields, Refused
from connector.simulator.salesforce_fields import Field, parse_instant, stamp

_TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^'\\]|\\.)*')"
    r"|(?P<instant>\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d))"
    r"|(?P<date>\d{4}-\d\d-\d\d)"
    r"|(?P<number>[+-]?\d+(?:\.\d+)?)"
    r"|(?P<word>[A-Za-z_][\w.]*)"
    r"|(?P<mark><=|>=|!=|<>|[=<>(),]))"
)
_OPERATORS = {"=", "!=", "<>", "<", "<=", ">", ">="}
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
_LITERALS = {"datetime": {"instant"}, "date": {"date"}, "double": {"number"}, "boolean": {"word"}}
RELATED = {"Owner.Name", "Owner.Email", "Account.Name"}
"""Parent fields a query may select."""

Row = Mapping[str, Any]
Test = Callable[[Row], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One comparison, kept apart from its test so that an index can serve it."""

    field: str
    values: tuple[Any, ...]


Found = tuple[Test, Sequence[tuple[Condition, ...]]]
"""A test, and groups of comparisons of which a row that passes satisfies at least one each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A parsed query. Every result satisfies, of each group in `anchors`, at least one comparison."""

    object: str
    fields: tuple[str, ...]
    test: Test
    anchors: tuple[tuple[Condition, ...], ...]
    order: tuple[tuple[str, bool], ...]
    limit: int | None

    def sort(self, rows: list[Fields]) -> list[Fields]:
        """Rows in the order asked for; nulls come first, as in Salesforce."""
        for name, descending in reversed(self.order):
            rows.sort(key=lambda row: _rank(row.get(name)), reverse=descending)
        return rows


def parse(text: str, schemas: Mapping[str, Mapping[str, Field]]) -> Query:
    """Read a query against the known objects. Raises Refused."""
    return _Parser(text, schemas).query()


def _rank(value: Any) -> tuple[bool, Any]:
    return (value is not None, value.casefold() if isinstance(value, str) else value)


def _fold(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


class _Parser:
    def __init__(self, text: str, schemas: Mapping[str, Mapping[str, Field]]) -> None:
        self._schemas = schemas
        self._tokens = self._split(text)
        self._at = 0
        self._schema: Mapping[str, Field] = {}
        self._object = ""

    def _split(self, text: str) -> list[tuple[str, str]]:
        tokens, position = [], 0
        text = text.strip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None or match.lastgroup is None:
                raise Refused("malformed-query", f"unexpected token: '{text[position : position + 10]}'")
            tokens.append((match.lastgroup, match.group(match.lastgroup)))
            position = match.end()
        return tokens

    def query(self) -> Query:
        self._expect("SELECT")
        fields = [self._word()]
        while self._accept(","):
            fields.append(self._word())
        self._expect("FROM")
        self._object = self._word()
        if self._object not in self._schemas:
            raise Refused("unknown-type", self._object)
        self._schema = self._schemas[self._object]
        for name in fields:
            if name not in RELATED:
                self._field(name)
        test, anchors = self._either() if self._accept("WHERE") else (lambda _: True, ())
        order = self._order() if self._accept("ORDER") else ()
        limit = self._count() if self._accept("LIMIT") else None
        if self._at < len(self._tokens):
            raise Refused("malformed-query", f"unexpected token: '{self._tokens[self._at][1]}'")
        return Query(
            object=self._object, fields=tuple(fields), test=test, anchors=tuple(anchors), order=order, limit=limit
        )

    def _count(self) -> int:
        kind, text = self._next()
        if kind != "number" or not text.isdigit():
            raise Refused("malformed-query", f"unexpected token: '{text}'")
        return int(text)

    def _order(self) -> tuple[tuple[str, bool], ...]:
        self._expect("BY")
        order = []
        while True:
            name = self._field(self._word()).name
            descending = self._accept("DESC")
            if not descending:
                self._accept("ASC")
            order.append((name, descending))
            if not self._accept(","):
                return tuple(order)

    def _either(self) -> Found:
        tests = [self._both()]
        while self._accept("OR"):
            tests.append(self._both())
        if len(tests) == 1:
            return tests[0]
        parts = [test for test, _ in tests]
        # An index can serve an OR only where it can serve every side.
        served = [anchors[0] for _, anchors in tests if anchors]
        together = [tuple(one for group in served for one in group)] if len(served) == len(tests) else []
        return (lambda row: any(part(row) for part in parts)), together

    def _both(self) -> Found:
        tests = [self._single()]
        while self._accept("AND"):
            tests.append(self._single())
        if len(tests) == 1:
            return tests[0]
        parts = [test for test, _ in tests]
        return (lambda row: all(part(row) for part in parts)), [anchor for _, found in tests for anchor in found]

    def _single(self) -> Found:
        if self._accept("NOT"):
            test, _ = self._single()
            return (lambda row: not test(row)), ()
        if self._accept("("):
            inner = self._either()
            self._expect(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Found:
        field = self._field(self._word())
        if not field.filterable:
            raise Refused("not-filterable", field.name)
        name = field.name
        negative = self._accept("NOT")
        if self._accept("IN"):
            values = self._list(field)
            wanted = {_fold(value) for value in values}
            if negative:
                return (lambda row: _fold(row.get(name)) not in wanted), ()
            return (lambda row: _fold(row.get(name)) in wanted), [(Condition(field=name, values=tuple(values)),)]
        if negative:
            raise Refused("malformed-query", "unexpected token: 'NOT'")
        if self._accept("LIKE"):
            pattern = _like(str(self._literal(field)))
            return (lambda row: pattern.fullmatch(row.get(name) or "") is not None), ()
        operator = self._next()[1]
        if operator not in _OPERATORS:
            raise Refused("malformed-query", f"unexpected token: '{operator}'")
        value = self._literal(field)
        anchors = [(Condition(field=name, values=(value,)),)] if operator == "=" else []
        return _compare(name, operator, _fold(value)), anchors

    def _list(self, field: Field) -> list[Any]:
        self._expect("(")
        values = [self._literal(field)]
        while self._accept(","):
            values.append(self._literal(field))
        self._expect(")")
        return values

    def _literal(self, field: Field) -> Any:
        kind, text = self._next()
        if kind == "word" and text.lower() == "null":
            return None
        if kind not in _LITERALS.get(field.type, {"string"}):
            raise Refused("wrong-literal", f"value of filter criterion for field '{field.name}' must be {field.type}")
        if kind == "string":
            return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match.group(1), match.group(1)), text[1:-1])
        if kind == "number":
            return float(text)
        if kind == "instant":
            return stamp(parse_instant(text))
        return text.lower() == "true" if kind == "word" else text

    def _field(self, name: str) -> Field:
        if name not in self._schema:
            raise Refused("unknown-column", f"No such column '{name}' on entity '{self._object}'", field=name)
        return self._schema[name]

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise Refused("malformed-query", "unexpected token: '<EOF>'")
        self._at += 1
        return self._tokens[self._at - 1]

    def _word(self) -> str:
        kind, text = self._next()
        if kind != "word":
            raise Refused("malformed-query", f"unexpected token: '{text}'")
        return text

    def _accept(self, text: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at][1].upper() == text:
            self._at += 1
            return True
        return False

    def _expect(self, text: str) -> None:
        if not self._accept(text):
            found = self._tokens[self._at][1] if self._at < len(self._tokens) else "<EOF>"
            raise Refused("malformed-query", f"expecting {text}, found '{found}'")


def _like(pattern: str) -> re.Pattern[str]:
    parts = {"%": ".*", "_": "."}
    return re.compile("".join(parts.get(c, re.escape(c)) for c in pattern), re.IGNORECASE | re.DOTALL)


def _compare(name: str, operator: str, wanted: Any) -> Test:
    if operator == "=":
        return lambda row: _fold(row.get(name)) == wanted
    if operator in {"!=", "<>"}:
        return lambda row: _fold(row.get(name)) != wanted

    def ordered(row: Row) -> bool:
        value = _fold(row.get(name))
        if value is None or wanted is None:
            return False
        match operator:
            case "<":
                return bool(value < wanted)
            case "<=":
                return bool(value <= wanted)
            case ">":
                return bool(value > wanted)
        return bool(value >= wanted)

    return ordered
