"""Tables of what answers are about: records of interactions, places and staff. Part of `schema.py`."""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Index, LargeBinary, Table, Text

from connector.store.columns import Instant, metadata

directory_list = Table(
    "directory_list",
    metadata,
    Column("name", Text, primary_key=True, comment="places or staff, and a digest of how it is asked for"),
    Column("read_at", Instant, nullable=False),
    Column("sealed", LargeBinary, nullable=False, comment="columns and rows as the query last gave them; sealed JSON"),
    comment="the lists of the directory that a query reads: about the operator's own places and people",
)

interaction = Table(
    "interaction",
    metadata,
    Column("account", Text, primary_key=True),
    Column("remote_id", Text, primary_key=True),
    Column("reference", Text, nullable=False, comment="blind id, as answers name it"),
    Column("kind", Text, nullable=False, comment="as it is compared: repair order"),
    Column("occurred_at", Instant, nullable=False),
    Column("invited_at", Instant, comment="when the customer was asked for an answer"),
    Column("service", Text),
    Column("location", Text),
    Column("channel", Text),
    Column("amount", Float),
    Column("crm_id", Text, index=True, comment="blind"),
    Column("email", Text, index=True, comment="blind"),
    Column("phone", Text, index=True, comment="blind"),
    Column("sealed", LargeBinary, comment="the customer's keys, who served; sealed JSON"),
    Column("content", Text, nullable=False, comment="blind digest of the record: the same again changes nothing"),
    Column("first_at", Instant, nullable=False, comment="when it was first read"),
    Index(None, "reference"),
    Index(None, "invited_at"),
    Index(None, "occurred_at"),
    comment="interactions as the shop's records last had them",
)

interaction_answer = Table(
    "interaction_answer",
    metadata,
    Column("response_id", ForeignKey("response.id"), primary_key=True),
    Column("reference", Text, nullable=False, index=True, comment="blind id of what the answer is about"),
    Column("kind", Text, comment="as the answer calls it; null where it does not say"),
    comment="which interaction an answer is about, also of one whose record has not come yet",
)
