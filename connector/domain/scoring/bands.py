"""Bands sit on top of scores and are left reluctantly, so that a score on the edge does not flap."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from connector.domain.scoring.config import Band, exact


def plain_band(hundredths: int, bands: Sequence[Band]) -> str:
    """The band a score lies in, by the floors alone. `bands` ascend from 0."""
    return bands[_position(hundredths, bands)].name


def next_band(current: str | None, hundredths: int | None, bands: Sequence[Band], margin: float) -> str | None:
    """The band after one more evaluation.

    A band is left only by more than `margin` points beyond its edge; the score's own band is then taken. Without a
    current band (or with one that no longer exists) it is the score's own; without a score there is none, and the
    next score starts afresh.
    """
    if hundredths is None:
        return None
    own = _position(hundredths, bands)
    held = next((position for position, band in enumerate(bands) if band.name == current), None)
    if held is None:
        return bands[own].name
    slack = 100 * exact(margin)
    below = hundredths < 100 * exact(bands[held].floor) - slack
    above = held + 1 < len(bands) and hundredths >= 100 * exact(bands[held + 1].floor) + slack
    return bands[own if below or above else held].name


def fold_bands(evaluations: Iterable[int | None], bands: Sequence[Band], margin: float) -> str | None:
    """The band after `evaluations` (hundredths, None where no score is published), oldest first."""
    band: str | None = None
    for hundredths in evaluations:
        band = next_band(band, hundredths, bands, margin)
    return band


def _position(hundredths: int, bands: Sequence[Band]) -> int:
    return max(
        position for position, band in enumerate(bands) if position == 0 or hundredths >= 100 * exact(band.floor)
    )
