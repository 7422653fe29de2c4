"""Tests users write for playbooks and calendars, run: the real steps and timers, an empty store, a virtual clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from connector.config import Loaded
from connector.config.calendars import compiled
from connector.config.playbook_tests import CalendarTest, ExpectedThen, Moment, SeenTicket
from connector.domain.model.intent import Json, WriteKind
from connector.domain.model.recovery import Recovery, RecoveryState
from connector.domain.recovery.calendar import after
from connector.ports import Ticket
from connector.store import outbox, recoveries, steps
from connector.store.transaction import Transaction
from connector.sync import looking_back, tracking
from connector.sync.settings import DecideSettings
from connector.wiring.bench import Bench

_FORM: Final = "%Y-%m-%d %H:%M"
_MOST: Final = 1000
Difference = tuple[str, Json, Json]


def calendar_differs(test: CalendarTest, loaded: Loaded) -> tuple[Difference, ...]:
    """What differs from the expected deadline; nothing when it is right."""
    calendar = compiled(loaded.config.calendars[test.calendar], loaded.config.time_zone)
    due = after(calendar, test.start.replace(tzinfo=calendar.zone), test.within).astimezone(calendar.zone)
    found, wanted = f"{due:{_FORM}}", f"{test.due:{_FORM}}"
    return () if found == wanted else (("due", wanted, found),)


def playbook_differs(moments: tuple[Moment, ...], began: datetime, bench: Bench) -> Iterator[Difference]:
    """Let the time pass from moment to moment, and say what is not as expected then."""
    for moment in moments:
        _pass(bench, began + moment.after)
        with bench.db.write() as tx:
            for recovery in _open(tx):
                _see(tx, recovery, moment, bench.settings)
        with bench.db.read() as tx:
            found = _found(tx)
        yield from _differences(moment, found)


def _pass(bench: Bench, until: datetime) -> None:
    """Climb what is due on the way, when it is due."""
    while True:
        with bench.db.write() as tx:
            for row in steps.due(tx, limit=_MOST):
                tracking.fire(tx, row, bench.settings)
            due = steps.next_due(tx)
        if due is None or due > until:
            break
        bench.clock.advance(max(due - bench.clock.now(), timedelta(0)))
    bench.clock.advance(max(until - bench.clock.now(), timedelta(0)))


def _open(tx: Transaction) -> list[Recovery]:
    return recoveries.listed(tx, closed=False, limit=_MOST)


def _see(tx: Transaction, recovery: Recovery, moment: Moment, settings: DecideSettings) -> None:
    if moment.ticket is not None:
        looking_back.see(tx, recovery, _ticket(tx, moment.ticket), moment.ticket.notes, settings)
    for row in steps.of(tx, recovery.id):
        if row.is_open and row.name == moment.done:
            tracking.task_done(tx, recovery.id, row.number, tx.now, settings)


def _ticket(tx: Transaction, seen: SeenTicket) -> Ticket:
    values: dict[str, Json] = {"status": seen.shown or seen.status, "tags": list(seen.tags)}
    return Ticket(
        account="helpdesk:test",
        id="1",
        status=seen.status,
        requester_email=None,
        key=None,
        url=None,
        updated_at=tx.now,
        values=values,
        assigned=seen.assigned,
        fields=seen.fields,
    )


def _found(tx: Transaction) -> dict[str, Json]:
    """What is known of the test's recovery, by the names tests use."""
    known = recoveries.get(tx, 1)
    if known is None:
        return {
            "messages": 0,
            "channels": [],
            "waits_for": [],
            "late": [],
            "severity": None,
            "stage": None,
            "owner": None,
        }
    rows = steps.of(tx, known.id)
    is_open = known.state is RecoveryState.OPEN
    told = sorted(
        (row for row in outbox.for_recovery(tx, known.id) if row.kind is WriteKind.ALERT), key=lambda row: row.id
    )
    told = [row for row in told if row.object.startswith("recovery/")]
    return {
        "messages": len(told),
        "channels": [row.fields.get("channel") for row in told],
        "waits_for": [row.name for row in rows if row.is_open] if is_open else [],
        "late": [row.name for row in rows if row.missed],
        "severity": known.severity.value,
        "stage": known.stage.value,
        "owner": known.owner,
    }


def _differences(moment: Moment, found: dict[str, Json]) -> Iterator[Difference]:
    expected: ExpectedThen = moment.expect
    for name, wanted in expected.model_dump(mode="json", exclude_unset=True).items():
        if wanted != found[name]:
            yield f"after {_span(moment.after)}, {name}", wanted, found[name]


def _span(span: timedelta) -> str:
    minutes = int(span.total_seconds()) // 60
    return f"{minutes // 60}h{minutes % 60:02}" if minutes >= 60 else f"{minutes}m"
