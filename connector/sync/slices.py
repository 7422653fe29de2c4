"""The slices of an answer that thresholds may name."""

from __future__ import annotations

from connector.domain.model.response import Response


def slices(response: Response) -> dict[str, str]:
    """The interaction's service, place, staff and channel, and the response's own segments, which win."""
    about = response.interaction
    known = {"service": about.service, "location": about.location, "staff": about.staff, "channel": about.channel}
    return {name: value for name, value in known.items() if value is not None} | dict(response.segments)
