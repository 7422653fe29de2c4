"""Where records of interactions come from: a shop's or ERP system's repair orders, visits, sales."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from connector.domain.model.interaction import InteractionRecord, Unreadable
from connector.ports.sources import Page


@runtime_checkable
class Interactions(Protocol):
    """A system that keeps records of interactions. `read_class` names the quota that reading spends."""

    account: str
    read_class: str

    def interactions_since(self, cursor: str | None) -> Page[InteractionRecord | Unreadable]:
        """Records that are new or changed since `cursor` (None: all there are). Pages overlap, never leave out.

        What cannot be used is `Unreadable` among the others and stops none of them. Raises RemoteError.
        """
        ...
