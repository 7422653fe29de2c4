"""`connector demo`: simulators, a real daemon, several hundred answers, and a table an oracle agrees with, or not."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from connector.cli.example_files import example_root
from connector.cli.output import AsJson, console, print_json, print_table
from connector.clock import SHARED, SharedClock, running_clock
from connector.errors import ConnectorError
from connector.simulator.demo_desk import ZENDESK
from connector.simulator.demo_input import DemoInput, make_demo_input
from connector.simulator.demo_world import SAFETY, calls, crm_of, furnish, held_figures, scores_held
from connector.simulator.oracle import foretell
from connector.simulator.smtp import Smtp
from connector.simulator.suite import Simulators, start_all
from connector.store import links, people
from connector.testing.rehearsal import Rehearsal
from connector.testing.story import BEGINS, Story, rewritten

PORT = 8080
POINTS = 3.0


class Crm(StrEnum):
    """The CRMs the demo can be played with."""

    SALESFORCE = "salesforce"
    HUBSPOT = "hubspot"


def hurry(crm: str, helpdesk: str = ZENDESK) -> dict[str, str]:
    """A person watching does not want to wait for batches to fill, nor for Zendesk's next minute of a hundred updates.

    Everything else is as shipped.
    """
    whole = {"CONNECTOR__CONNECTIONS__ZENDESK__QUOTA__SHARE": "100%"} if helpdesk == ZENDESK else {}
    return {
        f"CONNECTOR__CONNECTIONS__{crm.upper()}__LINGER": "1s",
        "CONNECTOR__HEALTH_SCORE__WRITE__LINGER": "2s",
        **whole,
    }


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running and say where to look.")] = False,
    seed: Annotated[int, typer.Option(help="Another seed makes another input.")] = 1,
    order: Annotated[int, typer.Option(help="Deliver in another order; 0 as generated.")] = 0,
    crm: Annotated[Crm, typer.Option(help="The CRM that is written to.")] = Crm.SALESFORCE,
    helpdesk: Annotated[
        str, typer.Option(help="The helpdesk that is written to: another kind than zendesk comes with its package.")
    ] = ZENDESK,
    story: Annotated[
        bool,
        typer.Option("--story", help="One recovery, from the answer to the word that it is well: days in a minute."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run the shipped example configuration against the simulators and check every figure against an oracle."""
    if story:
        tell()
        return
    clock = running_clock()
    world = make_demo_input(seed, clock.now(), order, crm)
    folder = Path(".demo") if keep else Path(tempfile.mkdtemp(prefix="connector-demo-"))
    shutil.rmtree(folder, ignore_errors=True)
    with start_all(clock, crm=crm, helpdesk=helpdesk) as simulators:
        furnish(simulators, world)
        port = PORT if keep else 0
        overrides = hurry(crm, helpdesk)
        with Rehearsal(folder.resolve(), example_root(), simulators, clock, port=port, overrides=overrides) as stage:
            started = clock.monotonic()
            play(stage, world)
            rows = compare(stage, simulators, world)
            seconds = clock.monotonic() - started
            if as_json:
                print_json({"figures": rows, "seconds": round(seconds, 1)})
            else:
                _print(rows, simulators, seconds)
            if keep:
                _linger(stage, simulators)
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
    if any(row["expected"] != row["found"] for row in rows):
        raise ConnectorError("the figures differ from the oracle's")


def tell() -> None:
    """Play the story and print it, beat by beat."""
    with tempfile.TemporaryDirectory(prefix="connector-story-") as name:
        folder = Path(name)
        clock = SharedClock.starting(folder / "clock", BEGINS)
        mail = Smtp(clock)
        mail.start()
        try:
            with start_all(clock) as simulators:
                overrides = {**hurry(simulators.crm), SHARED: str(folder / "clock")}
                _tell(folder, simulators, mail, clock, overrides)
        finally:
            mail.stop()


def _tell(folder: Path, simulators: Simulators, mail: Smtp, clock: SharedClock, overrides: Mapping[str, str]) -> None:
    with Rehearsal(
        folder / "daemon",
        example_root(),
        simulators,
        clock,
        overrides=overrides,
        rewrite=lambda text: rewritten(text, mail.port),
    ) as stage:
        out = console()
        story = Story(stage=stage, simulators=simulators, mail=mail, clock=clock)
        for beat in story.play():
            out.print(f"\n{beat}", markup=False, style="bold")
            for line in beat.seen:
                out.print(f"    {line}", markup=False)
        out.print("\nThe ticket, as the helpdesk holds it:", style="bold")
        out.print(f"\n{story.ticket()}", markup=False)
        out.print("\nThe systems held what the story says, at every step.")


