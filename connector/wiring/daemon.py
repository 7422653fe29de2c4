"""The running connector: one process, its store and web edge, and the configuration that is active in it."""

from __future__ import annotations

from contextlib import ExitStack

from connector import observe
from connector.clock import Clock
from connector.config import Loaded
from connector.errors import ConfigError, StoreError
from connector.store import lanes
from connector.store.occupancy import occupied
from connector.store.runs import RunKind
from connector.store.transaction import Transaction
from connector.sync.collect import Intake
from connector.web.app import build_app
from connector.web.server import Server
from connector.wiring.activation import activate, refuse_fixed
from connector.wiring.opening import open_store
from connector.wiring.process import is_dead
from connector.wiring.telemetry import Telemetry
from connector.wiring.works import Works

RELOAD_SECONDS = 30.0
"""How long what is under way may take to finish before another configuration takes over."""


class Daemon:
    """Everything one process runs. Nothing happens before `start`.

    Raises:
        ConfigError: an adapter cannot be made.
        StoreError: the store cannot be opened.
        ConnectorError: the address to listen on is taken.
    """

    def __init__(self, loaded: Loaded, clock: Clock) -> None:
        self._log = observe.log("daemon")
        self.telemetry = Telemetry()
        self._occupation = ExitStack()
        self._occupation.enter_context(occupied(loaded.config.store))
        self.db = open_store(loaded.config, clock).create()
        self._clock = clock = self.db.clock
        self._works = self._make(loaded)
        self._is_open = False
        self._intake = Intake(self.db, notify=self._notify)
        app = build_app(
            db=self.db,
            intake=self._intake,
            clock=clock,
            doors=lambda: self._works.doors if self._is_open else None,
            metrics=self.telemetry.metrics,
            before_metrics=lambda: self.telemetry.measure_lag(self.db),
        )
        self._server = Server(app, loaded.config.listen.host, loaded.config.listen.port)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._server.port

    @property
    def loaded(self) -> Loaded:
        """The configuration that is active."""
        return self._works.loaded

    def start(self) -> None:
        """Take over from processes of this machine that died, drain the lanes, open the doors."""
        self._server.start()
        with self.db.write() as tx:
            for name, owner in lanes.owners(tx).items():
                if is_dead(owner, is_shared=self.db.is_server):
                    lanes.abandon(tx, name, owner)
        activate(self.db, self.loaded, RunKind.START)
        self._works.start()
        self._is_open = True
        self.telemetry.metrics.gauge("config_ok", 1)
        config = self.loaded.config
        self._log.info("started", mode=config.mode, port=self.port, connections=len(config.connections))

    def reload(self, loaded: Loaded) -> None:
        """Let another configuration take over: deliveries are taken all along, the lanes change between two drains.

        Raises:
            ConfigError: it changes what only a start reads, or an adapter cannot be made; the old one goes on.
        """
        refuse_fixed(self.loaded.config, loaded)
        following = self._make(loaded)
        before, self._works = self._works, following
        if not before.stop(RELOAD_SECONDS):
            # Its lanes stay leased to it: the new ones take each of them once its drain has ended.
            self._log.warning("reload_waits", seconds=RELOAD_SECONDS)
        activate(self.db, loaded, RunKind.RELOAD)
        following.start()
        self.telemetry.metrics.gauge("config_ok", 1)
        self._log.info("reloaded", mode=loaded.config.mode, connections=len(loaded.config.connections))

    def refuse(self, error: ConfigError) -> None:
        """A configuration that was to take over is wrong: say so and go on with the one that is active."""
        self.telemetry.metrics.gauge("config_ok", 0)
        for problem in error.problems:
            self._log.error("reload_refused", problem=str(problem))
        text = f"the changed configuration is not used, the one before it goes on: {error.problems[0]}"
        try:
            with self.db.write() as tx:
                self._notify(tx, "connector", "reload_refused", text)
        except StoreError as failure:  # the log and the metric have said it
            self._log.warning("operators_not_told", reason=str(failure))

    def stop(self, seconds: float) -> bool:
        """Take nothing more, finish what is under way; False when something still ran after `seconds`."""
        deadline = self._clock.monotonic() + seconds
        self._is_open = False
        self._server.stop()
        self._intake.stop()
        drained = self._works.stop(max(0.0, deadline - self._clock.monotonic()))
        self.db.close()
        self._occupation.close()
        self._log.info("stopped", drained=drained)
        return drained

    def _make(self, loaded: Loaded) -> Works:
        return Works(loaded, db=self.db, clock=self._clock, telemetry=self.telemetry)

    def _notify(self, tx: Transaction, account: str, cause: str, text: str) -> None:
        self._works.notify(tx, account, cause, text)
