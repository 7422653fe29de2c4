"""Deadlines, and how a person reads them."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

# strftime would follow the locale of the process; texts are English wherever the daemon runs.
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def due_at(start: datetime, after: timedelta) -> datetime:
    """The deadline `after` the aware instant `start`, to the second, in elapsed time: 4 h stay 4 h on a clock change.

    Start from when the recovery was decided, not from an answer that may have arrived days late: a deadline that has
    passed before anybody could know of it helps nobody.
    """
    return (start + after).replace(microsecond=0)


def due_text(due: datetime, zone: tzinfo) -> str:
    """`Mon 23 Nov 14:30 (Europe/Berlin)`: the wall clock of `zone`, which is named because readers sit elsewhere."""
    local = due.astimezone(zone)
    return f"{day_text(due, zone)} {local:%H:%M} ({zone})"


def day_text(moment: datetime, zone: tzinfo) -> str:
    """`Mon 23 Nov` in `zone`."""
    local = moment.astimezone(zone)
    return f"{_DAYS[local.weekday()]} {local.day} {_MONTHS[local.month - 1]}"
