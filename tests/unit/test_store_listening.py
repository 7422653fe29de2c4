"""A wake-up another process commits is heard here, without anybody looking at the lane."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.clock import SystemClock
from connector.store.database import Database
from connector.store.listening import listen
from tests import stores
from tests.postgres import server
from tests.unit.samples import empty_store, ring

pytestmark = pytest.mark.both_stores

PATIENCE = 30.0


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    """A store somebody listens to."""
    made, stopped, heard = empty_store(tmp_path, SystemClock()), threading.Event(), threading.Event()
    made.probe()
    thread = threading.Thread(target=listen, args=(made, stopped, heard))
    thread.start()
    assert heard.wait(PATIENCE)
    yield made
    stopped.set()
    thread.join()
    made.close()


@pytest.fixture
def other(db: Database) -> Iterator[Database]:
    """The same store in another process."""
    made = Database(db.url, ring(), SystemClock())
    yield made
    made.close()


def wake(db: Database, *lanes: str) -> None:
    with db.write() as tx:
        for lane in lanes:
            tx.wake(lane)


def test_a_wake_up_is_heard_once_it_is_committed(db: Database, other: Database) -> None:
    with other.write() as tx:
        tx.wake("decide")
        tx.wake("write/zendesk:acme")
        assert not db.bell("decide").is_set()
    assert db.bell("decide").wait(PATIENCE)
    assert db.bell("write/zendesk:acme").wait(PATIENCE)
    assert not db.bell("timers").is_set()


def test_what_is_undone_wakes_nobody(db: Database, other: Database) -> None:
    def fail() -> None:
        with other.write() as tx:
            tx.wake("decide")
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    wake(other, "timers")
    assert db.bell("timers").wait(PATIENCE)
    assert not db.bell("decide").is_set()


def test_listening_goes_on_after_the_connection_was_lost(db: Database, other: Database, store_kind: str) -> None:
    if store_kind == "postgresql":
        server().disconnect(stores.database_of(db.url))
    wake(other, "decide")
    assert db.bell("decide").wait(PATIENCE), "told, or found due when it listened again"
    wake(other, "timers")
    assert db.bell("timers").wait(PATIENCE)
