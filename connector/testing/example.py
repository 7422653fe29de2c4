"""The shipped configuration with another CRM in it, to begin with, and to see that everything holds there as well."""

from __future__ import annotations

import re

_SALESFORCE = re.compile(r"^  salesforce:\n(?:    .*\n)+", re.MULTILINE)
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
