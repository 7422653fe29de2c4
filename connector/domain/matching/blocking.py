"""Keys by which contacts that may be alike are found without looking at all of them.

Every key is built from parts that are likely to be right together. A contact is filed under each of its keys; what
somebody offers is looked up under its own, and under what they would be if the name had been given the other way round.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from connector.domain.matching.fields import firm_key
from connector.domain.matching.fuzzy import Profile
from connector.domain.matching.names import root, sound

VERSION: Final = "1"
"""Of the keys: another one is another index, which is built anew."""
NAME: Final = "name"
"""The key of the whole name. Who shares it is a namesake."""
_HALF: Final = 4
_LAST: Final = 7
_BOX: Final = 5


def index_keys(known: Profile) -> tuple[str, ...]:
    """What a contact is filed under, each once."""
    return tuple(dict.fromkeys(_keys(known, known.words)))


def query_keys(known: Profile) -> tuple[str, ...]:
    """What contacts like this are looked up by, each once."""
    turned = tuple(reversed(known.words)) if len(known.words) > 1 else ()
    return tuple(dict.fromkeys([*_keys(known, known.words), *(_named(known, turned) if turned else ())]))


def name_key(words: Sequence[str]) -> str | None:
    """The key of a whole name: its words as they sound, in any order; None for fewer than two."""
    whole = sorted(sound(root(word)) for word in words if len(word) > 1)
    return f"{NAME}/{' '.join(whole)}" if len(whole) > 1 else None


def _keys(known: Profile, words: Sequence[str]) -> Iterator[str]:
    whole = name_key(words)
    if whole is not None:
        yield whole
    yield from _named(known, words)
    if len(known.digits) >= _LAST:
        yield f"phone/{known.digits[-_LAST:]}"
    if known.mail is not None and len(known.mail.box) >= _BOX and not known.mail.is_role:
        yield f"box/{known.mail.box}"


def _named(known: Profile, words: Sequence[str]) -> Iterator[str]:
    """Keys that rest on which word is the given name and which the surname."""
    if not words:
        return
    given, last = sound(root(words[0])), sound(words[-1])
    if len(words) > 1:
        yield f"initial/{last}/{words[0][:1]}"
        yield f"front/{given}/{words[-1][:3]}"
        yield f"back/{given}/{words[-1][-3:]}"
    firm = firm_key(known.company, known.mail)
    if firm:
        yield f"firm/{firm}/{last[:4]}"
    if known.postcode:
        yield f"place/{known.postcode}/{last}"
        yield f"place/{known.postcode}/{given}"
    if len(known.digits) >= 2 * _HALF:
        yield f"head/{known.digits[-2 * _HALF : -_HALF]}/{last[:2]}"
        yield f"tail/{known.digits[-_HALF:]}/{last[:2]}"
