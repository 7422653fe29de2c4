"""Budgets per vendor account and endpoint class: what the vendor said is left, less what was spent since, and until
when it is closed. Writes, questions and polling spend the same budget, in every process: it lives in the store.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, case, select, update

from connector.store.prepared import Prepared
from connector.store.schema import quota
from connector.store.transaction import Transaction

UNTIL_SAID = timedelta(minutes=1)
"""How long a window is believed to last until a reply says when it resets."""
_OF = Prepared(select(quota).where(quota.c.account == bindparam("wanted")))
_IS_NEXT = (quota.c.resets_at <= bindparam("now")) & quota.c.capacity.is_not(None)
_LEFT = case((_IS_NEXT, quota.c.capacity), else_=quota.c.remaining)
_SPEND = Prepared(
    update(quota)
    .where(quota.c.account == bindparam("wanted"), quota.c.endpoint_class == bindparam("what"))
    .values(
        remaining=case((bindparam("calls") <= _LEFT, _LEFT - bindparam("calls")), else_=_LEFT * 0),
        resets_at=case((_IS_NEXT, bindparam("until", type_=quota.c.resets_at.type)), else_=quota.c.resets_at),
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
    """Calls are about to be made. The first ones after a window are the first ones of the next."""
    _make(tx, account, endpoint_class)
    tx.execute(
        _SPEND,
        {"wanted": account, "what": endpoint_class, "calls": calls, "now": tx.now, "until": tx.now + UNTIL_SAID},
    )


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
    """The vendor said how much is left.

    Before the window is over that never raises what is left: a reply does not know of the calls that another process,
    or another lane, has been granted since and not made yet.
    """
    _make(tx, account, endpoint_class)
    known = of(tx, account)[endpoint_class]
    if known.remaining is not None and known.resets_at is not None and known.resets_at > tx.now:
        remaining = known.remaining if remaining is None else min(remaining, known.remaining)
        resets_at = known.resets_at if resets_at is None else min(resets_at, known.resets_at)
    tx.execute(
        update(quota)
        .where(quota.c.account == account, quota.c.endpoint_class == endpoint_class)
        .values(remaining=remaining, capacity=capacity, resets_at=resets_at)
    )


def _make(tx: Transaction, account: str, endpoint_class: str) -> None:
    tx.insert_ignore(quota, {"account": account, "endpoint_class": endpoint_class})
