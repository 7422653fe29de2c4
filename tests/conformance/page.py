"""The tables of docs/adapters.md: what each adapter promises, and how it stands in the suites.

They are read from the suites themselves: a cell counts the tests that ask a criterion of a case. All of them pass in a
green run; what is waived fails, with its reason here, or the run is red.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from connector.adapters.registry import KINDS
from connector.domain.model.intent import Promise
from connector.testing.effect import Effect
from connector.testing.suite import CRITERIA, Cell, Suite, cells_of

FOLDER = Path(__file__).parent


def suites() -> Iterator[type[Suite]]:
    """Every suite of this folder that has cases."""
    for file in sorted(FOLDER.glob("test_*.py")):
        for found in vars(import_module(f"tests.conformance.{file.stem}")).values():
            if isinstance(found, type) and issubclass(found, Suite) and found.cases:
                yield found


def criteria() -> str:
    """What is asked."""
    lines = ["| | what must hold |", "|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {words} |" for name, words in CRITERIA.items())])


def results() -> str:
    """A section for each adapter."""
    known = list(suites())
    return "\n\n".join(_section(kind, known) for kind in KINDS)


def _section(kind: str, known: list[type[Suite]]) -> str:
    columns = [(suite, name) for suite in known for name, case in suite.cases.items() if case.page == kind]
    lines = [f"### {kind}", ""]
    writes = [(name, suite.cases[name]) for suite, name in columns if isinstance(suite.cases[name], Effect)]
    if writes:
        lines += ["| kind of write | promise | residual risk |", "|---|---|---|"]
        lines += [f"| {name} | {promised(case.promise)} | {case.promise.residual or '–'} |" for name, case in writes]
        lines.append("")
    names = [
        f"{name}" if name not in [other for _, other in columns[:at]] else f"{name} ({suite.__name__})"
        for at, (suite, name) in enumerate(columns)
    ]
    lines += ["| | " + " | ".join(names) + " |", "|---|" + "---|" * len(columns)]
    cells = {(id(suite), cell.case, cell.criterion): cell for suite in known for cell in cells_of(suite)}
    for criterion in CRITERIA:
        row = [_shown(cells.get((id(suite), name, criterion))) for suite, name in columns]
        if any(each != "–" for each in row):
            lines.append(f"| {criterion} | " + " | ".join(row) + " |")
    lacking = [
        f"- {key}: {why}" for suite in dict.fromkeys(suite for suite, _ in columns) for key, why in suite.lacks.items()
    ]
    if lacking:
        lines += ["", "Not asked:", "", *lacking]
    return "\n".join(lines)


def _shown(cell: Cell | None) -> str:
    if cell is None or not cell.tests:
        return "–"
    return f"waived: {cell.waived}" if cell.waived else f"✓ {cell.tests}"


def promised(promise: Promise) -> str:
    """A promise in words."""
    parts = []
    if promise.native:
        parts.append("a repeat is harmless")
    if promise.key_window is not None:
        parts.append(f"a key for {promise.key_window.total_seconds() / 3600:g} h")
    if promise.can_ask:
        lag = f", seen after {promise.lookup_lag.total_seconds():g} s" if promise.lookup_lag else ""
        parts.append(f"can be asked for{', and is asked for first' if promise.ask_first else ''}{lag}")
    parts.append(f"lands within {promise.settle.total_seconds():g} s")
    if promise.carries:
        parts.append(f"a create may hold {' and '.join(sorted(promise.carries))} too")
    parts.append(f"{promise.batch} a call" + ("" if promise.mixed or promise.batch == 1 else ", of one sort"))
    shapes = {
        "record": "an answer for each",
        "job": "several are a job",
        "opaque": "one answer for all, halved on error",
    }
    return "; ".join([*parts, shapes[promise.outcome]])
