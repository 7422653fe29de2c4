"""`connector report`: how satisfied customers were, and what was done for those who were not, in figures."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from connector.cli.output import ConfigPath, console, legible
from connector.clock import running_clock
from connector.config.reporting import OURS
from connector.domain.model.nearest import nearest
from connector.domain.reporting.document import report_document
from connector.domain.reporting.page import report_html
from connector.domain.reporting.period import Period, parse
from connector.domain.reporting.report import Report
from connector.domain.reporting.sheet import report_csv
from connector.domain.reporting.texts import report_text
from connector.observe import dumps
from connector.store import tallies
from connector.store.transaction import Transaction
from connector.sync.reporting import Asked, count
from connector.sync.settings import DecideSettings
from connector.wiring.opening import load_config, open_store
from connector.wiring.settings import settings_at_rest


class Format(StrEnum):
    """The forms of a report."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"
    HTML = "html"


def report(
    period: Annotated[
        str,
        typer.Option(help="month, last-week, 2026, 2026-Q1, 2026-11, 2026-W48, 2026-11-02; so far, where it goes on."),
    ] = "month",
    since: Annotated[str | None, typer.Option("--from", help="The first day, e.g. 2026-11-02; instead.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="With --from: the last day; today without.")] = None,
    by: Annotated[list[str] | None, typer.Option(help="Break it down by this segment; repeatable.")] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="SEGMENT=VALUE: only answers of this slice; repeatable.")
    ] = None,
    baseline: Annotated[str | None, typer.Option(help="Compare with this period instead of `report.baseline`.")] = None,
    form: Annotated[Format, typer.Option("--format", help="How it is written.")] = Format.TEXT,
    out: Annotated[Path | None, typer.Option(help="Write it to this file.", dir_okay=False)] = None,
    config: ConfigPath = "connector.yaml",
) -> None:
    """Say how satisfied customers were and what was done for those who were not; nothing about small groups."""
    loaded, clock = load_config(config), running_clock()
    settings = settings_at_rest(loaded, clock)
    segments = list(dict.fromkeys([*OURS, *loaded.config.segments]))
    with open_store(loaded.config, clock).read() as tx:
        today = tx.now.astimezone(settings.time_zone).date()
        span = f"{since}/{until or today}" if since else period
        if until and not since:
            raise typer.BadParameter("it needs --from", param_hint="--to")
        chosen = Asked(
            period=_period(span, tx, settings, "--from" if since else "--period"),
            by=[_segment(each, segments, "--by") for each in by or settings.figures.by],
            where=dict(_where(tx, each, segments) for each in where or ()),
            baseline=_period(baseline, tx, settings, "--baseline") if baseline else settings.figures.baseline,
        )
        found = count(tx, settings, chosen)
    _write(_written(found, form), out)


def _period(text: str, tx: Transaction, settings: DecideSettings, option: str) -> Period:
    try:
        return parse(text, tx.now.astimezone(settings.time_zone).date())
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def _segment(name: str, known: Sequence[str], option: str) -> str:
    if name not in known:
        raise typer.BadParameter(f"there is no segment {name!r}{_meant(name, known)}", param_hint=option)
    return name


def _where(tx: Transaction, given: str, known: Sequence[str]) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not (equals and name.strip() and value.strip()):
        raise typer.BadParameter(f"expected SEGMENT=VALUE, not {given!r}", param_hint="--where")
    segment, wanted = _segment(name.strip(), known, "--where"), value.strip()
    there = tallies.values(tx, segment)
    if wanted not in there:
        raise typer.BadParameter(f"no answer has the {segment} {wanted!r}{_meant(wanted, there)}", param_hint="--where")
    return segment, wanted


def _meant(name: str, known: Sequence[str]) -> str:
    found = nearest(name, known)
    return "" if found is None else f" (did you mean {found!r}?)"


def _written(report: Report, form: Format) -> str:
    if form is Format.JSON:
        return dumps(report_document(report), indent=2) + "\n"
    if form is Format.CSV:
        return report_csv(report)
    return report_html(report) if form is Format.HTML else legible(report_text(report)) + "\n"


def _write(text: str, out: Path | None) -> None:
    if out is None:
        typer.echo(text, nl=False)
        return
    out.write_text(text, encoding="utf-8", newline="")
    console().print(f"Written to {out}.", markup=False)
