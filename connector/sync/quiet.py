"""Nights: a message that is not about something critical waits for the morning."""

from __future__ import annotations

from datetime import datetime, timedelta

from connector.sync.settings import DecideSettings


def loud_from(settings: DecideSettings, now: datetime, *, critical: bool) -> datetime:
    """From when on a message may be sent: now, or when the night is over."""
    if settings.quiet is None or critical:
        return now
    return settings.quiet.add(now, timedelta(0))
