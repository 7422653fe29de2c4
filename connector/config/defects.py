"""Which themes become issues of a tracker, as the YAML has it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from connector.config.part import Model
from connector.config.quantities import Duration, Text, duration
from connector.domain.model.recovery import Severity

ANY = "*"
Label = Annotated[Text, StringConstraints(pattern=r"^[^\s,]{1,50}$")]


class DefectWhen(Model):
    """How much it takes until a theme is a defect."""

    answers: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=5, description="Answers and tickets that speak of it."
    )
    people: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=3, description="Different people among them; who is not known counts as nobody."
    )
    within: Duration = Field(default=duration("14d"), description="Older answers do not count towards opening it.")


class Defect(Model):
    """Themes that become issues: each theme one issue, which grows, and is opened again when the theme returns."""

    tracker: Text = Field(description="A connection that has issues.")
    theme: Text = Field(
        default=ANY, description="Which theme; `*`: each of those that no other entry of this tracker names."
    )
    when: DefectWhen = Field(default=DefectWhen(), description="How much it takes.")
    grows_by: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=5, description="So many more answers are worth a comment on the issue."
    )
    severity: dict[Severity, Annotated[int, Field(ge=1)]] = Field(
        default={}, description="Severity → from how many people on; said in the title."
    )
    labels: tuple[Label, ...] = Field(default=(), description="Labels of a new issue; no blanks and commas in them.")
    reopen_within: Duration = Field(
        default=duration("90d"), description="A theme that returns so soon after closing reopens its issue."
    )
