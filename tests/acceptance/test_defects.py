"""A defect from the first complaint to its return, with each tracker's real adapter over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connector.clock import VirtualClock
from connector.domain.defects import Policy
from connector.domain.model.intent import WriteKind
from connector.domain.model.recovery import Severity
from connector.domain.model.response import Interaction, Respondent, Understanding
from connector.ports.tracking import Issues
from connector.simulator import github, jira
from connector.store import defects, lanes
from connector.store.defects import DefectState
from connector.sync.issues import IssuesPoll
from connector.sync.settings import DecideSettings, Target, Tracking
from connector.testing.world import START, Stand, World
from tests.durability.effects_github import repository
from tests.durability.effects_jira import project
from tests.unit.deciding import decide_all, example_settings, feed, planned, pretend_confirmed, take_lane
from tests.unit.samples import answer

SLOW = Understanding(language="en", themes=("waiting",))
POLICY = Policy(answers=3, people=3, grows_by=2, severity={Severity.HIGH: 5})


def settings_for(account: str) -> DecideSettings:
    known = example_settings()
    target = Target(account=account, roles=frozenset({"tracker"}))
    entry = Tracking(connection="tracker", theme=None, policy=POLICY)
    return replace(known, targets={**known.targets, "tracker": target}, defects=(entry,))


def say(world: World, settings: DecideSettings, *people: int) -> None:
    """Each of them is unhappy; the helpdesk takes their tickets."""
    for person in people:
        who = Respondent(email=f"kim{person}@example.com", name=f"Kim Sample{person}")
        one = answer(
            f"w{person}",
            respondent=who,
            interaction=Interaction(id=f"R-{person}", kind="repair_order"),
            stars=1,
            comment=f"Kim waited {person} hours, <b>#{person}</b>",
            at=world.clock.now(),
        )
        feed(world.db, one, understanding=SLOW)
    decide_all(world.db, settings)
    for row in planned(world.db, WriteKind.TICKET):
        if row.state.value == "planned":
            pretend_confirmed(world.db, row, f"T{row.id}", f"https://desk.example/{row.id}")
    world.run()


def look(world: World, settings: DecideSettings) -> None:
    """The lane reads how the issue is."""
    there = world.writer.inner
    assert isinstance(there, Issues)
    world.clock.advance(timedelta(minutes=6))
    lane = IssuesPoll(db=world.db, source=there, settings=lambda: settings)
    hold = take_lane(world.db, defects.lane_of_issues(there.account))
    lane.drain(hold)
    with world.db.write() as tx:
        lanes.finish(tx, hold.hold, None)


def close_there(world: World) -> None:
    (number,) = world.held["issue"]
    if isinstance(world.stand.account, github.GitHub):
        world.stand.account.human_update(number, state="closed")
    else:
        assert isinstance(world.stand.account, jira.Jira)
        world.stand.account.human_move(number, "Done")


def shown(world: World) -> tuple[str, str, list[str]]:
    """Title, state and comments of the one issue there is."""
    (row,) = world.held["issue"].values()
    if "title" in row:
        return row["title"], row["state"], [note["body"] for note in row["comments"]]
    state = "closed" if row["status"] == "Done" else "open"
    return row["summary"], state, [jira.plain(note["body"]) for note in row["comments"]]


@pytest.mark.parametrize("vendor", [repository, project])
def test_from_the_first_complaint_to_its_return(vendor: Callable[[VirtualClock], Stand], tmp_path: Path) -> None:
    clock = VirtualClock(START)
    world = World(folder=tmp_path, stand=vendor(clock), clock=clock)
    settings = settings_for(world.writer.account)
    try:
        say(world, settings, 1, 2)
        assert not world.held.get("issue")
        say(world, settings, 3)
        assert shown(world) == ("Customers are unhappy about waiting", "open", [])
        say(world, settings, 4, 5)
        title, _, notes = shown(world)
        assert title == "High: customers are unhappy about waiting"
        assert len(notes) == 1
        assert notes[0].startswith("Now 5 unhappy answers of 5 people. Severity: high.")
        close_there(world)
        look(world, settings)
        with world.db.read() as tx:
            one = defects.newest(tx, world.writer.account, "waiting")
        assert one is not None
        assert one.state is DefectState.CLOSED
        assert len([row for row in planned(world.db, WriteKind.NOTE) if "is closed" in str(row.fields)]) == 5
        world.clock.advance(timedelta(days=2))
        say(world, settings, 6, 7, 8)
        world.come_to_rest()
        _, state, notes = shown(world)
        assert (state, len(notes)) == ("open", 2)
        assert notes[1].startswith("It is back: 3 unhappy answers of 3 people")
        look(world, settings)
        with world.db.read() as tx:
            again = defects.newest(tx, world.writer.account, "waiting")
        assert again is not None
        assert (again.id, again.state) == (one.id, DefectState.OPEN)
        assert "Kim" not in str(world.held)
    finally:
        world.db.close()
        world.stand.site.stop()


def test_a_title_that_people_changed_stays_theirs(tmp_path: Path) -> None:
    clock = VirtualClock(START)
    world = World(folder=tmp_path, stand=repository(clock), clock=clock)
    settings = settings_for(world.writer.account)
    there = world.stand.account
    assert isinstance(there, github.GitHub)
    try:
        say(world, settings, 1, 2, 3)
        there.human_update("1", title="The waiting room again")
        look(world, settings)
        say(world, settings, 4, 5)
        title, _, notes = shown(world)
        assert (title, len(notes)) == ("The waiting room again", 1)
    finally:
        world.db.close()
        world.stand.site.stop()
