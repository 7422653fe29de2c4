"""Empty stores for tests: made by the migrations once, copied from then on."""

from __future__ import annotations

import base64
import shutil
import tempfile
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final, Protocol

from connector.clock import Clock, VirtualClock
from connector.secret import Secret
from connector.store.database import Database
from connector.store.keyring import KeyRing

KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()
"""What the stores of tests are sealed with."""
NAME: Final = "store.db"
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


class Shelf(Protocol):
    """Where the store of a test that works in a folder is kept, and copies of it."""

    def open(self, folder: Path, clock: Clock) -> Database:
        """The store as a new process opens it; an empty one the first time."""
        ...

    def keep(self, folder: Path, name: str) -> None:
        """Keep a copy under a name; no process has it open."""
        ...

    def put_back(self, folder: Path, name: str) -> None:
        """Let the store be the copy kept under a name; no process has it open."""
        ...


class Files:
    """A SQLite file in the folder."""

    def open(self, folder: Path, clock: Clock) -> Database:
        """The store as a new process opens it; an empty one the first time."""
        if not (folder / NAME).exists():
            shutil.copy(template(), folder / NAME)
        # Whatever dies in a test, the machine goes on: nothing has to reach the disk.
        return Database(f"sqlite:///{folder / NAME}", ring(), clock, durable=False)

    def keep(self, folder: Path, name: str) -> None:
        """Keep a copy under a name; no process has it open."""
        _copy(folder / NAME, folder / name)

    def put_back(self, folder: Path, name: str) -> None:
        """Let the store be the copy kept under a name; no process has it open."""
        _copy(folder / name, folder / NAME)


FILES: Final = Files()


def _copy(source: Path, to: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        to.with_name(to.name + suffix).unlink(missing_ok=True)
    for suffix in ("", "-wal"):
        if source.with_name(source.name + suffix).exists():
            shutil.copy(source.with_name(source.name + suffix), to.with_name(to.name + suffix))
