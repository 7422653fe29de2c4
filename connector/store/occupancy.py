"""Who works on a store right now: a lock file beside a SQLite file, a lock at a PostgreSQL server.

Either is held by the system for as long as a process lives.

Lanes are leased while they are drained only, so that an idle daemon could not be told from none by looking into the
store.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import URL

from connector.errors import StoreError
from connector.store import engine, server
from connector.store.advice import advised


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
    if engine.is_server(parsed):
        with _locked_at_server(parsed, refusal, alone=how == fcntl.LOCK_EX):
            yield
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


@contextmanager
def _locked_at_server(url: URL, refusal: str, *, alone: bool) -> Iterator[None]:
    sessions = engine.open_session(url)
    with ExitStack() as stack:
        stack.callback(sessions.dispose)
        with advised():
            connection = stack.enter_context(sessions.connect())
            is_ours = server.occupy(connection, alone=alone)
        if not is_ours:
            raise StoreError(refusal)
        yield
