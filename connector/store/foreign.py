"""Another program's database, through any driver SQLAlchemy has: it is asked, and never written.

Three walls: the query must read (`SELECT`, `WITH`), the session is told to take no writes where the database knows how
(SQLite, PostgreSQL, MySQL, MariaDB), and whatever happened is rolled back. The fourth wall is yours: a user who may
only read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import URL, Connection, NullPool, bindparam, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.types import NullType

from connector.domain.model.directory import Row, column_name
from connector.errors import ConnectorError, Gone, Rejected, RemoteError, Transient, Unauthorized

CONNECT_SECONDS: Final = 10
STATEMENT_SECONDS: Final = 60
"""How long a query may take, where the database can be told."""
MOST_ROWS: Final = 500_000
"""More than any list of a person's; a query without its WHERE is stopped before it fills the memory."""
_READS: Final = re.compile(r"\s*(select|with)\b", re.IGNORECASE)
_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"")
_PARAMETER: Final = re.compile(r"(?<![:\w\\]):(\w+)")
_PREPARED: Final[Mapping[str, Sequence[str]]] = {
    "postgresql": ("SET TRANSACTION READ ONLY", f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'"),
    "mysql": ("SET SESSION TRANSACTION READ ONLY",),
    "mariadb": ("SET SESSION TRANSACTION READ ONLY",),
}
_ARGUMENTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "sqlite": {"timeout": CONNECT_SECONDS, "uri": True},
    "postgresql": {"connect_timeout": CONNECT_SECONDS, "application_name": "csat-connector"},
}
# What the driver says when nothing is wrong with the query, by the beginning of its SQLSTATE.
_REFUSED: Final = ("28", "42501")
# PostgreSQL turns away at the door with FATAL and no SQLSTATE: a wrong password, an unknown user or database; or these.
_FULL: Final = ("starting up", "shutting down", "too many", "connection slots", "recovery")
_BUSY: Final = ("08", "53", "57", "40", "55", "58")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What a query returned: its columns, and the rows in its order, a column without a value None."""

    columns: tuple[str, ...]
    rows: Sequence[Mapping[str, object]] = field(repr=False)

    def texts(self) -> tuple[tuple[str, ...], list[Row]]:
        """The same in the shape of a file people keep: columns as expressions name them, texts, blanks absent."""
        columns = tuple(column_name(name) for name in self.columns)
        rows: list[Row] = []
        for row in self.rows:
            values = {name: text_of(row[given]) for name, given in zip(columns, self.columns, strict=True)}
            rows.append({name: value for name, value in values.items() if value})
        return columns, rows


def text_of(value: object) -> str:
    """A value as such a file would hold it: an instant in UTC, a whole number without a fraction."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return (value if value.tzinfo is None else value.astimezone(UTC)).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


class Foreign:
    """A database of somebody else. Nothing is opened before the first question, and nothing stays open after it.

    Args:
        url: `dialect[+driver]://user:password@host/name`, as SQLAlchemy writes it; of a SQLite file the path.

    Raises:
        ConnectorError: it is no such URL, or its driver is not installed.
    """

    def __init__(self, url: str) -> None:
        try:
            given = make_url(url)
            parsed = _driven(given)
            backend = parsed.get_backend_name()
            self._engine = create_engine(
                parsed, poolclass=NullPool, hide_parameters=True, connect_args=_ARGUMENTS.get(backend, {})
            )
        except (ArgumentError, NoSuchModuleError):
            raise ConnectorError("the database's URL is none of SQLAlchemy's: dialect://user:…@host/name") from None
        except ModuleNotFoundError as error:
            raise ConnectorError(f"the database's driver is not installed: {error.name}") from None
        self._backend = backend
        # Opening a SQLite file that is not there would make it.
        self._file = Path(str(given.database)) if backend == "sqlite" else None

    def ask(self, query: str, values: Mapping[str, object] | None = None, *, most: int = MOST_ROWS) -> Rows:
        """The rows of one reading query; `:name` in it stands for a value of `values`.

        Raises:
            Transient: the database does not answer, or is busy.
            Unauthorized: it refuses the user or the password.
            Rejected: the query is wrong, writes, or returns more than `most` rows.
            Gone: there is no such file.
        """
        if _READS.match(query) is None:
            raise Rejected("the query does more than read: it begins with SELECT or WITH", operation="query")
        if self._file is not None and not self._file.exists():
            raise Gone("there is no database file", operation="query")
        try:
            with self._engine.connect() as connection:
                return self._ask(connection, query, values or {}, most)
        except DBAPIError as error:
            raise self._failure(error, query) from None
        except SQLAlchemyError as error:
            raise Rejected(f"the query cannot be asked: {type(error).__name__}", operation="query") from None

    def _ask(self, connection: Connection, query: str, values: Mapping[str, object], most: int) -> Rows:
        try:
            for statement in _PREPARED.get(self._backend, ()):
                connection.exec_driver_sql(statement)
            # A colon that is no parameter of ours is the query's own.
            asked = _PARAMETER.sub(lambda each: each[0] if each[1] in values else rf"\{each[0]}", query)
            # Untyped: a time is passed as text, and the database compares it as whatever its column is.
            given = [bindparam(name, value, type_=NullType()) for name, value in values.items()]
            result = connection.execute(text(asked).bindparams(*given))
            columns = tuple(result.keys())
            found = result.fetchmany(most + 1)
        finally:
            connection.rollback()
        if len(found) > most:
            raise Rejected(f"the query returns more than {most:,} rows: narrow it", operation="query")
        return Rows(columns=columns, rows=[dict(zip(columns, row, strict=True)) for row in found])

    def _failure(self, error: DBAPIError, query: str) -> RemoteError:
        """By what happens next. What is quoted in the driver's words stays only where the query says it, too."""
        state = str(getattr(error.orig, "sqlstate", None) or "")
        lines = str(error.orig).strip().splitlines() or [type(error.orig).__name__]
        said = _QUOTED.sub(lambda each: each[0] if each[0][1:-1] in query else "…", lines[0])
        is_at_door = "FATAL" in said and not any(word in said for word in _FULL)
        if state.startswith(_REFUSED) or is_at_door or "Access denied" in said:
            return Unauthorized("the database refuses the user", operation="query", reply=said)
        is_busy = state.startswith(_BUSY) or error.connection_invalidated or "locked" in said
        # Before there is a session there is no SQLSTATE: whatever failed then is about reaching it.
        is_unreached = self._backend != "sqlite" and not state and type(error).__name__ == "OperationalError"
        if is_busy or is_unreached:
            return Transient("the database does not answer", operation="query", reply=said)
        return Rejected(f"the database refuses the query: {said}", operation="query", reply=said)


def _driven(url: URL) -> URL:
    """The URL with the driver we bring where it names none, and a SQLite file opened for reading only."""
    if url.drivername == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
        return url.set(database=f"file:{quote(str(url.database))}", query={"mode": "ro", "uri": "true"})
    return url
