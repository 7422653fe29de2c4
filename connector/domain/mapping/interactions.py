"""A row of a shop's records becomes an interaction: texts by column in, typed values out, nothing guessed."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from connector.domain.mapping.contacts import email, phone
from connector.domain.model.interaction import InteractionRecord, Unreadable
from connector.domain.model.nearest import nearest
from connector.errors import MappingError

REQUIRED: Final = ("id", "occurred_at")
_AMOUNT: Final = re.compile(r"[+-]?\d{1,15}(\.\d{1,6})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordMapping:
    """How rows are read. `columns` is field → column; `kind` what a record is where no column says so.

    `zone` is that of times without an offset, `decimal` what stands before cents, `phone_region` the country whose
    national numbers are understood.
    """

    columns: Mapping[str, str]
    kind: str
    zone: ZoneInfo
    decimal: str = "."
    phone_region: str | None = None

    def read(self, account: str, row: Mapping[str, str]) -> InteractionRecord:
        """The record. Raises MappingError naming the column, never what stands there.

        An address or number of impossible shape identifies nobody and is dropped, as in an answer.
        """
        values = {name: row[column] for name, column in self.columns.items() if row.get(column)}
        for name in REQUIRED:
            if name not in values:
                raise MappingError("is missing", field=self.columns.get(name, name))
        return InteractionRecord(
            account=account,
            id=values["id"],
            kind=values.get("kind", self.kind),
            occurred_at=self._instant("occurred_at", values["occurred_at"]),
            service=values.get("service"),
            location=values.get("location"),
            staff=values.get("staff"),
            channel=values.get("channel"),
            amount=self._amount(values.get("amount")),
            invited_at=self._instant("invited_at", values["invited_at"]) if "invited_at" in values else None,
            crm_id=values.get("crm_id"),
            email=email(values.get("email", "")),
            phone=phone(values.get("phone", ""), self.phone_region),
        )

    def read_or_say(self, account: str, place: str, row: Mapping[str, str]) -> InteractionRecord | Unreadable:
        """The record, or what is wrong with the row at `place`."""
        try:
            return self.read(account, row)
        except MappingError as error:
            return Unreadable(place=place, reason=str(error))

    def lacks(self, columns: Collection[str], *also: str) -> str | None:
        """The first column that is read, or one of `also`, and is not among `columns`, with the nearest there is."""
        for column in (*self.columns.values(), *also):
            if column not in columns:
                near = nearest(column, columns)
                return f"no column {column!r}" + (f" (did you mean {near!r}?)" if near else "")
        return None

    def _instant(self, name: str, text: str) -> datetime:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise MappingError("is no date or time such as 2026-03-02 12:30", field=self.columns[name]) from None
        try:
            return (moment if moment.tzinfo is not None else moment.replace(tzinfo=self.zone)).astimezone(UTC)
        except OverflowError:
            raise MappingError("is no time a calendar has", field=self.columns[name]) from None

    def _amount(self, text: str | None) -> float | None:
        if text is None:
            return None
        thousands = "," if self.decimal == "." else "."
        plain = text.replace(thousands, "").replace(" ", "").replace("\u00a0", "").replace(self.decimal, ".")
        if _AMOUNT.fullmatch(plain) is None:
            raise MappingError(f"is no number with {self.decimal!r} before cents", field=self.columns["amount"])
        return float(plain)