def play(stage: Rehearsal, world: DemoInput) -> None:
    """Deliver everything, each wave after the one before has settled."""
    for wave in sorted({delivery.wave for delivery in world.deliveries}):
        for delivery in world.deliveries:
            if delivery.wave == wave:
                stage.deliver(delivery.hook, delivery.body.encode(), delivery.signature)
        stage.settle()


def compare(stage: Rehearsal, simulators: Simulators, world: DemoInput) -> list[dict[str, object]]:
    """One row a figure: what the oracle expects, what the store and the simulators hold."""
    told = {**asdict(world), "now": world.now.isoformat()}
    expected, scores = foretell(told, told["deliveries"])
    found = found_figures(stage, simulators)
    held = scores_held(simulators)
    right = sum(abs(held.get(email, -100.0) - score) <= POINTS for email, score in scores.items())
    rows = [{"figure": name, "expected": wanted, "found": found[name]} for name, wanted in expected.items()]
    return [*rows, {"figure": f"scores within {POINTS:g} points", "expected": len(scores), "found": right}]


def found_figures(stage: Rehearsal, simulators: Simulators) -> dict[str, int]:
    """The figures as the store and the simulators have them, by the oracle's names."""
    now = stage.status()
    with stage.db.read() as tx:
        anonymous, held = people.anonymous(tx), links.held(tx)
    return {
        "accepted": now.accepted,
        "forged": now.refused.get("forged", 0),
        "duplicates": now.duplicates + now.deliveries["duplicate"],
        "quarantined": now.deliveries["quarantined"] + now.responses.get("quarantined", 0),
        "decided": now.responses.get("decided", 0),
        "stale": now.responses.get("stale", 0),
        "anonymous": anonymous,
        "held": held,
        "recoveries": sum(now.recoveries.values()),
        **held_figures(simulators),
    }


def _print(rows: list[dict[str, object]], simulators: Simulators, seconds: float) -> None:
    marked = [(r["figure"], r["expected"], r["found"], "" if r["expected"] == r["found"] else "differs") for r in rows]
    print_table("What the oracle expects, and what was found", ["figure", "oracle", "found", ""], marked)
    decided = next(int(str(row["found"])) for row in rows if row["figure"] == "decided")
    made: Mapping[str, int] = calls(simulators)
    per_thousand = [(name, number, round(1000 * number / max(decided, 1))) for name, number in made.items()]
    print_table("Vendor calls", ["vendor", "calls", "per 1,000 responses"], per_thousand)
    agree = sum(row["expected"] == row["found"] for row in rows)
    verdict = "All" if agree == len(rows) else f"Only {agree} of"
    console().print(f"{verdict} {len(rows)} figures agree with the oracle's.")
    console().print(f"{seconds:.0f} s from the first delivery to the last receipt.")


def _linger(stage: Rehearsal, simulators: Simulators) -> None:
    out = console()
    out.print("\nStill running; Ctrl-C ends it. Where to look:", markup=False)
    for what, where in {
        "hooks": f"{stage.url}/hooks/typeform",
        "health, metrics": f"{stage.url}/readyz  {stage.url}/metrics",
        "tickets": simulators.desk.page(),
        "a contact": crm_of(simulators).page(),
        "messages": f"{simulators.slack.site.base_url}/archives/{SAFETY}",
        "log": str(stage.log),
    }.items():
        out.print(f"  {what:16} {where}", markup=False)
    out.print(f"  commands         . {leave_environment(stage, simulators)}; .venv/bin/connector status", markup=False)
    try:
        while not running_clock().wait(threading.Event(), timedelta(hours=1).total_seconds()):
            continue
    except KeyboardInterrupt:
        out.print("Stopping.")


def leave_environment(stage: Rehearsal, simulators: Simulators) -> Path:
    """Write what a second terminal needs to run commands on the same store; `. <file>` takes it in."""
    settings = {
        **simulators.environment(),
        **hurry(simulators.crm, ZENDESK if simulators.other_desk is None else simulators.desk.kind),
        "CONNECTOR__MODE": "live",
        "CONNECTOR_KEY": stage.environ["CONNECTOR_KEY"],
        "CONNECTOR_CONFIG": str(stage.config),
    }
    file = stage.folder / "environment"
    file.write_text("".join(f"export {name}='{text}'\n" for name, text in settings.items()))
    return file
