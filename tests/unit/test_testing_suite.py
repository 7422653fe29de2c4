"""A suite asks what applies, says what it leaves out, and has no waiver that has gone stale."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from connector.testing.suite import Suite, asks, cells_of

FILE = """
from connector.testing.suite import Suite, asks

class Sample(Suite):
    @asks("C1")
    def test_even(self, case):
        assert case % 2 == 0

    @asks("C2", lambda case: case > 1, variants=lambda case: (1, 2))
    def test_divides(self, case, variant):
        assert case % variant == 0

class TestNumbers(Sample):
    cases = {"two": 2, "three": 3, "one": 1}
    waived = {"C1 three": "It is odd.", "C1 one": "It is odd."@more}
    lacks = {"C2 one": "It is too small."}
"""


def run(folder: Path, more: str = "") -> str:
    (folder / "test_numbers.py").write_text(FILE.replace("@more", more))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), str(folder)],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )
    return done.stdout


def test_a_waived_test_has_to_fail(tmp_path: Path) -> None:
    told = run(tmp_path)
    assert "2 xfailed" in told
    assert "1 failed" in told, "three is not divided by two"
    told = run(tmp_path, ', "C1 two": "It is wrong."')
    assert "[XPASS(strict)] It is wrong." in told


class Sample(Suite):
    @asks("C1")
    def test_even(self, case: int) -> None:
        assert case % 2 == 0

    @asks("C2", lambda case: case > 1, variants=lambda case: (1, 2))
    def test_divides(self, case: int, variant: int) -> None:
        assert case % variant == 0


def test_what_is_not_asked_is_counted_as_nothing() -> None:
    class Numbers(Sample):
        cases = {"one": 1, "two": 2}
        lacks = {"C2 one": "It is too small."}

    found = {(cell.criterion, cell.case): cell.tests for cell in cells_of(Numbers)}
    assert found == {("C1", "one"): 1, ("C1", "two"): 1, ("C2", "one"): 0, ("C2", "two"): 2}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "leaves out C2 one"),
        ({"lacks": {"C2": "Too small.", "C1": "Odd."}}, "does not lack C1"),
        ({"lacks": {"C2 one": "Too small."}, "waived": {"C2 one": "Odd."}}, "waives C2 one"),
        ({"lacks": {"C2 one": "Too small."}, "waived": {"C1": ""}}, "no reason"),
        ({"lacks": {"C2 one": "Too small."}, "waived": {"C3": "Odd."}}, "waives C3"),
    ],
)
def test_a_class_that_hides_something_cannot_be_made(given: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        type("Numbers", (Sample,), {"cases": {"one": 1}, **given})
