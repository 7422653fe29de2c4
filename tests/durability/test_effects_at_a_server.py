"""One trial of every kind of write of every adapter with the store at a PostgreSQL; at a file each stands all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import stores
from tests.durability.every_effect import EFFECTS
from tests.durability.trials import TRIALS, exactly_one

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def at_a_server() -> Iterator[None]:
    with stores.on("postgresql"):
        yield


@pytest.mark.parametrize(("number", "name"), [*enumerate(EFFECTS)])
def test_exactly_one(tmp_path: Path, number: int, name: str) -> None:
    exactly_one(tmp_path, name, TRIALS[number % len(TRIALS)])
