"""The names expressions may use, declared once: for rules, texts and field mappings, and for survey mappings.

A context is a mapping from the first part of a name to its value; deeper parts are keys of mappings or fields of the
frozen values of this package. What has no value right now is absent or None; both count as missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass, replace
from types import MappingProxyType
from typing import Final

from connector.domain.model.nearest import nearest
from connector.errors import ExpressionError


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """A tree of names: `parts` maps each name to what it holds, None for a plain value.

    `open`: any further name is possible (answers of a form are only known there). `never` are names, and groups of
    them, that are declared but nothing fills in the place they are used in.
    """

    parts: Mapping[str, Names | None] = field(default_factory=dict)
    open: bool = False
    never: frozenset[str] = frozenset()

    def paths(self, prefix: str = "") -> tuple[str, ...]:
        """Every full dotted name below here, in the order declared; an open tree ends in `*`."""
        found: list[str] = [f"{prefix}*"] if self.open else []
        for name, below in self.parts.items():
            found.extend([prefix + name] if below is None else below.paths(f"{prefix}{name}."))
        return tuple(found)

    def check(self, path: Sequence[str]) -> None:
        """Check a name against the tree. Raises ExpressionError with the nearest right name."""
        below: Names | None = self
        for position, part in enumerate(path):
            if ".".join(path[: position + 1]) in self.never:
                raise ExpressionError(f"{'.'.join(path)!r} never has a value here")
            if below is None:
                raise ExpressionError(f"{'.'.join(path[:position])!r} has no parts")
            if part not in below.parts:
                if below.open:
                    return
                meant = self._meant(path, position, below)
                raise ExpressionError(f"there is no {'.'.join(path)!r}", suggestion=meant)
            below = below.parts[part]
        if below is not None:
            raise ExpressionError(f"{'.'.join(path)!r} is a group: say which part of it")

    def _meant(self, path: Sequence[str], position: int, below: Names) -> str | None:
        """`email` means `respondent.email`; `respondent.emial` does, too."""
        if position == 0:
            same_end = [known for known in self.paths() if known.rpartition(".")[2] == path[-1]]
            if len(same_end) == 1:
                return same_end[0]
        found = nearest(path[position], below.parts)
        return None if found is None else ".".join((*path[:position], found, *path[position + 1 :]))


def look_up(values: Mapping[str, object], path: Sequence[str]) -> object:
    """The value at `path`, None when any part of it is missing. Whole floats become integers, so 2.0 prints as 2."""
    value: object = values
    for part in path:
        if isinstance(value, Mapping):
            value = value.get(part)
        elif is_dataclass(value) and not part.startswith("_"):
            value = getattr(value, part, None)
        else:
            return None
    if callable(value):
        return None
    return int(value) if isinstance(value, float) and value.is_integer() else value


def plain(*names: str) -> Names:
    """A closed group of plain values."""
    return Names(parts=dict.fromkeys(names))


NO_LISTS: Final[Mapping[str, Names]] = MappingProxyType({"place": plain(), "staff": plain()})
"""The groups the directory fills, where there is none."""
MOVED: Final = ("before", "fell_into", "rose_into", "fell_30d")
"""What is known of a score where rules are about its movement."""


def rule_names(segments: Iterable[str], lists: Mapping[str, Names] = NO_LISTS) -> Names:
    """What rules, texts and field mappings may say.

    `segments` are the configured ones, `lists` the columns of the directory's places and staff.
    """
    values = (
        "unhappy",
        "rating",
        "metric",
        "satisfaction",
        "ratings",
        "comment",
        "language",
        "sentiment",
        "themes",
        "critical",
        "survey",
        "form",
        "version",
        "edited",
        "consent",
        "submitted_at",
        "age_hours",
        "recent",
        "links",
        "key",
    )
    groups: dict[str, Names | None] = {
        "scale": plain("min", "max", "best"),
        "respondent": plain(
            "name", "first_name", "last_name", "email", "phone", "company", "postcode", "crm_id", "invitation"
        ),
        "interaction": plain("id", "kind", "occurred_at", "service", "location", "staff", "channel"),
        "segments": plain(*segments),
        "match": plain("state", "by", "text"),
        "contact": plain("id", "name", "owner", "url"),
        "score": Names(
            parts=dict.fromkeys(("points", "band", "trend", "reason", "coverage", "as_of", "answers", *MOVED[1:]))
            | {"before": plain("points", "band")}
        ),
        "recovery": plain("id", "severity", "playbook", "opened_at", "answers", "owner", "stage"),
        "step": plain("name", "who", "due_at", "due_text", "late_by"),
        "ticket": plain("id", "url"),
        "message": plain("code", "reference", "link"),
    }
    return Names(parts=dict.fromkeys(values) | groups | dict(lists))


# Where a rule, a text or a section of a field mapping is evaluated, the names that nothing fills there: the ticket is
# known once a playbook has one, a step only while it is carried out, and a score moves without any answer.
_ABOUT_AN_ANSWER: Final = frozenset(rule_names(()).parts).difference({"score", "respondent", "contact"})
NEVER: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "when": frozenset({"ticket", "step", "message"}),
        "notify": frozenset({"step", "message"}),
        "begin": frozenset({"ticket", "step", "message"}),
        "late": frozenset({"message"}),
        "ticket": frozenset({"ticket", "message"}),
        "task": frozenset({"message"}),
        "note": frozenset({"step", "message"}),
        "answer": frozenset({"ticket", "step", "message"}),
        "contact": frozenset({"ticket", "step", "message"}),
        "activity": frozenset({"ticket", "step", "message"}),
        "message": frozenset({"ticket", "step", "message.reference", "message.link"}),
        "follow_up": frozenset({"ticket", "step", "message.code"}),
        "contact_fields": _ABOUT_AN_ANSWER
        | {"contact.name", "contact.owner", "contact.url", "respondent.first_name", "respondent.last_name"},
        "score": _ABOUT_AN_ANSWER,
    }
)


def names_in(place: str, segments: Iterable[str], lists: Mapping[str, Names] = NO_LISTS) -> Names:
    """`rule_names` as they are in one place: `when`, `notify`, a kind of step, or a section of a field mapping.

    `score` is everything in a rule `on: score`, and the only place where a score has moved.
    """
    never = NEVER.get(place, frozenset())
    moved = frozenset[str]() if place == "score" else {f"score.{one}" for one in MOVED}
    return replace(rule_names(segments, lists), never=never | moved)


def survey_names() -> Names:
    """What survey mappings may say: the record as the survey tool sent it."""
    anything = Names(open=True)
    return Names(
        parts={
            "answers": anything,
            "hidden": anything,
            "metadata": anything,
            "form": None,
            "id": None,
            "submitted_at": None,
        }
    )
