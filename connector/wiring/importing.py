"""What an import works with: the survey's source, the lanes that read and score, and how much is left to do."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from connector.clock import Clock
from connector.config import Loaded
from connector.domain.model.nearest import nearest
from connector.engines.foreground import Foreground
from connector.errors import ConnectorError
from connector.ports import Importing
from connector.store import inbox, people, responses, runs
from connector.store.database import Database
from connector.store.occupancy import occupied
from connector.sync import decide, timers, understand
from connector.sync.importing import Into
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit
from connector.wiring.adapters import Adapters, make_adapters
from connector.wiring.directory import current
from connector.wiring.lanes import make_reading, notifying
from connector.wiring.process import process_name
from connector.wiring.settings import settings_with


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What is still to be done: rows to be read, answers to be decided, persons to be scored."""

    rows: int
    answers: int
    persons: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.rows + self.answers + self.persons


class Importer:
    """The parts of one configuration that an import needs; no vendor is called. While it lives, nobody may replace
    the store.

    Raises:
        ConfigError: an adapter cannot be made.
        StoreError: the store is being replaced.
    """

    def __init__(self, loaded: Loaded, db: Database, clock: Clock) -> None:
        self._loaded = loaded
        self._db = db
        kit = Kit(clock=clock, token_store=MemoryTokens(clock), read_only=True)
        self._adapters: Adapters = make_adapters(loaded.config, kit)
        self._clock = clock
        self._occupation = ExitStack()
        self._occupation.enter_context(occupied(loaded.config.store))

    def into(self, survey: str, form: str | None) -> Into:
        """Where the rows belong. Raises ConnectorError when there is no such survey or form, or it takes no rows."""
        surveys = self._loaded.config.surveys
        if survey not in surveys:
            near = nearest(survey, surveys)
            raise ConnectorError(f"there is no survey {survey!r}" + (f"; did you mean {near!r}?" if near else ""))
        known = surveys[survey]
        if form is None and len(known.forms) > 1:
            raise ConnectorError(f"survey {survey!r} has several forms: say --form {' or --form '.join(known.forms)}")
        chosen = known.forms[0] if form is None else form
        if chosen not in known.forms:
            raise ConnectorError(f"survey {survey!r} has no form {chosen!r}: it has {', '.join(known.forms)}")
        source, kind = self._adapters.made[known.source], self._loaded.config.connections[known.source].kind
        if not isinstance(source, Importing):
            raise ConnectorError(f"answers of a connection of kind {kind!r} cannot be imported")
        return Into(connection=known.source, kind=kind, form=chosen, deliver=source.deliver)

    def lanes(self) -> Foreground:
        """The lanes that understand, decide and score, to be drained here while nobody else does."""
        settings = current(self._loaded, settings_with(self._loaded, self._adapters), self._db)()
        reading = make_reading(self._loaded, self._adapters)
        with self._db.read() as tx:
            active = runs.active(tx)
        self._db.run_id = None if active is None else active.id
        drains = {
            understand.LANE: understand.UnderstandLane(
                db=self._db, reading=lambda: reading, notify=notifying(settings)
            ).drain,
            decide.LANE: decide.DecideLane(db=self._db, settings=lambda: settings).drain,
            timers.LANE: timers.TimersLane(db=self._db, settings=lambda: settings).drain,
        }
        return Foreground(self._db, self._clock, drains, owner=process_name())

    def left(self, run_id: int) -> Left:
        """What of an import is still to be done."""
        scores = self._loaded.config.health_score is not None
        with self._db.read() as tx:
            return Left(
                rows=inbox.waiting(tx, run_id),
                answers=responses.waiting(tx, run_id),
                persons=people.unscored(tx) if scores else 0,
            )
