"""Twenty thousand contacts filed as the feed files them: what is linked is right, and a look-up takes milliseconds.

`make bench-matching` says the same of a million, beside what one would run instead.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.matching import fill, measure, open_store
from benchmarks.people import People

pytestmark = pytest.mark.slow
CONTACTS, ANSWERS = 20_000, 1_000


def test_somebody_among_twenty_thousand_is_found_at_once(tmp_path: Path, show: Callable[[str], None]) -> None:
    people = People(CONTACTS)
    db = open_store(tmp_path)
    fill(db, people)
    asked = list(people.asked(ANSWERS))
    measure(db, asked[:50])  # the first look-ups compile their statements
    figures = measure(db, asked)
    db.close()
    show(f"{CONTACTS} contacts, {ANSWERS} answers no key finds: {figures.line('by likeness')}")
    assert figures.precision >= 0.99
    assert figures.recall >= 0.5
    assert figures.found >= 0.7
    assert figures.processor <= 5
