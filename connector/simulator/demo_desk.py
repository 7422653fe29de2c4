"""The helpdesks a demo can be played with: Zendesk, and those of installed packages, in words they share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from importlib.metadata import entry_points
from typing import Protocol, cast

from connector.clock import Clock
from connector.domain.model.nearest import nearest
from connector.errors import ConnectorError
from connector.simulator.server import Site
from connector.simulator.zendesk import Zendesk

GROUP = "csat_connector.demos"
"""Where packages name theirs: the adapter's kind and a class that takes a clock."""
ZENDESK = "zendesk"


class DemoDesk(Protocol):
    """One helpdesk as the demo sees it.

    `kind` is the adapter's, and what the connection is called; `name` is the vendor's own. `connection` is its block in
    the YAML, indented below `connections:`. Tickets are numbered from 10001 on.
    """

    kind: str
    name: str
    site: Site
    connection: str

    def environment(self) -> Mapping[str, str]:
        """Credentials and addresses that the block refers to; asked for once `site` runs."""
        ...

    def add(self, requester_email: str, age: timedelta) -> int:
        """A customer opened a ticket so long ago; returns its number."""
        ...

    def ours(self) -> int:
        """How many tickets the connector opened."""
        ...

    def page(self) -> str:
        """Where tickets can be looked at."""
        ...


class DemoZendesk:
    """Zendesk as the demo sees it."""

    kind = ZENDESK
    name = "Zendesk"
    connection = ""

    def __init__(self, zendesk: Zendesk) -> None:
        self._zendesk = zendesk
        self.site = zendesk.site

    def environment(self) -> Mapping[str, str]:
        """The example configuration and the simulators know it already."""
        return {}

    def add(self, requester_email: str, age: timedelta) -> int:
        """A customer opened a ticket."""
        made = self._zendesk.add_ticket(requester_email=requester_email, subject="Please help")
        self._zendesk.desk.backdate(made, age)
        return made

    def ours(self) -> int:
        """Ours carry our key."""
        return sum(bool(ticket["external_id"]) for ticket in self.site.truth.kind("ticket").values())

    def page(self) -> str:
        """The agents' list."""
        return f"{self.site.base_url}/agent/tickets"


def other_desk(kind: str, clock: Clock) -> DemoDesk | None:
    """The helpdesk an installed package brings; None for Zendesk. Raises ConnectorError when nobody brings it."""
    if kind == ZENDESK:
        return None
    found = {point.name: point for point in entry_points(group=GROUP)}
    if kind not in found:
        near = nearest(kind, [ZENDESK, *found])
        hint = f" (did you mean {near!r}?)" if near else ""
        raise ConnectorError(f"no installed package brings a demo of the helpdesk {kind!r}{hint}")
    return cast("DemoDesk", found[kind].load()(clock))
