"""An end date of a vendor never surprises: from 90 days before, this fails until somebody has dealt with it."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from connector.clock import SystemClock

CALENDAR = (Path(__file__).parents[1] / "docs" / "calendar.md").read_text(encoding="utf-8")
NOTICE = timedelta(days=90)
HEAD = "| date | who | what | for the connector |\n|---|---|---|---|\n"


def pressing(text: str, today: date) -> list[str]:
    """The rows of a calendar whose date is near or past and for which something remains to be done."""
    found = []
    for line in text.partition(HEAD)[2].partition("\n\n")[0].splitlines():
        when, who, what, ours = (cell.strip() for cell in line.strip("|").split("|"))
        if date.fromisoformat(when) - today <= NOTICE and not ours.startswith("ready"):
            found.append(f"{when} {who}: {what} → {ours}")
    return found


def test_nothing_ends_within_90_days_that_we_are_not_ready_for() -> None:
    assert pressing(CALENDAR, SystemClock().now().date()) == []


def test_every_row_has_a_date_and_what_it_means_for_us() -> None:
    rows = CALENDAR.partition(HEAD)[2].partition("\n\n")[0].splitlines()
    dates = [date.fromisoformat(row.split("|")[1].strip()) for row in rows]
    assert len(rows) >= 5
    assert dates == sorted(dates)


@pytest.mark.parametrize(
    ("ours", "today", "told"),
    [
        ("move on", date(2027, 1, 30), False),
        ("move on", date(2027, 1, 31), True),
        ("move on", date(2027, 6, 1), True),
        ("ready: moved", date(2027, 6, 1), False),
    ],
)
def test_a_row_presses_from_90_days_before_until_it_is_dealt_with(ours: str, today: date, *, told: bool) -> None:
    text = f"{HEAD}| 2027-05-01 | Vendor | v1 ends | {ours} |\n\nOther text."
    assert bool(pressing(text, today)) is told
