"""One kind of write, described well enough that the suites can ask everything about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from connector.clock import VirtualClock
from connector.domain.model.intent import Intent, Json, Priority, Promise, WriteKind
from connector.ports.erasing import Subject
from connector.testing.world import START, Stand, World

SECOND = timedelta(seconds=1)

Held = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Many:
    """Several records of the kind, each about an object of its own.

    `seed` makes what `count` of them need, `make` the intent of one. The text of `word(number)` must be in what it
    writes. `refuse` turns an intent into one that the vendor refuses for good, because of the field `named`; None where
    nothing the connector sends is ever refused. `named` is empty where the vendor does not say which field it was.
    """

    seed: Callable[[World, int], None]
    make: Callable[[int], Intent]
    refuse: Callable[[Intent], Intent] | None = None
    named: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blank:
    """Two fields of the object and a value for each. The suite clears `cleared` and must find `kept` as it was.

    `read` is what the vendor holds in one of them now, None where it holds nothing. `is_text`: it takes an empty text.
    """

    cleared: str
    kept: str
    values: Mapping[str, Json]
    read: Callable[[World, str], Json]
    is_text: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Dated:
    """Days and instants as mappings give them, and `held` as this vendor writes the same ones."""

    wanted: Intent
    held: Callable[[World], Mapping[str, Any]]
    expected: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What people do there to the object that is written to, and what is held once we followed it."""

    act: Callable[[World], object]
    held: Callable[[World], Held]
    expected: Held


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One kind of write to one vendor.

    `page` is the vendor's kind, `promise` what is declared. `vendor` makes the simulator, `seed` what has to be there
    before, `wanted` the intents. `calls` is the write they become, as faults match it. `held` is what the truth has of
    it, one entry an object. `newer`, for updates, is what a later answer wants of the same objects, and `changed` what
    is held then. `is_job`: these very intents are accepted as a job.

    The rest answers one criterion each and is left out where the vendor or the kind has no such thing: `many` (C2, C12,
    C13, C17), `blank` (C9), `dated` (C10), `merged` and `delete` (C8), `present` (what a person typed in before us and
    is to be found), `erase` (C16: whom to erase once it is written), `retracts` (undoing a run changes the record, so
    that it says why it counts for nothing). `only` are the criteria it is asked at all, where another case of its kind
    is asked the rest; empty: every one.
    """

    kind: WriteKind
    page: str
    promise: Promise
    vendor: Callable[[VirtualClock], Stand]
    seed: Callable[[World], None]
    wanted: Sequence[Intent]
    calls: str
    held: Callable[[World], Held]
    expected: Held
    newer: Sequence[Intent] = ()
    changed: Held = ()
    is_job: bool = False
    many: Many | None = None
    blank: Blank | None = None
    dated: Dated | None = None
    merged: Merged | None = None
    delete: Callable[[World], None] | None = None
    present: Callable[[World], None] | None = None
    erase: Callable[[World], Subject] | None = None
    retracts: bool = False
    only: frozenset[str] = frozenset()


def intent(account: str, kind: WriteKind, key: str, name: str, fields: Mapping[str, Json], **more: Any) -> Intent:
    """An intent as deciding plans it, about the object `name`; `more` are fields of `Intent`."""
    plain = Intent(
        key=f"{account}/{key}",
        account=account,
        kind=kind,
        object=name,
        fields=fields,
        cause_at=START,
        not_before=START,
        give_up_at=START + timedelta(days=3),
        priority=Priority.RECOVERY,
    )
    return replace(plain, **more)


def later(first: Intent, fields: Mapping[str, Json], version: int = 2) -> Intent:
    """What a newer version of the same answer wants of the same object."""
    at = START + (version - 1) * SECOND
    target = first.target or first.object
    return replace(
        first, key=f"{first.key}/{version}", fields=fields, cause_at=at, target=target, version=version, fold=True
    )


def word(number: int) -> str:
    """A text that nothing else contains, for one of `Many` records."""
    return f"quetzal{number:04d}"


def mail(number: int) -> str:
    """An invented address for one of `Many` records."""
    return f"kim{number:04d}@example.com"


def nothing(world: World) -> None:
    """The account as it comes."""
