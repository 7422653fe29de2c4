"""The tables of defects: which answers and tickets speak of a theme, and the issues that became of themes.

Part of `schema.py`.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint

from connector.store.columns import Id, Instant, metadata

defect = Table(
    "defect",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("account", Text, nullable=False, comment="the tracker's"),
    Column("theme", Text, nullable=False),
    Column("episode", Integer, nullable=False, comment="counts the issues about one theme, from 1"),
    Column("state", Text, nullable=False, comment="open | closed | called_off | failed | gone | undone"),
    Column("severity", Text, nullable=False),
    Column("since", Instant, nullable=False, comment="the oldest answer it speaks of"),
    Column("opened_at", Instant, nullable=False),
    Column("closed_at", Instant, comment="when it was closed there, last"),
    Column("closings", Integer, nullable=False, default=0, comment="how often it was closed"),
    Column("told", Integer, nullable=False, comment="answers it last spoke of"),
    Column("read_at", Instant, comment="when its state was last read"),
    Column("stale", Boolean, nullable=False, default=False, comment="it may quote somebody who was erased since"),
    UniqueConstraint("account", "theme", "episode"),
    Index(None, "account", "read_at"),
    comment="themes that so many were unhappy about that an issue was opened",
)

defect_answer = Table(
    "defect_answer",
    metadata,
    Column("theme", Text, primary_key=True),
    Column("response_id", ForeignKey("response.id"), primary_key=True),
    Column("at", Instant, nullable=False, comment="event time"),
    Index(None, "response_id"),
    comment="unhappy answers that were acted on, by what they are about",
)

defect_ticket = Table(
    "defect_ticket",
    metadata,
    Column("theme", Text, primary_key=True),
    Column("account", Text, primary_key=True, comment="the helpdesk's"),
    Column("remote_id", Text, primary_key=True),
    Column("person_id", ForeignKey("person.id"), nullable=False, comment="who asked for it"),
    Column("at", Instant, nullable=False, comment="when they last wrote of it there"),
    Index(None, "person_id"),
    comment="customers' own tickets, by what they wrote of there",
)

conversation = Table(
    "conversation",
    metadata,
    Column("account", Text, primary_key=True),
    Column("remote_id", Text, primary_key=True),
    Column("person_id", ForeignKey("person.id"), nullable=False),
    Column("changed_at", Instant, nullable=False),
    Index(None, "account", "changed_at"),
    Index(None, "person_id"),
    comment="customers' own tickets whose conversation changed and was not read since",
)
