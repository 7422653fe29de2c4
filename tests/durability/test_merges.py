"""A contact is merged over there while something is to be written to it, or to what hangs on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from connector.clock import VirtualClock
from connector.domain.model.intent import Intent, IntentState
from connector.simulator import salesforce
from connector.simulator.faults import Fault, FaultKind
from connector.store import receipts
from connector.testing.world import START, Stand, World
from tests.durability import effects
from tests.durability import effects_hubspot as hub
from tests.durability.effects import ACTIVITY, COLLECTIONS, CONTACT
from tests.durability.effects_hubspot import HUB_CONTACT, HUB_NOTE

pytestmark = pytest.mark.both_stores

MINUTES = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A write that needs the contact: what is there before, what is wanted, and the kind of object it ends up in.

    `tells`: the answer says that the contact was merged; where it was written all the same, nothing has to.
    """

    seed: Callable[[World], None]
    wanted: Intent
    kind: str = "Task"
    tells: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Crm:
    """A vendor: its accounts, our names of a contact and an activity, what people do there, and the writes.

    `hanging` are the contacts that tasks and notes hang on, `merge` returns the survivor's id.
    """

    accounts: Mapping[str, Callable[[VirtualClock], Stand]]
    contact: str
    activity: str
    add: Callable[[World, str], str]
    merge: Callable[[World, str, str], str]
    delete: Callable[[World, str], None]
    hanging: Callable[[World], Sequence[object]]
    writes: str
    cases: Mapping[str, Case]


def org_of(here: World) -> salesforce.Salesforce:
    vendor = here.stand.account
    assert isinstance(vendor, salesforce.Salesforce)
    return vendor


def merge_in_salesforce(here: World, winner: str, loser: str) -> str:
    org_of(here).merge(winner, loser)
    return winner


def whos(here: World) -> Sequence[object]:
    return [row["WhoId"] for row in here.held.get("Task", {}).values() if not row.get("IsDeleted")]


def hub_contacts(here: World) -> Sequence[object]:
    rows = [row for kind in ("tasks", "notes") for row in here.held.get(kind, {}).values()]
    return [contact for row in rows for contact in row["associations"]["contacts"]]


CRMS = {
    "salesforce": Crm(
        accounts={"keyed": effects.org, "marker": effects.org_without_key},
        contact=CONTACT,
        activity=ACTIVITY,
        add=lambda here, name: org_of(here).add_contact(LastName=name, Email=f"{name}@example.com"),
        merge=merge_in_salesforce,
        delete=lambda here, contact: org_of(here).human_delete(contact),
        hanging=whos,
        writes=COLLECTIONS,
        cases={
            "task": Case(seed=effects.known_contact, wanted=effects.task()),
            "activity": Case(seed=effects.known_contact, wanted=effects.activity()),
            "activity edited": Case(seed=effects.known_activity, wanted=effects.edited_activity()),
            "score": Case(seed=effects.known_contact, wanted=effects.score(), kind="Contact"),
        },
    ),
    "hubspot": Crm(
        accounts={"keyed": hub.hub, "marker": hub.hub_without_key, "minting": hub.hub_that_mints},
        contact=HUB_CONTACT,
        activity=HUB_NOTE,
        add=lambda here, name: hub.hub_of(here).add_contact(lastname=name, email=f"{name}@example.com"),
        merge=lambda here, winner, loser: hub.hub_of(here).merge(winner, loser),
        delete=lambda here, contact: hub.hub_of(here).human_delete(contact),
        hanging=hub_contacts,
        writes=hub.CALLS,
        cases={
            "task": Case(seed=hub.known_hub_contact, wanted=hub.hub_task(), tells=False),
            "activity": Case(seed=hub.known_hub_contact, wanted=hub.note(), tells=False),
            "activity edited": Case(seed=hub.known_note, wanted=hub.edited_note(), tells=False),
            "score": Case(seed=hub.known_hub_contact, wanted=hub.hub_score(), kind="Contact"),
        },
    ),
}
EVERY = [(crm, account) for crm, of in CRMS.items() for account in of.accounts]
EVERY_CASE = [(crm, account, case) for crm, account in EVERY for case in CRMS[crm].cases]


