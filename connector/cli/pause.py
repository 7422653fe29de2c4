"""`connector pause` and `connector resume`: leave a connection alone for a while, and let a held survey go on."""

from __future__ import annotations

from typing import Annotated

import typer

from connector.cli.output import ConfigPath, console
from connector.clock import running_clock
from connector.config import Loaded
from connector.errors import ConnectorError
from connector.store import inbox, pauses, storms
from connector.sync.storm import release
from connector.wiring.opening import load_config, open_store
from connector.wiring.settings import adapters_at_rest


def pause(
    connection: Annotated[str, typer.Argument(help="A connection, as the configuration names it.")],
    config: ConfigPath = "connector.yaml",
) -> None:
    """Leave a connection alone: nothing is sent or read there until `resume`; what it delivers is kept unread."""
    loaded = load_config(config)
    if connection not in loaded.config.connections:
        raise ConnectorError(f"there is no connection {connection}: there are {_names(loaded)}")
    clock = running_clock()
    account = adapters_at_rest(loaded, clock).accounts.get(connection)
    with open_store(loaded.config, clock).write() as tx:
        is_new = pauses.begin(tx, connection, account)
    console().print(
        f"{connection} is paused: `connector resume {connection}` lets it go on."
        if is_new
        else f"{connection} was paused already."
    )


def resume(
    name: Annotated[str, typer.Argument(help="A paused connection, or a survey whose work is held.")],
    config: ConfigPath = "connector.yaml",
) -> None:
    """Let a paused connection go on, or what a survey's answers lead to although too many of them are unhappy."""
    loaded = load_config(config)
    with open_store(loaded.config, running_clock()).write() as tx:
        goes_on = pauses.end(tx, name)
        tx.wake(inbox.LANE)
        is_right = storms.release(tx, name)
        released = release(tx, name, loaded.config.act_on.answered_within) if is_right else 0
    if not (goes_on or is_right):
        raise ConnectorError(f"{name} is neither a paused connection nor a survey whose work is held")
    if goes_on:
        console().print(f"{name} goes on.")
    if is_right:
        console().print(f"{released} held for the survey {name} go out; nothing of it is held for a day.")


def _names(loaded: Loaded) -> str:
    return ", ".join(sorted(loaded.config.connections))
