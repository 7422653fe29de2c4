"""What a simulator remembers: the truth about what it holds, and every request it saw."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

Fields = dict[str, Any]


class Truth:
    """What is really held, whatever the API lags, hides or misreports.

    `objects` is kind → id → fields as they are now, `writes` every change in order. Not locked: the site that owns it
    changes it under its own lock.
    """

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Fields]] = {}
        self.writes: list[Fields] = []

    def kind(self, name: str) -> dict[str, Fields]:
        """All objects of one kind, by id."""
        return self.objects.setdefault(name, {})

    def wrote(self, kind: str, key: str, action: str, by: str, changed: Mapping[str, Any], at: datetime) -> None:
        """Note one change: `action` is create, update, delete or merge, `by` is api or human."""
        self.writes.append(
            {"kind": kind, "id": key, "action": action, "by": by, "fields": dict(changed), "at": at.isoformat()}
        )

    def forget(self, kind: str, key: str) -> None:
        """An object was deleted for good: what was ever written to it goes, too."""
        for note in self.writes:
            if (note["kind"], note["id"]) == (kind, key):
                note["fields"] = {}

    def snapshot(self) -> Fields:
        """A deep copy as plain data: {"objects": {kind: {id: fields}}, "writes": [...]}."""
        return deepcopy({"objects": self.objects, "writes": self.writes})


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """One request as it was answered.

    `endpoint` is the route (`PUT /api/v2/tickets/{id}`), empty where none matched; `status` is 0 when the connection
    was reset instead; `write` says whether the route changes anything; `digest` is the first 16 hex digits of the
    body's SHA-256; `refusal` and `fault` name what was refused or ordered, if anything.
    """

    method: str
    path: str
    query: Mapping[str, str]
    endpoint: str
    status: int
    write: bool
    at: datetime
    digest: str
    refusal: str = ""
    fault: str = ""

    def as_json(self) -> Fields:
        """Plain data, for the control endpoint."""
        return {**asdict(self), "at": self.at.isoformat()}


class RequestLog:
    """Every vendor call in order of its answer. Appending takes constant time. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[Logged] = []

    def add(self, entry: Logged) -> None:
        """Append one."""
        with self._lock:
            self._entries.append(entry)

    def __len__(self) -> int:
        return len(self._entries)

    def entries(self, since: int = 0) -> list[Logged]:
        """A copy of the log from index `since` on."""
        with self._lock:
            return self._entries[since:]

    def writes(self, since: int = 0) -> list[Logged]:
        """Calls to endpoints that change something, answered or not, from index `since` on."""
        return [entry for entry in self.entries(since) if entry.write]

    def counts(self, since: int = 0) -> dict[str, int]:
        """Calls by endpoint, from index `since` on."""
        return dict(Counter(entry.endpoint or f"{entry.method} ?" for entry in self.entries(since)))


def digest(body: bytes) -> str:
    """A short fingerprint of a body; empty for an empty one."""
    return hashlib.sha256(body).hexdigest()[:16] if body else ""
