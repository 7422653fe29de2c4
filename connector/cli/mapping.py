"""`connector mapping`: draft a mapping from a real form, try it on samples and stored deliveries, accept it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from connector.cli.output import LARGEST, AsJson, ConfigPath, console, legible, print_json
from connector.clock import running_clock
from connector.config import golden
from connector.errors import ConnectorError
from connector.wiring.accounts import Accounts
from connector.wiring.mappings import Trial, accept, draft_mapping, map_delivery, try_samples
from connector.wiring.opening import load_config, open_store

app = typer.Typer(help="Draft a survey's mapping, and try it.", no_args_is_help=True)
Samples = Annotated[
    Path | None, typer.Option("--samples", help="Where the samples are; mappings/samples beside the configuration.")
]


@app.command("draft")
def draft(
    connection: Annotated[str, typer.Argument(help="The survey tool's connection, e.g. typeform.")],
    form: Annotated[str, typer.Argument(help="The form's id there.")],
    name: Annotated[str | None, typer.Option(help="What to call the mapping; CONNECTION-FORM by default.")] = None,
    config: ConfigPath = "connector.yaml",
) -> None:
    """Write a first mapping from the questions a form really has; a file that is there is never overwritten."""
    loaded, clock = load_config(config), running_clock()
    called = name or f"{connection}-{form}"
    if Path(called).name != called:
        raise typer.BadParameter("expected a name, not a path", param_hint="--name")
    file = Path("mappings") / "surveys" / f"{called}.yaml"
    db = open_store(loaded.config, clock).create()
    try:
        accounts = Accounts(loaded, db.clock, db, read_only=True)
        text = draft_mapping(loaded, accounts, connection, form, Path(config).parent / file, clock)
    finally:
        db.close()
    out = console()
    out.print(legible(text), markup=False)
    survey = next((name for name, each in loaded.config.surveys.items() if form in each.forms), None)
    where = f"set `surveys.{survey}.mapping` to it" if survey else "name it in a survey of the configuration"
    out.print(f"Wrote {Path(config).parent / file}: correct it, then {where}.", markup=False)


@app.command("test")
def try_out(
    samples: Samples = None,
    delivery: Annotated[
        int | None, typer.Option(min=1, max=LARGEST, help="Instead, show what becomes of this stored delivery.")
    ] = None,
    config: ConfigPath = "connector.yaml",
    as_json: AsJson = False,
) -> None:
    """Try the mappings on their samples: exit 1 where one makes something else of it than what was accepted."""
    loaded, clock = load_config(config), running_clock()
    if delivery is not None:
        found = golden.plain(map_delivery(loaded, open_store(loaded.config, clock), delivery, clock))
        if as_json:
            print_json(found)
        else:
            console().print(legible(golden.as_text(found)).rstrip(), markup=False)
        return
    trials = try_samples(loaded, _folder(samples, config), clock)
    if as_json:
        print_json([_told(trial) for trial in trials])
    else:
        _print(trials)
    wrong = sum(not (trial.is_same or trial.is_unused) for trial in trials)
    if wrong:
        raise ConnectorError(f"{wrong} of {len(trials)} differ; `connector mapping accept` records what is right")


@app.command("accept")
def accept_samples(
    names: Annotated[list[str] | None, typer.Argument(help="Samples by name; all that differ by default.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Record it; otherwise it is only shown.")] = False,
    samples: Samples = None,
    config: ConfigPath = "connector.yaml",
) -> None:
    """Record what the mappings make of their samples now as right, after showing how it differs from before."""
    trials = try_samples(load_config(config), _folder(samples, config), running_clock(), names or ())
    changed = [trial for trial in trials if not (trial.is_same or trial.is_unused)]
    _print(changed)
    unread = [trial.sample.name for trial in changed if trial.response is None]
    if unread:
        raise ConnectorError(f"{', '.join(unread)} cannot be read, so nothing was recorded")
    if changed and not yes:
        raise ConnectorError(f"nothing was recorded; say --yes to accept {len(changed)}")
    for trial in changed:
        accept(trial)
    console().print(f"{len(changed)} recorded." if changed else "All samples are as accepted.")


def _folder(samples: Path | None, config: str) -> Path:
    return Path(config).parent / "mappings" / "samples" if samples is None else samples


def _print(trials: Sequence[Trial]) -> None:
    out = console()
    for trial in trials:
        state = "same" if trial.is_same else trial.problem or ("new" if trial.is_new else "differs")
        out.print(f"{trial.sample.name}: {legible(state)}", markup=False)
        for place, before, now in trial.differences:
            out.print(f"  {place}: accepted {_value(before)}, now {_value(now)}", markup=False)
        if trial.is_new and trial.response is not None:
            text = legible(golden.as_text(golden.plain(trial.response)))
            out.print("\n".join(f"  {line}" for line in text.splitlines()), markup=False)


def _value(value: object) -> str:
    return "nothing" if value is None else legible(repr(value))


def _told(trial: Trial) -> dict[str, object]:
    return {
        "sample": trial.sample.name,
        "mapping": trial.mapping,
        "same": trial.is_same,
        "new": trial.is_new,
        "problem": trial.problem,
        "differences": [{"place": place, "accepted": one, "now": other} for place, one, other in trial.differences],
    }
