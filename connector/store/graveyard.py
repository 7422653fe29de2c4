"""The graveyard: a small file beside the store with every tombstone, so that a restored backup brings nobody back.

One line a tombstone: the keyed digest, when it was set, and perhaps a word about its erasure. It is appended to and
flushed to the disk as soon as the transaction that erases has committed, and it is not part of a backup: whoever copies
an older store over the newer one leaves it in place. A line that a crash tore is not a digest and is passed over; the
next start, which finds the tombstone in the store, writes it again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Final

from connector.errors import StoreError

TOLD: Final = "told"
"""The other systems erased what they held; written as a line of its own, once they did."""
KEEPS: Final = "keeps"
"""The company's own records of them stay."""
_LINE = re.compile(r"([0-9a-f]{64}) (\S+?)(?: (told|keeps))?")


class Graveyard:
    """The file at `path`; made when the first person is erased."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, tombstones: Iterable[tuple[str, datetime, str]]) -> None:
        """Append tombstones, each with when it was set and its word or "", and wait for the disk. Raises StoreError."""
        lines = "".join(f"\n{digest} {at.isoformat()} {word}".rstrip() for digest, at, word in tombstones)
        try:
            is_new = not self.path.exists()
            file = os.open(self.path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
            try:
                os.write(file, lines.encode() + b"\n")
                os.fsync(file)
            finally:
                os.close(file)
            if is_new:
                _flush_folder(self.path.parent)
        except OSError as error:
            raise StoreError(f"no tombstone can be written to {self.path}: {error.strerror}") from error

    def digests(self, word: str | None = None) -> frozenset[str]:
        """Every tombstone in it, or those with a word; none when there is no file. Raises StoreError."""
        try:
            text = self.path.read_text(errors="replace")
        except FileNotFoundError:
            return frozenset()
        except OSError as error:
            raise StoreError(f"{self.path} cannot be read: {error.strerror}") from error
        found = (_LINE.fullmatch(line) for line in text.splitlines())
        return frozenset(match[1] for match in found if match and word in {None, match[3]})


def _flush_folder(folder: Path) -> None:
    place = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(place)
    finally:
        os.close(place)
