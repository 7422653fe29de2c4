"""The tokens of each grant, sealed, with the reservation that lets one process at a time refresh them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update

from connector.errors import StoreError
from connector.ports import Token
from connector.secret import Secret
from connector.store.database import Database
from connector.store.schema import token as grant_token
from connector.store.transaction import Transaction

_SEALED = "grant_token.sealed"


class Tokens:
    """`connector.ports.TokenStore` in the store. Every method is one transaction of its own.

    Args:
        db: the store.
        owner: this process, named beside its reservations.
        is_dead: whether an owner certainly runs no more; its reservation is not waited for.
    """

    def __init__(self, db: Database, owner: str = "", is_dead: Callable[[str], bool] = lambda _: False) -> None:
        self._db = db
        self._owner = owner
        self._is_dead = is_dead

    def load(self, grant: str) -> Token | None:
        """The newest token of `grant`; None before the first."""
        with self._db.read() as tx:
            row = tx.execute(select(grant_token).where(grant_token.c.grant == grant)).one_or_none()
            if row is None or row.sealed is None:
                return None
            return _unseal(tx, row.sealed, row.generation, row.expires_at)

    def lease(self, grant: str, generation: int, lease: timedelta) -> bool:
        """Reserve the refresh that follows `generation` (0: none yet).

        False when another holder's reservation still runs, or when the store has moved past `generation`.
        """
        with self._db.write(beside=True) as tx:
            if generation == 0:
                tx.insert_ignore(grant_token, {"grant": grant, "generation": 0})
            free = [grant_token.c.refreshing_until.is_(None), grant_token.c.refreshing_until <= tx.now]
            holder = tx.execute(select(grant_token.c.refreshing_by).where(grant_token.c.grant == grant)).scalar()
            if holder and self._is_dead(holder):
                free.append(grant_token.c.refreshing_by == holder)
            reserved = tx.execute(
                update(grant_token)
                .where(grant_token.c.grant == grant, grant_token.c.generation == generation, or_(*free))
                .values(refreshing_until=tx.now + lease, refreshing_by=self._owner)
            )
            return reserved.rowcount == 1

    def save(self, grant: str, token: Token) -> bool:
        """Keep `token` durably and end the reservation; False, keeping nothing, unless it is the next one."""
        refresh = None if token.refresh is None else token.refresh.reveal()
        with self._db.write(beside=True) as tx:
            tx.insert_ignore(grant_token, {"grant": grant, "generation": 0})
            kept = tx.execute(
                update(grant_token)
                .where(grant_token.c.grant == grant, grant_token.c.generation == token.generation - 1)
                .values(
                    sealed=tx.seal(_SEALED, {"access": token.access.reveal(), "refresh": refresh}),
                    expires_at=token.expires_at,
                    generation=token.generation,
                    refreshing_until=None,
                    refreshing_by=None,
                )
            )
            return kept.rowcount == 1

    def release(self, grant: str, generation: int) -> None:
        """Give up the reservation that followed `generation`."""
        with self._db.write(beside=True) as tx:
            tx.execute(
                update(grant_token)
                .where(grant_token.c.grant == grant, grant_token.c.generation == generation)
                .values(refreshing_until=None, refreshing_by=None)
            )


def _unseal(tx: Transaction, sealed: bytes, generation: int, expires_at: datetime | None) -> Token:
    match tx.unseal(_SEALED, sealed):
        case {"access": str(access), "refresh": str() | None as refresh}:
            return Token(
                access=Secret(access),
                generation=generation,
                refresh=None if refresh is None else Secret(refresh),
                expires_at=expires_at,
            )
        case _:
            raise StoreError("a stored token has another shape: the store was written by another version")
