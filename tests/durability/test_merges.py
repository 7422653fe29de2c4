"""A contact is merged over there while something is to be written to it, or to what hangs on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from connector.clock import VirtualClock
from connector.domain.model.intent import Intent, IntentState
from connector.simulator import salesforce
from connector.simulator.faults import Fault, FaultKind
from connector.store import receipts
from tests.durability import effects
from tests.durability.effects import ACTIVITY, COLLECTIONS, CONTACT
from tests.durability.world import START, Stand, World

MINUTES = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A write that needs the contact: what is there before, what is wanted, and the kind of object it ends up in."""

    seed: Callable[[World], None]
    wanted: Intent
    kind: str = "Task"


CASES = {
    "task": Case(seed=effects.known_contact, wanted=effects.task()),
    "activity": Case(seed=effects.known_contact, wanted=effects.activity()),
    "activity edited": Case(seed=effects.known_activity, wanted=effects.edited_activity()),
    "score": Case(seed=effects.known_contact, wanted=effects.score(), kind="Contact"),
}
ORGS = {"keyed": effects.org, "marker": effects.org_without_key}


def world(folder: Path, vendor: Callable[[VirtualClock], Stand] = effects.org) -> World:
    clock = VirtualClock(START)
    return World(folder=folder, stand=vendor(clock), clock=clock)


def org_of(here: World) -> salesforce.Salesforce:
    vendor = here.stand.account
    assert isinstance(vendor, salesforce.Salesforce)
    return vendor


def merge(here: World) -> str:
    """Another contact takes ours over; returns its id."""
    winner = org_of(here).add_contact(LastName="Sample", Email="kim@example.com")
    org_of(here).merge(winner, here.names[CONTACT])
    return winner


def names(here: World) -> dict[str, str]:
    with here.db.read() as tx:
        found = receipts.of_objects(tx, [ACTIVITY, CONTACT])
    return {name: receipt.remote_id for name, receipt in found.items()}


def tasks(here: World) -> Sequence[object]:
    return [row["WhoId"] for row in here.held.get("Task", {}).values() if not row.get("IsDeleted")]


@pytest.mark.parametrize("org", ORGS.values(), ids=ORGS)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_written_follows_a_merged_contact(
    tmp_path: Path, case: Case, org: Callable[[VirtualClock], Stand]
) -> None:
    here = world(tmp_path, org)
    case.seed(here)
    activity = names(here).get(ACTIVITY)
    winner = merge(here)
    here.restart(5 * MINUTES)  # values that an earlier process confirmed are written again, the contact among them
    here.plan([case.wanted])
    here.run()
    assert here.row(case.wanted.key).state is IntentState.CONFIRMED
    assert names(here)[CONTACT] == winner
    assert names(here).get(ACTIVITY) != winner
    assert activity is None or names(here)[ACTIVITY] == activity
    assert tasks(here) == ([winner] if case.kind == "Task" else [])
    assert here.told == []


def test_a_merge_into_a_contact_that_was_merged_itself_is_followed_to_its_end(tmp_path: Path) -> None:
    here = world(tmp_path)
    effects.known_contact(here)
    between = merge(here)
    last = org_of(here).add_contact(LastName="Last")
    org_of(here).merge(last, between)
    here.plan([effects.task()])
    here.run()
    assert here.row(effects.task().key).state is IntentState.CONFIRMED
    assert tasks(here) == [last]


def test_a_merge_whose_survivor_could_not_be_asked_for_costs_no_task(tmp_path: Path) -> None:
    here = world(tmp_path)
    effects.known_contact(here)
    winner = merge(here)
    org_of(here).faults.add(Fault(match="GET *queryAll*", kind=FaultKind.REFUSE, status=503, times=6))
    here.plan([effects.task()])
    here.run()
    assert here.row(effects.task().key).state is IntentState.CONFIRMED
    assert tasks(here) == [winner]


def test_a_write_in_doubt_follows_a_merge_and_is_there_once(tmp_path: Path) -> None:
    here = world(tmp_path)
    effects.known_contact(here)
    org_of(here).faults.add(Fault(match=COLLECTIONS, kind=FaultKind.RESET_AFTER_COMMIT))
    here.plan([effects.task()])
    here.drain()
    winner = merge(here)
    here.come_to_rest()
    assert here.row(effects.task().key).state is IntentState.CONFIRMED
    assert tasks(here) == [winner]


def test_a_contact_that_is_deleted_and_not_merged_ends_the_task_at_once(tmp_path: Path) -> None:
    here = world(tmp_path)
    effects.known_contact(here)
    org_of(here).human_delete(here.names[CONTACT])
    here.plan([effects.task()])
    here.drain()
    assert here.row(effects.task().key).state is IntentState.REJECTED
