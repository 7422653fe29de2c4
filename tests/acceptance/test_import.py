"""Three years of old answers come in from a file: they move scores, open nothing and message nobody; with `--act` they
stop at the ceiling, the operators are told, and they go on hour by hour.

`make import-100k` imports a hundred thousand rows and prints what it took; here it is a few hundred.
"""

from __future__ import annotations

import csv
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from connector.adapters.registry import kinds
from connector.clock import SystemClock, VirtualClock
from connector.config import Loaded, load
from connector.domain.model.intent import IntentState, WriteKind
from connector.engines.foreground import Foreground
from connector.simulator.demo_world import calls, held_figures, scores_held
from connector.simulator.suite import Simulators, start_all
from connector.simulator.typeform import SERVICE, encode, payload
from connector.store import outbox
from connector.store.database import Database
from connector.store.keyring import KeyRing
from connector.store.tokens import Tokens
from connector.sync.importing import Columns, Import
from connector.sync.tables import Table
from connector.testing.rehearsal import Rehearsal
from connector.transport.kit import Kit
from connector.wiring.adapters import make_adapters
from connector.wiring.importing import Importer
from connector.wiring.lanes import make_lanes
from connector.wiring.opening import open_store
from connector.wiring.settings import decide_settings
from connector.wiring.telemetry import Telemetry
from connector.wiring.workshop import limits_of
from tests.acceptance.stages import ROOT
from tests.unit.samples import NOON

pytestmark = pytest.mark.slow

ROWS = int(os.environ.get("IMPORT_ROWS", "600"))
MOST_MEMORY = 300 * 2**20
KNOWN = 20
ALL = 10_000_000
SURVEY = "  old: {from: files, forms: [old-answers], mapping: mappings/surveys/file-csat.yaml}\n"
LINGER = {"CONNECTOR__HEALTH_SCORE__WRITE__LINGER": "2s", "CONNECTOR__CONNECTIONS__SALESFORCE__LINGER": "1s"}
WORDS = "the brakes squeak again nobody called me back staff was friendly price too high waiting very long thank you"


def with_files(text: str) -> str:
    """The example configuration with a survey that lives in files."""
    text = text.replace("connections:\n", "connections:\n  files: {kind: file}\n", 1)
    return text.replace("surveys:\n", f"surveys:\n{SURVEY}", 1)


