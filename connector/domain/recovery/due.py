"""Deadlines, and how a person reads them."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

# strftime would follow the locale of the process; texts are English wherever the daemon runs.
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def due_text(due: datetime, zone: tzinfo) -> str:
    """`Mon 23 Nov 14:30 (Europe/Berlin)`: the wall clock of `zone`, which is named because readers sit elsewhere."""
    local = due.astimezone(zone)
    return f"{day_text(due, zone)} {local:%H:%M} ({zone})"


def day_text(moment: datetime, zone: tzinfo) -> str:
    """`Mon 23 Nov` in `zone`."""
    local = moment.astimezone(zone)
    return f"{_DAYS[local.weekday()]} {local.day} {_MONTHS[local.month - 1]}"


def span_text(span: timedelta) -> str:
    """`3 h 10 min`, in at most two units, rounded down to minutes; less than one is `1 min`."""
    minutes = max(int(span.total_seconds()) // 60, 1)
    days, hours = divmod(minutes // 60, 24)
    parts = [(days, "d"), (hours, "h"), (minutes % 60, "min")]
    return " ".join(f"{number} {unit}" for number, unit in [part for part in parts if part[0]][:2])
