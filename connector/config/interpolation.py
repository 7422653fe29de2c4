"""`${NAME}`, `${NAME:-default}` and `${file:/path}` in the configuration; `$${` is a plain `${`.

The result is a text; the model of the place it stands in gives it its type.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from connector.config.document import Document, Path_
from connector.config.environment import PREFIX
from connector.domain.model.nearest import nearest

_REFERENCE: Final = re.compile(r"\$(\$\{)|\$\{([^{}]*)\}")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def variables(value: Any) -> frozenset[str]:
    """The variables that `${NAME}` in a tree refers to."""
    if isinstance(value, dict | list):
        return frozenset().union(*map(variables, value.values() if isinstance(value, dict) else value))
    found = _REFERENCE.findall(value) if isinstance(value, str) else []
    return frozenset(reference.partition(":-")[0] for _, reference in found)


class Interpolation:
    """Fills the references of one document from `environ` and from files beside it."""

    def __init__(self, document: Document, environ: Mapping[str, str], folder: Path) -> None:
        self._document = document
        self._environ = environ
        self._folder = folder
        self.unfilled: set[Path_] = set()
        """Where a reference had no value; whatever else is wrong there follows from that."""
        self.files: list[Path] = []
        """The files that were referred to."""
        self.variables: dict[Path_, str] = {}
        """The variable that filled a place, or the last of several."""

    def fill(self, value: Any, path: Path_ = ()) -> Any:
        """`value` with every reference filled in. What cannot be filled is noted in the document."""
        if isinstance(value, dict):
            return {key: self.fill(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.fill(item, (*path, number)) for number, item in enumerate(value)]
        if not isinstance(value, str) or "${" not in value:
            return value
        return _REFERENCE.sub(lambda match: match[1] or self._one(match[2], path), value)

    def _one(self, reference: str, path: Path_) -> str:
        if reference.startswith("file:"):
            return self._file(reference.removeprefix("file:"), path)
        name, dash, default = reference.partition(":-")
        if not _NAME.fullmatch(name):
            return self._unfilled(
                path, f"${{{reference}}} is neither ${{NAME}}, ${{NAME:-default}} nor ${{file:/path}}"
            )
        found = self._environ.get(name)
        if found or (found is not None and not dash):
            self.variables[path] = name
            return found
        if dash:
            return default
        # What the file reads elsewhere has its own meaning: a client's identity is not its secret. So has an override.
        read = variables(self._document.tree)
        free = [each for each in self._environ if each not in read and not each.startswith(PREFIX)]
        return self._unfilled(path, f"the environment variable {name} is not set", nearest(name, free))

    def _file(self, name: str, path: Path_) -> str:
        try:
            self.files.append(self._folder / name)
            return self.files[-1].read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            return self._unfilled(path, f"the file {name} cannot be read: {reason}")

    def _unfilled(self, path: Path_, message: str, suggestion: str | None = None) -> str:
        self._document.report(self._document.place(path), message, suggestion)
        self.unfilled.add(path)
        return ""
