"""Several records of a case, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence

from connector.domain.model.intent import Intent, Item
from connector.ports import Job, Outcome
from connector.testing.effect import SECOND, Effect, word
from connector.testing.world import World


def has_many(case: Effect) -> bool:
    """There can be several records of the kind."""
    return case.many is not None


def can_refuse(case: Effect) -> bool:
    """The vendor refuses some of them."""
    return case.many is not None and case.many.refuse is not None


def names_fields(case: Effect) -> bool:
    """It says which field was wrong."""
    return case.many is not None and bool(case.many.named)


def several(world: World, case: Effect, count: int) -> list[Intent]:
    """Intents about so many objects, and what they need."""
    assert case.many is not None
    case.many.seed(world, count)
    return [case.many.make(number) for number in range(count)]


def arrived(world: World, case: Effect, count: int) -> set[int]:
    """Which of the records the vendor holds, each of them once."""
    entries = [str(entry) for entry in case.held(world)]
    found = [number for number in range(count) for entry in entries if word(number) in entry]
    assert len(found) == len(set(found)), "one of them is there twice"
    return set(found)


def send(world: World, case: Effect, items: Sequence[Item]) -> Sequence[Outcome]:
    """What the adapter alone makes of some records, jobs waited for."""
    request = world.writer.render(case.kind, items)
    return settled(world, case, world.writer.send(case.kind, request, len(items)), len(items))


def settled(world: World, case: Effect, answer: Sequence[Outcome] | Job, count: int) -> Sequence[Outcome]:
    """The outcomes of an answer, once there are any."""
    for _ in range(60):
        if not isinstance(answer, Job):
            return answer
        world.advance(SECOND)
        answer = world.writer.poll(case.kind, answer.id, count)
    raise AssertionError("the job never ends")


def token_calls(world: World, since: int) -> int:
    """Calls to the token endpoint among the writes of the log."""
    stand = world.stand
    if not stand.token_calls:
        return 0
    return sum(call.write for call in world.calls(stand.token_calls, since))
