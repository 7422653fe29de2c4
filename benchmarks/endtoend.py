"""Answers in, tickets, tasks, timelines and scores out: how fast, for how many calls, and how much is lost or doubled.

    make bench ONLY=endtoend [SIZE=small|modest|full]

Beside the connector the same is done by the straightforward script (zenpy, simple-salesforce or hubspot-api-client, one
answer at a time), by the same script with tenacity and threads, and by the same steps as DBOS workflows: with vendors
that answer at once, with vendors that take 100 ms, and with vendors of which one answer in a hundred never comes, half
of those committed before. Lost and doubled are counted in the vendors' truth tables.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks import answers, audit
from benchmarks.report import Goal, Result, Series, load, ratio
from benchmarks.script import Places, Script, at_once, read, with_retries
from benchmarks.vendors import Terms, Vendors
from connector.clock import SystemClock
from connector.testing.rehearsal import Rehearsal

ROOT = Path(__file__).parents[1]
THREADS = 16
SETTLE = 900.0
STRANGERS = ("Quentin Abel", "Ursula Brook")
PROMPT, LOSSY, SLOW = "prompt vendors", "1 % lost answers", "vendors that take 100 ms"
TERMS: Mapping[str, Terms] = {PROMPT: Terms(), LOSSY: Terms(lost=0.01), SLOW: Terms(delay=0.1)}
"""How the vendors behave, by what a table calls it."""
UNHELD: Mapping[str, str] = {
    "CONNECTOR__HEALTH_SCORE__WRITE__LINGER": "0s",
    "CONNECTOR__CONNECTIONS__SALESFORCE__LINGER": "0s",
    "CONNECTOR__CONNECTIONS__HUBSPOT__LINGER": "0s",
    "CONNECTOR__CONNECTIONS__ZENDESK__CEILING__NEW_TICKETS": "1000000/h",
    "CONNECTOR__STORM__HOLD": "false",
    **{
        f"CONNECTOR__CONNECTIONS__{crm}__CEILING__{name}": "1000000/h"
        for crm in ("SALESFORCE", "HUBSPOT")
        for name in ("NEW_TASKS", "NEW_CONTACTS")
    },
}
"""Nothing waits for company and nothing is held above a ceiling: what is measured is work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many answers a run has, and how often everything is repeated."""

    answers: int
    rounds: int


SIZES = {
    "smoke": Size(answers=12, rounds=1),
    "small": Size(answers=100, rounds=1),
    "modest": Size(answers=200, rounds=2),
    "full": Size(answers=2000, rounds=5),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one contender did with one set of answers.

    `seconds` until the last write was committed there; `most` until 99 % of them were; `worked` seconds of processor,
    starting aside; `broken` answers of vendors that never came.
    """

    seconds: float
    most: float
    worked: float
    calls: int
    broken: int
    judgement: audit.Judgement


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """When a contender began (epoch seconds), its seconds of processor from then on, and calls that do not count."""

    at: float
    worked: float
    spared: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One run to do: these people answer this, of these vendors."""

    bodies: Sequence[bytes]
    folder: Path
    vendors: Vendors


def overrides(crm: str) -> dict[str, str]:
    """What lets nothing wait, for the CRM in use."""
    other = {"salesforce": "__HUBSPOT__", "hubspot": "__SALESFORCE__"}[crm]
    return {name: value for name, value in UNHELD.items() if other not in name}


def by_connector(task: Task) -> Begun:
    """A daemon as shipped takes the answers as signed webhooks. Like the script it has loaded its word lists before."""
    clock = SystemClock()
    with Rehearsal(task.folder, ROOT, task.vendors, clock, overrides=overrides(task.vendors.crm)) as rehearsal:
        rehearsal.settle(SETTLE)
        before = sum(task.vendors.calls().values())
        for body in answers.bodies(STRANGERS, unhappy=0.0, at=clock.now(), prefix="stranger"):
            assert rehearsal.deliver("typeform", body) == 200
        rehearsal.settle(SETTLE)
        spared = sum(task.vendors.calls().values()) - before
        worked = _processor(rehearsal.pid)
        posted = answers.post(rehearsal.port, task.bodies)
        assert not posted.refused, posted
        rehearsal.settle(SETTLE)
        worked = _processor(rehearsal.pid) - worked
    return Begun(at=posted.began, worked=worked, spared=spared)


def _processor(pid: int) -> float:
    """Seconds of processor a process used so far, from proc(5)."""
    used = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(int(ticks) for ticks in used) / os.sysconf("SC_CLK_TCK")


def by_script(task: Task) -> Begun:
    """One answer at a time; whatever fails, the next one is begun."""
    return _apart(_script, task)


def by_threads(task: Task) -> Begun:
    """Sixteen threads, up to five tries a call."""
    return _apart(_threads, task)


def by_workflows(task: Task) -> Begun:
    """DBOS on SQLite, sixteen workflows at once, up to five tries a step."""
    return _apart(_workflows, task)


CONTENDERS: Mapping[str, Callable[[Task], Begun]] = {
    "connector": by_connector,
    "script": by_script,
    "script, tenacity, 16 threads": by_threads,
    "DBOS workflows": by_workflows,
}


def _apart(work: Callable[[Any, Sequence[bytes], Places, str], None], task: Task) -> Begun:
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    crm = task.vendors.crm
    places = Places(crm=crm, crm_url=task.vendors.base_url(crm), desk_url=task.vendors.base_url("zendesk"))
    process = spawn.Process(target=work, args=(theirs, task.bodies, places, str(task.folder)), daemon=True)
    process.start()
    theirs.close()
    began: float = ours.recv()  # fails with EOFError when it died
    worked: float = ours.recv()
    process.join()
    assert process.exitcode == 0, process.exitcode
    return Begun(at=began, worked=worked)


def _ready(places: Places) -> Script:
    """The token of a vendor may get lost, too."""
    script: Script = with_retries(lambda: Script(places))
    return script


def _script(tell: Any, bodies: Sequence[bytes], places: Places, folder: str) -> None:
    script = _ready(places)
    with _timed(tell):
        for body in bodies:
            with suppress(Exception):  # logged and forgotten, as scripts do
                script.handle(body, at_once)


def _threads(tell: Any, bodies: Sequence[bytes], places: Places, folder: str) -> None:
    script = _ready(places)
    with _timed(tell), ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(script.handle, body, with_retries) for body in bodies]:
            with suppress(Exception):
                done.result()


def _workflows(tell: Any, bodies: Sequence[bytes], places: Places, folder: str) -> None:
    from benchmarks.durable import Engine  # an extra

    Path(folder).mkdir(exist_ok=True)
    engine = Engine(f"sqlite:///{folder}/dbos.sqlite", places)
    engine.launch()
    with _timed(tell):
        for handle in engine.enqueue(bodies):
            with suppress(Exception):
                handle.get_result()
    engine.close()


@contextmanager
def _timed(tell: Any) -> Iterator[None]:
    """Tell when it begins, and how much processor it took."""
    worked = time.process_time()
    tell.send(SystemClock().now().timestamp())
    yield
    tell.send(time.process_time() - worked)


def race(crm: str, number: int, terms: Terms, contenders: Sequence[str], folder: Path) -> Mapping[str, Run]:
    """Every contender once, with vendors of its own and the same answers."""
    people = answers.names(number)
    found: dict[str, Run] = {}
    for index, name in enumerate(contenders):
        bodies = answers.bodies(people, unhappy=0.2, at=SystemClock().now())
        mood = {answers.email(person): read(body).unhappy for person, body in zip(people, bodies, strict=True)}
        with Vendors(crm=crm, known=answers.known(people), terms=terms) as vendors:
            begun = CONTENDERS[name](Task(bodies=bodies, folder=folder / str(index), vendors=vendors))
            written = [at - begun.at for at in vendors.written()]
            found[name] = Run(
                seconds=written[-1],
                most=written[int(0.99 * (len(written) - 1))],
                worked=begun.worked,
                calls=sum(vendors.calls().values()) - begun.spared,
                broken=sum(one.status == 0 for one in vendors.log()),
                judgement=audit.judge(
                    vendors.count(),
                    [email for email, unhappy in mood.items() if not unhappy],
                    [email for email, unhappy in mood.items() if unhappy],
                ),
            )
    return found


def measure(size: Size, *, crm: str, terms: Mapping[str, Terms], contenders: Sequence[str]) -> Result:
    """All rounds of all legs; in a round every contender runs once a leg."""
    runs: dict[tuple[str, str], list[Run]] = defaultdict(list)
    loads: dict[str, list[float]] = defaultdict(list)
    for number in range(size.rounds):
        for leg, theirs in terms.items():
            with tempfile.TemporaryDirectory() as folder:
                found = race(crm, size.answers, replace(theirs, seed=100 * number + 1), contenders, Path(folder))
            for name, run in found.items():
                runs[leg, name].append(run)
            loads[leg].append(load())
    return result(size, crm, contenders, runs, loads)


def result(
    size: Size,
    crm: str,
    contenders: Sequence[str],
    runs: Mapping[tuple[str, str], Sequence[Run]],
    loads: Mapping[str, Sequence[float]],
) -> Result:
    """Everything beside each other; the first contender is the one whose promises are judged."""
    series = {
        (leg, name): Series(
            what=f"{name}, {leg}",
            unit="answers/s",
            rounds=[size.answers / run.most for run in runs[leg, name]],
            loads=loads[leg],
        )
        for leg, name in runs
    }
    ours, others = contenders[0], contenders[1:]
    wrong = sum(
        run.judgement.lost + run.judgement.doubled for (_, name), each in runs.items() if name == ours for run in each
    )
    return Result(
        name=f"End to end ({crm})",
        claim=f"{size.answers:,} answers a run: contact, timeline, score; for the unhappy fifth ticket and task.",
        command="make bench ONLY=endtoend",
        series=list(series.values()),
        ratios=[
            f"{ratio(series[leg, ours], series[leg, name]):.2g} × as fast as {name}, {leg}; "
            f"{runs[leg, name][0].calls / runs[leg, ours][0].calls:.1f} × fewer calls"
            for leg, name in runs
            if leg != LOSSY and name in others
        ],
        goals=[
            Goal(what="records the connector lost or doubled", wanted="0", found=str(wrong), met=not wrong),
        ],
        tables=[_table(size, contenders, runs, series)],
        notes=[
            (
                "The connector's clock begins with the first signed webhook, the others' with the answers in memory; "
                "it ends when 99 % of the writes are there."
            ),
            (
                "The connector does not repeat a write whose answer was lost before it knows what became of it: that "
                "is the time until the last."
            ),
            "DBOS runs on SQLite, as the connector does here.",
            (
                "On a machine with other work on it whoever needs more processor waits longer for it, and the ratios "
                "of speed get worse than they are; calls, processor, lost and doubled do not change."
            ),
        ],
    )


def _table(
    size: Size,
    contenders: Sequence[str],
    runs: Mapping[tuple[str, str], Sequence[Run]],
    series: Mapping[tuple[str, str], Series],
) -> str:
    head = (
        f"| | answers/s, {PROMPT} | answers/s, {SLOW} | calls per 1,000 | processor an answer "
        f"| answers/s, {LOSSY} | until the last | lost on the wire | **records lost** | **records doubled** | of |\n"
        + "|---" * 11
        + "|"
    )
    rows = [head]
    for name in contenders:
        lossy = runs[LOSSY, name]
        cells = [
            f"{series[PROMPT, name].median:,.0f}",
            f"{series[SLOW, name].median:.3g}" if (SLOW, name) in series else "–",
            f"{1000 * runs[PROMPT, name][0].calls / size.answers:,.0f}",
            f"{1000 * statistics.median(run.worked for run in runs[PROMPT, name]) / size.answers:.1f} ms",
            f"{series[LOSSY, name].median:,.0f}",
            f"{statistics.median(run.seconds for run in lossy):.0f} s",
            str(sum(run.broken for run in lossy)),
            str(sum(run.judgement.lost for run in lossy)),
            str(sum(run.judgement.doubled for run in lossy)),
            f"{sum(run.judgement.expected for run in lossy):,}",
        ]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(rows)


def available() -> list[str]:
    """Whom can be measured here: DBOS is an extra."""
    return [name for name in CONTENDERS if not name.startswith("DBOS") or find_spec("dbos")]


def results(size: str) -> list[Result]:
    """What `make bench` runs."""
    once = replace(SIZES[size], rounds=1)
    return [
        measure(SIZES[size], crm="salesforce", terms=TERMS, contenders=available()),
        measure(once, crm="hubspot", terms={leg: TERMS[leg] for leg in (PROMPT, LOSSY)}, contenders=available()),
    ]
