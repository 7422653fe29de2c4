"""Small charts as SVG, drawn by hand: a line over time, and bars with the interval each figure lies in.

Colours come from the page's own style by class, so that they follow it into print. Everything a chart shows stands in a
table beside it, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from connector.domain.reporting.figures import Figure, Unit
from connector.domain.reporting.words import number_text

WIDTH: Final = 640
HEIGHT: Final = 220
_LEFT: Final = 64
_RIGHT: Final = 16
_TOP: Final = 14
_BOTTOM: Final = 30
_STEPS: Final = 4
"""Lines across a chart, besides the lowest."""
_LABELS: Final = 8
"""Dates below it, at most."""
ROW: Final = 46
"""Height of a bar with its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A point of a line, or a bar: its name and what it stands for; `figure` None leaves a gap."""

    name: str
    figure: Figure | None


def range_of(unit: Unit, scale: tuple[float, float] | None) -> tuple[float, float]:
    """The lowest and highest value of a chart: always the whole scale, so that small changes look small."""
    if scale is not None:
        return scale
    return (-100.0, 100.0) if unit is Unit.NET else (0.0, 1.0)


def line_chart(title: str, marks: Sequence[Mark], ends: tuple[float, float], unit: Unit, target: float | None) -> str:
    """The figure over time, with its interval as a band and the target as a dashed line."""
    parts = [*_grid(ends, unit), *_dates(marks)]
    if target is not None and ends[0] <= target <= ends[1]:
        y = _y(target, ends)
        parts.append(f'<line class="target" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="target-name" x="{_LEFT + 4}" y="{y - 5:.1f}">target</text>')
    for run in _runs(marks):
        parts += _band(run, len(marks), ends)
        path = " ".join(f"{_x(place, len(marks)):.1f},{_y(value, ends):.1f}" for place, value, _ in run)
        parts.append(f'<polyline class="line" points="{path}"/>')
        for place, value, mark in run:
            said = escape(f"{mark.name}: {number_text(value, unit)}")
            spot = f'cx="{_x(place, len(marks)):.1f}" cy="{_y(value, ends):.1f}" r="3.5"'
            parts.append(f'<circle class="dot" {spot}><title>{said}</title></circle>')
    return _svg(title, HEIGHT, parts)


def bar_chart(title: str, marks: Sequence[Mark], ends: tuple[float, float], unit: Unit, target: float | None) -> str:
    """One bar a slice, its interval as a thin line, the target as a dashed one across all."""
    low, high = ends
    known = [mark for mark in marks if mark.figure is not None and mark.figure.value is not None]
    height = ROW * len(known) + 6
    parts: list[str] = []
    zero = _across(max(low, 0.0) if unit is Unit.NET else low, low, high)
    for number, mark in enumerate(known):
        figure, top = mark.figure, ROW * number
        assert figure is not None
        assert figure.value is not None
        end = _across(figure.value, low, high)
        name = mark.name if len(mark.name) <= 60 else mark.name[:59] + "…"
        said = escape(f"{mark.name}: {number_text(figure.value, unit)}")
        parts.append(f'<text class="name" x="0" y="{top + 20}">{escape(name)}</text>')
        parts.append(f'<text class="value" x="{WIDTH}" y="{top + 20}">{escape(number_text(figure.value, unit))}</text>')
        left, wide = min(zero, end), max(abs(end - zero), 1.0)
        bar = f'x="{left:.1f}" y="{top + 27}" width="{wide:.1f}" height="10" rx="2"'
        parts.append(f'<rect class="track" x="0" y="{top + 27}" width="{WIDTH}" height="10" rx="2"/>')
        parts.append(f'<rect class="bar" {bar}><title>{said}</title></rect>')
        if figure.low is not None and figure.high is not None:
            x1, x2 = _across(figure.low, low, high), _across(figure.high, low, high)
            parts.append(f'<line class="whisker" x1="{x1:.1f}" x2="{x2:.1f}" y1="{top + 32}" y2="{top + 32}"/>')
    if target is not None and low <= target <= high:
        x = _across(target, low, high)
        parts.append(f'<line class="target" x1="{x:.1f}" x2="{x:.1f}" y1="22" y2="{height}"/>')
    return _svg(title, height, parts, "bars")


def _svg(title: str, height: float, parts: Sequence[str], kind: str = "time") -> str:
    told = escape(title)
    return (
        f'<svg class="{kind}" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{told}">'
        f"<title>{told}</title>{''.join(parts)}</svg>"
    )


def _grid(ends: tuple[float, float], unit: Unit) -> Iterator[str]:
    for step in range(_STEPS + 1):
        value = ends[0] + step * (ends[1] - ends[0]) / _STEPS
        y = _y(value, ends)
        yield f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        said = f"{value:g}" if unit is Unit.POINTS else number_text(value, unit)
        yield f'<text class="axis" x="{_LEFT - 8}" y="{y + 4:.1f}">{escape(said)}</text>'


def _dates(marks: Sequence[Mark]) -> Iterator[str]:
    every = -(-len(marks) // _LABELS) if marks else 1
    for place in range(0, len(marks), every):
        x = _x(place, len(marks))
        yield f'<text class="date" x="{x:.1f}" y="{HEIGHT - 8}">{escape(_short(marks[place].name))}</text>'


def _short(name: str) -> str:
    """`2026-11-02` is `11-02` in a row of dates."""
    return name[5:] if len(name) == 10 else name


def _runs(marks: Sequence[Mark]) -> Iterator[list[tuple[int, float, Mark]]]:
    """Points without a gap between them."""
    run: list[tuple[int, float, Mark]] = []
    for place, mark in enumerate(marks):
        value = None if mark.figure is None else mark.figure.value
        if value is None:
            if run:
                yield run
            run = []
        else:
            run.append((place, value, mark))
    if run:
        yield run


def _band(run: Sequence[tuple[int, float, Mark]], number: int, ends: tuple[float, float]) -> Iterator[str]:
    upper, lower = [], []
    for place, _, mark in run:
        figure = mark.figure
        if figure is None or figure.low is None or figure.high is None:
            return
        upper.append(f"{_x(place, number):.1f},{_y(figure.high, ends):.1f}")
        lower.append(f"{_x(place, number):.1f},{_y(figure.low, ends):.1f}")
    yield f'<polygon class="band" points="{" ".join([*upper, *reversed(lower)])}"/>'


def _x(place: int, number: int) -> float:
    inner = WIDTH - _LEFT - _RIGHT
    return _LEFT + (inner / 2 if number == 1 else inner * place / (number - 1))


def _y(value: float, ends: tuple[float, float]) -> float:
    share = (value - ends[0]) / (ends[1] - ends[0])
    return HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)


def _across(value: float, low: float, high: float) -> float:
    return WIDTH * min(max((value - low) / (high - low), 0.0), 1.0)
