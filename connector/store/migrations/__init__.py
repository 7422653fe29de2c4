"""The history of the tables, as Alembic revisions inside the package: `versions/` holds them, `env.py` runs them.

Revisions are numbered, their files are named after them, and each follows the one before: which there are is known
without Alembic, which takes longer to load than a store to open. It is loaded where there is something to do.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from connector.errors import StoreError
from connector.store import views

if TYPE_CHECKING:
    from alembic.config import Config

MOVED, ARRIVING = "moved", "arriving"
"""What stands for the revision of a file that was moved to a server, and of a server to which one is being moved.

Versions that do not know these refuse such a store as newer than they are."""

MOVED_TO = "moved_to"
_HERE = Path(__file__).parent


def configuration() -> Config:
    """Alembic's configuration: where the revisions are, and nothing else."""
    from alembic.config import Config  # see above

    config = Config()
    config.set_main_option("script_location", str(_HERE).replace("%", "%%"))
    return config


def head() -> str:
    """The revision this version of the connector works with."""
    return revisions()[-1]


@cache
def revisions() -> list[str]:
    """Every revision there is, the oldest first."""
    return sorted(path.stem.partition("_")[0] for path in (_HERE / "versions").glob("[0-9]*.py"))


def upgrade(connection: Connection) -> None:
    """Bring the tables to `head` on `connection`, in its transaction, and make the views of the figures anew.

    Who changes only a view writes a revision that changes nothing, so that stores of before get it.

    Raises:
        StoreError: a newer version of the connector wrote this store.
    """
    if current(connection) == head():
        return
    _refuse_newer(connection)
    from alembic import command  # see above

    config = configuration()
    config.attributes["connection"] = connection
    views.drop(connection)
    command.upgrade(config, "head")
    views.make(connection)


def current(connection: Connection) -> str | None:
    """The revision the tables are at; None for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return found


def check(connection: Connection) -> None:
    """Refuse to work on tables of another version. Raises StoreError saying what to do."""
    if current(connection) == head():
        return
    _refuse_newer(connection)
    if inspect(connection).has_table("alembic_version"):
        raise StoreError("the store is of an older version: stop every connector, then start `connector run` once")
    raise StoreError("the store is empty yet: `connector run` prepares it")


def mark(connection: Connection, revision: str) -> None:
    """Let the store be of this revision."""
    connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})


def moved_to(connection: Connection) -> str:
    """Where a store that was moved is now."""
    found = connection.execute(text("SELECT value FROM meta WHERE name = :name"), {"name": MOVED_TO})
    return str(found.scalar_one())


def _refuse_newer(connection: Connection) -> None:
    revision = current(connection)
    if revision == MOVED:
        raise StoreError(f"this store was moved to {moved_to(connection)}: let `store` name that one")
    if revision == ARRIVING:
        raise StoreError("moving a store here was interrupted: run `connector migrate-store` again")
    if revision is not None and revision not in revisions():
        raise StoreError(
            f"the store is at revision {revision}, newer than this version knows: install a newer connector"
        )
