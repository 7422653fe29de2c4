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
    """Where a recovery stands. More states arrive with the playbooks; closed is final."""

    OPEN = "open"
    CLOSED = "closed"


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
