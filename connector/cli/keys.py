"""`connector keys`: the keys that seal the store, and replacing them."""

from __future__ import annotations

from typing import Annotated

import typer

from connector.cli.output import AsJson, ConfigPath, console, print_json, print_table
from connector.clock import running_clock
from connector.store import keys as known_keys
from connector.store import resealing
from connector.store.database import Database
from connector.store.keyring import KeyRing
from connector.wiring.opening import load_config, open_store

app = typer.Typer(help="The keys that seal the store.", no_args_is_help=True)
HOW = """1. Put it first in privacy.keys, before the others, and restart the daemon.
2. Run `connector keys reseal`: what older keys sealed is sealed with it.
3. Remove the keys it names from privacy.keys, and restart once more.
Backups made before need the keys of their time: keep those as long as the backups."""


@app.command("list")
def list_keys(config: ConfigPath = "connector.yaml", as_json: AsJson = False) -> None:
    """Show the keys of the configuration by id, and how many values each has sealed."""
    db = _store(config)
    with db.read() as tx:
        sealed, used = resealing.under_keys(tx), known_keys.used(tx)
    rows = [(one, sealed[one], "seals" if n == 0 else "opens") for n, one in enumerate(db.keyring.key_ids)]
    if as_json:
        print_json([{"id": one, "sealed": number, "does": does, "needed": one in used} for one, number, does in rows])
        return
    print_table("Keys of privacy.keys", ["id", "values it sealed", "does"], rows)


@app.command("rotate")
def rotate(
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the key alone, for a script.")] = False,
) -> None:
    """Make a new key, and say how it takes over from the others."""
    typer.echo(KeyRing.generate())
    if not quiet:
        typer.echo(HOW, err=True)


@app.command("reseal")
def reseal(config: ConfigPath = "connector.yaml", as_json: AsJson = False) -> None:
    """Seal everything with the first key, a slice at a time beside a running daemon; run it again after a crash."""
    db = _store(config)
    done = 0
    for place in resealing.places():
        while number := _slice(db, place):
            done += number
    with db.write() as tx:
        free = resealing.finish(tx, db.keyring)
        left = {one: n for one, n in resealing.under_keys(tx).items() if one != db.keyring.key_ids[0]}
    db.empty_log()
    if as_json:
        print_json({"resealed": done, "may_go": list(free), "still_needed": left})
        return
    out = console()
    out.print(f"{done} values sealed with key {db.keyring.key_ids[0]}.")
    if free:
        out.print(f"These keys may be removed from privacy.keys: {', '.join(free)}.")
    if left:
        told = ", ".join(f"{one} ({number} values)" for one, number in left.items())
        out.print(f"Still needed: {told}. Is a daemon running that does not know the first key? Restart it, run again.")


def _slice(db: Database, place: resealing.Place) -> int:
    with db.write() as tx:
        return resealing.reseal(tx, db.keyring, place)


def _store(config: str) -> Database:
    db = open_store(load_config(config).config, running_clock())
    with db.read():
        return db
