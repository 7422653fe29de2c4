"""The shipped configuration with another CRM or helpdesk in it: to begin with, and to see that it holds there, too."""

from __future__ import annotations

import re

_SALESFORCE = re.compile(r"^  salesforce:\n(?:    .*\n)+", re.MULTILINE)
_ZENDESK = re.compile(r"^  zendesk:\n(?:    .*\n)+", re.MULTILINE)
_HUBSPOT = """\
  hubspot:
    kind: hubspot
    portal: "4711"
    token: "${HUBSPOT_TOKEN}"
    mapping: mappings/crm/hubspot.yaml
    linger: 1m
    quota: {share: 50%}
"""
_REPLACED = {
    "from: salesforce, field: Last_Service__c": "from: hubspot, field: last_service",
    "connection: salesforce": "connection: hubspot",
    "to: [salesforce]": "to: [hubspot]",
    "[salesforce, zendesk]": "[hubspot, zendesk]",
}


def for_crm(text: str, crm: str) -> str:
    """The example configuration `text` with `crm` in the place of Salesforce. Raises ValueError when it names none."""
    if crm == "salesforce":
        return text
    text, found = _SALESFORCE.subn(_HUBSPOT, text)
    for before, after in _REPLACED.items():
        found *= text.count(before)
        text = text.replace(before, after)
    if not found or "salesforce" in text.lower():
        raise ValueError("the example configuration names Salesforce where no CRM was expected")
    return text


def for_helpdesk(text: str, kind: str, connection: str) -> str:
    """The example configuration `text` with the helpdesk `kind` in the place of Zendesk.

    `connection` is its block below `connections:`. Raises ValueError when the example names no Zendesk.
    """
    text, found = _ZENDESK.subn(lambda _: f"{connection.rstrip()}\n", text)
    if not found:
        raise ValueError("the example configuration has no connection to Zendesk")
    return re.sub(r"\bzendesk\b(?!\.yaml)", kind, text)
