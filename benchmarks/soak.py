"""Soak: many answers while the daemon is killed every few seconds and vendors' answers get lost. Nothing may be lost or
be there twice.

    python -m benchmarks.soak [--answers 200000] [--life 12] [--lost 0.02] [--unhappy 0.1] [--crm salesforce] [--seed 1]

The daemon, the vendors and the sender are processes of their own. A life is forked from a process that has loaded
everything, or most lives would end before their work began. The sender repeats a delivery until it hears 200, as survey
tools do; the daemon dies by SIGKILL after a life of half to one and a half times `--life` seconds. What the vendors
hold in the end is counted in their truth tables, person by person. Exit code 1: something was lost or doubled, or fewer
than one answer in a hundred had a write of which nobody knew whether it had arrived.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from sqlalchemy import distinct, func, select

from benchmarks import answers
from benchmarks.audit import Judgement, judge
from benchmarks.endtoend import overrides
from benchmarks.nursery import Nursed, Nursery
from benchmarks.script import read
from benchmarks.vendors import Terms, Vendors
from connector.clock import SystemClock
from connector.store.schema import history
from connector.testing.rehearsal import Rehearsal
from connector.wiring.status import Status

ROOT = Path(__file__).parents[1]
AHEAD = 4_000
"""Answers that wait at most: what is killed is work, not only intake."""
CHUNK = 500
FEW = 100
"""Answers that wait at the end, which are finished without further kills."""
SENDERS = 16
SETTLE = 3_600.0
TELL_EVERY = 30.0
LEAST_AMBIGUOUS = 0.01
LINGER = "10s"
"""Writes wait so long for company: many are killed while they wait, the others are sent together."""
SAY_LITTLE = ("--log-level", "WARNING")


@dataclass(frozen=True, slots=True, kw_only=True)
class Soaked:
    """What a soak came to.

    `sent` counts deliveries with their repetitions; `ambiguous` the answers of which a write was in doubt.
    """

    answers: int
    sent: int
    kills: int
    ambiguous: int
    calls: int
    seconds: float
    status: Status
    judgement: Judgement

    @property
    def is_good(self) -> bool:
        """Nothing was lost or doubled, although there was opportunity."""
        whole = self.status.responses == {"decided": self.answers}
        hard = self.ambiguous >= LEAST_AMBIGUOUS * self.answers and self.kills > 0
        return whole and hard and not self.judgement.lost and not self.judgement.doubled

    def text(self) -> str:
        """For people."""
        judged = self.judgement
        return (
            f"{self.answers:,} answers in {self.seconds:,.0f} s, sent {self.sent:,} times, {self.calls:,} calls; "
            f"killed {self.kills:,} times; {self.ambiguous:,} answers ({self.ambiguous / self.answers:.1%}) had a "
            f"write in doubt\n{judged.expected:,} records expected: {judged.lost} lost, {judged.doubled} doubled; "
            f"ledger: {self.status.responses}"
        )


class Sender:
    """A process that posts what it is given, each until it is taken."""

    def __init__(self, port: int) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._ask, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_send, args=(theirs, port), daemon=True)
        self._process.start()
        self.sent = 0
        self.is_idle = True

    def post(self, bodies: Sequence[bytes]) -> None:
        """Begin to post them."""
        self._ask.send(bodies)
        self.is_idle = False

    def look(self) -> bool:
        """Whether everything it was given was taken."""
        if not self.is_idle and self._ask.poll():
            self.sent += self._ask.recv()
            self.is_idle = True
        return self.is_idle

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()


def _send(ask: Connection, port: int) -> None:
    while True:
        ask.send(asyncio.run(_post(port, ask.recv())))


async def _post(port: int, bodies: Sequence[bytes]) -> int:
    """Post them all; how often something was sent."""
    waiting, sent = iter([answers.signed(body) for body in bodies]), 0

    async def one() -> None:
        nonlocal sent
        for request in waiting:
            while True:
                sent += 1
                with suppress(OSError, asyncio.IncompleteReadError):
                    if await _exchange(port, request):
                        break
                await asyncio.sleep(0.1)

    await asyncio.gather(*(one() for _ in range(SENDERS)))
    return sent


async def _exchange(port: int, request: bytes) -> bool:
    """One request on a connection of its own; whether it was taken."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        return head.startswith(b"HTTP/1.1 200")
    finally:
        writer.close()


