"""Tests users write for playbooks and calendars: what is due when, and what happens when nobody does it."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from connector.config.part import Model
from connector.config.quantities import Duration, Text
from connector.domain.model.recovery import Severity, Stage

_FORM = "%Y-%m-%d %H:%M"


def _wall(value: object) -> datetime:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    try:
        return datetime.strptime(str(value), _FORM)  # noqa: DTZ007  # a wall clock's, in the zone of whoever reads it
    except ValueError:
        raise ValueError("expected a day and a time such as 2026-11-27 17:45") from None


WallTime = Annotated[
    datetime,
    BeforeValidator(_wall),
    PlainSerializer(lambda value: f"{value:{_FORM}}"),
    WithJsonSchema({"type": "string", "examples": ["2026-11-27 17:45"]}),
]
Count = Annotated[int, Field(ge=0)]


class CalendarTest(Model):
    """One test of a calendar: when so much of its open time has passed."""

    name: Text = Field(description="What it shows; printed when it fails.")
    calendar: Text = Field(description="One of the configuration's calendars.")
    start: WallTime = Field(alias="from", description="When the time begins, by the calendar's wall clock.")
    within: Duration = Field(description="How much open time.")
    due: WallTime = Field(description="When it has passed, by the same clock.")


class SeenTicket(Model):
    """What the helpdesk reports of the recovery's ticket."""

    status: Text = Field(default="open", description="new, open, pending, hold, solved or closed.")
    shown: Text | None = Field(default=None, description="Its custom status.")
    assigned: bool = Field(default=False, description="Whether somebody has it.")
    tags: tuple[Text, ...] = Field(default=(), description="Its tags.")
    fields: dict[Text, Text] = Field(default={}, description="Its fields.")
    notes: tuple[Text, ...] = Field(default=(), description="Its private notes.")


class ExpectedThen(Model):
    """What is compared; what is left out is not."""

    messages: Count | None = Field(default=None, description="Messages of its steps so far.")
    channels: tuple[Text, ...] | None = Field(default=None, description="Where they went, in order.")
    waits_for: tuple[Text, ...] | None = Field(default=None, description="Steps that are still to be done, in order.")
    late: tuple[Text, ...] | None = Field(default=None, description="Steps that missed their deadline, in order.")
    severity: Severity | None = Field(default=None, description="How bad it is.")
    stage: Stage | None = Field(default=None, description="How far it is, or how it ended.")
    owner: Text | None = Field(default=None, description="Whose it is; `null`: nobody's.")


class Moment(Model):
    """Some time after the answer: what is seen then, and what is expected afterwards."""

    after: Duration = Field(description="How long after the answer.")
    ticket: SeenTicket | None = Field(default=None, description="The ticket is seen so.")
    done: Text | None = Field(default=None, description="This step's task is completed.")
    expect: ExpectedThen = Field(default=ExpectedThen(), description="What holds then.")


class Times(Model):
    """When the answer of a test comes."""

    at: WallTime = Field(description="By the wall clock of `time_zone`.")
    then: tuple[Moment, ...] = Field(min_length=1, description="What happens afterwards, in order.")

    @model_validator(mode="after")
    def _in_order(self) -> Times:
        if any(earlier.after > later.after for earlier, later in pairwise(self.then)):
            raise ValueError("what happens afterwards is told in order: each `after` at least the one before")
        return self
