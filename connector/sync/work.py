"""One recovery while something is planned for it: its answer, its steps, its calendar."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from connector.domain.model.intent import Priority
from connector.domain.model.recovery import Recovery
from connector.domain.recovery.calendar import Calendar
from connector.domain.recovery.calendar import after as after_open
from connector.errors import ConnectorError
from connector.store import recoveries, responses, steps
from connector.store.transaction import Transaction
from connector.sync import names
from connector.sync.context import Matter
from connector.sync.planning import Pace
from connector.sync.recall import recall
from connector.sync.settings import (
    DecideSettings,
    ExpectStep,
    Message,
    NotifyStep,
    Playbook,
    Step,
    Target,
    TaskStep,
    TicketStep,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One recovery being planned: for which answer, with which steps, at which pace."""

    matter: Matter
    recovery: Recovery
    settings: DecideSettings
    pace: Pace
    book: Playbook

    @property
    def steps(self) -> tuple[Step, ...]:
        """The playbook's steps; none when nobody knows it any more."""
        return self.book.steps

    def calendar(self, step: TicketStep | TaskStep | ExpectStep) -> Calendar | None:
        """Whose open time the step's deadline counts; None: every hour does."""
        return None if step.every_hour else self.book.calendars.get(self.recovery.calendar or "")

    def ticket_step(self) -> tuple[int, TicketStep, Target] | None:
        """The step that opens a ticket, with its number and helpdesk; None without one, or when that is gone."""
        for number, step in enumerate(self.steps):
            if isinstance(step, TicketStep) and step.connection in self.settings.targets:
                return number, step, self.settings.targets[step.connection]
        return None

    def deadline(self, step: TicketStep | TaskStep, start: datetime, after: timedelta) -> datetime:
        """When so much of the step's time has passed since `start`, to the second.

        It starts when the recovery is decided, not with an answer that may have arrived days late: a deadline that has
        passed before anybody could know of it helps nobody.
        """
        return after_open(self.calendar(step), start, after).replace(microsecond=0)


def work_on(tx: Transaction, matter: Matter, recovery: Recovery, settings: DecideSettings, pace: Pace) -> Work:
    """The recovery by the playbook it was opened under."""
    book = book_of(tx, recovery, settings)
    return Work(matter=matter, recovery=recovery, settings=settings, pace=pace, book=book)


def book_of(tx: Transaction, recovery: Recovery, settings: DecideSettings) -> Playbook:
    """What it was opened under, else what the file has now: nothing is lost because an old text cannot be read."""
    now = settings.playbooks.get(recovery.playbook, Playbook())
    if recovery.book is None or recovery.book == now.digest or settings.book_of is None:
        return now
    content = steps.book(tx, recovery.book)
    try:
        return now if content is None else _called(settings.book_of(content), settings)
    except (ConnectorError, ValueError):
        return now


def _called(book: Playbook, settings: DecideSettings) -> Playbook:
    """A kept playbook with its accounts called what the file calls them now."""
    names = {target.account: name for name, target in settings.targets.items()}

    def message(one: Message | None) -> Message | None:
        return None if one is None else replace(one, connection=names.get(one.connection, one.connection))

    def step(one: Step) -> Step:
        if isinstance(one, NotifyStep):
            return replace(one, message=message(one.message) or one.message)
        if isinstance(one, ExpectStep | TaskStep):
            one = replace(one, late=tuple(replace(rung, notify=message(rung.notify)) for rung in one.late))
        if isinstance(one, ExpectStep):
            return one
        return replace(one, connection=names.get(one.connection, one.connection))

    steps_now = tuple(step(one) for one in book.steps)
    return replace(book, steps=steps_now, close=replace(book.close, ask=message(book.close.ask)))


def recalled(tx: Transaction, recovery: Recovery, settings: DecideSettings) -> Work | None:
    """The recovery with the answer that opened it as it is known now; None when nobody knows that any more."""
    response_id = responses.find(tx, recovery.opened_by)
    version = None if response_id is None else responses.last_decided(tx, response_id)
    if version is None:
        return None
    pace = Pace(priority=Priority.RECOVERY, now=tx.now)
    return work_on(tx, recall(tx, version, settings), recovery, settings, pace)


def ticket_of(tx: Transaction, work: Work) -> str | None:
    """The object name of the recovery's current ticket; None when its playbook has none."""
    if work.ticket_step() is None:
        return None
    return names.ticket_object(work.recovery.id, recoveries.generation(tx, work.recovery.id))


def key_of(tx: Transaction, work: Work, number: int, account: str, kind: str, cause: str = "") -> str:
    """The key of one step of this recovery; `cause` as in `names.step_key`."""
    ordinal = recoveries.ordinal(tx, work.recovery.id)
    return names.step_key(account, work.recovery.opened_by, ordinal, number, kind, cause)
