"""`connector webhooks`: the webhooks that bring answers and changed tickets here."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Annotated

import typer

from connector.cli.output import AsJson, ConfigPath, console, print_json, print_table
from connector.cli.setup import finish
from connector.clock import running_clock
from connector.wiring.accounts import Accounts
from connector.wiring.opening import load_config, open_store
from connector.wiring.setting_up import hook_lacks, hooks

app = typer.Typer(help="The webhooks that bring answers and changed tickets here.", no_args_is_help=True)


@app.command("install")
def install(
    public_url: Annotated[
        str | None, typer.Option(help="Where the daemon is reached from outside, instead of the configured one.")
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would be made.")] = False,
    config: ConfigPath = "connector.yaml",
    as_json: AsJson = False,
) -> None:
    """Make every webhook post to public_url/hooks/CONNECTION, with our secret; what is right already is left alone."""
    loaded = load_config(config)
    if public_url is None and loaded.config.public_url is None:
        raise typer.BadParameter("set public_url in the configuration, or say it here", param_hint="--public-url")
    if public_url is not None and not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", public_url):
        raise typer.BadParameter("expected an address such as https://csat.example.com", param_hint="--public-url")
    db = open_store(loaded.config, running_clock()).create()
    try:
        accounts = Accounts(loaded, running_clock(), db, read_only=plan)
        found = hook_lacks(loaded, accounts, public_url)
        finish(accounts, found, apply=not plan, as_json=as_json, again="connector webhooks install")
    finally:
        db.close()


@app.command("list")
def list_webhooks(config: ConfigPath = "connector.yaml", as_json: AsJson = False) -> None:
    """Show the webhooks that lead here, or once did, and whether they are switched on."""
    loaded = load_config(config)
    db = open_store(loaded.config, running_clock()).create()
    try:
        found = hooks(loaded, Accounts(loaded, running_clock(), db, read_only=True))
    finally:
        db.close()
    if as_json:
        print_json([{"connection": name, **asdict(hook)} for name, hook in found])
    elif found:
        rows = [(name, hook.place, "on" if hook.enabled else "off", hook.url) for name, hook in found]
        print_table("Webhooks", ["connection", "where", "", "posts to"], rows)
    else:
        console().print("No webhook leads here: `connector webhooks install` makes them.")
