"""Nights: hours in which customers get no messages, by the wall clock where they are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """From `begins` until `ends`, over midnight where it ends earlier than it begins."""

    begins: time
    ends: time

    def covers(self, at: time) -> bool:
        """Whether a wall clock that shows `at` shows night; it is over at its end."""
        if self.begins <= self.ends:
            return self.begins <= at < self.ends
        return at >= self.begins or at < self.ends


def slept(began: datetime, ready: datetime, night: Night | None, zone: tzinfo) -> bool:
    """Whether what began at `began` was kept back over the night it began in, and is not `ready` before its end."""
    end = awake_from(began, night, zone)
    return began < end <= ready


def awake_from(moment: datetime, night: Night | None, zone: tzinfo) -> datetime:
    """`moment`, or when the night it is in ends in `zone`. Clock changes are the zone's business.

    An end that the clocks jump over comes when they have jumped; of one that comes twice the first is meant.
    """
    local = moment.astimezone(zone)
    if night is None or not night.covers(local.time()):
        return moment
    end = local.replace(hour=night.ends.hour, minute=night.ends.minute, second=night.ends.second, microsecond=0, fold=0)
    if end.replace(tzinfo=None) <= local.replace(tzinfo=None):
        end += timedelta(days=1)
    # The hour that comes twice can be night again after it has ended: nobody is woken for that.
    return max(end.astimezone(UTC), moment)
