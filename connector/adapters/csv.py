"""Records of interactions in CSV files: an export of the shop or ERP system that is replaced or grows. See its page.

A file is read again when it looks different (its inode, size or time of change), from its beginning: a row may have
changed anywhere. A page is a slice of one file; the cursor says how every file looked and how far the one in hand is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pydantic import ConfigDict, Field

from connector.config.delimited import Sheet, read_sheet
from connector.config.part import FilePath
from connector.config.records import RecordKeys
from connector.domain.model.interaction import InteractionRecord, Unreadable
from connector.errors import ConfigError, Gone, Rejected
from connector.ports import Page
from connector.transport.kit import Kit

ROLES = frozenset({"interactions"})
READ: Final = "read"
PAGE: Final = 500
"""Rows of one page."""


class Options(RecordKeys):
    """Records of interactions (repair orders, visits, sales) from CSV files."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    path: FilePath = Field(description="The file, or a folder of which every .csv is read.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """How far reading is: how each file looked that was read to its end, and rows read of the one in hand."""

    looked: Mapping[str, str] = field(default_factory=dict)
    file: str | None = None
    stamp: str = ""
    rows: int = 0

    @classmethod
    def of(cls, cursor: str | None) -> _Place:
        """The place a cursor stands for."""
        if cursor is None:
            return cls()
        found = json.loads(cursor)
        return cls(looked=found["looked"], file=found["file"], stamp=found["stamp"], rows=found["rows"])

    def cursor(self) -> str:
        """The place as a cursor."""
        return json.dumps(
            {"looked": dict(self.looked), "file": self.file, "stamp": self.stamp, "rows": self.rows}, sort_keys=True
        )


class Csv:
    """One file or folder of records."""

    kind = "csv"

    def __init__(self, name: str, options: Options, kit: Kit) -> None:  # every adapter is called so
        self.account = f"csv:{name}"
        self.read_class = READ
        self._path = options.path
        self._mapping = options.record_mapping
        self._open: tuple[str, str, Sequence[_Row]] | None = None

    def interactions_since(self, cursor: str | None) -> Page[InteractionRecord | Unreadable]:
        """The next slice of a file that looks different.

        Raises:
            Gone: there is no such file or folder.
            Rejected: a file is no table, or lacks a column that is read.
        """
        files = self._files()
        place = _Place.of(cursor)
        place = _Place(
            looked={name: stamp for name, stamp in place.looked.items() if name in files},
            file=place.file,
            stamp=place.stamp,
            rows=place.rows,
        )
        changed = [name for name, stamp in files.items() if place.looked.get(name) != stamp]
        if not changed:
            return Page(records=(), cursor=_Place(looked=place.looked).cursor(), more=False)
        name = place.file if place.file in changed else changed[0]
        start = place.rows if (place.file, place.stamp) == (name, files[name]) else 0
        records = self._records(name, files[name])
        end = start + PAGE
        is_last = end >= len(records)
        looked = {**place.looked, name: files[name]} if is_last else place.looked
        after = _Place(looked=looked) if is_last else _Place(looked=looked, file=name, stamp=files[name], rows=end)
        more = not is_last or len(changed) > 1
        return Page(records=[self._one(name, row) for row in records[start:end]], cursor=after.cursor(), more=more)

    def _files(self) -> dict[str, str]:
        """How each file looks, by its name."""
        found = sorted(self._path.glob("*.csv")) if self._path.is_dir() else [self._path]
        try:
            stats = {each.name: each.stat() for each in found}
        except OSError:
            raise Gone("there is no such file or folder", operation=f"read {self._path.name}") from None
        return {name: f"{each.st_ino}/{each.st_size}/{each.st_mtime_ns}" for name, each in stats.items()}

    def _records(self, name: str, stamp: str) -> Sequence[_Row]:
        """The rows of a file, opened once as long as it looks the same."""
        if self._open is None or self._open[:2] != (name, stamp):
            sheet = self._sheet(name)
            wrong = [_Row(number=each.line, why=each.message) for each in sheet.problems]
            rows = [_Row(number=line.number, values=line.values) for line in sheet.lines]
            self._open = (name, stamp, sorted([*wrong, *rows], key=lambda row: row.number))
        return self._open[2]

    def _sheet(self, name: str) -> Sheet:
        path = self._path / name if self._path.is_dir() else self._path
        try:
            sheet = read_sheet(path, name)
        except ConfigError as error:
            raise Rejected(str(error.problems[0]), operation=f"read {name}") from None
        lacking = self._mapping.lacks(sheet.columns)
        if lacking is not None:
            raise Rejected(f"{name} has {lacking}", operation=f"read {name}")
        return sheet

    def _one(self, name: str, row: _Row) -> InteractionRecord | Unreadable:
        place = f"{name}:{row.number}"
        if row.values is None:
            return Unreadable(place=place, reason=row.why)
        return self._mapping.read_or_say(self.account, place, row.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One row of a file, or why there is none."""

    number: int
    values: Mapping[str, str] | None = field(default=None, repr=False)
    why: str = ""
