"""CSV and JSONL files, row by row: a row that cannot be read says so, and the next one is read."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final

from connector.domain.model.intent import Json
from connector.errors import ConnectorError, MappingError
from connector.transport import bodies

DELIMITED: Final = frozenset({".csv", ".tsv", ".txt"})
LINED: Final = frozenset({".jsonl", ".ndjson"})
DELIMITERS: Final = (",", ";", "\t", "|")
LONGEST_LINE: Final = 2 * 2**20
"""Bytes of the longest line of JSON; a longer one is skipped and said to be."""
_MARKS: Final = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


class Unsuited(ConnectorError):
    """The file as a whole cannot be read as a table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row: its `values` by column, a column without one absent, or the `problem` with it.

    `number` counts lines from 1. `raw` is the row as it stood, as far as it could be read.
    """

    number: int
    raw: str
    values: Mapping[str, Json]
    problem: str | None = None


class Table(AbstractContextManager["Table"]):
    """A file of answers, read once from top to bottom in constant memory.

    Args:
        path: a `.csv`, `.tsv`, `.jsonl` or `.ndjson` file.
        encoding: of a CSV file without a byte order mark.
        delimiter: between its cells; None: the one that splits the header best.
        names: what columns are to be called, by what the file calls them.

    Raises:
        Unsuited: the file has another ending, or a header that cannot be used.
        OSError: it cannot be opened.
    """

    def __init__(
        self,
        path: Path,
        *,
        encoding: str = "utf-8",
        delimiter: str | None = None,
        names: Mapping[str, str] | None = None,
    ) -> None:
        if path.suffix.lower() not in DELIMITED | LINED:
            raise Unsuited(f"{path.name}: expected a .csv, .tsv, .jsonl or .ndjson file")
        self.size = path.stat().st_size
        self._names = dict(names or {})
        self._file: BinaryIO = path.open("rb")
        self._is_lined = path.suffix.lower() in LINED
        with ExitStack() as unless_usable:
            unless_usable.callback(self._file.close)
            self._text = io.TextIOWrapper(
                self._file, self._encoding(encoding), errors="surrogateescape", newline="", write_through=False
            )
            self._reader = csv.reader(self._text, delimiter=delimiter or self._guessed())
            self.columns: Sequence[str] = () if self._is_lined else self._header()
            unless_usable.pop_all()

    @property
    def position(self) -> int:
        """Bytes read so far, of `size`."""
        return min(self._file.tell(), self.size)

    def __iter__(self) -> Iterator[Line]:
        return self._lined() if self._is_lined else self._delimited()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._text.close()

    def _encoding(self, otherwise: str) -> str:
        start = self._file.read(3)
        self._file.seek(0)
        try:
            "".encode(otherwise)
        except LookupError:
            raise Unsuited(f"there is no encoding {otherwise!r}") from None
        return next((name for mark, name in _MARKS if start.startswith(mark)), otherwise)

    def _guessed(self) -> str:
        """What splits the first line into most cells; a comma where nothing splits it."""
        first = self._text.readline(csv.field_size_limit())
        self._text.seek(0)
        return max(DELIMITERS, key=lambda each: len(next(csv.reader([first], delimiter=each), [])))

    def _header(self) -> Sequence[str]:
        try:
            named = [" ".join(name.split()) for name in next(self._reader, [])]
        except csv.Error as error:
            raise Unsuited(f"the first line cannot be read: {error}") from None
        if not _is_clean("".join(named)):
            raise Unsuited("the header is not in the file's encoding: name it with --encoding, cp1252 for example")
        columns = [self._names.get(name, name) for name in named]
        twice = sorted({name for name in columns if name and columns.count(name) > 1})
        if not any(columns):
            raise Unsuited("the first line names no columns")
        if twice:
            raise Unsuited(f"two columns are called {twice[0]!r}: rename one with --column NEW=OLD, or in the file")
        return columns

    def _delimited(self) -> Iterator[Line]:
        while True:
            number = self._reader.line_num + 1
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Line(number=number, raw="", values={}, problem=f"cannot be read: {error}")
            else:
                if any(cell.strip() for cell in cells):
                    yield self._line(number, cells)

    def _line(self, number: int, cells: Sequence[str]) -> Line:
        raw = json.dumps(cells, ensure_ascii=True)
        if len(cells) != len(self.columns):
            problem = f"has {len(cells)} cells, the header has {len(self.columns)}"
            return Line(number=number, raw=raw, values={}, problem=problem)
        if not _is_clean("".join(cells)):
            return Line(number=number, raw=raw, values={}, problem="is not in the file's encoding")
        pairs = zip(self.columns, cells, strict=True)
        # What has no name cannot be asked for; an empty cell is a question that was not answered.
        values: dict[str, Json] = {name: cell.replace("\0", "") for name, cell in pairs if name and cell.strip()}
        return Line(number=number, raw=raw, values=values)

    def _lined(self) -> Iterator[Line]:
        number = 0
        while line := self._text.readline(LONGEST_LINE):
            number += 1
            if not line.endswith("\n") and len(line) >= LONGEST_LINE:
                while rest := self._text.readline(LONGEST_LINE):
                    if rest.endswith("\n"):
                        break
                yield Line(number=number, raw="", values={}, problem=f"is longer than {LONGEST_LINE} characters")
            elif line.strip():
                yield self._object(number, line)

    def _object(self, number: int, line: str) -> Line:
        raw = line.encode("utf-8", "replace").decode()
        try:
            found = bodies.read_object(line.encode("utf-8", "surrogateescape"))
        except MappingError as error:
            return Line(number=number, raw=raw, values={}, problem=str(error).removeprefix(f"{error.field}: "))
        values = {self._names.get(name, name): value for name, value in found.items() if value is not None}
        return Line(number=number, raw=raw, values=values)


def _is_clean(text: str) -> bool:
    """Whether every byte was in the encoding; the others stand as lone surrogates, which cannot be encoded."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
