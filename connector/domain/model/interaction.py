"""Interactions as a shop, ERP or desk keeps them: what answers are about, on record rather than on a form."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from connector.domain.model.response import Interaction


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionRecord:
    """One repair order, visit, sale or ticket. What is not known there is None.

    `account` is the connection's account, `id` the record's id there. `amount` is in the shop's currency. `invited_at`
    is when its customer was asked for an answer. `crm_id`, `email` and `phone` are the customer's: personal data.
    `occurred_at` is when it began where it takes its time, `ended_at` when that was over. `changed_at`: of two versions
    the later one counts; None: the one read last. `is_gone`: it was deleted there. `is_listed`: `location` and `staff`
    are a helpdesk's group and agent; only the lists of the directory say which place and member of staff these are.
    """

    account: str
    id: str
    kind: str
    occurred_at: datetime
    service: str | None = None
    location: str | None = None
    staff: str | None = None
    channel: str | None = None
    amount: float | None = None
    invited_at: datetime | None = None
    crm_id: str | None = field(default=None, repr=False)
    email: str | None = field(default=None, repr=False)
    phone: str | None = field(default=None, repr=False)
    ended_at: datetime | None = None
    changed_at: datetime | None = None
    is_gone: bool = False
    is_listed: bool = False

    @property
    def interaction(self) -> Interaction:
        """What an answer about it is about."""
        return Interaction(
            id=self.id,
            kind=self.kind,
            occurred_at=self.occurred_at,
            service=self.service,
            location=self.location,
            staff=self.staff,
            channel=self.channel,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A record that cannot be used: where it stands there, and why, in words that hold no value of it."""

    place: str
    reason: str


def kind_named(kind: str) -> str:
    """A kind as it is compared: `repair_order` and `Repair order` are one."""
    return " ".join(kind.replace("_", " ").replace("-", " ").split()).casefold()
