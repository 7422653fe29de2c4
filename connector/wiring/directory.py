"""The lists of the directory that a database keeps: who is asked for them, and deciding that sees them as they are."""

from __future__ import annotations

from collections.abc import Iterator

from connector.config import Loaded
from connector.config.directory import ListKeys
from connector.domain.model.directory import ListName
from connector.errors import ConfigError, ConnectorError, Problem
from connector.store.database import Database
from connector.store.foreign import Foreign, Rows
from connector.sync.directory import Current, Query
from connector.sync.settings import DecideSettings


def queries(loaded: Loaded) -> tuple[Query, ...]:
    """What databases are asked for. Nothing is opened yet. Raises ConfigError when one cannot be."""
    return tuple(_queries(loaded))


def _queries(loaded: Loaded) -> Iterator[Query]:
    keys = loaded.config.directory
    if keys.places is not None and keys.places.sql is not None:
        yield _query(loaded, "places", keys.places)
    if keys.staff is not None and keys.staff.sql is not None:
        yield _query(loaded, "staff", keys.staff)


def _query(loaded: Loaded, name: ListName, keys: ListKeys) -> Query:
    assert keys.sql is not None  # only lists of a database are asked for
    assert keys.query is not None  # the model refuses a database without a query
    asked = keys.query
    try:
        database = Foreign(keys.sql.reveal())
    except ConnectorError as error:
        text = f"directory.{name}.sql: {error}"
        raise ConfigError([Problem(file=str(loaded.files[0]), line=1, column=1, message=text)]) from error

    def ask() -> Rows:
        return database.ask(asked)

    return Query(list=name, words=asked, key=keys.key, aliases=keys.aliases, every=keys.every, ask=ask)


def current(loaded: Loaded, settings: DecideSettings, db: Database) -> Current:
    """The settings, to be asked at each drain. Raises ConfigError."""
    return Current(db=db, settings=settings, queries=queries(loaded))
