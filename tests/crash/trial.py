"""One trial: vendors in one process, the connector in another that is killed, its successor in a third.

A `Stage` is a process without threads that holds the vendors' accounts, not listening, and the store as the scenes
before left it. For each trial it forks; the fork listens, and forks the two lives before it has any thread. So trials
begin alike to the byte and the microsecond, and what is imported and read already costs none of them anything.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from connector.domain.model.intent import IntentState, WriteKind
from connector.store.schema import intent, remote
from tests.acceptance.holdings import held
from tests.chaos.world import START, Vendors, World, _copy_store, silence
from tests.crash.life import Life, Scene
from tests.crash.points import Board, Point, Probe, SharedClock, read
from tests.crash.sites import commits

DEAD_FOR = timedelta(seconds=2)
PATIENCE = 300
"""Seconds of real time a life may take on a busy machine; it takes about one."""
COUNTED = ("deliveries", "responses", "recoveries", "held_links", "erasures")
OPERATORS = "operators/"
"""What they are told of trouble is left out: of trouble that only the dead process had seen nobody can tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What holds in the end: what the vendors hold, sorted, and the counts of the store."""

    held: list[list[str]]
    counts: Mapping[str, Any]

    def differences(self, other: Facts) -> list[str]:
        """What `other` has and this one has not, and the other way round."""
        mine, theirs = [*map(tuple, self.held)], [*map(tuple, other.held)]
        found = [f"missing: {one}" for one in _minus(mine, theirs)] + [f"extra: {one}" for one in _minus(theirs, mine)]
        return found + [
            f"{name}: {value} and not {self.counts[name]}"
            for name, value in other.counts.items()
            if value != self.counts[name]
        ]


def _minus(these: list[tuple[str, ...]], those: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    left = list(these)
    for one in those:
        if one in left:
            left.remove(one)
    return left


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """One trial: where the first life should die, where it did, and what was wrong in the end, nothing as a rule."""

    number: int
    point: Point | None
    wrong: tuple[str, ...]


def warm_up(folder: Path, crm: str, play: Callable[[World], None]) -> None:
    """Import, read and compile once what every life needs, with vendors of its own."""
    silence()
    commits()
    folder.mkdir()
    with World(folder, vendors=Vendors(crm=crm)) as world:
        play(world)
    _be_alone()


class Stage:
    """The world between two scenes. `close` it."""

    def __init__(self, folder: Path, crm: str, furnish: Callable[[World], None]) -> None:
        self.folder = folder
        self.board = Board()
        self.world = World(
            folder,
            vendors=Vendors(crm=crm),
            clock=SharedClock(START, self.board),
            poll_gap=timedelta(minutes=5),
        )
        self.ports = {name: int(site.base_url.rpartition(":")[2]) for name, site in self.world.sites.items()}
        furnish(self.world)
        self.world.store.unlink()
        for site in self.world.sites.values():
            site.stop()
        _be_alone()
        gc.collect()
        gc.freeze()

    def play(
        self, scene: Scene, choose: Callable[[Sequence[Point]], Sequence[int]]
    ) -> tuple[Sequence[Point], Sequence[Death]]:
        """Play a scene undisturbed; then, from where it began, once for each chosen point with a death there.

        `choose` is given the points the undisturbed life came to, and returns numbers of some, from 1.
        """
        ear, mouth = os.pipe()
        began = self.board.time
        keeper = os.fork()  # holds the state from before the scene until it is known what to choose from
        if keeper == 0:
            os.close(mouth)
            _bounded(lambda: self._kill_each(scene, ear, began), seconds=0)
        os.close(ear)
        folder = self.folder / scene.name
        folder.mkdir()
        try:
            self._play(scene, folder, None)
            ended = self.board.time
            points, facts = _outcome(folder)
            with os.fdopen(mouth, "w") as out:
                json.dump({"numbers": [*choose(points)], "points": [asdict(one) for one in points]}, out)
                out.write("\n")
                json.dump(asdict(facts), out)
            _, status = os.waitpid(keeper, 0)
            assert status == 0, f"{scene.name}: the keeper ended with {status}"
            self.board.time = ended
            rows = [json.loads(line) for line in (self.folder / "deaths").read_text().splitlines()]
        finally:
            _copy(folder / "store.db", self.folder / "store.db")
            self.world.store = self.folder / "store.db"
            shutil.rmtree(folder)
        return points, [
            Death(
                number=row["number"],
                point=None if row["point"] is None else Point(**row["point"]),
                wrong=tuple(row["wrong"]),
            )
            for row in rows
        ]

    def close(self) -> None:
        """Nothing is left."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _kill_each(self, scene: Scene, ear: int, began: tuple[int, int]) -> None:
        """The keeper: a trial for each number it is told."""
        with os.fdopen(ear) as told:
            orders, expected = json.loads(told.readline()), Facts(**json.loads(told.readline()))
        points = [Point(**row) for row in orders["points"]]
        with (self.folder / "deaths").open("w") as out:
            for number in orders["numbers"]:
                self.board.time = began
                point, wrong = self._kill(scene, number, points[number - 1], expected)
                row = {"number": number, "point": None if point is None else asdict(point), "wrong": wrong}
                out.write(json.dumps(row) + "\n")
                out.flush()

    def _kill(self, scene: Scene, number: int, point: Point, expected: Facts) -> tuple[Point | None, list[str]]:
        folder = self.folder / f"{scene.name}-{number}"
        folder.mkdir()
        child = os.fork()
        if child == 0:
            _bounded(lambda: self._play(scene, folder, number))
        os.waitpid(child, 0)
        try:
            points, facts = _outcome(folder)
        except AssertionError as error:
            return None, [str(error)]
        finally:
            shutil.rmtree(folder)
        if points != [point]:
            return points[0], [f"it came to another place than {point}"]
        return point, expected.differences(facts)

    def _play(self, scene: Scene, folder: Path, dies_at: int | None) -> None:
        """Play a scene on this very stage, in `folder`."""
        world = self.world
        _copy(world.store, folder / "store.db")
        world.store = folder / "store.db"
        self.board.wipe()
        scene.prepare(world)
        began = world.clock.now()
        first = self._fork(scene, began, folder, dies_at)
        second = self._fork(scene, began, folder, None)
        before = self._requests()
        for name, site in world.sites.items():
            site.start(self.ports[name])
        try:
            code = first()
            if dies_at is not None and code == -signal.SIGKILL:
                self._let_vendors_end(before)
                world.clock.advance(DEAD_FOR)
                code = second()
            elif dies_at is not None and code == 0:
                code = 1
                (folder / "trouble").write_text("it did not die")
            if code == 0:
                (folder / "facts").write_text(json.dumps(asdict(facts_of(world))))
            elif not (folder / "trouble").exists():
                (folder / "trouble").write_text(f"a life ended with {code}")
        except AssertionError as error:
            (folder / "trouble").write_text(str(error))
        finally:
            second(spoken=False)
            for site in world.sites.values():
                site.stop()
            _be_alone()

    def _requests(self) -> int:
        return sum(len(site.requests) for site in self.world.sites.values())

    def _let_vendors_end(self, before: int) -> None:
        """What had left the dead process is done by the vendors, whoever listens."""
        patience = time.monotonic() + 60
        while self._requests() < before + self.board.sent:
            assert time.monotonic() < patience, "a request got lost"
            time.sleep(0.001)

    def _fork(self, scene: Scene, began: datetime, folder: Path, dies_at: int | None) -> Callable[..., int]:
        """A life that waits for its word; calling what is returned gives it and waits for its end."""
        ear, mouth = os.pipe()
        self.world.lives += 1
        child = os.fork()
        if child == 0:
            os.close(mouth)
            if os.read(ear, 1) == b"!":
                _bounded(lambda: self._live(scene, began, folder, dies_at))
            os._exit(0)
        os.close(ear)
        ended: list[int] = []

        def go(*, spoken: bool = True) -> int:
            if not ended:
                if spoken:
                    os.write(mouth, b"!")
                os.close(mouth)
                ended.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            return ended[0]

        return go

    def _live(self, scene: Scene, began: datetime, folder: Path, dies_at: int | None) -> None:
        log = folder / "points"
        is_first = not log.exists()
        try:
            probe = Probe(self.board, dies_at, log)
            life = Life(self.world, self.board, probe, began)
            probe.watch()
            probe.is_armed = is_first
            scene.before(life)
            if scene.runs:
                _run(life, scene, probe, is_first=is_first)
            if is_first:
                probe.write()
        except BaseException:
            (folder / "trouble").write_text(traceback.format_exc())
            raise


