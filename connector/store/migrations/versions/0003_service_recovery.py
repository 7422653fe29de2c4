"""service_recovery"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "defect",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("account", sa.Text(), nullable=False, comment="the tracker's"),
        sa.Column("theme", sa.Text(), nullable=False),
        sa.Column("episode", sa.Integer(), nullable=False, comment="counts the issues about one theme, from 1"),
        sa.Column("state", sa.Text(), nullable=False, comment="open | closed | called_off | failed | gone | undone"),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False, comment="the oldest answer it speaks of"),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True, comment="when it was closed there, last"),
        sa.Column("closings", sa.Integer(), nullable=False, comment="how often it was closed"),
        sa.Column("told", sa.Integer(), nullable=False, comment="answers it last spoke of"),
        sa.Column("read_at", sa.BigInteger(), nullable=True, comment="when its state was last read"),
        sa.Column("stale", sa.Boolean(), nullable=False, comment="it may quote somebody who was erased since"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_defect")),
        sa.UniqueConstraint("account", "theme", "episode", name=op.f("uq_defect_account_theme_episode")),
        comment="themes that so many were unhappy about that an issue was opened",
    )
    with op.batch_alter_table("defect", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_defect_account_read_at"), ["account", "read_at"], unique=False)

    op.create_table(
        "directory_list",
        sa.Column("name", sa.Text(), nullable=False, comment="places or staff, and a digest of how it is asked for"),
        sa.Column("read_at", sa.BigInteger(), nullable=False),
        sa.Column(
            "sealed",
            sa.LargeBinary(),
            nullable=False,
            comment="columns and rows as the query last gave them; sealed JSON",
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_directory_list")),
        comment="the lists of the directory that a query reads: about the operator's own places and people",
    )
    op.create_table(
        "given_code",
        sa.Column("blind", sa.Text(), nullable=False, comment="digest of the code: each is given once"),
        sa.Column(
            "holder",
            sa.Text(),
            nullable=True,
            comment="digest of the address it was given to; null once they are erased",
        ),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("blind", name=op.f("pk_given_code")),
    )
    with op.batch_alter_table("given_code", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_given_code_holder_at"), ["holder", "at"], unique=False)

    op.create_table(
        "interaction",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("remote_id", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False, comment="blind id, as answers name it"),
        sa.Column("kind", sa.Text(), nullable=False, comment="as it is compared: repair order"),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("invited_at", sa.BigInteger(), nullable=True, comment="when the customer was asked for an answer"),
        sa.Column("service", sa.Text(), nullable=True),
        sa.Column("location", sa.Text(), nullable=True),
        sa.Column("channel", sa.Text(), nullable=True),
        sa.Column("amount", sa.Float(), nullable=True),
        sa.Column("crm_id", sa.Text(), nullable=True, comment="blind"),
        sa.Column("email", sa.Text(), nullable=True, comment="blind"),
        sa.Column("phone", sa.Text(), nullable=True, comment="blind"),
        sa.Column("sealed", sa.LargeBinary(), nullable=True, comment="the customer's keys, who served; sealed JSON"),
        sa.Column(
            "content", sa.Text(), nullable=False, comment="blind digest of the record: the same again changes nothing"
        ),
        sa.Column("first_at", sa.BigInteger(), nullable=False, comment="when it was first read"),
        sa.PrimaryKeyConstraint("account", "remote_id", name=op.f("pk_interaction")),
        comment="interactions as the shop's records last had them",
    )
    with op.batch_alter_table("interaction", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_interaction_crm_id"), ["crm_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_interaction_email"), ["email"], unique=False)
        batch_op.create_index(batch_op.f("ix_interaction_invited_at"), ["invited_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_interaction_occurred_at"), ["occurred_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_interaction_phone"), ["phone"], unique=False)
        batch_op.create_index(batch_op.f("ix_interaction_reference"), ["reference"], unique=False)

    op.create_table(
        "opted_out",
        sa.Column("blind", sa.Text(), nullable=False, comment="digest of an e-mail address"),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("blind", name=op.f("pk_opted_out")),
        comment="who wants no messages: outlives the person's erasure, so that nobody writes to them again",
    )
    op.create_table(
        "playbook_text",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column(
            "content", sa.Text(), nullable=False, comment="canonical JSON of the playbook and the calendars it names"
        ),
        sa.Column("first_used_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_playbook_text")),
        comment="playbooks as recoveries were opened under them: a recovery keeps its rules when the file changes",
    )
    op.create_table(
        "told",
        sa.Column("what", sa.Text(), nullable=False, comment="digest of a rule of `coaching` or `trends`"),
        sa.Column("subject", sa.Text(), nullable=False, comment="blind digest of the slices it was about"),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("what", "subject", name=op.f("pk_told")),
        comment="when people were last told about somebody's or something's figures",
    )
    op.create_table(
        "conversation",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("remote_id", sa.Text(), nullable=False),
        sa.Column("person_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_conversation_person_id_person")),
        sa.PrimaryKeyConstraint("account", "remote_id", name=op.f("pk_conversation")),
        comment="customers' own tickets whose conversation changed and was not read since",
    )
    with op.batch_alter_table("conversation", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_conversation_account_changed_at"), ["account", "changed_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_conversation_person_id"), ["person_id"], unique=False)

    op.create_table(
        "defect_ticket",
        sa.Column("theme", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False, comment="the helpdesk's"),
        sa.Column("remote_id", sa.Text(), nullable=False),
        sa.Column(
            "person_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="who asked for it",
        ),
        sa.Column("at", sa.BigInteger(), nullable=False, comment="when they last wrote of it there"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name=op.f("fk_defect_ticket_person_id_person")),
        sa.PrimaryKeyConstraint("theme", "account", "remote_id", name=op.f("pk_defect_ticket")),
        comment="customers' own tickets, by what they wrote of there",
    )
    with op.batch_alter_table("defect_ticket", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_defect_ticket_person_id"), ["person_id"], unique=False)

    op.create_table(
        "defect_answer",
        sa.Column("theme", sa.Text(), nullable=False),
        sa.Column("response_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False, comment="event time"),
        sa.ForeignKeyConstraint(["response_id"], ["response.id"], name=op.f("fk_defect_answer_response_id_response")),
        sa.PrimaryKeyConstraint("theme", "response_id", name=op.f("pk_defect_answer")),
        comment="unhappy answers that were acted on, by what they are about",
    )
    with op.batch_alter_table("defect_answer", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_defect_answer_response_id"), ["response_id"], unique=False)

    op.create_table(
        "follow_up",
        sa.Column("recovery_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, comment="of the messages to the customer, from 0"),
        sa.Column("kind", sa.Text(), nullable=False, comment="apology | offer | call_back | survey"),
        sa.Column("intent_key", sa.Text(), nullable=False),
        sa.Column("planned_at", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True, comment="blind digest of what a survey's link carries"),
        sa.Column(
            "response_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="the answer that came back",
        ),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["recovery_id"], ["recovery.id"], name=op.f("fk_follow_up_recovery_id_recovery")),
        sa.PrimaryKeyConstraint("recovery_id", "number", name=op.f("pk_follow_up")),
        sa.UniqueConstraint("reference", name=op.f("uq_follow_up_reference")),
        comment="what the customer of a recovery was sent, and what came back",
    )
    op.create_table(
        "interaction_answer",
        sa.Column("response_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False, comment="blind id of what the answer is about"),
        sa.Column("kind", sa.Text(), nullable=True, comment="as the answer calls it; null where it does not say"),
        sa.ForeignKeyConstraint(
            ["response_id"], ["response.id"], name=op.f("fk_interaction_answer_response_id_response")
        ),
        sa.PrimaryKeyConstraint("response_id", name=op.f("pk_interaction_answer")),
        comment="which interaction an answer is about, also of one whose record has not come yet",
    )
    with op.batch_alter_table("interaction_answer", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_interaction_answer_reference"), ["reference"], unique=False)

    op.create_table(
        "rated",
        sa.Column("response_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, comment="of the rating, from 0, as the survey asked"),
        sa.Column(
            "version", sa.Integer(), nullable=False, comment="of the answer, the newest that was decided and counts"
        ),
        sa.Column("survey", sa.Text(), nullable=False),
        sa.Column("metric", sa.Text(), nullable=False, comment="csat | nps | ces"),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False, comment="on its own scale, as if high were best"),
        sa.Column("lowest", sa.Float(), nullable=False, comment="end of the scale"),
        sa.Column("highest", sa.Float(), nullable=False, comment="end of the scale"),
        sa.Column("satisfaction", sa.Float(), nullable=False, comment="0-100"),
        sa.Column("unhappy", sa.Boolean(), nullable=False, comment="the answer as a whole, by the thresholds of then"),
        sa.Column("event_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["response_id"], ["response.id"], name=op.f("fk_rated_response_id_response")),
        sa.PrimaryKeyConstraint("response_id", "number", name=op.f("pk_rated")),
        comment="ratings of decided answers, in figures",
    )
    with op.batch_alter_table("rated", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_rated_event_at"), ["event_at"], unique=False)

    op.create_table(
        "recovery_step",
        sa.Column("recovery_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, comment="of the playbook's step, from 0"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="expected | waiting | paused | done | skipped"),
        sa.Column("began_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True, comment="null: no deadline, or paused"),
        sa.Column(
            "remaining",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="while paused: microseconds of the calendar's open time left",
        ),
        sa.Column("rung", sa.Integer(), nullable=False, comment="rungs of the ladder that were climbed"),
        sa.Column("rung_at", sa.BigInteger(), nullable=True, comment="when the next rung is due; null: none is left"),
        sa.Column("missed", sa.Boolean(), nullable=False, comment="its deadline passed before it was done"),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.Column("proof", sa.Text(), nullable=True, comment="what showed that it was done; no personal data"),
        sa.ForeignKeyConstraint(["recovery_id"], ["recovery.id"], name=op.f("fk_recovery_step_recovery_id_recovery")),
        sa.PrimaryKeyConstraint("recovery_id", "number", name=op.f("pk_recovery_step")),
    )
    with op.batch_alter_table("recovery_step", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_recovery_step_state_rung_at"), ["state", "rung_at"], unique=False)

    op.create_table(
        "sliced",
        sa.Column("response_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "name", sa.Text(), nullable=False, comment="service | location | staff | channel | a configured segment"
        ),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["response_id"], ["response.id"], name=op.f("fk_sliced_response_id_response")),
        sa.PrimaryKeyConstraint("response_id", "name", name=op.f("pk_sliced")),
        comment="the slices decided answers belong to",
    )
    with op.batch_alter_table("sliced", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sliced_name_value"), ["name", "value"], unique=False)

    op.create_table(
        "themed",
        sa.Column("response_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("theme", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["response_id"], ["response.id"], name=op.f("fk_themed_response_id_response")),
        sa.PrimaryKeyConstraint("response_id", "theme", name=op.f("pk_themed")),
        comment="what the comments of decided answers are about",
    )
    with op.batch_alter_table("recovery", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "stage", sa.Text(), server_default="opened", nullable=False, comment="how far it is, or how it ended"
            )
        )
        batch_op.add_column(
            sa.Column("owner", sa.Text(), nullable=True, comment="whose it is, in the words of the YAML")
        )
        batch_op.add_column(
            sa.Column(
                "touched_at", sa.BigInteger(), nullable=True, comment="when somebody first did something about it"
            )
        )
        batch_op.add_column(sa.Column("root_cause", sa.Text(), nullable=True, comment="one of the playbook's causes"))
        batch_op.add_column(sa.Column("action_taken", sa.LargeBinary(), nullable=True, comment="sealed text"))
        batch_op.add_column(
            sa.Column("book", sa.Text(), nullable=True, comment="digest of the playbook it was opened under")
        )
        batch_op.add_column(
            sa.Column(
                "calendar",
                sa.Text(),
                nullable=True,
                comment="whose open time its deadlines count, by its name in that playbook",
            )
        )

    with op.batch_alter_table("response_version", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "mark",
                sa.Text(),
                nullable=True,
                comment="what keys call it: the same on an old copy of the store, which counts anew",
            )
        )
    op.execute("UPDATE recovery SET stage = 'ended' WHERE state = 'closed'")
