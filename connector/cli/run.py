"""`connector run`: the daemon."""

from __future__ import annotations

import signal
import threading
from enum import StrEnum
from typing import Annotated

import typer

from connector import observe
from connector.cli.output import ConfigPath
from connector.clock import SystemClock
from connector.errors import ConnectorError
from connector.wiring.daemon import Daemon
from connector.wiring.opening import load_config

DRAIN_SECONDS = 30.0


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
    """Run until SIGTERM or SIGINT, then finish what is under way within 30 seconds."""
    observe.configure(log_level)
    stop = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    daemon = Daemon(load_config(config), SystemClock())
    daemon.start()
    stop.wait()
    if not daemon.stop(DRAIN_SECONDS):
        raise ConnectorError("stopped with work under way; the next start continues it")
