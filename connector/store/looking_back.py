"""What was decided, as it was recorded: read to be questioned, or played again. Nothing here writes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from connector.store.responses import Version, VersionState, from_row
from connector.store.schema import response, response_version
from connector.store.transaction import Transaction

_DECIDED = (
    select(response_version, response.c.person_id)
    .join(response, response.c.id == response_version.c.response_id)
    .where(response_version.c.state == VersionState.DECIDED.value, response_version.c.sealed.is_not(None))
)


def known_by(tx: Transaction, person_id: int, moment: datetime) -> list[Version]:
    """Of each answer of a person the newest version that was decided by `moment`, opened; what is erased is left out.

    What was taken back since is not among them, though it was known then.
    """
    rows = tx.execute(
        _DECIDED.where(response.c.person_id == person_id, response_version.c.decided_at <= moment).order_by(
            response_version.c.version
        )
    )
    return list({row.response_id: from_row(tx, row) for row in rows.all()}.values())
