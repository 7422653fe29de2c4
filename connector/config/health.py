"""The health score as the YAML has it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from connector.config.part import Model
from connector.config.quantities import Duration, Text, duration
from connector.domain.model.response import Metric
from connector.domain.scoring.config import Measure, Missing

ContactField = Annotated[Text, StringConstraints(pattern=r"^[A-Za-z]\w*$")]


class Component(Model):
    """One part of the health score."""

    weight: float = Field(gt=0, description="Its weight relative to the others.")
    source: Text = Field(
        alias="from",
        description="`answers`, `sentiment`, `interactions` (visits on record), or a connection it is read from.",
    )
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
    window: Duration | None = Field(default=None, description="Only facts this recent count; for `count` and `amount`.")
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
    companies: dict[Text, ContactField] = Field(
        default={},
        description=(
            "CRM connection → the field of its contacts with their company's id (Salesforce: `AccountId`, HubSpot: "
            "`associatedcompanyid`): `connector score --company` rolls scores up by it."
        ),
    )
    write: ScoreWrite | None = Field(default=None, description="Where it is written, and when.")
