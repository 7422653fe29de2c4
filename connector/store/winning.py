"""Tables of recoveries: their steps and deadlines, the playbooks they keep, what their customers were sent."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text, text

from connector.store.columns import Id, Instant, Long, metadata

IS_OPEN = "state = 'open'"
"""As the index of open recoveries says it: a query is answered by that index when it says so in the same words."""

recovery = Table(
    "recovery",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("person_id", ForeignKey("person.id"), nullable=False),
    Column("playbook", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("opened_by", Text, nullable=False, index=True, comment="response key"),
    Column("opened_at", Instant, nullable=False),
    Column("closed_at", Instant),
    Column("cause", Text),
    Column("generation", Integer, nullable=False, default=1, comment="counts follow-up tickets"),
    Column("stage", Text, nullable=False, server_default="opened", comment="how far it is, or how it ended"),
    Column("owner", Text, comment="whose it is, in the words of the YAML"),
    Column("touched_at", Instant, comment="when somebody first did something about it"),
    Column("root_cause", Text, comment="one of the playbook's causes"),
    Column("action_taken", LargeBinary, comment="sealed text"),
    Column("book", Text, comment="digest of the playbook it was opened under"),
    Column("calendar", Text, comment="whose open time its deadlines count, by its name in that playbook"),
    Index(
        "uq_recovery_open",
        "person_id",
        "playbook",
        unique=True,
        sqlite_where=text(IS_OPEN),
        postgresql_where=text(IS_OPEN),
    ),
)

recovery_response = Table(
    "recovery_response",
    metadata,
    Column("recovery_id", ForeignKey("recovery.id"), primary_key=True),
    Column("response_id", ForeignKey("response.id"), primary_key=True, index=True),
    Column("joined_at", Instant, nullable=False),
)

playbook_text = Table(
    "playbook_text",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("content", Text, nullable=False, comment="canonical JSON of the playbook and the calendars it names"),
    Column("first_used_at", Instant, nullable=False),
    comment="playbooks as recoveries were opened under them: a recovery keeps its rules when the file changes",
)

recovery_step = Table(
    "recovery_step",
    metadata,
    Column("recovery_id", ForeignKey("recovery.id"), primary_key=True),
    Column("number", Integer, primary_key=True, comment="of the playbook's step, from 0"),
    Column("name", Text, nullable=False),
    Column("state", Text, nullable=False, comment="expected | waiting | paused | done | skipped"),
    Column("began_at", Instant, nullable=False),
    Column("due_at", Instant, comment="null: no deadline, or paused"),
    Column("remaining", Long, comment="while paused: microseconds of the calendar's open time left"),
    Column("rung", Integer, nullable=False, default=0, comment="rungs of the ladder that were climbed"),
    Column("rung_at", Instant, comment="when the next rung is due; null: none is left"),
    Column("missed", Boolean, nullable=False, default=False, comment="its deadline passed before it was done"),
    Column("done_at", Instant),
    Column("proof", Text, comment="what showed that it was done; no personal data"),
    Index(None, "state", "rung_at"),
)

follow_up = Table(
    "follow_up",
    metadata,
    Column("recovery_id", ForeignKey("recovery.id"), primary_key=True),
    Column("number", Integer, primary_key=True, comment="of the messages to the customer, from 0"),
    Column("kind", Text, nullable=False, comment="apology | offer | call_back | survey"),
    Column("intent_key", Text, nullable=False),
    Column("planned_at", Instant, nullable=False),
    Column("reference", Text, unique=True, comment="blind digest of what a survey's link carries"),
    Column("response_id", Id, comment="the answer that came back"),
    Column("answered_at", Instant),
    comment="what the customer of a recovery was sent, and what came back",
)
