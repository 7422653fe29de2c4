"""The tables of what operators do and of what undoing needs. Part of `schema.py`."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, LargeBinary, Table, Text

from connector.store.columns import Id, Instant, metadata

prior = Table(
    "prior",
    metadata,
    Column("intent_id", ForeignKey("intent.id"), primary_key=True),
    Column("fields", LargeBinary, nullable=False, comment="sealed JSON: field → known, value, event_at"),
    comment="what the fields of an existing object held before an intent was first sent: what undoing restores",
)

undoing = Table(
    "undoing",
    metadata,
    Column("run_id", ForeignKey("run.id"), primary_key=True),
    Column("asked_at", Instant, nullable=False),
    Column("planned_at", Instant, comment="when everything there is to restore and close was planned"),
    comment="runs an operator wants undone; the daemon does it",
)

pause = Table(
    "pause",
    metadata,
    Column("connection", Text, primary_key=True, comment="as the YAML names it"),
    Column("account", Text, comment="its vendor account, null for one that is only a source", index=True),
    Column("since", Instant, nullable=False),
    comment="connections an operator paused: nothing is sent there, polled there or read of what it delivered",
)

storm = Table(
    "storm",
    metadata,
    Column("survey", Text, primary_key=True),
    Column("recent", Text, nullable=False, comment="the newest answers acted on, newest last: u unhappy, h happy"),
    Column("since", Instant, comment="since when its work is held; null while it is not"),
    Column("quiet_until", Instant, comment="an operator said that it is right: until then nothing is held"),
    Column("run_id", Id, comment="the run it began under"),
    comment="the storm breaker of each survey",
)
