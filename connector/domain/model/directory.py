"""The directory: the places there are and the people who work there, as their lists last said.

A list names its rows by a key, and by aliases where a form may ask otherwise (a name instead of an address). Names are
looked up without regard to case and to the space around them. What two rows are both called finds neither: guessing
would tell the wrong team leader.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

from connector.clock import time_zones
from connector.domain.model.nearest import nearest

Row = Mapping[str, str]
"""Column → value; a column without one is absent."""
ListName = Literal["places", "staff"]
NOBODY: Final[Row] = MappingProxyType({})
PLACE: Final = "place"
"""The column of the staff list that holds where somebody works: a name of the list of places."""
ZONE: Final = "time_zone"
"""The column that holds a zone."""


def called(name: str) -> str:
    """A name as it is compared: upper and lower case, and space around and between words, are one."""
    return " ".join(name.split()).casefold()


def column_name(heading: str) -> str:
    """A column's heading as the name expressions use: `Team Leader` is `team_leader`."""
    return re.sub(r"\W+", "_", heading.strip().lower()).strip("_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Roll:
    """One list. `rows` by everything they are called, compared; `columns` in the list's order, `key` one of them.

    `is_open`: the columns are known only where the list is read (a query), so that any name may be one.
    """

    columns: tuple[str, ...] = ()
    rows: Mapping[str, Row] = field(default_factory=dict, repr=False)
    is_open: bool = False
    key: str = ""

    def find(self, name: str | None) -> Row:
        """The row called `name`; an empty one when there is none."""
        return NOBODY if name is None else self.rows.get(called(name), NOBODY)

    def key_of(self, name: str | None, column: str) -> str | None:
        """The key of the row called `name`, else of the only one whose `column` says it; None where there is none."""
        if name is None:
            return None
        said = {row[self.key] for row in self.rows.values() if called(row.get(column, "")) == called(name)}
        return self.find(name).get(self.key) or (said.pop() if len(said) == 1 else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """The places and the staff."""

    places: Roll = field(default_factory=Roll)
    staff: Roll = field(default_factory=Roll)

    def where(self, location: str | None, staff: str | None) -> tuple[Row, Row]:
        """The place and the member of staff of an answer. One that names no location happened where its staff works."""
        member = self.staff.find(staff)
        return self.places.find(location or member.get(PLACE)), member


def enrol(columns: Sequence[str], rows: Iterable[Row], *, key: str, aliases: Sequence[str] = ()) -> Roll:
    """A list of rows that each have a `key`, no two the same (`repeated` finds those).

    A key wins over an alias; an alias of two rows is nobody's.
    """
    listed = list(rows)
    by_key = {called(row[key]): row for row in listed}
    by_alias: dict[str, list[Row]] = {}
    for row in listed:
        for name in {called(row[alias]) for alias in aliases if alias in row}:
            by_alias.setdefault(name, []).append(row)
    alone = {name: found[0] for name, found in by_alias.items() if len(found) == 1}
    return Roll(columns=tuple(columns), rows=alone | by_key, key=key)


def repeated(rows: Sequence[Row], key: str) -> dict[int, int]:
    """The rows whose key an earlier row has: its number → that row's, both from 0."""
    first: dict[str, int] = {}
    again: dict[int, int] = {}
    for number, row in enumerate(rows):
        if key in row:
            earlier = first.setdefault(called(row[key]), number)
            if earlier != number:
                again[number] = earlier
    return again


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing wrong with a list: `row` counts from 0; the message holds no value of a row."""

    row: int
    column: str
    message: str
    suggestion: str | None = None


def faults(rows: Sequence[Row], key: str, line: Callable[[int], str]) -> Iterator[Fault]:
    """Rows without a key or with another's, and time zones there are not. `line` says where a row stands."""
    for number, earlier in repeated(rows, key).items():
        yield Fault(row=number, column=key, message=f"another row has this {key} already, {line(earlier)}")
    zones = time_zones() if any(ZONE in row for row in rows) else frozenset()
    for number, row in enumerate(rows):
        if key not in row:
            yield Fault(row=number, column=key, message=f"{key} is missing: answers could not name this row")
        zone = row.get(ZONE)
        if zone is not None and zone not in zones:
            message = "expected a time zone such as Europe/Berlin"
            yield Fault(row=number, column=ZONE, message=message, suggestion=nearest(zone, zones))
