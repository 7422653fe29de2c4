"""Every table. Personal data lives in `sealed` columns (AES-GCM) and is found through keyed `blind` indexes only.

Enumerations are their text; what an `Id` and an `Instant` are is in `columns.py`. A column added to a table that was
released has no foreign key: SQLite would have to write the whole table anew to learn one.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from connector.store.about import directory_list, interaction, interaction_answer
from connector.store.columns import EPOCH, Id, Instant, Long, metadata
from connector.store.erased import erased, erasure
from connector.store.ledger import pause, prior, storm, undoing
from connector.store.messaging import given_code, opted_out
from connector.store.mirror import contact, match_block, ticket
from connector.store.rated import rated, sliced, themed, told
from connector.store.tracked import conversation, defect, defect_answer, defect_ticket
from connector.store.winning import follow_up, playbook_text, recovery, recovery_response, recovery_step

# What is defined elsewhere and looked for here; the tables below need no mention.
__all__ = [
    "EPOCH", "contact", "conversation", "defect", "defect_answer", "defect_ticket", "directory_list", "erased",
    "erasure", "follow_up", "given_code", "interaction", "interaction_answer", "match_block", "metadata", "opted_out",
    "pause", "playbook_text", "prior", "rated", "recovery", "recovery_response", "recovery_step", "sliced", "storm",
    "themed", "ticket", "told", "undoing",
]  # fmt: skip

IS_PLANNED, IS_HELD, IS_GIVEN_UP = "state = 'planned'", "state = 'held'", "state = 'given_up'"
IS_UNSETTLED = "state NOT IN ('confirmed', 'erased', 'given_up', 'rejected', 'superseded')"
IS_RECORD_ONLY = "record_only IS TRUE"
"""As the indexes of some rows only say it: a query finds them by such an index when it says so in the same words."""


def _of_some(name: str, *columns: str, rows: str) -> Index:
    return Index(name, *columns, sqlite_where=text(rows), postgresql_where=text(rows))


meta = Table(
    "meta",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    comment="store identity, digest of the scoring configuration, check value of the key ring",
)

run = Table(
    "run",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("kind", Text, nullable=False, comment="start | reload | import"),
    Column("began_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("mode", Text, nullable=False, comment="observe | live"),
    Column("config", Text, nullable=False, comment="digest of the configuration without secrets"),
    Column("undone_at", Instant, comment="`connector undo` took it back"),
    comment="one activation of a configuration, or one import: what is planned under it can be undone together",
)

inbox = Table(
    "inbox",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("connection", Text, nullable=False, comment="as the YAML named it when the delivery arrived"),
    Column("source", Text, nullable=False, comment="adapter kind, which a rename does not change"),
    Column("dedupe", Text, nullable=False, unique=True, comment="blind digest of source and payload"),
    Column("state", Text, nullable=False, comment="received | mapped | duplicate | ignored | quarantined | erased"),
    Column("priority", Integer, nullable=False, default=0, comment="0 live, 1 backfill"),
    Column("received_at", Instant, nullable=False),
    Column("duplicates", Long, nullable=False, default=0, comment="identical deliveries that arrived again"),
    Column("payload", LargeBinary, comment="sealed; null once retention or erasure took it"),
    Column("field", Text, comment="where mapping failed"),
    Column("reason", Text, comment="why it is quarantined or ignored; no personal data"),
    Column("response_id", ForeignKey("response.id")),
    Column("run_id", Id, comment="the import it came with; null for what came by itself"),
    Column("record_only", Boolean, comment="true: recorded and scored, never acted on; false: acted on at any age"),
    Column("place", Text, comment="where in an imported file it stood: line 12"),
    Index(None, "state", "priority", "id"),
    _of_some("ix_inbox_record_only", "state", rows=IS_RECORD_ONLY),
)

response = Table(
    "response",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("key", Text, nullable=False, unique=True, comment="<kind>/<form>/<id>"),
    Column("survey", Text, nullable=False),
    Column("person_id", ForeignKey("person.id"), index=True),
    Column("latest_version", Integer, nullable=False, default=0),
    Column("anonymous_at", Instant, comment="retention took who gave it"),
)

response_version = Table(
    "response_version",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("response_id", ForeignKey("response.id"), nullable=False),
    Column("version", Integer, nullable=False, comment="from 1, in event order of arrival"),
    Column("state", Text, nullable=False, comment="pending | decided | stale | quarantined | undone | erased"),
    Column("event_at", Instant, nullable=False),
    Column("submitted_at", Instant, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("content", Text, nullable=False, comment="blind digest of the canonical content"),
    Column("mark", Text, comment="what keys call it: the same on an old copy of the store, which counts anew"),
    Column("sealed", LargeBinary, comment="canonical response, sealed JSON"),
    Column("understanding", LargeBinary, comment="sealed JSON: language, sentiment, themes with quotes"),
    Column("satisfaction", Float, comment="worst rating, 0-100"),
    Column("unhappy", Boolean),
    Column("reason", Text, comment="why it is quarantined or stale"),
    Column("trimmed_at", Instant, comment="retention took what it says in words"),
    Column("decided_at", Instant, comment="set in the transaction that planned its intents; never twice"),
    Column("run_id", Id, comment="the import it came with"),
    Column("record_only", Boolean, comment="true: recorded and scored, never acted on; false: acted on at any age"),
    Column("decided_run", Id, index=True, comment="the run it was decided under"),
    UniqueConstraint("response_id", "version"),
    Index(None, "state", "event_at", "id"),
    Index(None, "response_id", "state"),
    _of_some("ix_response_version_record_only", "state", rows=IS_RECORD_ONLY),
)

person = Table(
    "person",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("created_at", Instant, nullable=False),
    Column("sealed", LargeBinary, comment="name, e-mail, phone, company as last offered; sealed JSON"),
    Column("merged_into", ForeignKey("person.id")),
    Column("scored_at", Instant, comment="when the score was last computed"),
    Index(None, "scored_at"),
)

person_key = Table(
    "person_key",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("blind", Text, primary_key=True),
    Column("person_id", ForeignKey("person.id"), nullable=False, index=True),
    comment="exact keys a person was seen with",
)

link = Table(
    "link",
    metadata,
    Column("person_id", ForeignKey("person.id"), primary_key=True),
    Column("account", Text, primary_key=True),
    Column("state", Text, nullable=False, comment="linked | held | unlinked"),
    Column("remote_id", Text),
    Column("candidates", JSON, nullable=False),
    Column("evidence", LargeBinary, nullable=False, comment="sealed JSON"),
    Column("made_at", Instant, nullable=False),
    Index(None, "account", "remote_id"),
)

fact = Table(
    "fact",
    metadata,
    Column("person_id", ForeignKey("person.id"), primary_key=True),
    Column("component", Text, primary_key=True),
    Column("source", Text, primary_key=True, comment="response key and rating, or signal name"),
    Column("value", Float, nullable=False),
    Column("at", Instant, nullable=False),
    comment="what health scores rest on; a newer version of an answer replaces its facts",
)

score = Table(
    "score",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("person_id", ForeignKey("person.id"), nullable=False),
    Column("as_of", Instant, nullable=False),
    Column("computed_at", Instant, nullable=False),
    Column("hundredths", Integer),
    Column("coverage", Float, nullable=False),
    Column("band", Text),
    Column("answers", Integer, nullable=False),
    Column("trend", Integer),
    Column("contributions", JSON, nullable=False),
    Column("config", Text, nullable=False, comment="digest of the scoring configuration"),
    Index(None, "person_id", "id"),
)

published = Table(
    "published",
    metadata,
    Column("person_id", ForeignKey("person.id"), primary_key=True),
    Column("account", Text, primary_key=True),
    Column("hundredths", Integer),
    Column("band", Text),
    Column("at", Instant, nullable=False),
    comment="the score last planned to be written to each CRM: the next one is written when it moved far enough",
)

write = Table(
    "write",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("account", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False, comment="sending | submitted | in_doubt | closed"),
    Column("key", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("request", LargeBinary, nullable=False, comment="sealed JSON of the frozen request"),
    Column("items", LargeBinary, nullable=False, comment="sealed JSON of the rendered items, to ask by"),
    Column("size", Integer, nullable=False),
    Column("sent_at", Instant, nullable=False),
    Column("epoch", Long, nullable=False, comment="of the lane that sent it"),
    Column("ask_at", Instant),
    Column("asks", Integer, nullable=False, default=0),
    Column("job", Text),
    Column("poll_at", Instant),
    Column("closed_at", Instant),
    Index(None, "account", "state", "id"),
    Index(None, "account", "kind", "closed_at"),
)

intent = Table(
    "intent",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("key", Text, nullable=False, unique=True),
    Column("account", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("object", Text, nullable=False, index=True),
    Column("target", Text),
    Column("after", JSON, nullable=False),
    Column("fields", LargeBinary, comment="sealed JSON"),
    Column("state", Text, nullable=False),
    Column("reason", Text, comment="why it is held, blocked, rejected …; no personal data"),
    Column("priority", Integer, nullable=False),
    Column("fold", Boolean, nullable=False),
    Column("cause_at", Instant, nullable=False),
    Column("planned_at", Instant, nullable=False),
    Column("not_before", Instant, nullable=False),
    Column("give_up_at", Instant, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("revision", Integer, nullable=False, default=0, comment="raised when an ask found nothing"),
    Column("batch_limit", Integer, comment="set while a refused batch is bisected"),
    Column("ask_first", Boolean, nullable=False, default=False),
    Column("write_id", ForeignKey("write.id"), index=True),
    Column("position", Integer, comment="record of the write it belongs to; folded intents share one"),
    Column("response_id", ForeignKey("response.id"), index=True),
    Column("version", Integer),
    Column("person_id", ForeignKey("person.id"), index=True),
    Column("recovery_id", ForeignKey("recovery.id"), index=True),
    Column("settled_at", Instant),
    Column("record", Text, nullable=False, comment="marker the created record carries there"),
    Column("erasing", Boolean, nullable=False, default=False, comment="erased as soon as its open write is settled"),
    Column("run_id", Id, index=True, comment="what it was planned under"),
    Index(None, "account", "state", "not_before"),
    # Where many wait, each of these finds the few that are asked for without reading the others.
    _of_some("ix_intent_target", "target", rows="target IS NOT NULL"),
    _of_some("ix_intent_planned", "account", "priority", "id", "not_before", "kind", rows=IS_PLANNED),
    _of_some("ix_intent_held", "account", "reason", "kind", "priority", "id", rows=IS_HELD),
    _of_some("ix_intent_given_up", "account", "reason", rows=IS_GIVEN_UP),
    _of_some("ix_intent_unsettled", "account", "give_up_at", rows=IS_UNSETTLED),
)

dependency = Table(
    "dependency",
    metadata,
    Column("intent_id", ForeignKey("intent.id"), primary_key=True),
    Column("object", Text, primary_key=True, index=True),
    comment="objects a blocked intent waits for",
)

remote = Table(
    "remote",
    metadata,
    Column("object", Text, primary_key=True, comment="our name of it"),
    Column("account", Text, nullable=False),
    Column("remote_id", Text, nullable=False),
    Column("url", Text),
    Column("at", Instant, nullable=False),
    Index(None, "account", "remote_id"),
    comment="what our object names stand for over there now: from receipts, links and followed merges",
)

receipt = Table(
    "receipt",
    metadata,
    Column("intent_id", ForeignKey("intent.id"), primary_key=True),
    Column("account", Text, nullable=False),
    Column("object", Text, nullable=False, index=True),
    Column("remote_id", Text, nullable=False),
    Column("url", Text),
    Column("created", Boolean),
    Column("request_id", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Index(None, "account", "remote_id"),
)

confirmed = Table(
    "confirmed",
    metadata,
    Column("account", Text, primary_key=True),
    Column("object", Text, primary_key=True, comment="our name of the object, as in intent.object or intent.target"),
    Column("field", Text, primary_key=True),
    Column("known", Boolean, nullable=False, comment="false while a write of it is open"),
    Column("value", LargeBinary, comment="sealed JSON"),
    Column("event_at", Instant, nullable=False, comment="event time of the value; older ones never overwrite it"),
    Column("theirs", Boolean, nullable=False, default=False, comment="a person changed it after our last write"),
    Column("at", Instant, nullable=False, comment="when a receipt or a read last set it"),
)

lane = Table(
    "lane",
    metadata,
    Column("name", Text, primary_key=True),
    Column("owner", Text),
    Column("epoch", Long, nullable=False, default=0),
    Column("lease_until", Instant),
    Column("wake_seq", Long, nullable=False, default=0),
    Column("done_seq", Long, nullable=False, default=0),
    Column("wake_at", Instant),
)

cursor = Table(
    "cursor",
    metadata,
    Column("name", Text, primary_key=True, comment="account and feed, for example zendesk:acme/tickets"),
    Column("value", Text, nullable=False),
    Column("moved_at", Instant, nullable=False),
)

quota = Table(
    "quota",
    metadata,
    Column("account", Text, primary_key=True),
    Column("endpoint_class", Text, primary_key=True),
    Column("blocked_until", Instant),
    Column("remaining", Long, comment="as the vendor last said, less what was spent since"),
    Column("capacity", Long, comment="of the vendor's whole window, where it says so"),
    Column("resets_at", Instant, comment="as the vendor last said"),
)

account = Table(
    "account",
    metadata,
    Column("name", Text, primary_key=True),
    Column("state", Text, nullable=False, comment="active | paused"),
    Column("reason", Text),
    Column("since", Instant, nullable=False),
    Column("probe_at", Instant),
    comment="a paused account keeps its intents planned and is probed until it works again",
)

token = Table(
    "grant_token",
    metadata,
    Column("grant", Text, primary_key=True),
    Column("sealed", LargeBinary, comment="access and refresh token; sealed JSON"),
    Column("expires_at", Instant),
    Column("generation", Long, nullable=False),
    Column("refreshing_until", Instant, comment="single flight across processes"),
    Column("refreshing_by", Text, comment="whose reservation it is: a process that died is not waited for"),
)

history = Table(
    "history",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("at", Instant, nullable=False),
    Column("event", Text, nullable=False),
    Column("response_id", ForeignKey("response.id"), index=True),
    Column("person_id", ForeignKey("person.id"), index=True),
    Column("recovery_id", ForeignKey("recovery.id")),
    Column("intent_id", ForeignKey("intent.id")),
    Column("detail", LargeBinary, comment="sealed JSON"),
)

count = Table(
    "count",
    metadata,
    Column("name", Text, primary_key=True, comment="forged, oversized, … : what left no other row"),
    Column("value", Long, nullable=False),
)

tombstone = Table(
    "tombstone",
    metadata,
    Column("blind", Text, primary_key=True, comment="of an erased person's key or an erased response's key"),
    Column("erased_at", Instant, nullable=False),
)
