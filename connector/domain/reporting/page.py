"""A report as one HTML page that needs nothing else: no script, no font, no image, nothing from any other place.

Names of slices come from customers' forms: every text is escaped, none becomes markup.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from connector.domain.reporting.charts import Mark, bar_chart, line_chart, range_of
from connector.domain.reporting.figures import Figure, Unit
from connector.domain.reporting.report import Breakdown, Report
from connector.domain.reporting.style import STYLE
from connector.domain.reporting.texts import column_title, columns_of, counted_text, figure_of, heading
from connector.domain.reporting.words import BLANK, change_text, interval_text, number_text, target_text, value_text

_OVER_TIME: Final = ("csat", "share_satisfied", "nps", "ces", "unhappy")
_CARDS: Final = ("csat", "share_satisfied", "nps", "ces", "first_touch", "recovery_rate")
_AS_BARS: Final = ("share_satisfied", "nps", "csat")
_LANDSCAPE: Final = 2


def report_html(report: Report) -> str:
    """The page."""
    title = escape(f"Customer satisfaction, {heading(report)}")
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    safe = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head>{head}{safe}<title>{title}</title><style>{STYLE}</style></head>\n'
        f"<body><main>\n{''.join(_sections(report))}</main></body></html>\n"
    )


def _sections(report: Report) -> Iterator[str]:
    then = report.baseline_period
    compared = "" if then is None else f" Compared with {escape(then.text)}."
    yield f"<header><h1>Customer satisfaction</h1><p class='lead'>{escape(heading(report))}</p>"
    yield f"<p>{escape(counted_text(report))}.{compared}</p></header>\n"
    yield f"<div class='cards'>{''.join(_cards(report))}</div>\n"
    yield from _over_time(report)
    headings, rows = _all_figures(report)
    yield f"<section><h2>All figures</h2>{_table_of(headings, rows)}</section>\n"
    for breakdown in report.breakdowns:
        if breakdown.slices:
            yield _breakdown(breakdown, report)
    for heading_, ranked in (("Root causes", report.causes), ("What comments are about", report.themes)):
        if ranked:
            rows = [[escape(name), str(number)] for name, number in ranked]
            yield f"<section><h2>{heading_}</h2>{_table(['', 'how often'], rows)}</section>\n"
    yield _notes(report)


def _cards(report: Report) -> Iterator[str]:
    for name in _CARDS:
        figure = next((each for each in report.figures if each.id == name), None)
        if figure is None:
            continue
        target = report.targets.get(name)
        reached = None if target is None else figure.reaches(target)
        state = {None: "", True: " good", False: " bad"}[reached]
        value = BLANK if figure.value is None else number_text(figure.value, figure.unit)
        below = [interval_text(figure), figure.why or "", _target(figure, target), _change(report, figure)]
        said = "".join(f"<span>{escape(each)}</span>" for each in below if each)
        yield f"<div class='card{state}'><h3>{escape(figure.label)}</h3><b>{escape(value)}</b><p>{said}</p></div>"


def _target(figure: Figure, target: float | None) -> str:
    said = target_text(figure, target)
    return said and f"target {said}"


def _change(report: Report, figure: Figure) -> str:
    change = change_text(figure, report.before(figure))
    return change and f"{change} against {report.baseline_period.short if report.baseline_period else ''}"


def _over_time(report: Report) -> Iterator[str]:
    known = [each for each in report.figures if each.id in _OVER_TIME and each.value is not None]
    if len(report.line) < _LANDSCAPE or not known:
        return
    charts = []
    for each in known:
        marks = [Mark(name=point.period.name, figure=_of(point.figures, each.id)) for point in report.line]
        ends = range_of(each.unit, each.scale)
        chart = line_chart(f"{each.label} over time", marks, ends, each.unit, report.targets.get(each.id))
        charts.append(f"<figure><figcaption>{escape(each.label)}</figcaption>{chart}</figure>")
    headings = ["", "answers", *(escape(each.label) for each in known)]
    rows = [
        [
            escape(point.period.name),
            f"&lt; {report.minimum}" if point.answers is None else str(point.answers),
            *(_cell(_of(point.figures, each.id)) for each in known),
        ]
        for point in report.line
    ]
    table = f"<details><summary>The same as a table</summary>{_table(headings, rows)}</details>"
    yield f"<section><h2>Over time</h2><div class='charts'>{''.join(charts)}</div>{table}</section>\n"


def _of(figures: Sequence[Figure], name: str) -> Figure | None:
    return next((each for each in figures if each.id == name), None)


def _cell(figure: Figure | None) -> str:
    return BLANK if figure is None or figure.value is None else escape(number_text(figure.value, figure.unit))


def _all_figures(report: Report) -> tuple[list[str], list[list[str]]]:
    then = report.baseline_period
    headings = ["", "", "95 % interval", "of", "target"]
    if then is not None:
        headings += [escape(then.short), "change"]
    rows = []
    for each in report.figures:
        before = report.before(each)
        known = [value_text(each), interval_text(each), str(each.n or "")]
        cells = [f"<td>{escape(cell)}</td>" for cell in known]
        if each.value is None:
            cells = [f"<td colspan='3' class='why'>{escape(value_text(each))}</td>"]
        rest = [target_text(each, report.targets.get(each.id))]
        if then is not None:
            rest += [_cell(before), change_text(each, before)]
        rows.append([escape(each.label), "".join([*cells, *(f"<td>{escape(cell)}</td>" for cell in rest)])])
    return headings, rows


def _breakdown(breakdown: Breakdown, report: Report) -> str:
    names = columns_of(breakdown)
    headings = ["", "answers", *(escape(column_title(name)) for name in names)]
    rows = [
        [escape(one.name), str(one.answers), *(_cell(figure_of(one, name)) for name in names)]
        for one in breakdown.slices
    ]
    chart = ""
    shown = next((name for name in _AS_BARS if name in names), None)
    if shown is not None:
        marks = [Mark(name=one.name, figure=figure_of(one, shown)) for one in breakdown.slices]
        like = next(mark.figure for mark in marks if mark.figure is not None)
        unit: Unit = like.unit
        title = f"{column_title(shown)} by {breakdown.by}"
        bars = bar_chart(title, marks, range_of(unit, like.scale), unit, report.targets.get(shown))
        chart = f"<figure class='bars'><figcaption>{escape(like.label)}</figcaption>{bars}</figure>"
    return f"<section><h2>By {escape(breakdown.by)}</h2>{chart}{_table(headings, rows)}</section>\n"


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are escaped already; the first column names the row."""
    return _table_of(headings, [[row[0], "".join(f"<td>{cell}</td>" for cell in row[1:])] for row in rows])


def _table_of(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of rows: what it is called, and its cells as they are."""
    head = "".join(f"<th scope='col'>{each}</th>" for each in headings)
    body = "".join(f"<tr><th scope='row'>{name}</th>{cells}</tr>" for name, cells in rows)
    return f"<div class='wide'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _notes(report: Report) -> str:
    return (
        f"<footer><p>Nothing is said about fewer than {report.minimum}: it would be about somebody. Small slices are "
        "added up as “others”. An interval, the band or thin line of a chart, holds the truth 19 times in 20: where "
        "two overlap widely, they may well be the same.</p>"
        f"<p>Days of {escape(report.zone)}. Made {report.made_at:%Y-%m-%d %H:%M} UTC by CSAT Connector.</p></footer>\n"
    )
