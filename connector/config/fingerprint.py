"""Whether two configurations do the same: a digest of everything that decides what is written, secrets left out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from connector.config.directory import list_files
from connector.config.model import Config
from connector.config.redaction import redacted

_ELSEWHERE: Final = ("engine", "listen", "mode", "privacy", "store")
"""What changes where the connector runs, not what it does. The mode is written down beside the digest."""


def fingerprint(config: Config) -> str:
    """32 hex digits: the same as long as the file and the files it names say the same, in whatever folder.

    The files the configuration names are read again; one that is gone counts as empty.
    """
    shown = redacted(config)
    for key in _ELSEWHERE:
        shown.pop(key, None)
    for named in (*shown["surveys"].values(), *shown["connections"].values()):
        named.pop("mapping", None)  # what it says counts, not where it lies: another machine may keep it elsewhere
    shown.get("analysis", {}).pop("themes", None)
    for named in shown.get("directory", {}).values():
        named.pop("file", None)
    if not shown.get("directory"):
        shown.pop("directory", None)  # as before there were any
    digest = hashlib.sha256(json.dumps(shown, sort_keys=True, default=str).encode())
    for file in _files(config):
        digest.update(b"\0" + (file.read_bytes() if file.is_file() else b""))
    return digest.hexdigest()[:32]


def _files(config: Config) -> Iterator[Path]:
    for _, survey in sorted(config.surveys.items()):
        yield Path(survey.mapping)
    for _, connection in sorted(config.connections.items()):
        if connection.mapping is not None:
            yield Path(connection.mapping)
    if config.analysis.themes is not None:
        yield Path(config.analysis.themes)
    yield from list_files(config.directory)
