"""A prepared statement takes and gives what the same statement does when SQLAlchemy runs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Delete, Insert, Select, Update, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.exc import IntegrityError

from connector.clock import VirtualClock
from connector.errors import StoreError
from connector.store.database import Database
from connector.store.prepared import Found, Prepared
from connector.store.schema import confirmed, count, inbox, link, person, response
from connector.store.transaction import Transaction
from tests.unit.samples import NOON, empty_store

LINK = {
    "person_id": 1,
    "account": "crm",
    "state": "linked",
    "remote_id": None,
    "candidates": ["a", "b"],
    "evidence": b"\x00\xff",
    "made_at": NOON,
}
SOME = select(link).where(link.c.account.in_(bindparam("wanted", expanding=True))).order_by(link.c.account)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    made = empty_store(tmp_path, VirtualClock(NOON))
    with made.write() as tx:
        tx.execute(person.insert(), {"id": 1, "created_at": NOON})
    yield made
    made.close()


def rows(tx: Transaction, statement: Select[Any], params: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
    ours = [row._asdict() for row in tx.execute(Prepared(statement), params)]
    return ours, [row._asdict() for row in tx.execute(statement, params)]


def test_every_kind_of_value_goes_in_and_comes_out_as_it_would_otherwise(store: Database) -> None:
    field = {"account": "crm", "object": "o", "field": "f", "known": True, "value": None, "theirs": False}
    with store.write() as tx:
        tx.execute(Prepared(link.insert()), LINK)
        tx.execute(link.insert(), {**LINK, "account": "other"})
        tx.execute(Prepared(confirmed.insert()), {**field, "event_at": NOON, "at": NOON + timedelta(microseconds=1)})
        ours, theirs = rows(tx, select(link).where(link.c.account == bindparam("of")), {"of": "crm"})
        assert ours == theirs == [LINK]
        _, other = rows(tx, select(link).where(link.c.account == bindparam("of")), {"of": "other"})
        assert other == [{**LINK, "account": "other"}]
        ours, theirs = rows(tx, select(confirmed).where(confirmed.c.at > bindparam("since")), {"since": NOON})
        assert ours == theirs
        assert ours[0]["known"] is True
        assert rows(tx, select(confirmed).where(confirmed.c.at > bindparam("since")), {"since": tx.now}) == (ours, ours)


@pytest.mark.parametrize("wanted", [[], ["crm"], ["crm", "none"], ["a", "b", "other"], ["crm", "other", "x", "y", "z"]])
def test_a_list_may_have_any_length(store: Database, wanted: list[str]) -> None:
    prepared = Prepared(SOME, lists=["wanted"])
    with store.write() as tx:
        tx.execute(Prepared(link.insert()), [LINK, {**LINK, "account": "other"}])
        for _ in range(2):
            found = [row.account for row in tx.execute(prepared, {"wanted": wanted})]
            assert found == [name for name in ("crm", "other") if name in wanted]


def test_a_default_counts_unless_something_else_is_said(store: Database) -> None:
    base = {"connection": "c", "source": "s", "state": "received", "received_at": NOON}
    insert = Prepared(inbox.insert())
    with store.write() as tx:
        tx.execute(insert, {**base, "dedupe": "1"})
        tx.execute(insert, {**base, "dedupe": "2", "priority": 1})
        priorities = tx.execute(select(inbox.c.priority, inbox.c.duplicates).order_by(inbox.c.dedupe)).all()
    assert [tuple(row) for row in priorities] == [(0, 0), (1, 0)]


def test_it_says_how_many_rows_it_changed_and_returns_what_it_is_asked_for(store: Database) -> None:
    change = Prepared(update(count).where(count.c.name == bindparam("wanted")))
    made = Prepared(response.insert().returning(response.c.id, response.c.key))
    with store.write() as tx:
        tx.execute(count.insert(), [{"name": "a", "value": 1}, {"name": "b", "value": 2}])
        assert tx.execute(change, {"wanted": "a", "value": 3}).rowcount == 1
        assert tx.execute(change, {"wanted": "c", "value": 3}).rowcount == 0
        assert tx.execute(Prepared(delete(count).where(count.c.name == bindparam("wanted"))), {"wanted": "b"}).rowcount
        assert tx.execute(Prepared(select(func.sum(count.c.value)))).scalar_one() == 3
        row = tx.execute(made, {"key": "k", "survey": "s"}).one()
        assert (row.id, row.key) == (1, "k")


def test_what_the_store_refuses_is_the_error_it_would_be_otherwise(store: Database) -> None:
    with store.write() as tx:
        tx.execute(Prepared(link.insert()), LINK)
        with pytest.raises(IntegrityError) as refused:
            tx.execute(Prepared(link.insert()), LINK)
        assert "linked" not in str(refused.value), "the values may be somebody's"
    with pytest.raises(StoreError), store.read() as tx:
        tx.execute(Prepared(link.insert()), {**LINK, "account": "x"})


def test_a_store_that_cannot_be_used_is_advice(store: Database) -> None:
    with pytest.raises(ValueError, match="naive"), store.write() as tx:
        tx.execute(Prepared(link.insert()), {**LINK, "made_at": NOON.replace(tzinfo=None)})


def test_one_row_is_one_row() -> None:
    nothing, one, two = Found([], 0), Found([(1, 2)], 1), Found([(1,), (2,)], 2)
    assert (nothing.first(), nothing.one_or_none(), nothing.scalar(), nothing.scalar_one_or_none()) == (None,) * 4
    assert (one.scalar_one(), one.scalar_one_or_none(), list(two.scalars())) == (1, 1, [1, 2])
    for refused in (nothing.one, nothing.scalar_one, two.one, two.one_or_none, two.scalar_one_or_none):
        with pytest.raises(Exception, match="row"):
            refused()


class Recorded:
    """As much of a driver's connection as a prepared statement uses; remembers what it was asked."""

    rowcount = 1
    description = tuple((column.key, None) for column in link.c)

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.dialect = psycopg.dialect()  # type: ignore[no-untyped-call]
        self.dialect.dbapi = __import__("sqlite3")  # for the names of its errors
        self.connection = self
        self.dbapi_connection = self

    def cursor(self) -> Recorded:
        return self

    def execute(self, text: str, params: Any) -> None:
        self.asked.append((text, params))

    def fetchall(self) -> list[Any]:
        return []

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("statement", "params", "expected"),
    [
        (SOME, {"wanted": ["a", "b", "c"]}, {"wanted_1": "a", "wanted_2": "b", "wanted_3": "c", "wanted_4": "c"}),
        (
            update(link).where(link.c.person_id == bindparam("wanted"), link.c.state == "held"),
            {"wanted": 1, "made_at": NOON, "remote_id": None},
            {"wanted": 1, "made_at": int(NOON.timestamp() * 1_000_000), "remote_id": None, "state_1": "held"},
        ),
        (count.insert(), {"name": "a", "value": 1}, {"name": "a", "value": 1}),
    ],
)
def test_postgresql_gets_its_parameters_by_name(
    statement: Select[Any] | Update | Insert | Delete, params: dict[str, Any], expected: dict[str, Any]
) -> None:
    connection: Any = Recorded()
    Prepared(statement, lists=["wanted"] if isinstance(statement, Select) else []).run(connection, params)
    ((text, given),) = connection.asked
    assert given == expected
    assert all(f"%({name})s" in text for name in expected)
    assert "RETURNING" not in text
