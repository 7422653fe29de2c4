"""Figures as the YAML has them: reports and their targets, when managers are told about staff, services and places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from connector.config.document import Path_
from connector.config.findings import Findings, matches
from connector.config.part import Model
from connector.config.playbooks import Alert
from connector.config.quantities import Duration, Percent, Text, duration
from connector.domain.expressions import compile_template
from connector.domain.model.context import Names
from connector.domain.model.nearest import nearest
from connector.domain.model.response import Metric
from connector.domain.reporting import names, period
from connector.errors import ExpressionError

OURS: Final = ("service", "location", "staff", "channel", "survey")
"""Slices every answer may have, besides the configured segments."""


def _written(value: object) -> object:
    """A year without quotes is a number for YAML, and a day a date."""
    is_bare = isinstance(value, int | date) and not isinstance(value, bool)
    return str(value) if is_bare else value


def _dated(text: str) -> str:
    try:
        period.dated(text)
    except ValueError:
        raise ValueError(f"{period.EXPECTED_DATED}") from None
    return text


def _one_or_several(value: object) -> object:
    return [value] if isinstance(value, str) else value


class Targets(Model):
    """What is aimed at, by figure. Reports say whether it was reached."""

    csat: float | None = Field(default=None, description="The mean, on the survey's scale.")
    share_satisfied: Percent | None = Field(default=None, description="Satisfied CSAT ratings: 4 and 5 on 1-5.")
    nps: float | None = Field(default=None, ge=-100, le=100, description="Promoters less detractors, in points.")
    ces: float | None = Field(default=None, description="The mean, on the survey's scale.")
    unhappy: Percent | None = Field(default=None, description="Unhappy answers, at most.")
    response_rate: Percent | None = Field(default=None, description="Of those invited, who answered.")
    first_touch: Duration | None = Field(default=None, description="Until somebody did something, at most; the median.")
    steps_in_time: Percent | None = Field(default=None, description="Steps done by their deadline.")
    recoveries_in_time: Percent | None = Field(default=None, description="Recoveries with every step in time.")
    resolution: Duration | None = Field(default=None, description="Until it was closed, at most; the median.")
    recovery_rate: Percent | None = Field(default=None, description="Closed recoveries that were won back.")
    engagement: Percent | None = Field(default=None, description="Follow-up surveys that were answered.")
    repeat_rate: Percent | None = Field(default=None, description="Customers who came again.")

    @property
    def numbers(self) -> dict[str, float]:
        """Figure → target; seconds for a span of time."""
        given = {name: getattr(self, name) for name in type(self).model_fields}
        return {
            name: value.total_seconds() if isinstance(value, timedelta) else float(value)
            for name, value in given.items()
            if value is not None
        }


class Mail(Model):
    """A report that is sent for each value of a segment, of the last whole week or month."""

    connection: Text = Field(description="A connection that can notify.")
    to: Text = Field(description="Where to, a template: `{{ place.manager_email }}`. Nothing: the operators get it.")
    every: Literal["week", "month", "quarter"] = Field(default="week", description="How often, and of how long.")
    by: Text = Field(description="A segment: one report for each of its values.")


class Report(Model):
    """What `connector report` says."""

    minimum: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Nothing is said about fewer. Unset: as `privacy.minimum_n`, which it may only raise."
    )
    targets: Targets = Field(default=Targets(), description="What is aimed at.")
    baseline: Annotated[Text, BeforeValidator(_written), AfterValidator(_dated)] | None = Field(
        default=None, description="What it is compared with: 2026, 2026-Q1, 2026-11, 2026-W48 or 2026-01-01/2026-03-31."
    )
    by: Annotated[tuple[Text, ...], BeforeValidator(_one_or_several)] = Field(
        default=(), description="The segments it is broken down by."
    )
    mail: tuple[Mail, ...] = Field(default=(), description="Reports that are sent by themselves.")


class Coaching(Model):
    """Several low scores of one of staff in a while: whoever leads them is told, once."""

    by: Text = Field(default="staff", description="The segment that says who handled it.")
    low: int = Field(default=3, ge=2, description="From so many unhappy answers on.")
    within: Duration = Field(default=duration("7d"), description="In this long.")
    minimum: int = Field(default=3, ge=2, description="Only of somebody with at least so many answers in that time.")
    not_for: tuple[Text, ...] = Field(
        default=(), description="Themes they cannot do anything about: answers that name one do not count."
    )
    notify: Alert = Field(description="What is said, and where; a template. Nobody there: the operators are told.")


class Trend(Model):
    """A service, a place or both whose score is low, or falls, for weeks. Looked at once a week."""

    by: Annotated[tuple[Text, ...], BeforeValidator(_one_or_several)] = Field(
        min_length=1, description="A segment, or several: each combination of their values."
    )
    metric: Metric = Field(default=Metric.CSAT, description="Which ratings, about `overall`.")
    weeks: int = Field(default=3, ge=1, le=26, description="Whole weeks in a row.")
    below: float | None = Field(default=None, description="The mean (of NPS: the score) is below this in each of them.")
    drop: float | None = Field(
        default=None, gt=0, description="Over all of them it is this much lower than over as many weeks before."
    )
    minimum: int = Field(default=10, ge=2, description="With so many answers: in each week; with `drop`, on each side.")
    notify: Alert = Field(description="What is said, and where; a template. Nobody there: the operators are told.")

    @model_validator(mode="after")
    def _one(self) -> Trend:
        if (self.below is None) == (self.drop is None):
            raise ValueError("expected exactly one of below and drop")
        return self


SEGMENTS: Final[Sequence[Sequence[str]]] = (
    ("report", "by"),
    ("report", "by", "*"),
    ("report", "mail", "*", "by"),
    ("coaching", "*", "by"),
    ("trends", "*", "by"),
    ("trends", "*", "by", "*"),
)
CONNECTIONS: Final[Sequence[Sequence[str]]] = (
    ("report", "mail", "*", "connection"),
    ("coaching", "*", "notify", "connection"),
    ("trends", "*", "notify", "connection"),
)
TEMPLATES: Final[Mapping[str, Sequence[Sequence[str]]]] = {
    "coaching": (("coaching", "*", "notify", "channel"), ("coaching", "*", "notify", "text")),
    "trend": (("trends", "*", "notify", "channel"), ("trends", "*", "notify", "text")),
    "report": (("report", "mail", "*", "to"),),
}


def segments(tree: Any, configured: Sequence[str], findings: Findings) -> None:
    """Every segment that is reported by exists."""
    known = list(dict.fromkeys([*OURS, *configured]))
    for pattern in SEGMENTS:
        for path, name in matches(tree, pattern):
            if isinstance(name, str) and name not in known:
                findings.add(path, f"there is no segment {name!r}", nearest(name, known))


def themes(tree: Any, known: Sequence[str] | None, findings: Findings) -> None:
    """Every theme that is left out exists. None: nobody knows them, as their file is broken."""
    for path, name in matches(tree, ("coaching", "*", "not_for", "*")):
        if isinstance(name, str) and known is not None and name not in known:
            findings.add(path, f"there is no theme {name!r}", nearest(name, known))


def minimum(tree: Any, findings: Findings) -> None:
    """A report tells no more than privacy allows."""
    least = next((each for _, each in matches(tree, ("privacy", "minimum_n"))), 5)
    for path, given in matches(tree, ("report", "minimum")):
        if isinstance(given, int) and isinstance(least, int) and given < least:
            findings.add(path, f"`privacy.minimum_n` is {least}: a report may only hide more")


def texts(tree: Any, configured: Sequence[str], lists: Mapping[str, Names], findings: Findings) -> None:
    """Every text can be read and uses names that exist. `lists` are the columns of the directory."""
    for place, patterns in TEMPLATES.items():
        known = names.names_in(place, configured, lists)
        for pattern in patterns:
            for path, text in matches(tree, pattern):
                if isinstance(text, str) and text.strip():
                    _text(path, text, known, findings)


def _text(path: Path_, text: str, known: Names, findings: Findings) -> None:
    try:
        compile_template(text, known)
    except ExpressionError as error:
        findings.add(path, error.message, error.suggestion, line=error.line)
