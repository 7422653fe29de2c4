"""One trial of every kind of write of every adapter with the store at a PostgreSQL; at a file each stands all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.clock import Clock
from connector.store.database import Database
from connector.testing.trials import KILLED, LOST, REMEMBERED, RESTORED, exactly_one
from tests import stores
from tests.durability.every_effect import EFFECTS
from tests.unit.samples import empty_store

pytestmark = pytest.mark.slow


class Wherever:
    """The store where this test has it."""

    def open(self, folder: Path, clock: Clock) -> Database:
        return empty_store(folder, clock)

    def keep(self, folder: Path, name: str) -> None:
        stores.keep(folder, name)

    def put_back(self, folder: Path, name: str) -> None:
        stores.put_back(folder, name)


@pytest.fixture(autouse=True)
def at_a_server() -> Iterator[None]:
    with stores.on("postgresql"):
        yield


@pytest.mark.parametrize(("number", "name"), [*enumerate(EFFECTS)])
def test_exactly_one(tmp_path: Path, number: int, name: str) -> None:
    effect = EFFECTS[name]
    trials = (*LOST, *KILLED, *(RESTORED if effect.promise.can_tell else REMEMBERED))
    exactly_one(tmp_path, effect, trials[number % len(trials)], Wherever())
