"""A chat that was unreachable for hours gets one message about what it missed, and only one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connector.clock import VirtualClock
from connector.domain.model.intent import Intent, IntentState, WriteKind
from connector.domain.model.recovery import Severity
from connector.simulator.faults import Fault, FaultKind
from connector.store import outbox, people, recoveries, responses
from connector.sync.operators import tell_operators
from connector.sync.settings import Operators
from connector.testing.world import START, World
from connector.wiring.settings import decide_settings
from tests.durability.effects import workspace
from tests.unit.deciding import ACCOUNTS, example
from tests.unit.samples import PLAIN, answer

HOUR = timedelta(hours=1)


@pytest.fixture(params=[FaultKind.REFUSE, FaultKind.RESET_BEFORE], ids=["refused", "unanswered"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A chat that answers nothing from now on."""
    clock = VirtualClock(START)
    stand = workspace(clock)
    made = World(folder=tmp_path, stand=stand, clock=clock)
    status = 503 if request.param is FaultKind.REFUSE else None
    stand.site.faults.add(Fault(match="* /api/*", kind=request.param, times=None, status=status))
    yield made
    made.db.close()
    stand.site.stop()


def alert(world: World, number: int, *, channel: str = "#csat-safety", recovery: int | None = None) -> Intent:
    """A message that is worth sending for four hours."""
    return Intent(
        key=f"slack:default/a{number}/alert/0/1",
        account="slack:default",
        kind=WriteKind.ALERT,
        object=f"response/a{number}/alert/0",
        fields={"channel": channel, "text": f"alarm {number}"},
        cause_at=world.clock.now(),
        not_before=world.clock.now(),
        give_up_at=world.clock.now() + 4 * HOUR,
        fold=True,
        recovery_id=recovery,
    )


def critical_recovery(world: World) -> int:
    """A critical recovery whose ticket is known."""
    with world.db.write() as tx:
        found = responses.record(tx, answer("x"), PLAIN)
        person = people.create(tx)
        assert found.response_id is not None
        opening = recoveries.open_or_join(
            tx,
            person_id=person,
            playbook="service-recovery",
            severity=Severity.CRITICAL,
            response_id=found.response_id,
            response_key="x",
            at=tx.now,
        )
        ticket = f"recovery/{opening.recovery.id}/ticket/1"
        outbox.adopt(tx, "zendesk:acme", ticket, "77", "https://desk.example/77")
    return opening.recovery.id


def until(world: World, at: timedelta) -> None:
    """Some turns of the lane, far apart, up to an instant."""
    while world.clock.now() < START + at:
        world.drain()
        world.clock.advance(min(HOUR, START + at - world.clock.now()))


def shown(world: World) -> list[str]:
    return [row["text"] for row in world.held.get("message", {}).values()]


def works_again(world: World) -> None:
    world.stand.site.faults.clear()
    world.clock.advance(HOUR)
    world.run(HOUR)


def test_what_grew_too_old_becomes_one_message_a_channel(world: World) -> None:
    recovery = critical_recovery(world)
    for number in range(6):
        channel = "#csat-ops" if number == 5 else "#csat-safety"
        world.plan([alert(world, number, channel=channel, recovery=recovery if number == 2 else None)])
        until(world, (number + 1) * HOUR / 2)
    until(world, 9 * HOUR)
    assert shown(world) == []
    world.plan([alert(world, 9)])
    works_again(world)
    many = [text for text in shown(world) if "5 messages could not be sent here in time" in text]
    assert len(many) == 1, shown(world)
    assert "20 Nov 12:00 to " in many[0]
    assert "1 about a critical recovery" in many[0]
    assert "https://desk.example/77" in many[0]
    assert len([text for text in shown(world) if "1 message could not be sent" in text]) == 1
    assert [text for text in shown(world) if text.startswith("alarm")] == ["alarm 9"], "what is young enough is sent"
    assert len(shown(world)) == 3
    assert "given_up/alert" not in world.told
    world.clock.advance(12 * HOUR)
    world.run(HOUR)
    assert len(shown(world)) == 3, "once is enough"


def test_a_second_outage_has_a_message_of_its_own(world: World) -> None:
    for number in range(2):
        world.plan([alert(world, number)])
        until(world, (number + 1) * 10 * HOUR)
        works_again(world)
        world.stand.site.faults.add(Fault(match="* /api/*", kind=FaultKind.REFUSE, times=None, status=503))
    assert len(shown(world)) == 2
    assert all("1 message could not be sent here in time" in text for text in shown(world))
    with world.db.read() as tx:
        assert outbox.counts(tx)[IntentState.GIVEN_UP] == 2


def test_what_a_message_nobody_answered_for_told_is_not_told_again(world: World) -> None:
    world.plan([alert(world, 0)])
    until(world, 2 * HOUR)
    world.stand.site.faults.clear()
    world.clock.advance(2 * HOUR + HOUR / 2)
    world.stand.site.faults.add(Fault(match="POST /api/chat.postMessage", kind=FaultKind.RESET_AFTER_COMMIT))
    world.drain()
    world.stand.site.faults.add(Fault(match="* /api/*", kind=FaultKind.REFUSE, times=None, status=503))
    world.plan([alert(world, 1)])
    until(world, 10 * HOUR)
    assert len(shown(world)) == 1, "it is there, and nobody knows"
    works_again(world)
    assert [text.partition(" ")[0] for text in shown(world)] == ["1", "1"]


def test_an_old_copy_of_the_store_does_not_tell_of_it_again(world: World) -> None:
    world.plan([alert(world, 0)])
    until(world, 4 * HOUR - HOUR / 4)
    copy = world.backup()
    world.start()
    world.clock.advance(HOUR / 2)
    works_again(world)
    assert len(shown(world)) == 1
    world.restore(copy)
    works_again(world)
    assert len(shown(world)) == 1


def test_an_old_copy_of_the_store_does_not_call_the_operators_again_that_day(world: World) -> None:
    """What it is named after is the day, so when it happens says nothing about whether it was sent."""
    known = decide_settings(example(), {**ACCOUNTS, "slack": "slack:default"})
    settings = replace(known, operators=Operators(connection="slack", channel="#csat-safety"))

    def call() -> None:
        with world.db.write() as tx:
            tell_operators(tx, settings, "zendesk:acme", "paused", "zendesk:acme is paused")

    copy = world.backup()
    world.start()
    world.stand.site.faults.clear()
    call()
    world.run(HOUR)
    world.restore(copy)
    world.clock.advance(2 * HOUR)
    call()
    world.run(HOUR)
    assert shown(world) == ["zendesk:acme is paused"]
    world.clock.advance(24 * HOUR)
    call()
    world.run(HOUR)
    assert len(shown(world)) == 2, "on another day they are told again"
