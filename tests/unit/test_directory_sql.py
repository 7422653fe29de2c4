"""Lists a database keeps: asked in turn, seen by every process, and never changed by a mistake."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url
from sqlalchemy import text as sql

from connector.adapters.registry import kinds
from connector.clock import VirtualClock
from connector.config import load
from connector.domain.model.directory import Directory, Roll
from connector.domain.model.intent import WriteKind
from connector.errors import ConfigError, ConnectorError, Gone, Rejected, RemoteError, Transient, Unauthorized
from connector.store import lists
from connector.store.database import Database
from connector.store.foreign import Foreign, Rows, text_of
from connector.store.lanes import finish
from connector.sync import directory
from connector.sync.directory import Current, DirectoryLane, Query
from connector.wiring.directory import queries
from tests import stores
from tests.unit.deciding import ENVIRON, clock_of, example_settings, planned, take_lane
from tests.unit.samples import NOON, empty_store
from tests.unit.test_config_mutations import EXAMPLE, ROOT

pytestmark = pytest.mark.both_stores
ASKED = "SELECT email, name, team AS \"Team Leader\" FROM staff WHERE name <> ':no parameter'"


@pytest.fixture
def shop(tmp_path: Path, store_kind: str) -> Iterator[str]:
    """Somebody else's database, of the kind of this test's store: its URL."""
    if stores.is_server():
        with stores.empty_database() as url:
            fill(url)
            yield url
    else:
        url = f"sqlite:///{tmp_path / 'their erp.db'}"
        fill(url)
        yield url


def run(url: str, *statements: str) -> None:
    driven = make_url(url)
    if driven.drivername == "postgresql":
        driven = driven.set(drivername="postgresql+psycopg")
    engine = create_engine(driven)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sql(statement))
    engine.dispose()


def fill(url: str) -> None:
    run(
        url,
        "CREATE TABLE staff (email TEXT, name TEXT, team TEXT, since DATE, number INTEGER)",
        "INSERT INTO staff VALUES ('jim@example.com', 'Jim Example', 'tara@example.com', NULL, 7)",
    )


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    store = empty_store(tmp_path, VirtualClock(NOON))
    yield store
    store.close()


def staff_query(ask: Callable[[], Rows], *, key: str = "email", words: str = ASKED) -> Query:
    return Query(list="staff", words=words, key=key, aliases=("name",), every=timedelta(minutes=15), ask=ask)


def drain(db: Database, *asked: Query) -> datetime | None:
    hold = take_lane(db, directory.LANE)
    due = DirectoryLane(db=db, queries=asked, settings=example_settings).drain(hold)
    with db.write() as tx:
        finish(tx, hold.hold, None)
    return due


def found(db: Database, query: Query, name: str = "jim example") -> dict[str, str]:
    settings = replace(example_settings(), directory=Directory(staff=Roll(is_open=True)))
    return dict(Current(db=db, settings=settings, queries=[query])().directory.staff.find(name))


def told(db: Database) -> list[str]:
    return [str(row.fields["text"]) for row in planned(db, WriteKind.ALERT)]


def test_a_list_is_read_from_a_database_and_again_when_it_is_due(db: Database, shop: str) -> None:
    query = staff_query(lambda: Foreign(shop).ask(ASKED))
    assert found(db, query) == {}
    assert drain(db, query) == NOON + timedelta(minutes=15)
    assert found(db, query) == {"email": "jim@example.com", "name": "Jim Example", "team_leader": "tara@example.com"}
    run(shop, "UPDATE staff SET team = 'theo@example.com'")
    assert drain(db, query) == NOON + timedelta(minutes=15)  # not due
    assert found(db, query)["team_leader"] == "tara@example.com"
    clock_of(db).advance(timedelta(minutes=15))
    assert drain(db, query) == NOON + timedelta(minutes=30)
    assert found(db, query)["team_leader"] == "theo@example.com"


def test_what_another_process_read_is_seen_and_opened_once(db: Database, shop: str) -> None:
    query = staff_query(lambda: Foreign(shop).ask(ASKED))
    current = Current(db=db, settings=example_settings(), queries=[query])
    assert current().directory.staff.find("jim example") == {}
    drain(db, query)
    first = current().directory.staff
    assert first.find("JIM@example.com")["name"] == "Jim Example"
    assert current().directory.staff is first
    assert current().directory.places == example_settings().directory.places


def test_a_list_asked_for_differently_is_another_and_the_old_one_is_forgotten(db: Database, shop: str) -> None:
    before = staff_query(lambda: Foreign(shop).ask(ASKED))
    drain(db, before)
    after = staff_query(lambda: Foreign(shop).ask("SELECT number, name FROM staff"), key="number", words="other")
    assert found(db, after, "7") == {}
    drain(db, after)
    assert found(db, after, "7") == {"number": "7", "name": "Jim Example"}
    with db.read() as tx:
        assert lists.get(tx, before.name) is None


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([{"email": "a@example.com"}, {"email": "A@example.com"}], "row 2: another row has this email already, row 1"),
        ([{"email": None}], "row 1: email is missing"),
        ([{"email": "a@example.com", "time_zone": "Europe/Berln"}], "row 1: expected a time zone"),
        ([{"name": "Kanaria"}], "there is no column 'email'"),
        (Gone("there is no database file", operation="query"), "there is no database file"),
    ],
)
def test_a_list_that_is_wrong_leaves_the_one_before_and_tells_the_operators(
    db: Database, shop: str, rows: list[dict[str, object]] | RemoteError, complaint: str
) -> None:
    drain(db, staff_query(lambda: Foreign(shop).ask(ASKED)))
    clock_of(db).advance(timedelta(minutes=15))

    def wrong() -> Rows:
        if isinstance(rows, RemoteError):
            raise rows
        names = ("email", "name", "time_zone") if "email" in rows[0] else ("name",)
        return Rows(columns=names, rows=[{name: row.get(name) for name in names} for row in rows])

    query = staff_query(wrong)
    assert drain(db, query) == NOON + timedelta(minutes=16)
    assert found(db, query)["email"] == "jim@example.com"
    [text] = told(db)
    assert complaint in text
    assert "Kanaria" not in text


def test_values_of_every_kind_become_texts() -> None:
    there = datetime(2026, 3, 2, 12, 30, tzinfo=UTC)
    values = (None, " North ", 7, 7.0, 7.5, True, date(2026, 3, 2), there, there.replace(tzinfo=None))
    assert [text_of(value) for value in values] == [
        "", "North", "7", "7", "7.5", "true", "2026-03-02", "2026-03-02T12:30:00+00:00", "2026-03-02T12:30:00",
    ]  # fmt: skip


def test_only_reading_is_asked_for_and_nothing_is_written(shop: str) -> None:
    database = Foreign(shop)
    with pytest.raises(Rejected, match="does more than read"):
        database.ask("DELETE FROM staff")
    with pytest.raises((Rejected, Transient)):
        database.ask("WITH gone AS (SELECT 1) INSERT INTO staff (email) VALUES ('x')")
    with pytest.raises(Rejected, match="returns more than 1 rows"):
        database.ask("SELECT email FROM staff UNION ALL SELECT name FROM staff", most=1)
    assert [row["email"] for row in database.ask("SELECT email FROM staff").rows] == ["jim@example.com"]
    assert database.ask("SELECT email FROM staff WHERE number > :low", {"low": 7}).rows == []


def test_a_query_that_is_wrong_says_so_and_repeats_no_value(shop: str) -> None:
    with pytest.raises(Rejected, match="stuff"):
        Foreign(shop).ask("SELECT email FROM stuff")
    if stores.is_server():
        with pytest.raises(Rejected) as caught:
            Foreign(shop).ask("SELECT CAST(name AS INTEGER) FROM staff")
        assert "Jim" not in str(caught.value) + caught.value.reply


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(Gone):
        Foreign(f"sqlite:///{tmp_path / 'none.db'}").ask("SELECT 1")
    assert not (tmp_path / "none.db").exists()
    with pytest.raises(Transient):
        Foreign("postgresql://reader:hunter2hunter2@127.0.0.1:1/erp").ask("SELECT 1")
    for url in ("nothing at all", "nosuch://host/name"):
        with pytest.raises(ConnectorError, match="none of SQLAlchemy's"):
            Foreign(url)
    with pytest.raises(ConnectorError, match="driver is not installed: oracledb"):
        Foreign("oracle+oracledb://host/name")


def test_a_server_that_refuses_the_user_is_told_from_one_that_is_down(shop: str) -> None:
    if stores.is_server():
        with pytest.raises(Unauthorized):
            Foreign(make_url(shop).set(username="stranger").render_as_string(hide_password=False)).ask("SELECT 1")


def test_the_configuration_says_who_is_asked_and_a_relative_file_lies_beside_it(tmp_path: Path) -> None:
    fill(f"sqlite:///{tmp_path / 'erp.db'}")
    text = EXAMPLE.read_text().replace(
        "staff: {file: mappings/directory/staff.csv, key: email, aliases: [number, name]}",
        f"staff: {{sql: 'sqlite:///erp.db', query: \"{ASKED.replace(chr(34), chr(92) + chr(34))}\", key: email}}",
    )
    (tmp_path / "config.yaml").write_text(text.replace("mappings/", f"{ROOT}/mappings/"))
    loaded = load(tmp_path / "config.yaml", kinds(), ENVIRON)
    [query] = queries(loaded)
    assert (query.list, query.key) == ("staff", "email")
    assert [row["name"] for row in query.ask().rows] == ["Jim Example"]
    (tmp_path / "config.yaml").write_text(
        (tmp_path / "config.yaml").read_text().replace("sqlite:///erp.db", "nosuch://x")
    )
    with pytest.raises(ConfigError, match=r"directory\.staff\.sql"):
        queries(load(tmp_path / "config.yaml", kinds(), ENVIRON))
