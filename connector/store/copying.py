"""A copy of a store to try things out on: the original is opened for reading only and stays as it is, byte for byte."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, insert, select, text

from connector.clock import Clock
from connector.errors import StoreError
from connector.store import engine
from connector.store.database import Database
from connector.store.keyring import KeyRing
from connector.store.schema import metadata

_ROWS = 1000


@contextmanager
def throw_away(url: str, keyring: KeyRing, clock: Clock, graveyard: Path | None = None) -> Iterator[Database]:
    """A store with everything the one at `url` holds at this moment, deleted when the block ends.

    What is sealed there is sealed here, too, with the same keys. It needs as much room in the temporary folder as the
    store takes. `graveyard` is the file of tombstones beside the store, which counts for the copy as it is now.

    Raises:
        StoreError: there is no store, it cannot be read, or it is not of this version.
    """
    parsed = engine.parse(url)
    with tempfile.TemporaryDirectory(prefix="connector-copy-") as folder:
        path = Path(folder) / "copy.db"
        target = f"sqlite:///{path}"
        if parsed.get_backend_name() == "sqlite":
            copy_file(Path(str(parsed.database)), path)
        else:
            _copy_rows(parsed, Database(target, keyring, clock))
        tombstones = Path(folder) / "tombstones"
        if graveyard is not None and graveyard.exists():
            shutil.copyfile(graveyard, tombstones)
        copy = Database(target, keyring, clock, tombstones, durable=False)
        try:
            yield copy
        finally:
            copy.close()


def copy_file(source: Path, path: Path) -> None:
    """Copy what a reader sees in a SQLite file now, its write-ahead log included, while others may go on writing.

    Raises:
        StoreError: it is not there, cannot be read, or there is no room for the copy.
    """
    if not source.exists():
        raise StoreError(f"there is no store at {source} yet: `connector run` makes it")
    try:
        if not _copied_at_rest(source, path):
            _backup(source, path, "mode=ro")
    except (sqlite3.Error, OSError) as error:
        raise StoreError("the store cannot be read, or there is no room for its copy") from error


def _copied_at_rest(source: Path, path: Path) -> bool:
    """Copy a file that nobody has open without touching its folder; False when it was in use, now or meanwhile.

    An ordinary reader makes a log and an index beside the file and leaves them there, owned by whoever looked.
    """
    log, before = source.with_name(f"{source.name}-wal"), source.stat()
    if log.exists():
        return False
    _backup(source, path, "mode=ro&immutable=1")
    after = source.stat()
    return not log.exists() and (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size)


def _backup(source: Path, path: Path, how: str) -> None:
    with (
        closing(sqlite3.connect(f"file:{quote(str(source.absolute()))}?{how}", uri=True)) as original,
        closing(sqlite3.connect(path)) as copy,
    ):
        original.backup(copy)


def _copy_rows(source: URL, copy: Database) -> None:
    """Every row of a server's tables, as one snapshot shows them."""
    copy.create()
    reader = engine.open_reader(source)
    try:
        with reader.begin() as original, copy.write() as tx:
            tx.execute(text("PRAGMA defer_foreign_keys = ON"))  # a row may refer to one of its table that comes later
            for table in reversed(metadata.sorted_tables):
                tx.execute(table.delete())
            for table in metadata.sorted_tables:
                for rows in original.execute(select(table)).mappings().partitions(_ROWS):
                    tx.execute(insert(table), [dict(row) for row in rows])
    finally:
        reader.dispose()
        copy.close()
