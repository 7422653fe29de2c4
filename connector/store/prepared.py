"""Statements that are run for every answer: compiled once, then handed to the driver as they are.

SQLAlchemy asks of a statement, each time it is run, whether it was compiled before, which of its values are which, and
what its rows will look like: a tenth of a millisecond, several times what SQLite needs to run it. A `Prepared` keeps
the answers. Types are SQLAlchemy's still, so a value goes in and comes out as it would otherwise; what SQLAlchemy would
have to work out while running it (a default computed in Python) is refused. See docs/decisions/010.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Delete, Dialect, Insert, Select, Update
from sqlalchemy.exc import DBAPIError, MultipleResultsFound, NoResultFound

Params = Mapping[str, Any]
_Process = Callable[[Any], Any] | None
_NO_PARAMS: Final[Params] = {}


class Prepared:
    """One statement with named parameters. Made once, as a constant of a module; `Transaction.execute` takes it.

    `lists` are the parameters that are the list of an `IN` (`bindparam(name, expanding=True)`).
    """

    __slots__ = ("_lists", "_plans", "_statement")

    def __init__(self, statement: Select[Any] | Insert | Update | Delete, *, lists: Sequence[str] = ()) -> None:
        # Who wants to know the new row's number asks for it: RETURNING.
        self._statement = statement.inline() if isinstance(statement, Insert) else statement
        self._lists = tuple(lists)
        self._plans: dict[tuple[object, ...], _Plan] = {}

    def __str__(self) -> str:
        return str(self._statement)

    def run(self, connection: Connection, params: Params | Sequence[Params] | None) -> Found:
        """Run it once, or once for each of several sets of parameters (which then return no rows)."""
        if params is None or isinstance(params, Mapping):
            one = params or _NO_PARAMS
            if self._lists:
                one = {**one, **{name: _padded(one[name]) for name in self._lists}}
            return self._plan(connection.dialect, one).run(connection, one)
        return self._plan(connection.dialect, params[0]).run_many(connection, params)

    def _plan(self, dialect: Dialect, params: Params) -> _Plan:
        key = (dialect.name, *params, *(len(params[name]) for name in self._lists))
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = _Plan(self._statement, dialect, params, self._lists)
        return plan


class Found:
    """What a prepared statement gave: its rows, all of them, and how many it changed."""

    __slots__ = ("_rows", "rowcount")

    def __init__(self, rows: Sequence[Any], rowcount: int) -> None:
        self._rows = rows
        self.rowcount = rowcount

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)

    def all(self) -> Sequence[Any]:
        """Every row."""
        return self._rows

    def first(self) -> Any:
        """The first row; None when there is none."""
        return self._rows[0] if self._rows else None

    def one_or_none(self) -> Any:
        """The only row; None when there is none. Raises MultipleResultsFound."""
        if len(self._rows) > 1:
            raise MultipleResultsFound("more than one row where one was expected")
        return self.first()

    def one(self) -> Any:
        """The only row. Raises NoResultFound, MultipleResultsFound."""
        if not self._rows:
            raise NoResultFound("no row where one was expected")
        return self.one_or_none()

    def scalars(self) -> Sequence[Any]:
        """The first value of every row."""
        return [row[0] for row in self._rows]

    def scalar(self) -> Any:
        """The first value of the first row; None when there is no row."""
        return self._rows[0][0] if self._rows else None

    def scalar_one(self) -> Any:
        """The first value of the only row. Raises NoResultFound, MultipleResultsFound."""
        return self.one()[0]

    def scalar_one_or_none(self) -> Any:
        """The first value of the only row; None when there is none. Raises MultipleResultsFound."""
        row = self.one_or_none()
        return None if row is None else row[0]


class _Plan:
    """A statement as one dialect runs it, for one set of parameter names and one length of each list among them."""

    def __init__(self, statement: Any, dialect: Dialect, params: Params, lists: Sequence[str]) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=list(params))
        given = {**_defaults(compiled), **params}
        state = compiled.construct_expanded_state(given, escape_names=False)
        source = {made: name for name, several in state.parameter_expansion.items() for made in several}
        self._text = state.statement
        self._dialect = dialect
        self._lists = [(name, state.parameter_expansion[name]) for name in lists]
        names = state.positiontup if state.positiontup is not None else list(state.parameters)
        self._is_positional = state.positiontup is not None
        self._fixed: dict[str, Any] = {}
        self._slots: list[tuple[str, _Process]] = []
        for name in names:
            origin = source.get(name, name)
            process = _into(compiled.binds[origin].type, dialect)
            if origin not in params:  # a literal of the statement itself, or a default
                value = state.parameters[name]
                self._fixed[name] = value if process is None else process(value)
                process = None
            self._slots.append((name, process))
        self._columns = list(statement.exported_columns)
        keys = [column.key for column in self._columns]
        row: Any = namedtuple("Row", keys, rename=True)  # type: ignore[misc]  # dynamic
        self._make = row._make
        self._readers: Sequence[tuple[int, Callable[[Any], Any]]] | None = None

    def run(self, connection: Connection, params: Params) -> Found:
        cursor = self._execute(connection, "execute", self._arguments(params))
        try:
            return Found(self._rows(cursor) if self._columns else (), cursor.rowcount)
        finally:
            cursor.close()

    def run_many(self, connection: Connection, several: Sequence[Params]) -> Found:
        cursor = self._execute(connection, "executemany", [self._arguments(params) for params in several])
        try:
            return Found((), cursor.rowcount)
        finally:
            cursor.close()

    def _arguments(self, params: Params) -> Any:
        values = params
        if self._fixed or self._lists:
            values = {**self._fixed, **params}
            for name, made in self._lists:
                values.update(zip(made, params[name], strict=True))
        if self._is_positional:
            return [values[name] if process is None else process(values[name]) for name, process in self._slots]
        return {name: values[name] if process is None else process(values[name]) for name, process in self._slots}

    def _rows(self, cursor: Any) -> Sequence[Any]:
        if self._readers is None:  # what a value has to go through depends on what the driver says it is
            described = zip(self._columns, cursor.description, strict=True)
            found = [(place, _out_of(one.type, self._dialect, said[1])) for place, (one, said) in enumerate(described)]
            self._readers = [(place, process) for place, process in found if process is not None]
        return [self._row(row, self._readers) for row in cursor.fetchall()]

    def _row(self, raw: Sequence[Any], readers: Sequence[tuple[int, Callable[[Any], Any]]]) -> Any:
        if not readers:
            return self._make(raw)
        values = list(raw)
        for place, process in readers:
            values[place] = process(values[place])
        return self._make(values)

    def _execute(self, connection: Connection, how: str, arguments: Any) -> Any:
        dbapi = connection.connection.dbapi_connection
        assert dbapi is not None
        cursor = dbapi.cursor()
        failures = self._dialect.loaded_dbapi.Error
        try:
            getattr(cursor, how)(self._text, arguments)
        except failures as error:
            is_lost = self._dialect.is_disconnect(error, dbapi, cursor)
            cursor.close()
            if is_lost:
                connection.invalidate(error)
            raise DBAPIError.instance(  # without the values: they may be somebody's
                self._text, None, error, failures, connection_invalidated=is_lost, dialect=self._dialect
            ) from error
        return cursor


def _defaults(compiled: Any) -> dict[str, Any]:
    """The plain values that columns of an INSERT have when nothing else is said."""
    columns = compiled.insert_prefetch
    if compiled.update_prefetch or not all(column.default.is_scalar for column in columns):
        raise RuntimeError("a column has a default that is computed; only SQLAlchemy can do that")
    return {column.key: column.default.arg for column in columns}


def _padded(given: Iterable[Any]) -> list[Any]:
    """Values for an IN, the last one repeated up to a power of two, so that few lengths are compiled."""
    values = list(given)
    return values + values[-1:] * ((1 << (len(values) - 1).bit_length()) - len(values)) if values else values


def _into(kind: Any, dialect: Dialect) -> _Process:
    process: _Process = kind.dialect_impl(dialect).bind_processor(dialect)
    return process


def _out_of(kind: Any, dialect: Dialect, said: Any) -> _Process:
    process: _Process = kind.dialect_impl(dialect).result_processor(dialect, said)
    return process
