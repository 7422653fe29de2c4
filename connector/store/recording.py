"""What imports brought that is only recorded, as long as it is on its way."""

from __future__ import annotations

from sqlalchemy import exists, or_, select, text

from connector.store.inbox import BACKFILL, DeliveryState
from connector.store.prepared import Prepared
from connector.store.responses import VersionState
from connector.store.schema import IS_RECORD_ONLY, inbox, pause, response_version
from connector.store.transaction import Transaction

_UNDER_WAY = Prepared(
    select(
        or_(
            exists().where(response_version.c.state == VersionState.PENDING.value, text(IS_RECORD_ONLY)),
            exists().where(
                inbox.c.state == DeliveryState.RECEIVED.value,
                inbox.c.priority == BACKFILL,
                text(IS_RECORD_ONLY),
                inbox.c.payload.is_not(None),
                inbox.c.connection.not_in(select(pause.c.connection)),
            ),
        )
    )
)


def is_under_way(tx: Transaction) -> bool:
    """Whether answers that are only recorded are still to be read or decided; those of paused connections wait."""
    return bool(tx.execute(_UNDER_WAY).scalar_one())
