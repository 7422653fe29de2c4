"""HubSpot's search: what a request may ask for, and which records of its index satisfy it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from connector.simulator.hubspot_properties import Property, instant, stamp
from connector.simulator.parts import Fields, Refused

GROUPS, FILTERS, FILTERS_IN_ALL = 5, 6, 18
PAGE, DEEPEST, LONGEST_QUERY = 200, 10_000, 3000
_KEYS = frozenset({"filterGroups", "filters", "sorts", "properties", "limit", "after", "query"})
_SEARCHED = ("firstname", "lastname", "email", "phone", "company", "hs_additional_emails")
Test = Callable[[Fields], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """One request, understood: `start` and `limit` cut the page, `properties` are shown."""

    test: Test
    sort: tuple[str, bool] | None
    start: int
    limit: int
    properties: tuple[str, ...] | None


def read_search(data: Mapping[str, Any], schema: Mapping[str, Property]) -> Search:
    """Understand a request. Raises Refused."""
    if unknown := set(data) - _KEYS:
        raise Refused("unknown-input", ", ".join(sorted(unknown)))
    groups = list(data.get("filterGroups") or [])
    if data.get("filters"):
        groups.append({"filters": data["filters"]})
    _measure(groups)
    words = str(data.get("query") or "").lower()
    if len(words) > LONGEST_QUERY:
        raise Refused("filters", f"query is longer than {LONGEST_QUERY} characters")
    tests = [[_test(one, schema) for one in group["filters"]] for group in groups]
    start, limit = _position(data)

    def matches(row: Fields) -> bool:
        held = row["properties"]
        if words and not any(words in held.get(name, "").lower() for name in _SEARCHED):
            return False
        return not tests or any(all(test(held) for test in group) for group in tests)

    names = data.get("properties")
    return Search(
        test=matches,
        sort=_sort(data.get("sorts") or [], schema),
        start=start,
        limit=limit,
        properties=tuple(names) if names else None,
    )


def run_search(search: Search, rows: Iterable[Fields], schema: Mapping[str, Property]) -> list[Fields]:
    """Every match in order. Among equals the younger comes first: nobody may rely on ids there."""
    found = sorted((row for row in rows if search.test(row)), key=lambda row: -int(row["id"]))
    if search.sort is None:
        return found[::-1]
    name, descending = search.sort
    with_value = [row for row in found if row["properties"].get(name)]
    without = [row for row in found if not row["properties"].get(name)]
    with_value.sort(key=lambda row: _comparable(schema[name], row["properties"][name]), reverse=descending)
    return [*with_value, *without] if descending else [*without, *with_value]


def _measure(groups: list[Any]) -> None:
    if len(groups) > GROUPS:
        raise Refused("filters", f"at most {GROUPS} filterGroups")
    for group in groups:
        if not isinstance(group, dict) or not group.get("filters"):
            raise Refused("filters", "a filter group needs filters")
        if len(group["filters"]) > FILTERS:
            raise Refused("filters", f"at most {FILTERS} filters in a group")
    if sum(len(group["filters"]) for group in groups) > FILTERS_IN_ALL:
        raise Refused("filters", f"at most {FILTERS_IN_ALL} filters")


def _position(data: Mapping[str, Any]) -> tuple[int, int]:
    limit = data.get("limit", 10)
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= PAGE:
        raise Refused("page-size", str(PAGE))
    after = str(data.get("after") or "0")
    if not after.isdigit():
        raise Refused("cursor", after)
    if int(after) + limit > DEEPEST:
        raise Refused("deep-paging", after)
    return int(after), limit


def _sort(sorts: list[Any], schema: Mapping[str, Property]) -> tuple[str, bool] | None:
    if not sorts:
        return None
    one = sorts[0]
    name = one.get("propertyName") if isinstance(one, dict) else None
    if len(sorts) > 1 or name not in schema or one.get("direction", "ASCENDING") not in {"ASCENDING", "DESCENDING"}:
        raise Refused("filters", "sorts takes one known property and a direction")
    return str(name), one.get("direction") == "DESCENDING"


def _test(one: Any, schema: Mapping[str, Property]) -> Test:
    if not isinstance(one, dict) or one.get("propertyName") not in schema:
        raise Refused("filters", f"unknown property in {one}")
    name, operator = one["propertyName"], str(one.get("operator"))
    known = schema[name]
    if operator == "HAS_PROPERTY":
        return lambda held: bool(held.get(name))
    if operator == "NOT_HAS_PROPERTY":
        return lambda held: not held.get(name)
    if operator in {"IN", "NOT_IN"}:
        return _membership(one, name, wanted=operator == "IN")
    if not isinstance(one.get("value"), (str, int, float)) or isinstance(one.get("value"), bool):
        raise Refused("filters", f"{operator} needs a value")
    value = str(one["value"])
    if operator == "CONTAINS_TOKEN":
        return lambda held: value.strip("*").lower() in held.get(name, "").lower()
    low = _wanted(known, value)
    if operator == "BETWEEN":
        high = _wanted(known, str(one.get("highValue", "")))
        return lambda held: bool(held.get(name)) and low <= _comparable(known, held[name]) <= high
    if operator not in _COMPARE:
        raise Refused("filters", f"unknown operator {operator}")
    compare = _COMPARE[operator]
    return lambda held: bool(held.get(name)) and compare(_comparable(known, held[name]), low)


def _membership(one: Mapping[str, Any], name: str, *, wanted: bool) -> Test:
    """The index holds text in lower case, and values are compared with it as they are given."""
    values = one.get("values")
    if not isinstance(values, list) or not values:
        raise Refused("filters", "IN needs values")
    given = {str(value) for value in values}
    return lambda held: bool(held.get(name)) and (held[name].lower() in given) is wanted


def _wanted(known: Property, value: str) -> Any:
    try:
        if known.type in {"datetime", "date"}:
            at = instant(value if "T" in value or value.lstrip("-").isdigit() else f"{value}T00:00:00+00:00")
            return stamp(at) if known.type == "datetime" else at.date().isoformat()
        return _comparable(known, value)
    except (ValueError, ArithmeticError, OSError) as error:
        raise Refused("filters", f"{value} does not go with {known.name}") from error


def _comparable(known: Property, value: str) -> Any:
    if known.type == "number":
        return Decimal(value)
    return value if known.type in {"datetime", "date"} else value.lower()


_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "EQ": lambda a, b: bool(a == b),
    "NEQ": lambda a, b: bool(a != b),
    "LT": lambda a, b: bool(a < b),
    "LTE": lambda a, b: bool(a <= b),
    "GT": lambda a, b: bool(a > b),
    "GTE": lambda a, b: bool(a >= b),
}
