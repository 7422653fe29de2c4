"""Moving a store from a file to a server: all of it, once, with what is under way, whatever happens on the way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from psycopg import sql
from sqlalchemy import create_engine, func, select

from connector.clock import VirtualClock
from connector.domain.model.intent import IntentState
from connector.domain.model.person import KeyKind
from connector.errors import StoreError
from connector.ports import Token
from connector.secret import Secret
from connector.store import inbox, lanes, people, tokens
from connector.store.columns import metadata
from connector.store.database import Database
from connector.store.inbox import Arrival
from connector.store.moving import ARRIVED, FENCED, move
from connector.store.occupancy import occupied
from connector.store.schema import person
from connector.testing.twin import Fault, Trouble
from tests.durability.bench import Bench, intent
from tests.postgres import server
from tests.stores import database_of, empty_database
from tests.unit.deciding import feed
from tests.unit.keyboard import Keyboard
from tests.unit.samples import NOON, answer, empty_store, ring

# A database that changes what is written to one table, once there is that table.
SPOIL = "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.survey := 'x'; RETURN NEW; END $$"
WATCH = """CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE object_identity = 'public.response') THEN
        CREATE TRIGGER spoil BEFORE INSERT ON response FOR EACH ROW EXECUTE FUNCTION spoil();
    END IF;
