"""Empty stores for tests: made by the migrations once, copied from then on."""

from __future__ import annotations

import base64
import shutil
import tempfile
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from connector.clock import Clock, VirtualClock
from connector.secret import Secret
from connector.store.database import Database
from connector.store.keyring import KeyRing

KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()
"""What the stores of tests are sealed with."""
_ANY_DAY = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def ring() -> KeyRing:
    """The same key in every test."""
    return KeyRing([Secret(KEY)])


@cache
def template() -> Path:
    """A store made once by the migrations; copying it takes a hundredth of making it."""
    made = Path(tempfile.mkdtemp(prefix="connector-template-")) / "store.db"
    Database(f"sqlite:///{made}", ring(), VirtualClock(_ANY_DAY)).create().close()
    return made


def empty_store(folder: Path, clock: Clock) -> Database:
    """A new store in `folder`."""
    shutil.copy(template(), folder / "store.db")
    return Database(f"sqlite:///{folder / 'store.db'}", ring(), clock)
