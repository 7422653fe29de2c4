"""An in-memory twin of a shop that keeps records: what the suite asks of files and databases holds of it, too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from connector.domain.mapping.interactions import RecordMapping
from connector.domain.model.interaction import InteractionRecord, Unreadable
from connector.errors import Rejected, Transient
from connector.ports import Page

PAGE = 500
COLUMNS = ("id", "occurred_at", "service", "staff", "amount", "email")


@dataclass(slots=True)
class TwinShop:
    """Rows in the order of their last change. `works` False: it does not answer."""

    rows: list[Mapping[str, str | None]] = field(default_factory=list)
    columns: tuple[str, ...] = COLUMNS
    works: bool = True

    def write(self, rows: list[Mapping[str, str | None]]) -> None:
        """Put rows there; those of the same ids go."""
        ids = {row["id"] for row in rows}
        self.rows = [*(row if row["id"] not in ids else {} for row in self.rows), *rows]


class TwinRecords:
    """An adapter to a twin shop. The cursor counts the changes that were read."""

    account = "twin:shop"
    read_class = "read"

    def __init__(self, shop: TwinShop) -> None:
        self._shop = shop
        names = {name: name for name in COLUMNS}
        self._mapping = RecordMapping(columns=names, kind="repair order", zone=ZoneInfo("UTC"))

    def interactions_since(self, cursor: str | None) -> Page[InteractionRecord | Unreadable]:
        """The next changes. Raises Transient while the shop does not answer, Rejected for a column it lacks."""
        if not self._shop.works:
            raise Transient("the shop does not answer")
        lacking = self._mapping.lacks(self._shop.columns)
        if lacking is not None:
            raise Rejected(f"the shop has {lacking}")
        start = int(cursor or 0)
        end = min(start + PAGE, len(self._shop.rows))
        records = []
        for number, row in enumerate(self._shop.rows[start:end], start + 1):
            values = {name: text.strip() for name, text in row.items() if text and text.strip()}
            if values:
                records.append(self._mapping.read_or_say(self.account, f"row {number}", values))
        return Page(records=records, cursor=str(end), more=end < len(self._shop.rows))
