"""The SQLite law, transactions, sealed columns, keys, bells and the life of the tables."""

from __future__ import annotations

import multiprocessing
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, select, text, update
from sqlalchemy.exc import IntegrityError

from connector.clock import SystemClock, VirtualClock
from connector.errors import StoreError
from connector.secret import Secret
from connector.store import counts, history, migrations
from connector.store.database import Database, Transaction
from connector.store.keyring import KeyRing
from connector.store.schema import count, lane, metadata, person_key

KEY = Secret(KeyRing.generate())
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def open_store(path: Path, *keys: Secret) -> Database:
    return Database(f"sqlite:///{path}", KeyRing(keys or [KEY]), VirtualClock(NOON))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def db(path: Path) -> Database:
    return open_store(path).create()


def _increment(path: str, key: str, times: int) -> None:
    db = Database(f"sqlite:///{path}", KeyRing([Secret(key)]), SystemClock())
    for _ in range(times):
        with db.write() as tx:
            value = tx.execute(select(count.c.value).where(count.c.name == "n")).scalar_one()
            tx.execute(update(count).where(count.c.name == "n").values(value=value + 1))
    db.close()


def test_read_then_write_from_several_processes_loses_no_update(db: Database, path: Path) -> None:
    with db.write() as tx:
        counts.add(tx, "n", 0)
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_increment, args=(str(path), KEY.reveal(), 100)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    with db.read() as tx:
        assert counts.all_counts(tx)["n"] == 400
    assert [process.exitcode for process in processes] == [0, 0, 0, 0]