END $$"""
ON_CREATE = "CREATE EVENT TRIGGER watch ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION watch()"


class Died(Exception):
    """The process ended here."""


@pytest.fixture
def target() -> Iterator[str]:
    with empty_database() as url:
        yield url


@pytest.fixture
def db(tmp_path: Path) -> Database:
    made = empty_store(tmp_path, VirtualClock(NOON))
    feed(made, answer("1"), answer("2", email="bo@example.org", stars=5))
    with made.write() as tx:
        older, younger = people.create(tx), people.create(tx)
        people.learn(tx, older, {KeyKind.EMAIL: "ada@example.org"})
        people.merge(tx, older, younger)  # refers to a row that comes after it
        inbox.add(tx, [Arrival(connection="typeform", kind="typeform", payload=b"{}\xff\0", received_at=NOON)])
    return made


def there(target: str, clock: VirtualClock | None = None) -> Database:
    return Database(target, ring(), clock or VirtualClock(NOON))


def held(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table, whatever its order."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        found = {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in metadata.sorted_tables
        }
    engine.dispose()
    found["meta"] = [row for row in found["meta"] if row[0] not in {"moved_to", "identity"}]
    return found


def test_everything_arrives_and_numbers_go_on(db: Database, target: str) -> None:
    before = held(db.url)
    db.close()
    moved = move(db.url, target, db.clock)
    assert moved.rows == sum(len(rows) for rows in before.values())
    assert held(target) == before
    new = there(target)
    with new.write() as tx:
        highest = tx.execute(select(func.max(person.c.id))).scalar_one()
        assert people.create(tx) == highest + 1
        assert inbox.due(tx, 1)[0].payload == b"{}\xff\0"
        assert people.find(tx, KeyKind.EMAIL, "ada@example.org") == highest
    new.close()


def test_the_file_says_where_it_went_and_opens_no_more(db: Database, target: str) -> None:
    db.close()
    move(db.url, target.replace("connector@", "connector:hush@"), db.clock)
    again = Database(db.url, ring(), db.clock)
    for use in (again.probe, again.create):
        with pytest.raises(StoreError, match="was moved to postgresql") as refused:
            use()
        assert "hush" not in str(refused.value)


@pytest.mark.parametrize("step", [ARRIVED, FENCED])
def test_a_crash_leaves_one_store_that_can_be_used_and_is_made_good_by_another_run(
    db: Database, target: str, step: str
) -> None:
    before = held(db.url)
    db.close()

    def die(reached: str) -> None:
        if reached == step:
            raise Died

    with pytest.raises(Died):
        move(db.url, target, db.clock, reached=die)
    with pytest.raises(StoreError, match="run `connector migrate-store` again"), there(target).read():
        pass
    if step == ARRIVED:
        with Database(db.url, ring(), db.clock).write() as tx:
            inbox.add(tx, [Arrival(connection="typeform", kind="typeform", payload=b"later", received_at=NOON)])
        before = held(db.url)
    move(db.url, target, db.clock)
    assert held(target) == before
    there(target).probe()


def test_a_crash_while_copying_leaves_nothing_there(db: Database, target: str) -> None:
    db.close()

    def die(reached: str) -> None:
        if reached == "response":
            raise Died

    with pytest.raises(Died):
        move(db.url, target, db.clock, reached=die)
    with pytest.raises(StoreError, match="connector run"), there(target).read():
        pass
    Database(db.url, ring(), db.clock).probe()


def test_what_arrives_is_compared_with_what_was_sent(db: Database, target: str) -> None:
    db.close()
    for statement in (sql.SQL(SPOIL), sql.SQL(WATCH), sql.SQL(ON_CREATE)):
        server().run(statement, database=database_of(target))
    with pytest.raises(StoreError, match="table response is not what was sent"):
        move(db.url, target, db.clock)
    Database(db.url, ring(), db.clock).probe()


def test_a_file_in_use_or_leased_is_not_moved(db: Database, target: str) -> None:
    with occupied(db.url), pytest.raises(StoreError, match="stop every connector"):
        move(db.url, target, db.clock)
    with db.write() as tx:
        tx.wake("decide")
    with db.write() as tx:
        assert lanes.take(tx, "decide", "somebody", timedelta(seconds=5))
    with pytest.raises(StoreError, match="decide is leased to somebody"):
        move(db.url, target, db.clock)
    assert isinstance(db.clock, VirtualClock)
    db.clock.advance(timedelta(seconds=5))
    move(db.url, target, db.clock)


def test_a_database_in_use_or_not_empty_takes_nothing(db: Database, target: str) -> None:
    db.close()
    with occupied(target), pytest.raises(StoreError, match="stop every connector"):
        move(db.url, target, db.clock)
    there(target).create().close()
    with pytest.raises(StoreError, match="holds something already"):
        move(db.url, target, db.clock)
    Database(db.url, ring(), db.clock).probe()


@pytest.mark.parametrize(("source", "to"), [(0, 0), (1, 1), (1, 0)])
def test_other_pairs_are_refused(db: Database, target: str, source: int, to: int) -> None:
    pair = (db.url, target)
    with pytest.raises(StoreError, match="from sqlite:///FILE to postgresql"):
        move(pair[source], pair[to], db.clock)


def test_what_is_under_way_goes_on_there(tmp_path: Path, target: str) -> None:
    bench = Bench(tmp_path)
    bench.twin.faults.append(Fault(trouble=Trouble.LOST_AFTER))
    bench.plan(intent("doubted"))
    bench.drain()
    bench.live = False
    bench.start()
    bench.plan(intent("held", object="recovery/2/ticket/1", fields={"subject": "later"}))
    bench.drain()
    bench.live = True
    token = Token(access=Secret("a"), refresh=Secret("r"), generation=1, expires_at=NOON)
    tokens.Tokens(bench.db).save("grant", token)
    assert tokens.Tokens(bench.db).lease("grant", 1, timedelta(minutes=5))
    bench.plan(intent("planned", object="recovery/3/ticket/1", not_before=NOON + timedelta(minutes=1)))
    stood = {key: bench.state(key) for key in ("held", "doubted", "planned")}
    url = bench.db.url
    bench.db.close()
    move(url, target, bench.clock)
    bench.db = there(target, bench.clock)
    bench.lane = bench.lane_with(bench._settle, bench.prepare)
    assert {key: bench.state(key) for key in stood} == stood
    assert [*stood.values()] == [IntentState.HELD, IntentState.IN_DOUBT, IntentState.PLANNED]
    assert not tokens.Tokens(bench.db).lease("grant", 1, timedelta(minutes=5)), "somebody else is refreshing it"
    bench.run()
    assert {bench.state(key) for key in stood} == {IntentState.CONFIRMED}
    assert [len(bench.twin.carrying(key)) for key in stood] == [1, 1, 1]
    bench.db.close()


def test_the_command_says_what_it_did_and_refuses_with_exit_code_3(
    db: Database, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    type_ = Keyboard(monkeypatch, capsys, tmp_path)
    db.close()
    type_("migrate-store", target, db.url).says(3, "from sqlite:///FILE to postgresql://HOST/DATABASE")
    type_("migrate-store", "sqlite:///elsewhere.db", target).says(3, "no store at elsewhere.db")
    type_("migrate-store", db.url, target).says(0, "rows of", "counted and compared", "opens no more")
    type_("migrate-store", db.url, target).says(0, "opens no more")
