"""Clocks that lie: the wall clock jumps, summer time begins, and a process stands still for longer than its lease."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connector.clock import VirtualClock
from connector.simulator import typeform
from tests.chaos.process import Process, Step
from tests.chaos.world import START, Vendors, World, silence

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
MOST_JUMPS = 40
DANGER = "The brakes are dangerous now, I nearly had an accident. This is horrible and unsafe work."


@pytest.fixture(autouse=True)
def quiet() -> None:
    silence()


class JumpyClock(VirtualClock):
    """A clock whose wall reading somebody may set, while its monotonic one goes on."""

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        self._off = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self._off

    def jump(self, by: timedelta) -> None:
        self._off += by

    def set_right(self) -> None:
        self._off = timedelta(0)


@contextmanager
def world_in(folder: Path, clock: VirtualClock, on_step: Step = lambda process, point: None) -> Iterator[World]:
    vendors = Vendors(crm="salesforce")
    with World(folder, vendors=vendors, clock=clock, on_step=on_step, poll_gap=HOUR) as world:
        yield world


def answer(world: World, number: int) -> None:
    """Somebody new is in danger."""
    name = f"person{number}"
    event = typeform.payload(
        typeform.SERVICE,
        {"csat": 1, "why": DANGER, "mail": f"{name}@example.com"},
        token=name,
        submitted_at=world.clock.now(),
        hidden={"name": f"{name.title()} Abend", "service": "brakes"},
    )
    assert world.deliver("typeform", typeform.encode(event)) == 200


def made(world: World) -> Mapping[str, int]:
    """How many objects of each sort there are."""
    crm, desk = world.truth("salesforce"), world.truth("zendesk")
    return {
        "contacts": len(crm.get("Contact", {})),
        "tasks": len(crm.get("Task", {})),
        "tickets": len(desk.get("ticket", {})),
        "alerts": len(alerts(world)),
        "events": len(world.simulators.workflow.events),
    }


def alerts(world: World) -> list[Any]:
    messages = world.truth("slack").get("message", {}).values()
    return [row for row in messages if row["channel"] == "csat-safety"]


ONE_EACH = {
    "contacts": 1,
    "tasks": 2,
    "tickets": 1,
    "alerts": 1,
    "events": 1,
}  # an answer on the timeline is a task, too


@pytest.mark.parametrize(
    ("every", "jumps"), [(7, (-HOUR, HOUR)), (3, (3 * HOUR, -3 * HOUR)), (11, (-90 * MINUTE, 100 * MINUTE))]
)
def test_whenever_the_wall_clock_jumps_nothing_is_done_twice_or_left_undone(
    tmp_path: Path, every: int, jumps: tuple[timedelta, timedelta]
) -> None:
    """Leases last by the monotonic clock, so a jump makes nobody a late holder. What was put off while the clock was
    ahead is done when that time has come, if nothing wakes it before."""
    clock, steps, jumped = JumpyClock(START), 0, 0

    def fate(process: Process, point: str) -> None:
        nonlocal steps, jumped
        steps += 1
        if answered and steps % every == 0 and jumped < MOST_JUMPS:
            jumped += 1
            clock.jump(jumps[jumped % 2])

    answered: list[int] = []
    with world_in(tmp_path, clock, fate) as world:
        world.run_for(MINUTE)
        answered.append(1)
        answer(world, 1)
        for _ in range(5):
            world.run_for(HOUR)
        clock.set_right()
        world.run_for(5 * HOUR)
        assert jumped > 10
        assert made(world) == ONE_EACH
        assert world.status().waiting == 0


def test_a_holder_that_died_before_the_clock_was_set_back_is_succeeded_once_it_is_known_to_be_dead(
    tmp_path: Path,
) -> None:
    clock = JumpyClock(START)
    with world_in(tmp_path, clock) as world:
        answer(world, 1)
        assert world.process is not None
        world.process.turn("understand")
        world.end()
        clock.jump(-HOUR)
        world.start(knows_dead=True)
        world.run_for(2 * HOUR)
        assert made(world) == ONE_EACH


def test_summer_time_begins_in_the_middle_of_work(tmp_path: Path) -> None:
    """In Berlin there is no 02:30 on 28 March 2027. What is due in four hours is due in four hours."""
    begins = datetime(2027, 3, 28, 1, tzinfo=UTC)
    clock = VirtualClock(begins - 2 * MINUTE)
    with world_in(tmp_path, clock) as world:
        answer(world, 1)
        world.run_for(4 * MINUTE)
        answer(world, 2)
        world.run_for(HOUR)
        assert made(world) == {name: 2 * number for name, number in ONE_EACH.items()}
        said = [row["comments"][0]["body"] for row in world.truth("zendesk")["ticket"].values()]
        assert all("(Europe/Berlin)" in text or "CEST" in text for text in said), said
        assert world.status().waiting == 0


def test_whoever_wakes_late_from_standing_still_starts_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    """The process stands still at one step after another, for longer than any lease, while another takes over."""
    stood: Counter[str] = Counter()
    number, at = 0, 0

    def fate(process: Process, point: str) -> None:
        nonlocal at
        if point == "commit" or process.name not in awaited:
            return
        at += 1
        if at == number:
            stood[point] += 1
            awaited.clear()
            world.stand_still(process, 20 * MINUTE)

    for number in range(2, 90, 13):
        folder = tmp_path / str(number)
        folder.mkdir()
        awaited, at = set[str](), 0
        with world_in(folder, VirtualClock(START), fate) as world:
            world.run_for(MINUTE)
            answer(world, 1)
            assert world.process is not None
            awaited.add(world.process.name)
            if not world.run_for(40 * MINUTE):
                world.start(knows_dead=False)
            world.run_for(HOUR)
            assert made(world) == ONE_EACH, number
            assert world.status().waiting == 0
    assert stood["called"] > 0
    assert stood["committed"] > 2
