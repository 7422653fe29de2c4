"""`connector config`: the configuration as it is in effect, and the shape of its file for editors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from connector.adapters.registry import kinds
from connector.cli.output import AsJson, ConfigPath, console, legible, print_json
from connector.config import redacted
from connector.config.schema import json_schema, schema_text
from connector.wiring.opening import load_config

SCHEMA: Final = "connector.schema.json"
"""What `connector init` calls the schema it puts beside the configuration."""

app = typer.Typer(help="The configuration as it is in effect, and the shape of its file.", no_args_is_help=True)


@app.command("show")
def show(config: ConfigPath = "connector.yaml", as_json: AsJson = False) -> None:
    """Show every setting in effect, defaults included, and which came from the environment; secrets are hidden."""
    loaded = load_config(config)
    settings = redacted(loaded.config)
    if as_json:
        print_json(
            {"settings": settings, "overridden": dict(loaded.overridden), "filled": dict(loaded.filled)},
        )
        return
    out = console()
    for place, value in _leaves(settings):
        out.print(f"{place}: {legible(value)}{_origin(place, loaded.overridden, loaded.filled)}", markup=False)


@app.command("schema")
def schema(
    out: Annotated[Path | None, typer.Option(help="Write it to this file instead of printing it.")] = None,
) -> None:
    """Print the JSON Schema of the configuration file, every kind of connection included, for editors."""
    if out is None:
        print_json(json_schema(kinds()))
        return
    out.write_text(schema_text(kinds()), encoding="utf-8")
    console().print(
        f"Wrote {out}. Editors with a YAML language server read it when the file begins with\n"
        f"# yaml-language-server: $schema={out}",
        markup=False,
    )


def _leaves(tree: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Each setting with its place; an empty group is its own value."""
    if isinstance(tree, dict) and tree:
        for key, value in tree.items():
            yield from _leaves(value, f"{place}.{key}" if place else str(key))
    elif isinstance(tree, list) and tree:
        for number, value in enumerate(tree):
            yield from _leaves(value, f"{place}.{number}")
    else:
        yield place, str(tree) if tree not in ({}, [], "") else "nothing"


def _origin(place: str, overridden: Mapping[str, str], filled: Mapping[str, str]) -> str:
    """Which variable a setting came from, also when it was given as a whole list or group."""
    for begin in _upwards(place):
        if begin in overridden:
            return f"   (from {overridden[begin]}, against the file)"
        if begin in filled:
            return f"   (from {filled[begin]})"
    return ""


def _upwards(place: str) -> Iterator[str]:
    while place:
        yield place
        place = place.rpartition(".")[0]
