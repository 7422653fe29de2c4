"""What deciding needs to know of the configuration: compiled, checked, and free of files and vendors.

The names in here are the YAML's. None of them ever becomes part of a key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from zoneinfo import ZoneInfo

from connector.domain.defects import Policy
from connector.domain.expressions import Expression, Template
from connector.domain.mapping.fields import FieldMapping
from connector.domain.matching.fuzzy import Fuzzy
from connector.domain.matching.ladder import Missing
from connector.domain.model.person import KeyKind
from connector.domain.model.recovery import Severity
from connector.domain.recovery.opening import IfSolved
from connector.domain.recovery.thresholds import Threshold
from connector.domain.scoring.config import ScoringConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A system that is written to. `account` is its stable name, `sections` its mapping file by section name.

    `roles` are `crm`, `helpdesk`, `notifier`, `tracker`, `workflow`.
    """

    account: str
    roles: frozenset[str]
    linger: timedelta = timedelta(0)
    sections: Mapping[str, FieldMapping] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRecovery:
    """Open the person's recovery under a playbook, or join the one that is open."""

    playbook: str
    severity: Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class SendAlert:
    """One message to people."""

    connection: str
    channel: Template
    text: Template


@dataclass(frozen=True, slots=True, kw_only=True)
class StartWorkflow:
    """One event to another program. `data` is name → where its value comes from; a missing one is null."""

    connection: str
    event: str
    data: Mapping[str, Expression]


Effect = OpenRecovery | SendAlert | StartWorkflow
"""What a rule can do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When a response looks like this, do that. `stop`: when it matches, no later rule is looked at."""

    name: str
    when: Expression
    actions: tuple[Effect, ...]
    stop: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketStep:
    """A ticket: on the one the survey was about, else a new one. `priority` is severity → the ticket's priority."""

    connection: str
    group: Template | None = None
    status: Template | None = None
    if_solved: IfSolved = IfSolved.FOLLOW_UP
    priority: Mapping[Severity, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    due: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStep:
    """A CRM task with a deadline. `owner` None: as the mapping says."""

    connection: str
    due: timedelta
    owner: Template | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """Where a score component's outside facts come from: a CRM field, or (`field` None) the requester's tickets."""

    component: str
    connection: str
    field: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorePolicy:
    """How the health score is computed, and when and where it is written."""

    config: ScoringConfig
    signals: tuple[Signal, ...] = ()
    write_to: tuple[str, ...] = ()
    points: float = 1.0
    linger: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracking:
    """Which themes become issues of a tracker, and when. `theme` None: each theme that no narrower entry names."""

    connection: str
    theme: str | None
    policy: Policy
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operators:
    """Who is told when something needs a person."""

    connection: str
    channel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StormPolicy:
    """When a survey's work is held: at least this share of its newest `answers` is unhappy."""

    unhappy_share: float = 0.7
    answers: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideSettings:
    """Everything the deciding half reads of one configuration. `targets` are the connections written to, by name."""

    targets: Mapping[str, Target]
    thresholds: tuple[Threshold, ...]
    rules: tuple[Rule, ...] = ()
    playbooks: Mapping[str, tuple[TicketStep | TaskStep, ...]] = field(default_factory=dict)
    score: ScorePolicy | None = None
    match_keys: tuple[KeyKind, ...] = tuple(KeyKind)
    missing: Missing = Missing.CREATE
    fuzzy: Fuzzy = field(default_factory=Fuzzy)
    answered_within: timedelta = timedelta(days=7)
    notify_within: timedelta = timedelta(hours=4)
    answers_to: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    critical_themes: frozenset[str] = frozenset()
    operators: Operators | None = None
    time_zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    live: bool = True
    owners: Mapping[str, str] = field(default_factory=dict)
    """Who to call about a connection, by its name and by its account."""
    storm: StormPolicy | None = None
    defects: tuple[Tracking, ...] = ()

    def crms(self) -> tuple[Target, ...]:
        """The CRMs, in the order of their accounts, so that reordering the file changes nothing."""
        found = {target.account: target for target in self.targets.values() if "crm" in target.roles}
        return tuple(found[account] for account in sorted(found))
