"""A secret that does not print itself, and the redaction of everything that might carry one."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

if TYPE_CHECKING:
    from pydantic_core import CoreSchema

HIDDEN = "…"
SHORTEST = 6
"""Shorter secrets are not looked for in texts: replacing every `abc` would destroy the text and tell the secret."""
_Patterns = tuple[re.Pattern[str], ...]
_SHORT, _REMEMBERED = 40, 512
"""The words of log lines, the names of their events, kinds and accounts are few and come again and again."""


class _Known:
    """Every live secret of the process, so that a token fetched a minute ago is hidden without being announced.

    Weak references by identity: equal secrets are separate entries, and a dropped token is forgotten with its object.
    No lock, since a reference may die anywhere, also while one is held; `_state` tells a stale pattern from a good one.
    """

    def __init__(self) -> None:
        self._references: dict[int, weakref.ref[Secret]] = {}
        self._state = object()
        self._built: tuple[object, _Patterns, Callable[[str], str]] | None = None

    def add(self, secret: Secret) -> None:
        """Hide `secret` for as long as it lives."""
        identity = id(secret)
        self._references[identity] = weakref.ref(secret, lambda _: self._forget(identity))
        self._state = object()

    def current(self) -> tuple[_Patterns, Callable[[str], str]]:
        """One expression for each live secret, the longest secret first; what redacts by them and remembers it."""
        state, built = self._state, self._built
        if built is not None and built[0] is state:
            return built[1:]
        alive = [secret for reference in list(self._references.values()) if (secret := reference()) is not None]
        values = {secret.reveal() for secret in alive if len(secret.reveal()) >= SHORTEST}
        patterns = tuple(_pattern(value) for value in sorted(values, key=len, reverse=True))
        remembering = lru_cache(maxsize=_REMEMBERED)(partial(_redact, patterns))
        self._built = (state, patterns, remembering)
        return patterns, remembering

    def _forget(self, identity: int) -> None:
        self._references.pop(identity, None)
        self._state = object()


_KNOWN = _Known()


@dataclass(frozen=True, slots=True, repr=False, weakref_slot=True)
class Secret:
    """A credential. `repr`, `str`, formatting and pickling never show it; `reveal()` is the one way out.

    In a pydantic model a string becomes a Secret, and a Secret is dumped as `…`.
    """

    _value: str

    def __post_init__(self) -> None:
        _KNOWN.add(self)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> CoreSchema:
        # Imported here because only config and adapters use pydantic; nothing else pays for it.
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            cls._validate,
            json_schema_input_schema=core_schema.str_schema(min_length=1),
            serialization=core_schema.plain_serializer_function_ser_schema(str, return_schema=core_schema.str_schema()),
        )

    @classmethod
    def _validate(cls, value: object) -> Secret:
        """A Secret from a string. The error names no value, since it would be the secret."""
        if isinstance(value, Secret):
            return value
        if not isinstance(value, str) or not value.strip():
            raise ValueError("a secret is a text that is not empty")
        return cls(value)

    def reveal(self) -> str:
        """The secret itself. Call it where the request or the signature is made, nowhere else."""
        return self._value

    def matches(self, other: str) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(self._value.encode(), other.encode())

    def __repr__(self) -> str:
        return "Secret('…')"

    def __str__(self) -> str:
        return "…"

    def __format__(self, spec: str) -> str:
        return "…"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a Secret cannot be pickled")


# Wherever `@` or `+` may have been escaped by a URL, by JSON or by HTML.
_AT = r"(?:@|%(?:25)*40|\\{1,8}u0040|&#64;)"
# It begins where a run of its characters begins, which also keeps the search linear.
_MAIL = re.compile(
    rf"(?<![\w.!#$%&'*+/=?^`{{|}}~-])(?:[\w.!#$%&'*+/=?^`{{|}}~-]|\\{{1,8}}u00[0-9a-f]{{2}})+{_AT}[\w-]+(?:\.[\w-]+)+",
    re.IGNORECASE,
)
_TOKEN = re.compile(
    r"\b(?:eyJ[\w-]+\.[\w-]+\.[\w-]*|xox[a-z]-[\w-]+|00D\w{12,15}![\w.]+|pat-[\w-]{20,})"
    r"|\b(?:Bearer|Basic|Zoho-oauthtoken)\s+[\w.~+/!-]+=*",
    re.IGNORECASE,
)
# A name may have lost its second half to a secret that is a plain word.
_NAMED = re.compile(
    r"((?:(?:access|refresh|api|client|webhook)_(?:token|secret|key|…)|token|secret|password|apikey|signature)"
    r"(?:[\"']?\s*[:=]\s*[\"']?))([^\s\"'&,;}]{4,})",
    re.IGNORECASE,
)
# Nine digits or more, as people write phone, card and account numbers; not in a word, a UUID, a date or a fraction.
_DIGITS = re.compile(
    r"(?<![\w.])(?<![0-9a-fA-F]-)(?!\d{4}-\d\d-\d\d)(?!\d+\.\d+(?![\d.]))"
    r"(?:\+|%2B)?\(?\d(?:[ ()./-]{0,2}\d){8,}(?!\w)",
    re.ASCII,
)
# Nothing that is looked for by its shape is as short as this and has letters only.
_PLAIN = re.compile(r"[A-Za-z_]{0,11}")
_CODED = re.compile(r"[A-Za-z0-9+/_-]{12,}={0,2}")


def redact(text: str) -> str:
    """`text` without any secret of this process, e-mail address, token, or phone-like number, escaped or not.

    Names and free text have no shape and cannot be found here: they are kept out of logs by not being logged.
    """
    patterns, remembering = _KNOWN.current()
    return remembering(text) if len(text) <= _SHORT else _redact(patterns, text)


def _redact(patterns: _Patterns, text: str) -> str:
    for pattern in patterns:
        text = pattern.sub(HIDDEN, text)
    if _PLAIN.fullmatch(text):
        return text
    text = _TOKEN.sub(HIDDEN, text)
    text = _NAMED.sub(rf"\1{HIDDEN}", text)
    text = _MAIL.sub(HIDDEN, text)
    text = _CODED.sub(_hide_coded, text)
    return _DIGITS.sub(HIDDEN, text)


@lru_cache(maxsize=256)
def _pattern(value: str) -> re.Pattern[str]:
    """Matches a secret as it is, with any of its characters escaped any usual way, and inside base64."""
    coded = {
        form
        for text in (value, quote_plus(value))
        for encoding in ("utf-8", "latin-1")
        for form in _coded(text.encode(encoding, "ignore"))
    }
    forms = ["".join(map(_character, value)), *map(re.escape, sorted(coded, key=len, reverse=True))]
    return re.compile("|".join(forms))


def _character(letter: str) -> str:
    """One character: plain, after backslashes, as a \\u escape, URL-escaped (once or more often), or an HTML entity."""
    if letter.isascii() and letter.isalnum():
        return letter
    escaped = "".join(f"%(?:25)*{byte:02x}" for byte in letter.encode())
    units = letter.encode("utf-16-be")
    unicode = "".join(rf"\\{{1,8}}u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
    byte = rf"\\{{1,8}}x{ord(letter):02x}" if ord(letter) < 256 else unicode
    space = r"|\+" if letter == " " else ""
    return rf"(?i:\\{{0,8}}{re.escape(letter)}|{escaped}|{unicode}|{byte}|&#{ord(letter)};{space})"


def _coded(value: bytes) -> Iterator[str]:
    """The characters `value` always has in base64, for each of its three positions in a longer text."""
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + value).rstrip(b"=").decode()
        # The first characters mix with what precedes, the last with what follows.
        inner = text[(0, 2, 3)[shift] : len(text) - (1 if (shift + len(value)) % 3 else 0)]
        if len(inner) >= SHORTEST:
            yield inner
            yield inner.translate(str.maketrans("+/", "-_"))


def _hide_coded(match: re.Match[str]) -> str:
    """Hide a base64 run that holds an e-mail address."""
    run = match.group().rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        plain = base64.b64decode(run[: len(run) - (len(run) % 4 == 1)] + "=" * (-len(run) % 4))
    except binascii.Error:
        return match.group()
    return HIDDEN if _MAIL.search(plain.decode("latin-1")) else match.group()
