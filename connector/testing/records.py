"""The suite of what keeps records of interactions: a shop's files, its database, anybody's.

There is no vendor to be slow or to refuse a token: what is asked is that nothing is left out, nothing made up, nothing
told that is somebody's, and nothing written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connector.domain.model.interaction import InteractionRecord, Unreadable
from connector.errors import RemoteError
from connector.ports import Interactions
from connector.testing.suite import Suite, asks

PAGES = 50
Row = Mapping[str, str | None]
AT = datetime(2026, 3, 2, 12, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """Where a case's records lie, and how they come there.

    `connect` makes an adapter, as a process of ours would. `write` puts rows there, or replaces those of their ids:
    column (id, occurred_at, service, staff, amount, email) → text, None for a blank. `late` puts one there that
    carries an earlier change than what was read already; None where rows carry none. `damage` makes the whole of it
    unreadable and `mend` readable again; `rename` calls the column `service` otherwise. `state` is everything there
    is, to see that reading changes nothing.
    """

    connect: Callable[[], Interactions]
    write: Callable[[Sequence[Row]], None]
    damage: Callable[[], None]
    mend: Callable[[], None]
    rename: Callable[[str], None]
    state: Callable[[], object]
    late: Callable[[Row], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A kind of adapter that reads records. `open` makes a shop in an empty folder, without any row."""

    page: str
    open: Callable[[Path], Shop]
    is_dated: bool = False


class Reader:
    """An adapter read as the poll lane does, remembering where it was."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.adapter = shop.connect()
        self.cursor: str | None = None

    def sweep(self) -> dict[str, InteractionRecord]:
        """Every page until there are no more, by id."""
        return {each.id: each for each in self.all() if isinstance(each, InteractionRecord)}

    def all(self) -> list[InteractionRecord | Unreadable]:
        """Every page until there are no more."""
        found: list[InteractionRecord | Unreadable] = []
        for _ in range(PAGES):
            page = self.adapter.interactions_since(self.cursor)
            self.cursor = page.cursor
            found += page.records
            if not page.more:
                return found
        raise AssertionError("the records never end")


def row(number: int, **values: str | None) -> dict[str, str | None]:
    """A row of a made-up repair order."""
    return {
        "id": f"R-{number}",
        "occurred_at": "2026-03-02 12:30:00",
        "service": "brakes",
        "staff": None,
        "amount": None,
        "email": f"kim{number:04}@example.com",
        **values,
    }


class InteractionsSuite(Suite):
    """What everything that keeps records must hold."""

    @asks("C1")
    def test_a_shop_without_records_is_at_rest(self, case: Kept, tmp_path: Path) -> None:
        """No record, no error, and the same when asked again."""
        reader = Reader(case.open(tmp_path))
        assert reader.all() == []
        assert reader.all() == []

    @asks("C3")
    def test_what_is_new_or_changed_is_read_and_a_restored_cursor_reads_it_again(
        self, case: Kept, tmp_path: Path
    ) -> None:
        """One id is one record, however often it is read."""
        shop = case.open(tmp_path)
        reader = Reader(shop)
        shop.write([row(1), row(2)])
        first = reader.sweep()
        assert set(first) == {"R-1", "R-2"}
        before = reader.cursor
        shop.write([row(2, service="tires"), row(3)])
        seen = reader.sweep()
        assert (seen["R-2"].service, seen["R-3"].service) == ("tires", "brakes")
        reader.cursor = before
        assert reader.sweep() == seen

    @asks("C4")
    def test_what_cannot_be_read_is_an_error_and_no_empty_page(self, case: Kept, tmp_path: Path) -> None:
        """And the same place is read again."""
        shop = case.open(tmp_path)
        reader = Reader(shop)
        shop.write([row(1)])
        shop.damage()
        with pytest.raises(RemoteError):
            reader.sweep()
        shop.mend()
        assert set(reader.sweep()) == {"R-1"}

    @asks("C7", lambda case: case.is_dated)
    def test_what_is_there_late_is_not_skipped(self, case: Kept, tmp_path: Path) -> None:
        """It carries an earlier change than what was read before it came."""
        shop = case.open(tmp_path)
        reader = Reader(shop)
        shop.write([row(1)])
        reader.sweep()
        assert shop.late is not None
        shop.late(row(2))
        assert "R-2" in reader.sweep()

    @asks("C9")
    def test_blank_is_not_known(self, case: Kept, tmp_path: Path) -> None:
        """None, and no empty text; no amount is not nothing."""
        shop = case.open(tmp_path)
        shop.write([row(1, email=None, service=" "), row(2, amount="0")])
        seen = Reader(shop).sweep()
        assert (seen["R-1"].service, seen["R-1"].staff, seen["R-1"].email) == (None, None, None)
        assert (seen["R-1"].amount, seen["R-2"].amount) == (None, 0.0)

    @asks("C10")
    def test_instants_arrive_as_they_are(self, case: Kept, tmp_path: Path) -> None:
        """With an offset, or without one in the connection's zone (UTC here)."""
        shop = case.open(tmp_path)
        times = ("2026-03-02 12:30:00", "2026-03-02T14:30:00+02:00", "2026-03-02")
        shop.write([row(number, occurred_at=text) for number, text in enumerate(times)])
        seen = Reader(shop).sweep()
        midnight = AT - timedelta(hours=12, minutes=30)
        assert [seen[f"R-{number}"].occurred_at for number in range(3)] == [AT, AT, midnight]
        assert all(each.occurred_at.utcoffset() == timedelta(0) for each in seen.values())

    @asks("C12")
    def test_nothing_personal_is_in_what_is_said(self, case: Kept, tmp_path: Path) -> None:
        """Neither of a record that cannot be used nor in its own repr; its neighbours are read."""
        shop = case.open(tmp_path)
        shop.write([row(1, occurred_at="kim0001@example.com"), row(2)])
        found = Reader(shop).all()
        [wrong] = [each for each in found if isinstance(each, Unreadable)]
        assert "occurred_at" in wrong.reason
        assert "kim000" not in repr(found)
        assert [each.id for each in found if isinstance(each, InteractionRecord)] == ["R-2"]

    @asks("C13")
    def test_a_column_that_is_gone_is_named(self, case: Kept, tmp_path: Path) -> None:
        """With the nearest there is."""
        shop = case.open(tmp_path)
        shop.write([row(1)])
        shop.rename("services")
        with pytest.raises(RemoteError, match=r"service\b.*services"):
            Reader(shop).sweep()

    @asks("C15")
    def test_reading_changes_nothing_there(self, case: Kept, tmp_path: Path) -> None:
        """Byte for byte."""
        shop = case.open(tmp_path)
        shop.write([row(1)])
        before = shop.state()
        Reader(shop).sweep()
        assert shop.state() == before

    @asks("C18")
    def test_a_process_that_dies_between_pages_goes_on(self, case: Kept, tmp_path: Path) -> None:
        """Another one with the cursor of each page reads what is left; repeats are allowed."""
        shop = case.open(tmp_path)
        rows = 1_203
        shop.write([row(number) for number in range(rows)])
        reader = Reader(shop)
        seen: set[str] = set()
        for number in range(PAGES):
            page = reader.adapter.interactions_since(reader.cursor)
            seen |= {each.id for each in page.records if isinstance(each, InteractionRecord)}
            if not page.more:
                break
            if number == 0:
                reader.adapter = shop.connect()  # dead before the page was kept: its cursor is the one before
                continue
            reader.cursor = page.cursor
            if number == 1:
                reader.adapter = shop.connect()
        assert len(seen) == rows
