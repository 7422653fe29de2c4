"""The workers' side of the Celery engine: `attach(app)` in a deployment, or `celery -A connector.wiring.fleet worker`.

`connector run` receives, ticks and decides which configuration is active; a worker drains a lane it is told of, and
only with that configuration. Everything is made in the process that drains, after Celery forked it.
"""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Final

from connector import observe
from connector.clock import Clock, running_clock
from connector.config import Loaded
from connector.config.fingerprint import fingerprint
from connector.engines.announcer import Announcer
from connector.engines.celery import App, announcing, log_like_the_daemon, make_app, register
from connector.engines.heart import Heart
from connector.engines.turns import LEASE, TICK, Turns
from connector.errors import ConfigError, ConnectorError, LeaseLost
from connector.store import runs
from connector.store.database import Transaction
from connector.store.occupancy import occupied
from connector.store.runs import Run
from connector.wiring.activation import refuse_fixed
from connector.wiring.opening import load_config, open_store
from connector.wiring.process import process_name
from connector.wiring.telemetry import Telemetry
from connector.wiring.watch import Watch
from connector.wiring.workshop import furnish

CONFIG: Final = "CONNECTOR_CONFIG"
"""The environment variable that names the configuration, as on the command line."""
FIXED: Final = ("store",)
"""What only a start of the workers reads, besides the keys."""
LOOK_SECONDS: Final = 1.0
"""How often a worker looks at the configuration's files."""


def attach(app: App, config: str | Path | None = None) -> None:
    """Let the workers of `app` drain the lanes of the configuration at `config`.

    Nothing is read before a worker is told of its first lane, so that processes that only send tasks may import `app`
    without the connector's secrets. `config` None: what `CONNECTOR_CONFIG` names, or `connector.yaml`.
    """
    fleet = Fleet(app, _place(config))
    register(app, fleet.drain, fleet.close)


def __getattr__(name: str) -> App:
    """`app`: a ready-made application for `celery -A connector.wiring.fleet worker`."""
    if name != "app":
        raise AttributeError(name)
    return _ready_made()


@lru_cache
def _ready_made() -> App:
    engine = load_config(_place(None)).config.engine
    if engine.broker is None:
        raise ConnectorError("the configuration has no `engine: {kind: celery, broker: …}`: nothing to do for workers")
    app = make_app(engine.broker, engine.queue)
    log_like_the_daemon()
    attach(app)
    return app


def _place(config: str | Path | None) -> str:
    return str(config or os.environ.get(CONFIG) or "connector.yaml")


class Fleet:
    """The worker of whichever process it is called in."""

    def __init__(self, app: App, config: str) -> None:
        self._app = app
        self._config = config
        self._making = threading.Lock()
        self._made: tuple[int, Worker] | None = None

    def drain(self, lane: str) -> None:
        """Give the lane its turn if it is due."""
        with self._making:
            if self._made is None or self._made[0] != os.getpid():  # what a parent made is not this process's to use
                self._made = (os.getpid(), Worker(self._app, self._config, running_clock()))
            worker = self._made[1]
        worker.drain(lane)

    def close(self) -> None:
        """Let go of the store: this process ends, or takes no lane any more."""
        with self._making:
            made, self._made = self._made, None
        if made is not None and made[0] == os.getpid():
            made[1].close()


