"""A report as rows for a spreadsheet: one figure a row, CSV as RFC 4180 has it."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from io import StringIO
from typing import Final

from connector.domain.reporting.figures import Figure
from connector.domain.reporting.period import Period
from connector.domain.reporting.report import Report

HEADINGS: Final = (
    "period", "from", "to", "segment", "slice", "figure", "unit", "value", "low", "high", "n", "target", "why",
)  # fmt: skip
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def report_csv(report: Report) -> str:
    """Every figure of the period, its parts, its slices and its baseline. A figure that is not known has no value.

    Slices are named by customers' forms: what a spreadsheet would take for a formula gets an apostrophe in front.
    """
    page = StringIO()
    sheet = csv.writer(page, lineterminator="\r\n")
    sheet.writerow(HEADINGS)
    for row in _rows(report):
        sheet.writerow([harmless(cell) if isinstance(cell, str) else cell for cell in row])
    return page.getvalue()


def harmless(text: str) -> str:
    """A text no spreadsheet computes: what looks like the beginning of a formula is quoted (OWASP, CSV injection)."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _rows(report: Report) -> Iterator[Sequence[object]]:
    for each in report.figures:
        yield _row(report.period, "", "", each, report.targets.get(each.id))
    for breakdown in report.breakdowns:
        for one in breakdown.slices:
            for each in one.figures:
                yield _row(report.period, breakdown.by, one.name, each)
    for point in report.line:
        for each in point.figures:
            yield _row(point.period, "", "", each)
    if report.baseline_period is not None:
        for each in report.baseline:
            yield _row(report.baseline_period, "", "", each)


def _row(period: Period, by: str, name: str, figure: Figure, target: float | None = None) -> Sequence[object]:
    values = [figure.value, figure.low, figure.high, figure.n, target]
    told = ["" if each is None else round(each, 6) if isinstance(each, float) else each for each in values]
    known = [period.name, period.first.isoformat(), period.last.isoformat(), by, name, figure.id, figure.unit.value]
    return [*known, *told, figure.why or ""]
