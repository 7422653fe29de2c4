"""Noticing that the configuration's files changed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


class Watch:
    """Remembers what `files` looked like; `changed` says once for each change that they look different.

    A file that is being replaced may be missing for a moment: that is a change too, and so is its coming back.
    """

    def __init__(self, files: Iterable[Path]) -> None:
        self._files = tuple(dict.fromkeys(files))
        self._seen = self._look()

    def changed(self) -> bool:
        """Whether any of them is another than at the last look."""
        before, self._seen = self._seen, self._look()
        return self._seen != before

    def _look(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_stamp(file) for file in self._files)


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()  # follows links: a mounted secret or ConfigMap is replaced by turning its link
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
