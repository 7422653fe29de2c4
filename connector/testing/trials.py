"""What can go wrong with a write, and what has to be true afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from connector.clock import VirtualClock
from connector.domain.model.intent import IntentState, Promise
from connector.simulator.parts import Fault, FaultKind
from connector.testing.effect import SECOND, Effect
from connector.testing.stores import FILES, Shelf
from connector.testing.world import START, World

HALF_AN_HOUR = timedelta(minutes=30)
DONE = {IntentState.CONFIRMED}
Trial = Callable[[World, Effect], None]


@contextmanager
def world_of(
    effect: Effect, folder: Path, *, live: bool = True, parallel: int = 1, shelf: Shelf = FILES
) -> Iterator[World]:
    """A connector and the effect's vendor, with everything there that the effect needs."""
    clock = VirtualClock(START)
    stand = effect.vendor(clock)
    try:
        world = World(folder=folder, stand=stand, clock=clock, live=live, parallel=parallel, shelf=shelf)
        world.writer.prepare()  # so that the promises are this account's
        effect.seed(world)
        yield world
        world.db.close()
    finally:
        stand.site.stop()


def promise_of(world: World, effect: Effect) -> Promise:
    """What the adapter promises on this account."""
    return world.writer.promises[effect.kind]


def order(world: World, effect: Effect, kind: FaultKind, after: timedelta = SECOND) -> None:
    """The vendor's next matching call goes wrong."""
    world.stand.site.faults.add(Fault(match=effect.calls, kind=kind, seconds=after.total_seconds()))


def answer_lost(world: World, effect: Effect) -> None:
    """It was committed and the connection broke."""
    order(world, effect, FaultKind.RESET_AFTER_COMMIT)
    world.plan(effect.wanted)


def answered_500(world: World, effect: Effect) -> None:
    """It was committed and the answer is an error."""
    order(world, effect, FaultKind.ERROR_AFTER_COMMIT)
    world.plan(effect.wanted)


def answer_torn(world: World, effect: Effect) -> None:
    """It was committed and the answer is half of one."""
    order(world, effect, FaultKind.TORN)
    world.plan(effect.wanted)


def never_arrived(world: World, effect: Effect) -> None:
    """The connection broke first."""
    order(world, effect, FaultKind.RESET_BEFORE)
    world.plan(effect.wanted)


def committed_late(world: World, effect: Effect) -> None:
    """After our time-out, as late as the promise says it can be."""
    order(world, effect, FaultKind.COMMIT_LATE, promise_of(world, effect).settle - SECOND)
    world.plan(effect.wanted)


def asked_before_visible(world: World, effect: Effect) -> None:
    """Look-ups lag as long as vendor or promise say, after a late commit; else for nearly all of the settle time."""
    promise = promise_of(world, effect)
    lag = max(promise.lookup_lag, world.stand.lag)
    if lag:
        world.stand.hide(lag)
        committed_late(world, effect)
    else:
        world.stand.hide(promise.settle - 2 * SECOND)
        answer_lost(world, effect)


def killed_before_receipt(world: World, effect: Effect) -> None:
    """Our process dies with the answer in its hands."""
    world.plan(effect.wanted)
    world.die()
    world.restart()


def killed_with_the_job_done(world: World, effect: Effect) -> None:
    """Our process dies with the job's outcome in its hands."""
    world.plan(effect.wanted)
    world.die(after="poll")
    world.restart()


def restarted_three_hours_later(world: World, effect: Effect) -> None:
    """Our process dies with the answer in its hands, and nobody starts another for long."""
    world.plan(effect.wanted)
    world.die()
    world.restart(after=timedelta(hours=3))


def restored_planned(world: World, effect: Effect) -> None:
    """The copy was taken when the intents were planned and not yet sent."""
    world.plan(effect.wanted)
    copy = world.backup()
    half_an_hour(world)
    world.restore(copy)


def restored_before(world: World, effect: Effect) -> None:
    """The copy knows nothing of the answer; it is delivered, and decided, again."""
    copy = world.backup()
    world.plan(effect.wanted)
    half_an_hour(world)
    world.restore(copy)
    world.plan(effect.wanted)


def restored_sending(world: World, effect: Effect) -> None:
    """The copy was taken while the request was under way."""
    world.plan(effect.wanted)
    world.die()
    copy = world.backup()
    world.restart()
    half_an_hour(world)
    world.restore(copy)


def half_an_hour(world: World) -> None:
    """Everything settles, and some time passes."""
    began = world.clock.now()
    world.run(HALF_AN_HOUR)
    world.advance(began + HALF_AN_HOUR - world.clock.now())


LOST: tuple[Trial, ...] = (answer_lost, answered_500, answer_torn, never_arrived, committed_late)
KILLED: tuple[Trial, ...] = (killed_before_receipt, restarted_three_hours_later)
RESTORED: tuple[Trial, ...] = (restored_planned, restored_before, restored_sending)
REMEMBERED: tuple[Trial, ...] = (restored_sending,)
"""What a copy has to remember where the vendor remembers nothing: that it was sending. The rest is the residual."""
WITH_NEWER: tuple[Trial, ...] = (
    answer_lost,
    never_arrived,
    committed_late,
    restarted_three_hours_later,
    restored_planned,
    restored_sending,
)


def exactly_one(folder: Path, effect: Effect, trial: Trial, shelf: Shelf = FILES) -> None:
    """Whatever the trial does, the vendor holds exactly what is wanted, and we know it."""
    with world_of(effect, folder, shelf=shelf) as world:
        trial(world, effect)
        world.come_to_rest()
        as_promised(world, effect)


def as_promised(world: World, effect: Effect) -> None:
    """It is there, once, and we know it.

    Where nobody can tell what became of a write without an answer, it is there at most once, and people were told.
    """
    states = world.states(effect.wanted)
    if promise_of(world, effect).can_tell or states == DONE:
        assert list(effect.held(world)) == list(effect.expected)
        assert states == DONE
        return
    assert list(effect.held(world)) in ([], list(effect.expected))
    assert states == {IntentState.GIVEN_UP}
    assert f"given_up/{effect.kind}/unasked" in world.told


def the_newest_wins(folder: Path, effect: Effect, trial: Trial) -> None:
    """A newer version of the answer comes while it is not known what became of the first."""
    with world_of(effect, folder) as world:
        trial(world, effect)
        world.drain()
        world.plan(effect.newer)
        world.come_to_rest()
        assert list(effect.held(world)) == list(effect.changed)
        assert world.states(effect.newer) == DONE
