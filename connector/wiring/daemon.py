"""The running connector: adapters, lanes, engine and web edge of one configuration."""

from __future__ import annotations

from collections.abc import Container
from datetime import timedelta

from connector import observe
from connector.clock import Clock
from connector.config import Config, Loaded
from connector.config.connections import CEILINGS, DEFAULT_CEILINGS, CeilingName
from connector.config.quantities import Rate
from connector.domain.model.intent import WriteKind
from connector.engines.embedded import Embedded
from connector.ports import Tickets
from connector.store import lanes
from connector.store.receipts import lane_of
from connector.store.tokens import Tokens
from connector.sync.collect import Intake
from connector.sync.outlet import Ceiling, Limits
from connector.transport.client import READ, patience
from connector.transport.kit import Kit
from connector.web.app import build_app
from connector.web.hooks import Doors
from connector.web.server import Server
from connector.wiring.adapters import Adapters, make_adapters
from connector.wiring.lanes import make_lanes, notifying
from connector.wiring.opening import open_store
from connector.wiring.process import is_dead, process_name
from connector.wiring.readiness import Readiness
from connector.wiring.settings import decide_settings
from connector.wiring.telemetry import Telemetry

LEASE_MARGIN = timedelta(seconds=25)
"""What a write lane's lease is longer than its longest call: no write starts under a lease that might not cover it."""


class Daemon:
    """Everything one process runs. Nothing happens before `start`.

    Raises:
        ConfigError: an adapter cannot be made.
        StoreError: the store cannot be opened.
        ConnectorError: the address to listen on is taken.
    """

    def __init__(self, loaded: Loaded, clock: Clock) -> None:
        self._clock = clock
        self._log = observe.log("daemon")
        self._config = loaded.config
        self.telemetry = Telemetry()
        self.db = open_store(loaded.config, clock).create()
        self.adapters = self._adapters(loaded.config)
        settings = decide_settings(loaded, self.adapters.accounts)
        writers = self.adapters.writers
        limits = {name: limits_of(loaded.config, name, one.promises) for name, one in writers.items()}
        drains = make_lanes(
            loaded=loaded,
            settings=settings,
            db=self.db,
            clock=clock,
            adapters=self.adapters,
            limits=limits,
            telemetry=self.telemetry,
        )
        self._readiness = Readiness(db=self.db, loaded=loaded, adapters=self.adapters, notify=notifying(settings))
        self._intake = Intake(self.db, notify=notifying(settings))
        self._doors: Doors | None = None
        host, port = loaded.config.listen.host, loaded.config.listen.port
        app = build_app(
            db=self.db,
            intake=self._intake,
            clock=clock,
            doors=lambda: self._doors,
            metrics=self.telemetry.metrics,
            before_metrics=lambda: self.telemetry.measure_lag(self.db),
        )
        self._server = Server(app, host, port)
        self._engine = Embedded(
            self.db,
            clock,
            drains,
            owner=process_name(),
            leases={
                lane_of(account): limits[name].timeout + LEASE_MARGIN
                for name, account in self.adapters.accounts.items()
            },
            metrics=self.telemetry.metrics,
        )

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._server.port

    def start(self) -> None:
        """Take over from processes of this machine that died, drain the lanes, open the doors."""
        self._server.start()
        with self.db.write() as tx:
            for name, owner in lanes.owners(tx).items():
                if is_dead(owner):
                    lanes.abandon(tx, name, owner)
        self._engine.start()
        self._readiness.start()
        self._doors = Doors(
            sources=self.adapters.sources,
            tickets={name: one for name, one in self.adapters.made.items() if isinstance(one, Tickets)},
        )
        self.telemetry.metrics.gauge("config_ok", 1)
        self._log.info("started", mode=self._config.mode, port=self.port, connections=len(self.adapters.made))

    def stop(self, seconds: float) -> bool:
        """Take nothing more, finish what is under way; False when something still ran after `seconds`."""
        deadline = self._clock.monotonic() + seconds
        self._doors = None
        self._server.stop()
        self._intake.stop()
        self._readiness.stop()
        drained = self._engine.stop(max(0.0, deadline - self._clock.monotonic()))
        self.db.close()
        self._log.info("stopped", drained=drained)
        return drained

    def _adapters(self, config: Config) -> Adapters:
        kit = Kit(
            clock=self._clock,
            token_store=Tokens(self.db),
            read_only=config.mode == "observe",
            on_reading=self.telemetry.read,
            on_call=self.telemetry.called,
        )
        adapters = make_adapters(config, kit)
        self.telemetry.know(adapters.made)
        return adapters


def limits_of(config: Config, name: str, kinds: Container[WriteKind]) -> Limits:
    """How fast and how much one connection may write; a ceiling of its `kinds` that is not named has its default."""
    connection = config.connections[name]
    ceilings: dict[CeilingName, Rate] = {**DEFAULT_CEILINGS, **connection.ceiling}
    timeout: float = getattr(connection.options, "timeout", READ)
    return Limits(
        timeout=timedelta(seconds=patience(timeout)),
        linger=connection.linger,
        share=connection.quota.share,
        ceilings={
            CEILINGS[what]: Ceiling(count=rate.count, per=rate.per)
            for what, rate in ceilings.items()
            if CEILINGS[what] in kinds
        },
    )
