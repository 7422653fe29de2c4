"""Timers: what happens because time passes. Deadlines pass; scores fade; new weights rebase them all, quietly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from connector.domain.model.intent import Priority
from connector.domain.scoring.config import digest
from connector.errors import ConnectorError, LeaseLost, StoreError
from connector.store import outbox, people, recording, settings_seen, steps
from connector.store.database import Database
from connector.store.steps import StepRow
from connector.store.transaction import Transaction
from connector.sync import score_rules, tracking
from connector.sync.lane import POISON, LaneHold
from connector.sync.operators import tell_operators
from connector.sync.planning import Pace
from connector.sync.rescore import FRESH, gather_signals, rescore, write_score
from connector.sync.settings import DecideSettings, ScorePolicy

LANE: Final = steps.TIMERS
BATCH: Final = 50
TURN: Final = 1.0
LOOK_AGAIN: Final = timedelta(seconds=2)
_DIGEST: Final = "scoring"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimersLane:
    """Drains what is due by the clock; without `deadlines` scores alone."""

    db: Database
    settings: Callable[[], DecideSettings]
    deadlines: bool = True

    def drain(self, hold: LaneHold) -> datetime | None:
        """Climb the ladders of late steps, then compute scores that are a day old; due again when the next is."""
        settings = self.settings()
        started = self.db.clock.monotonic()
        next_step = self._steps(hold, settings, started) if self.deadlines else None
        next_score = self._scores(hold, settings, started)
        return min((due for due in (next_step, next_score) if due is not None), default=None)

    def _steps(self, hold: LaneHold, settings: DecideSettings, started: float) -> datetime | None:
        """Longest overdue first."""
        clock = self.db.clock
        while clock.monotonic() - started < TURN:
            with self.db.write() as tx:
                hold.confirm(tx)
                late = steps.due(tx, limit=BATCH)
                for row in late:
                    _fire_alone(tx, row, settings)
                if len(late) < BATCH:
                    return steps.next_due(tx)
        return clock.now()

    def _scores(self, hold: LaneHold, settings: DecideSettings, started: float) -> datetime | None:
        """Those computed longest ago first.

        Those about whom something new is known wait while an import goes on, and are computed once for all it brings.
        """
        policy, clock = settings.score, self.db.clock
        if policy is None:
            return None
        while clock.monotonic() - started < TURN:
            with self.db.write() as tx:
                hold.confirm(tx)
                _rebase(tx, policy)
                waits = recording.is_under_way(tx)
                due = people.due_for_score(tx, before=tx.now - FRESH, limit=BATCH, known=waits)
                for person_id in due:
                    refresh(tx, person_id, settings, policy)
                look_again = tx.now + LOOK_AGAIN
                next_due = min(due_since(tx) or look_again, look_again) if waits else due_since(tx)
            if len(due) < BATCH:
                return next_due
        return clock.now()


def _fire_alone(tx: Transaction, row: StepRow, settings: DecideSettings) -> None:
    """Climb what is due; a step nobody can make sense of is given up and told of, and stops no other."""
    try:
        with tx.savepoint():
            tracking.fire(tx, row, settings)
    except (LeaseLost, StoreError):
        raise
    except POISON as error:
        steps.climb(tx, row, row.rung, None)
        reason = str(error) if isinstance(error, ConnectorError) else f"a defect: {type(error).__name__}"
        text = f"recovery {row.recovery_id}: {row.name!r} is late and its ladder cannot be climbed: {reason}"
        tell_operators(tx, settings, LANE, f"ladder/{type(error).__name__}", text)


def due_since(tx: Transaction) -> datetime | None:
    """When the score that was computed longest ago is, or was, due to be computed anew."""
    oldest = people.next_score_due(tx)
    return None if oldest is None else oldest + FRESH


def overdue_since(tx: Transaction, *, scores: bool) -> datetime | None:
    """When what is due first of all this lane does is, or was, due; `scores`: whether they are computed."""
    due = (steps.next_due(tx), due_since(tx) if scores else None)
    return min((each for each in due if each is not None), default=None)


def _rebase(tx: Transaction, policy: ScorePolicy) -> None:
    """New weights, bands or half-lives: every score is due. Nothing but scores is written because of it."""
    now = digest(policy.config)
    if settings_seen.get(tx, _DIGEST) != now:
        people.rescore_all(tx)
        settings_seen.put(tx, _DIGEST, now)


def refresh(tx: Transaction, person_id: int, settings: DecideSettings, policy: ScorePolicy) -> None:
    """Bring one person's score up to date and write it where it moved far enough."""
    gather_signals(tx, person_id, policy, settings)
    # Who is due because something was learnt that is no news (an import, other weights, what was taken back) moves
    # quietly.
    is_quiet = people.scored_at(tx, person_id) is None
    known = None if is_quiet else score_rules.before(tx, person_id, settings)
    computed = rescore(tx, person_id, policy)
    if computed is not None:
        pace, cause = Pace(priority=Priority.BACKFILL, now=tx.now), f"at/{computed.as_of.isoformat()}"
        outbox.plan(tx, write_score(tx, person_id, computed, settings, pace, cause=cause))
        outbox.plan(tx, score_rules.react(tx, person_id, known, computed, settings, cause=cause))
