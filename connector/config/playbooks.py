"""Rules and playbooks as the YAML has them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from connector.config.messages import FollowUp, MessageStep
from connector.config.part import Model
from connector.config.quantities import Duration, Text
from connector.config.steps import HOURS, Closing, ExpectStep, Hours, NotifyStep, Owners, Rung
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
    hours: Hours = Field(default="open", description=HOURS)


class TaskStep(Model):
    """A CRM task with a deadline, done when it is completed there."""

    name: Text = Field(default="task", description="What is to be done, as people read it.")
    connection: Text = Field(description="A CRM.")
    due: Duration = Field(description="How soon it is due.")
    hours: Hours = Field(default="open", description=HOURS)
    owner: Text | None = Field(default=None, description="Whose task; a template. None: as the mapping says.")
    late: tuple[Rung, ...] = Field(default=(), description="What happens when it is late, rung by rung.")


AnyStep = TicketStep | TaskStep | ExpectStep | NotifyStep | MessageStep


class Step(Model):
    """One step: exactly one of its keys."""

    ticket: TicketStep | None = Field(default=None, description="A helpdesk ticket.")
    task: TaskStep | None = Field(default=None, description="A CRM task.")
    expect: ExpectStep | None = Field(default=None, description="Something people do on the ticket.")
    notify: NotifyStep | None = Field(default=None, description="A message to people.")
    message: MessageStep | None = Field(default=None, description="A message to the customer.")

    @property
    def kinds(self) -> tuple[AnyStep | None, ...]:
        """What it may be, of which one is there."""
        return (self.ticket, self.task, self.expect, self.notify, self.message)

    @model_validator(mode="after")
    def _one(self) -> Step:
        if sum(kind is not None for kind in self.kinds) != 1:
            raise ValueError("a step is one of ticket, task, expect, notify and message")
        return self


class Playbook(Model):
    """The ordered steps a recovery goes through."""

    calendar: Text | None = Field(
        default=None, description="Whose open time counts: a calendar, or a template such as `{{ place.calendar }}`."
    )
    owner: Owners | None = Field(default=None, description="Whose recovery it is: `recovery.owner` in its texts.")
    pause_while: tuple[Text, ...] = Field(
        default=(), description="Statuses of the ticket in which deadlines stand still: `[pending]`."
    )
    close: Closing = Field(default=Closing(), description="What it needs to be closed.")
    written_steps: tuple[Step, ...] = Field(
        alias="steps", min_length=1, description="The steps, in order; one ticket at most."
    )
    follow_up: FollowUp | None = Field(default=None, description="How the customer is asked how it went.")

    @property
    def steps(self) -> tuple[AnyStep, ...]:
        """The steps without their wrapping."""
        return tuple(step for each in self.written_steps for step in each.kinds if step is not None)

    @model_validator(mode="after")
    def _names(self) -> Playbook:
        steps = [step for step in self.steps if isinstance(step, ExpectStep | TaskStep)]
        names = [step.name for step in steps if "name" in step.model_fields_set]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two steps are called {name!r}")
        for number, step in enumerate(self.steps):
            wanted = step.after if isinstance(step, ExpectStep | NotifyStep) else None
            earlier = [each.name for each in self.steps[:number] if isinstance(each, ExpectStep | TaskStep)]
            if wanted is not None and wanted not in earlier:
                raise ValueError(f"no step before it is called {wanted!r}")
        return self
