"""One configured adapter: the keys every connection takes, whatever its kind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from connector.config.part import FilePath, Model
from connector.config.quantities import Duration, Percent, Rate, RateText, Text, duration, rate, shown_rate
from connector.domain.model.intent import WriteKind

CeilingName = Literal["new_tickets", "new_tasks", "new_contacts", "new_alerts", "new_events", "new_messages"]
CEILINGS: Mapping[CeilingName, WriteKind] = {
    "new_tickets": WriteKind.TICKET,
    "new_tasks": WriteKind.TASK,
    "new_contacts": WriteKind.CONTACT,
    "new_alerts": WriteKind.ALERT,
    "new_events": WriteKind.EVENT,
    "new_messages": WriteKind.MESSAGE,
}
DEFAULT_CEILINGS: Mapping[CeilingName, Rate] = {
    "new_tickets": rate("300/h"),
    "new_tasks": rate("500/h"),
    "new_contacts": rate("2000/h"),
    "new_alerts": rate("200/h"),
    "new_events": rate("1000/h"),
    "new_messages": rate("100/h"),
}
"""Of a connection that does not say. Far above what a bad day brings, far below what a mistake in a rule does."""


class Quota(Model):
    """How much of the account's own limits to use."""

    share: Percent = Field(default=0.5, description="Share of the vendor's limits; the rest is left to others.")


class Connection(Model):
    """One configured adapter. `options` are the adapter's own keys, validated by its own model."""

    name: str
    kind: str
    roles: frozenset[str]
    options: BaseModel
    owner: str | None = None
    mapping: Path | None = None
    linger: Duration = duration("0s")
    quota: Quota = Quota()
    ceiling: dict[CeilingName, RateText] = Field(default={})


class ConnectionKeys(Model):
    """The keys every connection takes, whatever its kind."""

    kind: Text = Field(description="Which adapter; the rest of the keys are its options.")
    owner: Text | None = Field(
        default=None,
        description="Who to call about this account: `connector status` and messages to the operators name them.",
    )
    mapping: FilePath | None = Field(default=None, description="What is written there, per field.")
    linger: Duration = Field(
        default=duration("0s"),
        description="How long a write waits for company before it goes out; where something is written.",
    )
    quota: Quota = Field(default=Quota(), description="How much of the account's limits to use; where it tells them.")
    ceiling: dict[CeilingName, RateText] = Field(
        default={},
        description=(
            "Most new objects in a time; above, work is held and operators are told. What is not named here has a "
            f"ceiling, too: {', '.join(f'{name} {shown_rate(each)}' for name, each in DEFAULT_CEILINGS.items())}."
        ),
    )