def test_read_then_write_from_several_threads_loses_no_update(db: Database, path: Path) -> None:
    with db.write() as tx:
        counts.add(tx, "n", 0)
    threads = [threading.Thread(target=_increment, args=(str(path), KEY.reveal(), 100)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with db.read() as tx:
        assert counts.all_counts(tx)["n"] == 400


@pytest.mark.parametrize(("pragma", "value"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)])
def test_every_connection_follows_the_sqlite_law(db: Database, pragma: str, value: object) -> None:
    with db.write() as tx:
        assert tx.execute(text(f"PRAGMA {pragma}")).scalar_one() == value
    with db.read() as tx:
        assert tx.execute(text(f"PRAGMA {pragma}")).scalar_one() == value


def test_a_writing_transaction_holds_the_write_lock_before_its_first_statement(db: Database, path: Path) -> None:
    other = sqlite3.connect(path, timeout=0, isolation_level=None)
    with db.write(), pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    other.close()


def count_wake_and_fail(tx: Transaction) -> None:
    counts.add(tx, "undone")
    tx.wake("decide")
    tx.unseal("history.detail", b"not sealed")


def test_a_block_that_raises_leaves_nothing_and_rings_nothing(db: Database) -> None:
    with pytest.raises(StoreError), db.write() as tx:
        count_wake_and_fail(tx)
    with db.read() as tx:
        assert counts.all_counts(tx) == {}
        assert tx.execute(select(lane)).all() == []
    assert not db.bell("decide").is_set()


def test_a_savepoint_undoes_its_block_alone(db: Database) -> None:
    with db.write() as tx:
        counts.add(tx, "kept")
        with pytest.raises(StoreError), tx.savepoint():
            count_wake_and_fail(tx)
    with db.read() as tx:
        assert counts.all_counts(tx) == {"kept": 1}


def test_the_bell_rings_only_after_the_commit(db: Database) -> None:
    with db.write() as tx:
        tx.wake("decide")
        assert not db.bell("decide").is_set()
    assert db.bell("decide").is_set()
    assert not db.bell("understand").is_set()


def test_a_snapshot_does_not_move_while_others_commit(db: Database) -> None:
    def commit() -> None:
        with db.write() as tx:
            counts.add(tx, "n")

    with db.read() as tx:
        assert counts.all_counts(tx) == {}
        thread = threading.Thread(target=commit)
        thread.start()
        thread.join()
        assert counts.all_counts(tx) == {}
    with db.read() as tx:
        assert counts.all_counts(tx) == {"n": 1}


def test_a_snapshot_cannot_write(db: Database) -> None:
    with pytest.raises(StoreError), db.read() as tx:
        counts.add(tx, "n")


def test_transactions_do_not_nest(db: Database) -> None:
    with db.write(), pytest.raises(RuntimeError, match="already open"), db.read():
        pass
    with db.read(), pytest.raises(RuntimeError, match="already open"), db.write():
        pass
    with db.write() as tx:
        counts.add(tx, "n")


def test_foreign_keys_are_enforced(db: Database) -> None:
    with pytest.raises(IntegrityError), db.write() as tx:
        tx.execute(person_key.insert().values(kind="email", blind="x", person_id=7))


def test_insert_ignore_says_whether_it_inserted_and_upsert_updates(db: Database) -> None:
    with db.write() as tx:
        assert tx.insert_ignore(count, {"name": "n", "value": 1})
        assert not tx.insert_ignore(count, {"name": "n", "value": 2})
        tx.upsert(count, {"name": "n", "value": 3}, keys=["name"], update=["value"])
        assert counts.all_counts(tx) == {"n": 3}


# --- sealing and keys


def test_a_sealed_address_is_not_in_the_bytes_of_database_or_wal(db: Database, path: Path) -> None:
    canary = "maria.canary@example.com"
    with db.write() as tx:
        history.append(tx, "mapped", detail={"email": canary, "note": f"says {canary}"})
        tx.upsert(count, {"name": tx.blind("email", canary), "value": 1}, keys=["name"], update=["value"])
    raw = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert len(list(path.parent.iterdir())) == 3, "the WAL is part of what is read"
    assert canary.encode() not in raw
    assert b"canary" not in raw
    with db.write() as tx:
        tx.execute(text("INSERT INTO meta VALUES ('plain', 'maria.canary@example.com')"))
    assert canary.encode() in b"".join(file.read_bytes() for file in path.parent.iterdir()), "the search can find it"


def test_a_new_first_key_opens_old_values_and_keeps_the_blind_indexes(db: Database, path: Path) -> None:
    with db.write() as tx:
        old = tx.seal("person.sealed", {"name": "Ada"})
        blind = tx.blind("email", "ada@example.com")
    newer = Secret(KeyRing.generate())
    with open_store(path, newer, KEY).write() as tx:
        assert tx.unseal("person.sealed", old) == {"name": "Ada"}
        assert tx.blind("email", "ada@example.com") == blind
        fresh = tx.seal("person.sealed", {"name": "Bo"})
    with pytest.raises(StoreError, match="lacks key"), open_store(path, KEY).read():
        pass
    with pytest.raises(StoreError, match="put that key back"):
        KeyRing([KEY]).unseal("person.sealed", fresh)


def test_another_key_is_refused_in_words_before_anything_is_read(db: Database, path: Path) -> None:
    wrong = Secret(KeyRing.generate())
    with (
        pytest.raises(StoreError, match="does not hold the key this store was made with"),
        open_store(path, wrong).write(),
    ):
        pass


def test_any_key_may_come_first_and_blind_indexes_stay(db: Database, path: Path) -> None:
    with db.read() as tx:
        blind = tx.blind("email", "ada@example.com")
    newer = Secret(KeyRing.generate())
    for order in ((newer, KEY), (KEY, newer)):
        with open_store(path, *order).read() as tx:
            assert tx.blind("email", "ada@example.com") == blind


def test_a_value_does_not_open_under_another_label_or_when_altered(db: Database) -> None:
    with db.read() as tx:
        sealed = tx.seal("person.sealed", {"name": "Ada"})
        with pytest.raises(StoreError, match="does not open"):
            tx.unseal("history.detail", sealed)
        with pytest.raises(StoreError, match="does not open"):
            tx.unseal("person.sealed", sealed[:-1] + bytes([sealed[-1] ^ 1]))


def test_equal_values_seal_differently_and_blind_equally() -> None:
    ring = KeyRing([KEY])
    assert ring.seal("a.b", b"x") != ring.seal("a.b", b"x")
    assert ring.blind("email", "a@example.com") == ring.blind("email", "a@example.com")
    assert ring.blind("email", "a@example.com") != ring.blind("phone", "a@example.com")
    assert ring.blind("a", "bc") != ring.blind("ab", "c")
    assert ring.blind("email", "x") != KeyRing([Secret(KeyRing.generate())]).blind("email", "x")


@pytest.mark.parametrize("keys", [[], ["short"], ["päss"], [KEY.reveal(), KEY.reveal()]])
def test_an_unusable_key_ring_is_refused_without_showing_a_key(keys: list[str]) -> None:
    with pytest.raises(StoreError) as refused:
        KeyRing([Secret(key) for key in keys])
    assert "privacy.keys" in str(refused.value)
    assert not any(key in str(refused.value) for key in keys)


# --- the tables' life


def test_the_migrations_make_exactly_the_tables_of_the_schema(db: Database, path: Path) -> None:
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        differences = compare_metadata(
            MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True}),
            metadata,
        )
    engine.dispose()
    assert differences == []


