"""Old answers inform, they do not alarm."""

from __future__ import annotations

from datetime import datetime, timedelta


def may_act(event_at: datetime, now: datetime, answered_within: timedelta) -> bool:
    """Whether an answer is young enough to open or join a recovery. Exactly as old as allowed is young enough."""
    return now - event_at <= answered_within


def may_notify(event_at: datetime, now: datetime, notify_within: timedelta) -> bool:
    """Whether an answer is young enough to interrupt people with a message."""
    return now - event_at <= notify_within
