"""What follows from one configuration in the daemon: its lanes and engine. A reload replaces them as a whole."""

from __future__ import annotations

from functools import partial
from typing import Protocol

from connector.clock import Clock
from connector.config import Loaded
from connector.engines.announcer import Announcer
from connector.engines.celery import announcing, make_app
from connector.engines.embedded import Embedded
from connector.errors import ConfigError, ConnectorError, Problem
from connector.ports import Tickets
from connector.store import pauses
from connector.store.database import Database
from connector.sync.fetch import fetch_lane
from connector.web.hooks import Doors
from connector.wiring.activation import follow
from connector.wiring.lanes import notifying
from connector.wiring.process import is_dead, process_name
from connector.wiring.readiness import Readiness
from connector.wiring.telemetry import Telemetry
from connector.wiring.workshop import Workshop, furnish


class Engine(Protocol):
    """What has the lanes drained."""

    def start(self) -> None:
        """Give every lane one turn, and then whenever it is due."""
        ...

    def stop(self, timeout: float) -> bool:
        """End what runs in this process; False when something still ran after `timeout` seconds."""
        ...


class Works:
    """One configuration at work on `db`. Nothing happens before `start`, and it is started once.

    Raises:
        ConfigError: an adapter cannot be made, or its engine needs a library that is not installed.
    """

    def __init__(self, loaded: Loaded, *, db: Database, clock: Clock, telemetry: Telemetry) -> None:
        self.loaded = loaded
        self._db = db
        shop = furnish(loaded, db=db, clock=clock, telemetry=telemetry)
        self.adapters = shop.adapters
        self.settings = shop.settings
        self.notify = notifying(shop.settings)
        self.doors = Doors(
            sources=self.adapters.sources,
            tickets={name: one for name, one in self.adapters.made.items() if isinstance(one, Tickets)},
            feeds={
                (survey.source, form): fetch_lane(survey.source, form)
                for survey in loaded.config.surveys.values()
                for form in survey.forms
                if survey.poll is not None
            },
        )
        self._readiness = Readiness(db=db, loaded=loaded, adapters=self.adapters, notify=self.notify)
        self._engine = _engine(loaded, shop, db=db, clock=clock, telemetry=telemetry)

    def start(self) -> None:
        """Have the lanes drained, and ask the accounts whether they are ready."""
        with self._db.write() as tx:
            pauses.follow(tx, self.adapters.accounts)
        self._engine.start()
        self._readiness.start()

    def stop(self, seconds: float) -> bool:
        """Finish what is under way; False when something still ran after `seconds`."""
        self._readiness.stop()
        return self._engine.stop(seconds)


def _engine(loaded: Loaded, shop: Workshop, *, db: Database, clock: Clock, telemetry: Telemetry) -> Engine:
    chosen = loaded.config.engine
    if chosen.broker is None:
        return Embedded(
            db,
            clock,
            shop.drains,
            owner=process_name(),
            leases=shop.leases,
            metrics=telemetry.metrics,
            allows=follow(db, loaded),
        )
    try:
        app = make_app(chosen.broker, chosen.queue)
    except ConnectorError as error:
        raise ConfigError([Problem(file=str(loaded.files[0]), line=1, column=1, message=str(error))]) from error
    return Announcer(
        db,
        clock,
        shop.drains,
        announcing(app, chosen.queue),
        metrics=telemetry.metrics,
        is_dead=partial(is_dead, is_shared=db.is_server),
        looked=follow(db, loaded),
    )
