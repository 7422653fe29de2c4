"""What one test of a user is run with: a configuration, and an empty store that is thrown away."""

from __future__ import annotations

from dataclasses import dataclass

from connector.clock import VirtualClock
from connector.config import Loaded
from connector.store.database import Database
from connector.sync.settings import DecideSettings
from connector.sync.understand import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """The store lives by the clock, and nobody is called."""

    loaded: Loaded
    settings: DecideSettings
    reading: Reading
    db: Database
    clock: VirtualClock
