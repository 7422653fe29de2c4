"""One Protocol per role. Only frozen values of `connector.domain.model` cross them.

An adapter never retries, sleeps, logs or limits; it translates. A write is split in two so that the body can be frozen
in the store before the socket opens: `render` is pure and makes the request, `send` sends exactly that and reads one
outcome per record. See `docs/decisions/002-render-then-send.md`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

from connector.domain.model.account import Change, Demand, Form, InstalledHook
from connector.domain.model.intent import Found, Item, Json, Promise, Receipt, Request, WriteKind
from connector.domain.model.person import Contact
from connector.errors import RemoteError
from connector.ports.interactions import Interactions
from connector.ports.sources import Addressed, Hinted, Hook, Importing, Paced, Page, Polling, Record, Row, Source
from connector.secret import Secret

__all__ = [
    "Addressed",
    "Hinted",
    "Hook",
    "Importing",
    "Interactions",
    "Paced",
    "Page",
    "Polling",
    "Record",
    "Row",
    "Source",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """One record was not written, and why."""

    error: RemoteError


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The whole write was accepted for later; ask `poll` for the outcomes."""

    id: str


Outcome = Receipt | Failed


@runtime_checkable
class Writer(Protocol):
    """A system the connector writes to.

    `account` identifies the vendor account (`zendesk:acme`), never the YAML's name for it.
    """

    account: str
    promises: Mapping[WriteKind, Promise]

    def render(self, kind: WriteKind, items: Sequence[Item]) -> Request:
        """The one request that writes `items`, at most `promises[kind].batch` of them. Pure."""
        ...

    def send(self, kind: WriteKind, request: Request, count: int) -> Sequence[Outcome] | Job:
        """Send exactly `request`; one outcome per record, in order. Raises RemoteError when the call failed as one."""
        ...

    def poll(self, kind: WriteKind, job: str, count: int) -> Sequence[Outcome] | Job:
        """Outcomes of a job, or the job again while it runs. Raises Gone when it vanished."""
        ...

    def ask(self, kind: WriteKind, items: Sequence[Item]) -> Sequence[Found]:
        """Which objects carry each item's key or marker; for a contact also its e-mail. One answer each, in order."""
        ...


@runtime_checkable
class Preparing(Protocol):
    """A writer whose `render` must know something of the account: ids of named things, which of our keys it holds."""

    def prepare(self) -> None:
        """Learn it, by reading only, where it is unknown or old; `promises` may change by it.

        The write lane calls it outside of any transaction before it asks or renders. Without it `render` uses what
        every account understands. Raises RemoteError.
        """
        ...


@runtime_checkable
class Contacts(Protocol):
    """A CRM's contacts, to match people against and to notice edits, merges and deletions.

    `read_class` names the quota that reading spends.
    """

    account: str
    read_class: str

    def contacts_since(self, cursor: str | None, fields: Sequence[str]) -> Page[Contact]:
        """Contacts created, changed, merged or deleted since `cursor` (None: from the beginning). Pages overlap.

        `fields` are what `Contact.values` must hold besides identity, by the CRM's names.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A helpdesk ticket's state. `status` is one of new, open, pending, hold, solved, closed, deleted.

    `key` is the marker we wrote on it, None on tickets that are not ours. `values` are the fields we may write.
    `assigned` says whether somebody has it, `fields` are further fields by their names in the YAML, as text.
    """

    account: str
    id: str
    status: str
    requester_email: str | None
    key: str | None
    url: str | None
    updated_at: datetime
    values: Mapping[str, Json]
    assigned: bool = False
    fields: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class Tickets(Protocol):
    """A helpdesk's tickets, to notice what people did with ours and how many each requester has.

    `read_class` names the quota that reading spends.
    """

    account: str
    read_class: str

    def tickets_since(self, cursor: str | None) -> Page[Ticket]:
        """Tickets changed since `cursor` (None: in the last 90 days). Pages overlap."""
        ...

    def read_tickets(self, ids: Sequence[str]) -> Mapping[str, Ticket]:
        """The current state of some tickets, by id; a deleted one is absent."""
        ...

    def verify(self, hook: Hook) -> None:
        """Check the signature of the helpdesk's own webhook. Raises Forged."""
        ...

    def read_hook(self, body: bytes) -> Sequence[str]:
        """Ids of the tickets a webhook is about; it is a hint, the tickets are re-read. Raises MappingError."""
        ...


