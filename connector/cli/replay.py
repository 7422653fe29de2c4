"""`connector replay`: take quarantined deliveries again, after the mapping was fixed."""

from __future__ import annotations

from typing import Annotated

import typer

from connector.cli.output import LARGEST, AsJson, ConfigPath, console, print_json, print_table
from connector.clock import SystemClock
from connector.errors import ConnectorError
from connector.store import inbox
from connector.wiring.opening import load_config, open_store


def replay(
    ids: Annotated[
        list[int] | None, typer.Argument(min=1, max=LARGEST, help="Deliveries to take again, by number.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Take all of them again.")] = False,
    show: Annotated[bool, typer.Option("--list", help="Only show what is quarantined, and why.")] = False,
    config: ConfigPath = "connector.yaml",
    as_json: AsJson = False,
) -> None:
    """Put quarantined deliveries back in line; the running daemon takes them at once."""
    db = open_store(load_config(config).config, SystemClock())
    if show or not (ids or everything):
        with db.read() as tx:
            found = inbox.list_quarantined(tx)
        if as_json:
            print_json([{"id": q.id, "connection": q.connection, "field": q.field, "reason": q.reason} for q in found])
            return
        if not found:
            console().print("Nothing is quarantined.")
            return
        rows = [(q.id, q.connection, q.received_at, q.field, q.reason) for q in found]
        print_table("Quarantined deliveries", ["id", "connection", "received", "field", "why"], rows)
        if not show:
            raise ConnectorError("name the deliveries to take again, or say --all")
        return
    with db.write() as tx:
        back = inbox.replay(tx, None if everything else ids)
        others = 0 if everything else len(set(ids or ())) - back
        if others:
            raise ConnectorError(
                f"{others} of these are not quarantined; nothing was done. See `connector replay --list`"
            )
    if as_json:
        print_json({"replayed": back})
    else:
        console().print(f"{back} put back in line.")
