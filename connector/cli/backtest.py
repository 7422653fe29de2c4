"""`connector backtest`: what a configuration would have made of everything that was recorded, beside what was made."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from connector.cli.moments import beginning
from connector.cli.output import LARGEST, ConfigPath, console, print_json, print_table
from connector.clock import running_clock
from connector.domain.model.intent import WriteKind
from connector.wiring.backtest import Report
from connector.wiring.backtest import backtest as play_again
from connector.wiring.opening import load_config

_WORDS: Final = {
    WriteKind.TICKET: "new tickets",
    WriteKind.NOTE: "notes of recoveries",
    WriteKind.TASK: "tasks",
    WriteKind.ALERT: "messages",
    WriteKind.EVENT: "events",
}
ASSUMED: Final = (
    "A recovery is closed when the one the person really had was; where they had none, after the usual time.",
    "Who somebody is and which contact they are is taken as it is known now; a ticket counts as sent at once.",
)


class Format(StrEnum):
    """How it is printed."""

    TEXT = "text"
    JSON = "json"


def backtest(
    since: Annotated[
        str | None, typer.Option(help="Count only what was decided from this day on, e.g. 2026-11-01.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, max=LARGEST, help="Look at the newest so many answers only, and no further.")
    ] = None,
    format_: Annotated[Format, typer.Option("--format", help="Tables for people, or one JSON document.")] = Format.TEXT,
    config: ConfigPath = "connector.yaml",
) -> None:
    """Play the recorded answers again under this configuration's rules, thresholds and weights; writes nothing."""
    loaded, clock = load_config(config), running_clock()
    start = None if since is None else beginning(since, loaded.config.time_zone, "--since")
    report = play_again(loaded, clock, since=start, newest=limit)
    if format_ is Format.JSON:
        print_json(_document(report))
    else:
        show(report)


def show(report: Report) -> None:
    """Print it for people."""
    out = console()
    span = "Everything" if report.since is None else f"Since {report.since:%Y-%m-%d %H:%M}Z, everything"
    out.print(f"{span} decided until {report.until:%Y-%m-%d %H:%M}Z, played again:", style="bold", markup=False)
    out.print()
    rows = [(what, f"{did:,}", f"{would:,}", _difference(would - did)) for what, did, would in _lines(report)]
    print_table("What came of it", ["", "did", "would", ""], rows)
    bands = [
        (band or "no score", f"{did:,}", f"{would:,}", _difference(would - did)) for band, did, would in _bands(report)
    ]
    if bands:
        print_table("Health scores now, persons", ["band", "did", "would", ""], bands)
    tally = report.would
    out.print(f"{tally.turned:,} answers become unhappy, {tally.calmed:,} are not unhappy any more.", markup=False)
    if tally.wordless:
        out.print(f"{tally.wordless:,} have lost their words to retention: rules about words find none.", markup=False)
    for line in ASSUMED:
        out.print(line, markup=False)


def _lines(report: Report) -> Iterator[tuple[str, int, int]]:
    did, would = report.did, report.would
    yield "answers", did.answers, would.answers
    yield "unhappy", did.unhappy, would.unhappy
    yield "recoveries opened", sum(did.opened.values()), sum(would.opened.values())
    for playbook, severity in sorted({*did.opened, *would.opened}):
        key = (playbook, severity)
        yield f"  {playbook}, {severity}", did.opened.get(key, 0), would.opened.get(key, 0)
    yield "joined by further answers", did.joined, would.joined
    if did.called_off or would.called_off:
        yield "called off, the answer changed", did.called_off, would.called_off
    for rule in sorted({*did.fired, *would.fired}):
        yield f"{rule}, on a score", did.fired.get(rule, 0), would.fired.get(rule, 0)
    for kind, words in _WORDS.items():
        yield words, did.made.get(kind, 0), would.made.get(kind, 0)
    yield "requests for them", did.requests, would.requests


def _bands(report: Report) -> Iterator[tuple[str | None, int, int]]:
    did, would = report.did.bands, report.would.bands
    for band in sorted({*did, *would}, key=lambda one: (one is None, one or "")):
        yield band, did.get(band, 0), would.get(band, 0)


def _difference(number: int) -> str:
    return f"{number:+,}" if number else ""


def _document(report: Report) -> dict[str, Any]:
    def side(one: Any) -> dict[str, Any]:
        return {
            "answers": one.answers,
            "unhappy": one.unhappy,
            "recoveries": [
                {"playbook": playbook, "severity": severity, "opened": number}
                for (playbook, severity), number in sorted(one.opened.items())
            ],
            "joined": one.joined,
            "called_off": one.called_off,
            "score_rules": dict(sorted(one.fired.items())),
            "made": {kind.value: one.made.get(kind, 0) for kind in _WORDS},
            "requests": one.requests,
            "bands": {band or "no score": number for band, number in sorted(one.bands.items(), key=str)},
        }

    return {
        "since": report.since,
        "until": report.until,
        "did": side(report.did),
        "would": side(report.would),
        "turned_unhappy": report.would.turned,
        "not_unhappy_any_more": report.would.calmed,
        "without_words": report.would.wordless,
        "assumed": list(ASSUMED),
    }