@runtime_checkable
class Tasks(Protocol):
    """A CRM's tasks, to notice which of ours were completed. `task_class` names the quota that reading spends."""

    account: str
    task_class: str

    def completed_tasks(self, ids: Sequence[str]) -> Mapping[str, datetime | None]:
        """Which of these tasks are completed, by id, and when that was last changed, where the CRM says.

        A task that is not completed, or that was deleted, is absent. Raises RemoteError.
        """
        ...


@runtime_checkable
class Notes(Protocol):
    """A helpdesk whose private notes can be read, to notice what people marked as done there."""

    def private_notes(self, ticket: str) -> Sequence[str]:
        """The texts of a ticket's private notes, oldest first; none of a ticket that is gone. Raises RemoteError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something a connected account lacks, and the one thing to do about it. `blocking`: writes would be refused."""

    subject: str
    message: str
    fix: str
    blocking: bool


@runtime_checkable
class Describable(Protocol):
    """An account that can say whether it is ready for us."""

    def describe(self, fields: Mapping[WriteKind, frozenset[str]]) -> Sequence[Finding]:
        """Compare what the mappings will write, per kind, with what the account has. Raises RemoteError."""
        ...


@runtime_checkable
class Inspectable(Protocol):
    """An account that can be looked at closely before going live; reads only."""

    def inspect(self, demand: Demand) -> Sequence[Finding]:
        """What is missing, unfit or dangerous there, given what we will use. Raises RemoteError."""
        ...


@runtime_checkable
class Setup(Protocol):
    """An account in which we can make what the configuration needs: fields, statuses, permissions."""

    def wanted(self, demand: Demand) -> Sequence[Change]:
        """What is missing there, in the order to make it; nothing on an account that has it all. Raises RemoteError."""
        ...

    def apply(self, change: Change) -> str:
        """Make one that is not only made by hand; what is there already is left. Says what was done.

        Raises RemoteError.
        """
        ...


@runtime_checkable
class Hookable(Protocol):
    """An account whose webhooks can be installed from here."""

    def hooks(self, demand: Demand) -> Sequence[InstalledHook]:
        """Its webhooks that lead, or once led, to us. Raises RemoteError."""
        ...

    def hook_changes(self, demand: Demand) -> Sequence[Change]:
        """What is missing until every webhook posts to `demand.hook_url`. Raises RemoteError."""
        ...

    def install(self, change: Change) -> str:
        """Make one of them and say what was done, without any secret. Raises RemoteError."""
        ...


@runtime_checkable
class Forms(Protocol):
    """A survey tool whose forms can be read, to draft a mapping from."""

    def form(self, id: str) -> Form:  # noqa: A002  # the tool's own word
        """The form as it is now. Raises Gone when there is none, and RemoteError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a grant holds now. `generation` counts refreshes from 1; `expires_at` already leaves a margin for use.

    `expires_at` is None where the vendor does not say; such a token is used until it is refused.
    """

    access: Secret
    generation: int
    refresh: Secret | None = None
    expires_at: datetime | None = None


@runtime_checkable
class TokenStore(Protocol):
    """Where grants survive a restart, and how processes agree on who refreshes. Every method is one transaction."""

    def load(self, grant: str) -> Token | None:
        """The newest token of `grant`; None before the first."""
        ...

    def lease(self, grant: str, generation: int, lease: timedelta) -> bool:
        """Reserve the refresh that follows `generation` (0: none yet).

        False when another holder's reservation still runs, or when the store has moved past `generation`.
        """
        ...

    def save(self, grant: str, token: Token) -> bool:
        """Keep `token` durably and end the reservation. False, keeping nothing, unless it is the next generation."""
        ...

    def release(self, grant: str, generation: int) -> None:
        """Give up the reservation that followed `generation`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KindSpec:
    """What the configuration must know about an adapter kind before any connection of it exists.

    `kind` is the YAML's word, `options` the adapter's frozen pydantic model, `roles` a subset of source, crm, helpdesk,
    notifier, messenger, tracker, workflow, `writes` the kinds of write it can do. `known_fields` are the fields each
    write kind takes, None where they cannot be known offline; `custom_field` is a regular expression for names only the
    account can judge. `reads_quota`: its replies say what is left of a quota, so that a share of it can be left to
    others. `polls_with` is the option without which its answers cannot be fetched, None where they cannot at all.
    """

    kind: str
    options: type
    roles: frozenset[str]
    writes: frozenset[WriteKind] = frozenset()
    known_fields: Mapping[WriteKind, frozenset[str]] | None = None
    custom_field: str | None = None
    reads_quota: bool = False
    polls_with: str | None = None
