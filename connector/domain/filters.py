"""What expressions can do to a value that is there: how it prints, and the filters by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Final


def number(value: object) -> float:
    """`value`, when it is a number. Raises TypeError."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("not a number")
    return value


def items(value: object) -> Sequence[object]:
    """`value`, when it is a list. Raises TypeError: a text is not a list of letters."""
    if not isinstance(value, list | tuple):
        raise TypeError("not a list")
    return value


def printed(value: object) -> str:
    """How a value looks in a text: whole numbers without a point, instants to the minute in UTC, lists with commas."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else str(round(value, 2))
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    if isinstance(value, list | tuple):
        return ", ".join(printed(item) for item in value)
    return str(value)


def _date(value: object) -> str:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        value = value.astimezone(UTC).date() if value.tzinfo else value.date()
    if not isinstance(value, date):
        raise TypeError("not a date")
    return value.isoformat()


def _join(value: object, separator: str = "") -> str:
    """What has nothing to print, as a missing value, gets no separator either."""
    return printed(separator).join(text for item in items(value) if (text := printed(item)))


def _length(value: object) -> int:
    return len(value) if isinstance(value, str) else len(items(value))


def _round(value: object, digits: int = 0) -> float:
    return round(number(value), max(0, min(digits, 9)))


def _int(value: object) -> int:
    return int(float(value) if isinstance(value, str) else number(value))


def _float(value: object) -> float:
    return float(value if isinstance(value, str) else number(value))


def _truncate(value: object, length: int) -> str:
    text = printed(value)
    return text if len(text) <= length else text[: max(length - 1, 0)] + "…"


FILTERS: Final[Mapping[str, Callable[..., object]]] = {
    "capitalize": lambda value: printed(value).capitalize(),
    "date": _date,
    "first": lambda value: next(iter(items(value)), None),
    "float": _float,
    "int": _int,
    "join": _join,
    "last": lambda value: next(reversed(items(value)), None),
    "length": _length,
    "lower": lambda value: printed(value).lower(),
    "round": _round,
    "string": printed,
    "title": lambda value: printed(value).title(),
    "trim": lambda value: printed(value).strip(),
    "truncate": _truncate,
    "upper": lambda value: printed(value).upper(),
}
