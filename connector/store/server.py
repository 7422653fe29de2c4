"""What PostgreSQL needs to be told and asked so that the rest of this room holds on it as it does on a SQLite file.

The rule of the store is one writer at a time: what a lane read in a writing transaction is still true when it commits.
A file has that by itself. Here every writing transaction first takes one advisory lock, which the server hands over in
the order of asking. Transactions that guard themselves, statement by statement, run beside it (`BESIDE`, shared), so
that a delivery at the door, the renewal of a lease or a token never waits for a decision. See decision 009.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

IDLE_SECONDS = 10
"""How long a transaction may do nothing before the server ends it: a paused process must not stop all others."""
LOCK_SECONDS = 30
"""How long a transaction waits for another."""
STATEMENT_SECONDS = 300
"""How long one statement may take."""
CHANNEL = "csat_connector"
"""Where wake-ups are announced."""

_OURS = 0x43534154
"""The first half of every advisory lock of ours: CSAT."""
_SESSION = (
    f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'; SET lock_timeout = '{LOCK_SECONDS}s'; "
    f"SET statement_timeout = '{STATEMENT_SECONDS}s'; SET client_min_messages = 'error'; "
    # An acknowledged delivery is on disk, whatever the server's default is; stricter settings stay.
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
)
# Who the server is and whose life of it this is: another cluster, a promoted standby or a point in time gone back to, a
# restored dump each change a part of it. The tables are told apart by the number of one of them.
_IDENTITY = text(
    "SELECT concat_ws('/', (SELECT system_identifier FROM pg_control_system()), "
    "left(pg_walfile_name(pg_current_wal_lsn()), 8), "
    "(SELECT oid FROM pg_database WHERE datname = current_database()), to_regclass('lane')::oid)"
)
_IDENTITY_IN_SHORT = text(
    "SELECT concat_ws('/', (SELECT oid FROM pg_database WHERE datname = current_database()), to_regclass('lane')::oid)"
)
_KNOWN = "identity"


class Lock(IntEnum):
    """The advisory locks of a store."""

    WRITER = 1
    BESIDE = 2
    OCCUPIED = 3


_NOW = "clock_timestamp()"
_OPENINGS = {
    None: text(f"SELECT {_NOW}"),
    Lock.WRITER: text(f"SELECT pg_advisory_xact_lock({_OURS}, {Lock.WRITER:d}), {_NOW}"),
    Lock.BESIDE: text(f"SELECT pg_advisory_xact_lock_shared({_OURS}, {Lock.BESIDE:d}), {_NOW}"),
}
_KEEP_OUT = text(f"SELECT pg_advisory_xact_lock({_OURS}, {Lock.BESIDE:d})")
_TAKE_TIME = (text("SET LOCAL statement_timeout = 0"), text("SET LOCAL lock_timeout = 0"))
_NOTIFY = text("SELECT pg_notify(:channel, :words)")
_OCCUPY = text(f"SELECT pg_try_advisory_lock_shared({_OURS}, {Lock.OCCUPIED:d})")
_ALONE = text(f"SELECT pg_try_advisory_lock({_OURS}, {Lock.OCCUPIED:d})")

# What to do about an error, by the beginning of its SQLSTATE; the longest that fits.
_ADVICE = {
    "08": "the PostgreSQL server does not answer: check that it runs and can be reached",
    "25006": "the PostgreSQL server takes no writes: `store` must name the primary, not a standby",
    "25P03": f"this process did nothing for {IDLE_SECONDS} s in the middle of a transaction, which was undone",
    "28": "the PostgreSQL server refuses the user or the password of `store`",
    "3D": "there is no such database on the PostgreSQL server: make it with `createdb`",
    "40": "another process was in the way: what was begun is undone and is tried again",
    "42501": "the user of `store` lacks a right on the PostgreSQL server: let it own the database",
    "53100": "the disk of the PostgreSQL server is full",
    "53300": "the PostgreSQL server has no connection left: raise max_connections",
    "55P03": f"another process holds the store for more than {LOCK_SECONDS} s",
    "57014": f"a statement took longer than {STATEMENT_SECONDS} s and was undone",
    "57": "the PostgreSQL server is shutting down or starting: it is tried again",
}


def settle(connection: Any, _record: object) -> None:
    """What every session is told when it begins."""
    was = connection.autocommit
    connection.autocommit = True
    connection.execute(_SESSION)
    connection.autocommit = was


def identity(connection: Connection) -> str:
    """Whose data this session sees; differs once an older copy of the store took the place of the store."""
    known: str | None = connection.info.get(_KNOWN)
    if known is None:
        try:
            with connection.begin_nested():
                known = str(connection.execute(_IDENTITY).scalar_one())
        except DBAPIError as error:
            if error.connection_invalidated:
                raise
            known = str(connection.execute(_IDENTITY_IN_SHORT).scalar_one())  # a hosted server keeps the rest to itself
        connection.info[_KNOWN] = known
    return known


def begin(connection: Connection, lock: Lock | None) -> datetime:
    """Begin a transaction's work: take its lock, and return what time the server has then."""
    now: datetime = connection.execute(_OPENINGS[lock]).one()[-1]
    return now.astimezone(UTC)  # it is told in the zone of the server


def take_time(connection: Connection) -> None:
    """Let the statements of this transaction take as long as they take."""
    for statement in _TAKE_TIME:
        connection.execute(statement)


def keep_out(connection: Connection) -> None:
    """Wait for the transactions that run beside this one, and let none begin before it ends."""
    connection.execute(_KEEP_OUT)


def notify(connection: Connection, token: str, lanes: Sequence[str]) -> None:
    """Tell every listening process that these lanes are woken, when this transaction commits; `token`: by whom."""
    connection.execute(_NOTIFY, {"channel": CHANNEL, "words": "\n".join((token, *lanes))})


def listener(connection: Connection) -> Callable[[float], Iterator[tuple[str, list[str]]]]:
    """Listen in this session; what it returns waits so many seconds and gives who woke which lanes meanwhile.

    It raises DBAPIError once the session is gone.
    """
    connection.exec_driver_sql(f"LISTEN {CHANNEL}")
    session: Any = connection.connection.driver_connection

    def hear(seconds: float) -> Iterator[tuple[str, list[str]]]:
        for told in session.notifies(timeout=seconds):
            token, *names = told.payload.split("\n")
            yield token, names
        if session.closed:
            connection.exec_driver_sql("SELECT 1")

    return hear


def occupy(connection: Connection, *, alone: bool) -> bool:
    """Mark the store as in use while this session lives; `alone`: with nobody else. False when it cannot be."""
    return bool(connection.execute(_ALONE if alone else _OCCUPY).scalar_one())


def is_crossed(error: DBAPIError) -> bool:
    """Whether two transactions waited for each other, or could not both be right, and this one was undone for it."""
    return str(getattr(error.orig, "sqlstate", None) or "").startswith("40")


def advice(error: DBAPIError) -> str | None:
    """What a person can do about what the server said; None when it is a mistake of ours."""
    state = str(getattr(error.orig, "sqlstate", None) or "")
    fitting = [start for start in _ADVICE if state.startswith(start)]
    return _ADVICE[max(fitting, key=len)] if fitting else None
