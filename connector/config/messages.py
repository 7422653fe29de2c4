"""Messages to customers as the YAML has them: steps of a playbook, and the survey that follows a recovery."""

from __future__ import annotations

import csv
import io
import re
from datetime import time
from typing import Annotated, Literal, Self

from pydantic import Field, PlainSerializer, PlainValidator, PrivateAttr, WithJsonSchema, model_validator

from connector.config.part import FilePath, Model
from connector.config.quantities import Duration, Text, duration
from connector.domain.recovery.night import Night

_NIGHT = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_COLUMN = "code"


def _night(value: object) -> Night:
    if isinstance(value, Night):
        return value
    match = _NIGHT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("expected hours such as 20:00-08:00; put them in quotes")
    begins, ends = time(int(match[1]), int(match[2])), time(int(match[3]), int(match[4]))
    if begins == ends:
        raise ValueError("a night that begins when it ends is none")
    return Night(begins=begins, ends=ends)


NightText = Annotated[
    Night,
    PlainValidator(_night),
    PlainSerializer(lambda night: f"{night.begins:%H:%M}-{night.ends:%H:%M}"),
    WithJsonSchema({"type": "string", "pattern": f"^{_NIGHT.pattern}$", "examples": ["20:00-08:00"]}),
]


class Messages(Model):
    """What holds for every message to a customer."""

    night: NightText | None = Field(
        default=None, description="No message leaves in these hours of `time_zone`, it waits for the morning."
    )


class Codes(Model):
    """Codes to give away, each once."""

    file: FilePath = Field(description="A CSV file with a column `code`, or one code a line. Append to it; reload.")
    one_per: Duration = Field(default=duration("90d"), description="An address gets one code in this time at most.")
    _listed: tuple[str, ...] = PrivateAttr(default=())

    @model_validator(mode="after")
    def _read(self) -> Self:
        try:
            text = self.file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise ValueError(f"the file {self.file.name} cannot be read: {reason}") from None
        rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text)) if any(map(str.strip, row))]
        place = rows[0].index(_COLUMN) if rows and _COLUMN in rows[0] else None
        if place is None and any(len(row) > 1 for row in rows):
            raise ValueError(f"the file {self.file.name} has several columns and none called {_COLUMN}")
        found = [row[place or 0] for row in rows[0 if place is None else 1 :] if len(row) > (place or 0)]
        self._listed = tuple(dict.fromkeys(code for code in found if code))
        return self

    @property
    def listed(self) -> tuple[str, ...]:
        """The codes, in the order of the file."""
        return self._listed


class MessageStep(Model):
    """A message to the customer, once in a recovery."""

    connection: Text = Field(description="A connection that writes to customers.")
    kind: Literal["apology", "offer", "call_back"] = Field(
        description="What it is. A call-back is not announced any more once the recovery is closed."
    )
    when: Text | None = Field(
        default=None, description="An expression: only then. A missing value makes it not go. Unset: always."
    )
    after: Duration = Field(default=duration("0s"), description="How long after the recovery began it leaves.")
    subject: Text = Field(description="A template.")
    text: Text = Field(description="A template; `${file:mappings/messages/apology.txt}` reads it from a file.")
    codes: Codes | None = Field(default=None, description="Gives the customer a code: `message.code` in the text.")

    @model_validator(mode="after")
    def _offers(self) -> Self:
        if self.codes is not None and self.kind != "offer":
            raise ValueError("codes belong to a message of kind offer")
        if self.codes is not None and "message.code" not in self.text:
            raise ValueError("a text with codes says {{ message.code }} somewhere")
        if self.codes is None and "message.code" in self.text + self.subject:
            raise ValueError("message.code needs codes: {file: codes.csv}")
        return self


class FollowUp(Model):
    """A short survey for the customer once the recovery's ticket is solved, once in a recovery."""

    connection: Text = Field(description="A connection that writes to customers.")
    after: Duration = Field(default=duration("2d"), description="How long after it was solved the message leaves.")
    survey: Text = Field(
        description="The survey's address; a template that says `{{ message.reference }}`, which its mapping reads "
        "into `interaction: {kind: recovery, id: …}`."
    )
    subject: Text = Field(description="A template.")
    text: Text = Field(description="A template that says `{{ message.link }}`.")
    within: Duration = Field(default=duration("14d"), description="How long after the message an answer still counts.")

    @model_validator(mode="after")
    def _leads_back(self) -> Self:
        if "message.reference" not in self.survey:
            raise ValueError("the survey's address says {{ message.reference }} somewhere, or no answer leads back")
        if not self.survey.startswith(("https://", "http://")):
            raise ValueError("the survey's address starts with https://")
        if "message.link" not in self.text:
            raise ValueError("the text says {{ message.link }} somewhere, or nobody finds the survey")
        return self
