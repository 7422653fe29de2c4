"""How many calls an account may still get: the configured share of what the vendor says is left."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from connector.ports import Paced
from connector.store import quotas
from connector.store.quotas import Quota
from connector.store.transaction import Transaction
from connector.transport.client import QuotaReading

UNLIMITED = 1_000_000
UNSAID = timedelta(minutes=10)
"""How long a reading holds where the vendor does not say when the budget resets (Salesforce's rolling day)."""
RESERVED = 0.04
"""The part of our share that is left to recoveries: a backlog empties a window in seconds, and they must not wait for
the next one."""
RELEASED = timedelta(seconds=5)
"""How long before a window ends what is left of it may be spent on anything, so that none of it is wasted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """`calls` may be made now; when there are none, `at` is when to look again."""

    calls: int
    at: datetime | None = None


def grant(quota: Quota | None, *, share: float, now: datetime, can_wait: bool = False) -> Grant:
    """What one budget allows at `now`.

    Args:
        quota: as the store has it, None where nothing was ever said or spent.
        share: of the vendor's whole window that is ours, 0 to 1; the rest is left to others.
        now: the current instant.
        can_wait: whether it is for work that leaves a little to what cannot.
    """
    if quota is None:
        return Grant(calls=UNLIMITED)
    if quota.blocked_until is not None and quota.blocked_until > now:
        return Grant(calls=0, at=quota.blocked_until)
    is_over = quota.resets_at is not None and quota.resets_at <= now
    remaining = quota.capacity if is_over else quota.remaining
    if remaining is None:
        return Grant(calls=UNLIMITED)
    kept = 0 if quota.capacity is None else int(quota.capacity * (1 - share))
    left = remaining - kept
    if left <= 0:
        return Grant(calls=0, at=quota.resets_at or now + UNSAID)
    reserved = _reserved(quota, share, now) if can_wait else 0
    if left <= reserved and quota.resets_at is not None:
        return Grant(calls=0, at=quota.resets_at - RELEASED)
    return Grant(calls=left - reserved)


def take_turn(
    tx: Transaction,
    account: str,
    endpoint_class: str,
    *,
    share: float = 1.0,
    pace: timedelta = timedelta(),
    calls: int = 1,
) -> Grant:
    """Spend `calls` of a budget that are about to be made, or say when to look again and spend nothing.

    Args:
        tx: the transaction that decides for every process.
        account: the vendor account.
        endpoint_class: which of its budgets.
        share: of the vendor's whole window that is ours, 0 to 1.
        pace: at least so long for each call until the next one, where no reply says how many may be made.
        calls: made together.
    """
    allowed = grant(quotas.of(tx, account).get(endpoint_class), share=share, now=tx.now)
    if allowed.calls:
        quotas.spend(tx, account, endpoint_class, calls)
        if pace:
            quotas.block(tx, account, endpoint_class, tx.now + pace * calls)
    return allowed


def pace_of(system: object) -> timedelta:
    """How long a system wants to be left alone after each call; zero where its replies say what is left."""
    return system.pace if isinstance(system, Paced) else timedelta()


def _reserved(quota: Quota, share: float, now: datetime) -> int:
    """Calls kept for recoveries; none of a small budget, of one whose end nobody knows, or shortly before its end."""
    if quota.capacity is None or quota.resets_at is None or now >= quota.resets_at - RELEASED:
        return 0
    return int(quota.capacity * share * RESERVED)


class Readings:
    """What replies said about quotas, kept until the next transaction of a lane writes it down. Thread-safe.

    A reply arrives in a thread that sends; a transaction of its own there would cost more than the reading is worth.
    """

    def __init__(self) -> None:
        self._latest: dict[tuple[str, str], QuotaReading] = {}
        self._lock = threading.Lock()

    def note(self, account: str, reading: QuotaReading) -> None:
        """Remember the newest reading of a budget."""
        with self._lock:
            self._latest[account, reading.endpoint_class] = reading

    def flush(self, tx: Transaction, account: str) -> None:
        """Write down what was read about an account."""
        for endpoint_class, reading in self._take(account).items():
            quotas.read(
                tx,
                account,
                endpoint_class,
                remaining=reading.remaining,
                capacity=reading.limit,
                resets_at=reading.resets_at or tx.now + UNSAID,
            )

    def _take(self, account: str) -> Mapping[str, QuotaReading]:
        with self._lock:
            keys = [key for key in self._latest if key[0] == account]
            return {key[1]: self._latest.pop(key) for key in keys}
