"""The column types both stores share: instants that compare alike, and 64-bit row ids."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import BigInteger, Dialect, Integer, TypeDecorator

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Instant(TypeDecorator[datetime]):
    """An aware instant, stored as microseconds since 1970 in UTC."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Refuse naive datetimes: a zone lost here is lost for good."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime cannot be stored")
        return (value - EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Back to an aware instant."""
        return None if value is None else EPOCH + timedelta(microseconds=value)


# SQLite gives rowid behaviour to INTEGER only; PostgreSQL wants 64 bits.
Id = BigInteger().with_variant(Integer, "sqlite")
