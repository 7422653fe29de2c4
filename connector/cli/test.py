"""`connector test`: the tests users write for their rules and thresholds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from connector.cli.output import AsJson, ConfigPath, console, print_json
from connector.config.rule_tests import read_tests
from connector.domain.model.intent import Json
from connector.errors import ConnectorError
from connector.wiring.opening import load_config
from connector.wiring.rule_tests import Outcome, run_tests


def try_out(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Files of tests; all of mappings/tests beside the configuration.")
    ] = None,
    config: ConfigPath = "connector.yaml",
    as_json: AsJson = False,
) -> None:
    """Try rules and thresholds on answers: exit 1 where one leads to something else than expected. Calls nobody."""
    loaded = load_config(config)
    outcomes = list(run_tests(loaded, read_tests(files or _beside(config), loaded)))
    failed = sum(not one.passed for one in outcomes)
    if as_json:
        print_json([_told(one) for one in outcomes])
    else:
        _print(outcomes)
    if failed:
        raise ConnectorError(f"{failed} of {len(outcomes)} failed")
    if not as_json:
        console().print(f"{len(outcomes)} passed.")


def _beside(config: str) -> list[Path]:
    folder = Path(config).parent / "mappings" / "tests"
    files = sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])
    if not files:
        raise ConnectorError(f"there are no tests in {folder}: put a file there, or name one")
    return files


def _print(outcomes: Sequence[Outcome]) -> None:
    out = console()
    for one in outcomes:
        out.print(f"{'passed' if one.passed else 'FAILED'}  {one.name}", markup=False)
        if one.passed:
            continue
        out.print(f"  {one.place}", markup=False)
        if one.problem is not None:
            out.print(f"  could not be decided: {one.problem}", markup=False)
        for name, wanted, found in one.differences:
            out.print(f"  {name}: expected {_value(wanted)}, found {_value(found)}", markup=False)


def _value(value: Json) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False)


def _told(one: Outcome) -> dict[str, object]:
    return {
        "test": one.name,
        "place": one.place,
        "passed": one.passed,
        "problem": one.problem,
        "differences": [{"field": name, "expected": wanted, "found": found} for name, wanted, found in one.differences],
    }
