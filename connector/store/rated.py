"""Tables that figures are counted from: what decided answers said in numbers, and the slices they belong to.

Answers themselves are sealed. These rows are not, so that reports, and the programs that read the views of
`connector.store.views`, need no key. Part of `schema.py`.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, Table, Text

from connector.store.columns import Instant, metadata

rated = Table(
    "rated",
    metadata,
    Column("response_id", ForeignKey("response.id"), primary_key=True),
    Column("number", Integer, primary_key=True, comment="of the rating, from 0, as the survey asked"),
    Column("version", Integer, nullable=False, comment="of the answer, the newest that was decided and counts"),
    Column("survey", Text, nullable=False),
    Column("metric", Text, nullable=False, comment="csat | nps | ces"),
    Column("about", Text, nullable=False),
    Column("value", Float, nullable=False, comment="on its own scale, as if high were best"),
    Column("lowest", Float, nullable=False, comment="end of the scale"),
    Column("highest", Float, nullable=False, comment="end of the scale"),
    Column("satisfaction", Float, nullable=False, comment="0-100"),
    Column("unhappy", Boolean, nullable=False, comment="the answer as a whole, by the thresholds of then"),
    Column("event_at", Instant, nullable=False),
    Index(None, "event_at"),
    comment="ratings of decided answers, in figures",
)

sliced = Table(
    "sliced",
    metadata,
    Column("response_id", ForeignKey("response.id"), primary_key=True),
    Column("name", Text, primary_key=True, comment="service | location | staff | channel | a configured segment"),
    Column("value", Text, nullable=False),
    Index(None, "name", "value"),
    comment="the slices decided answers belong to",
)

themed = Table(
    "themed",
    metadata,
    Column("response_id", ForeignKey("response.id"), primary_key=True),
    Column("theme", Text, primary_key=True),
    comment="what the comments of decided answers are about",
)

told = Table(
    "told",
    metadata,
    Column("what", Text, primary_key=True, comment="digest of a rule of `coaching` or `trends`"),
    Column("subject", Text, primary_key=True, comment="blind digest of the slices it was about"),
    Column("at", Instant, nullable=False),
    comment="when people were last told about somebody's or something's figures",
)
