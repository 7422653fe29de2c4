"""What steps of a playbook wait for, and what happens when they are late."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from connector.config.part import Model
from connector.config.quantities import Duration, Text, duration
from connector.domain.model.recovery import Severity


class Message(Model):
    """One message to people who work on the recovery."""

    connection: Text = Field(description="A connection that can notify.")
    channel: Text = Field(description="Where to, in that system's words; a template.")
    text: Text = Field(description="A template; a missing value prints nothing.")


class Rung(Model):
    """One rung of the ladder a missed step climbs."""

    after: Duration = Field(default=duration("0s"), description="How long after the deadline, in the step's hours.")
    notify: Message | None = Field(default=None, description="A message to people.")
    severity: Severity | None = Field(default=None, description="The recovery becomes at least this severe.")
    owner: Text | None = Field(default=None, description="Whose recovery it becomes; a template.")

    @model_validator(mode="after")
    def _some(self) -> Rung:
        if self.notify is None and self.severity is None and self.owner is None:
            raise ValueError("a rung does something: notify, severity or owner")
        return self


class Proof(Model):
    """What shows that a step was done: every key that is written must hold."""

    status: tuple[Text, ...] = Field(default=(), description="The ticket has one of these statuses.")
    assigned: bool = Field(default=False, description="true: somebody is assigned to the ticket.")
    tag: Text | None = Field(default=None, description="The ticket carries this tag.")
    field: dict[Text, Text] = Field(default={}, description="The ticket's field has this value; `*`: any.")
    note: Text | None = Field(default=None, description="A private note on the ticket has this word, `#reviewed`.")

    @model_validator(mode="after")
    def _some(self) -> Proof:
        if not (self.status or self.assigned or self.tag or self.field or self.note):
            raise ValueError("what shows that it was done: status, assigned, tag, field or note")
        return self


Hours = Literal["open", "all"]
HOURS = "open: the calendar's open time counts. all: every hour does."


class ExpectStep(Model):
    """Something people do on the recovery's ticket, within a time."""

    name: Text = Field(description="What is to be done, as people read it.")
    who: Text | None = Field(default=None, description="Who is to do it, as people read it; a template.")
    within: Duration = Field(description="How soon.")
    hours: Hours = Field(default="open", description=HOURS)
    until: Proof = Field(description="What shows that it was done.")
    after: Text | None = Field(default=None, description="The step it begins after. Unset: with the recovery.")
    late: tuple[Rung, ...] = Field(default=(), description="What happens when it is late, rung by rung.")


class NotifyStep(Message):
    """A message to people when the recovery begins, or after another step."""

    after: Text | None = Field(default=None, description="The step it is sent after. Unset: with the recovery.")


class Owners(Model):
    """Whose a recovery is: exactly one way to find out."""

    turn: tuple[Text, ...] = Field(default=(), description="Each in turn.")
    by: Text | None = Field(
        default=None, description="A template such as `{{ contact.owner }}`, `{{ place.manager }}`."
    )

    @model_validator(mode="after")
    def _one(self) -> Owners:
        if bool(self.turn) == (self.by is not None):
            raise ValueError("the owner is found by one of turn and by")
        return self


class Closing(Model):
    """What a recovery needs to be closed."""

    needs: tuple[Literal["root_cause", "action_taken"], ...] = Field(
        default=(), description="Without it a solved ticket does not close the recovery; its owner is asked for it."
    )
    root_causes: tuple[Text, ...] = Field(default=(), description="The causes to choose from. Empty: any text.")
    root_cause_field: Text | None = Field(default=None, description="The ticket's field that holds the cause.")
    action_field: Text | None = Field(default=None, description="The ticket's field that holds what was done.")
    ask: Message | None = Field(default=None, description="The message that asks for what is missing.")
