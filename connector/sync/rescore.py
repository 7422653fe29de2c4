"""A person's health score: facts gathered, the score computed, and written where it moved far enough to matter."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from connector.domain.model.intent import Intent
from connector.domain.model.person import Contact, LinkState
from connector.domain.model.score import Fact, Score
from connector.domain.scoring.config import Measure, digest
from connector.domain.scoring.facts import facts_of
from connector.domain.scoring.score import score
from connector.store import contacts, intents, interactions, links, people, scores, tickets
from connector.store.responses import Version
from connector.store.transaction import Transaction
from connector.sync.context import score_values
from connector.sync.identify import waits_for_contact
from connector.sync.planning import Pace, score_fields
from connector.sync.settings import INTERACTIONS, DecideSettings, ScorePolicy, Signal, Target

SIGNALS = "signal/"
"""What the sources of outside facts begin with."""
FRESH = timedelta(days=1)
"""A score is computed anew at least this often: answers fade and days pass without anything happening."""


def remember(tx: Transaction, version: Version, person_id: int | None, policy: ScorePolicy) -> None:
    """Let the facts of a version stand for its answer; they leave the person an earlier version was ascribed to."""
    prefix = f"{version.response.key}#"
    if version.person_id is not None and version.person_id != person_id:
        scores.replace_facts(tx, version.person_id, prefix, [])
        rescore(tx, version.person_id, policy)
    if person_id is not None:
        found = facts_of(version.response, version.understanding, policy.config)
        scores.replace_facts(tx, person_id, prefix, found)


def rescore(tx: Transaction, person_id: int, policy: ScorePolicy) -> Score | None:
    """Compute the score from the recorded facts as of now; None for somebody about whom nothing is known.

    A score that says the same as the last one is not recorded again; the one in the history then stands.
    """
    facts = scores.facts(tx, person_id)
    last = scores.latest(tx, person_id)
    people.scored(tx, person_id, tx.now)
    if not facts and last is None:
        return None
    computed = score(facts, tx.now, policy.config)
    if last is None or replace(computed, as_of=last.as_of) != last:
        scores.add(tx, person_id, computed, digest(policy.config))
    tx.wake("timers", tx.now + FRESH)
    return computed


def gather_signals(tx: Transaction, person_id: int, policy: ScorePolicy, settings: DecideSettings) -> bool:
    """Bring the outside facts up to date from the mirrors; True when any changed."""
    found: list[Fact] = []
    for signal in policy.signals:
        if signal.connection == INTERACTIONS:
            found += _visits(tx, person_id, signal, policy)
            continue
        target = settings.targets.get(signal.connection)
        if target is None:
            continue
        if signal.field is None:
            found += _tickets(tx, person_id, signal, target)
        else:
            found += _field(tx, person_id, signal, signal.field, target, policy)
    return scores.replace_facts(tx, person_id, SIGNALS, found)


def _visits(tx: Transaction, person_id: int, signal: Signal, policy: ScorePolicy) -> list[Fact]:
    """One fact a visit; worth what was spent where that is measured, and then only of visits whose amount is known."""
    measure = _measure(signal, policy)
    return [
        Fact(
            component=signal.component,
            value=1.0 if measure is not Measure.AMOUNT or one.amount is None else one.amount,
            at=one.at,
            source=f"{SIGNALS}{one.id}",
        )
        for one in interactions.visits_of(tx, person_id)
        if measure is not Measure.AMOUNT or one.amount is not None
    ]


def _measure(signal: Signal, policy: ScorePolicy) -> Measure | None:
    return next((part.measure for part in policy.config.components if part.name == signal.component), None)


def _tickets(tx: Transaction, person_id: int, signal: Signal, target: Target) -> list[Fact]:
    return [
        Fact(component=signal.component, value=1.0, at=at, source=f"{SIGNALS}{target.account}/ticket/{remote_id}")
        for remote_id, at in tickets.requested_by(tx, target.account, person_id)
    ]


def _field(
    tx: Transaction, person_id: int, signal: Signal, field: str, target: Target, policy: ScorePolicy
) -> list[Fact]:
    link = links.get(tx, person_id, target.account)
    if link is None or link.state is not LinkState.LINKED or link.remote_id is None:
        return []
    there = contacts.survivor(tx, target.account, link.remote_id)
    if there is None:
        return []
    measure = _measure(signal, policy)
    fact = _reading(there, field, measure, signal.component, f"{SIGNALS}{target.account}/{field}")
    return [] if fact is None else [fact]


def _reading(there: Contact, field: str, measure: Measure | None, component: str, source: str) -> Fact | None:
    """One CRM field as a fact; None when it is empty or not of the kind that is measured: then there is no data."""
    value = there.values.get(field)
    if measure is Measure.DAYS_SINCE:
        at = _instant(value)
        return None if at is None else Fact(component=component, value=0.0, at=at, source=source)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    at = there.modified_at
    return None if at is None else Fact(component=component, value=float(value), at=at, source=source)


def _instant(value: object) -> datetime | None:
    """A date or instant as a CRM's JSON has it; a plain date begins at midnight UTC."""
    if not isinstance(value, str) or not value:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def write_score(
    tx: Transaction,
    person_id: int,
    computed: Score,
    settings: DecideSettings,
    pace: Pace,
    *,
    cause: str,
    version: Version | None = None,
) -> list[Intent]:
    """Intents for the CRMs in which the score is due: it moved by `points`, its band changed, or it is new there."""
    policy = settings.score
    if policy is None:
        return []
    planned: list[Intent] = []
    for name in policy.write_to:
        target = settings.targets[name]
        if not _is_there(tx, person_id, target) or not _moved(tx, person_id, target, computed, policy):
            continue
        context = {"score": score_values(computed, policy.config), "respondent": people.details(tx, person_id)}
        wanted = score_fields(
            tx,
            person_id=person_id,
            target=target,
            context=context,
            cause=cause,
            pace=pace,
            settings=settings,
            as_of=computed.as_of,
            response_key=None if version is None else version.response.key,
            version=None if version is None else version.number,
        )
        # What this cause led to before and what then failed is not told again; another cause will be.
        fresh = [intent for intent in wanted if intents.by_key(tx, intent.key) is None]
        if fresh:
            planned += fresh
            scores.publish(tx, person_id, target.account, computed)
    return planned


def _is_there(tx: Transaction, person_id: int, target: Target) -> bool:
    """Whether the person has a contact there, is getting one, or waits for somebody to choose one."""
    link = links.get(tx, person_id, target.account)
    if link is not None and link.state is not LinkState.UNLINKED:
        return True
    return waits_for_contact(tx, person_id, target.account)


def _moved(tx: Transaction, person_id: int, target: Target, computed: Score, policy: ScorePolicy) -> bool:
    told = scores.published(tx, person_id, target.account)
    if told is None:
        return computed.hundredths is not None
    if told.band != computed.band or (told.hundredths is None) != (computed.hundredths is None):
        return True
    if told.hundredths is None or computed.hundredths is None:
        return False
    return abs(told.hundredths - computed.hundredths) >= round(100 * policy.points)
