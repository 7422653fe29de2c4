"""The storm breaker: when suddenly nearly everybody seems unhappy, a scale is more likely read the wrong way round.

Then what the survey's answers lead to is held, and the operators say which of the two it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from connector.domain.model.intent import ALARMS, IntentState
from connector.domain.model.transitions import Event
from connector.store import history, intents, outbox, receipts, storms
from connector.store.intents import IntentRow
from connector.store.priors import UNDO
from connector.store.receipts import lane_of
from connector.store.responses import Version
from connector.store.storms import Breaker
from connector.store.transaction import Transaction
from connector.sync.operators import tell_operators
from connector.sync.settings import DecideSettings

_UNHAPPY, _HAPPY = "u", "h"


def reason(survey: str) -> str:
    """Why an intent is held."""
    return f"too many unhappy answers to the survey {survey}"


def weather(tx: Transaction, version: Version, settings: DecideSettings, *, unhappy: bool) -> None:
    """Take note of an answer that is acted on, once what it leads to is planned; holds that where a storm rages."""
    policy, survey = settings.storm, version.response.survey
    if policy is None:
        return
    before = storms.of(tx, survey)
    recent = (before.recent + (_UNHAPPY if unhappy else _HAPPY))[-policy.answers :]
    now = replace(before, recent=recent)
    if before.since is not None:
        _hold(tx, outbox.for_response(tx, version.response_id), survey)
    elif _rages(now, policy.answers, policy.unhappy_share) and not _is_quiet(tx, now):
        now = replace(now, since=tx.now, run_id=tx.run_id)
        _hold(tx, storms.led_to(tx, survey), survey)
        _tell(tx, now, settings)
    storms.save(tx, now)


def release(tx: Transaction, survey: str, acts_within: timedelta | None = None) -> int:
    """Let go everything that is held for a survey; returns how much.

    What opens, tells or asks something because of an answer older than `acts_within` by now (None: at any age) is too
    old: its lane gives it up and says so.
    """
    released = 0
    for row in storms.held_because(tx, reason(survey)):
        tx.wake(lane_of(row.account))
        if row.kind in ALARMS and acts_within is not None and tx.now - row.cause_at > acts_within:
            intents.set_aside(tx, row, give_up_at=tx.now)
            continue
        intents.move(tx, row, Event.RELEASED, "an operator says that the answers are right")
        released += 1
    return released


def _rages(breaker: Breaker, answers: int, share: float) -> bool:
    return len(breaker.recent) >= answers and breaker.recent.count(_UNHAPPY) >= share * answers


def _is_quiet(tx: Transaction, breaker: Breaker) -> bool:
    return breaker.quiet_until is not None and tx.now < breaker.quiet_until


def _hold(tx: Transaction, rows: Iterable[IntentRow], survey: str) -> None:
    for row in rows:
        if row.state not in {IntentState.PLANNED, IntentState.BLOCKED} or row.key.startswith(UNDO):
            continue
        receipts.stop_waiting(tx, row)  # what it waits for is looked at again before it is sent
        intents.move(tx, row, Event.STORM, reason(survey))
        history.append(
            tx,
            "held",
            response_id=row.response_id,
            person_id=row.person_id,
            recovery_id=row.recovery_id,
            intent_id=row.id,
            detail={"account": row.account, "kind": row.kind.value, "object": row.object, "reason": reason(survey)},
        )


def _tell(tx: Transaction, breaker: Breaker, settings: DecideSettings) -> None:
    unhappy, survey = breaker.recent.count(_UNHAPPY), breaker.survey
    text = (
        f"{unhappy} of the last {len(breaker.recent)} answers to the survey {survey} are unhappy: what they lead to is "
        f"held. Is that true? `connector resume {survey}` lets it go. Is a scale read the wrong way round? Correct the "
        f"mapping, then `connector undo {breaker.run_id}` takes back what was written."
    )
    tell_operators(tx, settings, f"survey {survey}", "storm", text)
