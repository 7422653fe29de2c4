"""Every error the connector raises, named by what happens next.

ConnectorError
├─ ConfigError         every problem at once, with file and line; exit 2
├─ ExpressionError     an expression met a missing value: the rule does not act, and says so
├─ MappingError        the delivery is quarantined in the inbox with the field that failed; replayable
├─ StoreError          the store is missing, locked by another schema, or cannot be opened with these keys; exit 3
├─ Forged              bad or stale signature: 401, counted, nothing kept
├─ LeaseLost           the lane now belongs to another holder: stop, write nothing
└─ RemoteError         connection, operation, short redacted reply, the vendor's request id
   ├─ Transient        known not committed; try again later
   ├─ Throttled        try again at a known time; attempts are not spent
   ├─ QuotaExhausted   the day's budget is gone; come back when it resets
   ├─ InDoubt          sent, no answer: ask before anything else
   ├─ Unauthorized     refresh once, then pause the connection and tell the operators
   ├─ Locked           another writer holds the record: soon again, alone
   ├─ Conflict         it exists or changed meanwhile: read, re-plan
   ├─ Gone             merged, deleted or converted: re-resolve, follow the pointer
   └─ Rejected         will never work as sent; keep the field and the vendor's words
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


class ConnectorError(Exception):
    """Root of everything the connector raises on purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake in a file a person wrote.

    `line` and `column` count from 1; `suggestion` is the nearest right name, where there is one.
    """

    file: str
    line: int
    column: int
    message: str
    suggestion: str | None = None

    def __str__(self) -> str:
        hint = f" (did you mean {self.suggestion!r}?)" if self.suggestion else ""
        return f"{self.file}:{self.line}:{self.column}: {self.message}{hint}"


class ConfigError(ConnectorError):
    """The configuration cannot be used; `problems` lists everything wrong with it at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class ExpressionError(ConnectorError):
    """An expression cannot be compiled, or met a missing value. Whoever asked does not act.

    `suggestion` is the nearest right name, `line` (from 1) the place in the text where compiling failed, `missing` the
    name that had no value, for example `score.points`. The message holds names of the configuration, never values.
    """

    def __init__(
        self, message: str, *, suggestion: str | None = None, line: int = 1, missing: str | None = None
    ) -> None:
        self.message = message
        self.suggestion = suggestion
        self.line = line
        self.missing = missing
        super().__init__(f"{message} (did you mean {suggestion!r}?)" if suggestion else message)


class MappingError(ConnectorError):
    """A delivery could not be turned into a response; `field` names the place in the record that failed."""

    def __init__(self, message: str, *, field: str) -> None:
        self.field = field
        super().__init__(f"{field}: {message}")


class StoreError(ConnectorError):
    """The store cannot be used as it is; the message says what to do."""


class Forged(ConnectorError):
    """A delivery's signature is missing, wrong or stale. Nothing of it is kept."""


class LeaseLost(ConnectorError):
    """The lane's lease ran out or went to another holder; whatever was about to happen must not happen."""


class RemoteError(ConnectorError):
    """Another system did not do what was asked.

    Args:
        message: what happened, in words that hold no personal data and no secret.
        connection: the connection it happened on, as the YAML names it.
        operation: what was tried, for example `POST /api/v2/tickets`.
        status: HTTP status, where there was one.
        reply: a short, redacted excerpt of the reply.
        request_id: the vendor's own id for the request, to quote in a support ticket.
    """

    def __init__(
        self,
        message: str,
        *,
        connection: str = "",
        operation: str = "",
        status: int | None = None,
        reply: str = "",
        request_id: str = "",
    ) -> None:
        self.message = message
        self.connection = connection
        self.operation = operation
        self.status = status
        self.reply = reply
        self.request_id = request_id
        super().__init__(message)

    def __str__(self) -> str:
        parts = [self.message]
        if self.operation:
            parts.append(f"on {self.operation}")
        if self.status is not None:
            parts.append(f"(HTTP {self.status})")
        if self.request_id:
            parts.append(f"[request {self.request_id}]")
        return " ".join(parts)


class Transient(RemoteError):
    """Known not to have been committed; the same write may be tried again later."""


class Throttled(RemoteError):
    """Too fast. `retry_at` says when the vendor wants to hear from us again; attempts are not spent."""

    def __init__(self, message: str, *, retry_at: datetime, **context: object) -> None:
        self.retry_at = retry_at
        super().__init__(message, **context)  # type: ignore[arg-type]  # the keyword arguments of RemoteError


class QuotaExhausted(RemoteError):
    """The budget of a long period is gone; `until` says when it resets."""

    def __init__(self, message: str, *, until: datetime, **context: object) -> None:
        self.until = until
        super().__init__(message, **context)  # type: ignore[arg-type]  # the keyword arguments of RemoteError


class InDoubt(RemoteError):
    """The request left, no answer came: it may or may not have been committed."""


class Unauthorized(RemoteError):
    """The credentials were refused after one refresh, or the grant lacks a scope."""


class Locked(RemoteError):
    """Another writer holds the record right now."""


class Conflict(RemoteError):
    """The object exists already, or changed since we read it."""


class Gone(RemoteError):
    """The object was merged, deleted or converted.

    Where the vendor says so, `moved_from` is the id that is gone and `moved_to` the one it has now: of the object that
    was written, or of one that it refers to.
    """

    def __init__(
        self, message: str, *, moved_from: str | None = None, moved_to: str | None = None, **context: object
    ) -> None:
        self.moved_from = moved_from
        self.moved_to = moved_to
        super().__init__(message, **context)  # type: ignore[arg-type]  # the keyword arguments of RemoteError


class Rejected(RemoteError):
    """It will never work as sent. `field` names the offending field where the vendor says so."""

    def __init__(self, message: str, *, field: str | None = None, **context: object) -> None:
        self.field = field
        super().__init__(message, **context)  # type: ignore[arg-type]  # the keyword arguments of RemoteError
