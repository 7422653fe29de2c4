"""Attributes of the code that are changed while a program runs, and put back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Change = Callable[["Changes"], None]


class Changes:
    """Attributes that were changed, to be put back."""

    def __init__(self) -> None:
        self._before: list[tuple[Any, str, Any]] = []

    def put(self, owner: Any, name: str, value: Any) -> Any:
        """Change an attribute; returns what it was."""
        before = getattr(owner, name)
        self._before.append((owner, name, before))
        setattr(owner, name, value)
        return before

    def undo(self) -> None:
        """Everything as it was."""
        for owner, name, value in reversed(self._before):
            setattr(owner, name, value)
        self._before.clear()
