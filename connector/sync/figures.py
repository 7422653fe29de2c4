"""The lane of figures: counts answers that were decided before there were any, notices what falls, sends reports.

Trends and reports are of whole weeks and months. They are looked at in the morning after these ended, once: how far
that is stands in the store.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

from connector.domain.recovery.text import fit
from connector.domain.reporting.period import Period, before
from connector.domain.reporting.report import NONE
from connector.domain.reporting.texts import report_text
from connector.store import cursors, figures, outbox, tallies
from connector.store.database import Database
from connector.store.transaction import Transaction
from connector.sync.about import about
from connector.sync.lane import LaneHold
from connector.sync.noticing import falling, message, people_of, to_somebody, warn
from connector.sync.reporting import Asked, count
from connector.sync.settings import DecideSettings, MailRule
from connector.sync.slices import slices

LANE: Final = "figures"
BATCH: Final = 50
TURN: Final = 1.0
MORNING: Final = timedelta(hours=6)
"""Not before: what came in late at night is counted, and nobody is woken."""
TRENDS: Final = "figures/trends"


@dataclass(frozen=True, slots=True, kw_only=True)
class FiguresLane:
    """Drains what figures have to be made of or told."""

    db: Database
    settings: Callable[[], DecideSettings]

    def drain(self, hold: LaneHold) -> datetime | None:
        """Count for about a second; then say what is to be said. Due again tomorrow morning."""
        settings, clock = self.settings(), self.db.clock
        ends_at = clock.monotonic() + TURN
        while self._fill(hold, settings):
            if clock.monotonic() > ends_at:
                return clock.now()
        self._notice(hold, settings)
        for rule in settings.figures.mails:
            self._send(hold, rule, settings)
        return next_morning(clock.now(), settings)

    def _fill(self, hold: LaneHold, settings: DecideSettings) -> bool:
        with self.db.write() as tx:
            hold.confirm(tx)
            return figures.fill(tx, lambda said: slices(about(tx, said, settings).response), limit=BATCH)

    def _notice(self, hold: LaneHold, settings: DecideSettings) -> None:
        if not settings.figures.trends:
            return
        with self.db.read() as tx:
            last = before("week", _today(tx.now, settings))
            if cursors.get(tx, TRENDS) == last.name:
                return
            fallen = falling(tx, settings, last)
        with self.db.write() as tx:
            hold.confirm(tx)
            outbox.plan(tx, warn(tx, fallen, settings, last))
            cursors.move(tx, TRENDS, last.name)

    def _send(self, hold: LaneHold, rule: MailRule, settings: DecideSettings) -> None:
        name = f"figures/mail/{_digest(rule.to.text, rule.every, rule.by)}"
        with self.db.read() as tx:
            period = before(rule.every, _today(tx.now, settings))
            if cursors.get(tx, name) == period.name:
                return
            reports = list(_reports(tx, rule, settings, period))
        with self.db.write() as tx:
            hold.confirm(tx)
            for value, text in reports:
                context = {"report": {"by": rule.by, "value": value, "period": period.name}}
                channel = rule.to.render({**context, **people_of({rule.by: value}, settings)}).strip()
                place = to_somebody(rule.connection, channel, text, settings)
                if place is not None:
                    what = f"report/{_digest(rule.by, tx.blind('told', value), rule.to.text)}/{period.name}"
                    _, ended = period.bounds(settings.time_zone)
                    outbox.plan(tx, [message(settings, place, what, cause_at=ended, now=tx.now)])
            cursors.move(tx, name, period.name)


def _reports(tx: Transaction, rule: MailRule, settings: DecideSettings, period: Period) -> Iterator[tuple[str, str]]:
    """Each value of the segment that enough answers are about, and what is said of it."""
    for value in tallies.values(tx, rule.by):
        earlier = before(rule.every, period.first)
        report = count(tx, settings, Asked(period=period, where={rule.by: value}, baseline=earlier, with_line=False))
        if report.answers and value != NONE:
            yield value, fit(report_text(report))


def next_morning(now: datetime, settings: DecideSettings) -> datetime:
    """When the day begins whose weeks and months are over: the next six o'clock."""
    tomorrow = _today(now, settings) + timedelta(days=1)
    return datetime.combine(tomorrow, time(6), settings.time_zone)


def _today(now: datetime, settings: DecideSettings) -> date:
    """The day it is from six o'clock on; before that it is still the day before."""
    return (now.astimezone(settings.time_zone) - MORNING).date()


def _digest(*parts: str) -> str:
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:16]
