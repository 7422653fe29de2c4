"""Helpdesks whose tickets' conversations can be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One thing a customer wrote on a ticket, where everybody who may read the ticket can read it."""

    at: datetime
    text: str


@runtime_checkable
class Conversations(Protocol):
    """A helpdesk that can say what customers wrote. `read_class` names the quota that reading spends."""

    account: str
    read_class: str

    def read_conversation(self, ticket: str) -> Sequence[Said]:
        """What customers wrote on a ticket, oldest first, the newest 100 at most; nothing where it is gone.

        What agents wrote, and private notes, are left out. Raises RemoteError.
        """
        ...
