"""AcmeDesk in `connector demo`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from acmedesk.simulator import HOOK_SECRET, TOKEN, Acmedesk
from connector.clock import Clock

CONNECTION = """\
  acmedesk:
    kind: acmedesk
    desk: acme
    api_token: "${ACMEDESK_TOKEN}"
    webhook_secret: ["${ACMEDESK_WEBHOOK_SECRET}"]
    mapping: mappings/helpdesk/zendesk.yaml
    ceiling: {new_tickets: 300/h}
"""


class DemoAcmedesk:
    """A helpdesk as the demo sees it. It understands the fields of the mapping that is shipped for Zendesk."""

    kind = "acmedesk"
    name = "AcmeDesk"
    connection = CONNECTION

    def __init__(self, clock: Clock) -> None:
        self._desk = Acmedesk(clock, index_lag=timedelta(seconds=2))
        self.site = self._desk.site

    def environment(self) -> Mapping[str, str]:
        """What the block refers to, and where the simulator is."""
        return {
            "ACMEDESK_TOKEN": TOKEN,
            "ACMEDESK_WEBHOOK_SECRET": HOOK_SECRET,
            "CONNECTOR__CONNECTIONS__ACMEDESK__BASE_URL": self.site.base_url,
        }

    def add(self, requester_email: str, age: timedelta) -> int:
        """A customer opened a ticket."""
        made = self._desk.add_ticket(requester_email)
        self._desk.backdate(made, age)
        return int(made)

    def ours(self) -> int:
        """Ours have a reference."""
        return sum(bool(ticket["reference"]) for ticket in self._desk.tickets.values())

    def page(self) -> str:
        """What it holds."""
        return f"{self.site.base_url}/__simulator__/truth"
