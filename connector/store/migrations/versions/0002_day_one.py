"""day_one"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "erasure",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column(
            "subject",
            sa.Text(),
            nullable=False,
            comment="salted digest of whom it is about, as the certificate shows it",
        ),
        sa.Column("state", sa.Text(), nullable=False, comment="searching | settling | vendors | deleting | done"),
        sa.Column(
            "cause", sa.Text(), nullable=False, comment="asked | restored: an old copy of the store brought them back"
        ),
        sa.Column("keep_contacts", sa.Boolean(), nullable=False, comment="the company's own records of them stay"),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("again_at", sa.BigInteger(), nullable=True, comment="when the next step is due"),
        sa.Column("tries", sa.Integer(), nullable=False, comment="failed ones of the step it stands at"),
        sa.Column("waits_for", sa.Text(), nullable=True, comment="in words, without personal data"),
        sa.Column(
            "known", sa.LargeBinary(), nullable=True, comment="sealed JSON of what is known of them; null once done"
        ),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.Column(
            "certificate",
            sa.JSON(),
            nullable=True,
            comment="what was erased where, and what could not be; no personal data",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasure")),
        comment="people who are being or were erased",
    )
    with op.batch_alter_table("erasure", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_erasure_state_id"), ["state", "id"], unique=False)

    op.create_table(
        "match_block",
        sa.Column(
            "blind",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="of the account and a key of likeness",
        ),
        sa.Column("contact_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("blind", "contact_id", name=op.f("pk_match_block")),
        comment="under which keys the contacts of a CRM are looked up that are like somebody",
        sqlite_with_rowid=False,
    )
    op.create_table(
        "pause",
        sa.Column("connection", sa.Text(), nullable=False, comment="as the YAML names it"),
        sa.Column(
            "account", sa.Text(), nullable=True, comment="its vendor account, null for one that is only a source"
        ),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("connection", name=op.f("pk_pause")),
        comment="connections an operator paused: nothing is sent there, polled there or read of what it delivered",
    )
    with op.batch_alter_table("pause", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_pause_account"), ["account"], unique=False)

    op.create_table(
        "run",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="start | reload | import"),
        sa.Column("began_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("mode", sa.Text(), nullable=False, comment="observe | live"),
        sa.Column("config", sa.Text(), nullable=False, comment="digest of the configuration without secrets"),
        sa.Column("undone_at", sa.BigInteger(), nullable=True, comment="`connector undo` took it back"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
        comment="one activation of a configuration, or one import: what is planned under it can be undone together",
    )
    op.create_table(
        "storm",
        sa.Column("survey", sa.Text(), nullable=False),
        sa.Column(
            "recent", sa.Text(), nullable=False, comment="the newest answers acted on, newest last: u unhappy, h happy"
        ),
        sa.Column("since", sa.BigInteger(), nullable=True, comment="since when its work is held; null while it is not"),
        sa.Column(
            "quiet_until",
            sa.BigInteger(),
            nullable=True,
            comment="an operator said that it is right: until then nothing is held",
        ),
        sa.Column(
            "run_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="the run it began under",
        ),
        sa.PrimaryKeyConstraint("survey", name=op.f("pk_storm")),
        comment="the storm breaker of each survey",
    )
    op.create_table(
        "erased",
        sa.Column("erasure_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False, comment="kind and id there: ticket 10023"),
        sa.Column("fate", sa.Text(), nullable=False, comment="erased | anonymised | kept"),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False, comment="the vendor's own id of the request"),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["erasure_id"], ["erasure.id"], name=op.f("fk_erased_erasure_id_erasure")),
        sa.PrimaryKeyConstraint("erasure_id", "account", "object", name=op.f("pk_erased")),
        comment="receipts of erasures in other systems",
    )
    op.create_table(
        "undoing",
        sa.Column("run_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column(
            "planned_at",
            sa.BigInteger(),
            nullable=True,
            comment="when everything there is to restore and close was planned",
        ),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_undoing_run_id_run")),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_undoing")),
        comment="runs an operator wants undone; the daemon does it",
    )
    op.create_table(
        "prior",
        sa.Column("intent_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("fields", sa.LargeBinary(), nullable=False, comment="sealed JSON: field → known, value, event_at"),
        sa.ForeignKeyConstraint(["intent_id"], ["intent.id"], name=op.f("fk_prior_intent_id_intent")),
        sa.PrimaryKeyConstraint("intent_id", name=op.f("pk_prior")),
        comment="what the fields of an existing object held before an intent was first sent: what undoing restores",
    )
    with op.batch_alter_table("contact", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "blocks",
                sa.LargeBinary(),
                nullable=True,
                comment="what it is filed under in match_block, 8 bytes each; null: not filed",
            )
        )

    with op.batch_alter_table("inbox", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "run_id",
                sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
                nullable=True,
                comment="the import it came with; null for what came by itself",
            )
        )
        batch_op.add_column(
            sa.Column(
                "record_only",
                sa.Boolean(),
                nullable=True,
                comment="true: recorded and scored, never acted on; false: acted on at any age",
            )
        )
        batch_op.add_column(
            sa.Column("place", sa.Text(), nullable=True, comment="where in an imported file it stood: line 12")
        )

    with op.batch_alter_table("intent", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "run_id",
                sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
                nullable=True,
                comment="what it was planned under",
            )
        )
        batch_op.create_index(batch_op.f("ix_intent_run_id"), ["run_id"], unique=False)

    with op.batch_alter_table("response", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("anonymous_at", sa.BigInteger(), nullable=True, comment="retention took who gave it")
        )

    with op.batch_alter_table("response_version", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("trimmed_at", sa.BigInteger(), nullable=True, comment="retention took what it says in words")
        )
        batch_op.add_column(
            sa.Column(
                "run_id",
                sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
                nullable=True,
                comment="the import it came with",
            )
        )
        batch_op.add_column(
            sa.Column(
                "record_only",
                sa.Boolean(),
                nullable=True,
                comment="true: recorded and scored, never acted on; false: acted on at any age",
            )
        )
        batch_op.add_column(
            sa.Column(
                "decided_run",
                sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
                nullable=True,
                comment="the run it was decided under",
            )
        )
        batch_op.drop_index(batch_op.f("ix_response_version_state_id"))
        batch_op.create_index(batch_op.f("ix_response_version_decided_run"), ["decided_run"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_response_version_state_event_at_id"), ["state", "event_at", "id"], unique=False
        )
