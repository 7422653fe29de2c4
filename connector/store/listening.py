"""Hearing of wake-ups that other processes commit.

A PostgreSQL tells whoever listens (NOTIFY, in the transaction that wakes). Of a SQLite file only its `data_version` can
be looked at: when that moved, somebody committed something. Either way this is a shortcut: lanes are looked at once a
second whatever is heard, and while nothing can be heard nothing is lost.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack

from sqlalchemy.exc import SQLAlchemyError

from connector.errors import StoreError
from connector.observe import log
from connector.store import engine, lanes, server
from connector.store.database import Database

LOOK_SECONDS = 0.1
"""How often a file's version is looked at, and how soon a listener ends once it is told to."""
AGAIN_SECONDS = 2.0
"""How long after a connection broke it is tried again."""


def listen(db: Database, stopped: threading.Event, heard: threading.Event | None = None) -> None:
    """Ring the bells of `db` for what others commit, until `stopped`; `heard` is set once it can hear."""
    listen_once = _listen_to_server if db.is_server else _watch_file
    while not stopped.is_set():
        try:
            listen_once(db, stopped, heard or threading.Event())
        except (SQLAlchemyError, StoreError) as error:
            log("store").warning("not_listening", error=type(error).__name__)
            db.clock.wait(stopped, AGAIN_SECONDS)


def _listen_to_server(db: Database, stopped: threading.Event, heard: threading.Event) -> None:
    with ExitStack() as stack:
        sessions = engine.open_session(engine.parse(db.url))
        stack.callback(sessions.dispose)
        connection = stack.enter_context(sessions.connect())
        hear = server.listener(connection)
        _ring_due(db)  # what was announced while nobody listened
        heard.set()
        while not stopped.is_set():
            for token, names in hear(LOOK_SECONDS):
                if token != db.token:
                    db.ring(names)


def _watch_file(db: Database, stopped: threading.Event, heard: threading.Event) -> None:
    with db.watched_version() as version:
        seen = version()
        heard.set()
        while not db.clock.wait(stopped, LOOK_SECONDS):
            if (now := version()) != seen:
                seen = now
                _ring_due(db)


def _ring_due(db: Database) -> None:
    with db.read() as tx:
        names = lanes.due(tx)
    db.ring(names)
