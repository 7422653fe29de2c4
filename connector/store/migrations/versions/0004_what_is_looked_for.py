"""what_is_looked_for"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_response_person_id"), "response", ["person_id"])
    op.create_index(op.f("ix_recovery_opened_by"), "recovery", ["opened_by"])
    op.create_index(op.f("ix_recovery_response_response_id"), "recovery_response", ["response_id"])
    op.create_index(op.f("ix_write_account_kind_closed_at"), "write", ["account", "kind", "closed_at"])
    _of_some("ix_inbox_record_only", ["state"], "record_only IS TRUE", table="inbox")
    _of_some("ix_response_version_record_only", ["state"], "record_only IS TRUE", table="response_version")
    _of_some("ix_intent_target", ["target"], "target IS NOT NULL")
    _of_some("ix_intent_planned", ["account", "priority", "id", "not_before", "kind"], "state = 'planned'")
    _of_some("ix_intent_given_up", ["account", "reason"], "state = 'given_up'")
    _of_some("ix_intent_held", ["account", "reason", "kind", "priority", "id"], "state = 'held'")
    final = "'confirmed', 'erased', 'given_up', 'rejected', 'superseded'"
    _of_some("ix_intent_unsettled", ["account", "give_up_at"], f"state NOT IN ({final})")


def _of_some(name: str, columns: list[str], rows: str, table: str = "intent") -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(rows), postgresql_where=sa.text(rows))
