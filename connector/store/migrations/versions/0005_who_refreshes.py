"""who_refreshes"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    whose = "whose reservation it is: a process that died is not waited for"
    op.add_column("grant_token", sa.Column("refreshing_by", sa.Text(), nullable=True, comment=whose))
