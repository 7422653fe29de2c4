"""Budgets per vendor account and endpoint class: what the vendor said is left, less what was spent since, and until
when it is closed. Writes, questions and polling spend the same budget, in every process: it lives in the store.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, case, select, update

from connector.store.prepared import Prepared
from connector.store.schema import quota
from connector.store.transaction import Transaction

_OF = Prepared(select(quota).where(quota.c.account == bindparam("wanted")))
_SPEND = Prepared(
    update(quota)
    .where(quota.c.account == bindparam("wanted"), quota.c.endpoint_class == bindparam("what"))
    .values(
        remaining=case(
            (quota.c.remaining >= bindparam("calls"), quota.c.remaining - bindparam("calls")),
            else_=quota.c.remaining * 0,
        )
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """One budget. `remaining` and `capacity` are calls; each is None where the vendor does not say."""

    endpoint_class: str
    blocked_until: datetime | None
    remaining: int | None
    capacity: int | None
    resets_at: datetime | None


def of(tx: Transaction, account: str) -> dict[str, Quota]:
    """Every budget of an account, by endpoint class."""
    return {
        row.endpoint_class: Quota(
            endpoint_class=row.endpoint_class,
            blocked_until=row.blocked_until,
            remaining=row.remaining,
            capacity=row.capacity,
            resets_at=row.resets_at,
        )
        for row in tx.execute(_OF, {"wanted": account})
    }


def spend(tx: Transaction, account: str, endpoint_class: str, calls: int = 1) -> None:
    """Calls are about to be made."""
    _make(tx, account, endpoint_class)
    tx.execute(_SPEND, {"wanted": account, "what": endpoint_class, "calls": calls})


def block(tx: Transaction, account: str, endpoint_class: str, until: datetime) -> None:
    """The vendor does not want to hear from us before `until`; an earlier end never replaces a later one."""
    _make(tx, account, endpoint_class)
    tx.execute(
        update(quota)
        .where(
            quota.c.account == account,
            quota.c.endpoint_class == endpoint_class,
            quota.c.blocked_until.is_(None) | (quota.c.blocked_until < until),
        )
        .values(blocked_until=until)
    )


def read(
    tx: Transaction,
    account: str,
    endpoint_class: str,
    *,
    remaining: int | None,
    capacity: int | None,
    resets_at: datetime | None,
) -> None:
    """The vendor said how much is left."""
    _make(tx, account, endpoint_class)
    tx.execute(
        update(quota)
        .where(quota.c.account == account, quota.c.endpoint_class == endpoint_class)
        .values(remaining=remaining, capacity=capacity, resets_at=resets_at)
    )


def _make(tx: Transaction, account: str, endpoint_class: str) -> None:
    tx.insert_ignore(quota, {"account": account, "endpoint_class": endpoint_class})
