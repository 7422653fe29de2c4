"""Febrl 4 at the default certainty: what is linked is right, and nothing is linked below it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmarks.febrl import link, people
from connector.domain.matching.fuzzy import Do, Fuzzy


def _words(*, number: bool, is_half: bool) -> str:
    fields = "name, postcode and a number" if number else "name and postcode"
    return f"{fields}{', half of the people missing' if is_half else ''}"


@pytest.mark.parametrize(("number", "recall"), [(False, 0.54), (True, 0.64)])
@pytest.mark.parametrize("is_half", [False, True])
def test_links_on_febrl_are_right(number: bool, recall: float, is_half: bool, show: Callable[[str], None]) -> None:
    originals, copies = people("dataset4a", number=number), people("dataset4b", number=number)
    assert (len(originals), len(copies)) == (5000, 5000)
    if is_half:
        originals = {one: profile for one, profile in originals.items() if int(one) % 2}
    outcome = link(originals, copies, Fuzzy(do=Do.LINK))
    show(f"Febrl 4, {outcome.line(_words(number=number, is_half=is_half))}")
    assert min(outcome.certainties) >= 92
    assert outcome.precision >= 0.99
    assert outcome.recall >= recall


def test_only_suggesting_links_nobody() -> None:
    originals, copies = people("dataset4a", number=True), people("dataset4b", number=True)
    some = dict(list(copies.items())[:500])
    outcome = link(originals, some, Fuzzy(do=Do.SUGGEST))
    assert outcome.linked == 0
    assert outcome.suggested_right >= 350
