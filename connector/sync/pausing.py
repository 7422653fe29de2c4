"""What an operator paused is left alone: neither written nor read until it is resumed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from connector.store import pauses
from connector.store.database import Database
from connector.sync.lane import Drain, LaneHold

LOOK: Final = timedelta(seconds=1)
"""How soon a lane notices that its connection goes on."""


def unless_paused(db: Database, connection: str, drain: Drain) -> Drain:
    """The drain of a lane that reads from a connection; while that is paused it does nothing."""

    def drained(hold: LaneHold) -> datetime | None:
        with db.read() as tx:
            is_paused = pauses.of_connection(tx, connection)
            later = tx.now + LOOK
        return later if is_paused else drain(hold)

    return drained
