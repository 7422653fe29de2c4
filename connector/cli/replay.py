"""`connector replay`: take again deliveries that could not be read and answers that could not be decided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from connector.cli.output import LARGEST, AsJson, ConfigPath, console, print_json, print_table
from connector.clock import running_clock
from connector.errors import ConnectorError
from connector.store import inbox, responses, runs, undoings
from connector.store.database import Database
from connector.store.inbox import Quarantined
from connector.store.responses import Undecidable
from connector.wiring.opening import load_config, open_store


def replay(
    ids: Annotated[
        list[str] | None, typer.Argument(help="What to take again: deliveries by number, answers by their whole key.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Take all of them again.")] = False,
    run: Annotated[
        int | None, typer.Option(min=1, max=LARGEST, help="Read the answers of this undone run again.")
    ] = None,
    show: Annotated[bool, typer.Option("--list", help="Only show what is quarantined, and why.")] = False,
    config: ConfigPath = "connector.yaml",
    as_json: AsJson = False,
) -> None:
    """Put quarantined deliveries and answers back in line; the running daemon takes them at once."""
    numbers, keys = _told_apart(ids or ())
    db = open_store(load_config(config).config, running_clock())
    if run is not None:
        _read_again(db, run, as_json=as_json)
        return
    if show or not (ids or everything):
        with db.read() as tx:
            deliveries, answers = inbox.list_quarantined(tx), responses.list_quarantined(tx)
        _show(deliveries, answers, as_json=as_json)
        if not (show or as_json) and (deliveries or answers):
            raise ConnectorError("name what to take again, or say --all")
        return
    with db.write() as tx:
        back = inbox.replay(tx, None if everything else numbers) + responses.replay(tx, None if everything else keys)
        others = 0 if everything else len(numbers) + len(keys) - back
        if others:
            raise ConnectorError(
                f"{others} of these are not quarantined; nothing was done. See `connector replay --list`"
            )
    if as_json:
        print_json({"replayed": back})
    else:
        console().print(f"{back} put back in line.")


def _read_again(db: Database, run: int, *, as_json: bool) -> None:
    with db.write() as tx:
        if runs.get(tx, run).undone_at is None:
            raise ConnectorError(f"run {run} was not undone: `connector undo {run}` first")
        if run in {one.run_id for one in undoings.open_ones(tx)}:
            raise ConnectorError(f"run {run} is still being undone: try again in a moment")
        back, lost = undoings.read_again(tx, run)
    if as_json:
        print_json({"replayed": back, "not_kept": lost})
        return
    console().print(f"{back} put back in line, to be read as the mappings are now.")
    if lost:
        console().print(f"{lost} cannot be read again: what was delivered is not kept any more.")


def _told_apart(ids: Sequence[str]) -> tuple[list[int], list[str]]:
    """The deliveries' numbers and the answers' keys, each once; only a key has a `/` in it."""
    keys = {each for each in ids if "/" in each}
    numbers = set()
    for each in set(ids) - keys:
        if not (each.isascii() and each.isdigit() and len(each) < 20 and 1 <= int(each) <= LARGEST):
            raise typer.BadParameter(f"{each} is neither a delivery's number nor an answer's key", param_hint="IDS")
        numbers.add(int(each))
    return sorted(numbers), sorted(keys)


def _show(deliveries: Sequence[Quarantined], answers: Sequence[Undecidable], *, as_json: bool) -> None:
    """Both kinds; `id` is what `replay` takes."""
    if as_json:
        print_json(
            [
                {
                    "what": "delivery",
                    "id": one.id,
                    "connection": one.connection,
                    "field": one.field,
                    "reason": one.reason,
                }
                for one in deliveries
            ]
            + [{"what": "answer", "id": one.key, "version": one.number, "reason": one.reason} for one in answers]
        )
        return
    if not (deliveries or answers):
        console().print("Nothing is quarantined.")
    if deliveries:
        rows = [(one.id, one.connection, one.received_at, one.field, one.reason) for one in deliveries]
        print_table("Deliveries that could not be read", ["id", "connection", "received", "field", "why"], rows)
    if answers:
        told = [(one.key, one.number, one.received_at, one.reason) for one in answers]
        print_table("Answers that could not be decided", ["id", "version", "received", "why"], told)
