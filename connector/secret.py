"""A secret that does not print itself, and the redaction of everything that might carry one."""

from __future__ import annotations

import hmac
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A credential. `repr`, `str`, formatting and pickling never show it; `reveal()` is the one way out."""

    _value: str

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
