"""Tells who leads somebody, or a place, what the figures say: several low scores in a while, or a score that falls.

Nobody is told twice of one subject within the time a rule looks at. Where no text says whom to tell, the operators are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from connector.domain.model.intent import Intent, Priority, WriteKind
from connector.domain.recovery.act_on import may_notify
from connector.domain.recovery.text import fit
from connector.domain.reporting import noticing
from connector.domain.reporting.noticing import Fall
from connector.domain.reporting.period import Period, before
from connector.store import figures, tallies
from connector.store.tallies import Selection
from connector.store.transaction import Transaction
from connector.sync import names
from connector.sync.context import Context, Matter
from connector.sync.planning import PATIENCE, Pace
from connector.sync.quiet import loud_from
from connector.sync.settings import CoachingRule, DecideSettings, SendAlert, TrendRule
from connector.sync.slices import slices

MOMENT: Final = timedelta(microseconds=1)
_DIGITS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallen:
    """A score that is low or falls, of one combination of slices, as seen after a week ended."""

    rule: TrendRule
    values: tuple[str, ...]
    fall: Fall

    @property
    def context(self) -> dict[str, object]:
        """What a text about it may say."""
        when, fall = self.rule.when, self.fall
        return {
            "trend": {
                "by": ", ".join(when.by),
                "value": ", ".join(self.values),
                "metric": when.metric.value,
                "weeks": when.weeks,
                "now": round(fall.now, 2),
                "before": None if fall.before is None else round(fall.before, 2),
                "answers": fall.answers,
            },
        }

    @property
    def where(self) -> dict[str, str]:
        """The slices it is about."""
        return dict(zip(self.rule.when.by, self.values, strict=True))


def people_of(where: Mapping[str, str], settings: DecideSettings) -> dict[str, object]:
    """What the lists of places and staff say about the location and the staff among some slices."""
    place, staff = settings.directory.where(where.get("location"), where.get("staff"))
    return {"place": place, "staff": staff}


def coach(tx: Transaction, matter: Matter, settings: DecideSettings, context: Context, pace: Pace) -> list[Intent]:
    """The messages an unhappy answer gives reason for: the last of several, to one who is led by somebody.

    Planned by the answer's own transaction and as part of what it leads to, so that a storm holds and undoing takes
    back these messages, too.
    """
    version = matter.version
    if not matter.verdict.unhappy or not may_notify(version.event_at, tx.now, settings.notify_within):
        return []
    mine = slices(version.response)
    planned = []
    for rule in settings.figures.coaching:
        value = mine.get(rule.when.by)
        if value is None or not frozenset(rule.when.not_for).isdisjoint(version.understanding.themes):
            continue
        planned += _coach(tx, matter, settings, context, pace, rule, figures.legible(value))
    return planned


def _coach(
    tx: Transaction,
    matter: Matter,
    settings: DecideSettings,
    context: Context,
    pace: Pace,
    rule: CoachingRule,
    value: str,
) -> list[Intent]:
    version, when = matter.version, rule.when
    what, subject = _what(when), tx.blind("told", f"{when.by}={value}")
    if figures.was_told(tx, what, subject, since=version.event_at - when.within):
        return []
    until = version.event_at + MOMENT
    chosen = Selection(since=until - when.within, until=until, where={when.by: value}, without=when.not_for)
    answers, low = tallies.answers(tx, chosen)
    if not when.is_due(answers, low):
        return []
    days = round(when.within / timedelta(days=1), 1)
    said = {"by": when.by, "value": value, "low": low, "answers": answers, "days": days}
    place = addressed(rule.alert, {**context, "coaching": said}, settings)
    if place is None:
        return []
    figures.tell(tx, what, subject, version.event_at)
    target = settings.targets[place.connection]
    loud = loud_from(settings, tx.now, critical=False)
    kind = f"coaching/{_digest(what, subject)}"
    return [
        Intent(
            key=names.answer_key(target.account, version.response.key, kind, version.mark),
            account=target.account,
            kind=WriteKind.ALERT,
            object=f"response/{version.response.key}/{kind}",
            fields={"channel": place.channel, "text": place.text},
            cause_at=version.event_at,
            not_before=max(pace.not_before(target.linger), loud),
            give_up_at=max(version.event_at + settings.notify_within, loud + timedelta(minutes=10)),
            priority=Priority.NORMAL,
            response_key=version.response.key,
            version=version.number,
        )
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressed:
    """A message, and where it goes."""

    connection: str
    channel: str
    text: str


def addressed(alert: SendAlert, context: Context, settings: DecideSettings) -> Addressed | None:
    """A text and where it says it goes; the operators get what has no address, with a line that says so."""
    channel, text = alert.channel.render(context).strip(), fit(alert.text.render(context).strip())
    return to_somebody(alert.connection, channel, text, settings)


def to_somebody(connection: str, channel: str, text: str, settings: DecideSettings) -> Addressed | None:
    """A message to `channel`, or to the operators where that is blank; None where there is nobody at all."""
    if channel:
        return Addressed(connection=connection, channel=channel, text=text)
    operators = settings.operators
    if operators is None:
        return None
    said = f"{text}\n(Nobody is named who should be told; so you are.)"
    return Addressed(connection=operators.connection, channel=operators.channel, text=said)


def falling(tx: Transaction, settings: DecideSettings, last: Period) -> list[Fallen]:
    """What the rules notice after the ISO week `last` ended. Reads only."""
    found = []
    for rule in settings.figures.trends:
        when = rule.when
        weeks = [last]
        while len(weeks) < (when.weeks if when.drop is None else 2 * when.weeks):
            weeks.append(before("week", weeks[-1].first))
        counted = [tallies.counts(tx, _in(week, settings.time_zone), when.by) for week in reversed(weeks)]
        for values in sorted({one for week in counted for one in week}):
            fall = noticing.fall(when, [week[values].tallies if values in week else () for week in counted])
            if fall is not None:
                found.append(Fallen(rule=rule, values=values, fall=fall))
    return found


def _in(week: Period, zone: ZoneInfo) -> Selection:
    since, until = week.bounds(zone)
    return Selection(since=since, until=until)


def warn(tx: Transaction, fallen: Sequence[Fallen], settings: DecideSettings, last: Period) -> list[Intent]:
    """The messages about what was noticed, without those whose subject was told of within the weeks looked at."""
    planned = []
    _, ended = last.bounds(settings.time_zone)
    for one in fallen:
        when = one.rule.when
        what = _what(when)
        subject = tx.blind("told", "/".join(f"{by}={value}" for by, value in zip(when.by, one.values, strict=True)))
        if figures.was_told(tx, what, subject, since=ended - timedelta(weeks=when.weeks)):
            continue
        place = addressed(one.rule.alert, {**one.context, **people_of(one.where, settings)}, settings)
        if place is None:
            continue
        figures.tell(tx, what, subject, ended)
        name = f"trend/{_digest(what, subject)}/{last.name}"
        told = message(settings, place, name, cause_at=ended, now=tx.now)
        planned.append(replace(told, not_before=loud_from(settings, tx.now, critical=False)))
    return planned


def message(settings: DecideSettings, place: Addressed, name: str, *, cause_at: datetime, now: datetime) -> Intent:
    """A message about figures, not about an answer. `name` is derived from what it is about and when."""
    account = settings.targets[place.connection].account
    return Intent(
        key=f"{account}/{name}",
        account=account,
        kind=WriteKind.ALERT,
        object=name,
        fields={"channel": place.channel, "text": place.text},
        cause_at=cause_at,
        not_before=now,
        give_up_at=now + PATIENCE,
        priority=Priority.BACKFILL,
    )


def _what(rule: noticing.Coaching | noticing.Trend) -> str:
    """A rule by what it looks at; its texts do not make it another."""
    return hashlib.sha256(repr(rule).encode()).hexdigest()[:_DIGITS]


def _digest(what: str, subject: str) -> str:
    return hashlib.sha256(f"{what}/{subject}".encode()).hexdigest()[:_DIGITS]
