"""Words of a text, folded for comparison, with the place they came from."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_BREAK = re.compile(r"[.,;:!?()\[\]\"„“”¿¡…]")
_TRANSLITERATION = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One word: `folded` for comparison, `start` and `end` in the text, `breaks` when punctuation stands before it."""

    folded: str
    start: int
    end: int
    breaks: bool


def fold(text: str) -> str:
    """Case, accents and compatibility forms removed: `Gefährlich` and `GEFAHRLICH` are one."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character)).replace("’", "'")


def spellings(word: str) -> tuple[str, ...]:
    """The folded forms of a word: as `fold` makes it and, for umlauts, as keyboards without them type it."""
    typed = fold(unicodedata.normalize("NFC", word).casefold().translate(_TRANSLITERATION))
    return tuple(dict.fromkeys((fold(word), typed)))


def words_of(text: str, most: int) -> list[Word]:
    """The first `most` words of `text`, in order. Offsets are into `text`, which should be NFC."""
    found: list[Word] = []
    end = 0
    for match in _WORD.finditer(text):
        if len(found) == most:
            break
        breaks = _BREAK.search(text, end, match.start()) is not None
        end = match.end()
        folded = fold(match.group())
        if folded:  # a lone vowel sign folds to nothing
            found.append(Word(folded=folded, start=match.start(), end=end, breaks=breaks))
    return found
