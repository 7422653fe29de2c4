"""Rows of a shop become records of interactions: what is read of files and databases, and what the YAML may say."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.adapters.csv import Csv
from connector.adapters.csv import Options as CsvOptions
from connector.adapters.registry import kinds
from connector.adapters.sql import Options as SqlOptions
from connector.adapters.sql import Sql
from connector.clock import VirtualClock
from connector.config import load
from connector.config.records import Columns
from connector.domain.mapping.interactions import RecordMapping
from connector.domain.model.interaction import InteractionRecord, Unreadable
from connector.errors import ConfigError, Gone, MappingError, Rejected
from connector.ports import Page
from connector.secret import Secret
from connector.transport.grants import MemoryTokens
from connector.transport.kit import Kit
from connector.wiring.settings import adapters_at_rest, settings_with
from tests import stores
from tests.unit.samples import NOON
from tests.unit.test_config_mutations import ENVIRON, EXAMPLE, ROOT
from tests.unit.test_directory_sql import run

COLUMNS = {"id": "order_no", "occurred_at": "closed_at", "amount": "total", "phone": "tel", "email": "mail"}


def mapping(**fields: object) -> RecordMapping:
    given: dict[str, object] = {"columns": COLUMNS, "kind": "repair order", "zone": ZoneInfo("Europe/Berlin"), **fields}
    return RecordMapping(**given)  # type: ignore[arg-type]  # the fields of a mapping


def row(**values: str) -> dict[str, str]:
    return {"order_no": "R-1", "closed_at": "2026-07-01 12:00", **values}


def kit() -> Kit:
    clock = VirtualClock(NOON)
    return Kit(clock=clock, token_store=MemoryTokens(clock))


def test_times_without_an_offset_are_the_shops_own() -> None:
    assert mapping().read("csv:shop", row()).occurred_at == datetime(2026, 7, 1, 10, tzinfo=UTC)
    there = mapping().read("csv:shop", row(closed_at="2026-07-01T12:00:00-05:00"))
    assert there.occurred_at == datetime(2026, 7, 1, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    ("decimal", "text", "amount"),
    [
        (".", "1,234.50", 1234.5),
        (",", "1.234,50", 1234.5),
        (",", "1234", 1234),
        (".", "-12", -12),
        (",", "1 000,5", 1000.5),
    ],
)
def test_amounts_are_read_as_the_shop_writes_them(decimal: str, text: str, amount: float) -> None:
    assert mapping(decimal=decimal).read("csv:shop", row(total=text)).amount == amount


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=2))
def test_an_amount_is_never_another_one(amount: float) -> None:
    for decimal, grouped in ((".", f"{amount:,.2f}"), (",", f"{amount:,.2f}".translate(str.maketrans(",.", ".,")))):
        assert mapping(decimal=decimal).read("csv:shop", row(total=grouped)).amount == float(amount)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"order_no": ""}, "order_no"),
        ({"closed_at": "yesterday"}, "closed_at"),
        ({"closed_at": "0001-01-01"}, "closed_at"),
        ({"total": "free"}, "total"),
        ({"total": "1e5"}, "total"),
    ],
)
def test_what_cannot_be_read_names_its_column_and_nothing_that_stands_there(values: dict[str, str], field: str) -> None:
    with pytest.raises(MappingError) as caught:
        mapping().read("csv:shop", row(**values))
    assert caught.value.field == field
    assert not any(value and value in str(caught.value) for value in values.values())


def test_an_address_of_impossible_shape_identifies_nobody() -> None:
    found = mapping(phone_region="DE").read("csv:shop", row(mail="at the desk", tel="030 123456"))
    assert (found.email, found.phone) == (None, "+4930123456")
    assert "+4930123456" not in repr(found)


# Files.


def shop(path: Path) -> Csv:
    return Csv("shop", CsvOptions(path=path, columns=Columns(id="order_no", occurred_at="closed_at")), kit())


def ids(page: Page[InteractionRecord | Unreadable]) -> list[str]:
    return [each.id if isinstance(each, InteractionRecord) else each.place for each in page.records]


def put(path: Path, *numbers: int, extra: str = "") -> None:
    rows = [f"R-{number};2026-07-01" for number in numbers]
    path.write_text("\n".join(["Order No;Closed At", *rows, extra]))


def test_a_file_that_is_replaced_while_it_is_read_is_read_from_its_beginning(tmp_path: Path) -> None:
    file, fresh = tmp_path / "orders.csv", tmp_path / "fresh"
    put(file, *range(600))
    adapter = shop(file)
    first = adapter.interactions_since(None)
    assert (len(first.records), first.more) == (500, True)
    put(fresh, *range(700, 703))
    fresh.replace(file)
    second = adapter.interactions_since(first.cursor)
    assert (ids(second), second.more) == (["R-700", "R-701", "R-702"], False)
    assert ids(adapter.interactions_since(second.cursor)) == []


def test_of_a_folder_only_what_looks_different_is_read_again(tmp_path: Path) -> None:
    put(tmp_path / "a.csv", 1)
    put(tmp_path / "b.csv", 2)
    (tmp_path / "notes.txt").write_text("no records")
    adapter = shop(tmp_path)
    pages = [adapter.interactions_since(None)]
    while pages[-1].more:
        pages.append(adapter.interactions_since(pages[-1].cursor))
    assert [ids(page) for page in pages] == [["R-1"], ["R-2"]]
    put(tmp_path / "b.csv", 2, 3)
    (tmp_path / "a.csv").unlink()
    again = adapter.interactions_since(pages[-1].cursor)
    assert (ids(again), again.more) == (["R-2", "R-3"], False)


def test_a_torn_row_is_told_by_its_line_and_read_when_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    put(file, 1, extra="R-2")
    adapter = shop(file)
    page = adapter.interactions_since(None)
    assert ids(page) == ["R-1", "orders.csv:3"]
    put(file, 1, 2)
    assert ids(adapter.interactions_since(page.cursor)) == ["R-1", "R-2"]


def test_a_file_that_is_not_there_is_gone_and_one_that_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Gone):
        shop(tmp_path / "none.csv").interactions_since(None)
    (tmp_path / "orders.csv").write_text('"Order No;Closed At\nR-1;"')
    with pytest.raises(Rejected, match=r"orders\.csv"):
        shop(tmp_path / "orders.csv").interactions_since(None)


# Databases.


@pytest.fixture
def erp(tmp_path: Path, store_kind: str) -> Iterator[str]:
    make = "CREATE TABLE orders (no TEXT, at TIMESTAMP, total NUMERIC(9, 2), changed TIMESTAMP)"
    if stores.is_server():
        with stores.empty_database() as url:
            run(url, make)
            yield url
    else:
        run(f"sqlite:///{tmp_path / 'erp.db'}", make)
        yield f"sqlite:///{tmp_path / 'erp.db'}"


def add(url: str, number: int, changed: str) -> None:
    run(url, f"INSERT INTO orders VALUES ('R-{number}', '2026-07-01 12:00:00', 12.50, '{changed}')")


def database(url: str, query: str = "SELECT no, at, total, changed FROM orders WHERE changed > :since") -> Sql:
    columns = Columns(id="no", occurred_at="at", amount="total")
    return Sql("shop", SqlOptions(url=Secret(url), query=query, changed_at="changed", columns=columns), kit())


@pytest.mark.both_stores
def test_a_database_with_times_of_its_own_is_read_on_from_the_latest_change_less_the_overlap(erp: str) -> None:
    for number, changed in enumerate(("2026-07-01 12:00:00", "2026-07-02 12:00:00", "2026-07-02 12:00:00.5")):
        add(erp, number, changed)
    adapter = database(erp)
    first = adapter.interactions_since(None)
    assert ids(first) == ["R-0", "R-1", "R-2"]
    [one, *_] = first.records
    assert isinstance(one, InteractionRecord)
    assert (one.amount, one.occurred_at) == (12.5, datetime(2026, 7, 1, 12, tzinfo=UTC))
    add(erp, 3, "2026-07-02 10:30:00")  # committed late
    add(erp, 4, "2026-07-02 09:30:00")  # too late: not before it changes again
    assert ids(database(erp).interactions_since(first.cursor)) == ["R-3", "R-1", "R-2"]


@pytest.mark.both_stores
def test_what_changes_while_a_process_dies_between_pages_hides_nothing(erp: str) -> None:
    many = ", ".join(f"('R-{number:03}', '2026-07-01', 1, '2026-07-01 12:00:00')" for number in range(600))
    run(erp, f"INSERT INTO orders VALUES {many}")
    first = database(erp).interactions_since(None)
    run(erp, "UPDATE orders SET changed = '2026-07-03 13:00:00' WHERE no < 'R-100'")  # they move to the end
    adapter, seen, cursor = database(erp), set(ids(first)), first.cursor
    for _ in range(5):
        page = adapter.interactions_since(cursor)
        seen, cursor = seen | set(ids(page)), page.cursor
    assert len(seen) == 600


@pytest.mark.both_stores
def test_a_row_whose_change_has_no_time_is_no_place_to_go_on_from(erp: str) -> None:
    run(erp, "INSERT INTO orders VALUES ('R-1', '2026-07-01 12:00:00', 12.50, NULL)")
    with pytest.raises(Rejected, match="changed holds what is no time"):
        database(erp, "SELECT * FROM orders WHERE changed IS NULL OR changed > :since").interactions_since(None)


# The YAML.

SHOP = """
  shop:
    kind: csv
    path: data/orders.csv
    columns: {id: order_no, occurred_at: closed_at}