def test_the_revisions_are_those_alembic_knows_in_its_order(db: Database, path: Path) -> None:
    scripts = ScriptDirectory.from_config(migrations.configuration())
    assert migrations.revisions() == [script.revision for script in scripts.walk_revisions()][::-1]
    assert migrations.head() == scripts.get_current_head()
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        assert migrations.current(connection) == MigrationContext.configure(connection).get_current_revision()
    engine.dispose()


def test_migrated_and_created_tables_have_the_same_sql(db: Database, path: Path, tmp_path: Path) -> None:
    created = create_engine(f"sqlite:///{tmp_path / 'created.db'}")
    metadata.create_all(created)
    created.dispose()
    assert _statements(path) == _statements(tmp_path / "created.db")


def _statements(path: Path) -> set[tuple[str, ...]]:
    """What the database says it is made of, whatever the order in which constraints were named."""
    connection = sqlite3.connect(path)
    rows = connection.execute(
        "SELECT sql FROM sqlite_master WHERE type != 'view' AND sql IS NOT NULL AND tbl_name != 'alembic_version'"
    )
    found = {tuple(sorted(part.rstrip(" )") for part in " ".join(str(row[0]).split()).split(", "))) for row in rows}
    connection.close()
    return found


def test_creating_twice_changes_nothing(path: Path) -> None:
    open_store(path).create()
    before = _statements(path)
    open_store(path).create()
    assert _statements(path) == before


def test_a_missing_store_says_how_to_make_one(path: Path) -> None:
    with pytest.raises(StoreError, match="connector run"), open_store(path).read():
        pass
    assert not path.exists()


def test_an_empty_file_says_how_to_fill_it(path: Path) -> None:
    path.touch()
    with pytest.raises(StoreError, match="connector run"), open_store(path).write():
        pass


def test_a_store_of_a_newer_version_is_left_alone(db: Database, path: Path) -> None:
    with db.write() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = 'from-the-future'"))
    with pytest.raises(StoreError, match="install a newer connector"), open_store(path).read():
        pass
    with pytest.raises(StoreError, match="install a newer connector"):
        open_store(path).create()


def test_a_store_of_an_older_version_asks_for_the_upgrade(
    db: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "head", lambda: "9999")
    with pytest.raises(StoreError, match="older version"), open_store(path).read():
        pass


def test_a_damaged_file_is_a_sentence_not_a_driver_error(path: Path) -> None:
    path.write_bytes(b"this is not a database, whatever its name says" * 50)
    with pytest.raises(StoreError, match="cannot be used"), open_store(path).read():
        pass


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://u:pw-canary@h/d", "cannot be mysql"),
        ("sqlite://", "must be a file"),
        ("sqlite:///:memory:", "must be a file"),
        ("pw-canary", "not a URL"),
    ],
)
def test_other_stores_are_refused_without_repeating_the_url(url: str, words: str) -> None:
    with pytest.raises(StoreError, match=words) as refused:
        Database(url, KeyRing([KEY]), VirtualClock(NOON))
    assert "pw-canary" not in str(refused.value)


def test_the_file_and_its_wal_belong_to_the_owner_alone(db: Database, path: Path) -> None:
    db.probe()
    assert {file.stat().st_mode & 0o077 for file in path.parent.iterdir()} == {0}


def test_instants_come_back_to_the_microsecond(db: Database) -> None:
    at = NOON + timedelta(microseconds=123457)
    with db.write() as tx:
        tx.wake("later", at)
    with db.read() as tx:
        assert tx.execute(select(lane.c.wake_at)).scalar_one() == at
