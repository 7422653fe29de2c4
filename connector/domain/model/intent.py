"""One effect we want on another system, and the references intents make to each other's receipts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from connector.domain.model.response import EMPTY

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]


class WriteKind(StrEnum):
    """What an intent writes. Each adapter declares a promise for the kinds it can write."""

    CONTACT = "contact"
    """Make sure the person has a contact there: found by a strongly consistent look-up, or created."""
    CONTACT_FIELDS = "contact_fields"
    """Set fields on an existing contact (health score, band, reason …)."""
    ACTIVITY = "activity"
    """One answer on the contact's timeline; the newest version replaces the text of the older."""
    TASK = "task"
    """A CRM task with a deadline."""
    TICKET = "ticket"
    """A new helpdesk ticket, private first comment."""
    TICKET_UPDATE = "ticket_update"
    """Set fields of an existing ticket (status, priority), add tags."""
    NOTE = "note"
    """One private note on an existing ticket."""
    ALERT = "alert"
    """One message to people. A later alert of the same thread updates the first where the vendor can."""
    EVENT = "event"
    """One event to another program, which starts something of its own."""
    MESSAGE = "message"
    """One message to a customer: at most once, whatever happens."""
    ISSUE = "issue"
    """A tracker's issue; a newer intent for the same one changes its title and text."""
    ISSUE_STATE = "issue_state"
    """Whether an existing issue is open or closed."""
    ISSUE_NOTE = "issue_note"
    """One comment on an existing issue."""


NOTES = frozenset({WriteKind.NOTE, WriteKind.ISSUE_NOTE})
"""What is added to an object that exists: each is sent whole, and sending it twice would leave two."""


ALARMS = frozenset(
    {
        WriteKind.TASK,
        WriteKind.TICKET,
        WriteKind.TICKET_UPDATE,
        WriteKind.NOTE,
        WriteKind.ALERT,
        WriteKind.EVENT,
        WriteKind.MESSAGE,
        WriteKind.ISSUE,
        WriteKind.ISSUE_STATE,
        WriteKind.ISSUE_NOTE,
    }
)
"""What opens, tells or asks people something. The other kinds keep records, which are as welcome later."""


class IntentState(StrEnum):
    """Where an intent stands. `confirmed`, `rejected`, `superseded`, `given_up` and `erased` are final.

    `connector.domain.model.transitions` says what leads from one to the other.
    """

    PLANNED = "planned"
    BLOCKED = "blocked"
    HELD = "held"
    SENDING = "sending"
    SUBMITTED = "submitted"
    IN_DOUBT = "in_doubt"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"
    GIVEN_UP = "given_up"
    ERASED = "erased"


FINAL_STATES = frozenset(
    {
        IntentState.CONFIRMED,
        IntentState.REJECTED,
        IntentState.SUPERSEDED,
        IntentState.GIVEN_UP,
        IntentState.ERASED,
    }
)


class Priority(StrEnum):
    """Who goes first in a lane, first to last."""

    RECOVERY = "recovery"
    NORMAL = "normal"
    BACKFILL = "backfill"

    @property
    def rank(self) -> int:
        """0 goes first."""
        return list(Priority).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One planned effect.

    `key` is derived from vendor account, cause, ordinal and kind: the same decision always derives the same key.
    `account` routes it (`zendesk:acme`). `object` names what it touches (`person/7/contact`, `recovery/3/ticket`); two
    writes of one object are never open together, and receipts of an object resolve references to it.
    `fields` are vendor field → value, where a string may contain references (see `refer`). `target` is a reference to
    the object whose remote id this intent updates (None: it creates `object`). `after` lists objects that must exist
    first. `cause_at` is the event time of the answer behind it; `not_before` implements linger and quiet hours,
    `give_up_at` is when it stops trying, loudly. `fold` is True when newer intents for the same object and kind replace
    or join this one while neither was sent. `ours` are fields written even where a person changed them since,
    `if_blank` fields written only where the object has nothing. `record` is the marker the created record carries there
    when several intents replace one record (versions of one activity); None: this intent's key. `run_id` is the import
    it came with; None: it belongs to the run that plans it.
    """

    key: str
    account: str
    kind: WriteKind
    object: str
    fields: Mapping[str, Json]
    cause_at: datetime
    not_before: datetime
    give_up_at: datetime
    target: str | None = None
    after: tuple[str, ...] = ()
    priority: Priority = Priority.NORMAL
    fold: bool = False
    response_key: str | None = None
    version: int | None = None
    person_id: int | None = None
    recovery_id: int | None = None
    ours: frozenset[str] = frozenset()
    if_blank: frozenset[str] = frozenset()
    record: str | None = None
    run_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the other system answered for one intent. `values` are the fields it confirmed to hold."""

    remote_id: str
    url: str | None = None
    created: bool | None = None
    request_id: str = ""
    values: Mapping[str, Json] = field(default_factory=lambda: dict(EMPTY))


