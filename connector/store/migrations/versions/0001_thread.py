"""thread"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="active | paused"),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("probe_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_account")),
        comment="a paused account keeps its intents planned and is probed until it works again",
    )
    op.create_table(
        "confirmed",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column(
            "object", sa.Text(), nullable=False, comment="our name of the object, as in intent.object or intent.target"
        ),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("known", sa.Boolean(), nullable=False, comment="false while a write of it is open"),
        sa.Column("value", sa.LargeBinary(), nullable=True, comment="sealed JSON"),
        sa.Column(
            "event_at",
            sa.BigInteger(),
            nullable=False,
            comment="event time of the value; older ones never overwrite it",
        ),
        sa.Column("theirs", sa.Boolean(), nullable=False, comment="a person changed it after our last write"),
        sa.Column("at", sa.BigInteger(), nullable=False, comment="when a receipt or a read last set it"),
        sa.PrimaryKeyConstraint("account", "object", "field", name=op.f("pk_confirmed")),
    )
    op.create_table(
        "contact",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("remote_id", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True, comment="blind"),
        sa.Column("phone", sa.Text(), nullable=True, comment="blind"),
        sa.Column(
            "sealed", sa.LargeBinary(), nullable=True, comment="name, e-mail, phone, owner, url, values; sealed JSON"
        ),
        sa.Column("modified_at", sa.BigInteger(), nullable=True),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("merged_into", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("account", "remote_id", name=op.f("pk_contact")),
        comment="the CRM's contacts as contacts_since last reported them",
    )
    with op.batch_alter_table("contact", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_contact_account_email"), ["account", "email"], unique=False)
        batch_op.create_index(batch_op.f("ix_contact_account_phone"), ["account", "phone"], unique=False)

    op.create_table(
        "count",
        sa.Column("name", sa.Text(), nullable=False, comment="forged, oversized, … : what left no other row"),
        sa.Column("value", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_count")),
    )
    op.create_table(
        "cursor",
        sa.Column("name", sa.Text(), nullable=False, comment="account and feed, for example zendesk:acme/tickets"),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("moved_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_cursor")),
    )
    op.create_table(
        "grant_token",
        sa.Column("grant", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True, comment="access and refresh token; sealed JSON"),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("generation", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("refreshing_until", sa.BigInteger(), nullable=True, comment="single flight across processes"),
        sa.PrimaryKeyConstraint("grant", name=op.f("pk_grant_token")),
    )
    op.create_table(
        "lane",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("epoch", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("wake_seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("done_seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("wake_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lane")),
    )
    op.create_table(
        "meta",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_meta")),
        comment="store identity, digest of the scoring configuration, check value of the key ring",
    )
    op.create_table(
        "person",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column(
            "sealed",
            sa.LargeBinary(),
            nullable=True,
            comment="name, e-mail, phone, company as last offered; sealed JSON",
        ),
        sa.Column("merged_into", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("scored_at", sa.BigInteger(), nullable=True, comment="when the score was last computed"),
        sa.ForeignKeyConstraint(["merged_into"], ["person.id"], name=op.f("fk_person_merged_into_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
    )
    with op.batch_alter_table("person", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_person_scored_at"), ["scored_at"], unique=False)

    op.create_table(
        "quota",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("endpoint_class", sa.Text(), nullable=False),
        sa.Column("blocked_until", sa.BigInteger(), nullable=True),
        sa.Column(
            "remaining",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="as the vendor last said, less what was spent since",
        ),
        sa.Column(
            "capacity",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="of the vendor's whole window, where it says so",
        ),
        sa.Column("resets_at", sa.BigInteger(), nullable=True, comment="as the vendor last said"),
        sa.PrimaryKeyConstraint("account", "endpoint_class", name=op.f("pk_quota")),
    )
    op.create_table(
        "remote",
        sa.Column("object", sa.Text(), nullable=False, comment="our name of it"),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("remote_id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("object", name=op.f("pk_remote")),
        comment="what our object names stand for over there now: from receipts, links and followed merges",
    )
    with op.batch_alter_table("remote", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_remote_account_remote_id"), ["account", "remote_id"], unique=False)

    op.create_table(
        "ticket",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("remote_id", sa.Text(), nullable=False),
        sa.Column(
            "status", sa.Text(), nullable=False, comment="new | open | pending | hold | solved | closed | deleted"
        ),
        sa.Column("requester", sa.Text(), nullable=True, comment="blind e-mail"),
        sa.Column(
            "key", sa.Text(), nullable=True, comment="the marker we wrote on it; null on tickets that are not ours"
        ),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("first_at", sa.BigInteger(), nullable=False, comment="oldest change ever reported"),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True, comment="values we may write; sealed JSON"),
        sa.PrimaryKeyConstraint("account", "remote_id", name=op.f("pk_ticket")),
        comment="the helpdesk's tickets as tickets_since last reported them",
    )
    with op.batch_alter_table("ticket", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_ticket_account_requester"), ["account", "requester"], unique=False)

    op.create_table(
        "tombstone",
        sa.Column("blind", sa.Text(), nullable=False, comment="of an erased person's key or an erased response's key"),
        sa.Column("erased_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("blind", name=op.f("pk_tombstone")),
    )
    op.create_table(
        "write",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="sending | submitted | in_doubt | closed"),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=False, comment="sealed JSON of the frozen request"),
        sa.Column("items", sa.LargeBinary(), nullable=False, comment="sealed JSON of the rendered items, to ask by"),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.Column(
            "epoch",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="of the lane that sent it",
        ),
        sa.Column("ask_at", sa.BigInteger(), nullable=True),
        sa.Column("asks", sa.Integer(), nullable=False),
        sa.Column("job", sa.Text(), nullable=True),
        sa.Column("poll_at", sa.BigInteger(), nullable=True),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_write")),
    )
    with op.batch_alter_table("write", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_write_account_state_id"), ["account", "state", "id"], unique=False)

    op.create_table(
        "fact",
        sa.Column("person_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("component", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False, comment="response key and rating, or signal name"),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_fact_person_id_person")),
        sa.PrimaryKeyConstraint("person_id", "component", "source", name=op.f("pk_fact")),
        comment="what health scores rest on; a newer version of an answer replaces its facts",
    )
    op.create_table(
        "link",
        sa.Column("person_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="linked | held | unlinked"),
        sa.Column("remote_id", sa.Text(), nullable=True),
        sa.Column("candidates", sa.JSON(), nullable=False),
        sa.Column("evidence", sa.LargeBinary(), nullable=False, comment="sealed JSON"),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_link_person_id_person")),
        sa.PrimaryKeyConstraint("person_id", "account", name=op.f("pk_link")),
    )
    with op.batch_alter_table("link", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_link_account_remote_id"), ["account", "remote_id"], unique=False)

    op.create_table(
        "person_key",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("blind", sa.Text(), nullable=False),
        sa.Column("person_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_person_key_person_id_person")),
        sa.PrimaryKeyConstraint("kind", "blind", name=op.f("pk_person_key")),
        comment="exact keys a person was seen with",
    )
    with op.batch_alter_table("person_key", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_person_key_person_id"), ["person_id"], unique=False)

    op.create_table(
        "published",
        sa.Column("person_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("hundredths", sa.Integer(), nullable=True),
        sa.Column("band", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_published_person_id_person")),
        sa.PrimaryKeyConstraint("person_id", "account", name=op.f("pk_published")),
        comment="the score last planned to be written to each CRM: the next one is written when it moved far enough",
    )
    op.create_table(
        "recovery",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("person_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("playbook", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("opened_by", sa.Text(), nullable=False, comment="response key"),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=False, comment="counts follow-up tickets"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_recovery_person_id_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery")),
    )
    with op.batch_alter_table("recovery", schema=None) as batch_op:
        batch_op.create_index(
            "uq_recovery_open",
            ["person_id", "playbook"],
            unique=True,
            sqlite_where=sa.text("state = 'open'"),
            postgresql_where=sa.text("state = 'open'"),
        )

    op.create_table(
        "response",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="<kind>/<form>/<id>"),
        sa.Column("survey", sa.Text(), nullable=False),
        sa.Column("person_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("latest_version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_response_person_id_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_response")),
        sa.UniqueConstraint("key", name=op.f("uq_response_key")),
    )
    op.create_table(
        "score",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("person_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("as_of", sa.BigInteger(), nullable=False),
        sa.Column("computed_at", sa.BigInteger(), nullable=False),
        sa.Column("hundredths", sa.Integer(), nullable=True),
        sa.Column("coverage", sa.Float(), nullable=False),
        sa.Column("band", sa.Text(), nullable=True),
        sa.Column("answers", sa.Integer(), nullable=False),
        sa.Column("trend", sa.Integer(), nullable=True),
        sa.Column("contributions", sa.JSON(), nullable=False),
        sa.Column("config", sa.Text(), nullable=False, comment="digest of the scoring configuration"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_score_person_id_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_score")),
    )
    with op.batch_alter_table("score", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_score_person_id_id"), ["person_id", "id"], unique=False)

    op.create_table(
        "inbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("connection", sa.Text(), nullable=False, comment="as the YAML named it when the delivery arrived"),
        sa.Column("source", sa.Text(), nullable=False, comment="adapter kind, which a rename does not change"),
        sa.Column("dedupe", sa.Text(), nullable=False, comment="blind digest of source and payload"),
        sa.Column(
            "state", sa.Text(), nullable=False, comment="received | mapped | duplicate | ignored | quarantined | erased"
        ),
        sa.Column("priority", sa.Integer(), nullable=False, comment="0 live, 1 backfill"),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column(
            "duplicates",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="identical deliveries that arrived again",
        ),
        sa.Column("payload", sa.LargeBinary(), nullable=True, comment="sealed; null once retention or erasure took it"),
        sa.Column("field", sa.Text(), nullable=True, comment="where mapping failed"),
        sa.Column("reason", sa.Text(), nullable=True, comment="why it is quarantined or ignored; no personal data"),
        sa.Column("response_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.ForeignKeyConstraint(["response_id"], ["response.id"], name=op.f("fk_inbox_response_id_response")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox")),
        sa.UniqueConstraint("dedupe", name=op.f("uq_inbox_dedupe")),
    )
    with op.batch_alter_table("inbox", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_inbox_state_priority_id"), ["state", "priority", "id"], unique=False)

    op.create_table(
        "intent",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=True),
        sa.Column("after", sa.JSON(), nullable=False),
        sa.Column("fields", sa.LargeBinary(), nullable=True, comment="sealed JSON"),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True, comment="why it is held, blocked, rejected …; no personal data"),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("fold", sa.Boolean(), nullable=False),
        sa.Column("cause_at", sa.BigInteger(), nullable=False),
        sa.Column("planned_at", sa.BigInteger(), nullable=False),
        sa.Column("not_before", sa.BigInteger(), nullable=False),
        sa.Column("give_up_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False, comment="raised when an ask found nothing"),
        sa.Column("batch_limit", sa.Integer(), nullable=True, comment="set while a refused batch is bisected"),
        sa.Column("ask_first", sa.Boolean(), nullable=False),
        sa.Column("write_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column(
            "position",
            sa.Integer(),
            nullable=True,
            comment="record of the write it belongs to; folded intents share one",
        ),
        sa.Column("response_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("person_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("recovery_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.Column("record", sa.Text(), nullable=False, comment="marker the created record carries there"),
        sa.Column("erasing", sa.Boolean(), nullable=False, comment="erased as soon as its open write is settled"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_intent_person_id_person")),
        sa.ForeignKeyConstraint(["recovery_id"], ["recovery.id"], name=op.f("fk_intent_recovery_id_recovery")),
        sa.ForeignKeyConstraint(["response_id"], ["response.id"], name=op.f("fk_intent_response_id_response")),
        sa.ForeignKeyConstraint(["write_id"], ["write.id"], name=op.f("fk_intent_write_id_write")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_intent")),
        sa.UniqueConstraint("key", name=op.f("uq_intent_key")),
    )
    with op.batch_alter_table("intent", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_intent_account_state_not_before"), ["account", "state", "not_before"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_intent_object"), ["object"], unique=False)
        batch_op.create_index(batch_op.f("ix_intent_person_id"), ["person_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_intent_recovery_id"), ["recovery_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_intent_response_id"), ["response_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_intent_write_id"), ["write_id"], unique=False)

    op.create_table(
        "recovery_response",
        sa.Column("recovery_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("response_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("joined_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["recovery_id"], ["recovery.id"], name=op.f("fk_recovery_response_recovery_id_recovery")
        ),
        sa.ForeignKeyConstraint(
            ["response_id"], ["response.id"], name=op.f("fk_recovery_response_response_id_response")
        ),
        sa.PrimaryKeyConstraint("recovery_id", "response_id", name=op.f("pk_recovery_response")),
    )
    op.create_table(
        "response_version",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("response_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, comment="from 1, in event order of arrival"),
        sa.Column("state", sa.Text(), nullable=False, comment="pending | decided | stale | quarantined | erased"),
        sa.Column("event_at", sa.BigInteger(), nullable=False),
        sa.Column("submitted_at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False, comment="blind digest of the canonical content"),
        sa.Column("sealed", sa.LargeBinary(), nullable=True, comment="canonical response, sealed JSON"),
        sa.Column(
            "understanding",
            sa.LargeBinary(),
            nullable=True,
            comment="sealed JSON: language, sentiment, themes with quotes",
        ),
        sa.Column("satisfaction", sa.Float(), nullable=True, comment="worst rating, 0-100"),
        sa.Column("unhappy", sa.Boolean(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True, comment="why it is quarantined or stale"),
        sa.Column(
            "decided_at",
            sa.BigInteger(),
            nullable=True,
            comment="set in the transaction that planned its intents; never twice",
        ),
        sa.ForeignKeyConstraint(
            ["response_id"], ["response.id"], name=op.f("fk_response_version_response_id_response")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_response_version")),
        sa.UniqueConstraint("response_id", "version", name=op.f("uq_response_version_response_id_version")),
    )
    with op.batch_alter_table("response_version", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_response_version_response_id_state"), ["response_id", "state"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_response_version_state_id"), ["state", "id"], unique=False)

    op.create_table(
        "dependency",
        sa.Column("intent_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["intent_id"], ["intent.id"], name=op.f("fk_dependency_intent_id_intent")),
        sa.PrimaryKeyConstraint("intent_id", "object", name=op.f("pk_dependency")),
        comment="objects a blocked intent waits for",
    )
    with op.batch_alter_table("dependency", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_dependency_object"), ["object"], unique=False)

    op.create_table(
        "history",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("response_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("person_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("recovery_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("intent_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("detail", sa.LargeBinary(), nullable=True, comment="sealed JSON"),
        sa.ForeignKeyConstraint(["intent_id"], ["intent.id"], name=op.f("fk_history_intent_id_intent")),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_history_person_id_person")),
        sa.ForeignKeyConstraint(["recovery_id"], ["recovery.id"], name=op.f("fk_history_recovery_id_recovery")),
        sa.ForeignKeyConstraint(["response_id"], ["response.id"], name=op.f("fk_history_response_id_response")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_history")),
    )
    with op.batch_alter_table("history", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_history_person_id"), ["person_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_history_response_id"), ["response_id"], unique=False)

    op.create_table(
        "receipt",
        sa.Column("intent_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("remote_id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("created", sa.Boolean(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["intent_id"], ["intent.id"], name=op.f("fk_receipt_intent_id_intent")),
        sa.PrimaryKeyConstraint("intent_id", name=op.f("pk_receipt")),
    )
    with op.batch_alter_table("receipt", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_receipt_account_remote_id"), ["account", "remote_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_receipt_object"), ["object"], unique=False)
