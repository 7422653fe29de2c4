"""Noticing that the configuration's files changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

Stamp = tuple[int, int, int] | None
"""What tells one state of a file from another; None while there is none."""
NOTHING: Mapping[Path, Stamp] = MappingProxyType({})


class Watch:
    """Remembers what `files` looked like; `changed` says once for each change that they look different.

    A file that is being replaced may be missing for a moment: that is a change too, and so is its coming back.
    `seen` is what an earlier watch saw last: what of its files has changed since is still to be said.
    """

    def __init__(self, files: Iterable[Path], seen: Mapping[Path, Stamp] = NOTHING) -> None:
        self._files = tuple(dict.fromkeys(files))
        self._seen = {file: seen.get(file, stamp) for file, stamp in self._look().items()}

    @property
    def seen(self) -> Mapping[Path, Stamp]:
        """What each file looked like at the last look."""
        return self._seen

    def changed(self) -> bool:
        """Whether any of them is another than at the last look."""
        before, self._seen = self._seen, self._look()
        return self._seen != before

    def _look(self) -> dict[Path, Stamp]:
        return {file: _stamp(file) for file in self._files}


def _stamp(file: Path) -> Stamp:
    try:
        found = file.stat()  # follows links: a mounted secret or ConfigMap is replaced by turning its link
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