"""
RECORDS = "\ninteractions: {from: [shop], every: 5m}\n"
VISITS = "    purchases: {weight: 15, from: interactions, measure: amount, window: 365d, best: 500, worst: 0}\n"
FIELD = "from: salesforce, field: Last_Service__c, measure: days_since, best: 180, worst: 540"
PURCHASES = f"    purchases: {{weight: 15, {FIELD}}}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "mappings", tmp_path / "mappings")
    text = EXAMPLE.read_text().replace("\nsurveys:", SHOP + "\nsurveys:", 1).replace(PURCHASES, VISITS)
    (tmp_path / "config.yaml").write_text(text + RECORDS)
    return tmp_path


def test_the_configuration_says_whose_records_are_read(folder: Path) -> None:
    loaded = load(folder / "config.yaml", kinds(), ENVIRON)
    adapters = adapters_at_rest(loaded, VirtualClock(NOON))
    assert settings_with(loaded, adapters).interactions == {"csv:shop"}
    assert list(adapters.records) == ["zendesk", "shop"]
    assert "shop" not in adapters.accounts  # nothing is written to it
    assert loaded.config.interactions is not None
    assert loaded.config.interactions.every == timedelta(minutes=5)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("from: [shop]", "from: [shopp]", "there is no connection 'shopp' (did you mean 'shop'?)"),
        ("from: [shop]", "from: [salesforce]", "the connection 'salesforce' is no interactions"),
        ("columns: {id: order_no, ", "columns: {", "'id' is missing"),
        ("columns: {id: order_no, ", "columns: {id: order_no, servise: x, ", "(did you mean 'service'?)"),
        ("    path: data/orders.csv\n", "", "'path' is missing"),
        (
            "    path: data/orders.csv\n",
            "    path: a.csv\n    time_zone: Europe/Berln\n",
            "(did you mean 'Europe/Berlin'?)",
        ),
        ("    path: data/orders.csv\n", "    path: a.csv\n    linger: 5m\n", "writes nothing; remove `linger`"),
        (RECORDS, "", "there are no records of interactions"),
        ("measure: amount, window: 365d", "measure: value", "visits are measured by count, days_since or amount"),
        ("measure: amount, window", "measure: days_since, window", "look at a window; remove `window`"),
        ("from: interactions, measure", "from: interactions, field: x, measure", "does not read it; remove `field`"),
        ("from: zendesk, measure: count", "from: zendesk, measure: amount", "only interactions have an amount"),
        ("from: interactions", "from: interaction", "(did you mean 'interactions'?)"),
    ],
)
def test_a_mistake_is_refused_with_its_place(folder: Path, old: str, new: str, problem: str) -> None:
    file = folder / "config.yaml"
    text = file.read_text()
    assert old in text
    before, _, after = text.rpartition(old)  # the example has a shop of its own, in a comment
    file.write_text(before + new + after)
    with pytest.raises(ConfigError) as caught:
        load(file, kinds(), ENVIRON)
    assert any(problem in str(each) for each in caught.value.problems), caught.value


def test_a_query_that_asks_for_everything_each_time_is_refused(folder: Path) -> None:
    file = folder / "config.yaml"
    sql = "kind: sql\n    url: 'sqlite:///erp.db'\n    changed_at: changed\n    query: select * from orders\n"
    file.write_text(file.read_text().replace("kind: csv\n    path: data/orders.csv\n", sql))
    with pytest.raises(ConfigError, match="WHERE changed_at >= :since"):
        load(file, kinds(), ENVIRON)
