"""How the rows of a shop's records are read: the keys that connections of kind `csv` and `sql` share."""

from __future__ import annotations

from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from connector.config.directory import Column
from connector.config.part import Model
from connector.config.quantities import Duration, Region, Text, ZoneName, duration
from connector.domain.mapping.interactions import RecordMapping


class Columns(Model):
    """Which column holds what. A row needs an id and a time; what has no column is not known."""

    id: Column = Field(description="The record's id, which answers name: R-1042.")
    occurred_at: Column = Field(description="When it happened: a date or a time.")
    kind: Column | None = Field(default=None, description="What it is, where not all rows are of one kind.")
    service: Column | None = Field(default=None, description="Which service.")
    location: Column | None = Field(default=None, description="Where.")
    staff: Column | None = Field(default=None, description="Who served.")
    channel: Column | None = Field(default=None, description="Through which channel.")
    amount: Column | None = Field(default=None, description="What was paid.")
    crm_id: Column | None = Field(default=None, description="The customer's id in the CRM.")
    email: Column | None = Field(default=None, description="The customer's e-mail address.")
    phone: Column | None = Field(default=None, description="The customer's phone number.")
    invited_at: Column | None = Field(default=None, description="When the customer was asked for an answer.")


class RecordKeys(Model):
    """The keys of every connection that reads records by column."""

    columns: Columns = Field(description="Which column holds what.")
    of_kind: Text = Field(default="repair order", description="What a row is, where no column says so.")
    time_zone: ZoneName = Field(default="UTC", description="Of times without an offset.")
    decimal: Literal[".", ","] = Field(default=".", description="What stands before the cents of an amount.")
    phone_region: Region | None = Field(
        default=None, description="Country whose national phone numbers are understood."
    )

    @property
    def record_mapping(self) -> RecordMapping:
        """The same, to read rows with."""
        return RecordMapping(
            columns={name: str(column) for name, column in self.columns.model_dump(exclude_none=True).items()},
            kind=self.of_kind,
            zone=ZoneInfo(self.time_zone),
            decimal=self.decimal,
            phone_region=self.phone_region,
        )


class InteractionsKeys(Model):
    """Records of what answers are about: they win over what a form says, and tell who was invited and comes back."""

    source: tuple[Text, ...] = Field(alias="from", min_length=1, description="Connections that keep records.")
    every: Duration = Field(default=duration("15m"), description="How often they are looked at.")
