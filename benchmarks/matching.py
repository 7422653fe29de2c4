"""Finding a contact by likeness among a million: precision, recall and time, beside comparing every name.

    python -m benchmarks.matching [--contacts 1000000] [--answers 2000] [--folder DIR]

The store is made through the same functions the contacts' feed uses, so building it takes minutes; with `--folder` it
is kept and used again.
"""

from __future__ import annotations

import argparse
import base64
import resource
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rapidfuzz import fuzz, process, utils
from sqlalchemy import text

from benchmarks.people import ACCOUNT, Asked, People
from benchmarks.report import Result, Series, load
from connector.clock import VirtualClock
from connector.domain.matching.fuzzy import Do, Fuzzy, choose_similar
from connector.domain.model.person import LinkState
from connector.secret import Secret
from connector.store import contacts
from connector.store.database import Database
from connector.store.keyring import KeyRing
from connector.sync import likeness
from connector.sync.identify import mirror

POLICY = Fuzzy(do=Do.LINK)
BATCH = 100_000
CACHE = "PRAGMA cache_size = -2000000"
"""Two gigabytes while the store is filled, which takes an hour otherwise; look-ups are measured without."""
CONTACTS = {"smoke": 300, "small": 20_000, "modest": 100_000, "full": 1_000_000}
ANSWERS = {"smoke": 60, "small": 500, "modest": 1_000, "full": 2_000}
BASELINE = 40
"""Answers that are also compared with every name: each takes long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What came of it. Precision and recall are shares; times are milliseconds a look-up.

    `processor` is the median of the time the processor worked on it, which a busy machine does not stretch.
    """

    answers: int
    known: int
    linked: int
    wrong: int
    suggested: int
    suggested_right: int
    median: float
    p99: float
    processor: float

    @property
    def precision(self) -> float:
        """How many of the links made are right."""
        return 1 - self.wrong / self.linked if self.linked else 1.0

    @property
    def recall(self) -> float:
        """How many of those the CRM has were linked to the right contact."""
        return (self.linked - self.wrong) / self.known

    @property
    def found(self) -> float:
        """How many of those the CRM has were linked, or shown among the candidates."""
        return (self.linked - self.wrong + self.suggested_right) / self.known

    def line(self, what: str) -> str:
        """One line for people."""
        return (
            f"{what}: precision {self.precision:.4f} ({self.wrong} wrong of {self.linked} links), recall "
            f"{self.recall:.3f}, with suggestions {self.found:.3f}; median {self.median:.2f} ms "
            f"({self.processor:.2f} ms of processor), 99 % {self.p99:.1f} ms"
        )


def open_store(folder: Path) -> Database:
    """A store with a key of its own."""
    ring = KeyRing([Secret(base64.urlsafe_b64encode(bytes(range(32))).decode())])
    return Database(f"sqlite:///{folder / 'store.db'}", ring, VirtualClock(datetime(2026, 3, 2, tzinfo=UTC))).create()


def fill(db: Database, people: People) -> None:
    """Mirror and file every contact, as the feed does, but for larger transactions."""
    with db.write() as tx:
        first = contacts.number(tx, ACCOUNT)  # a fill that was interrupted goes on
        tx.execute(text(CACHE))
    for start in range(first, people.number, BATCH):
        with db.write() as tx:
            for number in range(start, min(start + BATCH, people.number)):
                mirror(tx, people.contact(number))


def measure(db: Database, asked: Sequence[Asked]) -> Figures:
    """Look each of them up as the decide lane does, with links allowed."""
    times: list[float] = []
    worked: list[float] = []
    linked = wrong = suggested = right = 0
    with db.read() as tx:
        for one in asked:
            started, begun = time.perf_counter(), time.thread_time()
            looked = likeness.look_up(tx, ACCOUNT, one.respondent)
            choice = choose_similar(ACCOUNT, looked.suggestions, POLICY, is_whole=True)
            times.append(1000 * (time.perf_counter() - started))
            worked.append(1000 * (time.thread_time() - begun))
            if choice is None:
                continue
            if choice.link.state is LinkState.LINKED:
                linked += 1
                wrong += choice.link.remote_id != one.contact_id
            else:
                suggested += 1
                right += one.contact_id in choice.link.candidates
    return Figures(
        answers=len(asked),
        known=sum(one.contact_id is not None for one in asked),
        linked=linked,
        wrong=wrong,
        suggested=suggested,
        suggested_right=right,
        median=statistics.median(times),
        p99=statistics.quantiles(times, n=100)[-1],
        processor=statistics.median(worked),
    )


def compare_all(names: Sequence[str], ids: Sequence[str], asked: Sequence[Asked], score: float) -> Figures:
    """What one would run instead: the most similar of all names, taken when it is similar enough."""
    times: list[float] = []
    worked: list[float] = []
    linked = wrong = 0
    for one in asked:
        started, begun = time.perf_counter(), time.thread_time()
        wanted = utils.default_process(one.respondent.name or "")
        best = process.extractOne(wanted, names, scorer=fuzz.token_sort_ratio, score_cutoff=score) if wanted else None
        times.append(1000 * (time.perf_counter() - started))
        worked.append(1000 * (time.thread_time() - begun))
        if best is not None:
            linked += 1
            wrong += ids[best[2]] != one.contact_id
    return Figures(
        answers=len(asked),
        known=sum(one.contact_id is not None for one in asked),
        linked=linked,
        wrong=wrong,
        suggested=0,
        suggested_right=0,
        median=statistics.median(times),
        p99=max(times),
        processor=statistics.median(worked),
    )


def run(number: int, answers: int, folder: Path) -> Result:
    """Build, measure, compare, print."""
    people = People(number)
    db = open_store(folder)
    started = time.perf_counter()
    fill(db, people)
    filled = time.perf_counter() - started
    db.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    size = (folder / "store.db").stat().st_size / 2**20
    asked = list(people.asked(answers))
    measure(db, asked[:50])  # the first look-ups compile their statements
    ours = measure(db, asked)
    db.close()
    named = [(utils.default_process(one.name or ""), one.id) for one in people.contacts()]
    theirs = compare_all([name for name, _ in named], [one for _, one in named], asked[:BASELINE], POLICY.score)
    return Result(
        name="Matching",
        claim=f"{answers:,} people that no key finds, looked for among {number:,} contacts.",
        command="make bench ONLY=matching",
        series=[
            Series(what="by likeness, processor", unit="ms", rounds=[ours.processor], loads=[load()]),
            Series(what="every name with rapidfuzz, processor", unit="ms", rounds=[theirs.processor], loads=[load()]),
        ],
        ratios=[f"{theirs.processor / ours.processor:.0f} × as fast as comparing every name"],
        notes=[
            ours.line("by likeness"),
            theirs.line("every name with rapidfuzz"),
            f"Contacts filed in {filled:.0f} s; the store has {size:.0f} MiB, the process had at most {peak:.0f} MiB.",
        ],
    )


def results(size: str) -> list[Result]:
    """What `make bench` runs."""
    with tempfile.TemporaryDirectory() as folder:
        return [run(CONTACTS[size], ANSWERS[size], Path(folder))]


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=1_000_000)
    parser.add_argument("--answers", type=int, default=2_000)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as spare:
        folder = given.folder or Path(spare)
        folder.mkdir(parents=True, exist_ok=True)
        print(run(given.contacts, given.answers, folder).text())


if __name__ == "__main__":
    main()
