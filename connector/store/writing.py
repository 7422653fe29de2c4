"""Which fields of an intent are worth writing, given what the other system is known to hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from connector.domain.model.intent import NOTES, Json, WriteKind
from connector.store.confirmed import Confirmed

# A list in such a field is added to what is there, so equal values are not "unchanged" and lists join when folded.
ADDED = "add_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A field somebody wants set, and the event time of the fact behind it."""

    value: Json
    event_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What is left to write; `reason` says in words why nothing is. `unchanged` are fields that hold it already.

    `left_out` says of each field that is not written why it is not.
    """

    fields: Mapping[str, Wanted]
    unchanged: Mapping[str, datetime]
    reason: str
    left_out: Mapping[str, str] = field(default_factory=dict)


def tracked(kind: WriteKind, fields: Mapping[str, Json]) -> dict[str, Json]:
    """The fields whose value an object has after the write; what is added to it is not among them."""
    return {
        name: value
        for name, value in fields.items()
        if not name.startswith(ADDED) and not (kind in NOTES and name == "text")
    }


def trim(
    fields: Mapping[str, Wanted],
    known: Mapping[str, Confirmed],
    *,
    kind: WriteKind,
    updates: bool,
    ours: frozenset[str],
    if_blank: frozenset[str],
    since: datetime,
) -> Left:
    """Leave out what holds already, what a person changed, and what something newer is known about.

    A note says what it says: nothing is left out of it. A record that is created or replaced as a whole
    (`updates` False) goes out whole unless everything in it holds already: a part of it could not create it.

    Args:
        fields: what is wanted.
        known: what is confirmed about the object.
        kind: of the write.
        updates: whether an existing object is changed field by field.
        ours: fields written although a person changed them.
        if_blank: fields written only where there is nothing.
        since: only values confirmed since then, by this process, count as "holds already". The store may be an old
            copy: what it remembers being there may have been overwritten by a life of ours that it knows nothing of.
    """
    if kind in NOTES:
        return Left(fields=fields, unchanged={}, reason="")
    why = {
        name: _against(name, want, known.get(name), updates=updates, ours=ours, if_blank=if_blank, since=since)
        for name, want in fields.items()
    }
    unchanged = {name: fields[name].event_at for name, reason in why.items() if reason == "unchanged"}
    whole = not updates and None in why.values()
    left = {name: want for name, want in fields.items() if why[name] is None or (whole and why[name] == "unchanged")}
    reason = "; ".join(sorted({reason for reason in why.values() if reason is not None}))
    left_out = {name: said for name, said in why.items() if said is not None and name not in left}
    return Left(fields=left, unchanged=unchanged, reason="" if left else reason or "unchanged", left_out=left_out)


def _against(
    name: str,
    want: Wanted,
    known: Confirmed | None,
    *,
    updates: bool,
    ours: frozenset[str],
    if_blank: frozenset[str],
    since: datetime,
) -> str | None:
    """Why a field is not written; None when it is. A value that is unknown never speaks against writing."""
    if name.startswith(ADDED):
        return None
    if known is None:
        return "never read, and only to be filled when blank" if name in if_blank and updates else None
    if known.event_at > want.event_at:
        return "something newer is known"
    if not known.known:
        return None
    if known.value == want.value:
        return "unchanged" if known.at >= since else None
    if known.theirs and name not in ours:
        return "a person changed it"
    if name in if_blank and known.value not in (None, ""):
        return "not blank"
    return None
