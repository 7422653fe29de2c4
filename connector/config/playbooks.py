"""Rules and playbooks as the YAML has them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from connector.config.part import Model
from connector.config.quantities import Duration, Text
from connector.domain.model.recovery import Severity

UrgencyWord = Literal["low", "normal", "high", "urgent"]


class Notify(Model):
    """One message to people."""

    connection: Text = Field(description="A connection that can notify.")
    channel: Text = Field(description="Where to, in that system's words; a template in rules.")


class Alert(Notify):
    """A message of a rule."""

    text: Text = Field(description="A template; a missing value prints nothing.")


class Start(Model):
    """One event to another program."""

    workflow: Text = Field(description="A connection of kind workflow.")
    event: Text = Field(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$", description="The event's type, which the receiver tells apart by."
    )
    data: dict[Text, Text] = Field(description="What the event says: name → expression; a missing value is null.")


class Action(Model):
    """What a rule does: exactly one of `open_recovery`, `notify` and `start`."""

    open_recovery: Text | None = Field(default=None, description="The playbook to open, or to join when it is open.")
    severity: Severity | None = Field(default=None, description="How bad it is; for open_recovery.")
    notify: Alert | None = Field(default=None, description="A message to people.")
    start: Start | None = Field(default=None, description="An event to another program.")

    @model_validator(mode="after")
    def _one(self) -> Action:
        if [self.open_recovery, self.notify, self.start].count(None) != 2:
            raise ValueError("an action is one of open_recovery, notify and start")
        if self.severity is not None and self.open_recovery is None:
            raise ValueError("severity belongs to open_recovery")
        return self


class Rule(Model):
    """When a response looks like this, do that."""

    name: Text = Field(description="Shown in explanations; renaming it decides nothing twice.")
    on: Literal["answer", "score"] = Field(
        default="answer",
        description=(
            "answer: looked at for every answer. score: looked at when a health score is computed; it acts when `when` "
            "begins to hold, once, and can `notify` and `start`."
        ),
    )
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
