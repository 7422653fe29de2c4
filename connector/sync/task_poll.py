"""Tasks: which of those that open recoveries wait for were completed in their CRM."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from connector.errors import RemoteError
from connector.ports import Tasks
from connector.store import quotas, steps
from connector.store.database import Database
from connector.store.transaction import Transaction
from connector.sync.lane import LaneHold
from connector.sync.poll import AFTER_TROUBLE, later
from connector.sync.quota import grant
from connector.sync.settings import DecideSettings
from connector.sync.tracking import task_done

INTERVAL: Final = timedelta(minutes=5)
PIECE: Final = 100
"""Tasks asked about in one call; every CRM answers that many at once."""


def tasks_lane(account: str) -> str:
    """The lane that reads an account's tasks."""
    return f"poll/{account}/tasks"


@dataclass(frozen=True, slots=True, kw_only=True)
class TasksPoll:
    """Looks at one CRM's tasks; without one that is waited for it calls nobody. `share` of the quota is ours."""

    db: Database
    source: Tasks
    settings: Callable[[], DecideSettings]
    share: float = 1.0

    def drain(self, hold: LaneHold) -> datetime | None:
        """Ask about all of them once; due again after a while."""
        with self.db.read() as tx:
            waited = steps.open_tasks(tx, self.source.account)
        for start in range(0, len(waited), PIECE):
            wait_until = self._look(hold, waited[start : start + PIECE])
            if wait_until is not None:
                return wait_until
        return self.db.clock.now() + INTERVAL

    def _look(self, hold: LaneHold, some: Sequence[tuple[str, int, int]]) -> datetime | None:
        """When to go on; None: at once."""
        with self.db.write() as tx:
            hold.confirm(tx)
            allowed = self._allowed(tx)
        if allowed is not None:
            return allowed
        try:
            done = self.source.completed_tasks([remote_id for remote_id, _, _ in some])
        except RemoteError as error:
            return later(
                self.db,
                hold,
                error,
                account=self.source.account,
                read_class=self.source.task_class,
                what="tasks",
                settings=self.settings(),
            )
        with self.db.write() as tx:
            hold.confirm(tx)
            for remote_id, recovery_id, number in some:
                if remote_id in done:
                    at = min(done[remote_id] or tx.now, tx.now)
                    task_done(tx, recovery_id, number, at, self.settings())
        return None

    def _allowed(self, tx: Transaction) -> datetime | None:
        """When a call may be made; None: now, and it is counted."""
        account, name = self.source.account, self.source.task_class
        allowed = grant(quotas.of(tx, account).get(name), share=self.share, now=tx.now)
        if not allowed.calls:
            return allowed.at or tx.now + AFTER_TROUBLE
        quotas.spend(tx, account, name)
        return None