class Worker:
    """One process of the fleet. It drains while the configuration in its files is the active one, and else waits.

    Args:
        app: announces lanes that its drains wake.
        config: the YAML file.
        clock: measures leases and waits.
    """

    def __init__(self, app: App, config: str, clock: Clock) -> None:
        self._app = app
        self._config = config
        self._clock = clock
        self._log = observe.log("fleet")
        self._lock = threading.Lock()
        self._shelter: Shelter | None = None
        self._bench: Bench | None = None
        self._refusal: ConfigError | None = None
        self._tried_for: int | None = None
        self._said: set[tuple[str, str]] = set()
        self._watch = Watch([Path(config)])
        self._looked_at = clock.monotonic()
        self._is_changing = False
        observe.quiet()

    def drain(self, lane: str) -> None:
        """Give the lane its turn if it is due. What stands in the way is logged once, and the lane stays due."""
        try:
            with self._lock:
                bench = self._current()
        except ConfigError as error:
            self._say("reload_refused", str(error))
            return
        except ConnectorError as error:
            self._say("worker_waits", str(error))
            return
        if self._refusal is None:
            self._said.clear()
        bench.drain(lane)

    def close(self) -> None:
        """Let go of the store."""
        with self._lock:
            if self._bench is not None:
                self._bench.stop()
            if self._shelter is not None:
                self._shelter.close()
            self._bench = self._shelter = None

    def _current(self) -> Bench:
        """What to work at. Raises ConnectorError while there is nothing."""
        active = None if self._shelter is None else self._shelter.active()
        fits = self._bench is not None and self._bench.is_of(active)
        is_first = self._bench is None and self._refusal is None
        is_new = active is not None and active.id != self._tried_for and not fits
        if is_first or is_new or self._have_files_changed():
            self._load()
            active = None if self._shelter is None else self._shelter.active()
            self._tried_for = None if active is None else active.id
        if self._bench is None:
            raise self._refusal or ConnectorError("there is no configuration")
        if self._refusal is not None:
            self._say("reload_refused", str(self._refusal))
        if not self._bench.is_of(active):
            raise ConnectorError("the daemon has another configuration active than this worker finds in its files")
        return self._bench

    def _load(self) -> None:
        """Work at what the files say now; at what they said before when that is wrong. Raises StoreError."""
        before = self._bench
        try:
            loaded = load_config(self._config)
            if before is not None:
                refuse_fixed(before.loaded.config, loaded, FIXED)
            self._watch = Watch(loaded.files, self._watch.seen)
            if self._shelter is None:
                self._shelter = Shelter(loaded, self._clock)
            self._bench = Bench(self._app, loaded, self._shelter)
        except ConfigError as error:
            known = (Path(self._config),) if before is None else before.loaded.files
            self._watch = Watch((*known, *(Path(each.file) for each in error.problems)), self._watch.seen)
            self._refusal = error
            return
        self._refusal = None
        self._bench.start()
        if before is not None:
            before.stop()

    def _have_files_changed(self) -> bool:
        """Whether they look different from when they were read, and are at rest."""
        if self._clock.monotonic() < self._looked_at + LOOK_SECONDS:
            return False
        self._looked_at = self._clock.monotonic()
        changed = self._watch.changed()
        is_due = self._is_changing and not changed
        self._is_changing = changed
        return is_due

    def _say(self, event: str, reason: str) -> None:
        if (event, reason) in self._said:
            return
        self._said.add((event, reason))
        if event == "reload_refused":
            self._log.error("reload_refused", problem=reason)
        else:
            self._log.warning("worker_waits", reason=reason)


class Shelter:
    """What stays while configurations come and go: the store, the leases' heart, the figures. Raises StoreError."""

    def __init__(self, loaded: Loaded, clock: Clock) -> None:
        self._occupation = ExitStack()
        self._occupation.enter_context(occupied(loaded.config.store))
        self.clock = clock
        self.db = open_store(loaded.config, clock)
        self.owner = process_name()
        self.telemetry = Telemetry()
        self.heart = Heart(self.db, clock, beat=LEASE.total_seconds() / 3)
        self.heart.start()

    def close(self) -> None:
        """Let go of it."""
        self.heart.stop()
        self.db.close()
        self._occupation.close()

    def active(self) -> Run | None:
        """The run of the configuration that is active. Raises StoreError."""
        with self.db.read() as tx:
            return runs.active(tx)


class Bench:
    """One configuration at work in this process. Raises ConfigError when an adapter cannot be made."""

    def __init__(self, app: App, loaded: Loaded, shelter: Shelter) -> None:
        self.loaded = loaded
        self._digest = fingerprint(loaded.config)
        shop = furnish(loaded, db=shelter.db, clock=shelter.clock, telemetry=shelter.telemetry)
        self._lanes = frozenset(shop.drains)
        self._turns = Turns(
            shelter.db,
            shelter.clock,
            shop.drains,
            owner=shelter.owner,
            heart=shelter.heart,
            metrics=shelter.telemetry.metrics,
            leases=shop.leases,
            allows=self._allow,
        )
        self._announcer = Announcer(
            shelter.db,
            shelter.clock,
            self._lanes,
            announcing(app, loaded.config.engine.queue),
            metrics=shelter.telemetry.metrics,
            ticks=False,
        )

    def start(self) -> None:
        """Announce what drains wake."""
        self._announcer.start()

    def stop(self) -> None:
        """Announce nothing any more; drains end by themselves."""
        self._announcer.stop(TICK)

    def is_of(self, run: Run | None) -> bool:
        """Whether a run is of this configuration."""
        return run is not None and (run.config, run.mode) == (self._digest, self.loaded.config.mode)

    def drain(self, lane: str) -> None:
        """Give the lane its turn if it is due; there may be no such lane any more."""
        if lane in self._lanes and self._turns.turn(lane) == 0:
            self._announcer.look_soon()

    def _allow(self, tx: Transaction) -> None:
        """In every transaction of a drain: the configuration is the active one still, and plans under its run."""
        run = runs.active(tx)
        if run is None or not self.is_of(run):
            raise LeaseLost("another configuration is active")
        tx.run_id = run.id
