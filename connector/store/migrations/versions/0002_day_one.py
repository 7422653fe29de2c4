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

    with op.batch_alter_table("response_version", schema=None) as batch_op:
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
