"""Reading which tasks were completed: what a CRM's refusal does to the step, the quota and the operators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connector.domain.model.intent import WriteKind
from connector.domain.model.recovery import StepState
from connector.errors import RemoteError, Throttled, Unauthorized
from connector.store import lanes, quotas
from connector.store.database import Database
from connector.sync.settings import DecideSettings
from connector.sync.task_poll import TasksPoll, tasks_lane
from tests.unit.deciding import clock_of, planned, pretend_confirmed, take_lane
from tests.unit.samples import NOON
from tests.unit.test_tracking import TICKET, db, opened, rows, settings_with

__all__ = ["db"]
MINUTE = timedelta(minutes=1)


@dataclass(kw_only=True)
class Crm:
    """A CRM that says what it is told to."""

    account: str
    task_class: str = "read"
    error: RemoteError | None = None
    done: dict[str, datetime | None] = field(default_factory=dict)
    asked: list[list[str]] = field(default_factory=list)

    def completed_tasks(self, ids: Sequence[str]) -> Mapping[str, datetime | None]:
        self.asked.append(list(ids))
        if self.error is not None:
            raise self.error
        return self.done


def waiting(store: Database) -> tuple[Crm, DecideSettings]:
    """A recovery that waits for its CRM task, `77`."""
    settings = settings_with({"ticket": TICKET}, {"task": {"connection": "salesforce", "due": "48h", "name": "call"}})
    opened(store, settings)
    [task] = planned(store, WriteKind.TASK)
    pretend_confirmed(store, task, "77")
    return Crm(account=task.account), settings


def look(store: Database, crm: Crm, settings: DecideSettings) -> datetime | None:
    hold = take_lane(store, tasks_lane(crm.account))
    due = TasksPoll(db=store, source=crm, settings=lambda: settings).drain(hold)
    with store.write() as tx:
        lanes.finish(tx, hold.hold, due)
    return due


def test_a_completed_task_is_seen_and_asked_about_no_more(db: Database) -> None:
    crm, settings = waiting(db)
    crm.done["77"] = NOON
    assert look(db, crm, settings) == NOON + 5 * MINUTE
    assert [row.state for row in rows(db)] == [StepState.DONE]
    clock_of(db).advance(5 * MINUTE)
    look(db, crm, settings)
    assert crm.asked == [["77"]]


def test_a_full_quota_is_waited_for_and_closed_to_writes(db: Database) -> None:
    crm, settings = waiting(db)
    until = NOON + 2 * MINUTE
    crm.error = Throttled("slow down", retry_at=until, connection="salesforce", operation="GET")
    assert look(db, crm, settings) == until
    with db.read() as tx:
        assert quotas.of(tx, crm.account)["read"].blocked_until == until
    clock_of(db).advance(MINUTE)
    assert look(db, crm, settings) == until
    assert len(crm.asked) == 1


def test_a_refusal_is_told_to_the_operators_once(db: Database) -> None:
    crm, settings = waiting(db)
    crm.error = Unauthorized("refused", connection="salesforce", operation="GET")
    for _ in range(2):
        due = look(db, crm, settings)
        assert due is not None
        clock_of(db).advance(due - db.clock.now())
    told = [row for row in planned(db, WriteKind.ALERT) if "tasks cannot be read" in str(row.fields["text"])]
    assert len(told) == 1
    assert len(crm.asked) == 2