# References travel inside field values as private-use characters, which `strip_references` removes from everything that
# comes from outside, so customer text can never name one.
_OPEN, _CLOSE = "\ue000", "\ue001"
_REFERENCE = re.compile(f"{_OPEN}([^{_OPEN}{_CLOSE}]+)\\.(id|url){_CLOSE}")


def refer(object_name: str, part: str = "id") -> str:
    """A placeholder for the remote `id` or `url` of `object_name`, filled in from its receipt at sending."""
    return f"{_OPEN}{object_name}.{part}{_CLOSE}"


def strip_references(text: str) -> str:
    """Remove the placeholder characters from text that came from outside."""
    return text.replace(_OPEN, "").replace(_CLOSE, "")


def references(value: Json) -> frozenset[str]:
    """The objects a field value refers to."""
    if isinstance(value, str):
        return frozenset(match.group(1) for match in _REFERENCE.finditer(value))
    if isinstance(value, list):
        return frozenset().union(*(references(item) for item in value))
    if isinstance(value, dict):
        return frozenset().union(*(references(item) for item in value.values()))
    return frozenset()


def resolve(value: Json, receipts: Mapping[str, Receipt]) -> Json:
    """Fill every reference in `value` from `receipts` (object → receipt). Raises KeyError for an object without one."""
    if isinstance(value, str):

        def fill(match: re.Match[str]) -> str:
            receipt = receipts[match.group(1)]
            return receipt.remote_id if match.group(2) == "id" else (receipt.url or "")

        return _REFERENCE.sub(fill, value)
    if isinstance(value, list):
        return [resolve(item, receipts) for item in value]
    if isinstance(value, dict):
        return {name: resolve(item, receipts) for name, item in value.items()}
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What an adapter can promise for one kind of write: read by the write lane, proven by tests, printed in the docs.

    `native`: the vendor itself makes a repeat harmless (upsert by our key, or an update to absolute values).
    `key_window`: how long it remembers an idempotency key; None when it takes none.
    `can_ask`: there is a look-up by key or marker. `ask_first`: always look before a create, whatever its age.
    `settle`: how long after sending a request may still be committed there. `lookup_lag`: how long a committed object
    may stay invisible to the look-up. `batch`: records in one request; `mixed`: creates and updates may share one.
    `carries`: kinds of update whose fields a create may hold as well, since they are fields of the same record.
    `outcome`: `record`, `job` or `opaque`. `endpoint_class` names the quota it spends. `residual` says in one sentence
    what cannot be promised, if anything.
    """

    native: bool
    can_ask: bool
    batch: int
    endpoint_class: str
    key_window: timedelta | None = None
    ask_first: bool = False
    settle: timedelta = timedelta(seconds=30)
    lookup_lag: timedelta = timedelta(0)
    outcome: str = "record"
    mixed: bool = True
    carries: frozenset[WriteKind] = frozenset()
    residual: str = ""

    @property
    def can_tell(self) -> bool:
        """Whether it can be found out, or made harmless, what became of a write that had no answer."""
        return self.native or self.can_ask or self.key_window is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One record of a write as an adapter sees it: references resolved, several folded intents in one.

    `key` is stable for the record's whole life. `target` is the remote id to update, None for a create. `revision`
    rises when an ask showed that an earlier request did not create it; an idempotency key is derived from both.
    `intent` is the key of the intent behind it, of the first where several are folded. `also` are keys of other records
    that this one holds too: whoever asks for one of those finds this.
    """

    key: str
    target: str | None
    fields: Mapping[str, Json]
    cause_at: datetime
    revision: int = 0
    intent: str = ""
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP write, rendered and frozen: these bytes go out, now and on every re-send under the same key.

    `idempotency_key` is sent as a header where the vendor takes one.
    """

    method: str
    path: str
    body: bytes
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The answer to a question by key or marker: no, one or several objects carry it."""

    receipts: Sequence[Receipt]
