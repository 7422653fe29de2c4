"""Records of interactions from a query to a shop's or ERP system's database. See its page.

The cursor is the latest change seen, as the database wrote it; the next question goes back `overlap` further, because
what is committed late carries an earlier time. What a question brought is handed out in slices, in the order of change.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, ConfigDict, Field

from connector.config.directory import Column, Query
from connector.config.part import DatabaseUrl
from connector.config.quantities import Duration, duration
from connector.config.records import RecordKeys
from connector.domain.model.directory import Row
from connector.domain.model.interaction import InteractionRecord, Unreadable
from connector.errors import ConfigError, ConnectorError, Problem, Rejected
from connector.ports import Page
from connector.store.foreign import Foreign
from connector.transport.kit import Kit

ROLES = frozenset({"interactions"})
READ: Final = "read"
PAGE: Final = 500
"""Records of one page."""
_SINCE: Final = re.compile(r"(?<![:\w\\]):since\b")


def _since(query: str) -> str:
    if _SINCE.search(query) is None:
        raise ValueError("expected a query that asks for changes: … WHERE changed_at >= :since")
    return query


class Options(RecordKeys):
    """Records of interactions (repair orders, visits, sales) from a query to a database."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: DatabaseUrl = Field(description="The database, as an URL of SQLAlchemy; it is only read.")
    query: Annotated[Query, AfterValidator(_since)] = Field(
        description="The SELECT; `:since` in it is where reading goes on."
    )
    changed_at: Column = Field(description="The column with the time of a row's last change; `:since` is one of it.")
    overlap: Duration = Field(default=duration("2h"), description="How far to go back each time: what comes late.")
    since: date = Field(default=date(1970, 1, 1), description="The first time: no older changes than of this day.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """How far reading is: asked since `since`, `rows` of the answer handed out; `latest` the latest change of it."""

    since: str
    latest: str
    rows: int = 0

    def cursor(self) -> str:
        """The place as a cursor."""
        return json.dumps({"since": self.since, "latest": self.latest, "rows": self.rows}, sort_keys=True)


class Sql:
    """One query to a database."""

    kind = "sql"

    def __init__(self, name: str, options: Options, kit: Kit) -> None:
        self.account = f"sql:{name}"
        self.read_class = READ
        self._options = options
        self._mapping = options.record_mapping
        self._answer: tuple[str, Sequence[Row]] | None = None
        try:
            self._database = Foreign(options.url.reveal())
        except ConnectorError as error:
            text = f"connections.{name}.url: {error}"
            raise ConfigError([Problem(file="connector", line=1, column=1, message=text)]) from error

    def interactions_since(self, cursor: str | None) -> Page[InteractionRecord | Unreadable]:
        """The next slice of what changed.

        Raises:
            Transient: the database does not answer.
            Unauthorized: it refuses the user.
            Rejected: it refuses the query, or the answer lacks a column that is read.
            Gone: there is no such file.
        """
        place = self._place(cursor)
        # Who went on with an answer that is no longer at hand asks again from its beginning: repeats are harmless.
        at_hand = self._answer is not None and self._answer[0] == place.since and place.rows > 0
        start = place.rows if at_hand else 0
        rows = self._answer[1] if at_hand and self._answer is not None else self._ask(place.since)
        self._answer = (place.since, rows)
        end = start + PAGE
        latest = max([place.latest, *(row[self._options.changed_at] for row in rows[start:end])])
        if end < len(rows):
            after = _Place(since=place.since, latest=latest, rows=end)
            return Page(records=self._read(start, rows[start:end]), cursor=after.cursor(), more=True)
        self._answer = None
        after = _Place(since=self._back(latest), latest=latest)
        return Page(records=self._read(start, rows[start:end]), cursor=after.cursor(), more=False)

    def _place(self, cursor: str | None) -> _Place:
        if cursor is None:
            first = self._options.since.isoformat()
            return _Place(since=first, latest=first)
        found = json.loads(cursor)
        return _Place(since=found["since"], latest=found["latest"], rows=found["rows"])

    def _ask(self, since: str) -> Sequence[Row]:
        """What changed since then, in the order of change."""
        changed, mapping = self._options.changed_at, self._mapping
        columns, rows = self._database.ask(self._options.query, {"since": since}).texts()
        lacking = mapping.lacks(columns, changed)
        if lacking is not None:
            raise Rejected(f"the query gives {lacking}", operation="query")
        for row in rows:
            if _moment(row.get(changed, "")) is None:
                message = f"{changed} holds what is no time: reading could not go on from it"
                raise Rejected(message, operation="query")
        key = mapping.columns["id"]
        return sorted(rows, key=lambda row: (row[changed], row.get(key, "")))

    def _back(self, latest: str) -> str:
        """`overlap` before the latest change, written as the database writes it."""
        moment = _moment(latest)
        assert moment is not None  # a change's own time was looked at, the first day is one
        try:
            return (moment - self._options.overlap).isoformat(" " if "T" not in latest else "T")
        except OverflowError:
            return latest

    def _read(self, start: int, rows: Sequence[Row]) -> list[InteractionRecord | Unreadable]:
        places = range(start + 1, start + len(rows) + 1)
        read = self._mapping.read_or_say
        return [read(self.account, f"row {place}", row) for place, row in zip(places, rows, strict=True)]


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
