"""Misbehaviour on request: what a simulator does wrong, to which calls, how often."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any


class FaultKind(StrEnum):
    """What goes wrong. The first group happens before the call is looked at, the second after it was committed."""

    REFUSE = "refuse"
    """Answer `status` in the vendor's error shape, commit nothing."""
    REPLY = "reply"
    """Answer `status` (200 unless given) with `message` as the body, whatever it is, and `headers`; commit nothing."""
    THROTTLE = "throttle"
    """Answer as the vendor does when it is called too fast; `Retry-After` only where `retry_after` is given."""
    RESET_BEFORE = "reset_before"
    """Reset the connection, commit nothing; where `seconds` are given, after so long by the simulator's clock."""
    SLOW = "slow"
    """Wait `seconds` of real time (a client's time-out runs on real time), then handle the call as usual."""
    COMMIT_LATE = "commit_late"
    """Reset the connection now; handle the call when the simulator's clock has moved on by `seconds`."""
    RESET_AFTER_COMMIT = "reset_after_commit"
    """Commit, then reset the connection instead of answering; `seconds` as above."""
    ERROR_AFTER_COMMIT = "error_after_commit"
    """Commit, then answer `status` (500 unless given)."""
    SLOW_ANSWER = "slow_answer"
    """Commit, then wait `seconds` of real time before answering."""
    TORN = "torn"
    """Commit, then answer the first half of the JSON as if it were all."""
    CUT = "cut"
    """Commit, then announce the whole body, send half of it and reset the connection."""
    RECORD_ERRORS = "record_errors"
    """Answer 2xx, but refuse the records at the indexes `records` (all of them when empty) with `code`."""
    LATE_JOB_FAILURE = "late_job_failure"
    """Accept the job; the records at the indexes `records` fail when it runs, the whole job when empty."""


AFTER = frozenset(
    {
        FaultKind.RESET_AFTER_COMMIT,
        FaultKind.ERROR_AFTER_COMMIT,
        FaultKind.SLOW_ANSWER,
        FaultKind.TORN,
        FaultKind.CUT,
    }
)
INSIDE = frozenset({FaultKind.RECORD_ERRORS, FaultKind.LATE_JOB_FAILURE})
BEFORE = frozenset(FaultKind) - AFTER - INSIDE


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One order to misbehave.

    `match` is `METHOD path` with `*` and `?` as in file names, compared with the path as called (without `.json`,
    query and a slash at the end). `contains` narrows it to bodies with that text. The first `after` matching calls are
    spared, the next `times` (None: all) are hit. The other fields are described with the kinds that read them.
    """

    match: str
    kind: FaultKind
    times: int | None = 1
    after: int = 0
    contains: str = ""
    status: int | None = None
    code: str = ""
    message: str = ""
    retry_after: int | None = None
    seconds: float = 0.0
    records: tuple[int, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", FaultKind(self.kind))

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Fault:
        """A fault from JSON. Raises ValueError for unknown fields and kinds."""
        known = {each.name for each in fields(cls)}
        if unknown := set(data) - known:
            raise ValueError(f"a fault has no {', '.join(sorted(unknown))}")
        if not {"match", "kind"} <= set(data):
            raise ValueError("a fault needs match and kind")
        return cls(**{**data, "records": tuple(data.get("records", ()))})

    def as_json(self) -> dict[str, Any]:
        """Plain data, for the control endpoint."""
        return {**asdict(self), "records": list(self.records)}


class Faults:
    """The orders a simulator still has to follow, oldest first. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._orders: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Follow `fault` from the next call on."""
        with self._lock:
            self._orders.append(fault)

    def clear(self) -> None:
        """Behave."""
        with self._lock:
            self._orders.clear()

    def pending(self) -> list[Fault]:
        """Orders not used up yet."""
        with self._lock:
            return list(self._orders)

    def take(self, kinds: frozenset[FaultKind], operation: str, body: bytes) -> Fault | None:
        """The first order of `kinds` that hits this call, now spent once."""
        if not self._orders:
            return None
        with self._lock:
            for index, fault in enumerate(self._orders):
                if fault.kind not in kinds or not fnmatchcase(operation, fault.match):
                    continue
                if fault.contains and fault.contains.encode() not in body:
                    continue
                if fault.after:
                    self._orders[index] = replace(fault, after=fault.after - 1)
                    continue
                if fault.times is None:
                    return fault
                if fault.times > 1:
                    self._orders[index] = replace(fault, times=fault.times - 1)
                else:
                    del self._orders[index]
                return fault
        return None
