"""Runs programs, many or one, on the connector as it is or with a seeded bug, and says what was found."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

from tests.chaos.auditor import Violation, audit, counts, figures
from tests.chaos.bugs import BUGS, seeded
from tests.chaos.drawing import Program
from tests.chaos.evidence import gather
from tests.chaos.play import Play
from tests.chaos.programs import make
from tests.chaos.reach import REACHES

BREAKS = "nothing breaks"
LIFE = 50
"""Programs a process plays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one program came to."""

    seed: int
    violations: list[Violation]
    told: Counter[str] = field(default_factory=Counter)
    digest: str = ""
    seconds: float = 0.0

    @property
    def counts(self) -> bool:
        """Whether it was hard enough."""
        return counts(self.told)


def run(seed: int, bug: str | None = None) -> Result:
    """One program, played and audited. Whatever the machinery itself meets is a violation, too."""
    began = time.process_time()
    folder = Path(tempfile.mkdtemp(prefix="connector-chaos-", dir=fast_folder()))
    try:
        with seeded(bug):
            played = Play(make(seed), folder).play()
        evidence = gather(played.journal, played.store, played.truths, played.requests, played.ended_at)
        return Result(
            seed=seed,
            violations=audit(evidence),
            told=figures(evidence),
            digest=played.digest,
            seconds=time.process_time() - began,
        )
    except Exception as error:  # noqa: BLE001  # a program that cannot be played is a finding
        place = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"
        return Result(seed=seed, violations=[Violation(BREAKS, text)])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def fast_folder() -> str | None:
    """Memory, where there is some: nothing here has to outlive the machine."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def many(seeds: Iterable[int], *, workers: int, bug: str | None = None) -> Iterator[Result]:
    """Programs in `workers` processes, in the order of their seeds."""
    if workers < 2:
        yield from (run(seed, bug) for seed in seeds)
        return
    context, ahead = multiprocessing.get_context("spawn"), iter(seeds)
    # Processes grow with what they played. `max_tasks_per_child` would replace them, and hangs (python/cpython#115634).
    while some := list(islice(ahead, LIFE * workers)):
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            yield from pool.map(partial(run, bug=bug), some)


def steadily() -> None:
    """Start this program again with a fixed order of sets, which the same seed needs to be the same program."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        arguments = [sys.executable, "-m", "tests.chaos", *sys.argv[1:]]
        os.execve(sys.executable, arguments, {**os.environ, "PYTHONHASHSEED": "0"})


@dataclass(slots=True)
class Summary:
    """What many programs came to."""

    programs: int = 0
    counted: int = 0
    told: Counter[str] = field(default_factory=Counter)
    found: list[tuple[int, Violation]] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, result: Result) -> None:
        """One more."""
        self.programs += 1
        self.counted += result.counts
        self.told += result.told
        self.seconds += result.seconds
        self.found += [(result.seed, one) for one in result.violations]

    def lines(self) -> list[str]:
        """For people."""
        faults = sum(number for name, number in self.told.items() if name.startswith("fault: "))
        each = self.seconds / max(self.programs, 1)
        lines = [f"{self.programs} programs, {self.counted} of them with an ambiguous commit, an edit and a join"]
        lines += [f"{faults:,} faults, {each:.1f} s of CPU a program"]
        lines += [f"  {name:28} {number:>9,}" for name, number in sorted(self.told.items())]
        return [*lines, f"{len(self.found)} violations"]


def until_counted(wanted: int, *, first: int, workers: int, say: bool) -> Summary:
    """Programs from `first` on until `wanted` were hard enough to count."""
    summary, seed = Summary(), first
    while summary.counted < wanted:
        some = range(seed, seed + max(8, min(200, wanted - summary.counted)))
        seed = some.stop
        for result in many(some, workers=workers):
            summary.add(result)
            for one in result.violations:
                print(f"SEED={result.seed}: {one.check}: {one.text}", flush=True)
            if say and summary.programs % 50 == 0:
                print(f"{summary.programs} programs, {summary.counted} count", file=sys.stderr, flush=True)
    return summary


def one(seed: int) -> int:
    """Show one program and what came of it."""
    for line in told(make(seed)):
        print(line)
    result = run(seed)
    print(f"trace {result.digest}, {result.seconds:.1f} s of CPU, {'counts' if result.counts else 'does not count'}")
    for violation in result.violations:
        print(f"{violation.check}: {violation.text}")
    return 1 if result.violations else 0


def told(program: Program) -> list[str]:
    """A program in words."""
    lines = [f"SEED={program.seed} {program.vendors} mode={program.mode}", f"dies at steps {program.kills}"]
    for happening in program.happenings:
        what = happening.answer.token if happening.answer else happening.site
        version = f"version {happening.version.number}, {happening.version.mood}" if happening.version else ""
        fault = f"{happening.fault.kind} {happening.fault.match}" if happening.fault else ""
        lines.append(" ".join(f"{happening.at:%d %H:%M:%S} {happening.what:14} {what} {version}{fault}".split()))
    return lines


def hunt(names: Sequence[str], *, most: int, workers: int) -> int:
    """Every bug until it is found; how many were not."""
    missed = 0
    print(f"{'bug':44} {'found by':28} programs")
    for name in names:
        reaches = REACHES.get(name, bool)
        seeds = [seed for seed in range(most) if reaches(make(seed))]
        for result in many(seeds, workers=workers, bug=name):
            # A bug that breaks the machinery is planted wrongly: nobody could have made that mistake.
            if found := [one for one in result.violations if one.check != BREAKS]:
                print(f"{name:44} {found[0].check:28} {result.seed + 1:>4}", flush=True)
                break
        else:
            missed += 1
            print(f"{name:44} {'NOT FOUND':28} {most:>4}", flush=True)
    return missed


def main(arguments: Sequence[str]) -> int:
    """`seed N` · `programs K [first]` · `bugs [name …]`, each with `--workers W`."""
    words = list(arguments)
    workers = int(words[words.index("--workers") + 1]) if "--workers" in words else 2
    if "--workers" in words:
        del words[words.index("--workers") : words.index("--workers") + 2]
    if words[:1] == ["seed"]:
        return one(int(words[1]))
    if words[:1] == ["bugs"]:
        return 1 if hunt(words[1:] or list(BUGS), most=200, workers=workers) else 0
    first = int(words[2]) if len(words) > 2 else 0
    summary = until_counted(int(words[1]), first=first, workers=workers, say=True)
    print("\n".join(summary.lines()))
    return 1 if summary.found else 0
