"""The benchmarks run, and what they count is right. Nothing here is timed: seconds are for `make bench`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from benchmarks import audit, backtest, drain, endtoend, intake, latency, matching, restart, soak
from benchmarks.__main__ import HEAD, NAMES, section
from benchmarks.audit import Effects, Judgement, Line, judge
from benchmarks.nursery import Nursed, Nursery
from benchmarks.report import Goal, Result, Series, ratio
from benchmarks.vendors import Terms, Vendors, open_vendors
from connector.clock import SystemClock, VirtualClock
from connector.wiring.status import read_status
from tests.unit.samples import NOON, empty_store

pytestmark = pytest.mark.slow


def test_everybody_does_the_same_work_end_to_end(tmp_path: Path) -> None:
    size = endtoend.SIZES["smoke"]
    contenders = [name for name in endtoend.CONTENDERS if not name.startswith("DBOS")]
    found = endtoend.race("salesforce", size.answers, Terms(), contenders, tmp_path)
    assert set(found) == set(contenders)
    for run in found.values():
        assert (run.judgement.lost, run.judgement.doubled, run.broken) == (0, 0, 0)
        assert run.judgement.expected == 3 * size.answers + 2 * round(0.2 * size.answers)
        assert 0 < run.most <= run.seconds
        assert run.worked > 0
    runs = {(leg, name): [run] for leg in (endtoend.PROMPT, endtoend.LOSSY) for name, run in found.items()}
    text = endtoend.result(size, "salesforce", contenders, runs, {endtoend.PROMPT: [0.5], endtoend.LOSSY: [0.5]}).text()
    assert "met: records the connector lost or doubled: 0" in text
    assert text.count("\n| connector |") == 1


def test_the_script_does_it_in_hubspot_as_well(tmp_path: Path) -> None:
    found = endtoend.race("hubspot", 6, Terms(), ["script"], tmp_path)["script"]
    assert (found.judgement.lost, found.judgement.doubled) == (0, 0)


def test_intake_keeps_what_it_took(tmp_path: Path) -> None:
    size = intake.SIZES["smoke"]
    found = intake.measure(size, tmp_path)
    assert dict.fromkeys(found.kept, found.posted) == found.kept
    assert len(found.kept) == 3
    assert "× the deliveries a second" in found.result.text()


def test_latency_needs_one_call_a_ticket(tmp_path: Path) -> None:
    size = latency.SIZES["smoke"]
    found = latency.measure(size, 0.05, tmp_path)
    assert len(found.connector) == len(found.direct) == size.tickets
    assert found.calls["POST /api/v2/tickets"] == size.tickets
    assert min(found.direct) >= 0.05
    assert "p99" in latency.result(found, 0.05).text()


def test_a_backlog_drains_and_is_overtaken(tmp_path: Path) -> None:
    size = drain.SIZES["smoke"]
    found = drain.measure(size, 100_000, tmp_path)
    assert found.connector.refused == found.script.refused == 0
    assert len(found.overtook) == 2
    assert max(found.overtook) < float("inf")


def test_nothing_is_there_twice_after_a_kill(tmp_path: Path) -> None:
    found = restart.measure(restart.SIZES["smoke"], [restart.CONNECTOR, restart.SCRIPT], tmp_path)
    assert found[restart.CONNECTOR].doubled == 0
    assert 0 < found[restart.CONNECTOR].waiting < restart.SIZES["smoke"].waiting
    assert [len(one.seconds) for one in found.values()] == [1, 1]
    assert "kill -9" in restart.result(found).text()


def test_a_history_is_played_again_whole(tmp_path: Path) -> None:
    found = backtest.measure(backtest.SIZES["smoke"], backtest.AGAIN["smoke"], tmp_path, rounds=1)
    assert found.report.did.answers == found.report.would.answers == backtest.SIZES["smoke"]
    assert found.report.would.turned > 0
    assert found.report.would.bands.total() > 0
    assert "× as fast as deciding them again" in backtest.result(found).text()


def test_matching_runs_small(tmp_path: Path) -> None:
    found = matching.run(matching.CONTACTS["smoke"], matching.ANSWERS["smoke"], tmp_path)
    assert "× as fast as comparing every name" in found.text()


def test_the_quota_is_counted_as_the_vendor_counts_it() -> None:
    def call(at: float, status: int = 201, refusal: str = "", endpoint: str = drain.TICKET) -> Line:
        return Line(vendor="zendesk", endpoint=endpoint, status=status, refusal=refusal, fault="", at=at)

    log = [
        call(0.0, endpoint=drain.TOKEN),
        call(5.0),
        call(64.9, status=429, refusal="throttled"),
        call(64.9, status=200, endpoint="GET /api/v2/groups"),
        call(70.0),
        call(71.0),
        call(131.0),
    ]
    found = drain.used(log, 2)
    assert (found.useful, found.calls, found.refused) == ([1, 2], [3, 2], 1)


def test_what_is_missing_is_lost_and_what_is_more_is_doubled() -> None:
    whole = Effects(contacts=1, answers=1, scores=1)
    found = {"a@example.com": whole, "b@example.com": Effects(contacts=2, answers=1, tickets=3, scores=0)}
    judged = judge(found, ["a@example.com", "c@example.com"], ["b@example.com"])
    assert (judged.expected, judged.lost, judged.doubled) == (11, 3 + 2, 1 + 2)


def test_a_daemon_from_a_nursery_lives_dies_and_is_followed_like_any_other(tmp_path: Path) -> None:
    with Vendors() as vendors, closing(Nursery()) as nursery:
        daemon = Nursed(tmp_path, soak.ROOT, vendors, SystemClock())
        daemon.nursery = nursery
        daemon.start()
        first = daemon.pid
        assert daemon.stop(kill=True) == -9
        daemon.start()
        assert daemon.pid != first
        assert daemon.stop(kill=True) == -9


@pytest.mark.parametrize(
    ("changed", "good"),
    [({}, True), ({"kills": 0}, False), ({"ambiguous": 9}, False), ({"lost": 1}, False), ({"doubled": 1}, False)],
)
def test_a_soak_is_good_only_when_it_was_hard_and_nothing_is_amiss(
    tmp_path: Path, changed: dict[str, int], good: bool
) -> None:
    told = {"kills": 3, "ambiguous": 10, "lost": 0, "doubled": 0} | changed
    db = empty_store(tmp_path, VirtualClock(NOON))
    found = soak.Soaked(
        answers=1_000,
        sent=1_100,
        kills=told["kills"],
        ambiguous=told["ambiguous"],
        calls=50,
        seconds=1.0,
        status=replace(read_status(db, "live"), responses={"decided": 1_000}),
        judgement=Judgement(expected=3_000, lost=told["lost"], doubled=told["doubled"]),
    )
    db.close()
    assert found.is_good is good


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client() as made:
        yield made


def test_lost_answers_are_lost_before_and_after_the_commit(client: httpx.Client) -> None:
    with open_vendors("salesforce", Terms(lost=0.5, seed=3)) as simulators:
        form = {"grant_type": "client_credentials", "client_id": "sim-salesforce"}
        form["client_secret"] = "sim-salesforce-secret"
        url = f"{simulators.salesforce.site.base_url}/services/oauth2/token"
        answered = 0
        for _ in range(200):
            try:
                answered += client.post(url, data=form).status_code == 200
            except httpx.TransportError:
                continue
        log = audit.log(simulators)
        faults = [one.fault for one in log if one.fault]
        assert answered == 200 - len(faults)
        assert 30 < faults.count("reset_before") < 70
        assert 20 < faults.count("reset_after_commit") < 60
        assert simulators.salesforce.tokens.alive == 200 - faults.count("reset_before")


def test_a_ratio_is_taken_round_by_round() -> None:
    ours = Series(what="ours", unit="/s", rounds=[10.0, 40.0, 90.0])
    theirs = Series(what="theirs", unit="/s", rounds=[10.0, 20.0, 30.0])
    assert ratio(ours, theirs) == 2.0


def test_a_missed_goal_says_so() -> None:
    goal = Goal(what="speed", wanted="≥ 2", found="1", met=False)
    assert "**missed**: speed: 1, wanted ≥ 2" in Result(name="x", claim="y", command="z", goals=[goal]).text()


def test_a_section_is_replaced_and_the_others_stay() -> None:
    page = HEAD
    for name in NAMES:
        page = section(page, name, f"first {name}")
    page = section(page, "drain", r"second \1 drain")
    assert r"second \1 drain" in page
    assert "first drain" not in page
    assert [name for name in NAMES if f"first {name}" in page] == [name for name in NAMES if name != "drain"]
