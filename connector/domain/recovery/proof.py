"""What shows that a step was done, how far a recovery is, and what it needs to be closed. Decisions only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from connector.domain.model.recovery import Stage

ANY: Final = "*"
_WAITING: Final = frozenset({"pending", "hold"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """A recovery's ticket as it was seen: `status` by its system name, `shown` as its people call it.

    `fields` are its fields by the name the YAML uses, as text; `notes` None where nobody looked.
    """

    status: str
    shown: str | None = None
    assigned: bool = False
    tags: frozenset[str] = frozenset()
    fields: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What shows that a step was done: everything that is set must hold."""

    status: frozenset[str] = frozenset()
    assigned: bool = False
    tag: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    note: str | None = None


def proven(proof: Proof, seen: Sight) -> str | None:
    """What showed it, in words without personal data; None while something is missing."""
    found: list[str] = []
    if proof.status:
        names = {name.casefold() for name in (seen.status, seen.shown) if name is not None}
        if names.isdisjoint({wanted.casefold() for wanted in proof.status}):
            return None
        found.append(f"its status is {seen.shown or seen.status}")
    if proof.assigned:
        if not seen.assigned:
            return None
        found.append("somebody is assigned")
    if proof.tag is not None:
        if proof.tag.casefold() not in {tag.casefold() for tag in seen.tags}:
            return None
        found.append(f"it is tagged {proof.tag}")
    for name, wanted in proof.fields.items():
        value = seen.fields.get(name, "")
        if not value or (wanted != ANY and value.casefold() != wanted.casefold()):
            return None
        found.append(f"{name} is filled in" if wanted == ANY else f"{name} is {wanted}")
    if proof.note is not None:
        if not any(proof.note.casefold() in note.casefold() for note in seen.notes or ()):
            return None
        found.append(f"a note says {proof.note}")
    return ", ".join(found)


def stage_of(before: Stage, seen: Sight, *, steps_done: int) -> Stage:
    """How far an open recovery is, by its ticket and by how many of its steps were done.

    Waiting is what the ticket says; otherwise it goes from opened to acknowledged, when somebody is assigned, to in
    progress, when a step was done, and never back.
    """
    if seen.status in _WAITING:
        return Stage.WAITING
    if steps_done:
        return Stage.IN_PROGRESS
    if seen.assigned:
        return Stage.IN_PROGRESS if before is Stage.IN_PROGRESS else Stage.ACKNOWLEDGED
    return Stage.ACKNOWLEDGED if before is Stage.WAITING else before


def lacking(
    needs: frozenset[str], *, root_cause: str | None, action_taken: str | None, causes: tuple[str, ...]
) -> tuple[str, ...]:
    """What a recovery still needs to be closed: `root_cause`, `action_taken`; a cause nobody listed counts as none."""
    cause = known_cause(root_cause, causes)
    has = {"root_cause": cause is not None, "action_taken": bool((action_taken or "").strip())}
    return tuple(name for name in ("root_cause", "action_taken") if name in needs and not has[name])


def known_cause(written: str | None, causes: tuple[str, ...]) -> str | None:
    """The root cause as the playbook spells it; None for one it does not list, or for none at all."""
    text = (written or "").strip()
    if not text or not causes:
        return text or None
    return next((cause for cause in causes if cause.casefold() == text.casefold()), None)
