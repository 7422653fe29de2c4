"""Constants in rules and texts that can never occur: a slip there would silence the rule without a word."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from connector.config.document import Path_
from connector.config.findings import Findings, matches
from connector.domain.constants import Comparison, comparisons
from connector.domain.model.nearest import nearest
from connector.domain.model.person import LinkState
from connector.domain.model.recovery import Severity
from connector.domain.model.response import Metric, Polarity, Sentiment
from connector.errors import ExpressionError

ANONYMOUS: Final = "anonymous"  # what `match.state` says of an answer nobody can be found for
LISTS: Final = frozenset({"themes"})

Known = Mapping[str, Sequence[str]]
"""Name → every value it can have. A name that is absent may have any."""


def _values(words: type[StrEnum]) -> tuple[str, ...]:
    return tuple(word.value for word in words)


FIXED: Final[Known] = {
    "sentiment": _values(Sentiment),
    "metric": _values(Metric),
    "scale.best": _values(Polarity),
    "match.state": (*_values(LinkState), ANONYMOUS),
    "recovery.severity": _values(Severity),
}
CONFIGURED: Final[Mapping[str, Sequence[str]]] = {
    "survey": ("surveys",),
    "score.band": ("health_score", "bands"),
    "score.before.band": ("health_score", "bands"),
    "score.fell_into": ("health_score", "bands"),
    "score.rose_into": ("health_score", "bands"),
    "recovery.playbook": ("playbooks",),
}


def known_values(tree: Any, themes: Iterable[str] | None, findings: Findings) -> Known:
    """What names can be, by this configuration. `themes` None: they cannot be known, as their file is broken.

    A group that is itself missing, broken or misspelt says nothing of its names: that is one mistake, told elsewhere.
    """
    known: dict[str, Sequence[str]] = dict(FIXED)
    for name, pattern in CONFIGURED.items():
        for path, group in matches(tree, pattern):
            if isinstance(group, dict) and not findings.was_meant(path):
                known[name] = tuple(group)
    if themes is not None:
        known["themes"] = tuple(themes)
    return known


def constants(
    tree: Any, patterns: Iterable[Sequence[str]], known: Known, findings: Findings, *, templates: bool = False
) -> None:
    """Every constant compared with a name of `known`, in what stands at `patterns`, is one of its values."""
    for pattern in patterns:
        for path, text in matches(tree, pattern):
            if isinstance(text, str) and text.strip():
                _text(path, text, known, findings, template=templates)


def _text(path: Path_, text: str, known: Known, findings: Findings, *, template: bool) -> None:
    try:
        found = comparisons(text, template=template)
    except ExpressionError:
        return  # what cannot be read is reported as such
    for one in found:
        if one.path in known and one.constant is not None:
            _one(path, one, known[one.path], findings)


def _one(path: Path_, one: Comparison, values: Sequence[str], findings: Findings) -> None:
    if one.path in LISTS and not one.member:
        findings.add(path, f"{one.path!r} is a list: ask whether a word is `in` it", line=one.line)
    elif one.constant not in values and (one.path in LISTS or not one.member):
        what = f"{one.constant!r} is never in {one.path!r}" if one.member else f"{one.path!r} is never {one.constant!r}"
        findings.add(path, what, nearest(str(one.constant), values), line=one.line)
