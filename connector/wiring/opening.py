"""Reading the configuration and opening its store: what every command does first."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from connector.adapters.registry import kinds
from connector.clock import Clock
from connector.config import Config, Loaded, load
from connector.config.part import SQLITE
from connector.errors import ConfigError, Problem
from connector.store.database import Database
from connector.store.keyring import KeyRing
from connector.store.server_clock import ServerClock


def load_config(path: str, environ: Mapping[str, str] | None = None) -> Loaded:
    """The configuration at `path`, with the environment's references and overrides. Raises ConfigError."""
    file = Path(path)
    if not _exists(file):
        problem = Problem(file=path, line=1, column=1, message="no such file; `connector init` makes one")
        raise ConfigError([problem])
    return load(file, kinds(), os.environ if environ is None else environ)


def _exists(file: Path) -> bool:
    try:
        return file.exists()
    except OSError:  # who may not look into the folder is told so when the file is read
        return True


def open_store(config: Config, clock: Clock) -> Database:
    """The store the configuration names. Nothing is opened before its first transaction. Raises StoreError.

    Its `clock` is the one to live by: at a server that is the server's, whatever `clock` shows.
    """
    ours = clock if config.store.startswith(SQLITE) else ServerClock(clock)
    return Database(config.store, KeyRing(config.privacy.keys), ours, graveyard_of(config))


def graveyard_of(config: Config) -> Path | None:
    """The file with every tombstone; None for a server without one in the configuration."""
    if config.privacy.tombstones is not None:
        return Path(config.privacy.tombstones)
    prefix, _, file = config.store.partition(SQLITE)
    return Path(f"{file}.erased") if not prefix and file else None
