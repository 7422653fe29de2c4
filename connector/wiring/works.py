"""What follows from one configuration: its adapters, lanes and engine. A reload replaces them as a whole."""

from __future__ import annotations

from collections.abc import Container
from datetime import timedelta

from connector.clock import Clock
from connector.config import Config, Loaded
from connector.config.connections import CEILINGS, DEFAULT_CEILINGS, CeilingName
from connector.config.quantities import Rate
from connector.domain.model.intent import WriteKind
from connector.engines.embedded import Embedded
from connector.ports import Tickets
from connector.store import pauses
from connector.store.database import Database
from connector.store.receipts import lane_of
from connector.store.tokens import Tokens
from connector.sync import erasing
from connector.sync.fetch import fetch_lane
from connector.sync.outlet import Ceiling, Limits
from connector.transport.client import READ, patience
from connector.transport.kit import Kit
from connector.web.hooks import Doors
from connector.wiring.adapters import Adapters, make_adapters
from connector.wiring.lanes import make_lanes, notifying
from connector.wiring.process import process_name
from connector.wiring.readiness import Readiness
from connector.wiring.settings import decide_settings
from connector.wiring.telemetry import Telemetry

LEASE_MARGIN = timedelta(seconds=25)
"""What a write lane's lease is longer than its longest call: no write starts under a lease that might not cover it."""


class Works:
    """One configuration at work on `db`. Nothing happens before `start`, and it is started once.

    Raises:
        ConfigError: an adapter cannot be made.
    """

    def __init__(self, loaded: Loaded, *, db: Database, clock: Clock, telemetry: Telemetry) -> None:
        self.loaded = loaded
        self._db = db
        kit = Kit(
            clock=clock,
            token_store=Tokens(db),
            read_only=loaded.config.mode == "observe",
            on_reading=telemetry.read,
            on_call=telemetry.called,
        )
        self.adapters: Adapters = make_adapters(loaded.config, kit)
        telemetry.know(self.adapters.made)
        self.settings = decide_settings(loaded, self.adapters.accounts)
        self.notify = notifying(self.settings)
        writers = self.adapters.writers
        limits = {name: limits_of(loaded.config, name, one.promises) for name, one in writers.items()}
        drains = make_lanes(
            loaded=loaded,
            settings=self.settings,
            db=db,
            clock=clock,
            adapters=self.adapters,
            limits=limits,
            telemetry=telemetry,
        )
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
        self._engine = Embedded(
            db,
            clock,
            drains,
            owner=process_name(),
            leases={
                erasing.LANE: max((one.timeout for one in limits.values()), default=timedelta()) + LEASE_MARGIN,
                **{
                    lane_of(account): limits[name].timeout + LEASE_MARGIN
                    for name, account in self.adapters.accounts.items()
                },
            },
            metrics=telemetry.metrics,
        )

    def start(self) -> None:
        """Drain the lanes, and ask the accounts whether they are ready."""
        with self._db.write() as tx:
            pauses.follow(tx, self.adapters.accounts)
        self._engine.start()
        self._readiness.start()

    def stop(self, seconds: float) -> bool:
        """Finish what is under way; False when something still ran after `seconds`."""
        self._readiness.stop()
        return self._engine.stop(seconds)


def limits_of(config: Config, name: str, kinds: Container[WriteKind]) -> Limits:
    """How fast and how much one connection may write; a ceiling of its `kinds` that is not named has its default."""
    connection = config.connections[name]
    ceilings: dict[CeilingName, Rate] = {**DEFAULT_CEILINGS, **connection.ceiling}
    timeout: float = getattr(connection.options, "timeout", READ)
    return Limits(
        timeout=timedelta(seconds=patience(timeout)),
        linger=connection.linger,
        share=connection.quota.share,
        acts_within=config.act_on.answered_within,
        ceilings={
            CEILINGS[what]: Ceiling(count=rate.count, per=rate.per)
            for what, rate in ceilings.items()
            if CEILINGS[what] in kinds
        },
    )
