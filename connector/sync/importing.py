"""Import: rows of a file become deliveries like any other, behind everything live, recorded and never acted on.

Each row is rendered in the shape of the survey's own source, so that an answer that came by webhook is known again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from connector.domain.model.intent import Json
from connector.errors import ConnectorError, MappingError
from connector.ports import Row
from connector.store import inbox, runs
from connector.store.database import Database
from connector.store.inbox import BACKFILL, Arrival
from connector.store.runs import RunKind
from connector.sync.tables import Line

BATCH: Final = 200
"""Rows of one transaction: a webhook waits for one of these at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Where a row says which answer it is and when it was given.

    `id` None: the row's content is its identity. `time_format` is that of `strptime`, None for ISO 8601; `zone` is
    that of times that do not say.
    """

    id: str | None
    time: str
    zone: ZoneInfo
    time_format: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Into:
    """Which survey's answers they are. `deliver` renders a row for the source of `kind`."""

    connection: str
    kind: str
    form: str
    deliver: Callable[[Row], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Rows so far: `accepted` are new, `duplicates` are in the inbox already, `quarantined` could not be read."""

    rows: int = 0
    accepted: int = 0
    duplicates: int = 0
    quarantined: int = 0


class Import:
    """One import, from its run's beginning to its last row.

    Args:
        db: the store.
        into: the survey.
        columns: of the file.
        act: whether rules look at the answers, however old; else they are recorded and scored.
        mode: observe or live, for the run.
        config: digest of the configuration, for the run.
    """

    def __init__(self, db: Database, into: Into, columns: Columns, *, act: bool, mode: str, config: str) -> None:
        self._db = db
        self._into = into
        self._columns = columns
        self._act = act
        with db.write() as tx:
            self.run_id = runs.begin(tx, RunKind.IMPORT, mode=mode, config=config)

    def take(self, lines: Iterable[Line]) -> Iterator[Tally]:
        """Store the rows, a few hundred at a time; the tally after each. The run ends with the last row.

        Raises ConnectorError when the run is undone meanwhile.
        """
        tally, rest = Tally(), iter(lines)
        while some := list(islice(rest, BATCH)):
            received_at = self._db.clock.now()
            arrivals = [self._arrival(line, received_at) for line in some]
            bad = [one for one in arrivals if one.reason is not None]
            good = [one for one in arrivals if one.reason is None]
            with self._db.write() as tx:
                if runs.get(tx, self.run_id).undone_at is not None:
                    raise ConnectorError(f"run {self.run_id} was undone meanwhile: the rest is not imported")
                added, set_aside = inbox.add(tx, good), inbox.add(tx, bad)
            tally = Tally(
                rows=tally.rows + len(some),
                accepted=tally.accepted + added.new,
                duplicates=tally.duplicates + added.duplicates + set_aside.duplicates,
                quarantined=tally.quarantined + set_aside.new,
            )
            yield tally
        with self._db.write() as tx:
            runs.end(tx, self.run_id)

    def _arrival(self, line: Line, received_at: datetime) -> Arrival:
        into = self._into
        place = f"line {line.number}"
        field: str | None = None
        reason: str | None = None
        try:
            payload = into.deliver(self._row(line))
        except MappingError as error:
            # Not JSON on purpose: `replay` finds that it still cannot be read. The file, put right, is imported again.
            payload = f"{place}: {line.raw}".encode()
            field, reason = error.field, str(error).removeprefix(f"{error.field}: ")
        return Arrival(
            connection=into.connection,
            kind=into.kind,
            payload=payload,
            received_at=received_at,
            priority=BACKFILL,
            field=field,
            reason=reason,
            run_id=self.run_id,
            record_only=not self._act,
            place=place,
        )

    def _row(self, line: Line) -> Row:
        """Which answer the row is. Raises MappingError."""
        if line.problem is not None:
            raise MappingError(line.problem, field="row")
        columns = self._columns
        return Row(
            id=self._derived(line) if columns.id is None else _text(line, columns.id),
            form=self._into.form,
            submitted_at=_instant(_text(line, columns.time), columns),
            values=line.values,
        )

    def _derived(self, line: Line) -> str:
        """An id made of everything the row says, keyed: it is shown in logs, and the row may hold an address."""
        said = json.dumps(line.values, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return f"row-{self._db.keyring.blind('row', said)[:32]}"


def _text(line: Line, column: str) -> str:
    value: Json = line.values.get(column)
    if isinstance(value, str) and value.strip():
        return value.strip()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise MappingError("is missing or not a text", field=column)


def _instant(text: str, columns: Columns) -> datetime:
    try:
        if columns.time_format is None:
            found = datetime.fromisoformat(text)
        else:
            found = datetime.strptime(text, columns.time_format)  # noqa: DTZ007  # the zone is added below
        return found.replace(tzinfo=columns.zone) if found.tzinfo is None else found
    except ValueError:
        how = f"a time of the form {columns.time_format}" if columns.time_format else "an ISO 8601 time"
        raise MappingError(f"is not {how}", field=columns.time) from None
