"""`connector outbox`: what is to be written elsewhere, and what to do about what does not get through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from connector.cli.output import LARGEST, AsJson, ConfigPath, console, print_json, print_table
from connector.clock import SystemClock
from connector.domain.model.intent import IntentState
from connector.errors import ConnectorError
from connector.store import outbox as intents
from connector.store.database import Database, Transaction
from connector.store.intents import IntentRow
from connector.sync import settled
from connector.wiring.opening import load_config, open_store

app = typer.Typer(help="What is to be written elsewhere.", no_args_is_help=True)
Ids = Annotated[list[int], typer.Argument(min=1, max=LARGEST, help="Intents, by number.")]


@app.command("list")
def list_intents(
    state: Annotated[IntentState | None, typer.Option(help="Only those in this state.")] = None,
    account: Annotated[str | None, typer.Option(help="Only those of this account, e.g. zendesk:acme.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=LARGEST, help="At most so many.")] = 50,
    config: ConfigPath = "connector.yaml",
    as_json: AsJson = False,
) -> None:
    """Show intents, most urgent first, with the reason why each stands where it stands."""
    with _store(config).read() as tx:
        rows = intents.listed(tx, account=account, state=state, limit=limit)
    if as_json:
        names = ("id", "account", "kind", "object", "state", "reason", "attempts", "not_before", "give_up_at")
        print_json([{name: getattr(row, name) for name in names} for row in rows])
        return
    if not rows:
        console().print("Nothing of that kind is in the outbox.")
        return
    print_table(
        "Outbox",
        ["id", "state", "what", "why"],
        [(row.id, row.state, f"{row.kind} in {row.account}\n{_object(row)}", row.reason) for row in rows],
    )


@app.command("retry")
def retry(ids: Ids, config: ConfigPath = "connector.yaml") -> None:
    """Try intents again now; what was rejected or given up asks the other system first."""
    _each(config, ids, intents.retry, "will be tried again", "under way, waiting for another, or done")


@app.command("drop")
def drop(ids: Ids, config: ConfigPath = "connector.yaml") -> None:
    """Never send these intents."""
    _each(config, ids, settled.drop, "dropped", "perhaps sent already, or done")


def _each(config: str, ids: Sequence[int], act: Callable[[Transaction, int], bool], done: str, why_not: str) -> None:
    """Act on each intent in one transaction. Raises ConnectorError, changing nothing, when a number is unknown."""
    refused = []
    with _store(config).write() as tx:
        for one in ids:
            try:
                if not act(tx, one):
                    refused.append(str(one))
            except KeyError:
                raise ConnectorError(f"there is no intent {one}") from None
    console().print(f"{len(ids) - len(refused)} {done}.")
    if refused:
        raise ConnectorError(f"left alone: {', '.join(refused)} ({why_not})")


def _object(row: IntentRow) -> str:
    return row.object.removesuffix(f"@{row.account}")


def _store(config: str) -> Database:
    return open_store(load_config(config).config, SystemClock())
