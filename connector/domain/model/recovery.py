"""The winning-back of one unhappy person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Severity(StrEnum):
    """How bad it is. Severity rises while a recovery is open and never falls."""

    NORMAL = "normal"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for normal, 1 for high, 2 for critical."""
        return list(Severity).index(self)


class RecoveryState(StrEnum):
    """Whether it goes on. How far it is, or how it ended, is its stage."""

    OPEN = "open"
    CLOSED = "closed"


class Stage(StrEnum):
    """How far an open recovery is, or how a closed one ended."""

    OPENED = "opened"
    """Nobody has looked yet."""
    ACKNOWLEDGED = "acknowledged"
    """Somebody took it."""
    IN_PROGRESS = "in_progress"
    """Somebody works on it."""
    WAITING = "waiting"
    """It is the customer's turn."""
    REOPENED = "reopened"
    """It was closed and goes on."""
    WON_BACK = "won_back"
    """Closed: the customer says so, or whoever closed it."""
    LOST = "lost"
    """Closed without."""
    ENDED = "ended"
    """Closed without anybody having said how it ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """One open or closed recovery; at most one is open per person and playbook."""

    id: int
    person_id: int
    playbook: str
    state: RecoveryState
    severity: Severity
    opened_by: str
    opened_at: datetime
    closed_at: datetime | None = None
    cause: str | None = None
    stage: Stage = Stage.OPENED
    owner: str | None = None
    touched_at: datetime | None = None
    root_cause: str | None = None
    book: str | None = None
    calendar: str | None = None


class StepState(StrEnum):
    """Where a step of an open recovery stands."""

    EXPECTED = "expected"
    """It begins after another one."""
    WAITING = "waiting"
    """Its time runs."""
    PAUSED = "paused"
    """Its time stands still: it is the customer's turn."""
    DONE = "done"
    SKIPPED = "skipped"
    """The recovery was closed before it was done."""
