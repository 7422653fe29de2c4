"""The running connector: adapters, lanes, engine and web edge of one configuration."""

from __future__ import annotations

from datetime import timedelta

from connector import observe
from connector.clock import Clock
from connector.config import Config, Loaded
from connector.domain.model.intent import WriteKind
from connector.engines.embedded import Embedded
from connector.observe import Metrics
from connector.ports import Tickets, Writer
from connector.store import lanes
from connector.store.tokens import Tokens
from connector.sync.collect import Intake
from connector.sync.outlet import Ceiling, Limits
from connector.sync.quota import Readings
from connector.transport.client import CallNote, QuotaReading
from connector.transport.kit import Kit
from connector.web.app import build_app
from connector.web.hooks import Doors
from connector.web.server import Server
from connector.wiring.adapters import Adapters, make_adapters
from connector.wiring.lanes import make_lanes
from connector.wiring.opening import open_store
from connector.wiring.process import is_dead, process_name
from connector.wiring.settings import decide_settings

WRITE_LEASE = timedelta(seconds=60)
"""Longer than a write may take, connecting and committing included: no write starts under a shorter lease."""
CEILINGS = {"new_tickets": WriteKind.TICKET, "new_tasks": WriteKind.TASK, "new_contacts": WriteKind.CONTACT}


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
        self.metrics = Metrics()
        self.db = open_store(loaded.config, clock).create()
        self._readings = Readings()
        self.adapters = self._adapters(loaded.config)
        settings = decide_settings(loaded, self.adapters.accounts)
        drains = make_lanes(
            loaded=loaded,
            settings=settings,
            db=self.db,
            clock=clock,
            adapters=self.adapters,
            readings=self._readings,
            limits={name: _limits(loaded.config, name) for name in self.adapters.accounts},
            metrics=self.metrics,
        )
        self._intake = Intake(self.db)
        self._doors: Doors | None = None
        host, port = loaded.config.listen.host, loaded.config.listen.port
        app = build_app(
            db=self.db,
            intake=self._intake,
            clock=clock,
            doors=lambda: self._doors,
            metrics=self.metrics,
        )
        self._server = Server(app, host, port)
        self._engine = Embedded(
            self.db,
            clock,
            drains,
            owner=process_name(),
            leases={name: WRITE_LEASE for name in drains if name.startswith("write/")},
            metrics=self.metrics,
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
        self._doors = Doors(
            sources=self.adapters.sources,
            tickets={name: one for name, one in self.adapters.made.items() if isinstance(one, Tickets)},
        )
        self.metrics.gauge("config_ok", 1)
        self._log.info("started", mode=self._config.mode, port=self.port, connections=len(self.adapters.made))

    def stop(self, seconds: float) -> bool:
        """Take nothing more, finish what is under way; False when something still ran after `seconds`."""
        self._doors = None
        self._server.stop()
        self._intake.stop()
        drained = self._engine.stop(seconds)
        self.db.close()
        self._log.info("stopped", drained=drained)
        return drained

    def _adapters(self, config: Config) -> Adapters:
        kit = Kit(
            clock=self._clock,
            token_store=Tokens(self.db),
            read_only=config.mode == "observe",
            on_reading=self._note_reading,
            on_call=self._note_call,
        )
        return make_adapters(config, kit)

    def _note_reading(self, connection: str, reading: QuotaReading) -> None:
        adapter = self.adapters.made[connection]
        if isinstance(adapter, Writer):
            self._readings.note(adapter.account, reading)
        if reading.remaining is not None:
            self.metrics.gauge(
                "quota_remaining", reading.remaining, connection=connection, endpoint=reading.endpoint_class
            )

    def _note_call(self, note: CallNote) -> None:
        self.metrics.count(
            "remote_calls_total", connection=note.connection, endpoint=note.endpoint_class, outcome=note.outcome
        )
        self.metrics.time("remote_seconds", note.seconds, connection=note.connection)


def _limits(config: Config, name: str) -> Limits:
    connection = config.connections[name]
    return Limits(
        linger=connection.linger,
        share=connection.quota.share,
        ceilings={CEILINGS[what]: Ceiling(count=rate.count, per=rate.per) for what, rate in connection.ceiling.items()},
    )
