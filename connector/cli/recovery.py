"""`connector recovery`: who is to be won back, how far that is, and how it ended."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from connector.cli.output import LARGEST, AsJson, ConfigPath, console, print_json, print_pairs, print_table
from connector.clock import running_clock
from connector.config import Loaded
from connector.domain.model.recovery import Recovery, RecoveryState, Stage
from connector.domain.recovery.due import due_text, span_text
from connector.errors import ConnectorError
from connector.store import history, receipts, recoveries, steps
from connector.store.database import Database, Transaction
from connector.store.steps import StepRow
from connector.sync import concluding, names
from connector.sync.settings import DecideSettings
from connector.wiring.opening import load_config, open_store
from connector.wiring.settings import settings_at_rest

app = typer.Typer(help="People to be won back.", no_args_is_help=True)
Number = Annotated[int, typer.Argument(min=1, max=LARGEST, help="Of the recovery: see `connector recovery list`.")]


@app.command("list")
def list_recoveries(
    closed: Annotated[bool, typer.Option("--closed", help="Those that are over, newest first.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=LARGEST, help="At most so many.")] = 50,
    config: ConfigPath = "connector.yaml",
    as_json: AsJson = False,
) -> None:
    """Show the open recoveries, the most severe first, and what each of them waits for."""
    _, db, _ = _open(config)
    with db.read() as tx:
        found = [_shown(tx, one) for one in recoveries.listed(tx, closed=closed, limit=limit)]
    if as_json:
        print_json(found)
        return
    if not found:
        console().print("No recovery was closed yet." if closed else "Nobody has to be won back.")
        return
    columns = ["number", "severity", "stage", "owner", "opened", "waits for", "ticket"]
    print_table("", columns, [[one[column] for column in columns] for one in found])


@app.command("show")
def show(recovery: Number, config: ConfigPath = "connector.yaml", as_json: AsJson = False) -> None:
    """Show one recovery: its steps with their deadlines, and what happened when."""
    _, db, settings = _open(config)
    with db.read() as tx:
        known = concluding.known(tx, recovery)
        found = {
            **_shown(tx, known),
            "playbook": known.playbook,
            "root cause": known.root_cause,
            "closed": known.closed_at,
            "closed because": known.cause,
        }
        waited = steps.of(tx, recovery)
        story = [(entry.at, entry.event.replace("_", " ")) for entry in history.for_recovery(tx, recovery)]
    if as_json:
        print_json({**found, "steps": [_step_document(row) for row in waited], "story": story})
        return
    print_pairs(f"Recovery {recovery}", {name: value for name, value in found.items() if name != "number"})
    if waited:
        rows = [(row.name, row.state.value, _due(row, settings), _said(row)) for row in waited]
        print_table("Steps", ["step", "state", "due", ""], rows)
    print_table("What happened", ["when", "what"], [(due_text(at, settings.time_zone), what) for at, what in story])


@app.command("close")
def close(
    recovery: Number,
    won: Annotated[bool, typer.Option("--won", help="The customer was won back.")] = False,
    lost: Annotated[bool, typer.Option("--lost", help="The customer was not.")] = False,
    cause: Annotated[str | None, typer.Option(help="Why it happened: one of the playbook's root causes.")] = None,
    action: Annotated[str | None, typer.Option(help="What was done about it.")] = None,
    config: ConfigPath = "connector.yaml",
) -> None:
    """Close a recovery, or say of one that is closed how it ended. Its ticket is left as it is."""
    if won == lost:
        raise ConnectorError("say how it ended: --won or --lost")
    _, db, settings = _open(config)
    with db.write() as tx:
        ended = concluding.conclude(
            tx, recovery, Stage.WON_BACK if won else Stage.LOST, settings, root_cause=cause, action_taken=action
        )
    console().print(f"Recovery {recovery} is closed: {ended.stage.value.replace('_', ' ')}.", markup=False)


@app.command("done")
def done(
    recovery: Number,
    step: Annotated[str, typer.Argument(help="The step's name.")],
    config: ConfigPath = "connector.yaml",
) -> None:
    """Say that a step was done which neither ticket nor task shows."""
    loaded, db, settings = _open(config)
    with db.write() as tx:
        concluding.mark_done(tx, recovery, step, settings)
    console().print(f"Recovery {recovery}: {step} is done.", markup=False)
    if loaded.config.mode != "live":
        console().print("Mode observe: what follows from it is planned and held, nothing is written.")


def _open(config: str) -> tuple[Loaded, Database, DecideSettings]:
    loaded, clock = load_config(config), running_clock()
    return loaded, open_store(loaded.config, clock), settings_at_rest(loaded, clock)


def _shown(tx: Transaction, recovery: Recovery) -> dict[str, object]:
    """One recovery without personal data."""
    name = names.ticket_object(recovery.id, recoveries.generation(tx, recovery.id))
    ticket = receipts.of_objects(tx, [name]).get(name)
    open_steps = [row for row in steps.of(tx, recovery.id) if row.is_open]
    late = [row for row in open_steps if row.missed]
    waits = ", ".join(f"{row.name}{' (late)' if row in late else ''}" for row in open_steps)
    return {
        "number": recovery.id,
        "severity": recovery.severity.value,
        "stage": recovery.stage.value.replace("_", " "),
        "owner": recovery.owner,
        "opened": recovery.opened_at,
        "waits for": waits if recovery.state is RecoveryState.OPEN else "",
        "ticket": None if ticket is None else ticket.url or ticket.remote_id,
    }


def _due(row: StepRow, settings: DecideSettings) -> str:
    if row.due_at is None:
        return "" if row.remaining is None else f"stands still, {span_text(row.remaining)} left"
    return due_text(row.due_at, settings.time_zone)


def _said(row: StepRow) -> str:
    late = "late" if row.missed else ""
    return ", ".join(part for part in (late, row.proof or "") if part)


def _step_document(row: StepRow) -> dict[str, datetime | str | bool | None]:
    return {
        "step": row.name,
        "state": row.state.value,
        "due": row.due_at,
        "late": row.missed,
        "done": row.done_at,
        "proof": row.proof,
    }
