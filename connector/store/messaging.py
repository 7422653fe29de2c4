"""Tables of what customers are sent: who wants nothing, and which codes were given away."""

from __future__ import annotations

from sqlalchemy import Column, Index, Table, Text

from connector.store.columns import Instant, metadata

opted_out = Table(
    "opted_out",
    metadata,
    Column("blind", Text, primary_key=True, comment="digest of an e-mail address"),
    Column("at", Instant, nullable=False),
    comment="who wants no messages: outlives the person's erasure, so that nobody writes to them again",
)

given_code = Table(
    "given_code",
    metadata,
    Column("blind", Text, primary_key=True, comment="digest of the code: each is given once"),
    Column("holder", Text, comment="digest of the address it was given to; null once they are erased"),
    Column("at", Instant, nullable=False),
    Index(None, "holder", "at"),
)
