"""Nights: a message to people that is not about something critical waits for the morning."""

from __future__ import annotations

from datetime import datetime

from connector.domain.recovery.night import awake_from, slept
from connector.store.intents import IntentRow
from connector.sync.outlet import Limits
from connector.sync.settings import DecideSettings


def loud_from(settings: DecideSettings, now: datetime, *, critical: bool) -> datetime:
    """From when on a message may be sent: now, or when the night is over."""
    return now if critical else awake_from(now, settings.quiet, settings.time_zone)


def was_kept_back(row: IntentRow, limits: Limits) -> bool:
    """Whether a message that is due waited for the morning: what was planned at night and was loud then did not."""
    return slept(row.planned_at, row.not_before, limits.quiet, limits.time_zone)
