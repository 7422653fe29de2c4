"""Where survey answers come from: by webhook, by asking for them, from files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Generic, Protocol, TypeVar, runtime_checkable

from connector.domain.model.intent import Json

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """A page of changes. `cursor` is stored with the records in one transaction; `more` asks for the next at once.

    `as_of`: from an index that lags, the latest moment up to which it surely shows everything; None: it lags nothing.
    """

    records: Sequence[T]
    cursor: str
    more: bool
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A webhook request exactly as it arrived. Header names are lower case."""

    method: str
    path: str = field(repr=False)  # it may end in a secret
    headers: Mapping[str, str] = field(repr=False)
    body: bytes
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One survey answer in the survey tool's own shape, opened just far enough to identify it.

    `id` is the tool's id of the answer (stable across edits), `form` the survey's id there, `submitted_at` what the
    sender claims. `answers` maps a question's stable reference to its value (see each adapter's page for the shapes);
    `hidden` are values that travelled with the link; `metadata` everything else a mapping may read.
    """

    id: str
    form: str
    submitted_at: datetime
    answers: Mapping[str, Json]
    hidden: Mapping[str, Json]
    metadata: Mapping[str, Json] = field(default_factory=dict)


@runtime_checkable
class Source(Protocol):
    """Where survey answers come from."""

    kind: str

    def verify(self, hook: Hook) -> None:
        """Check the signature over the raw bytes. Raises Forged."""
        ...

    def split(self, body: bytes) -> Sequence[bytes]:
        """The deliveries of one request body, one per answer; split again, each of them is itself.

        Raises MappingError when it cannot be told apart.
        """
        ...

    def read(self, payload: bytes) -> Record | None:
        """Open one delivery; None when it is authentic but no answer (a test ping, a preview). Raises MappingError."""
        ...


@runtime_checkable
class Polling(Protocol):
    """A source whose answers can be fetched. `read_class` names the quota that reading spends."""

    account: str
    read_class: str

    def responses_since(self, form: str, cursor: str | None, since: date | None) -> Page[bytes]:
        """Answers of a form since `cursor` (None: since the day `since`, or from the beginning). Pages overlap.

        Each record is a delivery that `Source.read` opens to the same answer as its webhook. Raises RemoteError.
        """
        ...


@runtime_checkable
class Paced(Protocol):
    """A system with a limit that none of its replies tells.

    `pace`: at least so long between two of our calls that spend `read_class`, whichever process makes them.
    """

    account: str
    read_class: str
    pace: timedelta


@runtime_checkable
class Addressed(Protocol):
    """A source whose hook may be told by its address alone: `/hooks/<connection>/<token>`."""

    has_path_token: bool


@runtime_checkable
class Hinted(Protocol):
    """A source whose hook may be no more than a hint: anybody could have sent it, so what it is about is fetched."""

    is_hint: bool

    def hint(self, body: bytes) -> str | None:
        """The form a hook is about; None when it cannot be read. Never raises."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One answer of a file. `values` is column → value; a column without one is absent."""

    id: str
    form: str
    submitted_at: datetime
    values: Mapping[str, Json]


@runtime_checkable
class Importing(Protocol):
    """A source whose answers can also be taken from a file."""

    def deliver(self, row: Row) -> bytes:
        """The row as a delivery of this source: `Source.read` opens it to the same answer as its webhook."""
        ...
