"""Names of people and companies in the form they are compared in, and how one word of a name stands to another."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from enum import Enum
from functools import lru_cache
from typing import Final

from rapidfuzz.distance import OSA

from connector.domain.matching.given_names import COMMON, ROOTS
from connector.domain.matching.surnames import EVERYDAY

_WORDS: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_ALPHANUMERIC: Final = re.compile(r"[^\W_]+")
_LETTERS: Final = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"})
_TITLE_WORDS: Final = "dr prof mr mrs ms miss mx sir herr frau hr fr dipl ing med mag jr sr ii iii"
_TITLES: Final = frozenset(_TITLE_WORDS.split())
_LEGAL_FORMS: Final = (
    "gmbh ag kg kgaa ohg ug gbr ev eg se co cie mbh ltd limited plc llp llc lp inc incorporated corp corporation "
    "company sa sas sarl srl spa sl slu bv nv oy ab as aps pty the and und y et"
)
_LEGAL: Final = frozenset(_LEGAL_FORMS.split())
_SOUNDS: Final = tuple(
    (re.compile(pattern), sound)
    for pattern, sound in (
        (r"ph", "f"),
        (r"th|dt", "t"),
        (r"sch|sh", "s"),
        (r"ck|c|q", "k"),
        (r"tz|z", "s"),
        (r"w", "v"),
        (r"y", "i"),
        (r"ei", "ai"),
        (r"ie", "i"),
        (r"(?<=.)h", ""),
        (r"(.)\1+", r"\1"),
    )
)


class Alike(Enum):
    """How one word of a name stands to another, best first. `bits`: what is lost against the very same word."""

    SAME = 0
    SOUNDS = 2
    """Another spelling of the same sound: Meyer and Maier."""
    SHORT = 3
    """A short form of it: Bill and William."""
    TYPO = 4
    """A slip within a longer word."""
    INITIAL = 8
    UNSURE = 11
    """Close, but perhaps another name: Paul and Paula, Lena and Lina."""
    OTHER = 30

    @property
    def bits(self) -> int:
        """How much less it says than the very same word."""
        return self.value


@lru_cache(maxsize=65_536)
def fold(text: str) -> str:
    """Lower case, without accents; umlauts as their letter, however they are written: `Müller` and `Mueller` are one.

    `ae`, `oe` and `ue` lose their e in every word, also where they never were umlauts: what matters is that both sides
    of a comparison do.
    """
    plain = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    bare = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return re.sub(r"(?<=[aou])e", "", bare)


def name_words(name: str | None) -> tuple[str, ...]:
    """The words of a person's name, folded, given name first; titles are left out. `Example, Ada` is turned round."""
    if not name:
        return ()
    before, comma, after = name.partition(",")
    words = [
        fold(word).replace("'", "").replace("’", "") for word in _WORDS.findall(f"{after} {before}" if comma else name)
    ]
    return tuple(word for word in words if word not in _TITLES) or tuple(words)


@lru_cache(maxsize=65_536)
def sound(word: str) -> str:
    """A word as it sounds in English, German and Spanish, roughly: spellings of one name share it."""
    for pattern, letter in _SOUNDS:
        word = pattern.sub(letter, word)
    return word


def is_everyday(words: Sequence[str]) -> bool:
    """Whether this is a name that many people have: a common given name and a common surname, in either order."""
    if len(words) < 2:
        return False
    ends = ((words[0], words[-1]), (words[-1], words[0]))
    return any((given in COMMON or root(given) in COMMON) and last in EVERYDAY for given, last in ends)


def root(word: str) -> str:
    """The name a short form stands for; itself for any other word."""
    return ROOTS.get(word, word)


def alike(one: str, other: str) -> Alike:
    """How two folded words of names stand to each other."""
    if one == other:
        return Alike.SAME
    if min(len(one), len(other)) == 1:
        return Alike.INITIAL if one[0] == other[0] else Alike.OTHER
    if root(one) == root(other):
        return Alike.SHORT
    if sound(one) == sound(other):
        return Alike.SOUNDS
    return _slip(one, other)


def _slip(one: str, other: str) -> Alike:
    """Whether a few letters between two words are a slip. First and last letters seldom are: the last tells the sex."""
    shorter = min(len(one), len(other))
    apart = OSA.distance(one, other, score_cutoff=2)
    if apart > 2 or shorter < 3:
        return Alike.OTHER
    if one in COMMON and other in COMMON:
        return Alike.UNSURE if apart == 1 else Alike.OTHER
    has_same_ends = one[0] == other[0] and one[-1] == other[-1]
    is_turned = apart == 1 and sorted(one) == sorted(other)
    if has_same_ends and ((apart == 1 and shorter >= 6) or (is_turned and shorter >= 4) or shorter >= 9):
        return Alike.TYPO
    is_close = apart == 1 or shorter >= 6
    return Alike.UNSURE if is_close else Alike.OTHER


@lru_cache(maxsize=65_536)
def company_words(company: str | None) -> tuple[str, ...]:
    """The words of a company's name that tell it from others, folded: legal forms are left out."""
    words = [fold(word) for word in _ALPHANUMERIC.findall((company or "").replace(".", ""))]
    return tuple(word for word in words if word not in _LEGAL) or tuple(words)


def pair_up(ones: Sequence[str], others: Sequence[str]) -> list[Alike]:
    """Pair the words of two names, the most alike first; one result for each word of the shorter name."""
    shorter, longer = sorted((list(ones), list(others)), key=len)
    found: list[Alike] = []
    for word in list(shorter):
        if word in longer:
            shorter.remove(word)
            longer.remove(word)
            found.append(Alike.SAME)
    table = sorted(
        (alike(one, other).bits, row, column) for row, one in enumerate(shorter) for column, other in enumerate(longer)
    )
    rows: set[int] = set()
    columns: set[int] = set()
    for bits, row, column in table:
        if row not in rows and column not in columns:
            rows.add(row)
            columns.add(column)
            found.append(Alike(bits))
    return found
