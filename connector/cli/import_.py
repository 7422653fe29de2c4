"""`connector import`: old answers from a file, recorded and scored, never acted on unless asked to."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from connector.cli.output import AsJson, ConfigPath, console, print_json
from connector.clock import Clock, running_clock, time_zones
from connector.config.fingerprint import fingerprint
from connector.errors import ConnectorError
from connector.store import inbox
from connector.store.inbox import DeliveryState
from connector.sync.importing import Columns, Import, Tally
from connector.sync.tables import Table
from connector.wiring.importing import Importer, Left
from connector.wiring.opening import load_config, open_store

STUCK_SECONDS = 60.0
"""When nothing moves for so long, somebody else must do something first."""
LINE_EVERY = 10_000
"""Rows between two lines of progress where nobody watches a terminal."""


def import_(
    file: Annotated[Path, typer.Argument(help="A .csv, .tsv, .jsonl or .ndjson file.", exists=True, dir_okay=False)],
    survey: Annotated[str, typer.Option(help="Which survey of the configuration these are answers of.")],
    form: Annotated[str | None, typer.Option(help="Which of its forms, where it has several.")] = None,
    id_column: Annotated[str | None, typer.Option(help="The column that tells answers apart for ever.")] = None,
    no_id: Annotated[bool, typer.Option("--no-id", help="There is none: what a row says is what it is.")] = False,
    time_column: Annotated[str, typer.Option(help="The column that says when it was answered.")] = "submitted_at",
    time_format: Annotated[str | None, typer.Option(help="Its form, as in %d.%m.%Y %H:%M; ISO 8601 without.")] = None,
    time_zone: Annotated[str | None, typer.Option(help="Its zone where it says none; the configured without.")] = None,
    column: Annotated[
        list[str] | None, typer.Option(help="NAME=COLUMN: what the mapping calls a column of the file; repeatable.")
    ] = None,
    encoding: Annotated[str, typer.Option(help="Of the file, where it has no byte order mark.")] = "utf-8",
    act: Annotated[bool, typer.Option("--act", help="Let the rules act on these answers, however old.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until they are read and scored.")] = True,
    config: ConfigPath = "connector.yaml",
    as_json: AsJson = False,
) -> None:
    """Bring in old answers: they are recorded and scored, and nothing is opened and nobody messaged because of them."""
    if (id_column is None) != no_id:
        raise typer.BadParameter(
            "name the column that tells answers apart, so that importing again changes nothing; or say --no-id",
            param_hint="--id-column",
        )
    loaded, clock = load_config(config), running_clock()
    db = open_store(loaded.config, clock)
    importer = Importer(loaded, db, db.clock)
    columns = Columns(
        id=id_column,
        time=time_column,
        zone=_zone(time_zone or loaded.config.time_zone),
        time_format=time_format,
    )
    try:
        into = importer.into(survey, form)
        table = Table(file, encoding=encoding, names=_names(column or ()))
    except ConnectorError as error:
        raise typer.BadParameter(str(error)) from None
    with table:
        _check(table, {"--time-column": time_column, **({"--id-column": id_column} if id_column else {})})
        db.create()
        with _progress() as shown:
            taken = Import(db, into, columns, act=act, mode=loaded.config.mode, config=fingerprint(loaded.config))
            tally = _take(taken, table, shown)
            left = _wait(importer, taken.run_id, tally, shown, clock) if wait else importer.left(taken.run_id)
    with db.read() as tx:
        states = inbox.of_run(tx, taken.run_id)
    db.close()
    _report(taken.run_id, tally, states, left, act=act, as_json=as_json)


def _zone(name: str) -> ZoneInfo:
    if name not in time_zones():
        raise typer.BadParameter("expected a time zone such as Europe/Berlin", param_hint="--time-zone")
    return ZoneInfo(name)


def _names(given: Sequence[str]) -> dict[str, str]:
    """The mapping's name of each column that is renamed, by the file's."""
    names = {}
    for each in given:
        ours, equals, theirs = each.partition("=")
        if not (equals and ours.strip() and theirs.strip()):
            raise typer.BadParameter(f"expected NAME=COLUMN, not {each!r}", param_hint="--column")
        names[theirs.strip()] = ours.strip()
    return names


def _check(table: Table, needed: Mapping[str, str]) -> None:
    """A column that an option names is there; of JSON every line says for itself."""
    for option, name in needed.items():
        if table.columns and name not in table.columns:
            there = ", ".join(filter(None, table.columns))
            raise typer.BadParameter(f"there is no column {name!r}; there are {there}", param_hint=option)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[said]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


def _take(taken: Import, table: Table, shown: Progress) -> Tally:
    """Store every row; the bar is the file's length in kilobytes."""
    bar = shown.add_task("Reading", total=max(1, table.size // 1000), said="")
    tally, told = Tally(), 0
    for tally in taken.take(table):
        said = f"{tally.accepted:,} accepted, {tally.duplicates:,} duplicates, {tally.quarantined:,} quarantined"
        shown.update(bar, completed=table.position // 1000, said=said)
        if not shown.console.is_terminal and tally.rows - told >= LINE_EVERY:
            told = tally.rows
            shown.console.print(f"{tally.rows:,} rows read: {said}", highlight=False)
    shown.update(bar, completed=max(1, table.size // 1000))
    return tally


def _wait(importer: Importer, run_id: int, tally: Tally, shown: Progress, clock: Clock) -> Left:
    """Have the rows understood, decided and scored, here or by the daemon, until nothing is left or nothing moves."""
    lanes, left = importer.lanes(), importer.left(run_id)
    bar = shown.add_task("Working", total=max(1, 2 * tally.accepted), said="")
    moved_at, told = clock.monotonic(), tally.accepted
    while left.total and clock.monotonic() - moved_at < STUCK_SECONDS:
        if not lanes.turn():
            clock.wait(threading.Event(), 0.2)
        before, left = left, importer.left(run_id)
        if left != before:
            moved_at = clock.monotonic()
        said = f"{left.rows:,} to read, {left.answers:,} to decide, {left.persons:,} to score"
        shown.update(bar, completed=max(0, 2 * (tally.accepted - left.rows) - left.answers), said=said)
        if not shown.console.is_terminal and told - left.rows >= LINE_EVERY:
            told = left.rows
            shown.console.print(said, highlight=False)
    return left


def _report(
    run_id: int, tally: Tally, states: Mapping[DeliveryState, int], left: Left, *, act: bool, as_json: bool
) -> None:
    known = {state.value: number for state, number in states.items()}
    if as_json:
        print_json({"run": run_id, **asdict(tally), "acts": act, "states": known, "left": asdict(left)})
        return
    out = console()
    out.print(
        f"Run {run_id}: {tally.rows:,} rows, {tally.accepted:,} accepted, {tally.duplicates:,} duplicates, "
        f"{tally.quarantined:,} quarantined."
    )
    became = [f"{number:,} {name}" for name, number in known.items()]
    if became:
        out.print(f"They are now: {', '.join(became)}.")
    if known.get(DeliveryState.QUARANTINED.value):
        out.print("`connector replay --list` says what was wrong with which line.")
    if left.total:
        out.print("The rest is done by `connector run`; while a connection is paused it waits.")
    if not act:
        out.print("Recorded and scored; nothing was opened and nobody messaged because of them.")
