"""How figures, spans and differences are written, the same in every form of a report."""

from __future__ import annotations

from typing import Final

from connector.domain.reporting.figures import Figure, Unit

BLANK: Final = "–"
_SPANS: Final = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def number_text(value: float, unit: Unit) -> str:
    """`4.21`, `87 %`, `+42`, `1 h 20 min`."""
    if unit is Unit.SHARE:
        return f"{100 * value:.0f} %"
    if unit is Unit.NET:
        return f"{value:+.0f}" if round(value) else "0"
    return span_text(value) if unit is Unit.SECONDS else f"{value:.2f}"


def span_text(seconds: float) -> str:
    """The two largest units: `2 d 3 h`, `25 min`."""
    left, parts = round(seconds), []
    for length, name in _SPANS:
        if left >= length:
            parts.append(f"{left // length} {name}")
            left %= length
        elif parts:
            break
    return " ".join(parts[:2]) or "0 s"


def value_text(figure: Figure) -> str:
    """The figure, or why there is none."""
    return figure.why or BLANK if figure.value is None else number_text(figure.value, figure.unit)


def interval_text(figure: Figure) -> str:
    """`82 to 91 %`; empty where there is none."""
    if figure.low is None or figure.high is None:
        return ""
    low, high = number_text(figure.low, figure.unit), number_text(figure.high, figure.unit)
    return f"{low.removesuffix(' %')} to {high}"


def change_text(now: Figure, then: Figure | None) -> str:
    """`+0.12`, `-3 pp`, `+20 min`; empty where either is not known."""
    if then is None or now.value is None or then.value is None:
        return ""
    change = now.value - then.value
    if now.unit is Unit.SECONDS:
        return f"{'-' if change < 0 else '+'}{span_text(abs(change))}" if round(change) else "same"
    factor, digits, name = {Unit.SHARE: (100, 0, " pp"), Unit.NET: (1, 0, "")}.get(now.unit, (1, 2, ""))
    rounded = round(factor * change, digits)
    return f"{rounded:+.{digits}f}{name}" if rounded else "same"


def target_text(figure: Figure, target: float | None) -> str:
    """`4.50 reached`, `90 % missed`; only the target where it is not known."""
    if target is None:
        return ""
    reached = figure.reaches(target)
    said = number_text(target, figure.unit)
    return said if reached is None else f"{said} {'reached' if reached else 'missed'}"
