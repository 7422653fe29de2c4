"""What a store at a PostgreSQL does of its own: one writer, one clock, lost connections, its data known again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from psycopg import sql
from sqlalchemy import create_engine, select, text, update

from connector.clock import Clock, SystemClock, VirtualClock
from connector.domain.model.intent import Intent, Priority, WriteKind
from connector.errors import StoreError
from connector.store import confirmed, counts, intents, lanes, outbox, people, quotas
from connector.store.advice import Undone
from connector.store.backup import back_up, put_back_otherwise, restore
from connector.store.copying import throw_away
from connector.store.database import Database
from connector.store.occupancy import alone, occupied
from connector.store.schema import count, history, metadata
from connector.store.server_clock import ServerClock
from connector.store.transaction import Transaction
from tests import stores
from tests.postgres import own_server, server
from tests.stores import store_url
from tests.unit.samples import NOON, empty_store, ring

PATIENCE = 20.0
LEASE = timedelta(seconds=5)


@pytest.fixture(autouse=True)
def at_a_server() -> Iterator[None]:
    with stores.on("postgresql"):
        yield


@pytest.fixture
def db(tmp_path: Path) -> Database:
    return empty_store(tmp_path, VirtualClock(NOON))


def again(db: Database, clock: Clock | None = None) -> Database:
    """The same store, opened by another process."""
    return Database(db.url, ring(), clock or db.clock)


# --- one writer


def test_what_a_writer_read_is_still_true_when_it_commits(db: Database) -> None:
    with db.write() as tx:
        counts.add(tx, "n", 0)

    def increment() -> None:
        mine = again(db)
        for _ in range(50):
            with mine.write() as tx:
                value = tx.execute(select(count.c.value).where(count.c.name == "n")).scalar_one()
                tx.execute(update(count).where(count.c.name == "n").values(value=value + 1))

    threads = [threading.Thread(target=increment) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with db.read() as tx:
        assert counts.all_counts(tx)["n"] == 200


def test_what_runs_beside_the_writer_does_not_wait_for_it(db: Database) -> None:
    other = again(db)
    with db.write() as tx:
        counts.add(tx, "n")
        done = threading.Thread(target=other.probe)
        done.start()
        done.join(PATIENCE)
        assert not done.is_alive()


def test_a_writer_can_keep_out_what_runs_beside_it(db: Database) -> None:
    other, steps = again(db), []
    begun, seen = threading.Event(), threading.Event()

    def beside() -> None:
        with other.write(beside=True) as tx:
            counts.add(tx, "n")
            begun.set()
            assert seen.wait(PATIENCE)
            steps.append("beside")

    thread = threading.Thread(target=beside)
    thread.start()
    assert begun.wait(PATIENCE)
    with db.write() as tx:
        seen.set()
        tx.keep_out()
        steps.append("alone")
        assert counts.all_counts(tx) == {"n": 1}
    thread.join()
    assert steps == ["beside", "alone"]


def test_who_waited_crosswise_is_undone_in_words_and_may_try_again(db: Database) -> None:
    with db.write() as tx:
        counts.add(tx, "a")
        counts.add(tx, "b")
    both, undone = threading.Barrier(2), []

    def cross(first: str, second: str) -> None:
        try:
            with again(db).write(beside=True) as tx:
                counts.add(tx, first)
                both.wait(PATIENCE)
                counts.add(tx, second)
        except Undone as error:
            undone.append(str(error))

    threads = [threading.Thread(target=cross, args=pair) for pair in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(undone) == 1
    assert "tried again" in undone[0]


def test_two_processes_may_make_the_tables_at_once(tmp_path: Path) -> None:
    url = store_url(tmp_path)
    threads = [threading.Thread(target=Database(url, ring(), SystemClock()).create) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Database(url, ring(), SystemClock()).read() as tx:
        assert counts.all_counts(tx) == {}


def test_the_migrations_make_exactly_the_tables_of_the_schema(db: Database) -> None:
    engine = create_engine(db.url)
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    engine.dispose()
    flat = [one for many in differences for one in (many if isinstance(many, list) else [many])]
    assert [one for one in flat if one[0] != "modify_comment"] == []


def test_an_empty_database_says_how_to_fill_it(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="connector run"), Database(store_url(tmp_path), ring(), SystemClock()).read():
        pass


def test_figures_outgrow_32_bits(db: Database) -> None:
    with db.write() as tx:
        quotas.read(tx, "crm", "api", remaining=2**40, capacity=2**41, resets_at=None)
        counts.add(tx, "n", 2**40)
        assert quotas.of(tx, "crm")["api"].remaining == 2**40


# --- one clock


class Skewed(SystemClock):
    """A machine whose clock is wrong."""

    def __init__(self, by: timedelta) -> None:
        self._by = by

    def now(self) -> datetime:
        return super().now() + self._by


@pytest.mark.parametrize("by", [timedelta(hours=-3), timedelta(hours=3)])
def test_a_machine_with_a_wrong_clock_neither_takes_a_lane_that_is_leased_nor_waits_too_long(
    db: Database, by: timedelta
) -> None:
    right, wrong = again(db, ServerClock(SystemClock())), again(db, ServerClock(Skewed(by)))
    with right.write() as tx:
        tx.wake("decide")
    with right.write() as tx:
        hold = lanes.take(tx, "decide", "right", LEASE)
    assert hold is not None
    with wrong.write() as tx:
        assert lanes.take(tx, "decide", "wrong", LEASE) is None
        due = lanes.due_at(tx, "decide")
        assert due is not None
        assert timedelta() < due - tx.now <= LEASE
        assert abs(wrong.clock.now() - datetime.now(UTC)) < timedelta(minutes=1)
    with right.write() as tx:
        assert lanes.holds(tx, hold)
        assert lanes.renew(tx, hold, LEASE) is not None
        lanes.finish(tx, hold, None)
    with wrong.write() as tx:
        tx.wake("decide")
    with wrong.write() as tx:
        taken = lanes.take(tx, "decide", "wrong", LEASE)
        assert taken is not None
    with right.write() as tx:
        assert lanes.take(tx, "decide", "right", LEASE) is None
        assert taken.lease_until - tx.now <= LEASE


def test_what_the_clock_gave_is_never_after_what_a_later_transaction_reads(db: Database) -> None:
    name = sql.Identifier(stores.database_of(db.url))
    server().run(sql.SQL("ALTER DATABASE {} SET timezone = 'Asia/Tokyo'").format(name))
    live = again(db, ServerClock(Skewed(timedelta(minutes=7))))
    live.probe()
    assert live.clock.now().tzinfo is UTC
    for _ in range(50):
        before = live.clock.now()
        with live.read() as tx:
            assert before <= tx.now


def test_the_servers_clock_goes_on_between_two_looks_and_is_moved_only_as_far_as_it_is_wrong() -> None:
    local = VirtualClock(NOON)
    clock = ServerClock(local)
    assert clock.now() == NOON
    there = NOON + timedelta(hours=2)
    assert clock.told(there, asked_at=local.monotonic()) == there
    local.advance(timedelta(seconds=3))
    assert clock.now() == there + timedelta(seconds=3)
    asked_at = local.monotonic()
    local.advance(timedelta(seconds=1))
    slow = clock.told(there + timedelta(seconds=3), asked_at=asked_at)
    assert slow == there + timedelta(seconds=4), "the answer took a second: it may be as late as that"
    ahead = clock.told(slow - timedelta(milliseconds=300), asked_at=local.monotonic())
    assert ahead == slow, "a little ahead is waited out, not gone back on"
    local.advance(timedelta(milliseconds=400))
    assert clock.now() == slow + timedelta(milliseconds=100)
    put_back = there - timedelta(hours=1)
    assert clock.told(put_back, asked_at=local.monotonic()) == put_back


# --- lost connections


def test_a_connection_that_was_lost_at_rest_is_not_noticed(db: Database) -> None:
    db.probe()
    with db.read():
        pass
    server().disconnect(stores.database_of(db.url))
    db.probe()
    with db.read() as tx:
        assert counts.all_counts(tx) == {}


def test_a_connection_that_is_lost_in_a_transaction_undoes_it_in_words(db: Database) -> None:
    def lose(tx: Transaction) -> None:
        counts.add(tx, "n")
        server().disconnect(stores.database_of(db.url))
        counts.add(tx, "n")

    with pytest.raises(StoreError) as lost, db.write() as tx:
        lose(tx)
    assert db.url not in str(lost.value)
    with db.write() as tx:
        assert counts.all_counts(tx) == {}


def test_a_server_that_stops_is_a_sentence_and_one_that_comes_back_is_used() -> None:
    with own_server() as mine:
        db = Database(mine.url(mine.database()), ring(), SystemClock()).create()
        mine.stop()
        with pytest.raises(StoreError, match="store cannot be used"):
            db.probe()
        mine.start()
        db.probe()
        db.close()


def test_who_does_nothing_in_a_transaction_does_not_stop_the_others(db: Database) -> None:
    def fall_asleep(tx: Transaction) -> None:
        counts.add(tx, "n")
        tx.execute(text("SET LOCAL idle_in_transaction_session_timeout = '50ms'"))
        with again(db).write() as other:  # waits for the first one's end
            assert counts.all_counts(other) == {}
        counts.add(tx, "n")

    with pytest.raises(StoreError, match="middle of a transaction"), db.write() as tx:
        fall_asleep(tx)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("SET TRANSACTION READ ONLY", "primary"),
        ("SET LOCAL statement_timeout = 1", "longer than"),
    ],
)
def test_what_the_server_refuses_is_told_with_what_to_do(db: Database, statement: str, words: str) -> None:
    def try_it(tx: Transaction) -> None:
        tx.execute(text(statement))
        tx.execute(text("SELECT pg_sleep(0.1)"))
        counts.add(tx, "n")

    with pytest.raises(StoreError, match=words), db.write() as tx:
        try_it(tx)


def test_a_user_without_rights_is_told_what_it_needs(db: Database) -> None:
    server().run(sql.SQL("DO $$ BEGIN CREATE ROLE nobody LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"))
    with (
        pytest.raises(StoreError, match="own the database"),
        Database(db.url.replace("connector@", "nobody@"), ring(), SystemClock()).read(),
    ):
        pass


def test_a_database_that_is_not_there_is_a_sentence_without_the_url(db: Database) -> None:
    with (
        pytest.raises(StoreError) as refused,
        Database(db.url.replace("store", "elsewhere"), ring(), SystemClock()).read(),
    ):
        pass
    assert "elsewhere" not in str(refused.value)


# --- its data known again


def planned(db: Database) -> None:
    ticket = Intent(
        key="k1",
        account="desk",
        kind=WriteKind.TICKET,
        object="recovery/1/ticket/1",
        fields={"subject": "Call Ada back"},
        cause_at=NOON,
        not_before=NOON,
        give_up_at=NOON + timedelta(days=3),
        priority=Priority.RECOVERY,
    )
    with db.write() as tx:
        outbox.plan(tx, [ticket])
        confirmed.confirm(tx, "crm", "person/1", {"score": 80}, {"score": NOON})


def is_distrusted(db: Database) -> bool:
    with db.read() as tx:
        row = intents.by_key(tx, "k1")
        assert row is not None
        unknown = not confirmed.of(tx, "crm", "person/1")["score"].known
        told = tx.execute(select(history.c.id).where(history.c.event == "restored")).first() is not None
    assert row.ask_first == unknown == told
    return told


def test_a_store_that_is_opened_again_is_trusted(db: Database) -> None:
    planned(db)
    db.close()
    assert not is_distrusted(again(db))


def test_an_older_copy_in_the_place_of_the_store_asks_before_it_writes(db: Database, tmp_path: Path) -> None:
    planned(db)
    db.close()
    stores.keep(tmp_path, "copy")
    stores.put_back(tmp_path, "copy")
    restored = again(db)
    assert is_distrusted(restored)
    with restored.write() as tx:
        assert tx.execute(select(history.c.id).where(history.c.event == "restored")).all() != []
    with again(db).read() as tx:
        assert len(tx.execute(select(history.c.id).where(history.c.event == "restored")).all()) == 1, "once is enough"


def test_a_dump_put_back_under_a_running_process_is_noticed(db: Database, tmp_path: Path) -> None:
    planned(db)
    dump, name = tmp_path / "store.dump", stores.database_of(db.url)
    server().command("pg_dump", "--format=custom", "--file", dump, name)
    server().command("pg_restore", "--clean", "--if-exists", "--dbname", name, dump)
    server().disconnect(name)
    with pytest.raises(StoreError, match="other data than before"), db.write() as tx:
        counts.add(tx, "n")
    with db.write() as tx:
        assert counts.all_counts(tx) == {}
    assert is_distrusted(db)


# --- who works on it


def test_a_store_that_is_used_cannot_be_had_alone(db: Database) -> None:
    with occupied(db.url), occupied(db.url), pytest.raises(StoreError, match="stop every connector"), alone(db.url):
        pass
    with alone(db.url), pytest.raises(StoreError, match="restored"), occupied(db.url):
        pass
    with alone(db.url):
        pass


def test_a_throw_away_copy_holds_what_the_server_does(db: Database) -> None:
    with db.write() as tx:
        older, younger = people.create(tx), people.create(tx)
        people.merge(tx, older, younger)  # refers to a row that comes after it
        counts.add(tx, "n", 3)
    with throw_away(db.url, ring(), VirtualClock(NOON)) as copy, copy.write() as tx:
        assert counts.all_counts(tx) == {"n": 3}
        assert people.survivor(tx, older) == younger
        counts.add(tx, "n")
    with db.read() as tx:
        assert counts.all_counts(tx) == {"n": 3}


def test_a_server_is_backed_up_by_its_own_means(db: Database, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="pg_dump"):
        back_up(db.url, tmp_path / "copy.db")
    with pytest.raises(StoreError, match="connector restore --done"):
        restore(db.url, tmp_path / "copy.db", ring(), db.clock)


def test_who_put_the_store_back_unseen_says_so(db: Database) -> None:
    planned(db)
    with occupied(db.url), pytest.raises(StoreError, match="stop every connector"):
        put_back_otherwise(db.url, db)
    assert not is_distrusted(db)
    found = put_back_otherwise(db.url, again(db))
    assert (found.intents, found.fields) == (1, 1)
    assert is_distrusted(db)
