"""A connected account before anything is written to it: what we will use of it, what it lacks, what can be made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from connector.domain.model.intent import Json, WriteKind


class Shape(StrEnum):
    """What kind of value goes into a field."""

    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    INSTANT = "instant"
    BOOLEAN = "boolean"
    ANY = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldUse:
    """One field the configuration writes, by one kind of write.

    `values` are the constants that will be written; `longest` the most characters and `largest` the largest number
    there can be, None where it cannot be said.
    """

    kind: WriteKind
    name: str
    shape: Shape = Shape.ANY
    values: Sequence[Json] = ()
    longest: int | None = None
    largest: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FormUse:
    """What a survey's mapping reads of one form: `scales` is question → lowest and highest value the mapping expects,
    `questions` and `hidden` are every reference it reads.
    """

    id: str
    survey: str
    scales: Mapping[str, tuple[float, float]]
    questions: frozenset[str]
    hidden: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Everything the configuration will use of one connected account.

    `statuses`, `groups` and `channels` are names as the YAML has them; `tags` stand on every ticket a recovery is
    worked on, the one against surveys last; `reads` are fields that are only read; `hook_url` is where the account's
    webhook must post, None while `public_url` is not set.
    """

    connection: str
    fields: Sequence[FieldUse] = ()
    reads: frozenset[str] = frozenset()
    statuses: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()
    tags: Sequence[str] = ()
    forms: Sequence[FormUse] = ()
    hook_url: str | None = None

    @property
    def names(self) -> Mapping[WriteKind, frozenset[str]]:
        """The fields written, by kind of write."""
        found: dict[WriteKind, frozenset[str]] = {}
        for use in self.fields:
            found[use.kind] = found.get(use.kind, frozenset()) | {use.name}
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something an account lacks. `by_hand` is the click path by which a person makes it.

    `only_by_hand`: there is no other way. `details` are for the adapter that asked for it; nobody else reads them.
    """

    subject: str
    message: str
    by_hand: str
    only_by_hand: bool = False
    details: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledHook:
    """A webhook of the account that posts to us, or to where we once were."""

    place: str
    url: str
    enabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question of a form. `type` is the survey tool's word, `lowest` and `highest` the ends of a scale.

    `labels` are the words at the low and the high end, empty where the author gave none.
    """

    ref: str
    type: str
    title: str
    lowest: float | None = None
    highest: float | None = None
    labels: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A survey as its author made it; `hidden` are the names that may travel with the link."""

    id: str
    title: str
    questions: Sequence[Question]
    hidden: Sequence[str]
