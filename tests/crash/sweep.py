"""The sweep: the reference program once undisturbed, and once for each point of it with a death there.

python -m tests.crash.sweep                       all points, with Salesforce and with HubSpot
python -m tests.crash.sweep --sample              every place once
python -m tests.crash.sweep --crm salesforce --scenes erased,restored
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.points import Point
from tests.crash.scenes import SCENES, furnish, rehearse
from tests.crash.sites import OUTSIDE, WAIVED, calls, commits
from tests.crash.trial import Death, Stage, warm_up

CRMS = ("salesforce", "hubspot")
ROOT = Path(__file__).parents[2]


@dataclass(slots=True, kw_only=True)
class Report:
    """What one or several sweeps came to: points and deaths by name; `wrong` says what was not as it should be."""

    points: Counter[str] = field(default_factory=Counter)
    deaths: Counter[str] = field(default_factory=Counter)
    chosen: int = 0
    sites: set[str] = field(default_factory=set)
    died_at: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)

    def add(self, other: Report) -> None:
        """Take in another."""
        self.points += other.points
        self.deaths += other.deaths
        self.chosen += other.chosen
        self.sites |= other.sites
        self.died_at |= other.died_at
        self.wrong += other.wrong

    def lines(self) -> Iterable[str]:
        """For people."""
        total, covered = self.points.total(), self.deaths.total()
        yield f"{total} points, {self.chosen} chosen, {covered} died at and brought to a good end"
        for name in sorted(self.points):
            yield f"{self.deaths[name]:6} of {self.points[name]:5}  {name}"
        places = known_sites()
        reached = places & self.sites
        yield f"{len(reached)} of {len(places)} places that commit or call are reached, {len(self.died_at)} died at"
        for name in sorted(places - self.sites):
            yield f"        not reached  {name}: {WAIVED.get(name, 'NO REASON GIVEN')}"
        yield from (f"WRONG {one}" for one in self.wrong)


def known_sites() -> set[str]:
    """Every place in the code that commits or calls."""
    return set(commits().values()) | set(calls().values())


def every_place_once(within: str = "") -> Callable[[Sequence[Point]], Sequence[int]]:
    """A choice that takes each place once, as it comes to it first, and all sides of commits and calls in turn.

    Only places whose names begin with `within`.
    """
    seen: Counter[str] = Counter()
    turns: Counter[str] = Counter()

    def choose(points: Sequence[Point]) -> Sequence[int]:
        chosen = []
        for name in dict.fromkeys(point.site for point in points):
            if seen[name] or not name.startswith(within):
                continue
            sides = list(dict.fromkeys((p.kind, p.moment) for p in points if p.site == name))
            side = sides[turns[str(sides)] % len(sides)]
            turns[str(sides)] += 1
            seen[name] += 1
            chosen.append(1 + next(n for n, p in enumerate(points) if p.site == name and (p.kind, p.moment) == side))
        return chosen

    return choose


def share(number: int, of: int) -> Callable[[Sequence[Point]], Sequence[int]]:
    """Every point of this share."""
    return lambda points: range(1 + number, len(points) + 1, of)


def sweep(
    crm: str,
    choose: Callable[[Sequence[Point]], Sequence[int]],
    *,
    only: Collection[str] = (),
    say: Callable[[str], None] = lambda line: None,
) -> Report:
    """Play the program. Points of the scenes `only`, or of all where none are named."""
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="connector-crash-", dir=memory if memory.is_dir() else None))
    report = Report()
    warm_up(folder / "warm", crm, rehearse)
    stage = Stage(folder, crm, furnish)
    try:
        last = max((n for n, scene in enumerate(SCENES) if scene.name in only), default=len(SCENES) - 1)
        for scene in SCENES[: last + 1]:
            began = time.monotonic()
            is_wanted = not only or scene.name in only
            points, deaths = stage.play(scene, choose if is_wanted else lambda points: ())
            if is_wanted:
                report.add(_counted(crm, scene.name, points, deaths))
            say(f"{crm} {scene.name}: {len(points)} points, {len(deaths)} deaths, {time.monotonic() - began:.0f} s")
    finally:
        stage.close()
    for line in report.wrong:
        say(f"WRONG {line}")
    say(f"{crm}: {report.deaths.total()} of {report.points.total()} points died at and brought to a good end")
    return report


def _counted(crm: str, scene: str, points: Sequence[Point], deaths: Sequence[Death]) -> Report:
    report = Report()
    report.points.update(str(point) for point in points)
    report.sites.update(point.site for point in points)
    report.chosen = len(deaths)
    for death in deaths:
        if death.wrong:
            place = f"{crm} {scene} {death.number}, {points[death.number - 1]}"
            report.wrong += [f"{place}: {one}" for one in death.wrong]
        elif death.point is not None:
            report.deaths[str(death.point)] += 1
            report.died_at.add(death.point.site)
    return report


def main(arguments: Sequence[str]) -> int:
    """The command."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--crm", choices=CRMS, action="append")
    parser.add_argument("--sample", nargs="?", const="")
    parser.add_argument("--scenes", default="")
    parser.add_argument("--share", default="0/1")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(arguments)
    report = Report()
    for crm in given.crm or CRMS:
        if given.workers > 1:
            report.add(_together(crm, given.scenes, given.workers))
            continue
        number, of = map(int, given.share.split("/"))
        choose = share(number, of) if given.sample is None else every_place_once(given.sample)
        only = [one for one in given.scenes.split(",") if one]
        report.add(sweep(crm, choose, only=only, say=_say))
    if given.json:
        given.json.write_text(json.dumps({name: getattr(report, name) for name in Report.__slots__}, default=sorted))
    else:
        sys.stdout.writelines(f"{line}\n" for line in report.lines())
    return 1 if report.wrong else 0


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _together(crm: str, scenes: str, workers: int) -> Report:
    """Several processes share the points."""
    folder = Path(tempfile.mkdtemp(prefix="connector-crash-"))
    running = []
    for number in range(workers):
        out = folder / f"{number}.json"
        words = ["--crm", crm, "--share", f"{number}/{workers}", "--json", str(out), "--scenes", scenes]
        running.append((out, subprocess.Popen([sys.executable, "-m", "tests.crash.sweep", *words], cwd=ROOT)))
    report = Report()
    for out, process in running:
        process.wait()
        part = read_report(out)
        if out != running[0][0]:
            part.points.clear()  # every worker sees all of them
        report.add(part)
    return report


def read_report(file: Path) -> Report:
    """What `--json` wrote."""
    found = json.loads(file.read_text())
    return Report(
        points=Counter(found["points"]),
        deaths=Counter(found["deaths"]),
        chosen=found["chosen"],
        sites=set(found["sites"]),
        died_at=set(found["died_at"]),
        wrong=found["wrong"],
    )


def without_reason(report: Report) -> list[str]:
    """Places that are neither reached nor waived, and waivers of places that are reached or gone."""
    places = known_sites()
    reached = {site for site in report.sites if not site.startswith(OUTSIDE)}
    return [
        *sorted(f"not reached: {one}" for one in places - reached - set(WAIVED)),
        *sorted(f"waived and reached: {one}" for one in reached & set(WAIVED)),
        *sorted(f"waived and gone: {one}" for one in set(WAIVED) - places),
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
