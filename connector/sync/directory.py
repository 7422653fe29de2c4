"""Directory: the lists a database keeps, read again as often as wanted; deciding sees them as they last were.

A list that is wrong, or a database that does not answer, changes nothing: the list before goes on and the operators are
told. The lane reads for every process; each of them finds the lists in the store.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from connector.domain.model.directory import Directory, ListName, Roll, enrol, faults
from connector.domain.model.nearest import nearest
from connector.errors import RemoteError
from connector.store import lists
from connector.store.database import Database
from connector.store.foreign import Rows
from connector.store.lists import Listed
from connector.store.transaction import Transaction
from connector.sync.lane import LaneHold
from connector.sync.operators import tell_operators
from connector.sync.settings import DecideSettings

LANE: Final = "directory"
AFTER_TROUBLE: Final = timedelta(minutes=1)
_SHOWN: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A list that a database keeps. `words` is what tells this query from another (no secret), `ask` asks it."""

    list: ListName
    words: str = field(repr=False)
    key: str
    aliases: tuple[str, ...] = ()
    every: timedelta
    ask: Callable[[], Rows] = field(repr=False)

    @property
    def name(self) -> str:
        """What the store calls the list. Asked differently it is another, empty until it is read."""
        asked = "\0".join((self.words, self.key))
        return f"{self.list}@{hashlib.sha256(asked.encode()).hexdigest()[:12]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryLane:
    """Reads each list when it is due."""

    db: Database
    queries: Sequence[Query]
    settings: Callable[[], DecideSettings]

    def drain(self, hold: LaneHold) -> datetime | None:
        """Read what is due; due again when the next list is."""
        with self.db.write() as tx:
            hold.confirm(tx)
            lists.keep_only(tx, [query.name for query in self.queries])
            read_at = {query.name: lists.read_at(tx, query.name) for query in self.queries}
        dues = []
        for query in self.queries:
            last = read_at[query.name]
            due = None if last is None else last + query.every
            dues.append(self._read(hold, query) if due is None or due <= self.db.clock.now() else due)
        return min(dues, default=None)

    def _read(self, hold: LaneHold, query: Query) -> datetime:
        """When to read it again."""
        try:
            found = query.ask()
        except RemoteError as error:
            return self._trouble(hold, query, str(error))
        columns, rows = found.texts()
        listed = Listed(columns=columns, rows=rows)
        wrong = mistakes(listed, query)
        if wrong:
            more = f" (and {len(wrong) - _SHOWN} more)" if len(wrong) > _SHOWN else ""
            return self._trouble(hold, query, "; ".join(islice(wrong, _SHOWN)) + more)
        with self.db.write() as tx:
            hold.confirm(tx)
            lists.put(tx, query.name, listed)
        return self.db.clock.now() + query.every

    def _trouble(self, hold: LaneHold, query: Query, why: str) -> datetime:
        with self.db.write() as tx:
            hold.confirm(tx)
            text = f"directory.{query.list}: the list is not read, the one before goes on: {why}"
            tell_operators(tx, self.settings(), LANE, query.list, text)
        return self.db.clock.now() + min(AFTER_TROUBLE, query.every)


@dataclass(frozen=True, slots=True, kw_only=True)
class Current:
    """The settings with the lists as they last were: called at the beginning of a drain, outside of any transaction."""

    db: Database
    settings: DecideSettings
    queries: Sequence[Query]
    _seen: dict[str, tuple[datetime, Roll]] = field(default_factory=dict)

    def __call__(self) -> DecideSettings:
        """The settings of now. What did not change is not opened again."""
        if not self.queries:
            return self.settings
        with self.db.read() as tx:
            rolls = {query.list: self._roll(tx, query) for query in self.queries}
        return replace(self.settings, directory=_with(self.settings.directory, rolls))

    def _roll(self, tx: Transaction, query: Query) -> Roll:
        at = lists.read_at(tx, query.name)
        seen = self._seen.get(query.name)
        if at is None or (seen is not None and seen[0] == at):
            return Roll(is_open=True) if seen is None else seen[1]
        listed = lists.get(tx, query.name)
        roll = Roll(is_open=True)
        if listed is not None:
            roll = enrol(listed.columns, listed.rows, key=query.key, aliases=query.aliases)
        self._seen[query.name] = (at, roll)
        return roll


def _with(directory: Directory, rolls: Mapping[ListName, Roll]) -> Directory:
    return Directory(places=rolls.get("places", directory.places), staff=rolls.get("staff", directory.staff))


def due_since(tx: Transaction, queries: Sequence[Query], *, begun: datetime) -> datetime | None:
    """When the first list should be, or should have been, read again."""
    dues = []
    for query in queries:
        last = lists.read_at(tx, query.name)
        dues.append(begun if last is None else last + query.every)
    return min(dues, default=None)


def mistakes(listed: Listed, query: Query) -> list[str]:
    """What makes a list unusable; no value of it is repeated."""
    for column in (query.key, *query.aliases):
        if column not in listed.columns:
            near = nearest(column, listed.columns)
            return [f"there is no column {column!r}" + (f" (did you mean {near!r}?)" if near else "")]
    found = faults(listed.rows, query.key, lambda row: f"row {row + 1}")
    return [f"row {each.row + 1}: {each.message}" for each in found]
