"""What the documents say is what the code does: commands, exit codes, adapters, links, metrics, events."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from connector import cli
from connector.adapters.registry import KINDS
from connector.clock import SystemClock
from connector.observe import METRICS
from connector.store.database import Database
from connector.sync.collect import Full
from connector.sync.understand import UnderstandLane
from connector.wiring.telemetry import Telemetry
from tests.pages import DOCS, PAGES, leaves
from tests.unit.deciding import take_lane
from tests.unit.test_understand import READING, deliver, said
from tests.unit.test_web_hooks import House, refusing_writes

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = (DOCS / "commands.md").read_text(encoding="utf-8")
OPERATIONS = (DOCS / "operations.md").read_text(encoding="utf-8")
SOURCES = {path: path.read_text(encoding="utf-8") for path in sorted((ROOT / "connector").rglob("*.py"))}
LINKING = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
ONLY_IN = {"csv", "file", "sql", "typeform", "webhook"}
"""Kinds that send to us: Typeform's stand-in delivers, and anything that signs is a webhook; or that lie beside us."""


@pytest.mark.parametrize("page", PAGES)
def test_pages_that_repeat_the_code_are_up_to_date(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    assert text == PAGES[page](text), "run: make docs"


def test_every_command_is_on_the_page_and_says_what_it_does() -> None:
    names = [name for name, _ in leaves()]
    assert len(names) >= 11
    for name, command in leaves():
        assert f"### `{name}" in COMMANDS
        assert getattr(command, "help", None), name


def test_every_exit_code_is_on_the_page_and_no_other() -> None:
    codes = {0} | {code for name, code in vars(cli).items() if name.startswith("EXIT_")}
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", COMMANDS, re.MULTILINE)} == codes


def test_commands_named_anywhere_exist() -> None:
    known = {name for name, _ in leaves()}
    groups = {name.rpartition(" ")[0] for name in known}
    for path in LINKING:
        for named in re.findall(r"`(?:\S*/)?(connector [a-z-]+(?: (?:list|retry|drop))?)", path.read_text("utf-8")):
            assert named in known | groups, f"{path.name}: {named}"


def test_the_adapters_are_the_same_everywhere() -> None:
    kinds = set(KINDS)
    assert set(re.findall(r"^\| `(\w+)` \|", README, re.MULTILINE)) == kinds
    assert {page.stem for page in (DOCS / "vendors").glob("*.md")} == kinds
    stand_ins = {path.stem for path in (ROOT / "connector" / "simulator").glob("*.py")}
    assert kinds - stand_ins <= ONLY_IN
    for kind in kinds:
        assert f"docs/vendors/{kind}.md" in README


@pytest.mark.parametrize("page", LINKING, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_files_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_every_documented_metric_is_measured() -> None:
    code = "".join(text for path, text in SOURCES.items() if path.name != "observe.py")
    for name in METRICS:
        assert f'"{name}"' in code, name


def test_the_outcomes_on_the_page_are_those_a_running_app_emits(tmp_path: Path) -> None:
    told = METRICS["deliveries_total"].doc.partition("outcome: ")[2].partition(".")[0].split(", ")
    house = House(tmp_path)
    house.server.start()
    try:
        emitted = {outcome for _, outcome in knock_in_every_way(house)} | outcomes_of_reading(house.db)
    finally:
        house.client.close()
        house.server.stop()
        house.intake.stop()
        house.db.close()
    assert sorted(told) == sorted(emitted)


def knock_in_every_way(house: House) -> dict[tuple[str, str], float]:
    """One request of each kind the receiver tells apart; what it counted of them."""
    doors, house.doors = house.doors, None
    house.post(b"[1]")
    house.doors = doors
    house.post(b"[1]", "nobody")
    for body in (b"[1]", b"[]", b"{oops", b"[%s]" % (b"1," * 1000)):
        house.post(body)
    house.client.post("/hooks/survey", content=b"[1]")
    with refusing_writes(house):
        house.post(b"[2]")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(house.intake, "submit", full)
        house.post(b"[3]")
    with socket.create_connection(("127.0.0.1", house.server.port)) as line:
        line.sendall(b"POST /hooks/survey HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\n[1")
    deadline = SystemClock().monotonic() + 20
    while ("survey", "unfinished") not in house.outcomes() and SystemClock().monotonic() < deadline:
        pass
    return house.outcomes()


def full(_arrivals: object) -> None:
    raise Full("the inbox is busy")


def outcomes_of_reading(db: Database) -> set[str]:
    """What is counted when one answer is read twice and one cannot be read."""
    telemetry = Telemetry()
    deliver(db, said(), said(envelope="other"), b"torn")
    lane = UnderstandLane(db=db, reading=lambda: READING, on_understood=telemetry.understood)
    lane.drain(take_lane(db, "understand"))
    return set(re.findall(r'deliveries_total{outcome="(\w+)"', telemetry.metrics.exposition().decode()))


def test_every_log_event_is_documented() -> None:
    events = {
        event
        for text in SOURCES.values()
        for event in re.findall(r"log\w*(?:\([^()]*\))?\.(?:debug|info|warning|error|exception)\(\s*\"(\w+)\"", text)
    }
    documented = set(re.findall(r"`(\w+)`", OPERATIONS.partition("## Logs")[2]))
    assert len(events) > 4
    assert events <= documented


def test_every_adr_is_short() -> None:
    for page in (DOCS / "decisions").glob("*.md"):
        assert len(page.read_text(encoding="utf-8").splitlines()) <= 40, page.name
