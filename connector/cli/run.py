"""`connector run`: the daemon."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from connector import observe
from connector.cli.output import ConfigPath
from connector.clock import Clock, running_clock
from connector.config import Loaded
from connector.errors import ConfigError, ConnectorError
from connector.wiring.daemon import Daemon
from connector.wiring.opening import load_config
from connector.wiring.watch import Watch

DRAIN_SECONDS = 30.0
LOOK_SECONDS = 1.0
"""How often the configuration's files are looked at."""


class LogLevel(StrEnum):
    """How serious an event must be to be logged."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


def run(
    config: ConfigPath = "connector.yaml",
    log_level: Annotated[LogLevel, typer.Option(case_sensitive=False, help="The least serious events to log.")] = (
        LogLevel.INFO
    ),
) -> None:
    """Run until SIGTERM or SIGINT, then finish what is under way within 30 seconds.

    SIGHUP, and any change of the configuration's files, makes it read them again; what is wrong in them is logged and
    told to the operators, and the configuration before goes on.
    """
    observe.configure(log_level)
    stop, again = threading.Event(), threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    signal.signal(signal.SIGHUP, lambda *_: again.set())
    clock = running_clock()
    loaded = load_config(config)
    watch = Watch(loaded.files)  # before the start, which may take a while: a change meanwhile is noticed
    daemon = Daemon(loaded, clock)
    daemon.start()
    gc.freeze()  # what lives as long as the process need not be looked through again and again: 3 % of its time
    keep_current(daemon, lambda: load_config(config), clock, watch, stop=stop, again=again)
    if not daemon.stop(DRAIN_SECONDS):
        raise ConnectorError("stopped with work under way; the next start continues it")


def keep_current(
    daemon: Daemon,
    load: Callable[[], Loaded],
    clock: Clock,
    watch: Watch,
    *,
    stop: threading.Event,
    again: threading.Event,
) -> None:
    """Until `stop`: load the configuration anew when `again` is set or one of its files changed."""
    pending = False
    while not clock.wait(stop, LOOK_SECONDS):
        # An editor writes a file in several steps: it is read once a look finds it at rest.
        changed = watch.changed()
        pending = pending or changed
        if not (again.is_set() or (pending and not changed)):
            continue
        again.clear()
        pending = False
        try:
            loaded = load()
            watch = Watch(loaded.files, watch.seen)
            daemon.reload(loaded)
        except ConfigError as error:
            # What is wrong may be in a file that only the new configuration names: mending that is a change, too.
            watch = Watch((*daemon.loaded.files, *(Path(each.file) for each in error.problems)), watch.seen)
            daemon.refuse(error)
