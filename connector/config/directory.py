"""The directory as the YAML has it: a list of places and one of staff, each a file beside it or a query."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from connector.config.delimited import Sheet, read_sheet
from connector.config.document import Path_
from connector.config.findings import Findings, matches
from connector.config.part import DatabaseUrl, FilePath, Misspelt, Model
from connector.config.quantities import Duration, Text, duration
from connector.domain.model.context import Names, plain
from connector.domain.model.directory import PLACE, Directory, ListName, Roll, called, column_name, enrol, faults
from connector.domain.model.nearest import nearest
from connector.errors import ConfigError, Problem

LISTS: Final[Mapping[ListName, str]] = {"places": "place", "staff": "staff"}
"""What expressions call a row of each list."""
_QUERIED: Final = ("query", "every")


def _one_or_several(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _query(text: str) -> str:
    if text.split(maxsplit=1)[0].lower() not in {"select", "with"}:
        raise Misspelt("expected a query that reads: it begins with SELECT or WITH", None)
    return text


Column = Annotated[Text, AfterValidator(column_name)]
Query = Annotated[Text, AfterValidator(_query)]


class ListKeys(Model):
    """One list: exactly one of `file` and `sql`. Any of its columns is a name for expressions, `place.manager`."""

    file: FilePath | None = Field(default=None, description="A CSV file, its first line the names of the columns.")
    sql: DatabaseUrl | None = Field(default=None, description="A database, as an URL of SQLAlchemy; it is only read.")
    query: Query | None = Field(default=None, description="With `sql`: the SELECT whose rows are the list.")
    every: Duration = Field(default=duration("15m"), description="With `sql`: how often it is read again.")
    key: Column = Field(description="The column rows are told apart by: what answers name.")
    aliases: Annotated[tuple[Column, ...], BeforeValidator(_one_or_several)] = Field(
        default=(), description="Columns answers may name instead; what two rows share is nobody's."
    )

    @model_validator(mode="after")
    def _one(self) -> ListKeys:
        if (self.file is None) == (self.sql is None):
            raise ValueError("expected exactly one of file and sql")
        if self.sql is not None and self.query is None:
            raise ValueError("'query' is missing: sql needs the SELECT whose rows are the list")
        idle = [name for name in _QUERIED if self.sql is None and name in self.model_fields_set]
        if idle:
            raise ValueError(f"`{idle[0]}` does nothing without sql: a file is read when it changes")
        return self


class DirectoryKeys(Model):
    """Who works where: rules and texts say `place.…` and `staff.…` of the answer's location and staff."""

    places: ListKeys | None = Field(
        default=None,
        description="By `interaction.location`. The column `time_zone` holds a zone such as Europe/Berlin.",
    )
    staff: ListKeys | None = Field(
        default=None,
        description="By `interaction.staff`. `place` is where somebody works, for answers that name no location.",
    )


@dataclass(slots=True)
class DirectoryFiles:
    """Reads the lists a configuration names and collects what is wrong with them."""

    folder: Path
    findings: Findings
    problems: list[Problem] = field(default_factory=list)
    sheets: dict[str, Sheet] = field(default_factory=dict)

    def read(self, tree: Any) -> Directory:
        """The lists, as far as they can be used; one that is broken, or read by a query, has any column."""
        lists: dict[ListName, Roll] = {}
        for name in LISTS:
            if self.findings.was_meant(("directory",)) or self.findings.was_meant(("directory", name)):
                lists[name] = Roll(is_open=True)
            for path, keys in matches(tree, ("directory", name)):
                lists[name] = self._list(path, keys) if isinstance(keys, dict) else Roll(is_open=True)
        directory = Directory(**lists)
        if "staff" in self.sheets and directory.places.rows:
            self.problems += _homeless(self.sheets["staff"], directory.places)
        return directory

    def _list(self, path: Path_, keys: dict[str, Any]) -> Roll:
        file = keys.get("file")
        aliases = keys.get("aliases", [])
        named = [keys.get("key"), *(aliases if isinstance(aliases, list) else [aliases])]
        wanted = [column_name(each) for each in named if isinstance(each, str)]
        if not isinstance(file, str) or not file.strip() or len(wanted) < len(named):
            return Roll(is_open=True)  # a query, or reported with the settings
        sheet = self._sheet(file, path)
        if sheet is None:
            return Roll(is_open=True)
        places: list[Path_] = [(*path, "key"), *((*path, "aliases", number) for number in range(len(wanted) - 1))]
        known = True
        for place, column in zip(places, wanted, strict=True):
            if column not in sheet.columns:
                known = False
                self.findings.add(place, f"there is no column {column!r} in {file}", nearest(column, sheet.columns))
        if not known:
            return Roll(columns=sheet.columns)
        self.sheets[str(path[-1])] = sheet
        self.problems += [*sheet.problems, *_mistakes(sheet, wanted[0])]
        rows = [line.values for line in sheet.lines if wanted[0] in line.values]
        return enrol(sheet.columns, rows, key=wanted[0], aliases=wanted[1:])

    def _sheet(self, name: str, path: Path_) -> Sheet | None:
        place = self.folder / name
        if not place.is_file():
            siblings = [each.name for each in place.parent.glob("*.csv")] if place.parent.is_dir() else []
            near = nearest(place.name, siblings)
            self.findings.add((*path, "file"), f"there is no file {name}", near and str(Path(name).with_name(near)))
            return None
        try:
            return read_sheet(place, str(place))
        except ConfigError as error:
            self.problems += error.problems
            return None


def _mistakes(sheet: Sheet, key: str) -> Iterator[Problem]:
    numbers = [line.number for line in sheet.lines]
    for fault in faults([line.values for line in sheet.lines], key, lambda row: f"in line {numbers[row]}"):
        yield sheet.problem(numbers[fault.row], fault.column, fault.message, fault.suggestion)


def _homeless(staff: Sheet, places: Roll) -> Iterator[Problem]:
    """Rows of staff whose place the list of places lacks."""
    for line in staff.lines:
        place = line.values.get(PLACE)
        if place is not None and called(place) not in places.rows:
            near = nearest(
                place,
                {row[column] for row in places.rows.values() for column in row if called(row[column]) in places.rows},
            )
            yield staff.problem(line.number, PLACE, f"there is no place {place!r}", near)


def directory_names(directory: Directory) -> dict[str, Names]:
    """The groups of names the lists bring."""
    lists = {"place": directory.places, "staff": directory.staff}
    return {
        name: Names(open=True) if roll.is_open else plain(*filter(None, roll.columns)) for name, roll in lists.items()
    }


def list_files(keys: DirectoryKeys) -> list[Path]:
    """The files the lists are in."""
    return [each.file for each in (keys.places, keys.staff) if each is not None and each.file is not None]
