"""What waited for the morning is told in one message: each once, never early, whatever dies in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector.clock import VirtualClock
from connector.domain.model.intent import Intent, IntentState, WriteKind, refer
from connector.domain.recovery.night import Night
from connector.simulator.faults import Fault, FaultKind
from connector.store import outbox, people, queue, receipts
from connector.sync.folding import Folded
from connector.sync.together import ROOM, _joined, put_together
from connector.testing.twin import Crash
from connector.testing.world import LIMITS, START, Stand, World
from tests.durability.effects import workspace
from tests.durability.effects_smtp import ACCOUNT, server

HOUR = timedelta(hours=1)
EVENING, MORNING = START.replace(hour=22), START.replace(hour=7) + timedelta(days=1)
NIGHT = Night(begins=time(20), ends=time(7))
CHANNEL = "#csat-safety"


def evening(folder: Path, stand: Callable[[VirtualClock], Stand]) -> Iterator[World]:
    """A lane whose night has begun."""
    clock = VirtualClock(START)
    made = World(folder=folder, stand=stand(clock), clock=clock, limits=replace(LIMITS, quiet=NIGHT))
    made.advance(EVENING - clock.now())
    yield made
    made.db.close()
    made.stand.site.stop()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    yield from evening(tmp_path, workspace)


def alert(world: World, number: int, **changes: object) -> Intent:
    """A message about an answer of now that waits for the morning."""
    made = Intent(
        key=f"slack:default/a{number}/alert/0/1",
        account="slack:default",
        kind=WriteKind.ALERT,
        object=f"response/a{number}/alert/0",
        fields={"channel": CHANNEL, "text": f"alarm {number}"},
        cause_at=world.clock.now(),
        not_before=MORNING,
        give_up_at=MORNING + HOUR,
        fold=True,
        version=1,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def plan(world: World, *numbers: int) -> list[Intent]:
    """Some messages, a minute apart."""
    planned = []
    for number in numbers:
        planned.append(alert(world, number))
        world.plan(planned[-1:])
        world.advance(timedelta(minutes=1))
    return planned


def edited(world: World, number: int) -> Intent:
    """The same message once its answer was edited."""
    name = f"response/a{number}/alert/0"
    return replace(
        alert(world, number),
        key=f"slack:default/a{number}/alert/0/2",
        target=name,
        fields={"channel": CHANNEL, "text": f"alarm {number}, edited"},
        not_before=world.clock.now(),
        version=2,
    )


def until(world: World, at: datetime) -> None:
    world.run(at - world.clock.now())
    world.clock.advance(max(at - world.clock.now(), timedelta(0)))


def shown(world: World) -> list[str]:
    return [row["text"] for row in world.held.get("message", {}).values()]


def together(*lines: str) -> str:
    return "\n".join([f"{len(lines)} messages that waited for the morning:", *(f"• {line}" for line in lines)])


def test_what_waited_is_one_message_and_never_early(world: World) -> None:
    kept = plan(world, 1, 2, 3)
    loud = alert(world, 4, not_before=world.clock.now())
    alone = alert(world, 5, fields={"channel": "#csat-ops", "text": "alarm 5"})
    world.plan([loud, alone])
    until(world, MORNING - timedelta(seconds=1))
    assert shown(world) == ["alarm 4"], "what is critical waits for no morning"
    world.advance(timedelta(seconds=1))
    world.run(HOUR)
    assert sorted(shown(world)) == sorted([together("alarm 1", "alarm 2", "alarm 3"), "alarm 4", "alarm 5"])
    assert world.states([*kept, loud, alone]) == {IntentState.CONFIRMED}
    assert len({world.remote_id(one.object) for one in kept}) == 1
    world.run(12 * HOUR)
    assert len(shown(world)) == 3, "once is enough"


def test_more_than_one_round_looks_at_are_still_one_message(world: World) -> None:
    kept = plan(world, *range(30))
    until(world, MORNING + HOUR / 2)
    assert shown(world) == [together(*(f"alarm {number}" for number in range(30)))]
    assert world.states(kept) == {IntentState.CONFIRMED}


def test_more_than_a_message_has_room_for_is_two(world: World) -> None:
    long = [alert(world, number, fields={"channel": CHANNEL, "text": f"{number} " + "x" * 1000}) for number in range(3)]
    world.plan(long)
    until(world, MORNING + HOUR / 2)
    one, two = sorted(shown(world), key=len)
    assert one == long[2].fields["text"]
    assert two.startswith("2 messages")


def test_what_is_refused_together_is_refused_alone_and_not_over_and_over(world: World) -> None:
    nowhere = [alert(world, number, fields={"channel": "#gone", "text": f"alarm {number}"}) for number in range(3)]
    world.plan(nowhere)
    before = len(world.stand.site.requests)
    until(world, MORNING + HOUR / 2)
    assert shown(world) == []
    assert world.states(nowhere) == {IntentState.REJECTED}
    assert len(world.stand.site.requests) - before < 20


def test_one_whose_process_dies_with_the_answer_is_asked_about_and_not_repeated(world: World) -> None:
    kept = plan(world, 1, 2, 3)
    world.advance(MORNING - world.clock.now())
    world.die()
    assert world.states(kept) == {IntentState.SENDING}
    world.restart()
    world.run(HOUR)
    assert shown(world) == [together("alarm 1", "alarm 2", "alarm 3")]
    assert world.states(kept) == {IntentState.CONFIRMED}


def test_one_that_was_frozen_and_never_sent_is_put_together_again(world: World) -> None:
    """Killed between freezing and sending; meanwhile somebody was erased, another message was freed."""
    with world.db.write() as tx:
        person = people.create(tx)
    kept = [alert(world, 1), alert(world, 2, person_id=person), alert(world, 3)]
    world.plan(kept)
    world.advance(MORNING - world.clock.now())

    def die() -> None:
        raise Crash

    world.writer.before_send = die
    with pytest.raises(Crash):
        world.run(HOUR)
    assert world.states(kept) == {IntentState.SENDING}
    assert shown(world) == []
    with world.db.write() as tx:
        assert not outbox.erase(tx, person), "nobody knows yet whether it is there"
    world.restart()
    world.run(HOUR)
    assert shown(world) == [together("alarm 1", "alarm 3")]
    assert [world.row(one.key).state for one in kept] == ["confirmed", "erased", "confirmed"]


def test_an_erased_person_is_not_told_of(world: World) -> None:
    with world.db.write() as tx:
        person = people.create(tx)
    world.plan([alert(world, 1), alert(world, 2, person_id=person), alert(world, 3)])
    until(world, MORNING - HOUR)
    with world.db.write() as tx:
        assert outbox.erase(tx, person)
    until(world, MORNING + HOUR / 2)
    assert shown(world) == [together("alarm 1", "alarm 3")]


@pytest.mark.parametrize("erase", [False, True], ids=["known", "erased"])
def test_what_changes_later_changes_its_line(world: World, *, erase: bool) -> None:
    with world.db.write() as tx:
        person = people.create(tx)
    world.plan([alert(world, 1), alert(world, 2), alert(world, 3, person_id=person)])
    until(world, MORNING + HOUR / 2)
    if erase:
        with world.db.write() as tx:
            assert outbox.erase(tx, person)
    world.plan([edited(world, 2)])
    world.run(HOUR)
    lines = ["alarm 1", "alarm 2, edited", *([] if erase else ["alarm 3"])]
    assert shown(world) == [together(*lines)]
    world.plan([edited(world, 1)])
    world.run(HOUR)
    assert shown(world) == [together("alarm 1, edited", *lines[1:])]


def test_what_is_due_a_little_later_comes_a_little_later(world: World) -> None:
    world.limits = replace(world.limits, linger=timedelta(minutes=1))
    world.restart()
    at = MORNING + timedelta(seconds=30)
    world.plan([alert(world, 1), alert(world, 2, not_before=at), alert(world, 3, not_before=at)])
    until(world, MORNING + timedelta(seconds=29))
    assert shown(world) == ["alarm 1"]
    world.run(HOUR)
    assert shown(world) == ["alarm 1", together("alarm 2", "alarm 3")]


def test_what_grew_too_old_is_counted_in_it(world: World) -> None:
    """It waited for a ticket until the morning, and is given up then."""
    old = alert(world, 9, after=("recovery/9/ticket/1",), not_before=world.clock.now(), give_up_at=MORNING)
    world.plan([old])
    kept = plan(world, 1, 2)
    until(world, MORNING + HOUR / 2)
    [text] = shown(world)
    assert text.startswith(
        "3 messages that waited for the morning:\n• alarm 1\n• alarm 2\n• 1 message could not be sent here"
    )
    assert world.states(kept) == {IntentState.CONFIRMED}
    assert world.states([old]) == {IntentState.GIVEN_UP}


@pytest.mark.parametrize("when", [MORNING - HOUR, EVENING + timedelta(seconds=30)], ids=["all", "the first alone"])
@pytest.mark.parametrize("fold", [True, False], ids=["about an answer", "about a step"])
def test_an_old_copy_of_the_store_tells_nothing_twice(world: World, when: datetime, *, fold: bool) -> None:
    world.plan([alert(world, 1, fold=fold)])
    rest = [alert(world, number, fold=fold) for number in (2, 3)]
    if when > EVENING + HOUR:
        world.plan(rest)
    until(world, when)
    copy = world.backup()
    world.start()
    world.plan(rest)
    until(world, MORNING + HOUR / 2)
    assert shown(world) == [together("alarm 1", "alarm 2", "alarm 3")]
    world.restore(copy)
    world.plan(rest)  # what is polled again
    world.run(HOUR)
    said = "\n".join(shown(world))
    assert [said.count(f"alarm {number}") for number in (1, 2, 3)] == [1, 1, 1]
    assert len(shown(world)) == 1 or when < EVENING + HOUR, "nothing was unknown to it"


@pytest.fixture
def mails(tmp_path: Path) -> Iterator[World]:
    """The same with a mail server, which can be asked nothing."""
    yield from evening(tmp_path, server)


def mail(world: World, number: int, **changes: object) -> Intent:
    fields = {"channel": "lead@shop.example.com", "text": f"alarm {number}"}
    return alert(world, number, **{"key": f"a{number}", "account": ACCOUNT, "fields": fields, **changes})


def mailed(world: World) -> list[str]:
    return ["\n".join(row["text"].split("\r\n")).strip() for row in world.held.get("mail", {}).values()]


def test_by_mail_too_and_what_changes_is_a_mail_of_its_own(mails: World) -> None:
    mails.plan([mail(mails, number) for number in (1, 2)])
    until(mails, MORNING + HOUR / 2)
    assert mailed(mails) == [together("alarm 1", "alarm 2")]
    changed = {"key": "a2/2", "target": "response/a2/alert/0", "not_before": mails.clock.now()}
    changed |= {"fields": {"channel": "lead@shop.example.com", "text": "alarm 2, edited"}}
    mails.plan([mail(mails, 2, **changed)])
    mails.run(HOUR)
    assert mailed(mails)[1:] == ["alarm 2, edited"]


def test_one_that_names_what_is_gone_keeps_nobody_waiting(mails: World) -> None:
    world, ticket = mails, "recovery/1/ticket/1"
    gone = {"channel": "lead@shop.example.com", "text": f"see {refer(ticket, 'url')}"}
    world.plan([mail(world, 1), mail(world, 2, fields=gone), mail(world, 3)])
    with world.db.write() as tx:
        outbox.adopt(tx, "zendesk:acme", ticket, "77", "https://desk.example/77")
    until(world, MORNING - HOUR)
    with world.db.write() as tx:
        receipts.unpoint(tx, ticket)
    until(world, MORNING + HOUR / 2)
    assert mailed(world) == [together("alarm 1", "alarm 3")]


@pytest.mark.parametrize("fault", [FaultKind.REFUSE, FaultKind.RESET_BEFORE, FaultKind.RESET_AFTER_COMMIT])
def test_trouble_in_the_morning_tells_each_once(world: World, fault: FaultKind) -> None:
    kept = plan(world, *range(5))
    world.advance(MORNING - world.clock.now())
    status = 503 if fault is FaultKind.REFUSE else None
    world.stand.site.faults.add(Fault(match="POST /api/chat.postMessage", kind=fault, times=2, status=status))
    world.run(HOUR)
    assert shown(world) == [together(*(f"alarm {number}" for number in range(5)))]
    assert world.states(kept) == {IntentState.CONFIRMED}


@given(st.lists(st.sampled_from(["unseen", "looks", "ready"]), min_size=2, max_size=6))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_nothing_leaves_before_all_of_it_may(half: World, places: list[str]) -> None:
    world = half
    outlet = world.lane._outlet
    with world.db.read() as tx:
        rows = queue.due(tx, "slack:default", tx.now)[: len(places)]
        records = [Folded(members=(row,)) for row in rows]
        parts = {
            name: [one for one, place in zip(records, places, strict=True) if place == name]
            for name in ("unseen", "looks", "ready")
        }
        joint, looks, ready = put_together(tx, outlet, parts["unseen"], parts["looks"], parts["ready"])
    assert looks == []
    assert [one for batch in joint for one in batch.records] == ([] if parts["unseen"] else parts["looks"])
    assert [row for one in ready for row in one.members] == (rows if set(places) == {"ready"} else [])


@pytest.fixture
def half(world: World) -> World:
    """Six messages that are due."""
    plan(world, *range(6))
    world.advance(MORNING - world.clock.now())
    return world


@given(st.lists(st.integers(min_value=1, max_value=2 * ROOM), min_size=2, max_size=30))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
def test_every_text_is_in_one_of_as_few_messages_as_hold_them(half: World, lengths: list[int]) -> None:
    with half.db.read() as tx:
        [row, *_] = queue.due(tx, "slack:default", tx.now)
    texts = [f"{number}".ljust(length, "x") for number, length in enumerate(lengths)]
    rows = [replace(row, id=place, fields={"channel": "c", "text": text}) for place, text in enumerate(texts)]
    joined = _joined([Folded(members=(one,)) for one in rows])
    assert [member.fields["text"] for one in joined for member in one.members] == texts, "each once, in order"
    sizes = [sum(len(str(member.fields["text"])) for member in one.members) for one in joined]
    assert all(size <= ROOM for one, size in zip(joined, sizes, strict=True) if len(one.members) > 1)
    firsts = [len(str(one.members[0].fields["text"])) for one in joined]
    assert all(size + first > ROOM for size, first in zip(sizes, firsts[1:], strict=False)), "no room was left for it"
