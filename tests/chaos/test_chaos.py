"""A slice of `make chaos`: programs that must be clean, bugs that must be found, and a seed that is a program."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.chaos.auditor import CHECKS
from tests.chaos.bugs import BUGS, seeded
from tests.chaos.programs import make
from tests.chaos.runner import run

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent


@pytest.mark.parametrize("seed", range(3000, 3006))
def test_a_program_ends_without_a_violation(seed: int) -> None:
    result = run(seed)
    assert result.violations == [], f"replay it with: make chaos SEED={seed}"


def test_a_seed_is_a_program() -> None:
    one, again = run(3001), run(3001)
    assert one.digest == again.digest
    assert one.told == again.told


def test_two_programs_in_five_have_each_of_what_may_come_besides() -> None:
    found = [make(seed).vendors.extras for seed in range(300)]
    for number in (
        sum(bool(one.tracker) for one in found),
        sum(one.mail for one in found),
        sum(one.follow_up for one in found),
    ):
        assert 0.3 < number / len(found) < 0.6
    assert any(not one.any for one in found)


def test_nobody_delivers_what_was_not_said_yet() -> None:
    for seed in range(300):
        for one in make(seed).happenings:
            assert one.version is None or one.version.at <= one.at, f"{seed}: {one.what} at {one.at}"


@pytest.mark.parametrize(
    ("bug", "check", "seeds"),
    [
        ("joins ignored", "unhappy is heard", range(2)),
        ("forged deliveries accepted", "nothing invented", range(1, 3)),
        ("the same edit decided twice", "said once", range(1, 4)),
    ],
)
def test_a_seeded_bug_is_found(bug: str, check: str, seeds: range) -> None:
    found = (violation.check for seed in seeds for violation in run(seed, bug).violations)
    assert check in found


@pytest.mark.parametrize("bug", list(BUGS))
def test_what_a_bug_changes_is_there(bug: str) -> None:
    """A name that moved would make every program end at its first step."""
    with seeded(bug):
        pass


def test_the_bugs_are_many_and_leave_nothing_behind() -> None:
    assert len(BUGS) >= 20
    assert run(3002).violations == []


def test_the_auditor_knows_nothing_of_the_connector() -> None:
    """What imports the code under audit would repeat its mistakes."""
    checks = [file.stem for file in HERE.glob("checks_*.py")]
    assert len(checks) > 3
    for name in ("auditor", "evidence", "scores", "issued", *checks):
        for node in ast.walk(ast.parse((HERE / f"{name}.py").read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [one for one in names if one.split(".")[0] == "connector"], name
    assert all(check.__doc__ for check in CHECKS.values())
