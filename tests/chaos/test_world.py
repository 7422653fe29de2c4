"""The world the chaos programs happen in is the whole connector, dies where it is told to, and is repeatable."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from connector.simulator import typeform
from connector.testing.twin import Crash
from tests.chaos.process import Process, Step
from tests.chaos.world import Vendors, World, silence

pytestmark = pytest.mark.slow
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def quiet() -> None:
    silence()


@contextmanager
def world_in(folder: Path, crm: str = "salesforce", on_step: Step = lambda process, point: None) -> Iterator[World]:
    with World(folder, vendors=Vendors(crm=crm), on_step=on_step, poll_gap=timedelta(minutes=5)) as world:
        yield world


def unhappy(world: World, token: str = "one") -> bytes:
    event = typeform.payload(
        typeform.SERVICE,
        {"csat": 1, "why": "Nobody called me back, and the same noise again.", "mail": "ada.abend@example.com"},
        token=token,
        submitted_at=world.clock.now(),
        hidden={"name": "Ada Abend", "service": "tyres"},
    )
    return typeform.encode(event)


def objects(world: World) -> dict[str, int]:
    crm = world.vendors.crm
    task = "Task" if crm == "salesforce" else "tasks"
    contact = "Contact" if crm == "salesforce" else "contacts"
    return {
        "tickets": len(world.truth("zendesk").get("ticket", {})),
        "tasks": len(world.truth(crm).get(task, {})),
        "contacts": len(world.truth(crm).get(contact, {})),
    }


@pytest.mark.parametrize(("crm", "tasks"), [("salesforce", 2), ("hubspot", 1)])
def test_an_answer_goes_all_the_way(tmp_path: Path, crm: str, tasks: int) -> None:
    with world_in(tmp_path, crm) as world:
        assert world.deliver("typeform", unhappy(world)) == 200
        assert world.deliver("typeform", unhappy(world), "forged") == 401
        world.run_for(HOUR)
        assert objects(world) == {"tickets": 1, "tasks": tasks, "contacts": 1}  # Salesforce's timeline is tasks, too
        assert world.status().waiting == 0
        assert world.troubles == []


def test_it_dies_at_every_step_and_its_successor_goes_on(tmp_path: Path) -> None:
    """Each life ends a step later than the one before, with whatever it was doing at that step half done."""
    lived = 0

    def fate(process: Process, point: str) -> None:
        nonlocal lived
        if process.name == "life-1":
            return
        lived += 1
        if lived % 7 == 0 and lived < 130:
            raise Crash

    with world_in(tmp_path, on_step=fate) as world:
        assert world.deliver("typeform", unhappy(world)) == 200
        world.end()
        end = world.clock.now() + 2 * HOUR
        while world.clock.now() < end:
            if world.process is None:
                world.start(knows_dead=lived % 2 == 0)
            world.run(end)
        assert lived > 130
        assert objects(world) == {"tickets": 1, "tasks": 2, "contacts": 1}
        assert world.status().waiting == 0


def test_a_delivery_that_is_not_committed_is_not_acknowledged(tmp_path: Path) -> None:
    dies_at = ""

    def fate(process: Process, point: str) -> None:
        if point == dies_at:
            raise Crash

    for at, kept in (("commit", 0), ("committed", 1)):
        dies_at = ""
        with world_in(tmp_path, on_step=fate) as world:
            world.run_for(timedelta(minutes=1))
            dies_at = at
            assert world.deliver("typeform", unhappy(world)) == 0
            dies_at = ""
            assert world.status().accepted == kept


def test_a_life_that_is_over_gets_nothing_into_the_store(tmp_path: Path) -> None:
    with world_in(tmp_path) as world:
        process = world.process
        assert process is not None
        world.end()
        with pytest.raises(Crash), process.db.write():
            raise AssertionError("a dead process wrote")


def test_the_same_happens_again(tmp_path: Path) -> None:
    def play(folder: Path) -> list[tuple[str, str, int, str]]:
        folder.mkdir()
        with world_in(folder) as world:
            for number in range(3):
                world.deliver("typeform", unhappy(world, f"t{number}"))
                world.run_for(timedelta(minutes=7))
            return [
                (name, entry.endpoint, entry.status, entry.at.isoformat())
                for name, site in world.sites.items()
                for entry in site.requests.entries()
            ]

    assert play(tmp_path / "a") == play(tmp_path / "b")
