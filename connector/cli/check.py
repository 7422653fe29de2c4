"""`connector check`: is the configuration right, and, with `--live`, are the connected accounts ready for it?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer

from connector.cli.output import AsJson, ConfigPath, console, print_json
from connector.clock import running_clock
from connector.config import Loaded, redacted
from connector.ports import Finding
from connector.wiring.directory import queries
from connector.wiring.inspection import Inspection, inspect
from connector.wiring.opening import load_config, open_store

NOT_READY = 4


def check(
    config: ConfigPath = "connector.yaml",
    live: Annotated[
        bool, typer.Option("--live", help="Also ask every connected account, by reading only; exit 4: not ready.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read the configuration and everything it names; exit 2 with file, line and nearest right name of each mistake."""
    loaded = load_config(config)
    queries(loaded)  # a database nobody has a driver for
    if live:
        _ask(loaded, as_json=as_json)
        return
    if as_json:
        print_json(redacted(loaded.config))
        return
    made = loaded.config
    console().print(
        f"{config} is right: {len(made.connections)} connections, {len(made.surveys)} surveys, "
        f"{len(made.rules)} rules, {len(made.playbooks)} playbooks; mode {made.mode}.",
        markup=False,
    )
    for place, variable in loaded.overridden.items():
        console().print(f"{variable} overrides {place}.", markup=False)


def _ask(loaded: Loaded, *, as_json: bool) -> None:
    """Print what every account lacks. Raises Exit."""
    clock = running_clock()
    db = open_store(loaded.config, clock).create()
    try:
        found = inspect(loaded, db.clock, db)
    finally:
        db.close()
    if as_json:
        print_json({**asdict(found), "blocking": found.blocking})
    else:
        print_inspection(found)
    if found.blocking:
        raise typer.Exit(NOT_READY)


def print_inspection(found: Inspection) -> None:
    """One finding after the other, what stands in the way first, each with the one thing to do about it."""
    out = console()
    for title, blocking in (("Stands in the way", True), ("Better with, works without", False)):
        rows = list(_rows(found, blocking=blocking))
        if rows:
            out.print(f"{title} ({len(rows)})", style="bold", markup=False)
        for connection, finding in rows:
            out.print(f"  {connection} · {finding.subject} · {finding.message}", markup=False)
            out.print(f"    fix: {finding.fix}", markup=False)
        if rows:
            out.print()
    ready = [look.connection for look in found.looks if look.asked and not look.findings]
    mute = [look.connection for look in found.looks if not look.asked]
    if ready:
        out.print(f"Ready: {', '.join(ready)}.", markup=False)
    if mute:
        out.print(f"Nobody to ask: {', '.join(mute)}.", markup=False)
    if found.to_try:
        out.print("To try yourself:")
    for line in found.to_try:
        out.print(f"  {line}", markup=False)


def _rows(found: Inspection, *, blocking: bool) -> Iterator[tuple[str, Finding]]:
    for look in found.looks:
        yield from ((look.connection, each) for each in look.findings if each.blocking is blocking)
