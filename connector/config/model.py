"""The YAML as frozen models. Unknown keys are refused; every description here is the reference's text."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints
from pydantic_core.core_schema import ValidationInfo

from connector.config.calendars import Calendar
from connector.config.connections import Connection
from connector.config.directory import DirectoryKeys
from connector.config.engine import Engine
from connector.config.health import HealthScore
from connector.config.messages import Messages, NightText
from connector.config.part import SQLITE, FilePath, Model, beside_the_file
from connector.config.playbooks import Notify, Playbook, Rule
from connector.config.quantities import (
    Duration,
    ListenText,
    Percent,
    ScaleText,
    Text,
    ZoneName,
    duration,
    listen,
)
from connector.config.records import InteractionsKeys
from connector.config.reporting import Coaching, Report, Trend
from connector.domain.model.person import KeyKind
from connector.domain.model.response import Metric
from connector.secret import Secret


def _store_url(url: str, info: ValidationInfo) -> str:
    if url.startswith(("postgresql://", "postgresql+psycopg://")):
        return url
    if not url.startswith(SQLITE) or url == SQLITE:
        raise ValueError("expected sqlite:///file.db or postgresql://host/database")
    return SQLITE + str(beside_the_file(Path(url.removeprefix(SQLITE)), info))


Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")]


def _public_url(url: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", url):
        raise ValueError("expected an address such as https://csat.example.com")
    return url.rstrip("/")


class Operators(Model):
    """Who is told when something needs a person."""

    notify: Notify = Field(description="Where operators read.")


class Survey(Model):
    """One survey: where its answers come from and how they are read."""

    source: Text = Field(alias="from", description="A connection answers come from.")
    forms: tuple[Text, ...] = Field(min_length=1, description="The survey's ids there.")
    mapping: FilePath = Field(description="How a record becomes a response.")
    poll: Duration | None = Field(
        default=None, description="Also fetch what is new, this often: what webhooks missed is not lost."
    )
    since: date | None = Field(default=None, description="With `poll`: fetch no answers older than this day.")


class ActOn(Model):
    """Older answers feed scores, never alarms."""

    answered_within: Duration = Field(default=duration("7d"), description="Older answers open nothing.")
    notify_within: Duration = Field(default=duration("4h"), description="Older answers send no message.")
    quiet: NightText | None = Field(
        default=None,
        description="At night messages wait for the morning, those about something critical excepted: `22:00-07:00`.",
    )


class Storm(Model):
    """When so many answers are unhappy that a scale is rather read the wrong way round; then work is held."""

    unhappy_share: Percent = Field(
        default=0.7, description="From this share of a survey's newest answers on, what they lead to is held."
    )
    answers: Annotated[int, Field(ge=10, le=1000)] = Field(default=50, description="How many of the newest to look at.")
    hold: bool = Field(default=True, description="false: nothing is ever held for this.")


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


class Fuzzy(Model):
    """What is done about contacts that look like somebody whom no exact key finds."""

    do: Literal["suggest", "link", "no"] = Field(
        default="suggest",
        description=(
            "suggest: the link is held and the contacts are shown to people. link: the best one is linked where it is "
            "certain enough and stands out, else as suggest. no: likeness is not looked at."
        ),
    )
    score: int = Field(
        default=92,
        ge=70,
        le=100,
        description="How certain (0–100) the best contact must be to be linked; `connector match report` counts by it.",
    )
    margin: int = Field(default=10, ge=0, le=100, description="How much more certain it must be than the next best.")


class Match(Model):
    """How a person is recognised."""

    keys: tuple[KeyKind, ...] = Field(default=tuple(KeyKind), min_length=1, description="Exact keys, in this order.")
    fuzzy: Fuzzy = Field(default=Fuzzy(), description="Contacts that look like somebody no key finds.")
    missing: Literal["create", "hold", "ignore"] = Field(
        default="create", description="What to do about the CRM record of somebody nobody knows."
    )


class Answers(Model):
    """Where answers are kept besides here."""

    write_to: tuple[Text, ...] = Field(default=(), description="CRM: the timeline. Helpdesk: the ticket it is about.")


class AnswersKept(Model):
    """How long answers are somebody's."""

    anonymize_after: Duration | None = Field(
        default=duration("3y"),
        description=(
            "After that an answer is nobody's: its ratings and segments stay, the person and words go; "
            "and what happened so long ago by a shop's records is forgotten."
        ),
    )


