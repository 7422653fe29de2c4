"""Roles that make a run undoable: reading what records hold now, and taking back what should never have been there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from connector.domain.model.intent import Json, WriteKind


@runtime_checkable
class Retractable(Protocol):
    """A writer whose records can be read again, and changed so that nobody acts on them any more."""

    def retract(self, kind: WriteKind, fields: Mapping[str, Json], why: str) -> Mapping[str, Json]:
        """What to write to a record that was created with `fields` so that it says `why` it counts for nothing. Pure.

        Empty: nothing can be done about records of this kind.
        """
        ...

    def read_records(
        self, kind: WriteKind, ids: Sequence[str], fields: Sequence[str]
    ) -> Mapping[str, Mapping[str, Json]]:
        """What these fields of the records hold now, by id; one that is gone is absent. Raises RemoteError."""
        ...


@runtime_checkable
class Attended(Protocol):
    """A helpdesk that can say who worked on a ticket."""

    def worked_on(self, ids: Sequence[str]) -> frozenset[str]:
        """Those of the tickets that a person commented on or changed since they exist. Raises RemoteError.

        What we did ourselves, and what the helpdesk's own triggers did, is no work.
        """
        ...
