"""A report as lines of text, for a terminal, a mail or a message."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from connector.domain.reporting.figures import Figure
from connector.domain.reporting.report import BY_SLICE, Breakdown, Report, Slice
from connector.domain.reporting.words import (
    BLANK,
    change_text,
    interval_text,
    number_text,
    target_text,
    value_text,
)

WIDEST: Final = 28
"""Characters of a slice's name in a table."""
_SHORT: Final = {
    "csat": "CSAT", "share_satisfied": "satisfied", "nps": "NPS", "ces": "CES", "unhappy": "unhappy",
    "first_touch": "first touch", "steps_in_time": "in time", "recovery_rate": "won back",
}  # fmt: skip
_COLUMNS: Final = 6
"""Of the table of all figures."""
_SHOWN: Final = 10
"""Causes and themes in a list."""


def report_text(report: Report) -> str:
    """The whole report, a line each; no line break at its end."""
    return "\n".join(line.rstrip() for line in _lines(report))


def heading(report: Report) -> str:
    """`2026-11 (1 Nov 2026 to 30 Nov 2026), service brakes`."""
    narrowed = "".join(f", {name} {value}" for name, value in report.where.items())
    return f"{report.period.text}{narrowed}"


def counted_text(report: Report) -> str:
    """How much the figures rest on."""
    few = f"fewer than {report.minimum}"
    answers = few if report.answers is None else f"{report.answers}"
    recoveries = few if report.recoveries is None else f"{report.recoveries}"
    return f"{answers} answers, {recoveries} recoveries opened"


def _lines(report: Report) -> Iterator[str]:
    yield heading(report)
    yield f"{counted_text(report)}; days of {report.zone}"
    yield ""
    yield from _aligned(_figures(report))
    for breakdown in report.breakdowns:
        if breakdown.slices:
            yield ""
            yield f"By {breakdown.by}"
            yield from _aligned(_slices(breakdown))
    for title, ranked in (("Root causes", report.causes), ("What comments are about", report.themes)):
        if ranked:
            yield ""
            yield title
            yield from _aligned([[name, str(number)] for name, number in ranked[:_SHOWN]])
    yield ""
    yield f"Nothing is said about fewer than {report.minimum}. In brackets: what holds the truth 19 times in 20."


def _figures(report: Report) -> list[Sequence[str]]:
    then = report.baseline_period
    rows: list[Sequence[str]] = [["", "", "", "of", "target", "" if then is None else f"against {then.short}"]]
    for each in report.figures:
        interval = interval_text(each)
        rows.append(
            [
                each.label,
                value_text(each),
                interval and f"[{interval}]",
                str(each.n) if each.n else "",
                target_text(each, report.targets.get(each.id)),
                change_text(each, report.before(each)),
            ]
        )
    return rows


def columns_of(breakdown: Breakdown) -> list[str]:
    """The ids of the figures a table of slices has a column for: those that any slice has."""
    known = {each.id for one in breakdown.slices for each in one.figures if each.value is not None}
    return [name for name in BY_SLICE if name in known]


def column_title(name: str) -> str:
    """What stands above a column of slices."""
    return _SHORT[name]


def figure_of(one: Slice, name: str) -> Figure | None:
    """A slice's figure by id."""
    return next((each for each in one.figures if each.id == name), None)


def _slices(breakdown: Breakdown) -> list[Sequence[str]]:
    names = columns_of(breakdown)
    rows: list[Sequence[str]] = [["", "answers", *map(column_title, names)]]
    for one in breakdown.slices:
        cells = [figure_of(one, name) for name in names]
        shown = [BLANK if each is None or each.value is None else number_text(each.value, each.unit) for each in cells]
        name = one.name if len(one.name) <= WIDEST else one.name[: WIDEST - 1] + "…"
        rows.append([name, str(one.answers), *shown])
    return rows


def _aligned(rows: Sequence[Sequence[str]], *, lefts: int = 1) -> Iterator[str]:
    """Columns side by side, the first `lefts` of them to the left; a cell before empty ones may use their room."""
    wide = [max(len(row[place]) for row in rows if not _spreads(row, place)) for place in range(len(rows[0]))]
    for row in rows:
        cells, room = [], 0
        for place, cell in enumerate(row):
            if place and not cell and _spreads(row, place - 1):
                continue
            room = wide[place]
            if _spreads(row, place):
                room = sum(wide[place : place + 3]) + 4
            cells.append(cell.ljust(room) if place < lefts else cell.rjust(room))
        yield "  " + "  ".join(cells)


def _spreads(row: Sequence[str], place: int) -> bool:
    """Whether a cell says in words why there is no figure: it reaches over the interval and the number."""
    return place == 1 and len(row) == _COLUMNS and bool(row[1]) and not row[2] and not row[3]
