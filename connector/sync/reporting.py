"""Counts what a report says, from the store as it is, and works it out. Nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from connector.domain.reporting.figures import Facts
from connector.domain.reporting.period import Period
from connector.domain.reporting.report import Counted, Report, Terms, make_report
from connector.store import tallies
from connector.store.tallies import Selection
from connector.store.transaction import Transaction
from connector.sync.settings import DecideSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A report somebody wants: of a period, narrowed to slices, broken down by segments; with a line over time or not.

    `baseline` is what it is compared with.
    """

    period: Period
    by: Sequence[str] = ()
    where: Mapping[str, str] = field(default_factory=dict)
    baseline: Period | None = None
    with_line: bool = True


def count(tx: Transaction, settings: DecideSettings, asked: Asked) -> Report:
    """The report, days being those of the configured zone."""
    policy = settings.figures
    terms = Terms(minimum=policy.minimum, zone=str(settings.time_zone), targets=policy.targets, where=asked.where)
    counted = Counted(
        period=asked.period,
        facts=_whole(tx, asked.period, asked, settings),
        parts=[(part, tallies.facts(tx, _of(part, asked, settings))) for part in asked.period.parts()]
        if asked.with_line
        else (),
        slices={by: tallies.facts_by(tx, _of(asked.period, asked, settings), by) for by in asked.by},
        baseline=None if asked.baseline is None else (asked.baseline, _whole(tx, asked.baseline, asked, settings)),
    )
    return make_report(counted, terms, tx.now)


def _whole(tx: Transaction, period: Period, asked: Asked, settings: DecideSettings) -> Facts:
    """Everything about a period, who came again included."""
    chosen = _of(period, asked, settings)
    return replace(tallies.facts(tx, chosen), customers=tallies.customers(tx, chosen))


def _of(period: Period, asked: Asked, settings: DecideSettings) -> Selection:
    since, until = period.bounds(settings.time_zone)
    return Selection(since=since, until=until, where=asked.where)
