"""The YAML as frozen models. Unknown keys are refused; every description here is the reference's text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core.core_schema import ValidationInfo

from connector.config.quantities import (
    Duration,
    ListenText,
    Percent,
    Rate,
    RateText,
    ScaleText,
    Text,
    duration,
    listen,
    rate,
    shown_rate,
)
from connector.domain.model.intent import WriteKind
from connector.domain.model.person import KeyKind
from connector.domain.model.recovery import Severity
from connector.domain.model.response import Metric
from connector.domain.scoring.config import Measure, Missing
from connector.secret import Secret

SQLITE = "sqlite:///"
CeilingName = Literal["new_tickets", "new_tasks", "new_contacts", "new_alerts"]
CEILINGS: Mapping[CeilingName, WriteKind] = {
    "new_tickets": WriteKind.TICKET,
    "new_tasks": WriteKind.TASK,
    "new_contacts": WriteKind.CONTACT,
    "new_alerts": WriteKind.ALERT,
}
DEFAULT_CEILINGS: Mapping[CeilingName, Rate] = {
    "new_tickets": rate("300/h"),
    "new_tasks": rate("500/h"),
    "new_contacts": rate("2000/h"),
    "new_alerts": rate("200/h"),
}
"""Of a connection that does not say. Far above what a bad day brings, far below what a mistake in a rule does."""
UrgencyWord = Literal["low", "normal", "high", "urgent"]


def _beside_the_file(path: Path, info: ValidationInfo) -> Path:
    return Path(info.context["folder"]) / path if info.context else path


def _store_url(url: str, info: ValidationInfo) -> str:
    if url.startswith(("postgresql://", "postgresql+psycopg://")):
        return url
    if not url.startswith(SQLITE) or url == SQLITE:
        raise ValueError("expected sqlite:///file.db or postgresql://host/database")
    return SQLITE + str(_beside_the_file(Path(url.removeprefix(SQLITE)), info))


def _time_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("expected a time zone such as Europe/Berlin")
    return name


def _path(value: object) -> object:
    if not isinstance(value, str | Path) or not str(value).strip():
        raise ValueError("expected the path of a file")
    return value


FilePath = Annotated[Path, BeforeValidator(_path), AfterValidator(_beside_the_file)]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")]


class Model(BaseModel):
    """A part of the configuration: frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, populate_by_name=False)


class Notify(Model):
    """One message to people."""

    connection: Text = Field(description="A connection that can notify.")
    channel: Text = Field(description="Where to, in that system's words; a template in rules.")


class Alert(Notify):
    """A message of a rule."""

    text: Text = Field(description="A template; a missing value prints nothing.")


class Operators(Model):
    """Who is told when something needs a person."""

    notify: Notify = Field(description="Where operators read.")


class Quota(Model):
    """How much of the account's own limits to use."""

    share: Percent = Field(default=0.5, description="Share of the vendor's limits; the rest is left to others.")


class Connection(Model):
    """One configured adapter. `options` are the adapter's own keys, validated by its own model."""

    name: str
    kind: str
    roles: frozenset[str]
    options: BaseModel
    mapping: Path | None = None
    linger: Duration = duration("0s")
    quota: Quota = Quota()
    ceiling: dict[CeilingName, RateText] = {}


class ConnectionKeys(Model):
    """The keys every connection takes, whatever its kind."""

    kind: Text = Field(description="Which adapter; the rest of the keys are its options.")
    mapping: FilePath | None = Field(default=None, description="What is written there, per field.")
    linger: Duration = Field(
        default=duration("0s"),
        description="How long a write waits for company before it goes out; where something is written.",
    )
    quota: Quota = Field(default=Quota(), description="How much of the account's limits to use; where it tells them.")
    ceiling: dict[CeilingName, RateText] = Field(
        default={},
        description=(
            "Most new objects in a time; above, work is held and operators are told. What is not named here has a "
            f"ceiling, too: {', '.join(f'{name} {shown_rate(each)}' for name, each in DEFAULT_CEILINGS.items())}."
        ),
    )


class Survey(Model):
    """One survey: where its answers come from and how they are read."""

    source: Text = Field(alias="from", description="A connection answers come from.")
    forms: tuple[Text, ...] = Field(min_length=1, description="The survey's ids there.")
    mapping: FilePath = Field(description="How a record becomes a response.")


