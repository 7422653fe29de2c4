"""Trackers: whose issues we open, and read again to notice what people did with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """An issue as its tracker has it. `state` is `open` or `closed`; `closed_at` None: open, or it does not say."""

    id: str
    state: str
    title: str
    url: str | None
    closed_at: datetime | None = None


@runtime_checkable
class Issues(Protocol):
    """A tracker whose issues can be read. `read_class` names the quota that reading spends, one call an issue."""

    account: str
    read_class: str

    def read_issues(self, ids: Sequence[str]) -> Mapping[str, Issue]:
        """How these issues are now, by id, read consistently; one that was deleted is absent. Raises RemoteError."""
        ...
