"""Tables of what answers are about: what places and staff there are. Part of `schema.py`."""

from __future__ import annotations

from sqlalchemy import Column, LargeBinary, Table, Text

from connector.store.columns import Instant, metadata

directory_list = Table(
    "directory_list",
    metadata,
    Column("name", Text, primary_key=True, comment="places or staff, and a digest of how it is asked for"),
    Column("read_at", Instant, nullable=False),
    Column("sealed", LargeBinary, nullable=False, comment="columns and rows as the query last gave them; sealed JSON"),
    comment="the lists of the directory that a query reads: about the operator's own places and people",
)