def _run(life: Life, scene: Scene, probe: Probe, *, is_first: bool) -> None:
    """The daemon's part of a life."""
    probe.is_armed = is_first and not scene.awake
    life.start()
    if scene.awake:
        life.world.run_for(timedelta(seconds=1))
        probe.is_armed = is_first
    scene.play(life)
    life.settle(scene.lasts)
    assert not life.process.troubles, life.process.troubles


def facts_of(world: World) -> Facts:
    """What holds now. Raises AssertionError where something is still under way or the sums are wrong."""
    status = world.status()
    assert status.waiting == 0, f"still under way: {status}"
    assert status.accepted == sum(status.deliveries.values()) + status.duplicates
    events = [
        ["", "event", str(event["id"]), json.dumps([event["type"], event["data"]], sort_keys=True)]
        for event in world.simulators.workflow.events
    ]
    counts = {name: getattr(status, name) for name in COUNTED}
    things = [[*one] for one in held(world.simulators) if OPERATORS not in one[0]]
    return Facts(held=[*things, *events], counts={**counts, "intents": _intents(world)})


def _intents(world: World) -> Mapping[str, int]:
    """How many intents are in each state."""
    db = world.open_store()
    with db.read() as tx:
        wanted = select(intent.c.kind, intent.c.state, intent.c.object)
        rows = tx.execute(wanted.where(~intent.c.object.contains(OPERATORS))).all()
        there = set(tx.execute(select(remote.c.object)).scalars())
    db.close()
    states = (came_to(WriteKind(kind), IntentState(state), is_there=thing in there) for kind, state, thing in rows)
    return dict(sorted(Counter(states).items()))


