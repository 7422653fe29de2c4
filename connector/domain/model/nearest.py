"""The name a person probably meant."""

from __future__ import annotations

from collections.abc import Iterable

from rapidfuzz import fuzz, process, utils

# Below this similarity (0-100) a suggestion would mislead more often than help: measured on the keys of the example.
SIMILAR_ENOUGH = 60


def nearest(word: str, names: Iterable[str]) -> str | None:
    """The one of `names` most like `word`, None when none is like it. Ties go to the first in alphabetical order."""
    found = process.extractOne(
        word, sorted(names), scorer=fuzz.ratio, processor=utils.default_process, score_cutoff=SIMILAR_ENOUGH
    )
    return None if found is None else str(found[0])
