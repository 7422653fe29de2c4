"""The command line as a person types it, in this process."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from connector.cli import main

WIDTH = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its output as JSON."""
        return json.loads(self.out)

    def says(self, code: int, *words: str) -> None:
        """It ended with `code`, a sentence with all the words, and no traceback."""
        assert self.code == code, self
        assert "Traceback" not in self.out + self.err
        text = " ".join((self.out + self.err).split())
        for word in words:
            assert word in text, self


@dataclass(frozen=True, slots=True)
class Keyboard:
    """Types commands in a folder."""

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    folder: Path

    def __call__(self, *words: str) -> Done:
        self.monkeypatch.chdir(self.folder)
        self.monkeypatch.setenv("COLUMNS", str(WIDTH))
        self.monkeypatch.delenv("CONNECTOR_CONFIG", raising=False)
        self.monkeypatch.setattr(sys, "argv", ["connector", *words])
        self.capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        said = self.capsys.readouterr()
        return Done(code=code, out=said.out, err=said.err)
