"""What happens after an error: one table, from the type of the error and nothing else.

tenacity computes the waits of this table; it retries nothing here. A write is sent again by the table of states alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tenacity import RetryCallState, Retrying, wait_exponential
from tenacity.wait import wait_base

from connector.errors import (
    Conflict,
    Gone,
    InDoubt,
    Locked,
    QuotaExhausted,
    Rejected,
    RemoteError,
    Throttled,
    Transient,
    Unauthorized,
)


class Next(StrEnum):
    """What to do with the records of a request that failed."""

    LATER = "later"
    """Known not committed: planned again after a wait."""
    CLOSED = "closed"
    """Known not committed, and the vendor said when to come back: the endpoint class is closed until then."""
    ASK = "ask"
    """Nobody knows: in doubt until asked."""
    PAUSE = "pause"
    """Known not committed: the account pauses, operators are told, one write probes."""
    LOOK = "look"
    """It exists or changed meanwhile: planned again, and a create asks first."""
    FOLLOW = "follow"
    """It moved: planned again under the id it has now."""
    SPLIT = "split"
    """One of several records was bad and the vendor does not say which: planned again in halves."""
    REJECT = "reject"
    """It will never work as sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`at` is when to look again, None where `next` needs no instant. `spends`: the attempt counts.

    `batch_limit` is the largest batch the records may travel in from now on, None: no limit.
    """

    next: Next
    at: datetime | None = None
    spends: bool = False
    batch_limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row: what follows an error. `tries` attempts are made before it counts as rejected, None: until too old.

    `named` is False when an error of the whole call may be the fault of one record: then the batch is split first.
    """

    next: Next
    wait: wait_base | None = None
    spends: bool = True
    tries: int | None = None
    alone: bool = False
    named: bool = True


TABLE: Mapping[type[RemoteError], Rule] = {
    Transient: Rule(next=Next.LATER, wait=wait_exponential(multiplier=2, max=300)),
    Throttled: Rule(next=Next.CLOSED, spends=False),
    QuotaExhausted: Rule(next=Next.CLOSED, spends=False),
    InDoubt: Rule(next=Next.ASK),
    Unauthorized: Rule(next=Next.PAUSE, spends=False),
    Locked: Rule(next=Next.LATER, wait=wait_exponential(multiplier=1, max=30), alone=True),
    Conflict: Rule(next=Next.LOOK, wait=wait_exponential(multiplier=1, max=60), tries=5, named=False),
    Gone: Rule(next=Next.FOLLOW, wait=wait_exponential(multiplier=10, max=120), tries=5, named=False),
    Rejected: Rule(next=Next.REJECT, named=False),
}


def judge(error: RemoteError, *, attempts: int, now: datetime, size: int = 1, spread: float = 0.0) -> Verdict:
    """What to do after `error`.

    Args:
        error: of one record, or of a whole call that carried `size` records.
        attempts: made so far, the failed one not counted.
        now: the current instant.
        size: records the error speaks for: 1 when it names its record.
        spread: in [0, 1), lengthens waits by up to a quarter so that many records do not come back together.
    """
    rule = rule_for(error)
    if size > 1 and not rule.named:
        return Verdict(next=Next.SPLIT, at=now, batch_limit=max(size // 2, 1))
    if isinstance(error, Throttled):
        return Verdict(next=rule.next, at=error.retry_at)
    if isinstance(error, QuotaExhausted):
        return Verdict(next=rule.next, at=error.until)
    if isinstance(error, Gone) and error.moved_to is None:
        return Verdict(next=Next.REJECT, spends=True)
    if rule.tries is not None and attempts + 1 >= rule.tries:
        return Verdict(next=Next.REJECT, spends=True)
    at = None
    if rule.next in {Next.LATER, Next.LOOK, Next.FOLLOW}:
        at = now if rule.wait is None else now + wait_after(rule.wait, attempts + 1, spread)
    return Verdict(next=rule.next, at=at, spends=rule.spends, batch_limit=1 if rule.alone else None)


def rule_for(error: RemoteError) -> Rule:
    """The row for an error; a RemoteError of no listed type says nothing about what happened, so it is asked about."""
    return next((rule for kind, rule in TABLE.items() if isinstance(error, kind)), TABLE[InDoubt])


def wait_after(wait: wait_base, attempt: int, spread: float = 0.0) -> timedelta:
    """How long tenacity's `wait` says to wait after the `attempt`-th try, from 1, lengthened by up to a quarter."""
    state = RetryCallState(retry_object=Retrying(), fn=None, args=(), kwargs={})
    state.attempt_number = attempt
    return timedelta(seconds=wait(state) * (1 + spread / 4))


ASK_AGAIN = wait_exponential(multiplier=5, max=600)
"""Between questions that were not answered."""
POLL_AGAIN = wait_exponential(multiplier=2, max=60)
"""Between looks at a job that still runs."""