class ActOn(Model):
    """Older answers feed scores, never alarms."""

    answered_within: Duration = Field(default=duration("7d"), description="Older answers open nothing.")
    notify_within: Duration = Field(default=duration("4h"), description="Older answers send no message.")


class Analysis(Model):
    """How comments are understood."""

    languages: tuple[Language, ...] = Field(default=("en",), min_length=1, description="ISO 639-1 codes to expect.")
    themes: FilePath | None = Field(default=None, description="The words of each theme.")


class Threshold(Model):
    """At or below is unhappy. Further keys are segments: `service: brakes`."""

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)

    metric: Metric = Field(description="Which ratings.")
    scale: ScaleText = Field(description="On which scale.")
    at: float = Field(
        description=(
            "At or below is unhappy, as if high were best: where a survey's low end is best, its ratings are mirrored, "
            "so that `at: 2` on `1-5` catches the ratings 4 and 5."
        )
    )

    @property
    def where(self) -> dict[str, str]:
        """Segment → the value it must have."""
        return {name: str(value) for name, value in (self.model_extra or {}).items()}


class Match(Model):
    """How a person is recognised."""

    keys: tuple[KeyKind, ...] = Field(default=tuple(KeyKind), min_length=1, description="Exact keys, in this order.")
    missing: Literal["create", "hold", "ignore"] = Field(
        default="create", description="What to do about the CRM record of somebody nobody knows."
    )


class Component(Model):
    """One part of the health score."""

    weight: float = Field(gt=0, description="Its weight relative to the others.")
    source: Text = Field(alias="from", description="`answers`, `sentiment`, or a connection it is read from.")
    metric: Metric | None = Field(default=None, description="Which ratings; for `answers`, and only there.")
    half_life: Duration | None = Field(
        default=None, description="After this long a fact counts half; for `answers` and `sentiment`."
    )
    measure: Measure | None = Field(
        default=None, description="How facts from a connection become a number; this and what follows only there."
    )
    field: Text | None = Field(
        default=None,
        pattern=r"^[A-Za-z]\w*$",
        description="The CRM's field that holds it; a helpdesk's tickets have none.",
    )
    window: Duration | None = Field(default=None, description="Only facts this recent count; for `count`.")
    best: float | None = Field(default=None, description="The number worth 100.")
    worst: float | None = Field(default=None, description="The number worth 0.")


class ShrinkTo(Model):
    """Few answers pull less."""

    toward: float = Field(default=50, ge=0, le=100, description="The value to pull toward.")
    answers: float = Field(default=0, ge=0, description="As if so many answers of that value had come.")


class ScoreWrite(Model):
    """When and where the score is written."""

    to: tuple[Text, ...] = Field(description="CRM connections.")
    points: float = Field(default=1, gt=0, description="Write when the score moved this far, or the band changed.")
    linger: Duration = Field(default=duration("5m"), description="Wait so long for further changes.")


class HealthScore(Model):
    """The weighted, explainable figure of a person."""

    components: dict[Text, Component] = Field(min_length=1, description="What it is made of.")
    shrink: ShrinkTo = Field(default=ShrinkTo(), description="How few answers count.")
    missing: Missing = Field(default=Missing.RENORMALIZE, description="What a component without data does.")
    coverage: float = Field(
        default=0, ge=0, le=1, description="Share of weight with data below which none is published."
    )
    bands: dict[Text, float] = Field(min_length=1, description="Band → the score it begins at; the lowest at 0.")
    margin: float = Field(default=0, ge=0, description="A band is left only by more than this.")
    write: ScoreWrite | None = Field(default=None, description="Where it is written, and when.")


class Answers(Model):
    """Where answers are kept besides here."""

    write_to: tuple[Text, ...] = Field(default=(), description="CRM: the timeline. Helpdesk: the ticket it is about.")


class Action(Model):
    """What a rule does: exactly one of `open_recovery` and `notify`."""

    open_recovery: Text | None = Field(default=None, description="The playbook to open, or to join when it is open.")
    severity: Severity | None = Field(default=None, description="How bad it is; for open_recovery.")
    notify: Alert | None = Field(default=None, description="A message to people.")

    @model_validator(mode="after")
    def _one(self) -> Action:
        if (self.open_recovery is None) == (self.notify is None):
            raise ValueError("an action is either open_recovery or notify")
        if self.severity is not None and self.notify is not None:
            raise ValueError("severity belongs to open_recovery")
        return self


