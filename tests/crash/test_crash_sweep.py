"""A process dies once at every place that commits or calls; its successor leaves what an undisturbed one leaves.

What runs here is a sample, the same every time: each place once, with Salesforce; what only HubSpot reaches, with it.
`make crash-sweep` dies at every point.
"""

from __future__ import annotations

import subprocess
import sys

import pytest
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from connector.domain.model.intent import IntentState, WriteKind
from tests.crash.points import Point
from tests.crash.sites import OUTSIDE, WAIVED
from tests.crash.sweep import ROOT, Report, every_place_once, known_sites, read_report, share, without_reason
from tests.crash.trial import Facts, came_to

pytestmark = pytest.mark.slow

OVER_THE_WIRE = 20
"""How many places of a sweep at least are calls of vendors."""


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Report:
    report = Report()
    for crm, within in (("salesforce", ""), ("hubspot", "adapters/hubspot")):
        out = tmp_path_factory.mktemp(crm) / "report.json"
        done = subprocess.run(  # a process without threads, which forks
            [sys.executable, "-m", "tests.crash.sweep", "--crm", crm, "--sample", within, "--json", str(out)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert out.exists(), done.stderr
        report.add(read_report(out))
    return report


def test_whoever_dies_at_a_place_is_succeeded_by_one_that_leaves_the_same(sampled: Report) -> None:
    assert sampled.wrong == []
    assert sampled.deaths.total() == sampled.chosen


def test_every_place_that_commits_or_calls_is_died_at_or_has_a_reason(sampled: Report) -> None:
    assert without_reason(sampled) == []
    assert known_sites() - set(WAIVED) <= sampled.died_at
    assert all(reason for reason in WAIVED.values())


def test_all_sides_of_commits_and_calls_are_among_the_points(sampled: Report) -> None:
    for what in ("commit", "send", "receive"):
        before = {name for name in sampled.points if name.startswith(f"before {what}")}
        after = {name.replace("after", "before", 1) for name in sampled.points if name.startswith(f"after {what}")}
        assert after <= before
        assert sum(sampled.deaths[name] for name in before) > 0
    assert sum(name.startswith("before send in adapters/") for name in sampled.points) >= OVER_THE_WIRE
    assert not any(name.endswith(f" in {OUTSIDE}") for name in sampled.points), "each has a name"


def test_the_points_are_what_the_libraries_do() -> None:
    """Were a commit made some other way, nobody would count it."""
    assert "do_commit" in {name for kind in SQLiteDialect_pysqlite.__mro__ for name in vars(kind)}


def test_what_is_chosen() -> None:
    points = [point for site in "aba" for point in (Point("commit", "before", site), Point("commit", "after", site))]
    assert list(every_place_once()(points)) == [1, 4]
    assert list(every_place_once("b")(points)) == [3]
    assert sorted([*share(0, 2)(points), *share(1, 2)(points)]) == [1, 2, 3, 4, 5, 6]


def test_a_difference_is_seen() -> None:
    whole = Facts(held=[["key", "ticket", "whose", "{}"]], counts={"responses": {"decided": 1}})
    assert whole.differences(whole) == []
    doubled = Facts(held=[*whole.held, *whole.held], counts=whole.counts)
    assert whole.differences(doubled) == ["extra: ('key', 'ticket', 'whose', '{}')"]
    nothing = Facts(held=[], counts={"responses": {"decided": 0}})
    assert len(whole.differences(nothing)) == 2


def test_only_a_contact_that_is_there_may_have_been_found_instead_of_confirmed() -> None:
    superseded, contact = IntentState.SUPERSEDED, WriteKind.CONTACT
    assert came_to(contact, superseded, is_there=True) == "confirmed"
    assert came_to(contact, superseded, is_there=False) == "superseded"
    assert {came_to(kind, superseded, is_there=True) for kind in set(WriteKind) - {contact}} == {"superseded"}
    others = set(IntentState) - {superseded}
    assert {came_to(contact, state, is_there=True) for state in others} == {state.value for state in others}