def came_to(kind: WriteKind, state: IntentState, *, is_there: bool) -> str:
    """What an intent came to.

    A contact in doubt is there once it is found, by the question about it (confirmed) or by a poll (superseded, and its
    object known): which of them comes first is a matter of the seconds between a death and the next life.
    """
    found = kind is WriteKind.CONTACT and state is IntentState.SUPERSEDED and is_there
    return (IntentState.CONFIRMED if found else state).value


def _outcome(folder: Path) -> tuple[list[Point], Facts]:
    trouble = folder / "trouble"
    assert not trouble.exists(), trouble.read_text()
    assert (folder / "facts").exists(), "it took too long"
    return read(folder / "points"), Facts(**json.loads((folder / "facts").read_text()))


def _copy(source: Path, to: Path) -> None:
    """A store with all that lies beside it."""
    _copy_store(source, to)
    for one in source.parent.glob(f"{source.name}.*"):
        shutil.copy(one, to.with_name(one.name.replace(source.name, to.name)))


def _be_alone() -> None:
    """Wait for every thread of the vendors: who forks while one holds a lock leaves it locked in the child for ever.

    The idle threads of an event loop that is gone hold none.
    """
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and not thread.name.startswith("AnyIO"):
            thread.join(60)
            assert not thread.is_alive(), f"{thread.name} does not end"


def _bounded(act: Callable[[], None], *, seconds: int = PATIENCE) -> None:
    """Do it, and end this process; also when it takes too long (0: it may)."""
    code = 1
    try:
        signal.alarm(seconds)
        act()
        code = 0
    except Exception:  # noqa: BLE001  # the end of a process
        traceback.print_exc(file=sys.stderr)
    finally:
        sys.stderr.flush()
        os._exit(code)
