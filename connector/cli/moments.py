"""Days and instants as people type them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import typer


def beginning(text: str, zone: str, option: str) -> datetime:
    """A day's first instant in `zone` (`2026-11-01`), or an instant (`2026-11-01T12:00Z`). Raises BadParameter."""
    try:
        if len(text) <= len("2026-11-01"):
            return datetime.combine(date.fromisoformat(text), time(), ZoneInfo(zone)).astimezone(UTC)
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("expected a day such as 2026-11-01", param_hint=option) from None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)


def end(text: str, zone: str, option: str) -> datetime:
    """A day's last instant in `zone`, or the instant itself. Raises BadParameter."""
    moment = beginning(text, zone, option)
    if len(text) > len("2026-11-01"):
        return moment
    local = moment.astimezone(ZoneInfo(zone)).date() + timedelta(days=1)
    return datetime.combine(local, time(), ZoneInfo(zone)).astimezone(UTC) - timedelta(microseconds=1)
