"""`connector setup`: what the connected accounts lack of what the configuration names, and making it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from connector.cli.output import AsJson, ConfigPath, console, print_json
from connector.clock import running_clock
from connector.errors import ConnectorError
from connector.wiring.accounts import Accounts
from connector.wiring.opening import load_config, open_store
from connector.wiring.setting_up import Lack, Made, lacks, make

FAILED = 4


def setup(
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would be made; the default.")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Make it, whatever the mode; safe to repeat.")] = False,
    config: ConfigPath = "connector.yaml",
    as_json: AsJson = False,
) -> None:
    """Prepare the accounts: custom fields and access to them, statuses; exit 4 when something could not be made."""
    if plan and apply:
        raise typer.BadParameter("say one of them", param_hint="--plan, --apply")
    loaded = load_config(config)
    db = open_store(loaded.config, running_clock()).create()
    try:
        accounts = Accounts(loaded, running_clock(), db, read_only=not apply)
        finish(accounts, lacks(loaded, accounts), apply=apply, as_json=as_json, again="connector setup --apply")
    finally:
        db.close()


def finish(accounts: Accounts, found: Sequence[Lack], *, apply: bool, as_json: bool, again: str) -> None:
    """Print what is lacking or make it. `again` is the command that makes it. Raises Exit where something failed."""
    if not found:
        raise ConnectorError("no connection of the configuration can be prepared from here")
    if apply:
        made = [one for lack in found for one in _made(accounts, lack, as_json=as_json)]
    else:
        made = []
        if not as_json:
            _print_plan(found)
    if as_json:
        print_json({"lacking": [asdict(lack) for lack in found], "made": [asdict(one) for one in made]})
    else:
        _print_rest(found, made, apply=apply, again=again)
    if any(lack.error for lack in found) or any(one.failed for one in made):
        raise typer.Exit(FAILED)


def _made(accounts: Accounts, lack: Lack, *, as_json: bool) -> list[Made]:
    done = []
    for one in make(accounts, lack):
        done.append(one)
        if not as_json:
            mark = "FAILED" if one.failed else "made  "
            console().print(f"{mark}  {one.connection} · {one.change.subject} · {one.said}", markup=False)
    return done


def _print_plan(found: Sequence[Lack]) -> None:
    for lack in found:
        for change in lack.changes:
            if not change.only_by_hand:
                console().print(f"would make  {lack.connection} · {change.subject} · {change.message}", markup=False)


def _print_rest(found: Sequence[Lack], made: Sequence[Made], *, apply: bool, again: str) -> None:
    out = console()
    done = {(one.connection, one.change.subject) for one in made if not one.failed}
    for lack in found:
        if lack.error:
            out.print(f"not asked  {lack.connection} · {lack.error}", markup=False)
        for change in lack.changes:
            if change.only_by_hand or (apply and (lack.connection, change.subject) not in done):
                where = f"{lack.connection} · {change.subject} · {change.message}"
                out.print(f"by hand  {where}: {change.by_hand}", markup=False)
    ours = sum(not change.only_by_hand for lack in found for change in lack.changes)
    asked = [lack.connection for lack in found if not lack.error]
    if not ours and asked:
        out.print(f"Nothing to make in {', '.join(asked)}.", markup=False)
    elif ours and not apply:
        out.print(f"{ours} to make: `{again}`.", markup=False)
