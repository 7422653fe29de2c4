"""A backup is whole while others write; a store that was put back believes nothing it cannot know."""

from __future__ import annotations

import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import create_engine

from connector.clock import VirtualClock
from connector.errors import ConnectorError, StoreError
from connector.secret import Secret
from connector.store import confirmed, counts, lanes, migrations, outbox
from connector.store.backup import back_up, restore
from connector.store.database import Database
from connector.store.keyring import KeyRing
from connector.store.occupancy import alone, occupied
from tests.unit.samples import NOON, empty_store, ring
from tests.unit.test_outbox_planning import wanted

ACCOUNT = "zendesk:acme"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOON)


@pytest.fixture
def db(tmp_path: Path, clock: VirtualClock) -> Iterator[Database]:
    store = empty_store(tmp_path, clock)
    yield store
    store.close()


def url_of(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'store.db'}"


def reopened(tmp_path: Path, clock: VirtualClock) -> Database:
    return Database(url_of(tmp_path), ring(), clock)


def test_a_backup_is_a_moment_of_a_store_that_others_write_to(tmp_path: Path, db: Database) -> None:
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            with db.write() as tx:  # two rows that always agree
                counts.add(tx, "left", 1)
                counts.add(tx, "right", 1)

    writer = threading.Thread(target=write)
    writer.start()
    for number in range(5):
        back_up(url_of(tmp_path), tmp_path / f"copy{number}.db")
    stop.set()
    writer.join()
    for number in range(5):
        copy = tmp_path / f"copy{number}.db"
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
        with closing(sqlite3.connect(copy)) as connection:
            values = dict(connection.execute("SELECT name, value FROM count").fetchall())
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert values.get("left") == values.get("right")
    assert sorted(path.name for path in tmp_path.glob("copy*")) == [f"copy{number}.db" for number in range(5)]


def test_a_backup_never_replaces_a_file(tmp_path: Path, db: Database) -> None:
    taken = tmp_path / "taken"
    taken.write_text("precious")
    with pytest.raises(ConnectorError, match="never replaces"):
        back_up(url_of(tmp_path), taken)
    assert taken.read_text() == "precious"


def test_what_is_put_back_asks_first_and_believes_no_value(tmp_path: Path, db: Database, clock: VirtualClock) -> None:
    with db.write() as tx:
        outbox.plan(tx, [wanted("before")])
        confirmed.confirm(tx, ACCOUNT, "ticket/1", {"status": "open"}, {"status": NOON})
        tx.wake("decide")
    with db.write() as tx:  # the lane is in somebody's hands when the copy is made
        assert lanes.take(tx, "decide", "somebody", timedelta(hours=1)) is not None
    back_up(url_of(tmp_path), tmp_path / "copy.db")
    with db.write() as tx:
        outbox.plan(tx, [wanted("after", object="person/8/contact")])
    db.close()

    found, aside = restore(url_of(tmp_path), tmp_path / "copy.db", ring(), clock)
    assert (found.intents, found.fields) == (1, 1)
    assert aside is not None
    assert keys_in(aside) == {"before", "after"}
    assert keys_in(tmp_path / "store.db") == {"before"}
    now = reopened(tmp_path, clock)
    with now.read() as tx:
        (row,) = outbox.listed(tx)
        assert row.ask_first
        assert not confirmed.of(tx, ACCOUNT, "ticket/1")["status"].known
        due = lanes.due_at(tx, "decide")
        assert due is not None
        assert due <= tx.now
    now.close()


def test_whoever_dies_while_restoring_leaves_the_store_where_it_is(
    tmp_path: Path, db: Database, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with db.write() as tx:
        outbox.plan(tx, [wanted("mine")])
    back_up(url_of(tmp_path), tmp_path / "copy.db")
    db.close()

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", die)
        with pytest.raises(KeyboardInterrupt):
            restore(url_of(tmp_path), tmp_path / "copy.db", ring(), clock)
    assert keys_in(tmp_path / "store.db") == {"mine"}


def test_a_damaged_store_is_set_aside_as_it_is(tmp_path: Path, db: Database, clock: VirtualClock) -> None:
    back_up(url_of(tmp_path), tmp_path / "copy.db")
    db.close()
    (tmp_path / "store.db").write_bytes(b"torn" * 1000)
    _, aside = restore(url_of(tmp_path), tmp_path / "copy.db", ring(), clock)
    assert aside is not None
    assert aside.read_bytes() == b"torn" * 1000
    assert keys_in(tmp_path / "store.db") == set()


def test_a_store_in_use_is_not_replaced(tmp_path: Path, db: Database, clock: VirtualClock) -> None:
    back_up(url_of(tmp_path), tmp_path / "copy.db")
    with occupied(url_of(tmp_path)), pytest.raises(StoreError, match="in use"):
        restore(url_of(tmp_path), tmp_path / "copy.db", ring(), clock)
    restore(url_of(tmp_path), tmp_path / "copy.db", ring(), clock)


def test_nobody_starts_while_a_store_is_replaced(tmp_path: Path, db: Database) -> None:
    with alone(url_of(tmp_path)), pytest.raises(StoreError, match="being restored"), occupied(url_of(tmp_path)):
        pass
    with occupied(url_of(tmp_path)), occupied(url_of(tmp_path)):
        pass


@pytest.mark.parametrize("what", ["other keys", "no store", "a newer version"])
def test_what_cannot_be_the_store_leaves_the_store_alone(
    tmp_path: Path, db: Database, clock: VirtualClock, what: str
) -> None:
    with db.write() as tx:
        outbox.plan(tx, [wanted("mine")])
    copy, keys = tmp_path / "copy.db", ring()
    back_up(url_of(tmp_path), copy)
    if what == "other keys":
        keys = KeyRing([Secret(KeyRing.generate())])
    elif what == "no store":
        copy.write_bytes(b"not a database" * 100)
    else:
        with closing(sqlite3.connect(copy)) as connection, connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
    db.close()
    with pytest.raises(StoreError):
        restore(url_of(tmp_path), copy, keys, clock)
    assert keys_in(tmp_path / "store.db") == {"mine"}
    assert not list(tmp_path.glob("*.restoring*"))


def test_a_backup_of_the_version_before_is_brought_to_this_one(
    tmp_path: Path, db: Database, clock: VirtualClock
) -> None:
    with db.write() as tx:
        outbox.plan(tx, [wanted("old")])
    db.close()
    restore(url_of(tmp_path), store_of_version(tmp_path / "old.db", "0001", clock), ring(), clock)
    now = reopened(tmp_path, clock)
    with now.read() as tx:
        assert outbox.listed(tx) == []
    now.close()


def store_of_version(path: Path, revision: str, clock: VirtualClock) -> Path:
    """A store as an older version of the connector left it."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config = migrations.configuration()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()
    return path


def keys_in(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {key for (key,) in connection.execute("SELECT key FROM intent")}
