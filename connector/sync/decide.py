"""Decide: each answer once, in the transaction that plans everything it leads to.

One transaction takes a small batch, a savepoint each: what fails is quarantined alone and the lane goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from connector.domain.matching.ladder import LinkChoice
from connector.domain.model.intent import Intent, Json, WriteKind
from connector.domain.model.person import Evidence
from connector.domain.model.score import Score
from connector.domain.recovery.act_on import may_act
from connector.domain.recovery.thresholds import judge_ratings
from connector.errors import ConnectorError, LeaseLost, StoreError
from connector.observe import correlate
from connector.store import erasures, figures, history, interactions, outbox, people, receipts, responses, tombstones
from connector.store.canonical import substance
from connector.store.database import Database
from connector.store.responses import Version, VersionState
from connector.store.transaction import Transaction
from connector.sync import defects, follow_up, planning, rules, score_rules, storm, timers, winning_back
from connector.sync.about import About, about
from connector.sync.alerts import alerts
from connector.sync.context import Context, Matter, build, gather, with_ticket
from connector.sync.events import events
from connector.sync.identify import Identity, blinds_of, identify
from connector.sync.lane import POISON, LaneHold
from connector.sync.noticing import coach
from connector.sync.operators import tell_operators
from connector.sync.planning import Pace
from connector.sync.rescore import gather_signals, remember, rescore, write_score
from connector.sync.rules import Ruling
from connector.sync.score_rules import Before
from connector.sync.settings import DecideSettings
from connector.sync.slices import slices

LANE: Final = responses.DECIDING
BATCH, LARGEST = 10, 100
"""Answers looked at in one transaction: at first, and at most, when many wait and are decided fast."""
TURN: Final = 1.0
# A delivery at the door waits for the one writer of a SQLite store: seconds of work it may be kept by one transaction.
HOLD, IMPORT_HOLD = 0.05, 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideLane:
    """Drains pending answers. `settings` is asked at each drain, so that a reload takes effect between two.

    `on_decided` hears of each version and the state it reached, once that is committed.
    """

    db: Database
    settings: Callable[[], DecideSettings]
    on_decided: Callable[[Version, VersionState], None] = lambda version, state: None

    def drain(self, hold: LaneHold) -> datetime | None:
        """Decide for about a second; due again at once while something is pending, else when woken."""
        settings, clock, most = self.settings(), self.db.clock, BATCH
        started = clock.monotonic()
        while clock.monotonic() - started < TURN:
            with self.db.write() as tx:
                hold.confirm(tx)
                batch = responses.pending(tx, limit=most, fresh_since=tx.now - settings.answered_within)
                reached = self._decide_some(tx, batch, settings)
            for version, state in reached:
                self.on_decided(version, state)
            if len(reached) == len(batch) < most:
                return None
            # Opening fifty to decide five of them is in vain: as many as there was room for, and some more.
            done = len(reached)
            most = min(LARGEST, 2 * done if done == len(batch) else done + done // 4 + 1)
        return clock.now()

    def _decide_some(
        self, tx: Transaction, batch: Sequence[Version], settings: DecideSettings
    ) -> list[tuple[Version, VersionState]]:
        """Decide at least one of them, and no more than there is time for."""
        clock = self.db.clock
        ends_at = clock.monotonic() + (IMPORT_HOLD if _fast(batch) else HOLD)
        blinds = {version.id: _blinds(tx, version) for version in batch}
        erased = tombstones.among(tx, {blind for some in blinds.values() for blind in some})
        reached: list[tuple[Version, VersionState]] = []
        for version in batch:
            if reached and clock.monotonic() > ends_at:
                break
            with correlate(response=version.response.key):
                if erased.isdisjoint(blinds[version.id]) and not tx.buried:
                    state = _decide_alone(tx, version, settings)
                else:
                    state = decide_alone(tx, version, settings)
                reached.append((version, state))
        return reached


def _fast(batch: Sequence[Version]) -> bool:
    return all(version.record_only for version in batch)


def decide_alone(tx: Transaction, version: Version, settings: DecideSettings) -> VersionState:
    """Decide one version; when that fails, undo it all, quarantine this version with the reason and tell the operators.

    Returns the state it reached.
    """
    if responses.is_erased(tx, _blinds(tx, version)):
        erasures.forget_answer(tx, version.response_id, version.response.key)
        return VersionState.ERASED
    return _decide_alone(tx, version, settings)


def _blinds(tx: Transaction, version: Version) -> list[str]:
    """The digests by which an erased answer, or one of an erased person, is recognised."""
    return [tombstones.of_response(tx, version.response.key), *blinds_of(tx, version.response)]


def _decide_alone(tx: Transaction, version: Version, settings: DecideSettings) -> VersionState:
    try:
        with tx.savepoint(), tx.under(version.run_id):
            decide(tx, version, settings)
    except (LeaseLost, StoreError):
        raise
    except POISON as error:
        reason = str(error) if isinstance(error, ConnectorError) else f"a defect: {type(error).__name__}"
        responses.quarantine(tx, version, reason)
        history.append(tx, "quarantined", response_id=version.response_id, detail={"reason": reason})
        text = (
            f"{version.response.key} could not be decided: {reason}. `connector replay --list` shows all such answers"
        )
        tell_operators(tx, settings, LANE, f"quarantined/{type(error).__name__}", text)
        return VersionState.QUARANTINED
    return VersionState.DECIDED


def decide(tx: Transaction, version: Version, settings: DecideSettings) -> None:
    """Who answered, how well, and what is done about it."""
    if version.record_only:
        _record_only(tx, version, settings)
        return
    acts, previous = acts_on(version, tx.now, settings), _decided_before(tx, version)
    said, subject = version, _about(tx, version, settings)
    version = replace(version, response=subject.response)
    # What an import only recorded led to nothing: a fresh answer that says the same is news.
    told = previous
    if acts and previous is not None and previous.record_only:
        told = responses.last_decided(tx, version.response_id, acted_on=True)
    sliced = slices(version.response)
    verdict = judge_ratings(version.response.ratings, sliced, settings.thresholds)
    identity = follow_up.owner(tx, version.response, settings) or identify(tx, version.response, settings)
    worst = min((rating.satisfaction for rating in version.response.ratings), default=None)
    responses.mark_decided(tx, version, person_id=identity.person_id, satisfaction=worst, unhappy=verdict.unhappy)
    figures.take(tx, version, sliced, unhappy=verdict.unhappy)
    score, known = _score(tx, version, identity.person_id, settings)
    matter = gather(tx, version, verdict, identity, previous, score)
    pace = planning.pace_of(matter, acts=acts)
    context = build(tx, matter, settings, winning_back.running(tx, matter, settings))
    rulings = rules.apply(settings.rules, context)
    if told is not None and substance(told.response) == substance(said.response):
        planned: list[Intent] = []
        why: str | None = "the answer says the same as before"
    else:
        planned = _effects(tx, matter, settings, context, rulings, pace, acts=acts)
        why = None if acts else "older than act_on.answered_within: recorded and scored, not acted on"
    if matter.person_id is not None and score is not None:
        cause = f"{version.response.key}/{version.number}"
        planned += write_score(tx, matter.person_id, score, settings, pace, cause=cause, version=version)
        # What an old answer changes is no news; what time alone has changed since is.
        news = score if acts else None
        planned += score_rules.react(
            tx, matter.person_id, known, news, settings, cause=cause, response_id=version.response_id
        )
    made = outbox.plan(tx, planned)
    if acts:
        storm.weather(tx, version, settings, unhappy=verdict.unhappy)
    _tell(tx, matter, rulings, score, subject, acts=acts, why=why, planned=len(made))


def _about(tx: Transaction, version: Version, settings: DecideSettings) -> About:
    """What the answer is about, on record where it is known; remembered, so that figures find the answer by it."""
    if settings.interactions:
        interactions.note_answer(tx, version.response_id, version.response.interaction)
    return about(tx, version.response, settings)


def _decided_before(tx: Transaction, version: Version) -> Version | None:
    """The newest version of the answer that was decided. The first of all has none: a later one makes it stale."""
    return None if version.number == 1 else responses.last_decided(tx, version.response_id)


def _record_only(tx: Transaction, version: Version, settings: DecideSettings) -> None:
    """Who answered and how well: no rule is looked at and nothing is written about it.

    A hundred thousand of these may come at once. The person's score is left to the timers, which compute it once for
    all of them and write it to the contacts there are; none is made.
    """
    subject = _about(tx, version, settings)
    version = replace(version, response=subject.response)
    sliced = slices(version.response)
    verdict = judge_ratings(version.response.ratings, sliced, settings.thresholds)
    identity = identify(tx, version.response, settings, asks=False)
    worst = min((rating.satisfaction for rating in version.response.ratings), default=None)
    responses.mark_decided(tx, version, person_id=identity.person_id, satisfaction=worst, unhappy=verdict.unhappy)
    figures.take(tx, version, sliced, unhappy=verdict.unhappy)
    if settings.score is not None:
        remember(tx, version, identity.person_id, settings.score)
        if identity.person_id is not None:
            people.scored(tx, identity.person_id, None)
            tx.wake(timers.LANE)
    detail: dict[str, Json] = {
        "version": version.number,
        "unhappy": verdict.unhappy,
        "about": list(subject.lines),
        "compared": list(verdict.compared),
        **_who(identity),
        "rules": [],
        "score": None,
        "acts": False,
        "why": "imported: recorded and scored, not acted on",
        "planned": 0,
    }
    history.append(tx, "decided", response_id=version.response_id, person_id=identity.person_id, detail=detail)


def acts_on(version: Version, now: datetime, settings: DecideSettings) -> bool:
    """Young answers are acted on; those of an import at any age, if that was asked for, else at none."""
    if version.record_only is not None:
        return not version.record_only
    return may_act(version.event_at, now, settings.answered_within)


def _score(
    tx: Transaction, version: Version, person_id: int | None, settings: DecideSettings
) -> tuple[Score | None, Before | None]:
    """The score now, and what was known before this answer."""
    policy = settings.score
    if policy is None:
        return None, None
    if person_id is None:
        remember(tx, version, person_id, policy)
        return None, None
    gather_signals(tx, person_id, policy, settings)
    known = score_rules.before(tx, person_id, settings)
    remember(tx, version, person_id, policy)
    return rescore(tx, person_id, policy), known


def _effects(
    tx: Transaction,
    matter: Matter,
    settings: DecideSettings,
    context: Context,
    rulings: Sequence[Ruling],
    pace: Pace,
    *,
    acts: bool,
) -> list[Intent]:
    """Everything the answer leads to except its score, in the order in which it is wanted."""
    planned: list[Intent] = []
    for target in settings.crms():
        planned += planning.contact(tx, matter, target, context, pace)
    # Planned first: whether a contact is on its way decides what else may be written to that CRM.
    if planned:
        outbox.plan(tx, planned)
    if acts:
        wanted = follow_up.heard(tx, matter, settings, rules.recoveries_wanted(rulings))
        won = winning_back.act(tx, matter, settings, wanted, pace)
        planned += won.intents
        texts = with_ticket(build(tx, matter, settings, won.recovery), won.ticket)
        recovery_id = None if won.recovery is None else won.recovery.id
        planned += alerts(tx, matter, rules.alerts_wanted(rulings), texts, settings, pace, recovery_id)
        planned += coach(tx, matter, settings, texts, pace)
        planned += events(matter, rules.events_wanted(rulings), texts, settings, pace, recovery_id)
        planned += defects.act(tx, matter, settings)
    for name in settings.answers_to:
        target = settings.targets[name]
        if "crm" in target.roles:
            planned += planning.activity(tx, matter, target, context, pace)
        elif acts:
            planned += _unless_noted(tx, planned, planning.answer_note(tx, matter, target, context, pace))
    return planned


def _unless_noted(tx: Transaction, planned: Sequence[Intent], notes: Sequence[Intent]) -> list[Intent]:
    """The notes on tickets that do not hear of this answer already through its recovery."""
    told = {intent.target for intent in planned if intent.kind is WriteKind.NOTE and intent.target is not None}
    told |= {there for name in told for there in winning_back.begins_on(tx, name)}
    known = receipts.of_objects(tx, told | {note.target for note in notes if note.target is not None})
    ids = {known[name].remote_id for name in told if name in known}
    return [note for note in notes if note.target is None or known[note.target].remote_id not in ids]


def _tell(
    tx: Transaction,
    matter: Matter,
    rulings: Sequence[Ruling],
    score: Score | None,
    subject: About,
    *,
    acts: bool,
    why: str | None,
    planned: int,
) -> None:
    """Write down everything the decision rested on, so that it can be explained when the world has moved on."""
    detail: dict[str, Json] = {
        "version": matter.version.number,
        "unhappy": matter.verdict.unhappy,
        "about": list(subject.lines),
        "compared": list(matter.verdict.compared),
        **_who(matter.identity),
        "rules": [ruling.to_json() for ruling in rulings],
        "score": None if score is None else score.points,
        "acts": acts,
        "why": why,
        "planned": planned,
    }
    history.append(tx, "decided", response_id=matter.version.response_id, person_id=matter.person_id, detail=detail)


def _who(identity: Identity) -> dict[str, Json]:
    return {
        "identity": {**evidence_to_json(identity.choice.evidence), "anonymous": identity.person_id is None},
        "links": {account: _link_to_json(choice) for account, choice in identity.links.items()},
    }


def evidence_to_json(evidence: Evidence) -> dict[str, Json]:
    """Why somebody was recognised, for the history."""
    return {
        "decided_by": evidence.decided_by,
        "compared": list(evidence.compared),
        "losers": list(evidence.losers),
    }


def _link_to_json(choice: LinkChoice) -> dict[str, Json]:
    return {
        **evidence_to_json(choice.link.evidence),
        "state": choice.link.state.value,
        "remote_id": choice.link.remote_id,
        "candidates": list(choice.link.candidates),
        "create": choice.create,
    }
