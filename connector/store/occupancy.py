"""Who works on a SQLite store right now: a lock file beside it, held by the system for as long as a process lives.

Lanes are leased while they are drained only, so that an idle daemon could not be told from none by looking into the
store.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from connector.errors import StoreError
from connector.store import engine


@contextmanager
def occupied(url: str) -> Iterator[None]:
    """Within the block, others may work on the store too, but nobody may replace it.

    Raises:
        StoreError: it is being replaced, or no file can be made beside it.
    """
    with _locked(url, fcntl.LOCK_SH, "a backup is being restored: start when that is done"):
        yield


@contextmanager
def alone(url: str) -> Iterator[None]:
    """Within the block, nobody works on the store. Raises StoreError while somebody does."""
    with _locked(url, fcntl.LOCK_EX, "the store is in use: stop every connector first"):
        yield


@contextmanager
def _locked(url: str, how: int, refusal: str) -> Iterator[None]:
    parsed = engine.parse(url)
    if parsed.get_backend_name() != "sqlite":
        yield  # a server knows who is connected, and is not replaced by moving a file
        return
    path = Path(f"{parsed.database}.lock")
    try:
        file = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise StoreError(f"{path} cannot be made: {error.strerror}") from error
    try:
        try:
            fcntl.flock(file, how | fcntl.LOCK_NB)
        except OSError as error:
            raise StoreError(refusal) from error
        yield
    finally:
        os.close(file)
