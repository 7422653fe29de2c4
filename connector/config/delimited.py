"""A delimited file (CSV) that people keep beside the configuration, read whole, with the place of what is wrong in it.

Columns are called as expressions name them: `Team Leader` becomes `team_leader`. No value is ever repeated in a
problem: such a file may be about people.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from connector.domain.model.directory import column_name
from connector.errors import ConfigError, Problem

DELIMITERS: Final = (",", ";", "\t", "|")
LARGEST: Final = 200 * 2**20
"""Bytes of the largest file that is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row: `values` by column, blank ones absent, `number` its line from 1."""

    number: int
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A whole file. `problems` are its rows that cannot be read; those are not among `lines`."""

    file: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...] = field(repr=False)
    problems: tuple[Problem, ...] = ()

    def problem(self, line: int, column: str, message: str, suggestion: str | None = None) -> Problem:
        """Something is wrong with a cell. The problem's column is which cell it is, from 1."""
        place = self.columns.index(column) + 1 if column in self.columns else 1
        return Problem(file=self.file, line=line, column=place, message=message, suggestion=suggestion)


def read_sheet(path: Path, shown: str) -> Sheet:
    """Read the file at `path`, called `shown` in problems. Raises ConfigError when it is no table at all."""
    reader = csv.reader(io.StringIO(text := _text(path, shown), newline=""), delimiter=_delimiter(text), strict=True)
    lines: list[Line] = []
    problems: list[Problem] = []
    columns: tuple[str, ...] = ()
    number = 1
    try:
        columns = _columns(next(reader, []), shown)
        number = reader.line_num + 1
        for cells in reader:
            if len(cells) != len(columns) and any(cell.strip() for cell in cells):
                counted = f"has {len(cells)} cells, the first line has {len(columns)}"
                problems.append(Problem(file=shown, line=number, column=len(cells), message=counted))
            elif any(cell.strip() for cell in cells):
                lines.append(Line(number=number, values=_values(columns, cells)))
            number = reader.line_num + 1
    except csv.Error as error:
        raise _unreadable(shown, number, f"cannot be read: {error}") from None
    return Sheet(file=shown, columns=columns, lines=tuple(lines), problems=tuple(problems))


def _text(path: Path, shown: str) -> str:
    try:
        if path.stat().st_size > LARGEST:
            raise _unreadable(shown, 1, f"is larger than {LARGEST // 2**20} MB")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise _unreadable(shown, line, "cannot be read: it is not UTF-8 text") from None
    except OSError as error:
        raise _unreadable(shown, 1, f"cannot be read: {error.strerror}") from None


def _delimiter(text: str) -> str:
    """What splits the first line into most cells; a comma where nothing splits it."""
    first = text.splitlines()[:1]
    return max(DELIMITERS, key=lambda each: len(next(csv.reader(first, delimiter=each), [])))


def _columns(headings: Sequence[str], shown: str) -> tuple[str, ...]:
    columns = tuple(column_name(heading) for heading in headings)
    if not any(columns):
        raise _unreadable(shown, 1, "the first line names no columns")
    for place, name in enumerate(columns):
        if name and name in columns[:place]:
            message = f"two columns are called {name!r}"
            raise ConfigError([Problem(file=shown, line=1, column=place + 1, message=message)])
    return columns


def _values(columns: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    pairs = zip(columns, (cell.replace("\0", "").strip() for cell in cells), strict=True)
    return {name: cell for name, cell in pairs if name and cell}


def _unreadable(shown: str, line: int, message: str) -> ConfigError:
    return ConfigError([Problem(file=shown, line=line, column=1, message=message)])
