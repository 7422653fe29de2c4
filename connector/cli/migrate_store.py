"""`connector migrate-store`: from a SQLite file to a PostgreSQL."""

from __future__ import annotations

from typing import Annotated

import typer

from connector.cli.output import console
from connector.clock import running_clock
from connector.store import engine
from connector.store.moving import move, shown


def migrate_store(
    source: Annotated[str, typer.Argument(metavar="FROM", help="The store there is: sqlite:///connector.db")],
    target: Annotated[str, typer.Argument(metavar="TO", help="An empty database: postgresql://user:…@host/name")],
) -> None:
    """Move the store from a SQLite file to a PostgreSQL, with everything that is under way. Stop every connector first.

    Run it again when it was interrupted: until it is done the file can still be used, afterwards it says where it went.
    """
    moved = move(source, target, running_clock())
    out, place = console(), shown(engine.parse(target))
    if moved.tables:
        out.print(f"{moved.rows:,} rows of {moved.tables} tables are at {place}, counted and compared.", markup=False)
    out.print(f"Let `store` be {place} (with its password) and start. The file opens no more.", markup=False)
    out.print("A file of tombstones beside it counts on: let `privacy.tombstones` name it.", markup=False)