def world(folder: Path, crm: Crm, account: str = "keyed") -> World:
    clock = VirtualClock(START)
    return World(folder=folder, stand=crm.accounts[account](clock), clock=clock)


def merge(here: World, crm: Crm) -> str:
    """Another contact takes ours over; returns its id."""
    return crm.merge(here, crm.add(here, "kim"), here.names[crm.contact])


def names(here: World, crm: Crm) -> dict[str, str]:
    with here.db.read() as tx:
        found = receipts.of_objects(tx, [crm.activity, crm.contact])
    return {name: receipt.remote_id for name, receipt in found.items()}


@pytest.mark.parametrize(("vendor", "account", "name"), EVERY_CASE)
def test_what_is_written_follows_a_merged_contact(tmp_path: Path, vendor: str, account: str, name: str) -> None:
    crm = CRMS[vendor]
    case = crm.cases[name]
    here = world(tmp_path, crm, account)
    case.seed(here)
    activity = names(here, crm).get(crm.activity)
    winner = merge(here, crm)
    here.restart(5 * MINUTES)  # values that an earlier process confirmed are written again, the contact among them
    here.plan([case.wanted])
    here.run()
    assert here.row(case.wanted.key).state is IntentState.CONFIRMED
    assert names(here, crm)[crm.contact] == (winner if case.tells else here.names[crm.contact])
    assert names(here, crm).get(crm.activity) != winner
    assert activity is None or names(here, crm)[crm.activity] == activity
    assert crm.hanging(here) == ([winner] if case.kind == "Task" else [])
    assert here.told == []
    here.stand.site.stop()


@pytest.mark.parametrize(("vendor", "account"), EVERY)
def test_a_merge_into_a_contact_that_was_merged_itself_is_followed_to_its_end(
    tmp_path: Path, vendor: str, account: str
) -> None:
    crm = CRMS[vendor]
    here = world(tmp_path, crm, account)
    crm.cases["task"].seed(here)
    between = merge(here, crm)
    last = crm.merge(here, crm.add(here, "robin"), between)
    wanted = [crm.cases["task"].wanted, crm.cases["score"].wanted]
    here.plan(wanted)
    here.run()
    assert here.states(wanted) == {IntentState.CONFIRMED}
    assert crm.hanging(here) == [last]
    assert names(here, crm)[crm.contact] == last
    here.stand.site.stop()


def test_a_merge_whose_survivor_could_not_be_asked_for_costs_no_task(tmp_path: Path) -> None:
    crm = CRMS["salesforce"]
    here = world(tmp_path, crm)
    effects.known_contact(here)
    winner = merge(here, crm)
    org_of(here).faults.add(Fault(match="GET *queryAll*", kind=FaultKind.REFUSE, status=503, times=6))
    here.plan([effects.task()])
    here.run()
    assert here.row(effects.task().key).state is IntentState.CONFIRMED
    assert crm.hanging(here) == [winner]
    here.stand.site.stop()


@pytest.mark.parametrize(("vendor", "account"), EVERY)
def test_a_write_in_doubt_follows_a_merge_and_is_there_once(tmp_path: Path, vendor: str, account: str) -> None:
    crm = CRMS[vendor]
    case = crm.cases["task"]
    here = world(tmp_path, crm, account)
    case.seed(here)
    here.stand.site.faults.add(Fault(match=crm.writes, kind=FaultKind.RESET_AFTER_COMMIT))
    here.plan([case.wanted])
    here.drain()
    winner = merge(here, crm)
    here.come_to_rest()
    assert here.row(case.wanted.key).state is IntentState.CONFIRMED
    assert crm.hanging(here) == [winner]
    here.stand.site.stop()


@pytest.mark.parametrize(("vendor", "account"), EVERY)
def test_a_contact_that_is_deleted_and_not_merged_ends_the_task_at_once(
    tmp_path: Path, vendor: str, account: str
) -> None:
    crm = CRMS[vendor]
    case = crm.cases["task"]
    here = world(tmp_path, crm, account)
    case.seed(here)
    crm.delete(here, here.names[crm.contact])
    here.plan([case.wanted])
    here.drain()
    assert here.row(case.wanted.key).state is IntentState.REJECTED
    here.stand.site.stop()
