"""`connector explain`: the story of one answer, in words a success manager understands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from connector.cli.output import AsJson, ConfigPath, console, print_json
from connector.clock import running_clock
from connector.errors import ConnectorError
from connector.store import responses
from connector.sync.explain import Story, story
from connector.wiring.opening import load_config, open_store
from connector.wiring.settings import settings_at_rest


def explain(
    answer: Annotated[str, typer.Argument(help="The answer's id in the survey tool, or its whole key.")],
    config: ConfigPath = "connector.yaml",
    as_json: AsJson = False,
) -> None:
    """Say what an answer was, who gave it, what was decided and why, and what became of every write."""
    loaded, clock = load_config(config), running_clock()
    settings = settings_at_rest(loaded, clock)
    with open_store(loaded.config, clock).read() as tx:
        keys = responses.keys_like(tx, answer)
        if len(keys) != 1:
            raise ConnectorError(_which(answer, keys))
        told = story(tx, keys[0], settings)
    if told is None:
        raise ConnectorError(f"{answer} was erased, or retention took it: nothing is left to explain")
    if as_json:
        print_json(asdict(told))
    else:
        _print(told)


def _which(answer: str, keys: Sequence[str]) -> str:
    if not keys:
        return f"there is no answer {answer}; `connector replay --list` shows deliveries that could not be read"
    return f"{answer} could be any of these, name one of them whole: {', '.join(keys)}"


def _print(told: Story) -> None:
    out = console()
    out.print(f"{told.key}: {told.state}", style="bold", markup=False)
    sections = {
        "The answer": told.answer,
        "Who it is": told.identity,
        "Health score": told.score,
        "Rules": told.rules,
        "Recovery": told.recovery,
    }
    for title, lines in sections.items():
        out.print(f"\n{title}", style="bold", markup=False)
        for line in lines or ("nothing",):
            out.print(f"  {line}", markup=False)
    out.print("\nWhat was written", style="bold", markup=False)
    for one in told.writes:
        known = f" {one.remote_id}" if one.remote_id else ""
        out.print(f"  {one.what} in {one.where}: {one.state}{known}", markup=False)
        if one.link or one.reason:
            out.print(f"    {one.link or one.reason}", markup=False)
