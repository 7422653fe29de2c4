"""What deciding needs to know of the configuration: compiled, checked, and free of files and vendors.

The names in here are the YAML's. None of them ever becomes part of a key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from zoneinfo import ZoneInfo

from connector.domain.defects import Policy
from connector.domain.expressions import Expression, Template
from connector.domain.mapping.fields import FieldMapping
from connector.domain.matching.fuzzy import Fuzzy
from connector.domain.matching.ladder import Missing
from connector.domain.model.directory import Directory
from connector.domain.model.person import KeyKind
from connector.domain.model.recovery import Severity
from connector.domain.recovery.calendar import Calendar
from connector.domain.recovery.night import Night
from connector.domain.recovery.opening import IfSolved
from connector.domain.recovery.proof import Proof
from connector.domain.recovery.thresholds import Threshold
from connector.domain.reporting.noticing import Coaching, Trend
from connector.domain.reporting.period import Period
from connector.domain.scoring.config import ScoringConfig
from connector.sync.message_settings import FollowUp, MessagePolicy, MessageStep


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A system that is written to. `account` is its stable name, `sections` its mapping file by section name.

    `roles` are `crm`, `helpdesk`, `notifier`, `messenger`, `tracker`, `workflow`.
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
    """A ticket: on the one the survey was about, else a new one. `priority` is severity → the ticket's priority.

    `every_hour`, of a step with a deadline: every hour counts, not only the calendar's open time.
    """

    connection: str
    group: Template | None = None
    status: Template | None = None
    if_solved: IfSolved = IfSolved.FOLLOW_UP
    priority: Mapping[Severity, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    due: timedelta | None = None
    every_hour: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message to people who work on a recovery."""

    connection: str
    channel: Template
    text: Template


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One rung of the ladder a missed step climbs, so long after its deadline."""

    after: timedelta = timedelta(0)
    notify: Message | None = None
    severity: Severity | None = None
    owner: Template | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStep:
    """A CRM task with a deadline. `owner` None: as the mapping says."""

    connection: str
    due: timedelta
    name: str = "task"
    owner: Template | None = None
    every_hour: bool = False
    late: tuple[Rung, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectStep:
    """Something people do on the recovery's ticket within a time; it begins with the recovery, or after a step."""

    name: str
    within: timedelta
    until: Proof
    who: Template | None = None
    after: str | None = None
    late: tuple[Rung, ...] = ()
    every_hour: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyStep:
    """A message to people when the recovery begins, or after a step."""

    message: Message
    after: str | None = None


Step = TicketStep | TaskStep | ExpectStep | NotifyStep | MessageStep
"""What a playbook can do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owners:
    """Whose a recovery is: each of `turn` in turn, else what `by` says."""

    turn: tuple[str, ...] = ()
    by: Template | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """What a recovery needs to be closed, where its ticket says it, and who is asked for what is missing."""

    needs: frozenset[str] = frozenset()
    root_causes: tuple[str, ...] = ()
    root_cause_field: str | None = None
    action_field: str | None = None
    ask: Message | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Playbook:
    """The steps a recovery goes through, and what its deadlines count.

    `calendar` is the name of one of `calendars`, by which open time is counted; None or an unknown name: every hour
    counts. `content` is the playbook and its calendars as written, `digest` what it is known by: a recovery keeps them.
    """

    steps: tuple[Step, ...] = ()
    calendar: Template | None = None
    calendars: Mapping[str, Calendar] = field(default_factory=dict)
    owner: Owners | None = None
    pause_while: frozenset[str] = frozenset()
    close: Closing = field(default_factory=Closing)
    digest: str = ""
    content: str = ""


INTERACTIONS: Final = "interactions"
"""What a component's `from` says of records of interactions, of whatever shop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """Where a score component's outside facts come from: a CRM field, or (`field` None) the requester's tickets.

    A `connection` called `INTERACTIONS` are the person's visits, by the shop's records.
    """

    component: str
    connection: str
    field: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorePolicy:
    """How the health score is computed, and when and where it is written.

    `companies` is, by connection, the field of its contacts that holds their company's id.
    """

    config: ScoringConfig
    signals: tuple[Signal, ...] = ()
    write_to: tuple[str, ...] = ()
    points: float = 1.0
    linger: timedelta = timedelta(minutes=5)
    companies: Mapping[str, str] = field(default_factory=dict)


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
class CoachingRule:
    """When somebody's low scores are told, and how."""

    when: Coaching
    alert: SendAlert


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendRule:
    """When a score that stays low or falls is told, and how."""

    when: Trend
    alert: SendAlert


@dataclass(frozen=True, slots=True, kw_only=True)
class MailRule:
    """A report about each value of the segment `by`, sent every `week`, `month` or `quarter`."""

    connection: str
    to: Template
    every: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FiguresPolicy:
    """What is said of figures, to whom. Nothing about fewer than `minimum`; `targets` by a figure's id."""

    minimum: int = 5
    targets: Mapping[str, float] = field(default_factory=dict)
    baseline: Period | None = None
    by: tuple[str, ...] = ()
    mails: tuple[MailRule, ...] = ()
    coaching: tuple[CoachingRule, ...] = ()
    trends: tuple[TrendRule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideSettings:
    """Everything the deciding half reads of one configuration. `targets` are the connections written to, by name.

    `rules` are looked at for answers, `score_rules` when a score is computed.
    """

    targets: Mapping[str, Target]
    thresholds: tuple[Threshold, ...]
    rules: tuple[Rule, ...] = ()
    score_rules: tuple[Rule, ...] = ()
    playbooks: Mapping[str, Playbook] = field(default_factory=dict)
    book_of: Callable[[str], Playbook] | None = None
    """A playbook from its `content`, as it was when a recovery was opened; it names accounts for connections.

    Raises ValueError.
    """
    score: ScorePolicy | None = None
    match_keys: tuple[KeyKind, ...] = tuple(KeyKind)
    missing: Missing = Missing.CREATE
    fuzzy: Fuzzy = field(default_factory=Fuzzy)
    answered_within: timedelta = timedelta(days=7)
    notify_within: timedelta = timedelta(hours=4)
    quiet: Night | None = None
    """When messages to people wait that are not about something critical."""
    answers_to: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    critical_themes: frozenset[str] = frozenset()
    operators: Operators | None = None
    time_zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    live: bool = True
    owners: Mapping[str, str] = field(default_factory=dict)
    """Who to call about a connection, by its name and by its account."""
    storm: StormPolicy | None = None
    figures: FiguresPolicy = field(default_factory=FiguresPolicy)
    directory: Directory = field(default_factory=Directory)
    messages: MessagePolicy = field(default_factory=MessagePolicy)
    follow_ups: Mapping[str, FollowUp] = field(default_factory=dict)
    """By playbook: the survey once its recovery's ticket is solved."""
    interactions: frozenset[str] = frozenset()
    """The accounts whose records say what answers are about."""
    defects: tuple[Tracking, ...] = ()

    def crms(self) -> tuple[Target, ...]:
        """The CRMs, in the order of their accounts, so that reordering the file changes nothing."""
        found = {target.account: target for target in self.targets.values() if "crm" in target.roles}
        return tuple(found[account] for account in sorted(found))