class Lives:
    """One daemon after the other, each killed; what waits for them is kept between a little and `AHEAD`."""

    def __init__(self, rehearsal: Rehearsal, bodies: Sequence[bytes], *, life: float, seed: int) -> None:
        self._rehearsal = rehearsal
        self._left = list(bodies)
        self._life = life
        self._dice = random.Random(seed)
        self.kills = 0
        self.sender = Sender(rehearsal.port)

    def live(self) -> None:
        """One life: work, and feed it; then the next process starts."""
        ends = time.monotonic() + self._life * self._dice.uniform(0.5, 1.5)
        while time.monotonic() < ends:
            if self.sender.look() and self._left and self.waiting < AHEAD:
                self.sender.post(self._left[:CHUNK])
                del self._left[:CHUNK]
            self._rehearsal.pause(0.5)
        assert self._rehearsal.stop(kill=True) == -9
        self.kills += 1
        self._rehearsal.start(SAY_LITTLE)

    @property
    def waiting(self) -> int:
        """Deliveries, answers and writes with something left to do."""
        return self._rehearsal.status().waiting

    @property
    def is_over(self) -> bool:
        """Whether nearly everything is done."""
        return not self._left and self.sender.look() and self.waiting <= FEW

    def told(self, seconds: float) -> str:
        """How far it is."""
        return f"{seconds:6.0f} s  {len(self._left):8,} to send  {self.waiting:6,} waiting  {self.kills:4} kills"


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How hard it is: see the command line."""

    answers: int = 200_000
    life: float = 12.0
    lost: float = 0.02
    unhappy: float = 0.1
    crm: str = "salesforce"
    seed: int = 1


def soak(course: Course, folder: Path, say: Callable[[str], None] = lambda text: None) -> Soaked:
    """Send answers through many lives, let everything settle, and count. `say` hears how far it is."""
    began = told = time.monotonic()
    people = answers.names(course.answers)
    bodies = answers.bodies(people, unhappy=course.unhappy, at=SystemClock().now())
    terms = Terms(lost=course.lost, seed=course.seed)
    changed = {name: LINGER if name.endswith("__LINGER") else value for name, value in overrides(course.crm).items()}
    with Vendors(crm=course.crm, known=answers.known(people), terms=terms) as vendors, closing(Nursery()) as nursery:
        rehearsal = Nursed(folder, ROOT, vendors, SystemClock(), overrides=changed)
        rehearsal.nursery = nursery
        rehearsal.start(SAY_LITTLE)
        lives = Lives(rehearsal, bodies, life=course.life, seed=course.seed)
        try:
            while not lives.is_over:
                lives.live()
                if time.monotonic() - told > TELL_EVERY:
                    told = time.monotonic()
                    say(lives.told(told - began))
            status = rehearsal.settle(SETTLE)
            ambiguous = _doubted(rehearsal)
        finally:
            lives.sender.close()
            rehearsal.stop()
            rehearsal.close()
        mood = {answers.email(person): read(body).unhappy for person, body in zip(people, bodies, strict=True)}
        sad = [email for email, is_sad in mood.items() if is_sad]
        happy = [email for email, is_sad in mood.items() if not is_sad]
        return Soaked(
            answers=course.answers,
            sent=lives.sender.sent,
            kills=lives.kills,
            ambiguous=ambiguous,
            calls=sum(vendors.calls().values()),
            seconds=time.monotonic() - began,
            status=status,
            judgement=judge(vendors.count(), happy, sad),
        )


def _doubted(rehearsal: Rehearsal) -> int:
    """Answers of which the ledger says that a write was in doubt."""
    query = select(func.count(distinct(history.c.response_id))).where(history.c.event == "in_doubt")
    with rehearsal.db.read() as tx:
        return int(tx.execute(query).scalar_one())


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usual = Course()
    parser.add_argument("--answers", type=int, default=usual.answers)
    parser.add_argument("--life", type=float, default=usual.life, help="seconds between two kills, on average")
    parser.add_argument("--lost", type=float, default=usual.lost, help="share of vendors' answers that never come")
    parser.add_argument("--unhappy", type=float, default=usual.unhappy)
    parser.add_argument("--crm", choices=["salesforce", "hubspot"], default=usual.crm)
    parser.add_argument("--seed", type=int, default=usual.seed)
    course = Course(**vars(parser.parse_args()))
    with tempfile.TemporaryDirectory() as folder:
        found = soak(course, Path(folder), lambda text: print(text, flush=True))
    print(found.text())
    sys.exit(0 if found.is_good else 1)


if __name__ == "__main__":
    main()
