"""Systems that can forget a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

from connector.domain.model.intent import WriteKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A person who is to be erased, as far as one account may know them.

    `contacts` are their contacts by id, `records` the ids of what we made about them, by kind of write, `notes` pairs
    of the ticket a note was written on and the key in its marker, `tickets` those they asked for themselves as far as
    is known, `responses` their answers' keys. `keep_contacts`: the company's own record of them, and their own tickets,
    stay.
    `under_way` are the objects reported so the last time.
    """

    emails: Sequence[str] = ()
    phones: Sequence[str] = ()
    contacts: Sequence[str] = ()
    records: Mapping[WriteKind, Sequence[str]] = field(default_factory=dict)
    notes: Sequence[tuple[str, str]] = ()
    tickets: Sequence[str] = ()
    responses: Sequence[str] = ()
    keep_contacts: bool = False
    under_way: Sequence[str] = ()


class Fate(StrEnum):
    """What became of one object of an erased person.

    `kept`: it could not be erased, or was to stay. `under_way`: accepted, to be seen to be gone by asking again.
    """

    ERASED = "erased"
    ANONYMISED = "anonymised"
    KEPT = "kept"
    UNDER_WAY = "under way"


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """One object's fate. `object` is kind and id there (`ticket 10023`); `why` holds no personal data."""

    object: str
    fate: Fate
    why: str = ""
    request_id: str = ""


@runtime_checkable
class Erasing(Protocol):
    """A system that can forget a person. Declared by whoever holds anything about people.

    `residual` says in one sentence what stays there whatever is called, empty where nothing does.
    """

    residual: str

    def erase(self, subject: Subject) -> Sequence[Erased]:
        """Erase what is there, each object reported once; what is gone already counts as erased.

        Called again after a crash, when it raised, and while something is under way. Raises RemoteError.
        """
        ...
