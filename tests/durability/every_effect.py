"""Every kind of write of every real adapter, by the vendor's name and its own."""

from __future__ import annotations

from collections.abc import Mapping

from connector.testing.effect import Effect
from tests.durability.effects import SALESFORCE, SLACK, ZENDESK
from tests.durability.effects_hubspot import HUBSPOT
from tests.durability.effects_smtp import SMTP
from tests.durability.effects_workflow import WORKFLOW

VENDORS: Mapping[str, Mapping[str, Effect]] = {
    "hubspot": HUBSPOT,
    "salesforce": SALESFORCE,
    "zendesk": ZENDESK,
    "slack": SLACK,
    "workflow": WORKFLOW,
    "smtp": SMTP,
}
EFFECTS: Mapping[str, Effect] = {
    f"{vendor} {name}": effect for vendor, effects in VENDORS.items() for name, effect in effects.items()
}