class Retention(Model):
    """How long what was said is kept, by what it is; counted from when it came here. `null`: for ever."""

    payloads: Duration | None = Field(default=duration("30d"), description="Deliveries as they arrived, byte for byte.")
    comments: Duration | None = Field(default=duration("1y"), description="What people wrote, and texts made of it.")
    answers: AnswersKept = Field(default=AnswersKept(), description="Answers as a whole.")


class Privacy(Model):
    """What is kept of people, how long, and under which keys."""

    keys: tuple[Secret, ...] = Field(min_length=1, description="The first encrypts, all decrypt.")
    retention: Retention = Field(default=Retention(), description="How long what was said is kept.")
    tombstones: FilePath | None = Field(
        default=None,
        description=(
            "The file that keeps erased people erased when a backup is restored: leave it out of backups. "
            "Unset: beside a SQLite store, its name with `.erased`; for a server, none."
        ),
    )
    messages_need: Literal["consent", "none-needed"] = Field(
        default="consent",
        description=(
            "consent: only customers whose answer says that they may be contacted get messages. none-needed: also "
            "those who were not asked; never those who said no, nor those who opted out."
        ),
    )
    minimum_n: int = Field(
        default=5,
        ge=1,
        description="Of a group with fewer answers reports print no figure: it would be one about somebody. 1: of all.",
    )


class Settings(Model):
    """Everything but the connections, which their adapters validate."""

    version: Literal[1] = Field(description="The version of this file's shape.")
    mode: Literal["observe", "live"] = Field(default="observe", description="observe: nothing is written elsewhere.")
    listen: ListenText = Field(default=listen("127.0.0.1:8080"), description="Where the daemon listens.")
    public_url: Annotated[Text, AfterValidator(_public_url)] | None = Field(
        default=None, description="Where survey tools reach the daemon from outside; `webhooks install` needs it."
    )
    store: Annotated[Text, AfterValidator(_store_url)] = Field(
        description="sqlite:///file, or postgresql://user:password@host/database for several machines."
    )
    engine: Engine = Field(default=Engine(), description="What does the work that is due.")
    time_zone: ZoneName = Field(default="UTC", description="For dates people read.")
    operators: Operators | None = Field(default=None, description="Who is told when something needs a person.")
    surveys: dict[Text, Survey] = Field(min_length=1, description="The surveys to listen to.")
    act_on: ActOn = Field(default=ActOn(), description="How old an answer may be to be acted on.")
    storm: Storm = Field(default=Storm(), description="When unhappy answers are too many to be true.")
    directory: DirectoryKeys = Field(default=DirectoryKeys(), description="Places and staff.")
    interactions: InteractionsKeys | None = Field(default=None, description="Records of what answers are about.")
    segments: tuple[Text, ...] = Field(default=(), description="The slices for rules, thresholds and reports.")
    analysis: Analysis = Field(default=Analysis(), description="How comments are understood.")
    thresholds: tuple[Threshold, ...] = Field(min_length=1, description="When a rating is unhappy; the narrowest wins.")
    match: Match = Field(default=Match(), description="How a person is recognised.")
    health_score: HealthScore | None = Field(default=None, description="How the health score is computed.")
    answers: Answers = Field(default=Answers(), description="Where answers are kept besides here.")
    rules: tuple[Rule, ...] = Field(default=(), description="In order; every rule that matches acts.")
    calendars: dict[Text, Calendar] = Field(default={}, description="When people work; playbooks name them.")
    messages: Messages = Field(default=Messages(), description="What holds for every message to a customer.")
    playbooks: dict[Text, Playbook] = Field(default={}, description="The steps of each kind of recovery.")
    report: Report = Field(default=Report(), description="What `connector report` says.")
    coaching: tuple[Coaching, ...] = Field(
        default=(), description="When somebody's low scores are told to who leads them."
    )
    trends: tuple[Trend, ...] = Field(default=(), description="When a score that stays low, or falls, is told.")
    privacy: Privacy = Field(description="Keys of the sealed columns.")


class Config(Settings):
    """The whole file, valid."""

    connections: dict[str, Connection]