def write_answers(file: Path, number: int, *, until: datetime, people: int, unhappy: float = 0.5) -> int:
    """A file of answers from the two years before `until`; how many of them are unhappy."""
    bad = 0
    dice = random.Random(7)  # the same file every time
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["response_id", "submitted_at", "csat", "comment", "email", "name", "service"])
        for row in range(number):
            at = until - timedelta(days=30, minutes=dice.randrange(1_000_000))
            stars = dice.randint(1, 2) if dice.random() < unhappy else 5
            bad += stars < 3
            said = " ".join(dice.choices(WORDS.split(), k=dice.randint(0, 12)))
            email = f"person{row % people}@example.com"
            writer.writerow([f"R{row:06d}", at.isoformat(timespec="seconds"), stars, said, email, "Per Son", "brakes"])
    return bad


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One `connector import`, as a process: what it said, how long it took in seconds, its memory in bytes."""

    code: int
    out: str
    err: str
    seconds: float
    memory: int


def run_import(rehearsal: Rehearsal, *arguments: str) -> Ran:
    """Run the command beside the daemon and measure that process alone."""
    clock, out, err = SystemClock(), rehearsal.folder / "import.out", rehearsal.folder / "import.err"
    began = clock.monotonic()
    with out.open("wb") as to_out, err.open("wb") as to_err:
        command = [sys.executable, "-m", "connector", "import", *arguments, "--config", str(rehearsal.config)]
        process = subprocess.Popen(command, env=rehearsal.environ, stdout=to_out, stderr=to_err)
        highest = 0
        while process.poll() is None:
            highest = max(highest, peak(process.pid))
            rehearsal.pause(0.05)
    return Ran(
        code=process.returncode,
        out=out.read_text(),
        err=err.read_text(),
        seconds=clock.monotonic() - began,
        memory=highest,
    )


def peak(process: int) -> int:
    """Most bytes the program held so far; what the kernel says at its end includes whoever started it."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def test_old_answers_open_nothing_message_nobody_and_move_scores(tmp_path: Path, show: Callable[[str], None]) -> None:
    clock = SystemClock()
    people = max(KNOWN * 2, ROWS // 3)
    with start_all(clock) as simulators:
        for number in range(KNOWN):
            simulators.salesforce.add_contact(LastName="Known", Email=f"person{number}@example.com")
        with Rehearsal(tmp_path, ROOT, simulators, clock, overrides=LINGER, rewrite=with_files) as rehearsal:
            file = tmp_path / "old.csv"
            write_answers(file, ROWS, until=clock.now(), people=people)
            before = held_figures(simulators)
            ran = run_import(rehearsal, str(file), "--survey", "old", "--id-column", "response_id")
            assert ran.code == 0, ran.err
            live = payload(
                SERVICE,
                {"csat": 1, "why": "never again", "mail": "live@example.com"},
                token="live",
                submitted_at=clock.now(),
            )
            assert rehearsal.deliver("typeform", encode(live)) == 200
            now = rehearsal.settle(120)
            again = run_import(rehearsal, str(file), "--survey", "old", "--id-column", "response_id")
        held = held_figures(simulators)
    assert f"{ROWS:,} rows, {ROWS:,} accepted, 0 duplicates, 0 quarantined" in ran.out
    assert re.search(rf"{ROWS:,} accepted, 0 duplicates, 0 quarantined", " ".join(ran.err.split())), "progress"
    assert f"{ROWS:,} rows, 0 accepted, {ROWS:,} duplicates" in again.out
    assert (now.deliveries["mapped"], now.responses) == (ROWS + 1, {"decided": ROWS + 1})
    assert now.recoveries == {"open": 1}, "the live one; an import acts on nothing"
    made = {name: held[name] - before[name] for name in held}
    assert made == {"tickets": 1, "tasks": 1, "timeline": 1, "contacts": 1, "messages": 0, "scores": KNOWN + 1}
    assert ran.memory <= MOST_MEMORY
    speed = f"{ROWS / ran.seconds:.0f} a second, everything included"
    show(f"{ROWS:,} rows in {ran.seconds:.0f} s ({speed}), {ran.memory / 2**20:.0f} MB")


@dataclass
class House:
    """The example against simulators, everything in this process and on one clock that a test moves."""

    db: Database
    clock: VirtualClock
    simulators: Simulators
    loaded: Loaded
    front: Foreground

    def rest(self) -> None:
        """Do everything that is due, and let the little waits pass, until ten seconds bring nothing new."""
        for _ in range(10):
            while self.front.turn():
                self.clock.advance(timedelta(milliseconds=20))
            self.clock.advance(timedelta(seconds=1))

    def pass_time(self, span: timedelta) -> None:
        """Time goes by in steps in which everything is done."""
        until = self.clock.now() + span
        while self.clock.now() < until:
            self.clock.advance(timedelta(minutes=10))
            self.rest()

    def states(self, kind: WriteKind) -> dict[str, int]:
        with self.db.read() as tx:
            rows = [row for row in outbox.listed(tx, limit=ALL) if row.kind is kind]
        return {state.value: n for state in IntentState if (n := sum(row.state is state for row in rows))}

    def tickets(self) -> int:
        return held_figures(self.simulators)["tickets"]

    def messages(self) -> list[str]:
        return [str(each["text"]) for each in self.simulators.slack.site.truth.kind("message").values()]


@contextmanager
def housed(folder: Path, ceiling: str) -> Iterator[House]:
    clock = VirtualClock(NOON)
    with start_all(clock) as simulators:
        text = with_files((ROOT / "config.example.yaml").read_text())
        (folder / "connector.yaml").write_text(text.replace("new_tickets: 300/h", f"new_tickets: {ceiling}"))
        (folder / "mappings").symlink_to(ROOT / "mappings")
        environ = {**simulators.environment(), "CONNECTOR_KEY": KeyRing.generate(), "CONNECTOR__MODE": "live", **LINGER}
        loaded = load(folder / "connector.yaml", kinds(), environ)
        db = open_store(loaded.config, clock).create()
        telemetry = Telemetry()
        adapters = make_adapters(loaded.config, Kit(clock=clock, token_store=Tokens(db)))
        drains = make_lanes(
            loaded=loaded,
            settings=decide_settings(loaded, adapters.accounts),
            db=db,
            clock=clock,
            adapters=adapters,
            limits={name: limits_of(loaded.config, name, writer.promises) for name, writer in adapters.writers.items()},
            telemetry=telemetry,
        )
        with db.write() as tx:
            for name in drains:
                tx.wake(name)
        front = Foreground(db, clock, drains, owner="test", lease=timedelta(minutes=10))
        try:
            yield House(db=db, clock=clock, simulators=simulators, loaded=loaded, front=front)
        finally:
            db.close()


def test_with_act_the_ceiling_stops_it_operators_are_told_and_it_goes_on(tmp_path: Path) -> None:
    rows, ceiling, share = (ROWS, 300, 0.3) if ROWS > 600 else (25, 10, 1.0)  # 70 % of any 50 would be a storm
    with housed(tmp_path, ceiling=f"{ceiling}/h") as house:
        file = tmp_path / "old.csv"
        unhappy = write_answers(file, rows, until=NOON, people=rows, unhappy=share)
        into = Importer(house.loaded, house.db, house.clock).into("old", None)
        columns = Columns(id="response_id", time="submitted_at", zone=ZoneInfo("UTC"))
        taken = Import(house.db, into, columns, act=True, mode="live", config="digest")
        with Table(file) as table:
            *_, tally = taken.take(table)
        assert tally.accepted == rows
        house.rest()
        assert house.tickets() == ceiling
        assert house.states(WriteKind.TICKET) == {"confirmed": ceiling, "held": unhappy - ceiling}
        (told,) = [each for each in house.messages() if "ticket" in each]
        assert f"more than {ceiling} ticket records" in told
        assert held_figures(house.simulators)["messages"] == 0, "and nobody hears of what happened years ago"
        for hours in (2, 3):
            house.pass_time(timedelta(hours=1))
            sent = min(unhappy, hours * ceiling)
            assert house.tickets() == sent
            left = {"held": unhappy - sent} if unhappy > sent else {}
            assert house.states(WriteKind.TICKET) == {"confirmed": sent, **left}
        assert len([each for each in house.messages() if f"more than {ceiling} ticket" in each]) == 1, "once a day"
        with house.db.read() as tx:
            owners = {row.run_id for row in outbox.listed(tx, limit=ALL) if row.kind is WriteKind.TICKET}
        assert owners == {taken.run_id}, "so that it can be undone"


def test_the_same_without_act_writes_scores_alone(tmp_path: Path) -> None:
    with housed(tmp_path, ceiling="10/h") as house:
        house.simulators.salesforce.add_contact(LastName="Known", Email="person0@example.com")
        house.rest()
        before = calls(house.simulators)["Zendesk"], len(house.messages())
        file = tmp_path / "old.csv"
        write_answers(file, 25, until=NOON.astimezone(UTC), people=25, unhappy=1.0)
        into = Importer(house.loaded, house.db, house.clock).into("old", None)
        columns = Columns(id="response_id", time="submitted_at", zone=ZoneInfo("UTC"))
        with Table(file) as table:
            *_, _ = Import(house.db, into, columns, act=False, mode="live", config="digest").take(table)
        house.rest()
        house.rest()
        assert list(scores_held(house.simulators)) == ["person0@example.com"]
        assert house.states(WriteKind.TICKET) == house.states(WriteKind.CONTACT) == house.states(WriteKind.ALERT) == {}
        assert len(house.messages()) == before[1]
        assert house.tickets() == 0
