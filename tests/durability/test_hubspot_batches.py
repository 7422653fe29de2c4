"""What travels together to HubSpot, and what apart, through the write lane."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connector.clock import VirtualClock
from connector.domain.model.intent import Intent, IntentState, WriteKind, refer
from connector.simulator.faults import Fault, FaultKind
from connector.testing.effect import intent
from connector.testing.world import START, World
from tests.durability.effects_hubspot import (
    ACCOUNT,
    HUB_CONTACT,
    edited_note,
    hub,
    hub_of,
    hub_score,
    known_note,
    note,
)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    clock = VirtualClock(START)
    made = World(folder=tmp_path, stand=hub(clock), clock=clock)
    yield made
    made.db.close()
    made.stand.site.stop()


def people(here: World, count: int) -> list[str]:
    """Our names of contacts that are there."""
    names = [f"person/{number}/contact@{ACCOUNT}" for number in range(100, 100 + count)]
    for name in names:
        here.adopt(name, hub_of(here).add_contact(lastname=name))
    return names


def scores(here: World, count: int) -> list[Intent]:
    return [
        replace(hub_score(), key=f"{ACCOUNT}/score/{name}", object=name, target=name) for name in people(here, count)
    ]


def calls(here: World) -> list[str]:
    return [call.path.rpartition("/")[2] for call in here.stand.site.requests.writes()]


def test_a_new_note_and_an_edited_one_travel_apart_and_both_arrive(here: World) -> None:
    known_note(here)
    (other,) = people(here, 1)
    fields = {**note().fields, "contact_id": refer(other)}
    new = replace(note(), key=f"{ACCOUNT}/r2", object=f"response/r2/activity@{ACCOUNT}", record="r2", fields=fields)
    wanted = [edited_note(), replace(new, after=(other,))]
    here.plan(wanted)
    here.run()
    assert here.states(wanted) == {IntentState.CONFIRMED}
    assert calls(here) == ["create", "update", "create"]
    bodies = sorted(row["properties"]["hs_note_body"] for row in here.held["notes"].values())
    assert bodies == ["CSAT 2 of 5", "CSAT 5 of 5"]


def test_a_bad_record_is_found_by_halves_and_costs_no_other_its_write(here: World) -> None:
    wanted = scores(here, 8)
    wanted[5] = replace(wanted[5], fields={"csat_health": "many"})
    here.plan(wanted)
    here.run()
    assert [here.row(one.key).state for one in wanted].count(IntentState.CONFIRMED) == 7
    rejected = here.row(wanted[5].key)
    assert rejected.state is IntentState.REJECTED
    assert "csat_health" in str(rejected.reason)
    assert calls(here) == ["update"] * 7, "8, then twice 4, 2 and 1"


def test_a_person_two_others_were_merged_into_gets_each_score_once(here: World) -> None:
    """Two ids of one contact in a batch refuse it whole; alone, each is written and tells the survivor."""
    wanted = scores(here, 2)
    one, other = (here.names[str(each.target)] for each in wanted)
    survivor = hub_of(here).add_contact(lastname="Survivor")
    for loser in (one, other):
        hub_of(here).merge(survivor, loser)
    here.plan(wanted)
    here.run()
    assert here.states(wanted) <= {IntentState.CONFIRMED, IntentState.SUPERSEDED}
    assert here.held["contacts"][survivor]["properties"]["csat_health"] == "31.5"


def test_a_contact_typed_in_meanwhile_is_the_one_that_is_linked(here: World) -> None:
    wanted = intent(ACCOUNT, WriteKind.CONTACT, "person/4f2a", HUB_CONTACT, {"email": "ada@example.com"})
    here.writer.before_send = lambda: add(here)
    here.plan([wanted])
    here.run()
    assert here.states([wanted]) == {IntentState.CONFIRMED}
    assert len(here.held["contacts"]) == 1


def add(here: World) -> None:
    here.writer.before_send = None
    hub_of(here).add_contact(email="ada@example.com", lastname="Typed")


@pytest.mark.parametrize(("policy", "wait"), [("DAILY", timedelta(hours=1)), ("", timedelta(seconds=10))])
def test_a_limit_is_waited_for_and_spends_no_attempt(here: World, policy: str, wait: timedelta) -> None:
    wanted = scores(here, 2)
    text = f'{{"status":"error","errorType":"RATE_LIMIT","policyName":"{policy}"}}'
    headers = {"Content-Type": "application/json", "Content-Length": str(len(text))}
    here.stand.site.faults.add(Fault(match="POST *", kind=FaultKind.REPLY, status=429, message=text, headers=headers))
    here.plan(wanted)
    due = here.drain()
    assert due == START + wait
    assert here.row(wanted[0].key).attempts == 0
    here.run()
    assert here.states(wanted) == {IntentState.CONFIRMED}
