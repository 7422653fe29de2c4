"""`connector undo`: take back what a run wrote."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Annotated

import typer

from connector.cli.output import LARGEST, AsJson, ConfigPath, console, print_json, print_pairs, print_table
from connector.clock import running_clock
from connector.domain.model.intent import FINAL_STATES
from connector.errors import ConnectorError
from connector.store import intents, runs, undoings
from connector.store.database import Transaction
from connector.store.runs import Run
from connector.sync.undoing import Step, Undo, What
from connector.wiring.lanes import retractable
from connector.wiring.opening import load_config, open_store
from connector.wiring.settings import adapters_at_rest

MOST = 50
"""Lines about what is left as it is."""


def undo(
    run: Annotated[int | None, typer.Argument(min=1, max=LARGEST, help="The run, by number.")] = None,
    show: Annotated[bool, typer.Option("--list", help="Only show the runs there were.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")] = False,
    config: ConfigPath = "connector.yaml",
    as_json: AsJson = False,
) -> None:
    """Take back what a run wrote; the daemon does it. Said again it does nothing twice and shows how far it is."""
    loaded = load_config(config)
    clock = running_clock()
    db = open_store(loaded.config, clock)
    if show or run is None:
        with db.read() as tx:
            listed = runs.listed(tx)
        _list(listed, as_json=as_json)
        if run is None and not show and not as_json and listed:
            raise ConnectorError("name the run to take back")
        return
    known = retractable(adapters_at_rest(loaded, clock))
    with db.read() as tx:
        report = _report(tx, runs.get(tx, run), Undo(run_id=run, retractable=known))
    if not dry_run:
        with db.write() as tx:
            undoings.ask(tx, run)
    _show(report, dry_run=dry_run, as_json=as_json)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Report:
    """What there is to undo, and how far it is. `done`: states of the intents that undo it, with their reasons."""

    run: Run
    called_off: int
    under_way: int
    answers: int
    steps: Counter[tuple[What, str]]
    left: list[Step]
    done: Counter[tuple[str, str]]

    @property
    def over(self) -> bool:
        """It was asked for before, and nothing of it is to be done or under way."""
        waits = (
            self.called_off or self.under_way or self.answers or any(what is not What.LEAVE for what, _ in self.steps)
        )
        final = {state.value for state in FINAL_STATES}
        return self.run.undone_at is not None and not waits and all(state in final for state, _ in self.done)


def _report(tx: Transaction, run: Run, undo: Undo) -> _Report:
    steps: Counter[tuple[What, str]] = Counter()
    left: list[Step] = []
    done: Counter[tuple[str, str]] = Counter()
    for step in undo.steps(tx):
        row = None if step.intent is None else intents.by_key(tx, step.intent.key)
        if row is not None:
            done[row.state.value, row.reason or ""] += 1
            continue
        steps[step.what, step.account] += 1
        if step.what is What.LEAVE and len(left) < MOST:
            left.append(step)
    return _Report(
        run=run,
        called_off=len(undoings.unsent(tx, run.id)),
        under_way=undoings.under_way(tx, run.id),
        answers=undoings.how_many_decided(tx, run.id),
        steps=steps,
        left=left,
        done=done,
    )


def _list(listed: list[Run], *, as_json: bool) -> None:
    names = ("id", "kind", "mode", "began_at", "ended_at", "undone_at")
    if as_json:
        print_json([{name: getattr(one, name) for name in names} for one in listed])
    elif not listed:
        console().print("There was no run yet.")
    else:
        rows = [tuple(getattr(one, name) for name in names) for one in listed]
        print_table("Runs", ["run", "begun by", "mode", "began", "ended", "undone"], rows)


def _show(report: _Report, *, dry_run: bool, as_json: bool) -> None:
    counts: dict[str, int] = {
        "answers that stop counting": report.answers,
        "writes called off": report.called_off,
        "writes to settle first": report.under_way,
        **{f"{what.value}, {account}": number for (what, account), number in sorted(report.steps.items())},
    }
    done = {
        f"{state}: {reason}" if reason else state: number for (state, reason), number in sorted(report.done.items())
    }
    if as_json:
        left = [
            {"account": one.account, "object": one.object, "fields": one.fields, "why": one.why} for one in report.left
        ]
        print_json({"run": report.run.id, "dry_run": dry_run, "to_do": counts, "planned": done, "left": left})
        return
    out = console()
    print_pairs(f"Run {report.run.id}, to undo", counts)
    if done:
        print_pairs("Undone so far, by state", done)
    if report.left:
        rows = [(one.object.removesuffix(f"@{one.account}"), ", ".join(one.fields), one.why) for one in report.left]
        out.print()
        print_table("Left as it is", ["what", "fields", "why"], rows)
    else:
        out.print()
    if not any(counts.values()) and not done:
        out.print("What is written belongs to the run that planned it, whichever sent it: `connector undo --list`.")
    if dry_run:
        out.print("Nothing was changed.")
        return
    if report.over:
        out.print("Everything that could be undone was.")
    else:
        out.print("The daemon undoes it; say the same again to see how far it is.")
    if report.run.ended_at is None:
        out.print("This run still goes on: correct the configuration first, or what comes in next is decided alike.")
