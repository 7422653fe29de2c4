"""The shapes of the files under `mappings/`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from connector.config.part import Model
from connector.config.quantities import Region, ScaleText, Text
from connector.domain.model.response import Metric, Polarity

# Where the expressions and templates of each kind of file stand.
SURVEY_EXPRESSIONS = (
    ("ratings", "*", "value"),
    ("comment",),
    ("respondent", "*"),
    ("interaction", "*"),
    ("segments", "*"),
    ("consent",),
    ("language",),
)
# Within a section.
FIELD_EXPRESSIONS = (("*", "value"),)
FIELD_TEMPLATES = (("*",), ("*", "text"))


class RatingKeys(Model):
    """One rating of the survey."""

    metric: Metric = Field(description="What it measures: csat, nps or ces.")
    value: Text = Field(description="Where the answer is found: an expression.")
    scale: ScaleText = Field(description="The scale it was given on.")
    best: Polarity = Field(default=Polarity.HIGH_IS_BEST, description="Which end of the scale is good.")
    about: Text = Field(default="overall", description="What was rated.")


class RespondentKeys(Model):
    """Who answered; each an expression."""

    invitation: Text | None = Field(default=None, description="The id of the invitation the link carried.")
    crm_id: Text | None = Field(default=None, description="The contact's id in the CRM.")
    email: Text | None = Field(default=None, description="E-mail address.")
    phone: Text | None = Field(default=None, description="Phone number.")
    name: Text | None = Field(default=None, description="Full name.")
    company: Text | None = Field(default=None, description="Company.")
    postcode: Text | None = Field(default=None, description="Postcode; helps to tell people of one name apart.")


class InteractionKeys(Model):
    """What the survey is about; each an expression."""

    id: Text | None = Field(default=None, description="The ticket's, order's or chat's id.")
    kind: Text | None = Field(default=None, description="`ticket`, `repair_order`, ….")
    occurred_at: Text | None = Field(default=None, description="When it happened: an ISO date or instant.")
    service: Text | None = Field(default=None, description="Which service.")
    location: Text | None = Field(default=None, description="Where.")
    staff: Text | None = Field(default=None, description="Who served.")
    channel: Text | None = Field(default=None, description="Through which channel.")


class SurveyFile(Model):
    """A survey mapping."""

    ratings: tuple[RatingKeys, ...] = Field(min_length=1, description="The ratings; at least one must be answered.")
    comment: Text | None = Field(default=None, description="What the customer wrote: an expression.")
    respondent: RespondentKeys = Field(default=RespondentKeys(), description="Who answered.")
    interaction: InteractionKeys = Field(default=InteractionKeys(), description="What the survey is about.")
    segments: dict[Text, Text] = Field(default={}, description="Configured segment → expression.")
    consent: Text | None = Field(default=None, description="May we contact them: an expression, yes or no.")
    language: Text | None = Field(default=None, description="The comment's language where the tool knows it.")
    phone_region: Region | None = Field(
        default=None, description="Country whose national phone numbers are understood."
    )


class FieldKeys(Model):
    """One vendor field: exactly one of `value`, `text` and `literal`, and its policies."""

    value: Text | None = Field(default=None, description="An expression; keeps its type.")
    text: Text | None = Field(default=None, description="A template.")
    literal: str | int | float | bool | list[str] | None = Field(default=None, description="Itself, braces and all.")
    when_null: Literal["skip", "clear"] = Field(default="skip", description="What a missing value does.")
    if_blank: bool = Field(default=False, description="Write only where the field is empty there.")
    ours: bool = Field(default=False, description="Also overwrite what a person changed there.")

    @model_validator(mode="after")
    def _one(self) -> FieldKeys:
        if sum(each is not None for each in (self.value, self.text, self.literal)) != 1:
            raise ValueError("expected exactly one of value, text and literal")
        return self


def _written_short(value: Any) -> Any:
    """A text by itself is a template, a number or a truth value is itself."""
    if isinstance(value, str):
        return {"text": value}
    return {"literal": value} if isinstance(value, int | float) else value


Section = dict[Text, Annotated[FieldKeys, BeforeValidator(_written_short)]]


class FieldsFile(Model):
    """A mapping of decided values to a vendor's fields, by what is written."""

    contact: Section = Field(default={}, description="A contact, only when it has to be created.")
    contact_fields: Section = Field(default={}, description="Fields of an existing contact.")
    activity: Section = Field(default={}, description="One answer on the contact's timeline.")
    task: Section = Field(default={}, description="The playbook's task.")
    ticket: Section = Field(default={}, description="A recovery's ticket.")
    note: Section = Field(default={}, description="A further or edited answer, on the recovery's ticket.")
    answer: Section = Field(default={}, description="An answer about a ticket, on that ticket.")
