"""What makes the daemon read its configuration again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from connector.cli.run import keep_current
from connector.clock import VirtualClock
from connector.config import Loaded
from connector.errors import ConfigError, Problem
from connector.wiring.daemon import Daemon
from connector.wiring.watch import Watch
from tests.unit.samples import NOON


@dataclass(frozen=True)
class Files:
    """All that matters here of a configuration."""

    files: tuple[Path, ...]


@dataclass
class Running:
    """A daemon that only says which configurations it was given."""

    loaded: Files
    given: list[Files] = field(default_factory=list)
    refused: int = 0

    def reload(self, loaded: Files) -> None:
        self.loaded = loaded
        self.given.append(loaded)

    def refuse(self, _: ConfigError) -> None:
        self.refused += 1


def rest() -> None:
    """Nobody writes."""


class Looks(VirtualClock):
    """Time between two looks, in which people write files."""

    def __init__(self, meanwhile: list[Callable[[], object]]) -> None:
        super().__init__(NOON)
        self._meanwhile = [*meanwhile, rest, rest, rest]

    def wait(self, event: threading.Event, seconds: float) -> bool:
        if not self._meanwhile:
            return True
        self._meanwhile.pop(0)()
        return False


@pytest.fixture
def main(tmp_path: Path) -> Path:
    file = tmp_path / "connector.yaml"
    file.write_text("a")
    return file


def keep(daemon: Running, load: Callable[[], Files], *meanwhile: Callable[[], object]) -> None:
    keep_current(
        cast("Daemon", daemon),
        cast("Callable[[], Loaded]", load),
        Looks(list(meanwhile)),
        Watch(daemon.loaded.files),
        stop=threading.Event(),
        again=threading.Event(),
    )


def test_a_file_is_read_once_it_rests(main: Path) -> None:
    daemon = Running(Files((main,)))
    keep(daemon, lambda: Files((main,)), lambda: main.write_text("ab"), lambda: main.write_text("abc"))
    assert len(daemon.given) == 1


def test_what_changes_while_it_is_read_is_read_again(main: Path) -> None:
    daemon = Running(Files((main,)))

    def load() -> Files:
        if not daemon.given:
            main.write_text("written after it was read")
        return Files((main,))

    keep(daemon, load, lambda: main.write_text("ab"))
    assert len(daemon.given) == 2


def test_mending_a_file_that_only_the_refused_configuration_names_is_noticed(main: Path, tmp_path: Path) -> None:
    daemon, mapping = Running(Files((main,))), tmp_path / "new.yaml"
    mapping.write_text("wrong")

    def load() -> Files:
        if mapping.read_text() == "wrong":
            raise ConfigError([Problem(file=str(mapping), line=1, column=1, message="wrong")])
        return Files((main, mapping))

    keep(daemon, load, lambda: main.write_text("ab"), rest, rest, lambda: mapping.write_text("right"))
    assert daemon.refused == 1
    assert daemon.given == [Files((main, mapping))]
