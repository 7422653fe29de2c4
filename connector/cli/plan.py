"""`connector plan`: what going live would write, field by field, before anything is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Annotated, Final

import typer

from connector.cli.output import LARGEST, AsJson, ConfigPath, console, legible, print_json, print_pairs, print_table
from connector.clock import running_clock
from connector.domain.model.intent import Json, WriteKind
from connector.domain.recovery.text import one_line
from connector.sync.explain import KINDS
from connector.sync.preview import Change, Known, PlannedWrite
from connector.wiring.opening import load_config
from connector.wiring.preview import AccountPlan, Budget, Plan, make_plan

_WIDE: Final = 60
"""Characters of a value that are shown; `--json` has all of them."""
_STATES: Final = {
    "superseded": "not needed",
    "given_up": "too old",
    "held": "held",
    "blocked": "waits",
    "rejected": "refused",
    "planned": "later",
}


def plan(
    config: ConfigPath = "connector.yaml",
    limit: Annotated[int, typer.Option(min=0, max=LARGEST, help="Show so many records of each sort.")] = 3,
    account: Annotated[str | None, typer.Option(help="Only those of this account, e.g. zendesk:acme.")] = None,
    kind: Annotated[WriteKind | None, typer.Option(help="Only those of this sort.")] = None,
    answer: Annotated[str | None, typer.Option(help="Only those of this answer, by its id or whole key.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a live run would write now, with every difference; writes nothing, here or elsewhere, calls nobody."""
    whole = make_plan(load_config(config), running_clock())
    shown = replace(
        whole,
        writes=tuple(one for one in whole.writes if _wanted(one.account, one.kind, one.answers, account, kind, answer)),
        not_sent=tuple(
            one
            for one in whole.not_sent
            if _wanted(one.account, one.kind, () if one.answer is None else (one.answer,), account, kind, answer)
        ),
    )
    if as_json:
        print_json(asdict(shown))
        return
    _print_totals(whole)
    _print_accounts(whole.accounts)
    _print_writes(shown.writes, limit)
    _print_not_sent(shown)
    _print_unknown(whole)


def _wanted(
    account: str,
    kind: WriteKind,
    answers: Sequence[str],
    only_account: str | None,
    only_kind: WriteKind | None,
    only_answer: str | None,
) -> bool:
    by_answer = only_answer is None or any(only_answer in {key, key.rpartition("/")[2]} for key in answers)
    return only_account in {None, account} and only_kind in {None, kind} and by_answer


def _print_totals(whole: Plan) -> None:
    requests = sum(one.requests for one in whole.accounts)
    others = sum(one.looks + one.reads for one in whole.accounts)
    out = console()
    out.print(
        f"If this ran live from {whole.at:%Y-%m-%d %H:%M}Z until {whole.until:%H:%M}Z (it is {whole.mode} now):",
        style="bold",
        markup=False,
    )
    written = f"{_count(len(whole.writes), 'record')} would be written, in at most {_count(requests, 'request')}"
    out.print(f"  {written} and {_count(others, 'look-up')} before them.", markup=False)
    if whole.not_sent:
        out.print(f"  {_count(len(whole.not_sent), 'planned record')} would not be sent.", markup=False)
    if whole.waiting:
        out.print(f"  It rests on {_count(whole.waiting, 'answer')} nobody has decided yet, too.", markup=False)
    if whole.unreadable:
        out.print(f"  {whole.unreadable} of those cannot be read or decided: run, then `connector replay --list`.")
    out.print()


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _print_accounts(accounts: Sequence[AccountPlan]) -> None:
    rows = [
        (
            one.account + _trouble(one),
            "\n".join(f"{number} × {KINDS[WriteKind(kind)]}" for kind, number in sorted(one.records.items()))
            or "nothing",
            one.requests,
            one.looks + one.reads,
            "\n".join(_budget(each) for each in one.budgets),
        )
        for one in accounts
    ]
    print_table("Where to", ["account", "records", "requests", "look-ups", "of the quota"], rows)


def _trouble(one: AccountPlan) -> str:
    if one.left_alone:
        return "\npaused by an operator: nothing is written until `connector resume`"
    return f"\nrefuses us now, here as if it did not: {legible(one.paused)}" if one.paused else ""


def _budget(one: Budget) -> str:
    if one.remaining is None:
        return f"{one.calls} {one.endpoint_class}: not read yet"
    left = f"{one.calls} {one.endpoint_class} of {one.remaining} left"
    return f"{left} ({100 * one.calls / one.remaining:.1f} %)" if one.remaining else left


def _print_writes(writes: Sequence[PlannedWrite], limit: int) -> None:
    out = console()
    groups: dict[tuple[str, WriteKind], list[PlannedWrite]] = {}
    for one in writes:
        groups.setdefault((one.account, one.kind), []).append(one)
    for (account, kind), records in groups.items():
        out.print(f"\n{account}: {len(records)} × {KINDS[kind]}", style="bold", markup=False)
        for one in records[:limit]:
            for line in _lines(one):
                out.print(f"  {line}", markup=False)
        if len(records) > limit:
            out.print(f"  … and {len(records) - limit} more: --limit, or --json", markup=False)


def _lines(one: PlannedWrite) -> Iterator[str]:
    where = f"on {one.remote_id}" if one.remote_id else "on a record that is made before" if one.target else "new"
    yield f"{where}, because of {', '.join(one.answers) or 'what is known by then'}"
    for change in one.changes:
        yield f"  {change.field}: {_difference(change)}"
    for name, why in sorted(one.left_alone.items()):
        yield f"  {name}: left alone, {why}"
    for reason in one.unsure:
        yield f"  ? {reason}"


def _difference(change: Change) -> str:
    value = _value(change.value)
    if change.known in {Known.NEW, Known.ADDED}:
        return value if change.known is Known.NEW else f"+ {value}"
    if change.known is Known.UNKNOWN:
        return f"unknown → {value}"
    if change.before == change.value:
        return f"{value}, as before: written once more"
    whose = " (a person set it)" if change.known is Known.THEIRS else ""
    return f"{_value(change.before)}{whose} → {value}"


def _value(value: Json) -> str:
    if value is None or value == "":
        return "nothing"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return legible(one_line(text, _WIDE))


def _print_not_sent(shown: Plan) -> None:
    groups = Counter(
        (one.account, KINDS[one.kind], _STATES.get(one.state.value, "under way"), one.why) for one in shown.not_sent
    )
    rows = [
        (account, number, what, f"{state}: {legible(why)}")
        for (account, what, state, why), number in sorted(groups.items())
    ]
    if rows:
        console().print()
        print_table("Not sent", ["account", "records", "what", "why"], rows)


def _print_unknown(whole: Plan) -> None:
    unsure = Counter(reason for one in whole.writes for reason in one.unsure)
    print_pairs("What cannot be previewed", {reason: _count(number, "record") for reason, number in unsure.items()})
    out = console()
    for line in whole.unknowable:
        out.print(f"  {line}", markup=False)
