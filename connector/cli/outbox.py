"""`connector outbox`: what is to be written elsewhere, and what to do about what does not get through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from connector.cli.output import LARGEST, AsJson, ConfigPath, console, print_json, print_table
from connector.clock import running_clock
from connector.domain.model.intent import IntentState
from connector.errors import ConnectorError
from connector.store import intents as rows
from connector.store import outbox as intents
from connector.store.causes import alike as same_cause
from connector.store.causes import causes
from connector.store.database import Database, Transaction
from connector.store.intents import IntentRow
from connector.sync import settled
from connector.wiring.opening import load_config, open_store

app = typer.Typer(help="What is to be written elsewhere.", no_args_is_help=True)
Alike = Annotated[bool, typer.Option("--alike", help="And all others that stand still for the same cause.")]
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
        found = intents.listed(tx, account=account, state=state, limit=limit)
    if as_json:
        names = ("id", "account", "kind", "object", "state", "reason", "attempts", "not_before", "give_up_at")
        print_json([{name: getattr(row, name) for name in names} for row in found])
        return
    if not found:
        console().print("Nothing of that kind is in the outbox.")
        return
    print_table(
        "Outbox",
        ["id", "state", "what", "why"],
        [(row.id, row.state, f"{row.kind} in {row.account}\n{_object(row)}", row.reason) for row in found],
    )


@app.command("causes")
def list_causes(config: ConfigPath = "connector.yaml", as_json: AsJson = False) -> None:
    """Show what stands still, grouped by why: one line a cause, the most frequent first."""
    with _store(config).read() as tx:
        found = causes(tx)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    if not found:
        console().print("Nothing stands still.")
        return
    print_table(
        "What stands still",
        ["number", "what", "why", "first", "gives up"],
        [(one.number, f"{one.kind} in {one.account}\n{one.state}", one.reason, one.first, one.until) for one in found],
    )
    console().print("`outbox retry --alike N` or `outbox drop --alike N`: N is the first of a line.")


@app.command("retry")
def retry(ids: Ids, alike: Alike = False, config: ConfigPath = "connector.yaml") -> None:
    """Try intents again now; what was rejected or given up asks the other system first."""
    _each(config, ids, intents.retry, "will be tried again", "under way, waiting for another, or done", alike=alike)


@app.command("drop")
def drop(ids: Ids, alike: Alike = False, config: ConfigPath = "connector.yaml") -> None:
    """Never send these intents."""
    _each(config, ids, settled.drop, "dropped", "perhaps sent already, or done", alike=alike)


def _each(
    config: str,
    ids: Sequence[int],
    act: Callable[[Transaction, int], bool],
    done: str,
    why_not: str,
    *,
    alike: bool,
) -> None:
    """Act on each intent in one transaction. Raises ConnectorError, changing nothing, when a number is unknown."""
    refused = []
    with _store(config).write() as tx:
        ids = _all_alike(tx, ids) if alike else ids
        for one in ids:
            try:
                if not act(tx, one):
                    refused.append(str(one))
            except KeyError:
                raise ConnectorError(f"there is no intent {one}") from None
    console().print(f"{len(ids) - len(refused)} {done}.")
    if refused:
        raise ConnectorError(f"left alone: {', '.join(refused)} ({why_not})")


def _all_alike(tx: Transaction, ids: Sequence[int]) -> list[int]:
    found: dict[int, None] = {}
    for one in ids:
        try:
            found |= dict.fromkeys(same_cause(tx, rows.get(tx, one)))
        except KeyError:
            raise ConnectorError(f"there is no intent {one}") from None
    return list(found)


def _object(row: IntentRow) -> str:
    return row.object.removesuffix(f"@{row.account}")


def _store(config: str) -> Database:
    return open_store(load_config(config).config, running_clock())