class Rule(Model):
    """When a response looks like this, do that."""

    name: Text = Field(description="Shown in explanations; renaming it decides nothing twice.")
    when: Text = Field(description="An expression; a missing value makes the rule not act.")
    do: tuple[Action, ...] = Field(min_length=1, description="What to do.")
    stop: bool = Field(default=False, description="True: no later rule is looked at.")


class TicketStep(Model):
    """A ticket: on the one the survey was about, else a new one."""

    connection: Text = Field(description="A helpdesk.")
    group: Text | None = Field(default=None, description="Who works on it; a template.")
    status: Text | None = Field(default=None, description="Custom status where the account has it; a template.")
    if_solved: Literal["follow_up", "reopen"] = Field(default="follow_up", description="What a solved ticket becomes.")
    priority: dict[Severity, UrgencyWord] = Field(default={}, description="Severity → the ticket's priority.")
    tags: tuple[Text, ...] = Field(default=(), description="Tags to add.")
    due: Duration | None = Field(default=None, description="How soon somebody must act.")


class TaskStep(Model):
    """A CRM task with a deadline."""

    connection: Text = Field(description="A CRM.")
    due: Duration = Field(description="How soon it is due.")
    owner: Text | None = Field(default=None, description="Whose task; a template. None: as the mapping says.")


class Step(Model):
    """One step: exactly one of `ticket` and `task`."""

    ticket: TicketStep | None = Field(default=None, description="A helpdesk ticket.")
    task: TaskStep | None = Field(default=None, description="A CRM task.")

    @model_validator(mode="after")
    def _one(self) -> Step:
        if (self.ticket is None) == (self.task is None):
            raise ValueError("a step is either a ticket or a task")
        return self


class Playbook(Model):
    """The ordered steps a recovery goes through."""

    written_steps: tuple[Step, ...] = Field(
        alias="steps", min_length=1, description="The steps, in order; one ticket at most."
    )

    @property
    def steps(self) -> tuple[TicketStep | TaskStep, ...]:
        """The steps without their wrapping."""
        return tuple(step for each in self.written_steps for step in (each.ticket, each.task) if step is not None)


class Privacy(Model):
    """Keys of the sealed columns."""

    keys: tuple[Secret, ...] = Field(min_length=1, description="The first encrypts, all decrypt.")


class Settings(Model):
    """Everything but the connections, which their adapters validate."""

    version: Literal[1] = Field(description="The version of this file's shape.")
    mode: Literal["observe", "live"] = Field(default="observe", description="observe: nothing is written elsewhere.")
    listen: ListenText = Field(default=listen("127.0.0.1:8080"), description="Where the daemon listens.")
    store: Annotated[Text, AfterValidator(_store_url)] = Field(
        description="sqlite:///file; a postgresql:// URL is taken, but not tested yet."
    )
    time_zone: Annotated[Text, AfterValidator(_time_zone)] = Field(default="UTC", description="For dates people read.")
    operators: Operators | None = Field(default=None, description="Who is told when something needs a person.")
    surveys: dict[Text, Survey] = Field(min_length=1, description="The surveys to listen to.")
    act_on: ActOn = Field(default=ActOn(), description="How old an answer may be to be acted on.")
    segments: tuple[Text, ...] = Field(default=(), description="The slices for rules, thresholds and reports.")
    analysis: Analysis = Field(default=Analysis(), description="How comments are understood.")
    thresholds: tuple[Threshold, ...] = Field(min_length=1, description="When a rating is unhappy; the narrowest wins.")
    match: Match = Field(default=Match(), description="How a person is recognised.")
    health_score: HealthScore | None = Field(default=None, description="How the health score is computed.")
    answers: Answers = Field(default=Answers(), description="Where answers are kept besides here.")
    rules: tuple[Rule, ...] = Field(default=(), description="In order; every rule that matches acts.")
    playbooks: dict[Text, Playbook] = Field(default={}, description="The steps of each kind of recovery.")
    privacy: Privacy = Field(description="Keys of the sealed columns.")


class Config(Settings):
    """The whole file, valid."""

    connections: dict[str, Connection]
