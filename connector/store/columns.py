"""What all tables share: instants that compare alike in both stores, 64-bit row ids, names of constraints."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Dialect, Integer, MetaData, TypeDecorator

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

# What grows as long as a store lives, or is what another system says, outgrows the 32 bits of PostgreSQL's INTEGER.
Long = Id


def aside(column: ColumnElement[Any]) -> ColumnElement[str]:
    """A column of text as no index knows it: it narrows down what is found, and is no way to find it.

    SQLite keeps no figures about what is in a table: to it an account's intents are as few as an object's.
    """
    return column.concat("")


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
